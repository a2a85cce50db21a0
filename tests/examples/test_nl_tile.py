"""The real tile: 24 gappy quarters, terrain and 179 points become yearly maps, with the traps this data set has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from odse.grid import grid_, same_crs
from odse.layer.legend import clc_legend
from odse.run.plan import plan
from odse.sources.layers import check_on_grid, read_window, scan
from odse.sources.points import read_points

RECIPE = Path(__file__).parents[2] / "examples" / "nl_tile.yaml"


@pytest.fixture(scope="module")
def tile(data_dir: Path) -> Path:
    return data_dir / "01_odse_toy_tile_nl"


@pytest.fixture(scope="module")
def maps(tile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The maps, by the one command."""
    out = tmp_path_factory.mktemp("nl") / "maps"
    data = {"quarters": tile, "terrain": tile / "static", "samples": tile / "samples" / "samples_train.gpkg"}
    pairs = [word for name, path in data.items() for word in ("--data", f"{name}={path}")]
    done = subprocess.run([sys.executable, "-m", "odse.cli", "run", str(RECIPE), "--out", str(out), *pairs],
                          capture_output=True, text=True, timeout=400, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


def never_seen(tile: Path) -> np.ndarray:
    """Pixels that no quarter has ever seen: these alone stay without a value."""
    stack = [rasterio.open(path).read(1) for path in sorted((tile / "ndvi_gappy").glob("*.tif"))]
    return (np.stack(stack) == 255).all(axis=0)


def test_a_crs_without_a_code_and_a_version_without_a_date(tile: Path) -> None:
    found = scan(tile, variables=("ndvi", "swir1"))
    assert len(found) == 48 and all(check_on_grid(one, grid_("odse-30m")) is None for one in found)
    assert all(same_crs(one.crs_wkt, "EPSG:3035") for one in found)
    terrain = scan(tile / "static")
    assert {one.name.version for one in terrain} == {"v0.3"} and all(one.name.repairs for one in terrain)
    assert (
        check_on_grid(found[0], grid_({"crs": "EPSG:3035", "resolution_m": 30, "origin_xy": [900000, 5460000]}))
        is not None
    )


def test_ndvi_of_zero_is_data(tile: Path) -> None:
    spring = next(one for one in scan(tile, variables=("ndvi",)) if "20150321" in one.path.name)
    values = read_window(spring, (104020, 74740, 104276, 74996), grid_("odse-30m"))
    assert values.min() == 0 and values.count() < values.size
    assert (values.data[np.ma.getmaskarray(values)] == 255).all()


def test_grid_codes_and_a_date_that_means_its_year(tile: Path) -> None:
    legend = clc_legend()
    path = tile / "samples" / "samples_train.gpkg"
    by_value = read_points(path, crs_to="EPSG:3035", date="date", class_="target", weight=None, legend=legend)
    by_code = read_points(path, crs_to="EPSG:3035", date="date", class_="code", weight=None, legend=legend)
    assert len(by_value) == 179 and by_value.equals(by_code)
    assert sorted(set(by_value["year"])) == [2015, 2016, 2017, 2018, 2019, 2020]
    assert (by_value["target"] == "231").sum() == 83


def test_maps_of_every_year_with_their_uncertainty(maps: Path, tile: Path) -> None:
    for year in range(2015, 2021):
        names = sorted(path.stem for path in (maps / "lcv_nl_v0.1" / str(year)).glob("*.tif"))
        classes = {name.split("_")[1] for name in names if "_p_" in name and ".hcl" not in name}
        assert classes and all(any(f"_{c}_odse.eml_md_" in name for name in names) for c in classes)
        with rasterio.open(
            maps / "lcv_nl_v0.1" / str(year) / f"lcv_landcover.hcl_odse.eml_c_30m_0..0cm_{year}_nl_epsg3035_v0.1.tif"
        ) as cog:
            dominant = cog.read(1)
        assert dominant.shape == (256, 256) and np.array_equal(dominant == 255, never_seen(tile))
        total = np.zeros((256, 256))
        for c in classes:
            with rasterio.open(
                maps / "lcv_nl_v0.1" / str(year) / f"lcv_{c}_odse.eml_p_30m_0..0cm_{year}_nl_epsg3035_v0.1.tif"
            ) as cog:
                total += cog.read(1)
        assert np.abs(total - 100)[dominant != 255].max() <= len(classes) / 2


def test_filling_left_known_pixels_alone(maps: Path, tile: Path) -> None:
    checked = 0
    for source in sorted((tile / "ndvi_gappy").glob("*.tif"))[:6]:
        start, end = source.stem.split("_")[5:7]
        word = f"{start[:4]}.{start[4:6]}.{start[6:]}..{end[:4]}.{end[4:6]}.{end[6:]}"
        with rasterio.open(source) as gappy, rasterio.open(
            maps / "lcv_nl_v0.1" / word / f"lcv_ndvi_landsat.ard1_p50_30m_0..0cm_{word}_nl_epsg3035_v0.1.tif"
        ) as full:  # fmt: skip
            before, after = gappy.read(1), full.read(1)
        known = before != 255
        assert np.array_equal(before[known], after[known]) and np.array_equal(after == 255, never_seen(tile))
        checked += int((~known).sum())
    assert checked > 0


def test_the_page_says_what_was_merged(maps: Path) -> None:
    page = (maps / "index.html").read_text(encoding="utf-8")
    assert "merged with other rare classes into 31 Forests" in page and "left out: fewer than 5 points" in page
    accuracy = json.loads((maps / "model" / "accuracy.json").read_bytes())
    for design in ("spatial", "random"):
        rows = accuracy["designs"][design]
        assert rows["ensemble"]["log_loss"] < rows["constant"]["log_loss"] - 0.5
        assert rows["ensemble"]["levels"]["1"]["overall_accuracy"] > 0.75


def test_ways_of_filling_are_compared(maps: Path) -> None:
    """By evidence: same-season donors beat the straight line in time, and the table stands on the page."""
    table = json.loads((maps / "fill.json").read_bytes())
    overall = {r["method"]: r for r in table["rows"] if r["band"] == r["season"] == r["gap"] == "all"}
    assert set(overall) == {"tmwm", "seasconv", "linear", "harmonic", "whittaker", "same-season"}
    assert overall["tmwm"]["rmse"] < overall["linear"]["rmse"] and overall["tmwm"]["filled_percent"] > 99
    best = min(overall.values(), key=lambda one: one["rmse_where_all_fill"])
    assert table["winner"]["method"] == best["method"] and table["standard_deviation"]["ndvi"] > 10
    page = (maps / "index.html").read_text(encoding="utf-8")
    assert "Which way of filling is best here" in page and f'<tr class="best"><td>{best["method"]}</td>' in page


def test_the_plan_needs_every_name(tile: Path, tmp_path: Path) -> None:
    from odse.errors import OdseError

    with pytest.raises(
        OdseError, match="cannot find data `terrain`, because its place is not said; add --data terrain=PATH"
    ):
        plan(RECIPE, out=tmp_path, data={"quarters": str(tile), "samples": str(tile)})
