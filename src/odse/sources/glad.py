"""GLAD Landsat ARD from a mirror: ``<lat>/<tile>/<interval>.tif``, 8 bands uint16, EPSG:4326, quality flag in band 8.

Potapov et al. 2020, doi 10.3390/rs12030426. The raster's own bounds are trusted, never the tile's name. An absent interval is
a gap; a file that cannot be decoded is *unreadable*, which is not a gap and never becomes no-data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
from affine import Affine
from rasterio.errors import RasterioError, RasterioIOError
from shapely.geometry.base import BaseGeometry

from odse.errors import GridError
from odse.grid import Bounds, Grid, Tile, Window, glad_tiles_over, parse_glad_tile
from odse.layer.period import Season, interval_period
from odse.raster.work import environment, read_work, write_work

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2", "thermal")
VALID = ((1, 40000),) * 6 + ((1, 65000),)
"""What counts as data in each band: reflectance x 40000, kelvin x 100."""

State = Literal["done", "unreadable", "outside"]
BLOCK = 512


@dataclass(frozen=True, order=True)
class GladFile:
    """One image of the archive: a tile in an interval."""

    path: Path
    tile_name: str
    interval: int


@dataclass(frozen=True)
class IngestReport:
    """What became of one file."""

    state: State
    window: Window | None = None
    """Pixels of the grid it covers; for an unreadable file those that its bounds, or its tile, would cover."""
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One ingested image for a stack; ``path`` is None when the file was unreadable."""

    interval: int
    path: Path | None
    window: Window | None


def scenes(root: Path, *, intervals: Iterable[int], area_lonlat: BaseGeometry) -> list[GladFile]:
    """The files of a mirror for some intervals whose tiles may touch an area. Lists folders; sorted; absent ones are absent.

    A tile's neighbours are looked at too, because names near 0 degrees and in the south cannot be trusted.
    """
    wanted = set(intervals)
    left, bottom, right, top = area_lonlat.bounds
    near = {tile.name for tile in glad_tiles_over((left - 1, bottom - 1, right + 1, top + 1))}
    found = []
    for path in sorted(root.glob("*/*/*.tif")):
        if path.parent.name in near and path.stem.isdigit() and int(path.stem) in wanted:
            found.append(GladFile(path, path.parent.name, int(path.stem)))
    return sorted(found, key=lambda one: (one.interval, one.tile_name))


def days_from_middle(interval: int, season: Season) -> int:
    """Days between the middle of an interval and the middle of a season."""
    return (interval_period(interval).middle - season.true_period.middle).days


def ingest(file: GladFile, out: Path, *, grid: Grid, window: Window) -> IngestReport:
    """Decode a file once and keep it on the grid: values and flag by the same nearest pixel, ZSTD blocks, 8 bands uint16.

    ``window`` is the area's; only its overlap with the file, snapped outward to blocks of the grid, is kept. Reads the file,
    writes ``out`` when the report's state is ``done``. Never raises for a broken file: that is its report.
    """
    try:
        with environment(), rasterio.open(file.path) as source:
            bounds, transform, shape, crs, count = (
                source.bounds,
                source.transform,
                source.shape,
                source.crs,
                source.count,
            )
    except RasterioIOError as error:
        covered = _covered(grid, parse_glad_tile(file.tile_name).bounds, window)
        return IngestReport("unreadable", covered, {"unreadable": 1}, (_note(file, error),))
    if count != 8:
        covered = _covered(grid, tuple(bounds), window)
        return IngestReport(
            "unreadable",
            covered,
            {"unreadable": 1},
            (f"{file.tile_name}/{file.interval}: has {count} bands instead of 8",),
        )
    covered = _covered(grid, tuple(bounds), window)
    if covered is None:
        return IngestReport("outside")
    try:
        with environment(), rasterio.open(file.path) as source:
            stack = source.read()
    except (RasterioError, MemoryError) as error:
        return IngestReport("unreadable", covered, {"unreadable": 1}, (_note(file, error),))
    notes = []
    flag = stack[7]
    if int(flag.max(initial=0)) > 255:
        flag = (flag + 50) // 100
        stack[7] = flag
        notes.append(f"{file.tile_name}/{file.interval}: flags are stored x 100, divided")
    row, column = _nearest(grid, covered, transform, shape, str(crs.to_wkt()))
    inside = (row >= 0) & (column >= 0)
    warped = np.zeros((8, *row.shape), dtype=np.uint16)
    for band in range(8):
        warped[band][inside] = stack[band][row[inside], column[inside]]
    seen = warped[7] != 0
    outside_range = {
        name: int((seen & ((warped[i] < low) | (warped[i] > high))).sum())
        for i, (name, (low, high)) in enumerate(zip(BANDS, VALID, strict=True))
    }
    write_work(out, warped, transform=grid.transform_of(covered), crs=grid.crs, nodata=0, band_names=[*BANDS, "flag"])
    counts = {"pixels_seen": int(seen.sum()), "values_out_of_range": sum(outside_range.values())}
    return IngestReport("done", covered, counts, tuple(notes))


def _note(file: GladFile, error: Exception) -> str:
    return f"{file.tile_name}/{file.interval}: unreadable ({' '.join(str(error).split())[:160]})"


def _covered(grid: Grid, bounds_lonlat: Bounds, window: Window) -> Window | None:
    """The overlap of a box in longitude and latitude with a window, snapped outward to blocks of the grid."""
    change = pyproj.Transformer.from_crs("EPSG:4326", grid.crs, always_xy=True)
    try:
        box = change.transform_bounds(*bounds_lonlat, densify_pts=41)
    except pyproj.exceptions.ProjError as error:
        raise GridError.sentence(
            "place", "a tile", "its bounds", f"{bounds_lonlat} ({error})", "check the file"
        ) from error
    col0, row0, col1, row1 = grid.snap(box)
    left, top = max(col0, window[0]) // BLOCK * BLOCK, max(row0, window[1]) // BLOCK * BLOCK
    right, bottom = -(-min(col1, window[2]) // BLOCK) * BLOCK, -(-min(row1, window[3]) // BLOCK) * BLOCK
    if min(col1, window[2]) <= max(col0, window[0]) or min(row1, window[3]) <= max(row0, window[1]):
        return None
    return left, top, right, bottom


@lru_cache(maxsize=2)
def _nearest(
    grid: Grid, window: Window, transform: Affine, shape: tuple[int, int], crs_wkt: str
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Row and column in the source of the pixel that holds each grid pixel's centre; -1 outside. Exact, pixel by pixel.

    All images of a tile lie alike, so a worker that has seen one has the answer for the next.
    """
    change = pyproj.Transformer.from_crs(grid.crs, crs_wkt, always_xy=True)
    target = grid.transform_of(window)
    height, width = window[3] - window[1], window[2] - window[0]
    row = np.full((height, width), -1, dtype=np.int32)
    column = np.full((height, width), -1, dtype=np.int32)
    back = ~transform
    for start in range(0, height, 256):
        stop = min(start + 256, height)
        c, r = np.meshgrid(np.arange(width) + 0.5, np.arange(start, stop) + 0.5)
        x, y = change.transform(target.a * c + target.c, target.e * r + target.f)
        col_here = np.floor(back.a * x + back.b * y + back.c).astype(np.int64)
        row_here = np.floor(back.d * x + back.e * y + back.f).astype(np.int64)
        good = (col_here >= 0) & (col_here < shape[1]) & (row_here >= 0) & (row_here < shape[0])
        row[start:stop] = np.where(good, row_here, -1)
        column[start:stop] = np.where(good, col_here, -1)
    return row, column


def read_stack(
    parts: Sequence[Part], tile: Tile
) -> tuple[list[int], npt.NDArray[np.uint16], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The ingested images of a work tile, one date an interval.

    Gives the intervals, values (band=7, time, y, x) uint16, quality codes (time, y, x) uint8 and where a file was
    unreadable (time, y, x). Where several source tiles meet, the first with a flag wins, in the order of their paths.
    """
    intervals = sorted({part.interval for part in parts})
    values = np.zeros((7, len(intervals), *tile.shape), dtype=np.uint16)
    quality = np.zeros((len(intervals), *tile.shape), dtype=np.uint8)
    unreadable = np.zeros((len(intervals), *tile.shape), dtype=bool)
    left, top, right, bottom = tile.window
    for part in sorted(parts, key=lambda one: (one.interval, str(one.path))):
        if part.window is None:
            continue
        col0, row0 = max(part.window[0], left), max(part.window[1], top)
        col1, row1 = min(part.window[2], right), min(part.window[3], bottom)
        if col0 >= col1 or row0 >= row1:
            continue
        t = intervals.index(part.interval)
        here = (slice(row0 - top, row1 - top), slice(col0 - left, col1 - left))
        if part.path is None:
            unreadable[t][here] = True
            continue
        window = (col0 - part.window[0], row0 - part.window[1], col1 - part.window[0], row1 - part.window[1])
        image = read_work(part.path, window=window)
        new = (quality[t][here] == 0) & (image[7] != 0)
        quality[t][here][new] = image[7][new].astype(np.uint8)
        for band in range(7):
            values[band, t][here][new] = image[band][new]
    unreadable &= quality == 0
    return intervals, values, quality, unreadable
