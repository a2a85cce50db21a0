"""Covariates as users have them: layers of classes, of single years, on another grid, with holes; terrain and temperature."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import calculate_default_transform, reproject

from odse.derive.terrain import hillshade
from odse.errors import OdseError
from odse.learn.postprocess import moving_mode, sieve
from odse.run.covariates import of_rows
from odse.run.plan import plan
from odse.run.recipe import parse_recipe
from odse.run.steps import features_of

RECIPE = """
odse: 1
title: Covariates of all kinds
licence: CC-BY-4.0
attribution: tests
area: {bounds: [4020600, 3210130, 4028280, 3217810], crs: EPSG:3035}
tile_px: 512
years: 2015..2016
data:
  quarters: {kind: layers, variables: [ndvi]}
  terrain: {kind: layers, static: true, variables: [elev.lowestmode]}
  more: {kind: layers, static: true, categories: [soil], resampling: nearest}
  samples: {kind: points, date: date, class: target, legend: clc}
steps:
  derive: [hillshade, temperature.mean]
  train: {learners: [forest, boosting], blocks_km: 1.5, folds: 2, min_per_class: 5, missing: median}
  predict: {years: all}
  postprocess: {mode_years: 3, minimum_px: 4}
  publish: {theme: lcv, area: nl, version: v0.1}
"""


@pytest.fixture(scope="module")
def tile(data_dir: Path) -> Path:
    return data_dir / "01_odse_toy_tile_nl"


@pytest.fixture(scope="module")
def more(tile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Soil classes with a hole, on the grid; snow days of two years, in degrees."""
    folder = tmp_path_factory.mktemp("more")
    with rasterio.open(next((tile / "static").glob("elev*"))) as source:
        metres, profile = source.read(1), source.profile
    soil = np.digitize(metres, np.quantile(metres, [0.3, 0.7])).astype(np.uint8) * 5 + 1
    soil[:, :60] = 0
    profile.update(dtype="uint8", nodata=0, count=1)
    with rasterio.open(folder / "sol_soil_own_c_30m_0..0cm_2000..2018_nl_epsg3035_v0.1.tif", "w", **profile) as target:
        target.write(soil, 1)
    shape, bounds = metres.shape, rasterio.transform.array_bounds(*metres.shape, profile["transform"])
    there, width, height = calculate_default_transform("EPSG:3035", "EPSG:4326", shape[1], shape[0], *bounds)
    for year in (2015, 2016):
        snow = np.zeros((height, width), dtype=np.uint8)
        reproject((metres % 200 + year - 2014).astype(np.uint8), snow, src_transform=profile["transform"],
                  src_crs="EPSG:3035", dst_transform=there, dst_crs="EPSG:4326", resampling=Resampling.nearest)  # fmt: skip
        name = f"clm_snow.days_own_m_30m_0..0cm_{year}_nl_epsg4326_v0.1.tif"
        with rasterio.open(folder / name, "w", driver="GTiff", dtype="uint8", nodata=255, count=1, width=width,
                           height=height, transform=there, crs="EPSG:4326") as target:  # fmt: skip
            target.write(snow, 1)
    return folder


def places(tile: Path, more: Path) -> dict[str, str]:
    samples = tile / "samples" / "samples_train.gpkg"
    return {"quarters": str(tile), "terrain": str(tile / "static"), "more": str(more), "samples": str(samples)}


@pytest.fixture(scope="module")
def maps(tile: Path, more: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    pairs = [word for name, path in places(tile, more).items() for word in ("--data", f"{name}={path}")]
    words = [sys.executable, "-m", "odse.cli", "run", str(folder / "recipe.yaml"), "--out", str(folder / "out"), *pairs]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "out"


def test_features_are_what_the_layers_say(maps: Path, tile: Path, more: Path) -> None:
    place = plan(parse_recipe(RECIPE), out=maps, data=places(tile, more)).place
    features, work = features_of(place), place.tile("x0203y0145")
    assert [name for name in features.names if not name.startswith("ndvi")] == [
        *(f"temperature.mean_{season}" for season in ("winter", "spring", "summer", "fall")),
        "elev.lowestmode", "snow.days", "soil_1", "soil_6", "soil_11", "hillshade",
    ]  # fmt: skip
    with rasterio.open(next((tile / "static").glob("elev*"))) as source:
        metres = source.read(1)
    x0, y0 = 104020 - work.window[0], 74740 - work.window[1]
    inside = (slice(y0, min(y0 + 256, 512)), slice(x0, min(x0 + 256, 512)))
    part = metres[: 512 - y0, : 512 - x0]
    assert part.size > 1000
    matrices = {y: of_rows(features, place, work, y, slice(0, 512)).reshape(512, 512, -1)[inside] for y in (2015, 2016)}
    at = {name: i for i, name in enumerate(features.names)}
    for year, matrix in matrices.items():
        assert np.array_equal(matrix[..., at["elev.lowestmode"]], part)
        snow, wanted = matrix[..., at["snow.days"]], (part % 200 + year - 2014).astype(np.uint8)
        assert np.mean(snow == wanted) > 0.4, "nearest twice, there and back"
        assert abs(np.nanmean(snow) - wanted.mean()) < 2
        shade = hillshade(metres * 0.1, pixel_m=30.0)[: 512 - y0, : 512 - x0]
        assert np.allclose(matrix[5:-5, 5:-5, at["hillshade"]], shade[5:-5, 5:-5], equal_nan=True, atol=1e-3)
        hot = matrix[..., [at["soil_1"], at["soil_6"], at["soil_11"]]]
        assert np.isnan(hot[:, :60]).all() and (hot[:, 60:].sum(axis=-1) == 1).all()
        warm, cold = matrix[..., at["temperature.mean_summer"]], matrix[..., at["temperature.mean_winter"]]
        assert (warm - cold > 8).all() and np.ptp(warm) < 0.2


def test_what_is_missing_is_filled_with_the_samples_median(maps: Path) -> None:
    about = json.loads((maps / "model" / "landcover" / "model.json").read_bytes())["about"]
    assert about["categories"] == [{"name": "soil", "classes": [1, 6, 11]}]
    assert about["missing"]["rule"] == "median" and len(about["missing"]["medians"]) == len(
        about["missing"]["features"]
    )
    path = next(maps.rglob("lcv_landcover.hcl_odse.eml_c_*_2015_*.tif"))
    with rasterio.open(path) as cog:
        assert (cog.read(1) != 255).mean() > 0.99, "the hole in the soil map is mapped as well"


def test_the_filtered_map_is_the_whole_map_filtered(maps: Path) -> None:
    """Over the border of two work tiles; what was done stands in the file and in the catalogue."""
    names = [f"lcv_landcover.hcl_odse.eml_{{}}_30m_0..0cm_{year}_nl_epsg3035_v0.1.tif" for year in (2015, 2016)]
    both = []
    for name in names:
        with rasterio.open(next(maps.rglob(name.format("c")))) as cog:
            both.append(cog.read(1))
    moved = moving_mode(np.stack(both), width=3)
    words = "most frequent class of 3 years, then patches of at least 4 pixels (0.36 ha)"
    for t, name in enumerate(names):
        path = next(maps.rglob(name.format("f")))
        with rasterio.open(path) as cog:
            assert np.array_equal(cog.read(1), sieve(moved[t], minimum_px=4))
            assert cog.tags()["postprocessing"] == words and (cog.read(1) != both[t]).any()
        item = json.loads((path.parent / f"{path.parent.name}.json").read_bytes())
        assert words in item["assets"]["landcover.hcl_f_0..0cm"]["title"]


def test_refused(tile: Path, more: Path, tmp_path: Path) -> None:
    data = places(tile, more)

    def refusal(old: str, new: str) -> str:
        with pytest.raises(OdseError) as caught:
            plan(parse_recipe(RECIPE.replace(old, new)), out=tmp_path, data=data)
        return str(caught.value)

    assert "or say how to resample it: `data.more.resampling`" in refusal(", resampling: nearest", "")
    assert "one of its categories is soils, none of its variables (snow.days, soil)" in refusal("[soil]", "[soils]")
    assert "the whole catchment, not a tile" in refusal("hillshade", "wetness")
    assert "`categories` are of static `layers`" in refusal(
        "variables: [ndvi]}", "variables: [ndvi], categories: [ndvi]}"
    )
