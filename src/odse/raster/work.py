"""Work files: what a task leaves for the next one. Plain tiled GeoTIFFs, ZSTD level 1, read back when
written.

Every band carries the CRC-32 of its pixels (tag ``CRC32``), so that whoever assembles bands can tell moved or
changed pixels from those that the task had in its hands.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from affine import Affine
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from odse.errors import RasterError, StoreError, UnreadableError
from odse.store.files import put_bytes

Array = npt.NDArray[Any]
PixelWindow = tuple[int, int, int, int]
"""(col0, row0, col1, row1): first column and row, and those after the last."""

GDAL_OPTIONS: dict[str, Any] = {
    "GDAL_NUM_THREADS": "1",
    "GDAL_CACHEMAX": 64,
    "GDAL_MAX_DATASET_POOL_SIZE": 16,
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GTIFF_WRITE_TOWGS84": "NO",
}
"""How this room reads and writes: one thread, 64 MB of blocks, 16 files open in a VRT, no side files."""


def environment() -> rasterio.Env:
    """The GDAL settings of this room, as a context."""
    return rasterio.Env(**GDAL_OPTIONS)


def write_work(
    path: Path,
    array: Array,
    *,
    transform: Affine,
    crs: str,
    nodata: float | None,
    band_names: Sequence[str] = (),
    block: int = 512,
) -> tuple[str, int]:
    """Write (band, y, x) or (y, x) as a work file; sha256 and size of the file.

    It is made in memory, read back and compared, then put in its place at once (temporary name, fsync,
    rename). Raises StoreError (disk full, no permission), RasterError when what was encoded differs from
    ``array``.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "t.tif"
    >>> pixels = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    >>> _ = write_work(path, pixels, transform=Affine(30, 0, 0, 0, -30, 0), crs="EPSG:3035", nodata=255)
    >>> read_work(path, bands=[1], window=(1, 1, 3, 3)).tolist()
    [[[5, 6], [9, 10]]]
    """
    path = Path(path)
    bands = array if array.ndim == 3 else array[np.newaxis]
    if bands.dtype == np.bool_:
        bands = bands.astype(np.uint8)
    count, height, width = bands.shape
    if 0 in bands.shape:
        raise RasterError.sentence("write", path.name, "its shape", bands.shape, "write at least one pixel")
    profile = {
        "driver": "GTiff",
        "dtype": bands.dtype.name,
        "count": count,
        "height": height,
        "width": width,
        "crs": crs,
        "transform": transform,
        "nodata": nodata,
        "compress": "zstd",
        "zstd_level": 1,
        "predictor": 2 if bands.dtype.kind in "iu" else 3,
        "interleave": "band",
        "bigtiff": "if_safer",
        "tiled": True,
        "blockxsize": block,
        "blockysize": block,
    }
    with environment(), MemoryFile() as memory:
        try:
            with memory.open(**profile) as target:
                for index in range(count):
                    target.write(bands[index], index + 1)
                    target.update_tags(index + 1, CRC32=f"{crc32(bands[index]):08x}")
                    if band_names:
                        target.set_band_description(index + 1, band_names[index])
            with memory.open() as back:
                for index in range(count):
                    if not np.array_equal(back.read(index + 1), bands[index], equal_nan=bands.dtype.kind == "f"):
                        raise RasterError.sentence(
                            "write",
                            path.name,
                            f"band {index + 1} read back",
                            "not what was written",
                            "run again",
                        )
        except RasterioIOError as error:
            raise RasterError.sentence(
                "write", path.name, "GDAL's answer", _one_line(error), "mend that and try again"
            ) from error
        data = memory.getbuffer()
        put_bytes(path, data)
        return hashlib.sha256(data).hexdigest(), len(data)


def read_work(path: Path, *, bands: Sequence[int] | None = None, window: PixelWindow | None = None) -> Array:
    """(band, y, x) of a work file, or of a window of it counted from its upper-left pixel.

    ``bands`` count from 1. Raises StoreError when the file is missing, UnreadableError when it cannot be
    decoded.
    """
    with environment(), reading(Path(path)) as source:
        indexes = list(range(1, source.count + 1)) if bands is None else list(bands)
        where = None if window is None else window_of(window)
        result: Array = source.read(indexes, window=where)
        return result


@contextmanager
def reading(path: Path) -> Iterator[DatasetReader]:
    """A raster opened for reading; what GDAL raises while the block runs becomes StoreError or
    UnreadableError."""
    try:
        with rasterio.open(path) as source:
            yield source
    except RasterioIOError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> StoreError | UnreadableError:
    """What to say of a raster that GDAL could not open or decode."""
    if not Path(path).exists():
        return StoreError.sentence("read", str(path), "the file", "missing", "run again: it is made anew")
    return UnreadableError.sentence("read", str(path), "GDAL's answer", _one_line(error), "fetch or make the file anew")


def window_of(window: PixelWindow) -> Window:
    """A pixel window as rasterio wants it."""
    left, top, right, bottom = window
    return Window(left, top, right - left, bottom - top)


def crc32(array: Array, start: int = 0) -> int:
    """CRC-32 of the pixels in rows; goes on from ``start``, so that strips of rows give the CRC of the
    whole."""
    return zlib.crc32(np.ascontiguousarray(array).data, start)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
