"""The catalogue is valid STAC, says what the files say, and is the same every time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
from pyproj import Transformer

from odse.catalog.stac import EXTENSIONS, LayerRecord, catalog_files, footprint, write_catalog
from odse.errors import CatalogError
from odse.grid import Grid, Tile, grid_
from odse.layer.layer import Kind, Layer
from odse.layer.legend import clc_legend
from odse.layer.name import LayerName
from odse.layer.period import Period, Season
from odse.layer.style import default_style
from odse.raster.cog import Part, write_cog
from odse.raster.encoding import encoding_
from odse.raster.preview import preview
from odse.raster.work import write_work
from odse.store.files import put_bytes

Faults = Callable[[dict[str, Any]], list[str]]
GRID = grid_("odse-30m")
TILE = Tile(74740 // 512, 104020 // 512, 512, GRID)
WINDOW = (TILE.window[0] + 3, TILE.window[1] + 5, TILE.window[2] - 7, TILE.window[3] - 11)
WORDS = {
    "id": "lcv_pilot_v0.1",
    "title": "Land cover of the pilot area",
    "description": "Maps of a small area.",
    "licence": "CC-BY-4.0",
    "attribution": "Contains Landsat data, é.",
}


def make_record(
    folder: Path, variable: str, type_: str, period: Period, true_period: Period, encoding: str
) -> LayerRecord:
    """A published layer of random pixels below ``folder``."""
    code = encoding_(encoding)
    name = LayerName.v1(
        "lcv",
        variable,
        method="odse.eml",
        type=type_,
        resolution_m=30,
        period=period,
        area="pilot",
        version="v0.1",
    )
    legend = clc_legend() if type_ == "c" else None
    kind: Kind = "class" if type_ == "c" else "continuous"
    unit = {"c": "class", "p": "%"}.get(type_, "1")
    layer = Layer(name, f"{variable} of {period}", unit, kind, default_style(name, legend), legend)
    seed = int.from_bytes(hashlib.sha256(str(name).encode()).digest()[:4], "big")
    array = np.random.default_rng(seed).integers(1, 45, (1, 512, 512)).astype(code.dtype)
    array[0, :50, :80] = code.nodata
    work = folder.parent / "work" / f"{name}.tif"
    write_work(work, array, transform=TILE.transform, crs=GRID.crs, nodata=code.nodata)
    href = f"{WORDS['id']}/{period}/{name}.tif"
    info = write_cog(
        folder / href,
        [Part(work, 1, TILE.window)],
        window=WINDOW,
        grid=GRID,
        layer=layer,
        encoding=code,
        tags={},
    )
    put_bytes(folder / href.replace(".tif", ".png"), preview(folder / href, layer.style, max_px=64))
    return LayerRecord(layer, href, href.replace(".tif", ".png"), info, code, WINDOW, GRID, true_period)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[LayerRecord]]:
    folder = tmp_path_factory.mktemp("catalogue") / "out"
    year = Period.of_year(2019)
    winter, summer = Season("odse", "winter", 2019), Season("odse", "summer", 2019)
    records = [
        make_record(folder, "landcover.hcl", "c", year, year, "class"),
        make_record(folder, "landcover.311", "p", year, year, "percent"),
        make_record(folder, "red", "p50", winter.period, winter.true_period, "byte-250"),
        make_record(folder, "red", "p50", summer.period, summer.true_period, "uint16"),
        make_record(folder, "ndvi", "p50", summer.period, summer.true_period, "ndvi-byte"),
    ]
    write_catalog(folder, records=records, **WORDS)  # type: ignore[arg-type]
    return folder, records


def documents(folder: Path) -> dict[Path, dict[str, Any]]:
    return {path: json.loads(path.read_bytes()) for path in sorted(folder.rglob("*.json"))}


def items(folder: Path) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in documents(folder).values() if one["type"] == "Feature"}


# --- valid ------------------------------------------------------------------------------------------------------


def test_core_schemas(made: tuple[Path, list[LayerRecord]], core_faults: Faults) -> None:
    seen = set()
    for path, document in documents(made[0]).items():
        seen.add(document["type"])
        assert core_faults(document) == [], path
    assert seen == {"Feature", "Collection", "Catalog"}


def test_the_core_schemas_do_find_faults(made: tuple[Path, list[LayerRecord]], core_faults: Faults) -> None:
    item = next(iter(items(made[0]).values()))
    for broken in (
        {**item, "properties": {**item["properties"], "start_datetime": "2019-01-01"}},
        {**item, "assets": {"a": {"title": "without href"}}},
        {key: value for key, value in item.items() if key != "bbox"},
    ):
        assert core_faults(broken)


def test_extension_schemas(made: tuple[Path, list[LayerRecord]], extension_faults: Faults) -> None:
    used = set()
    for path, document in documents(made[0]).items():
        used |= set(document.get("stac_extensions", ()))
        assert extension_faults(document) == [], path
    assert used == set(EXTENSIONS.values())


def test_pystac_reads_it(made: tuple[Path, list[LayerRecord]]) -> None:
    catalog = pystac.Catalog.from_file(str(made[0] / "catalog.json"))
    found = {item.id: item for item in catalog.get_items(recursive=True)}
    assert set(found) == {"2019", "2018.12.02..2019.03.20", "2019.06.25..2019.09.12"}
    for item in found.values():
        for asset in item.assets.values():
            assert Path(asset.get_absolute_href() or "").is_file()


# --- true -------------------------------------------------------------------------------------------------------


def test_every_field_is_what_the_file_says(made: tuple[Path, list[LayerRecord]]) -> None:
    folder, records = made
    checked = 0
    for path, document in documents(folder).items():
        for key, asset in document.get("assets", {}).items():
            file = path.parent / asset["href"]
            if asset["roles"] == ["thumbnail"]:
                assert file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
                assert (asset["type"], key.removesuffix("_preview") in document["assets"]) == (
                    "image/png",
                    True,
                )
                continue
            checked += 1
            data = file.read_bytes()
            assert asset["file:size"] == len(data)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(data).hexdigest()
            with rasterio.open(file) as source:
                (band,) = asset["bands"]
                assert asset["proj:code"] == f"EPSG:{source.crs.to_epsg()}"
                assert asset["proj:shape"] == list(source.shape)
                assert asset["proj:transform"] == list(source.transform)[:6]
                assert asset["proj:bbox"] == list(source.bounds)
                assert (band["data_type"], band["nodata"]) == (source.dtypes[0], source.nodata)
                assert (band["raster:scale"], band["raster:offset"]) == (source.scales[0], source.offsets[0])
                assert (band["unit"], band["raster:spatial_resolution"]) == (source.units[0], source.res[0])
                assert asset["title"] == source.tags()["title"]
                values = source.read(1)
                valid = values[values != source.nodata].astype(np.float64)
                assert band["statistics"] == {
                    "minimum": valid.min(), "maximum": valid.max(),
                    "mean": pytest.approx(valid.mean(), abs=1e-6), "stddev": pytest.approx(valid.std(), abs=1e-6),
                    "valid_percent": pytest.approx(100 * valid.size / values.size, abs=1e-4),
                }  # fmt: skip
                if "classification:classes" in asset:
                    table = source.colormap(1)
                    for one in asset["classification:classes"]:
                        assert "{:02X}{:02X}{:02X}".format(*table[one["value"]][:3]) == one["color_hint"]
    assert checked == len(records)


def test_keys_and_times(made: tuple[Path, list[LayerRecord]]) -> None:
    found = items(made[0])
    assert set(found["2019"]["assets"]) == {
        "landcover.hcl_c_0..0cm", "landcover.hcl_c_0..0cm_preview",
        "landcover.311_p_0..0cm", "landcover.311_p_0..0cm_preview",
    }  # fmt: skip
    winter = found["2018.12.02..2019.03.20"]["properties"]
    # The name carries leap-year dates; the maps were made from 3 December to 21 March.
    assert winter["start_datetime"] == "2018-12-03T00:00:00Z"
    assert winter["end_datetime"] == "2019-03-21T23:59:59Z"
    assert winter["start_datetime"] < winter["datetime"] < winter["end_datetime"]
    assert winter["title"] == "winter 2019"
    collection = json.loads((made[0] / WORDS["id"] / "collection.json").read_bytes())
    assert collection["extent"]["temporal"]["interval"] == [["2018-12-03T00:00:00Z", "2019-12-31T23:59:59Z"]]
    assert (collection["license"], collection["attribution"]) == (WORDS["licence"], WORDS["attribution"])


def test_every_link_and_asset_resolves(made: tuple[Path, list[LayerRecord]]) -> None:
    reached = {(made[0] / "catalog.json").resolve()}
    todo = list(reached)
    while todo:
        path = todo.pop()
        document = json.loads(path.read_bytes())
        for one in [*document["links"], *document.get("assets", {}).values()]:
            assert not one["href"].startswith(("/", "http"))
            target = (path.parent / one["href"]).resolve()
            assert target.is_file(), one
            if target not in reached:
                reached.add(target)
                todo += [target] if target.suffix == ".json" else []
    assert reached == {path.resolve() for path in made[0].rglob("*") if path.is_file()}


# --- the same every time ----------------------------------------------------------------------------------------


def test_a_rebuild_is_byte_identical(made: tuple[Path, list[LayerRecord]]) -> None:
    folder, records = made
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    write_catalog(folder, records=records[::-1], **WORDS)  # type: ignore[arg-type]
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    files = catalog_files(records=records, **WORDS)  # type: ignore[arg-type]
    assert {folder / name: data for name, data in files.items()}.items() <= before.items()
    assert list(files)[-1] == "catalog.json"


# --- places -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "window"),
    [
        (GRID, WINDOW),
        (GRID, (0, 0, 188000, 151000)),
        (Grid("utm", "EPSG:32631", 10.0, (600000.0, 5700000.0)), (0, 0, 10980, 10980)),
        (Grid("lonlat", "EPSG:4326", 0.00025, (14.0, 51.0)), (0, 0, 4000, 4000)),
    ],
)
def test_the_box_holds_every_point_of_the_window(grid: Grid, window: tuple[int, int, int, int]) -> None:
    ring, (west, south, east, north) = footprint(grid, window)
    left, bottom, right, top = grid.bounds_of(window)
    share = np.linspace(0, 1, 3001)
    x = np.concatenate([left + (right - left) * share] * 2 + [np.full(3001, left), np.full(3001, right)])
    y = np.concatenate([np.full(3001, bottom), np.full(3001, top)] + [bottom + (top - bottom) * share] * 2)
    lon, lat = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True).transform(x, y)
    tiny = 2e-4 if window[2] > 100000 else 1e-6
    assert west - 1e-9 <= lon.min() + tiny and lon.min() - west < tiny
    assert east + 1e-9 >= lon.max() - tiny and east - lon.max() < tiny
    assert abs(south - lat.min()) < tiny
    assert abs(north - lat.max()) < tiny
    assert west < east and south < north
    assert ring[0] == ring[-1]
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:], strict=False))
    assert area > 0, "counter-clockwise"


def test_two_corners_would_not_have_been_enough() -> None:
    """The defect of the original: over all of Europe the corners miss degrees."""
    window = (0, 0, 188000, 151000)
    _, (_, south, _, north) = footprint(GRID, window)
    left, bottom, right, top = GRID.bounds_of(window)
    _, lat = Transformer.from_crs(GRID.crs, "EPSG:4326", always_xy=True).transform([left, right], [bottom, top])
    assert north - max(lat) > 3
    assert south <= min(lat)


def test_a_window_across_180_degrees_is_refused() -> None:
    with pytest.raises(CatalogError, match="not one piece of the globe"):
        footprint(Grid("utm", "EPSG:32660", 1000.0, (300000.0, 7000000.0)), (0, 0, 900, 300))


# --- refused ----------------------------------------------------------------------------------------------------


def test_colliding_keys_name_both(made: tuple[Path, list[LayerRecord]]) -> None:
    folder, records = made
    other = replace(records[1].layer, name=records[1].layer.name.with_(method="odse.rf"))
    with pytest.raises(CatalogError) as caught:
        write_catalog(folder, records=[*records, replace(records[1], layer=other)], **WORDS)  # type: ignore[arg-type]
    assert str(records[1].layer.name) in str(caught.value)
    assert str(other.name) in str(caught.value)
    assert "landcover.311_p_0..0cm" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"href": "../elsewhere.tif"}, "outside the catalogue"),
        ({"href": "/elsewhere.tif"}, "outside the catalogue"),
        ({"href": "missing.tif"}, "its file is missing (missing.tif)"),
        ({"preview_href": "missing.png"}, "its file is missing (missing.png)"),
        ({"window": (0, 0, 5, 5)}, "the shape of its file"),
    ],
)
def test_records_that_do_not_fit_their_file(
    made: tuple[Path, list[LayerRecord]], changes: dict[str, Any], text: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        write_catalog(made[0], records=[replace(made[1][0], **changes)], **WORDS)  # type: ignore[arg-type]
    assert text in str(caught.value)


def test_a_file_that_changed_its_size(made: tuple[Path, list[LayerRecord]]) -> None:
    record = made[1][0]
    with pytest.raises(CatalogError, match=r"bytes, not 7 as when it was verified"):
        write_catalog(made[0], records=[replace(record, info=replace(record.info, bytes=7))], **WORDS)  # type: ignore[arg-type]


def test_nothing_to_list(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="the number of its layers is 0"):
        write_catalog(tmp_path, records=[], **WORDS)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_layer_is_listed_without_numbers(made: tuple[Path, list[LayerRecord]]) -> None:
    record = made[1][0]
    empty = replace(record.info, minimum=None, maximum=None, mean=None, stddev=None, valid_percent=0.0, counts={})
    files = catalog_files(records=[replace(record, info=empty)], **WORDS)  # type: ignore[arg-type]
    item = json.loads(files[f"{WORDS['id']}/2019/2019.json"])
    assert item["assets"]["landcover.hcl_c_0..0cm"]["bands"][0]["statistics"] == {"valid_percent": 0.0}


def test_a_static_layer_needs_a_period(made: tuple[Path, list[LayerRecord]]) -> None:
    record = made[1][0]
    nameless = replace(record.layer, name=record.layer.name.with_(period=None))
    with pytest.raises(CatalogError, match="its period is missing from its name"):
        catalog_files(records=[replace(record, layer=nameless)], **WORDS)  # type: ignore[arg-type]


def test_the_middle_is_a_day_of_the_period() -> None:
    assert Season("odse", "winter", 2019).true_period.contains(date(2019, 1, 26))
