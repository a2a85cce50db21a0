"""GLAD Landsat ARD from a mirror: ``<lat>/<tile>/<interval>.tif``, 8 bands uint16, EPSG:4326, quality flag in band 8.

Potapov et al. 2020, doi 10.3390/rs12030426. The raster's own bounds are trusted, never the tile's name. An absent interval is
a gap; a file that cannot be decoded is *unreadable*, which is not a gap and never becomes no-data.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from affine import Affine
from pyproj.exceptions import ProjError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow
from shapely.geometry.base import BaseGeometry

from odse.errors import GridError, SourceError, UnreadableError
from odse.grid import Bounds, Grid, Window, change_of, glad_tiles_over, parse_glad_tile
from odse.raster.work import environment, write_work
from odse.sources.ingested import IngestReport, block_of, snapped
from odse.sources.scenes import Place, nearest_pixels

BANDS = ("blue", "green", "red", "nir", "swir1", "swir2", "thermal")
VALID = ((1, 40000),) * 6 + ((1, 65000),)
"""What counts as data in each band: reflectance x 40000, kelvin x 100."""
FLAGS = 17
"""The largest quality code; 0 is no data."""
UNKNOWN_FLAG = 255
"""What a code above FLAGS becomes: no mask keeps it, and it is not no-data."""

STRIP_ROWS = 64
"""Source rows decoded at a time: 4 MB of a whole tile's 256, which stay in the processor's cache while they are sorted in."""


@dataclass(frozen=True, order=True)
class GladFile:
    """One image of the archive: a tile in an interval."""

    path: Path
    tile_name: str
    interval: int

    @property
    def name(self) -> str:
        """As notes and errors call it: 014E_50N/909."""
        return f"{self.tile_name}/{self.interval}"


@dataclass(frozen=True)
class _Header:
    """Where an image lies, by its own word."""

    bounds: Bounds
    transform: Affine
    shape: tuple[int, int]
    crs: str


def scenes(root: Path, *, intervals: Iterable[int], area_lonlat: BaseGeometry) -> list[GladFile]:
    """The files of a mirror for some intervals whose tiles may touch an area, by interval and tile; absent ones are absent.

    Lists folders and reads one header a folder: names near 0 degrees and in the south cannot be trusted, so the folders of
    neighbouring tiles are looked at too, and the bounds in the file decide. Raises SourceError for a root that is no folder or
    that holds one image twice.
    """
    if not root.is_dir():
        raise SourceError.sentence("list", f"archive {root}", "it", "no folder", "give the folder above 50N/014E_50N")
    wanted = set(intervals)
    left, bottom, right, top = area_lonlat.bounds
    near = sorted(tile.name for tile in glad_tiles_over((left - 1, bottom - 1, right + 1, top + 1)))
    found: dict[tuple[int, str], GladFile] = {}
    for latitude in sorted(path for path in root.iterdir() if path.is_dir()):
        for name in near:
            files = [
                GladFile(path, name, int(path.stem))
                for path in sorted((latitude / name).glob("*.tif"))
                if path.stem.isdigit() and int(path.stem) in wanted
            ]
            if not _may_touch(files, area_lonlat):
                continue
            for file in files:
                other = found.setdefault((file.interval, name), file)
                if other is not file:
                    raise SourceError.sentence(
                        "use", f"image {file.name}", "its file", f"there twice ({other.path}, {file.path})", "keep one"
                    )
    return [found[key] for key in sorted(found)]


def _may_touch(files: Sequence[GladFile], area_lonlat: BaseGeometry) -> bool:
    """Whether the tile of some files meets an area; all images of a tile lie alike. Unknown where none has a header."""
    header = next(_headers(files), None)
    if header is None:
        return bool(files)
    try:
        change = change_of(header.crs, "EPSG:4326")
        box = change.transform_bounds(*header.bounds, densify_pts=41)
    except ProjError:
        return True
    return not all(map(math.isfinite, box)) or bool(shapely.box(*box).intersects(area_lonlat))


def windows(files: Iterable[GladFile], *, grid: Grid, window: Window) -> dict[str, Window]:
    """Tile name -> the pixels of the grid within ``window`` that its images cover; all of ``window`` where no file says.

    Reads one header a tile: all images of a tile lie alike.
    """
    by_tile: dict[str, list[GladFile]] = {}
    for file in files:
        by_tile.setdefault(file.tile_name, []).append(file)
    result = {}
    for name, some in by_tile.items():
        header = next(_headers(some), None)
        try:
            covered = window if header is None else _covered(grid, header, window, some[0])
        except UnreadableError:
            covered = window
        result[name] = covered or (0, 0, 0, 0)
    return result


def ingest(file: GladFile, out: Path, *, grid: Grid, window: Window) -> IngestReport:
    """Decode a file once and keep it on the grid: values and flag by the same nearest pixel, ZSTD blocks, 8 bands uint16.

    ``window`` is the area's; only its overlap with the file, snapped outward to blocks of the grid, is kept. Reads the whole
    file in strips of rows, so a fault anywhere in it shows (but LZW has no checksum: a changed bit may pass, and its sign are
    flags and values that cannot be, which are counted); writes ``out`` when the report's state is ``done``. Flags that are
    stored x 100 are divided, codes that do not exist become 255: both are told. Never raises for a broken file: that is its
    report. On the coarse grid of a preview only the rows that it needs are read. Raises StoreError when ``out`` cannot be
    written.
    """
    header = None
    try:
        with _opened(file.path) as source:
            header = _header(file, source)
            covered = _covered(grid, header, window, file)
            if covered is None:
                return IngestReport("outside")
            warped, codes = _warp(source, header, grid, covered)
        flags, notes = _flag_table(codes, file)
    except (RasterioError, UnreadableError) as error:
        return _broken(file, error, header, grid, window)
    warped[7] = flags[warped[7]]
    counts = _counts(warped)
    if counts["flags_unknown"]:
        notes.append(f"{file.name}: pixels with a flag above {FLAGS}, never used: {counts['flags_unknown']}")
    write_work(out, warped, transform=grid.transform_of(covered), crs=grid.crs, nodata=0, band_names=[*BANDS, "flag"])
    return IngestReport("done", covered, counts, tuple(notes))


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # _header says it, as an error
        with environment(), rasterio.open(path) as source:
            yield source


def _header(file: GladFile, source: DatasetReader) -> _Header:
    """Where an image lies. Raises UnreadableError for what is no image of this archive."""
    types = sorted(set(source.dtypes))
    faults = {
        "its number of bands": source.count if source.count != 8 else None,
        "its type": ", ".join(types) if types != ["uint16"] else None,
        "its CRS": "missing" if source.crs is None else None,
        "its place": "missing" if source.transform.is_identity else None,
        "its shape": source.shape if source.width * source.height > 2**27 else None,
    }
    for what, value in faults.items():
        if value is not None:
            raise UnreadableError.sentence("read", f"image {file.name}", what, value, "fetch it again")
    return _Header(tuple(source.bounds), source.transform, source.shape, source.crs.to_wkt())


def _headers(files: Iterable[GladFile]) -> Iterator[_Header]:
    """The headers of those files that have one."""
    for file in files:
        try:
            with _opened(file.path) as source:
                yield _header(file, source)
        except (RasterioError, UnreadableError):
            continue


def _broken(file: GladFile, error: Exception, header: _Header | None, grid: Grid, window: Window) -> IngestReport:
    """The report of an unreadable file. What it would cover: by its header, else by its tile's other files, else by name."""
    if header is None:
        others = (path for path in sorted(file.path.parent.glob("*.tif")) if path != file.path)
        header = next(_headers(GladFile(path, file.tile_name, 0) for path in islice(others, 20)), None)
    try:
        covered = _covered(grid, header or _by_name(file), window, file)
    except (GridError, UnreadableError):
        covered = window  # nothing says where it lies: it may be missed anywhere
    if covered is None:
        return IngestReport("outside")
    return IngestReport(
        "unreadable", covered, {"unreadable": 1}, (f"{file.name}: unreadable ({_reason(file, error)})",)
    )


def _reason(file: GladFile, error: BaseException) -> str:
    """What GDAL said first, without the path of this machine."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).replace(str(file.path), file.path.name).split())[:200]


def _by_name(file: GladFile) -> _Header:
    """The last resort for a tile of which no file has a header."""
    bounds = parse_glad_tile(file.tile_name).bounds
    return _Header(bounds, Affine.identity(), (0, 0), "EPSG:4326")


def _covered(grid: Grid, header: _Header, window: Window, file: GladFile) -> Window | None:
    """The overlap of an image with a window, snapped outward to blocks of the grid. UnreadableError for an absurd place."""
    change = change_of(header.crs, grid.crs)
    try:
        box = change.transform_bounds(*header.bounds, densify_pts=41)
    except ProjError:
        box = (math.inf,) * 4
    if not all(map(math.isfinite, box)):
        raise UnreadableError.sentence(
            "read", f"image {file.name}", "its place", f"{header.bounds}, outside {grid.crs}", "fetch it again"
        )
    return snapped(grid.snap(box), window, block=block_of(grid))


def _warp(
    source: DatasetReader, header: _Header, grid: Grid, window: Window
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """(band=8, y, x) of a window of the grid, 0 outside the image; and how often each number stands in the flag band.

    The image passes once, strip by strip: memory is the window's and one strip's. For a preview's coarse grid strips in which
    no pixel lies are passed over.
    """
    nearest = nearest_pixels(grid, window, Place(header.crs, header.transform, header.shape))
    height, width = header.shape
    warped = np.zeros((8, *nearest.shape), dtype=np.uint16)
    codes = np.zeros(65536, dtype=np.int64)
    first = np.where(nearest < 0, height * width, nearest).min(axis=1)
    last = nearest.max(axis=1)
    block_rows = source.block_shapes[0][0]
    rows = max(STRIP_ROWS // block_rows, 1) * block_rows
    for top in range(0, height, rows):
        low, high = top * width, min(top + rows, height) * width
        meets = np.flatnonzero((last >= low) & (first < high))
        if len(meets) == 0 and grid.factor > 1:
            continue  # a preview looks at no more than it shows
        strip = source.read(window=RasterWindow(0, top, width, min(rows, height - top)))
        codes += np.bincount(strip[7].ravel(), minlength=65536)
        if len(meets) == 0:
            continue
        some = slice(int(meets[0]), int(meets[-1]) + 1)
        here = (nearest[some] >= low) & (nearest[some] < high)
        which = nearest[some][here] - low
        for band in range(8):
            warped[band, some][here] = strip[band].reshape(-1)[which]
    return warped, codes


def _flag_table(codes: npt.NDArray[np.int64], file: GladFile) -> tuple[npt.NDArray[np.uint16], list[str]]:
    """What each stored flag means, by how often each number stands in a file: codes as they are, or all of them x 100.

    A code that does not exist is 255. A file most of whose flags do not exist is no image of this archive: UnreadableError.
    """
    table = np.full(65536, UNKNOWN_FLAG, dtype=np.uint16)
    table[0] = 0
    real = np.arange(1, FLAGS + 1)
    plain, times = int(codes[real].sum()), int(codes[real * 100].sum())
    table[real * 100 if times > plain else real] = real
    some = int(codes[1:].sum())
    if some > 2 * max(plain, times):
        most = int(codes[1:].argmax()) + 1
        raise UnreadableError.sentence(
            "read", f"image {file.name}", "its most frequent flag", f"{most}, of 0 to {FLAGS}", "fetch it again"
        )
    return table, [f"{file.name}: flags are stored x 100, divided"] if times > plain else []


def _counts(warped: npt.NDArray[np.uint16]) -> dict[str, int]:
    """Pixels with a flag, and values and flags among them that cannot be."""
    seen = warped[7] != 0
    strange = {
        f"out_of_range_{name}": int((seen & ((warped[i] < low) | (warped[i] > high))).sum())
        for i, (name, (low, high)) in enumerate(zip(BANDS, VALID, strict=True))
    }
    return {
        "pixels_seen": int(seen.sum()),
        "values_out_of_range": sum(strange.values()),
        "flags_unknown": int((warped[7] == UNKNOWN_FLAG).sum()),
        **{name: count for name, count in strange.items() if count},
    }
