"""From scenes to composites of a quarter, on real archives, against plain numpy on what GDAL reads by itself."""

from __future__ import annotations

import csv
import datetime as dt
import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from odse.cube import Flag, check_cube
from odse.errors import QualityError, SourceError
from odse.grid import Grid
from odse.quality import Quality, decode, usable
from odse.series.composite import composite_bands, support
from odse.sources import landsat, netcdf
from odse.sources.scenes import VALID, Range, Scene, for_composite, nearest_pixels, read_cube, valid_range
from odse.sources.scenes import Place as PixelPlace

QUARTERS = [
    (dt.date(2018, 1, 1), dt.date(2018, 3, 31)),
    (dt.date(2018, 4, 1), dt.date(2018, 6, 30)),
    (dt.date(2018, 7, 1), dt.date(2018, 9, 30)),
    (dt.date(2018, 10, 1), dt.date(2018, 12, 31)),
]


def naive(values: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p25, p50, p75 over time (statistic, y, x), halves up, and counts (y, x): pixel by pixel, in whole numbers."""
    result = np.zeros((3, *values.shape[1:]), dtype=np.int64)
    for row, col in np.ndindex(values.shape[1:]):
        some = sorted(int(value) for value, ok in zip(values[:, row, col], good[:, row, col], strict=True) if ok)
        if not some:
            continue
        for s, q in enumerate((25, 50, 75)):
            at, part = divmod((len(some) - 1) * q, 100)
            low, high = some[at], some[min(at + 1, len(some) - 1)]
            result[s, row, col] = low + (part * (high - low) + 50) // 100
    return result, good.sum(axis=0)


def raw(path: Path, variable: str) -> np.ndarray:
    """(time, y, x) by GDAL in the order of storage, which is north up in these files."""
    with (
        rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"),
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(f"netcdf:{path}:{variable}") as source,
    ):
        return source.read()


def test_quarters_of_the_sentinel_2_patch(data_dir: Path) -> None:
    root = data_dir / "03_s2_l8_patch_belgium"
    fine, coarse = next(root.glob("S2_L2A_10m_*")), next(root.glob("S2_L2A_20m_*"))
    made = netcdf.open_cube([fine, coarse], variables=["B08", "B11"], quality="SCL", product="scl")
    values = {"B08": raw(fine, "B08"), "B11": raw(coarse, "B11").repeat(2, axis=1).repeat(2, axis=2)}
    clear = np.isin(raw(coarse, "SCL"), [4, 5, 6, 7, 11]).repeat(2, axis=1).repeat(2, axis=2)
    whole = for_composite(made.read(), mask="odse-s2")
    assert np.array_equal(whole.quality == 1, clear)
    assert round(float(clear.mean()), 3) == 0.499
    days = [scene.date for scene in made.scenes]
    window = (5, 7, 45, 37)
    counted = 0
    for first, last in QUARTERS:
        ready = for_composite(made.read(window=window, dates=(first, last)), mask="odse-s2")
        result, count = composite_bands(ready.values, ready.quality, keep=ready.keep, valid=ready.valid)
        inside = [first <= day <= last for day in days]
        for b, name in enumerate(("B08", "B11")):
            pixels, good = (array[inside][:, 7:37, 5:45] for array in (values[name], clear))
            wanted, number = naive(pixels, good & (pixels >= 1) & (pixels <= 10000))
            assert np.array_equal(result[b], wanted) and np.array_equal(count[b], number)
            counted += int(number.sum())
        told = support(
            ready.quality, np.zeros(len(ready.quality), np.int16), keep=ready.keep, unreadable=ready.unreadable
        )
        assert np.array_equal(told["clear"], clear[inside][:, 7:37, 5:45].sum(axis=0)) and not told["unreadable"].any()
    assert counted > 50000


def test_quarters_of_the_mosaic_of_new_york(data_dir: Path) -> None:
    """Three path/rows on one grid: each pixel by the formula of its own file's place."""
    grid, window = Grid("own", "EPSG:32618", 3000.0, (380000.0, 4760000.0)), (20, 50, 80, 90)
    some = landsat.scenes(data_dir / "02_landsat8_c1_bqa_newyork", bands=["B4", "B10"])
    x = 380000 + (np.arange(20, 80) + 0.5) * 3000
    y = 4760000 - (np.arange(50, 90) + 0.5) * 3000

    def sampled(path: Path, fill: int) -> np.ndarray:
        with rasterio.open(path) as source:
            pixels, place = source.read(1), source.transform
        rows, cols = np.floor((y - place.f) / place.e).astype(int), np.floor((x - place.c) / place.a).astype(int)
        ok_r, ok_c = (rows >= 0) & (rows < pixels.shape[0]), (cols >= 0) & (cols < pixels.shape[1])
        found = pixels[np.ix_(rows.clip(0, pixels.shape[0] - 1), cols.clip(0, pixels.shape[1] - 1))]
        return np.where(np.outer(ok_r, ok_c), found, fill)

    seen_days = 0
    for first, last in QUARTERS:
        ready = for_composite(read_cube(some, grid, window, dates=(first, last)), mask="landsat-c1-bqa-default")
        result, count = composite_bands(ready.values, ready.quality, keep=ready.keep, valid=ready.valid)
        days: dict[dt.date, list[np.ndarray]] = {}
        for one in sorted(some, key=lambda scene: scene.name):
            if first <= one.date <= last:
                new = np.stack([sampled(path, 1 if path.stem.endswith("BQA") else 0) for path in one.files])
                if (new[2] != 1).any() or one.date in days:
                    old = days.get(one.date)
                    days[one.date] = new if old is None else np.where(old[2] & 1 == 1, new, old)
        seen_days += len(days)
        stack = np.array([days[day] for day in sorted(days)])
        codes = stack[:, 2]
        clear = (codes & 0b11111) == 0
        for bit in (7, 11):
            clear &= (codes >> bit & 3) != 3
        for b in range(2):
            wanted, number = naive(stack[:, b], clear & (stack[:, b] >= 1))
            assert np.array_equal(result[b], wanted) and np.array_equal(count[b], number)
        assert count.max() >= 2
    assert seen_days >= 15


def test_clear_shares_of_the_landsat_patch(data_dir: Path) -> None:
    """Both collections saw the same sky on the days that both have."""
    root = data_dir / "03_s2_l8_patch_belgium"
    one = netcdf.open_cube(
        next(root.glob("L8_SR_*")), variables=["B04"], quality="pixel_qa", product="landsat-c1"
    ).read()
    two = netcdf.open_cube(
        next(root.glob("L8_L2-ST_*")), variables=["ST-B10"], quality="QA-PIXEL", product="landsat-c2"
    ).read()
    both = sorted(set(one["time"].to_numpy()) & set(two["time"].to_numpy()))
    assert len(both) >= 20
    a, b = (for_composite(cube.sel(time=both)).quality for cube in (one, two))
    seen = (a != 0) & (b != 0)
    assert seen.mean() > 0.5
    assert round(float((a == 1)[seen].mean()), 3) == 0.481
    assert round(float((b == 1)[seen].mean()), 3) == 0.469
    assert ((a == 1) == (b == 1))[seen].mean() > 0.85


@pytest.mark.parametrize(
    ("name", "snow"), [("h03v09_-2010765_1964625_pixel", 0.15), ("h04v03_-1947105_2846265_pixel_snow", 0.37)]
)
def test_single_pixels_of_collection_1(data_dir: Path, name: str, snow: float) -> None:
    """Every code of 36 years is known; what is fill has no values."""
    with (data_dir / "17_landsat_pixel_qa" / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    codes = np.array([int(row["qas"]) for row in rows], dtype=np.uint16)
    words = decode(codes, product="landsat-c1")
    assert not (words & Quality.UNDEFINED).any()
    red = np.array([int(row["reds"]) for row in rows])
    assert (red[(words & Quality.NODATA) != 0] == -9999).all()
    plain = np.isin(codes, [66, 68, 130, 132, 322, 324, 386, 388])
    assert np.array_equal(usable(codes, product="landsat-c1"), plain)
    seen = (words & Quality.NODATA) == 0
    assert round(float(((words & Quality.SNOW) != 0)[seen].mean()), 2) == snow


def test_every_scene_has_what_a_scene_has(data_dir: Path) -> None:
    some: list[Scene] = [
        *landsat.scenes(data_dir / "02_landsat8_c1_bqa_newyork", bands=["B4"])[:1],
        *netcdf.scenes(
            next((data_dir / "03_s2_l8_patch_belgium").glob("S2_L2A_20m_*")),
            variables=["B05"],
            quality="SCL",
            product="scl",
        )[:1],
    ]
    for one in some:
        grid = Grid("own", "EPSG:3035", 500.0, (0.0, 8000000.0))
        window = one.covers(grid)
        assert window is not None and len(one.valid) == len(one.bands) == 1
        values, quality, counts = one.read(grid, window)
        assert values.shape == (1, *quality.shape) and quality.shape == (window[3] - window[1], window[2] - window[0])
        assert decode(quality, product=one.product).any() and not counts
        assert pickle.loads(pickle.dumps(one)) == one  # it travels to workers


def test_nearest_pixels_do_not_depend_on_the_window() -> None:
    from affine import Affine

    grid = Grid("own", "EPSG:3035", 30.0, (900000.0, 5460010.0))
    place = PixelPlace("EPSG:4326", Affine(0.0003, 0, 14.0, 0, -0.0003, 50.0), (500, 400))
    whole = place.covers(grid)
    assert whole is not None
    left, top, right, bottom = whole
    everywhere = nearest_pixels(grid, (left - 5, top - 5, right + 5, bottom + 5), place)
    assert ((everywhere >= 0).sum(axis=1) > 0).sum() > 300 and everywhere.max() < 200000
    assert (everywhere[:3] == -1).all() and (everywhere[:, :3] == -1).all()  # what covers tells is enough
    assert (everywhere[-3:] == -1).all() and (everywhere[:, -3:] == -1).all()
    part = nearest_pixels(grid, (left + 100, top + 101, left + 133, top + 140), place)
    assert np.array_equal(part, everywhere[106:145, 105:138]) and (part >= 0).all()


def test_a_centre_on_an_edge_goes_to_the_higher_pixel() -> None:
    from affine import Affine

    grid = Grid("own", "EPSG:32631", 20.0, (0.0, 100.0))
    place = PixelPlace("EPSG:32631", Affine(10.0, 0, 0, 0, -10.0, 100.0), (10, 10))
    assert nearest_pixels(grid, (0, 0, 2, 2), place).tolist() == [[11, 13], [31, 33]]
    # Degrees that are no binary numbers: every centre is an edge, and 128 of 400 columns fall short of it in floats.
    place = PixelPlace("EPSG:4326", Affine(0.00025, 0, 14.0, 0, -0.00025, 50.0), (3, 400))
    grid = Grid("own", "EPSG:4326", 0.00025, (14.0 - 0.000125, 50.0 + 0.000125))
    assert nearest_pixels(grid, (0, 0, 400, 1), place).tolist() == [list(range(400))]


@pytest.mark.parametrize(
    ("product", "band", "wanted"),
    [
        ("scl", "B04", (1, 10000)),
        ("hls", "B8A", (1, 10000)),
        ("force", "NIR", (1, 10000)),
        ("landsat-c2", "SR_B4", (7273, 43636)),
        ("landsat-c2", "ST_B10", (293, 65535)),
        ("landsat-c1", "sr_band4", (1, 10000)),
        ("landsat-c1", "bt_band10", (1500, 3500)),
        ("landsat-c1", "B10", (1500, 3500)),
        ("landsat-c1", "B1", (1, 10000)),
        ("landsat-c1-bqa", "B10", (1, 65535)),
    ],
)
def test_ranges(product: str, band: str, wanted: tuple[int, int]) -> None:
    known = valid_range(product, band)
    assert (known.low, known.high) == wanted and product in VALID
    same = known.stored(known.scale, known.offset)
    assert (same.low, same.high) == wanted
    rough = known.stored(float(np.float32(known.scale)), float(np.float32(known.offset)))  # as many files have it
    assert abs(rough.low - known.low) <= 1 and abs(rough.high - known.high) <= 1


def test_golden_numbers_of_collection_2() -> None:
    reflectance, temperature = (valid_range("landsat-c2", band) for band in ("SR_B4", "ST_B10"))
    assert round(18639 * reflectance.scale + reflectance.offset, 3) == 0.313
    assert round(44947 * temperature.scale + temperature.offset, 1) == 302.6
    assert Range(7273, 43636, 2.75e-5, -0.2).stored(1e-4, 0.0).high == 9999  # 0.99999


def cube_of(values: np.ndarray, codes: np.ndarray, valid: list[tuple[int, int]]) -> xr.Dataset:
    flag = np.where(codes == 0, Flag.NODATA, Flag.OBSERVED).astype(np.uint8)
    return xr.Dataset(
        {"value": (("time", "band", "y", "x"), values), "quality": (("time", "y", "x"), codes), "flag": (("time", "y", "x"), flag)},
        coords={"band": ["a"]},
        attrs={"product": "scl", "valid": valid},
    )  # fmt: skip


def test_signed_and_wide_values() -> None:
    """What 16 bits without sign do not hold is out of range, not wrapped."""
    values = np.array([-9999, -1, 0, 1, 10000, 10001, 65536 + 5], dtype=np.int32).reshape(7, 1, 1, 1)
    cube = cube_of(values, np.full((7, 1, 1), 4, np.uint8), [(1, 10000)])
    ready = for_composite(check_cube(cube))
    assert ready.values.ravel().tolist() == [0, 0, 0, 1, 10000, 0, 0] and (ready.quality == 1).all()
    with pytest.raises(SourceError, match="cannot composite band a, because its range is 0 to 9; give one within 1 to"):
        for_composite(cube_of(values, np.full((7, 1, 1), 4, np.uint8), [(0, 9)]))
    with pytest.raises(QualityError, match="cannot mask scl pixels, because the mask is 'eumap'"):
        for_composite(cube, mask="eumap")
