"""The catalogue as static STAC 1.1: one collection, one item per period, one asset per layer; plain dicts,
plain files.

::

    catalog.json                       root
    {id}/collection.json               the collection
    {id}/{period}/{period}.json        an item, beside the files of its layers

Links and hrefs are relative, so the folder can be moved or served as it is. Nothing of the moment enters: the
same records give the same bytes. Core fields follow the STAC specification 1.1.0, the others the extensions
named in ``EXTENSIONS``.
"""

from __future__ import annotations

import itertools
import json
import math
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from odse.errors import CatalogError
from odse.grid import Grid, Window, change_of
from odse.layer.layer import Layer
from odse.layer.period import Period, format_time, season_of
from odse.raster.cog import CogInfo
from odse.raster.encoding import Encoding
from odse.store.files import put_bytes

Json = dict[str, Any]

STAC_VERSION = "1.1.0"
_HOME = "https://stac-extensions.github.io"
EXTENSIONS = {
    "projection": f"{_HOME}/projection/v2.0.0/schema.json",
    "raster": f"{_HOME}/raster/v2.0.0/schema.json",
    "file": f"{_HOME}/file/v2.1.0/schema.json",
    "classification": f"{_HOME}/classification/v1.1.0/schema.json",
}
COG_TYPE = "image/tiff; application=geotiff; profile=cloud-optimized"

FOOTPRINT_POINTS = 16
"""Points per edge of a footprint: a straight edge of a projected box is a curve in longitude and latitude."""
BOX_POINTS = 256
"""Points per edge of which a bounding box is the extent."""


@dataclass(frozen=True)
class LayerRecord:
    """A published Layer, as the catalogue has to know it."""

    layer: Layer
    href: str
    """Of the COG, relative to the catalogue's folder, with forward slashes."""
    preview_href: str | None
    info: CogInfo
    encoding: Encoding
    window: Window
    """Pixels of the grid it covers."""
    grid: Grid
    true_period: Period
    """The days it was really made from; its name carries the days of its name."""


def write_catalog(
    root_dir: Path,
    *,
    id: str,
    title: str,
    description: str,
    licence: str,
    attribution: str,
    records: Sequence[LayerRecord],
    providers: Sequence[Mapping[str, Any]] = (),
    keywords: Sequence[str] = (),
) -> Path:
    """Write the catalogue of ``records`` below ``root_dir``; the path of its ``catalog.json``, which is
    written last.

    ``licence`` is an SPDX identifier or ``other``; ``providers`` are STAC provider objects. Raises
    CatalogError when two layers would get the same place in an item, when a layer's file is missing, lies
    outside ``root_dir`` or has another size than its record, and when there is nothing to write. Touches the
    disk; earlier files of the same names are replaced.
    """
    root_dir = Path(root_dir)
    for record in records:
        _check_files(root_dir, record)
    files = catalog_files(
        id=id,
        title=title,
        description=description,
        licence=licence,
        attribution=attribution,
        records=records,
        providers=providers,
        keywords=keywords,
    )
    for name, data in files.items():
        put_bytes(root_dir / name, data)
    return root_dir / "catalog.json"


def catalog_files(
    *,
    id: str,
    title: str,
    description: str,
    licence: str,
    attribution: str,
    records: Sequence[LayerRecord],
    providers: Sequence[Mapping[str, Any]] = (),
    keywords: Sequence[str] = (),
) -> dict[str, bytes]:
    """The catalogue's files: path relative to its folder -> bytes, items first and the root last. Pure."""
    if not records:
        raise CatalogError.sentence("write", f"catalogue {id}", "the number of its layers", 0, "publish a layer first")
    groups: dict[str, list[LayerRecord]] = {}
    for record in sorted(records, key=lambda one: (one.true_period, str(one.layer.name))):
        groups.setdefault(_item_id(record), []).append(record)
    items = {f"{id}/{item_id}/{item_id}.json": _item(id, item_id, licence, group) for item_id, group in groups.items()}
    collection = _collection(
        id, title, description, licence, attribution, providers, keywords, list(items.values()), records
    )
    root: Json = {
        "type": "Catalog",
        "stac_version": STAC_VERSION,
        "id": f"{id}-catalog",
        "title": title,
        "description": description,
        "links": [
            _link("root", "./catalog.json", title=title),
            _link("child", f"./{id}/collection.json", title=title),
        ],
    }
    everything = {**items, f"{id}/collection.json": collection, "catalog.json": root}
    return {path: _bytes(content) for path, content in everything.items()}


def footprint(grid: Grid, window: Window) -> tuple[list[list[float]], list[float]]:
    """Closed ring (longitude, latitude) and box (west, south, east, north) of a window, edges densified.

    The ring runs counter-clockwise. Raises CatalogError where the window has no place on the globe or crosses
    180 degrees.

    >>> from odse.grid import grid_
    >>> ring, box = footprint(grid_("odse-30m"), (100000, 70000, 101024, 71024))
    >>> len(ring), [round(v, 3) for v in box]
    (65, [3.694, 52.909, 4.189, 53.207])
    """
    left, bottom, right, top = grid.bounds_of(window)
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    dense_lon, dense_lat = _lonlat(grid.crs, corners, BOX_POINTS)
    if not (np.isfinite(dense_lon).all() and np.isfinite(dense_lat).all()) or np.ptp(dense_lon) > 180:
        raise CatalogError.sentence(
            "place",
            f"window {window}",
            "its outline in longitude and latitude",
            "not one piece of the globe",
            "choose a CRS that fits the area",
        )
    box = [
        math.floor(float(dense_lon.min()) * 1e7) / 1e7,
        math.floor(float(dense_lat.min()) * 1e7) / 1e7,
        math.ceil(float(dense_lon.max()) * 1e7) / 1e7,
        math.ceil(float(dense_lat.max()) * 1e7) / 1e7,
    ]
    lon, lat = _lonlat(grid.crs, corners, FOOTPRINT_POINTS)
    ring = [[round(float(a), 7), round(float(b), 7)] for a, b in zip(lon, lat, strict=True)]
    return [*ring, ring[0]], box


def _lonlat(crs: str, corners: Sequence[tuple[float, float]], points: int) -> tuple[Any, Any]:
    """Longitudes and latitudes along a path, ``points`` to each of its edges, without its last point."""
    share = np.linspace(0.0, 1.0, points, endpoint=False)
    x = np.concatenate([a[0] + (b[0] - a[0]) * share for a, b in itertools.pairwise(corners)])
    y = np.concatenate([a[1] + (b[1] - a[1]) * share for a, b in itertools.pairwise(corners)])
    return change_of(crs, "OGC:CRS84").transform(x, y)


def _item_id(record: LayerRecord) -> str:
    period = record.layer.name.period
    if period is None:
        raise CatalogError.sentence(
            "list",
            str(record.layer.name),
            "its period",
            "missing from its name",
            "publish it under a name with a period",
        )
    return format_time(period)


def _item(collection: str, item_id: str, licence: str, records: Sequence[LayerRecord]) -> Json:
    assets: Json = {}
    owner: dict[str, str] = {}
    for record in records:
        key = record.layer.name.asset_key
        made = {key: _asset(record, collection, item_id)}
        if record.preview_href is not None:
            made[f"{key}_preview"] = {
                "href": _relative(record.preview_href, collection, item_id),
                "title": f"{record.layer.title}, preview",
                "type": "image/png",
                "roles": ["thumbnail"],
            }
        for one in made:
            if one in owner:
                raise CatalogError.sentence(
                    "list",
                    f"{owner[one]} and {record.layer.name}",
                    f"the asset key of both in item {item_id}",
                    one,
                    "publish them under different variables, types or areas",
                )
            owner[one] = str(record.layer.name)
        assets.update(made)
    start, end = _extent(record.true_period for record in records)
    footprints = [footprint(record.grid, record.window) for record in _distinct(records)]
    rings, boxes = [ring for ring, _ in footprints], [box for _, box in footprints]
    geometry = (
        {"type": "Polygon", "coordinates": [rings[0]]}
        if len(rings) == 1
        else {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
    )
    middle = Period(start, end).middle
    period = records[0].layer.name.period
    season = season_of(period) if period is not None else None
    extensions = ["projection", "raster", "file"]
    if any(record.layer.legend is not None for record in records):
        extensions.append("classification")
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [EXTENSIONS[name] for name in extensions],
        "id": item_id,
        "collection": collection,
        "bbox": _union(boxes),
        "geometry": geometry,
        "properties": {
            "title": f"{season.name} {season.year}" if season is not None else item_id,
            "datetime": f"{middle.isoformat()}T00:00:00Z",
            "start_datetime": f"{start.isoformat()}T00:00:00Z",
            "end_datetime": f"{end.isoformat()}T23:59:59Z",
            "gsd": records[0].grid.resolution_m,
            "license": licence,
        },
        "links": [
            _link("root", "../../catalog.json"),
            _link("parent", "../collection.json"),
            _link("collection", "../collection.json"),
        ],
        "assets": dict(sorted(assets.items())),
    }


def _asset(record: LayerRecord, collection: str, item_id: str) -> Json:
    layer, encoding, info, grid = record.layer, record.encoding, record.info, record.grid
    height, width = info.shape
    if (height, width) != (record.window[3] - record.window[1], record.window[2] - record.window[0]):
        raise CatalogError.sentence(
            "list",
            str(layer.name),
            "the shape of its file",
            f"{info.shape}, not that of its window {record.window}",
            "publish it again",
        )
    a, b, c, d, e, f = tuple(grid.transform_of(record.window))[:6]
    statistics = {
        name: value
        for name, value in (
            ("minimum", info.minimum),
            ("maximum", info.maximum),
            ("mean", info.mean),
            ("stddev", info.stddev),
            ("valid_percent", info.valid_percent),
        )
        if value is not None
    }
    band: Json = {
        "name": layer.name.variable,
        "description": layer.title,
        "data_type": encoding.dtype,
        "nodata": encoding.nodata,
        "statistics": statistics,
        "raster:scale": encoding.scale,
        "raster:offset": encoding.offset,
        "raster:sampling": "area",
        "raster:spatial_resolution": grid.resolution_m,
    }
    if layer.unit:
        band["unit"] = layer.unit
    asset: Json = {
        "href": _relative(record.href, collection, item_id),
        "title": layer.title,
        "type": COG_TYPE,
        "roles": ["data"],
        "bands": [band],
        **_projection(grid),
        "proj:shape": [height, width],
        "proj:transform": [a, b, c, d, e, f],
        "proj:bbox": list(grid.bounds_of(record.window)),
        # Multihash: 12 = sha2-256, 20 = 32 bytes.
        "file:checksum": f"1220{info.sha256}",
        "file:size": info.bytes,
    }
    if layer.legend is not None:
        asset["classification:classes"] = [
            {
                "value": one.value,
                "name": one.code,
                "description": one.label,
                "color_hint": one.color.lstrip("#").upper(),
            }
            for one in layer.legend.classes
        ]
    return asset


def _projection(grid: Grid) -> Json:
    """The CRS by its code, or whole where it has none."""
    if ":" in grid.crs and len(grid.crs) < 20:
        return {"proj:code": grid.crs}
    return {"proj:code": None, "proj:wkt2": grid.crs}


def _collection(
    id: str,
    title: str,
    description: str,
    licence: str,
    attribution: str,
    providers: Sequence[Mapping[str, Any]],
    keywords: Sequence[str],
    items: Sequence[Json],
    records: Sequence[LayerRecord],
) -> Json:
    start = min(item["properties"]["start_datetime"] for item in items)
    end = max(item["properties"]["end_datetime"] for item in items)
    collection: Json = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": id,
        "title": title,
        "description": description,
        "license": licence,
        "attribution": attribution,
        "extent": {
            "spatial": {"bbox": [_union([item["bbox"] for item in items])]},
            "temporal": {"interval": [[start, end]]},
        },
        "summaries": {
            "gsd": sorted({record.grid.resolution_m for record in records}),
            "variable": sorted({record.layer.name.variable for record in records}),
        },
        "links": [
            _link("root", "../catalog.json"),
            _link("parent", "../catalog.json"),
            *(_link("item", f"./{item['id']}/{item['id']}.json", title=item["properties"]["title"]) for item in items),
        ],
    }
    if providers:
        collection["providers"] = [dict(one) for one in providers]
    if keywords:
        collection["keywords"] = list(keywords)
    return collection


def _check_files(root_dir: Path, record: LayerRecord) -> None:
    for href in (record.href, record.preview_href):
        if href is None:
            continue
        if posixpath.isabs(href) or posixpath.normpath(href).startswith("..") or "\\" in href:
            raise CatalogError.sentence(
                "list",
                str(record.layer.name),
                "its href",
                f"{href}, outside the catalogue",
                "put the file below its folder",
            )
        path = root_dir / href
        if not path.is_file():
            raise CatalogError.sentence(
                "list", str(record.layer.name), "its file", f"missing ({href})", "publish it again"
            )
        if href == record.href and path.stat().st_size != record.info.bytes:
            raise CatalogError.sentence(
                "list",
                str(record.layer.name),
                "the size of its file",
                f"{path.stat().st_size} bytes, not {record.info.bytes} as when it was verified",
                "publish it again",
            )


def _relative(href: str, collection: str, item_id: str) -> str:
    relative = posixpath.relpath(href, f"{collection}/{item_id}")
    return relative if relative.startswith("..") else f"./{relative}"


def _distinct(records: Sequence[LayerRecord]) -> list[LayerRecord]:
    """One record per place."""
    return list({(record.grid.digest, record.window): record for record in records}.values())


def _extent(periods: Iterable[Period]) -> tuple[date, date]:
    known = list(periods)
    return min(one.start for one in known), max(one.end for one in known)


def _union(boxes: Sequence[Sequence[float]]) -> list[float]:
    west, south, east, north = zip(*boxes, strict=True)
    return [min(west), min(south), max(east), max(north)]


def _link(rel: str, href: str, *, title: str | None = None) -> Json:
    kind = "application/geo+json" if rel == "item" else "application/json"
    return {"rel": rel, "href": href, "type": kind, **({"title": title} if title is not None else {})}


def _bytes(content: Json) -> bytes:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
