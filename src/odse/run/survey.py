"""What somebody has: an area, and folders whose content says whether they are an archive or ready layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

from odse.errors import RecipeError, SourceError
from odse.grid import ODSE_30M, Grid, change_of
from odse.layer.period import interval_period, season_of, seasons
from odse.sources import glad
from odse.sources.layers import SUFFIXES, FoundLayer, check_on_grid, scan

LONLAT = "EPSG:4326"
EUROPE = (-35.58, 24.6, 44.83, 84.73)
"""Where EPSG:3035 is meant to be used: west, south, east, north."""
ENOUGH_SEASONS = 2
"""Seasons of a year in which an archive must have an image for the year to count."""
ALL_INTERVALS = range(1, 5000)

Kind = Literal["glad", "series", "static", "truth"]


@dataclass(frozen=True)
class AreaFile:
    """A polygon and where it came from."""

    path: Path
    lonlat: BaseGeometry
    crs: str
    says_crs: bool
    polygons: int


@dataclass(frozen=True)
class Found:
    """One entry of a recipe's data."""

    name: str
    path: str
    kind: Kind
    why: str
    years: frozenset[int] = frozenset()
    """Of an archive or a series: years with something in them."""
    variables: tuple[str, ...] | None = None
    """Which of a folder's; None: all."""
    layers: tuple[FoundLayer, ...] = ()


def look_at_area(path: str | Path) -> AreaFile:
    """The polygon of a vector file, in longitude and latitude. Reads it. Raises RecipeError."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError.sentence("read", f"area {path}", "the file", "not there", "check --area")
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) != 1:
            value = f"{len(layers)} ({', '.join(layers)})" if layers else 0
            raise RecipeError.sentence(
                "use", f"area {path.name}", "the number of its layers with a shape", value, "give a file with one"
            )
        meta, _, shapes, _ = pyogrio.raw.read(path, layer=layers[0], columns=[])
    except (DataSourceError, DataLayerError) as error:
        text = " ".join(str(error).replace(str(path), path.name).split())[:160]
        raise RecipeError.sentence(
            "read", f"area {path.name}", "its content", f"no vector file ({text})", "give a file of polygons"
        ) from error
    parts = [one for one in shapely.from_wkb(shapes) if one is not None and not one.is_empty]
    kinds = Counter(one.geom_type for one in parts)
    geometry = shapely.union_all([one if one.is_valid else shapely.make_valid(one) for one in parts])
    if geometry.is_empty or geometry.area == 0:
        value = ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "empty"
        raise RecipeError.sentence("use", f"area {path.name}", "its content", value, "give polygons")
    crs, says = str(meta["crs"] or ""), bool(meta["crs"])
    if not says:
        left, bottom, right, top = geometry.bounds
        crs = LONLAT if max(abs(left), abs(right)) <= 180 and max(abs(bottom), abs(top)) <= 90 else ODSE_30M.crs
    lonlat = moved(geometry, crs, LONLAT)
    if not all(abs(one) <= 360 for one in lonlat.bounds):
        raise RecipeError.sentence(
            "use",
            f"area {path.name}",
            "its place",
            f"{geometry.bounds}, nowhere in {crs}",
            "write its CRS into the file",
        )
    return AreaFile(path, lonlat, crs, says, len(parts))


def moved(geometry: BaseGeometry, crs_from: str, crs_to: str) -> BaseGeometry:
    """A geometry in another CRS, its edges densified."""
    change = change_of(crs_from, crs_to)
    result: BaseGeometry = transform(change.transform, shapely.segmentize(geometry, geometry.length / 400))
    return result if result.is_valid else shapely.make_valid(result)


def look_at_data(name: str, path: str, area: AreaFile) -> list[Found]:
    """What a folder holds: a GLAD mirror, or ready layers (series, static ones, known class maps).

    Lists folders and reads headers. Raises SourceError where it is neither or has nothing for the area.
    """
    root = Path(path)
    if not root.exists():
        raise SourceError.sentence("read", f"data `{name}`", f"the path {path}", "not there", "check --data")
    mirror = _mirror(root)
    if mirror == root:
        return [_archive(name, path, area)]
    if mirror is not None:
        raise SourceError.sentence(
            "use",
            f"data `{name}`",
            f"the path {path}",
            "inside a mirror of GLAD Landsat ARD",
            f"give --data {name}={mirror}",
        )
    rasters = [root] if root.is_file() else [one for one in root.rglob("*") if one.suffix.lower() in SUFFIXES]
    if not rasters:
        some = ", ".join(sorted(one.name for one in islice(root.iterdir(), 4))) if root.is_dir() else "a file"
        raise SourceError.sentence(
            "tell", f"what data `{name}` is", f"the content of {path}", f"without a GeoTIFF ({some or 'empty'})",
            "give a mirror of GLAD Landsat ARD (50N/014E_50N/909.tif) or a folder of named layers",
        )  # fmt: skip
    return _ready(name, path)


def _mirror(root: Path) -> Path | None:
    """The top folder of the mirror that a path belongs to, or None."""
    tile, image = re.compile(r"\d{3}[EW]_\d{2}[NS]"), re.compile(r"\d{1,4}\.tif")

    def holds(top: Path) -> bool:
        return top.is_dir() and any(
            tile.fullmatch(folder.name)
            and folder.is_dir()
            and any(image.fullmatch(one.name) for one in folder.iterdir())
            for latitude in islice(sorted(top.iterdir()), 400)
            if latitude.is_dir()
            for folder in islice(sorted(latitude.iterdir()), 400)
        )

    resolved = root.resolve()
    if holds(root):
        return root
    if any(tile.fullmatch(part) for part in (resolved.name, resolved.parent.name)) or (
        root.is_dir() and any(tile.fullmatch(one.name) for one in root.iterdir())
    ):
        return next((top for top in list(resolved.parents)[:3] if holds(top)), None)
    return None


def _archive(name: str, path: str, area: AreaFile) -> Found:
    files = glad.scenes(Path(path), intervals=ALL_INTERVALS, area_lonlat=area.lonlat)
    there = {file.interval for file in files}
    span = sorted({interval_period(one).end.year for one in there})
    years = {
        year
        for year in range(span[0], span[-1] + 2)
        if sum(bool(there & set(season.intervals)) for season in seasons([year])) >= ENOUGH_SEASONS
    } if span else set()  # fmt: skip
    if not years:
        raise SourceError.sentence(
            "use", f"data `{name}`", "the number of its images over the area", len(files), "check --area and the mirror"
        )
    tiles = sorted({file.tile_name for file in files})
    why = (
        f"a mirror of GLAD Landsat ARD: {len(files)} images of {', '.join(tiles[:4])}{', …' if len(tiles) > 4 else ''}"
    )
    return Found(name, path, "glad", why, frozenset(years))


def _ready(name: str, path: str) -> list[Found]:
    """The layers of a folder, sorted by what their names say of time and type."""
    by_variable: dict[str, list[FoundLayer]] = {}
    for layer in scan(path):
        by_variable.setdefault(layer.name.variable, []).append(layer)
    groups: dict[Kind, dict[str, list[FoundLayer]]] = {"series": {}, "static": {}, "truth": {}}
    left_out = []
    for variable, layers in by_variable.items():
        kind = _kind_of(layers)
        if kind is None:
            left_out.append(variable)
        else:
            groups[kind][variable] = layers
    used = {kind: found for kind, found in groups.items() if found}
    if not used:
        raise SourceError.sentence(
            "tell", f"what data `{name}` is", "the time of its layers",
            f"neither that of seasons nor one for each variable ({', '.join(left_out[:4])})", "take it out of --data",
        )  # fmt: skip
    whole = len(used) == 1 and not left_out
    beside = f"; left out, for the time in their names fits nothing: {', '.join(left_out)}" if left_out else ""
    result = []
    for kind, found in used.items():
        layers = [layer for some in found.values() for layer in some]
        years = frozenset(s.year for one in layers if one.name.period and (s := season_of(one.name.period)))
        words = {
            "series": f"layers of seasons, {_years(years)}",
            "static": "layers with one value for all years",
            "truth": "known class maps, compared with the result and never learned from",
        }[kind]
        why = f"{len(layers)} {words}: {', '.join(sorted(found)[:8])}{', …' if len(found) > 8 else ''}{beside}"
        entry = name if kind == next(iter(used)) else f"{name}_{kind}"
        variables = None if whole else tuple(sorted(found))
        result.append(
            Found(entry, path, kind, why, years if kind == "series" else frozenset(), variables, tuple(layers))
        )
    return result


def _kind_of(layers: Sequence[FoundLayer]) -> Kind | None:
    """What the layers of one variable are; None where their names do not say it."""
    seasonal = [one.name.period is not None and season_of(one.name.period) is not None for one in layers]
    if all(seasonal):
        return "series"
    if any(seasonal):
        return None
    if all(one.name.type == "c" and one.name.variable.startswith("landcover") for one in layers):
        return "truth"
    return "static" if len(layers) == 1 else None


def _years(years: frozenset[int]) -> str:
    return f"{min(years)} to {max(years)}" if len(years) > 1 else str(*years)


def choose_grid(found: Sequence[Found], area: AreaFile) -> tuple[Grid, str]:
    """The grid for some data, and why: the ODSE grid, that of the ready layers, or UTM where neither fits.

    Raises SourceError where ready layers lie on different grids.
    """
    layers = [layer for one in found for layer in one.layers]
    west, south, east, north = area.lonlat.bounds
    if layers:
        if check_on_grid(layers[0], ODSE_30M) is None:
            grid, why = ODSE_30M, "EPSG:3035, pixels of 30 m; the layers lie on it"
        else:
            first = layers[0]
            code = pyproj.CRS.from_user_input(first.crs_wkt).to_epsg(min_confidence=60) if first.crs_wkt else None
            if code is None:
                raise SourceError.sentence(
                    "use", f"layer {first.path.name}", "its CRS", "one without an EPSG code", "give it one with a code"
                )
            a, _, x, _, _, y = first.transform
            grid, why = Grid("own", f"EPSG:{code}", float(a), (float(x), float(y))), f"that of {first.path.name}"
        for layer in layers:
            fault = check_on_grid(layer, grid)
            if fault:
                raise SourceError(fault)
        return grid, why
    if west >= EUROPE[0] and south >= EUROPE[1] and east <= EUROPE[2] and north <= EUROPE[3]:
        return ODSE_30M, "EPSG:3035, pixels of 30 m: the ODSE grid, for all of Europe"
    middle = area.lonlat.centroid
    zone = min(60, int((middle.x + 180) // 6) + 1)
    crs = f"EPSG:{32600 + zone if middle.y >= 0 else 32700 + zone}"
    left, _, _, top = moved(area.lonlat, LONLAT, crs).bounds
    corner = (left // 30_000 * 30_000.0, -(-top // 30_000) * 30_000.0)
    return Grid("own", crs, 30.0, corner), f"UTM zone {zone}: the area lies outside Europe, where the ODSE grid ends"
