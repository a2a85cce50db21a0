"""Covariates as users have them: on other grids, of classes, of one year or all, against numpy and against rasterio."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from rasterio.enums import Resampling as RasterResampling

from odse.errors import SourceError, UnreadableError
from odse.grid import Grid, Window
from odse.sources.layers import (
    FoundLayer,
    check_on_grid,
    check_resampling,
    has_classes,
    of_year,
    read_window,
    scan,
    timing_of,
)

HUNDRED = Grid("100 m", "EPSG:31467", 100.0, (3570000.0, 5718000.0))
QUARTER = Grid("25 m", "EPSG:31467", 25.0, (3570000.0, 5718000.0))
EUROPE = Grid("30 m", "EPSG:3035", 30.0, (900000.0, 5460010.0))
KINDS: tuple[Any, ...] = ("nearest", "mode", "bilinear", "average")


def store(
    folder: Path,
    variable: str,
    values: npt.NDArray[Any],
    grid: Grid,
    *,
    type: str = "m",
    nodata: int = 0,
    **changes: Any,
) -> FoundLayer:
    """A ready layer from the grid's origin on."""
    time = changes.pop("time", "2000..2018")
    path = folder / f"dtm_{variable}_eberg_{type}_100m_0..0cm_{time}_de_epsg31467_v1.tif"
    profile = {
        "driver": "GTiff",
        "height": values.shape[0],
        "width": values.shape[1],
        "count": 1,
        "dtype": values.dtype,
        "crs": grid.crs,
        "transform": Affine(grid.resolution_m, 0, grid.origin_xy[0], 0, -grid.resolution_m, grid.origin_xy[1]),
        "nodata": nodata,
    }
    with rasterio.open(path, "w", **(profile | changes)) as target:
        target.write(values, 1)
    return scan(path)[0]


@pytest.fixture(scope="module")
def eberg(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, FoundLayer]:
    """Geology, land cover and elevation of Ebergötzen at 100 m, soil and elevation at 25 m, as layers with names."""
    folder, found = tmp_path_factory.mktemp("eberg"), {}
    for metres, grid in ((100, HUNDRED), (25, QUARTER)):
        with rasterio.open(data_dir / "06_soil_eberg" / f"eberg_grid_{metres}m_epsg31467.tif") as source:
            for band, name in enumerate(source.descriptions, 1):
                values = source.read(band)
                stored = np.where(values == -9999, 0, np.floor(values + 0.5)).astype(np.int16)
                classes = name in ("PRMGEO6", "LNCCOR6", "HBTSOLx")
                found[name] = store(folder, name.lower(), stored, grid, type="c" if classes else "m")
    return found


def draw(shape: tuple[int, int], seed: int = 0) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 251, shape).astype(np.uint8)
    values[rng.random(shape) < 0.1] = 0
    return values


def test_without_resampling_another_grid_is_refused(eberg: dict[str, FoundLayer]) -> None:
    with pytest.raises(
        SourceError, match="cannot use layer dtm_demtopx_.*, because its pixel size is 25 x 25, that of grid 100 m"
    ):
        read_window(eberg["DEMTOPx"], (0, 0, 10, 10), HUNDRED)
    assert check_on_grid(eberg["DEMTOPx"], QUARTER) is None


@pytest.mark.parametrize("resampling", [None, *KINDS])
def test_a_layer_on_the_grid_is_read_as_it_is(eberg: dict[str, FoundLayer], resampling: Any) -> None:
    layer = eberg["DEMSRT6"]
    with rasterio.open(layer.path) as source:
        wanted = source.read(1)
    got = read_window(layer, (-3, 20, 60, 120), HUNDRED, resampling=resampling)
    assert got.dtype == np.int16 and got.mask[:, :3].all() and got.mask[80:].all()
    assert np.array_equal(got[:80, 3:].filled(0), wanted[20:, :60])


def test_average_of_aligned_pixels_is_their_mean(eberg: dict[str, FoundLayer]) -> None:
    layer = eberg["DEMTOPx"]
    with rasterio.open(layer.path) as source:
        fine = np.ma.masked_equal(source.read(1), 0).astype(float)
    wanted = fine.reshape(100, 4, 100, 4).mean(axis=(1, 3))
    got = read_window(layer, (0, 0, 100, 100), HUNDRED, resampling="average")
    assert got.dtype == np.float32 and np.array_equal(np.ma.getmaskarray(got), np.ma.getmaskarray(wanted))
    assert abs(got - wanted).max() < 1e-3


def test_mode_of_aligned_pixels_is_a_most_frequent_class(eberg: dict[str, FoundLayer]) -> None:
    layer = eberg["HBTSOLx"]
    with rasterio.open(layer.path) as source:
        squares = source.read(1).reshape(100, 4, 100, 4).swapaxes(1, 2).reshape(100, 100, 16)
    got = read_window(layer, (0, 0, 100, 100), HUNDRED, resampling="mode")
    count = np.stack([(squares == value).sum(axis=2) for value in range(1, squares.max() + 1)], axis=2)
    known = count.sum(axis=2) > 0
    assert got.dtype == np.int16 and np.array_equal(~np.ma.getmaskarray(got), known)
    mine = np.take_along_axis(count, np.maximum(got.filled(0) - 1, 0)[..., None].astype(int), axis=2)[..., 0]
    assert np.array_equal(mine[known], count.max(axis=2)[known])


def test_nearest_to_finer_pixels_repeats(eberg: dict[str, FoundLayer]) -> None:
    layer = eberg["LNCCOR6"]
    with rasterio.open(layer.path) as source:
        wanted = source.read(1).repeat(4, axis=0).repeat(4, axis=1)
    for resampling in ("nearest", "mode"):
        got = read_window(layer, (0, 0, 400, 400), QUARTER, resampling=resampling)  # type: ignore[arg-type]
        assert np.array_equal(got.filled(0), wanted)
    assert set(np.unique(got.compressed())) <= set(np.unique(wanted))


def bilinear(values: npt.NDArray[Any], row: float, col: float, nodata: int) -> float:
    """By hand: the four centres around a place, no-data and what lies outside without weight; nothing where no-data is at home."""
    if values[int(row), int(col)] == nodata:
        return np.nan
    total = weight = 0.0
    for r in (int(np.floor(row - 0.5)), int(np.floor(row - 0.5)) + 1):
        for c in (int(np.floor(col - 0.5)), int(np.floor(col - 0.5)) + 1):
            w = (1 - abs(row - 0.5 - r)) * (1 - abs(col - 0.5 - c))
            if 0 <= r < values.shape[0] and 0 <= c < values.shape[1] and values[r, c] != nodata:
                total, weight = total + w * float(values[r, c]), weight + w
    return total / weight if weight > 1e-6 else np.nan


def test_bilinear_is_between_the_four_centres(tmp_path: Path) -> None:
    values = draw((20, 25))
    layer = store(tmp_path, "drawn", values, HUNDRED)
    got = read_window(layer, (0, 0, 100, 80), QUARTER, resampling="bilinear").filled(np.nan)
    for r in range(0, 80, 3):
        for c in range(0, 100, 3):
            assert got[r, c] == pytest.approx(bilinear(values, (r + 0.5) / 4, (c + 0.5) / 4, 0), abs=1e-3, nan_ok=True)


@pytest.mark.parametrize("resampling", KINDS)
@pytest.mark.parametrize(
    ("crs", "pixel", "origin", "shape"),
    [
        ("EPSG:3035", 10.0, (4020603.0, 3217807.0), (600, 500)),
        ("EPSG:3035", 250.0, (4020507.0, 3217907.0), (40, 50)),
        ("EPSG:32631", 10.0, (600000.0, 5700000.0), (900, 800)),
        ("EPSG:32631", 250.0, (600000.0, 5700000.0), (45, 50)),
        ("EPSG:4326", 0.00025, (4.4, 51.4), (300, 300)),
        ("EPSG:4326", 0.05, (4.4, 51.4), (9, 7)),
    ],
)
def test_windows_agree_with_the_whole_bit_by_bit(
    tmp_path: Path, resampling: Any, crs: str, pixel: float, origin: tuple[float, float], shape: tuple[int, int]
) -> None:
    layer = store(tmp_path, "drawn", draw(shape), Grid("its own", crs, pixel, origin))
    left, bottom, right, top = rasterio.warp.transform_bounds(crs, EUROPE.crs, *rasterio.open(layer.path).bounds)
    col, row = EUROPE.snap((left, bottom, right, top))[:2]
    whole_window: Window = (col - 20, row - 20, col + 400, row + 330)
    whole = read_window(layer, whole_window, EUROPE, resampling=resampling)
    assert 0.2 < (~whole.mask).mean() < 1
    for c, r, width, height in ((0, 0, 50, 60), (37, 101, 1, 150), (211, 33, 130, 1), (17, 19, 300, 290)):
        part = read_window(
            layer,
            (col - 20 + c, row - 20 + r, col - 20 + c + width, row - 20 + r + height),
            EUROPE,
            resampling=resampling,
        )
        assert part.filled().tobytes() == whole[r : r + height, c : c + width].filled().tobytes()


@pytest.mark.parametrize("pixel", [7.0, 10.0, 45.0])
@pytest.mark.parametrize("resampling", KINDS)
def test_squares_leave_no_seams(tmp_path: Path, resampling: Any, pixel: float) -> None:
    """A grid whose origin lies elsewhere has its squares elsewhere; the layer looks the same on it."""
    layer = store(tmp_path, "drawn", draw((400, 400)), Grid("its own", "EPSG:3035", pixel, (4020603.0, 3217807.0)))
    other = Grid("shifted", EUROPE.crs, 30.0, (900000.0 + 30 * 101, 5460010.0 - 30 * 57))
    col, row = EUROPE.snap((4020603.0, 3217807.0, 4020604.0, 3217808.0))[:2]
    one = read_window(layer, (col - 5, row - 5, col + 420, row + 300), EUROPE, resampling=resampling)
    two = read_window(layer, (col - 106, row - 62, col + 319, row + 243), other, resampling=resampling)
    assert np.array_equal(one.mask, two.mask)
    assert abs(one.astype(float) - two.astype(float)).max() < 2e-3


@pytest.mark.parametrize("resampling", KINDS)
def test_another_crs_agrees_with_rasterio(eberg: dict[str, FoundLayer], resampling: Any) -> None:
    layer = eberg["DEMSRT6" if resampling in ("bilinear", "average") else "LNCCOR6"]
    with rasterio.open(layer.path) as source:
        bounds = rasterio.warp.transform_bounds(source.crs, EUROPE.crs, *source.bounds)
        window = EUROPE.snap(bounds)
        wanted, _ = rasterio.warp.reproject(
            source.read(1).astype(np.float32 if resampling in ("bilinear", "average") else np.int16),
            np.zeros((window[3] - window[1], window[2] - window[0]), np.float32),
            src_crs=source.crs,
            src_transform=source.transform,
            src_nodata=0,
            dst_crs=EUROPE.crs,
            dst_transform=EUROPE.transform_of(window),
            dst_nodata=0,
            resampling=RasterResampling[resampling],
            tolerance=1e-6,
        )
    got = read_window(layer, window, EUROPE, resampling=resampling).filled(0)
    ours, theirs = got != 0, wanted != 0
    assert ours.mean() > 0.8 and not (ours & ~theirs).any()
    assert (theirs & ~ours).mean() < (
        0.01 if resampling in ("mode", "average") else 1e-9
    )  # they go beyond the layer's edge
    assert (
        abs(got - wanted)[ours & theirs] > 0.1
    ).mean() < 1e-4  # a pixel's place is exact to a millionth, here and there


def test_nearest_is_the_pixel_that_holds_the_centre(eberg: dict[str, FoundLayer]) -> None:
    layer = eberg["PRMGEO6"]
    with rasterio.open(layer.path) as source:
        values, back = source.read(1), ~source.transform
        window = EUROPE.snap(rasterio.warp.transform_bounds(source.crs, EUROPE.crs, *source.bounds))
        crs = source.crs
    got = read_window(layer, window, EUROPE, resampling="nearest").filled(0)
    rows, cols = (axis.ravel() for axis in np.mgrid[: got.shape[0], : got.shape[1]])
    x, y = EUROPE.transform_of(window) * (cols + 0.5, rows + 0.5)
    to_x, to_y = rasterio.warp.transform(EUROPE.crs, crs, x.tolist(), y.tolist())
    c, r = (np.floor(axis).astype(int) for axis in back * (np.array(to_x), np.array(to_y)))
    inside = (r >= 0) & (r < 100) & (c >= 0) & (c < 100)
    wanted = np.where(inside, values[np.clip(r, 0, 99), np.clip(c, 0, 99)], 0)
    assert np.array_equal(got[rows, cols], wanted)


def test_windows_beside_the_layer_are_masked(eberg: dict[str, FoundLayer]) -> None:
    for window in ((0, 0, 10, 10), (100_000, 90_000, 100_030, 90_020), (-5_000_000, 0, -4_999_990, 10)):
        got = read_window(eberg["DEMSRT6"], window, EUROPE, resampling="bilinear")
        assert got.mask.all() and got.shape == (window[3] - window[1], window[2] - window[0])


def test_large_integers_keep_their_digits(tmp_path: Path) -> None:
    values = np.full((8, 8), 2**30 + 1, np.int32)
    layer = store(tmp_path, "large", values, HUNDRED, nodata=-1)
    got = read_window(layer, (0, 0, 4, 4), QUARTER, resampling="bilinear")
    assert got.dtype == np.float64 and (got == 2**30 + 1).all()


def test_refusals_say_what_to_do(eberg: dict[str, FoundLayer], tmp_path: Path) -> None:
    with pytest.raises(
        SourceError,
        match="cannot warp layer dtm_hbtsolx_.*, because its resampling is average, a mean of classes; write nearest or mode",
    ):
        read_window(eberg["HBTSOLx"], (0, 0, 1, 1), HUNDRED, resampling="average")
    with pytest.raises(SourceError, match="its resampling is 'cubic'; write one of nearest, bilinear, average, mode"):
        read_window(eberg["DEMTOPx"], (0, 0, 1, 1), HUNDRED, resampling="cubic")  # type: ignore[arg-type]
    nowhere = store(tmp_path, "nowhere", draw((4, 4)), HUNDRED, crs=None)
    with pytest.raises(
        SourceError, match="cannot warp layer dtm_nowhere_.*, because its CRS is missing; assign it the CRS it has"
    ):
        read_window(nowhere, (0, 0, 1, 1), EUROPE, resampling="nearest")
    assert check_resampling(eberg["HBTSOLx"], "mode") is None
    assert has_classes(eberg["HBTSOLx"]) and not has_classes(eberg["DEMTOPx"])


def test_a_damaged_layer_says_so_when_warped(tmp_path: Path) -> None:
    layer = store(
        tmp_path, "damaged", draw((600, 600)), HUNDRED, compress="deflate", tiled=True, blockxsize=64, blockysize=64
    )
    data = layer.path.read_bytes()
    layer.path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(UnreadableError, match="cannot read layer dtm_damaged_.*, because its content is broken"):
        read_window(layer, (0, 0, 2000, 2000), QUARTER, resampling="average")


def test_layers_of_years_and_of_all_years(tmp_path: Path) -> None:
    def one(time: str) -> FoundLayer:
        return store(tmp_path, "cover", draw((2, 2)), HUNDRED, time=time)

    long, y2018, y2019, summer = one("2000..2018"), one("2018"), one("2019"), one("2019.06.25..2019.09.12")
    winter_to_fall = one("2017.12.02..2018.12.01")
    assert [timing_of(layer) for layer in (long, y2018, summer, winter_to_fall)] == [
        "static",
        "yearly",
        "part",
        "yearly",
    ]
    assert winter_to_fall.name.period is not None and winter_to_fall.name.period.end == date(2018, 12, 1)
    assert of_year([long], 1987) is long
    assert (
        of_year([y2018, y2019], 2019) is y2019 and of_year([y2018, y2019], 2020) is None and of_year([], 2020) is None
    )
    for layers, told in [
        ([y2018, winter_to_fall], "its year 2018 is also that of dtm_cover"),
        ([long, y2019], "its period is also that of dtm_cover"),
        ([long, long], "its period is also that of dtm_cover"),
        ([y2018, summer], "its period is 2019.06.25..2019.09.12, less than a year; take it as a season's"),
    ]:
        with pytest.raises(SourceError, match=told):
            of_year(layers, 2018)
