"""Work files hold what was given, or are not there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from odse.errors import StoreError, UnreadableError
from odse.raster.work import crc32, read_work, write_work
from odse.store.files import sha256_of

PLACE = {"transform": Affine(30, 0, 4000000, 0, -30, 3000000), "crs": "EPSG:3035"}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32", "bool"])
def test_pixels_come_back(tmp_path: Path, dtype: str) -> None:
    array = np.random.default_rng(1).integers(0, 250, (3, 70, 530)).astype(dtype)
    sha, size = write_work(tmp_path / "t.tif", array, nodata=None, band_names=["a", "b", "c"], **PLACE)
    assert (sha, size) == (sha256_of(tmp_path / "t.tif"), (tmp_path / "t.tif").stat().st_size)
    assert np.array_equal(read_work(tmp_path / "t.tif"), array)
    window = read_work(tmp_path / "t.tif", bands=[3, 1], window=(500, 10, 530, 60))
    assert np.array_equal(window, array[[2, 0], 10:60, 500:530])
    assert [p.name for p in tmp_path.iterdir()] == ["t.tif"]


def test_form_and_tags(tmp_path: Path) -> None:
    array = np.arange(1200 * 600, dtype=np.uint16).reshape(1, 1200, 600)
    write_work(tmp_path / "t.tif", array, nodata=0, band_names=["red_p50"], **PLACE)
    with rasterio.open(tmp_path / "t.tif") as source:
        assert source.block_shapes == [(512, 512)]
        assert source.compression.name == "zstd"
        assert (source.nodata, source.transform, source.descriptions) == (0, PLACE["transform"], ("red_p50",))
        assert source.tags(1)["CRC32"] == f"{crc32(array[0]):08x}"


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    array = np.random.default_rng(1).integers(0, 9, (2, 600, 600)).astype(np.uint8)
    one, two = (write_work(tmp_path / name, array, nodata=255, **PLACE) for name in ("a.tif", "b.tif"))
    assert one == two


def test_strips_have_the_crc_of_the_whole() -> None:
    array = np.random.default_rng(1).integers(0, 9, (100, 64)).astype(np.uint16)
    assert crc32(array[30:], crc32(array[:30])) == crc32(array)


def test_missing_and_damaged_files_differ(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="because the file is missing"):
        read_work(tmp_path / "t.tif")
    array = np.random.default_rng(1).integers(0, 250, (1, 600, 600)).astype(np.uint8)
    write_work(tmp_path / "t.tif", array, nodata=255, **PLACE)
    whole = (tmp_path / "t.tif").read_bytes()
    (tmp_path / "t.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableError, match=r"cannot read .*t\.tif, because GDAL's answer is"):
        read_work(tmp_path / "t.tif")


def test_a_full_disk_leaves_the_earlier_file(
    tmp_path: Path, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(0, 250, (1, 64, 64)).astype(np.uint8)
    write_work(tmp_path / "t.tif", first, nodata=255, **PLACE)
    with pytest.raises(StoreError), file_size_limit(20000):
        write_work(tmp_path / "t.tif", rng.integers(0, 250, (1, 600, 600)).astype(np.uint8), nodata=255, **PLACE)
    assert np.array_equal(read_work(tmp_path / "t.tif"), first)
    assert [p.name for p in tmp_path.iterdir()] == ["t.tif"]
