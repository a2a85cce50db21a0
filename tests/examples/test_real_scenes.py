"""Cloudy real images through the whole chain: Sentinel-2 and Landsat 8 cubes of one patch, Landsat scenes around New York."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio

from odse.errors import OdseError
from odse.grid import grid_
from odse.layer.period import seasons
from odse.quality import usable
from odse.run.plan import plan
from odse.sources.landsat import scenes
from odse.sources.netcdf import open_cube, open_raster
from odse.sources.scenes import read_cube

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, out: Path, **data: Path) -> Path:
    pairs = [word for key, path in data.items() for word in ("--data", f"{key}={path}")]
    words = [sys.executable, "-m", "odse.cli", "run", str(EXAMPLES / f"{name}.yaml"), "--out", str(out), *pairs]
    done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def patch(data_dir: Path) -> Path:
    return data_dir / "03_s2_l8_patch_belgium"


@pytest.fixture(scope="module")
def fields(patch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    labels = next(patch.glob("OUTPUT*.nc"))
    return run("be_patch", tmp_path_factory.mktemp("be") / "out", sentinel=patch, labels=labels)


def quantile(values: np.ndarray, percent: int) -> np.ndarray:
    """By the definition, with NaN for what is masked: whole numbers rounded half up."""
    ordered = np.sort(values, axis=0)
    n = np.isfinite(values).sum(axis=0)
    k = np.maximum(n - 1, 0) * percent
    low, high = (
        np.take_along_axis(ordered, np.minimum(k // 100 + i, len(values) - 1)[None], axis=0)[0] for i in (0, 1)
    )
    high = np.where(k % 100 == 0, low, high)
    exact = ((100 - k % 100) * low + k % 100 * high) / 100
    return np.where(n > 0, np.floor(exact + 0.5), np.nan)


def test_sentinel_2_quarters_equal_a_loop_over_the_cube(fields: Path, patch: Path) -> None:
    cube = open_cube(sorted(patch.glob("S2*.nc")), variables=["B04", "B11"], quality="SCL", product="scl")
    assert len(cube.scenes) == 118
    pixels = cube.read()
    codes, values = pixels["quality"].to_numpy(), pixels["value"].to_numpy().astype(float)
    days = [one.date for one in cube.scenes]
    good = np.isin(codes, [4, 5, 6, 7, 11])[:, None] & (values >= 1) & (values <= 10000)
    values[~good] = np.nan
    for season in seasons([2018], scheme="calendar"):
        some = values[[season.period.contains(day) for day in days]]
        for b, band in enumerate(("red", "swir1")):
            for percent in (25, 50, 75):
                wanted = np.floor(quantile(some[:, b], percent) * 250 / 10000 + 0.5)
                with rasterio.open(layer(fields, band, f"p{percent}", season.period)) as cog:
                    ours, nodata, scale = cog.read(1), cog.nodata, cog.scales[0]
                known = np.isfinite(wanted)
                assert known.any() and np.array_equal(ours[known], wanted[known].astype(np.uint8)), (season, band)
                assert nodata == 255 and scale == pytest.approx(0.004)


def layer(folder: Path, variable: str, type_: str, period: object) -> Path:
    (path,) = folder.rglob(f"lcv_{variable}_*_{type_}_*_{period}_*.tif")
    return path


def test_a_label_raster_becomes_samples_and_maps(fields: Path, patch: Path) -> None:
    labels, _, _ = open_raster(next(patch.glob("OUTPUT*.nc")), "LC")
    accuracy = json.loads((fields / "model" / "accuracy.json").read_bytes())
    assert accuracy["n"] == int((labels != 99).sum()) == 2343
    spatial = accuracy["designs"]["spatial"]
    assert set(accuracy["levels"]) == {"1"}, "the legend has one level"
    assert spatial["ensemble"]["log_loss"] < spatial["constant"]["log_loss"] / 2
    assert spatial["ensemble"]["levels"]["1"]["overall_accuracy"] > 0.85
    with rasterio.open(layer(fields, "landcover.hcl", "c", 2018)) as cog:
        mapped, colours = cog.read(1), cog.colormap(1)
    assert set(np.unique(mapped)) <= {11, 13, 60} and colours[60][:3] == (215, 25, 28)
    agree = (mapped == labels)[labels != 99].mean()
    assert agree > 0.95, "its own samples, which random folds put at 0.97"


def test_landsat_8_with_both_collections_of_quality_bits(patch: Path, tmp_path: Path) -> None:
    reflectance = run("be_landsat8", tmp_path / "c1", landsat=patch)
    kelvin = run("be_temperature", tmp_path / "c2", landsat=patch)
    cube = open_cube(sorted(patch.glob("L8_L2-ST*.nc")), variables=["ST-B10"], quality="QA-PIXEL", product="landsat-c2")
    pixels = cube.read()
    good = usable(pixels["quality"].to_numpy(), product="landsat-c2", mask="landsat-c2-default")
    summer = seasons([2018], scheme="calendar")[2].period
    inside = np.array([summer.contains(one.date) for one in cube.scenes])
    values = pixels["value"].to_numpy()[:, 0].astype(float)
    values[~good | (values < 151) | (values > 373)] = np.nan
    (path,) = kelvin.rglob(f"clm_thermal_*_p50_*_{summer}_*.tif")
    with rasterio.open(path) as cog:
        ours = cog.read(1)
    wanted = quantile(values[inside], 50)
    known = np.isfinite(wanted)
    assert (
        known.any()
        and np.array_equal(ours[known], wanted[known].astype(np.uint16))
        and 285 < wanted[known].mean() < 320
    )
    with rasterio.open(layer(reflectance, "nir", "p50", summer)) as cog:
        nir = cog.read(1) * cog.scales[0]
    with rasterio.open(layer(reflectance, "red", "p50", summer)) as cog:
        red = cog.read(1) * cog.scales[0]
    assert 0.2 < ((nir - red) / (nir + red)).mean() < 0.8


def test_scenes_on_unlike_grids_become_one_mosaic(data_dir: Path, tmp_path: Path) -> None:
    root = data_dir / "02_landsat8_c1_bqa_newyork"
    out = run("ny_mosaic", tmp_path / "ny", landsat=root)
    grid = grid_({"crs": "EPSG:32618", "resolution_m": 3000, "origin_xy": [300000, 4800000]})
    some = scenes(root, bands={"B4": "red"})
    assert len(some) == 19 and len({scene.path_row for scene in some}) == 3
    summer = seasons([2018], scheme="calendar")[2].period
    with rasterio.open(layer(out, "red", "p50", summer)) as cog:
        ours, window = cog.read(1), grid.snap(cog.bounds)
    pixels = read_cube(some, grid, window, dates=(summer.start, summer.end))
    good = usable(pixels["quality"].to_numpy(), product="landsat-c1-bqa", mask="landsat-c1-bqa-default")
    values = np.where(good, pixels["value"].to_numpy()[:, 0].astype(float), np.nan)
    wanted = quantile(values, 50)
    known = np.isfinite(wanted)
    assert known.mean() > 0.3 and np.array_equal(ours[known], wanted[known].astype(np.uint16))
    assert date(2018, 7, 10) in {scene.date for scene in some}


def test_refused_in_one_sentence(patch: Path, tmp_path: Path) -> None:
    text = (EXAMPLES / "be_patch.yaml").read_text(encoding="utf-8")
    (tmp_path / "be_crops.csv").write_bytes((EXAMPLES / "be_crops.csv").read_bytes())
    data = {"sentinel": str(patch), "labels": str(next(patch.glob("OUTPUT*.nc")))}

    def refusal(old: str, new: str) -> str:
        assert old in text
        (tmp_path / "recipe.yaml").write_text(text.replace(old, new), encoding="utf-8")
        with pytest.raises(OdseError) as caught:
            plan(tmp_path / "recipe.yaml", out=tmp_path / "out", data=data)
        return str(caught.value)

    assert "the number of its files is 0 (of S2*.tif); correct `files`" in refusal(
        "[S2_L2A_10m*.nc, S2_L2A_20m*.nc]", "[S2*.tif]"
    )
    assert "variable SCLX" in refusal("quality: SCL", "quality: SCLX")
    assert "write 'odse-s2'" in refusal("mask: odse-s2", "mask: odse-s3")
    assert "one of their values is 99, no class of own; name it in `unlabelled`" in refusal("unlabelled: [99], ", "")
    assert "the file is not at" in refusal("be_crops.csv", "crops.csv")
    assert "give it a column `parent`" in refusal("10\n    rare: drop ", "200\n    rare: merge-up ")
    assert "the number of its files in the area and the years is 0" in refusal("years: 2018", "years: 2010")
