"""Values at points, each block read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st

from odse.errors import RasterError, StoreError, UnreadableError
from odse.raster.sample import sample
from odse.raster.work import write_work

LEFT, TOP = 4000000.0, 3000000.0
PLACE = {"transform": Affine(30, 0, LEFT, 0, -30, TOP), "crs": "EPSG:3035"}


@pytest.fixture(scope="module")
def raster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray]:
    array = np.random.default_rng(0).integers(0, 9, (2, 700, 1100)).astype(np.uint8)
    path = tmp_path_factory.mktemp("sample") / "t.tif"
    write_work(path, array, nodata=0, **PLACE)
    return path, array


@settings(max_examples=30, deadline=None)
@given(points=st.lists(st.tuples(st.floats(-100, 33500), st.floats(-100, 21500)), max_size=60))
def test_agrees_with_one_pixel_at_a_time(raster: tuple[Path, np.ndarray], points: list[tuple[float, float]]) -> None:
    path, array = raster
    x = np.array([LEFT + a for a, _ in points])
    y = np.array([TOP - b for _, b in points])
    found = sample([(path, 2), (path, 1)], x, y)
    blocks = set()
    for i in range(len(points)):
        column, row = int(np.floor((x[i] - LEFT) / 30)), int(np.floor((TOP - y[i]) / 30))
        inside = 0 <= column < 1100 and 0 <= row < 700
        if inside:
            blocks.add((row // 512, column // 512))
        for which, band in enumerate((1, 0)):
            value = array[band, row, column] if inside else 0
            assert found.valid[which, i] == (value != 0)
            if value != 0:
                assert found.values[which, i] == value
            else:
                assert np.isnan(found.values[which, i])
    assert found.blocks_read == {(str(path), 2): len(blocks), (str(path), 1): len(blocks)}


def test_blocks_are_read_once_however_many_points(raster: tuple[Path, np.ndarray]) -> None:
    path, _ = raster
    rng = np.random.default_rng(1)
    x, y = LEFT + rng.uniform(0, 33000, 20000), TOP - rng.uniform(0, 21000, 20000)
    assert sample([(path, 1)], x, y).blocks_read[str(path), 1] == 3 * 2


def test_an_edge_belongs_to_the_east_and_the_south(raster: tuple[Path, np.ndarray]) -> None:
    path, array = raster
    found = sample([(path, 1)], np.array([LEFT + 30]), np.array([TOP - 60]))
    assert found.valid[0, 0] == (array[0, 2, 1] != 0)
    assert np.nan_to_num(found.values[0, 0]) == array[0, 2, 1]


def test_scale_and_offset_of_the_file_apply(tmp_path: Path) -> None:
    write_work(tmp_path / "t.tif", np.array([[10, 255]], dtype=np.uint8), nodata=255, **PLACE)
    with rasterio.open(tmp_path / "t.tif", "r+") as target:
        target.scales, target.offsets = (1.6,), (200.0,)
    found = sample([(tmp_path / "t.tif", 1)], np.array([LEFT + 1, LEFT + 31]), np.array([TOP - 1, TOP - 1]))
    assert found.values[0, 0] == 216.0
    assert found.valid.tolist() == [[True, False]]


def test_the_real_ndvi_series(data_dir: Path) -> None:
    paths = sorted((data_dir / "01_odse_toy_tile_nl" / "ndvi_gappy").glob("*.tif"))[:3]
    with rasterio.open(paths[0]) as source:
        rows, columns = np.mgrid[0:256:37, 0:256:41]
        x, y = rasterio.transform.xy(source.transform, rows.ravel(), columns.ravel())
    found = sample([(path, 1) for path in paths], np.array(x), np.array(y))
    for which, path in enumerate(paths):
        with rasterio.open(path) as source:
            stored = source.read(1)[rows.ravel(), columns.ravel()]
            assert np.array_equal(found.valid[which], stored != source.nodata)
            assert np.array_equal(found.values[which][found.valid[which]], stored[found.valid[which]])


def test_faults_are_sentences(raster: tuple[Path, np.ndarray], tmp_path: Path) -> None:
    path, _ = raster
    one = np.array([LEFT + 1])
    with pytest.raises(RasterError, match="the wanted band is 3 of 2"):
        sample([(path, 3)], one, one)
    with pytest.raises(RasterError, match="the shape of x and y"):
        sample([(path, 1)], one, np.array([1.0, 2.0]))
    with pytest.raises(StoreError, match="because the file is missing"):
        sample([(tmp_path / "no.tif", 1)], one, one)
    (tmp_path / "bad.tif").write_bytes(path.read_bytes()[:5000])
    with pytest.raises(UnreadableError):
        sample([(tmp_path / "bad.tif", 1)], np.array([LEFT + 30000]), np.array([TOP - 20000]))
