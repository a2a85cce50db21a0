"""Values of layers at points. However many points lie in a block of a file, that block is read and decoded
once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.io import DatasetReader
from rasterio.windows import Window

from odse.errors import RasterError
from odse.raster.work import environment, reading

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Sampled:
    """What was found at the points."""

    values: npt.NDArray[np.float64]
    """(layer, point) in the layers' units (scale and offset of the file applied); NaN where ``valid`` is
    False."""
    valid: npt.NDArray[np.bool_]
    """(layer, point): inside the file and not no-data."""
    blocks_read: dict[tuple[str, int], int]
    """(path, band) -> number of blocks that were read."""


def sample(layers: Sequence[tuple[Path, int]], x: Array, y: Array) -> Sampled:
    """Values of ``layers``, pairs of a file and a band counted from 1, at points in the files' CRS.

    A point on the edge between two pixels belongs to the eastern and to the southern one, as the half-open
    windows of a Grid have it. Reads files. Raises StoreError (missing), UnreadableError (damaged),
    RasterError (arrays that do not fit).

    >>> import tempfile
    >>> from affine import Affine
    >>> from odse.raster.work import write_work
    >>> path = Path(tempfile.mkdtemp()) / "t.tif"
    >>> _ = write_work(path, np.array([[[7, 255]]], dtype=np.uint8), transform=Affine(30, 0, 0, 0, -30, 30),
    ...                crs="EPSG:3035", nodata=255)
    >>> sample([(path, 1)], np.array([15.0, 45.0, 75.0]), np.array([15.0, 15.0, 15.0])).values.tolist()
    [[7.0, nan, nan]]
    """
    xs, ys = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if xs.ndim != 1 or xs.shape != ys.shape:
        raise RasterError.sentence(
            "sample",
            "layers at points",
            "the shape of x and y",
            f"{xs.shape} and {ys.shape}",
            "give two equal rows of numbers",
        )
    values = np.full((len(layers), len(xs)), np.nan)
    blocks: dict[tuple[str, int], int] = {}
    with environment():
        for path in dict.fromkeys(Path(one) for one, _ in layers):
            with reading(path) as source:
                column, row, inside = _pixels(source, xs, ys)
                for which, band in [(i, band) for i, (one, band) in enumerate(layers) if Path(one) == path]:
                    if not 1 <= band <= source.count:
                        raise RasterError.sentence(
                            "sample",
                            path.name,
                            "the wanted band",
                            f"{band} of {source.count}",
                            "count bands from 1",
                        )
                    blocks[str(path), band] = 0
                    for window, points in _blocks(source, band, column, row, inside):
                        block = source.read(band, window=window)
                        blocks[str(path), band] += 1
                        stored = block[row[points] - window.row_off, column[points] - window.col_off]
                        values[which, points] = _units(source, band, stored)
    return Sampled(values, ~np.isnan(values), blocks)


def _pixels(source: DatasetReader, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Column and row of each point, and whether it lies in the file (a point with NaN does not)."""
    inverse = ~source.transform
    column = np.floor(inverse.a * x + inverse.b * y + inverse.c)
    row = np.floor(inverse.d * x + inverse.e * y + inverse.f)
    inside = (column >= 0) & (column < source.width) & (row >= 0) & (row < source.height)
    return np.where(inside, column, 0).astype(np.int64), np.where(inside, row, 0).astype(np.int64), inside


def _blocks(
    source: DatasetReader, band: int, column: Array, row: Array, inside: Array
) -> Iterator[tuple[Window, npt.NDArray[np.int64]]]:
    """Each block that holds a point, with the indexes of its points; row by row."""
    height, width = source.block_shapes[band - 1]
    across = -(-source.width // width)
    points = np.flatnonzero(inside)
    if len(points) == 0:
        return
    number = (row[points] // height) * across + column[points] // width
    order = np.argsort(number, kind="stable")
    numbers, starts = np.unique(number[order], return_index=True)
    for one, members in zip(numbers.tolist(), np.split(points[order], starts[1:]), strict=True):
        top, left = one // across * height, one % across * width
        yield Window(left, top, min(width, source.width - left), min(height, source.height - top)), members


def _units(source: DatasetReader, band: int, stored: Array) -> npt.NDArray[np.float64]:
    nodata = source.nodatavals[band - 1]
    units: npt.NDArray[np.float64] = stored.astype(np.float64) * source.scales[band - 1] + source.offsets[band - 1]
    if nodata is not None:
        units[stored == nodata] = np.nan
    return units
