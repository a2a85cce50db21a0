"""Grid, tiles, blocks, CRS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import GridError
from odse.grid import block_ids, glad_tiles_over, grid_, parse_glad_tile, parse_tile, same_crs, tiles_over

GRID = grid_("odse-30m")


def test_the_odse_grid() -> None:
    assert GRID.snap((4020600, 3210130, 4028280, 3217810)) == (104020, 74740, 104276, 74996)
    assert GRID.bounds_of((104020, 74740, 104276, 74996)) == (4020600, 3210130, 4028280, 3217810)
    same = grid_({"crs": "EPSG:3035", "resolution_m": 30, "origin_xy": [900000, 5460010]})
    assert same.digest == GRID.digest and GRID.epsg == 3035
    assert grid_({"crs": "EPSG:3035", "resolution_m": 30, "origin_xy": [900000, 5460000]}).digest != GRID.digest


@given(st.integers(-40, 400), st.integers(-40, 400))
def test_tile_names(col: int, row: int) -> None:
    tile = tiles_over(
        GRID, shapely.box(*GRID.bounds_of((col * 512, row * 512, col * 512 + 1, row * 512 + 1))), size_px=512
    )[0]
    assert (tile.col, tile.row) == (col, row)
    assert parse_tile(tile.name, GRID, size_px=512) == tile


@given(st.floats(0, 90000), st.floats(0, 90000), st.floats(100, 50000), st.floats(100, 50000))
def test_tiles_cover_an_area_once(x: float, y: float, width: float, height: float) -> None:
    area = shapely.box(1e6 + x, 4e6 + y, 1e6 + x + width, 4e6 + y + height)
    boxes = [shapely.box(*tile.bounds) for tile in tiles_over(GRID, area, size_px=512)]
    assert sum(box.intersection(area).area for box in boxes) == pytest.approx(area.area)
    assert shapely.union_all(boxes).area == pytest.approx(sum(box.area for box in boxes))


def test_a_place_is_in_one_block() -> None:
    x, y = np.meshgrid(np.arange(0, 100, 7.0), np.arange(0, 100, 7.0))
    blocks = block_ids(x, y, size_m=30)
    assert len(np.unique(blocks)) == 16
    assert (blocks == block_ids(x // 30 * 30, y // 30 * 30, size_m=30)).all()


@pytest.mark.parametrize(
    ("name", "bounds"),
    [("105W_40N", (-106, 40, -105, 41)), ("014E_50N", (14, 50, 15, 51)), ("000E_10S", (0, -11, 1, -10))],
)
def test_glad_tiles(name: str, bounds: tuple[float, ...]) -> None:
    assert parse_glad_tile(name).bounds == bounds and parse_glad_tile(name).name == name
    assert [tile.name for tile in glad_tiles_over((13.9, 48.1, 14.1, 48.2))] == ["013E_48N", "014E_48N"]


def test_a_crs_without_a_code_that_is_3035(data_dir: Path) -> None:
    path = sorted((data_dir / "01_odse_toy_tile_nl" / "ndvi_gappy").glob("*.tif"))[0]
    with rasterio.open(path) as source:
        assert source.crs.to_epsg() is None
        assert same_crs(source.crs.to_wkt(), "EPSG:3035")
        assert not same_crs(source.crs.to_wkt(), "EPSG:32631")


def test_refused() -> None:
    with pytest.raises(GridError, match="cannot use grid 'odse-10m', because its name is unknown; write odse-30m"):
        grid_("odse-10m")
    with pytest.raises(GridError, match="cannot find tile 'x1', because its form is unknown; write it like x0012y0034"):
        parse_tile("x1", GRID, size_px=512)
