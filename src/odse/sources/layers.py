"""A folder of GeoTIFFs named by either convention, as ready covariates.

A layer on the recipe's grid is read as it is. One on another grid is read where the recipe states how: ``nearest`` or ``mode`` for
classes, ``bilinear`` or ``average`` for numbers. A layer of one year stands for that year, one of a longer period for all years.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pyproj
import rasterio
from affine import Affine
from rasterio.enums import Resampling as RasterResampling
from rasterio.errors import RasterioError, RasterioIOError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window as RasterWindow

from odse.errors import EncodingError, LayerNameError, SourceError, UnreadableError
from odse.grid import Grid, Window, change_of, same_crs
from odse.layer.name import LayerName, parse_layer_name
from odse.raster.encoding import Encoding
from odse.raster.work import environment

Resampling = Literal["nearest", "bilinear", "average", "mode"]
Timing = Literal["static", "yearly", "part"]

SUFFIXES = (".tif", ".tiff")
WARP_BLOCK_PX = 256
"""Layers are warped in squares of this size counted from the grid's origin, whatever window is asked for."""
EXACT_PX = 1e-6
"""How far GDAL may place a pixel beside its true place; its own 1/8 pixel depends on where a window begins."""
UNITS: dict[tuple[str, str], tuple[float, str]] = {("elev.lowestmode", "gedi.eml"): (0.1, "m")}
"""(variable, method) -> scale and unit of products whose files do not say them: the ODSE terrain model is in decimetres."""


@dataclass(frozen=True)
class FoundLayer:
    """A ready layer: its name and what its header says."""

    path: Path
    name: LayerName
    encoding: Encoding
    """How its numbers are stored: type, no-data, scale, offset, unit."""
    crs_wkt: str
    """Empty where the file has none."""
    transform: tuple[float, ...]
    """a, b, c, d, e, f of the affine."""
    shape: tuple[int, int]
    """(y, x)"""


def scan(root: str | Path, *, variables: tuple[str, ...] | None = None) -> list[FoundLayer]:
    """The layers below a folder (or one file), in the order of their paths; ``variables`` picks some. Reads headers.

    Names are parsed tolerantly, hidden files passed over. Raises SourceError for a GeoTIFF whose name cannot be parsed (what it
    shows is unknown), for a variable that no layer has, for one name in two files, and for what is no layer (several bands, no
    integers, no no-data); UnreadableError for a damaged file.

    >>> import tempfile
    >>> scan(tempfile.mkdtemp())
    []
    """
    root = Path(root)
    named = [(path, _name(path)) for path in _paths(root)]
    _need_variables(root, {name.variable for _, name in named}, variables)
    found: dict[LayerName, FoundLayer] = {}
    for path, name in named:
        if variables is not None and name.variable not in variables:
            continue
        if name in found:
            both = f"also that of {found[name].path.relative_to(root)}"
            raise SourceError.sentence(
                "use", f"layer {path.relative_to(root)}", "its name", both, "take one of them out"
            )
        found[name] = _header(path, name)
    return list(found.values())


def _paths(root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def _name(path: Path) -> LayerName:
    try:
        return parse_layer_name(path.stem if path.suffix.lower() in SUFFIXES else path.name, tolerant=True)
    except LayerNameError as error:
        raise SourceError.sentence(
            "use", f"layer {path.name}", "its name", f"unknown ({error})", "rename it"
        ) from error


def _need_variables(root: Path, have: set[str], wanted: tuple[str, ...] | None) -> None:
    for variable in wanted or ():
        if have and variable not in have:
            near = difflib.get_close_matches(variable, sorted(have), n=1, cutoff=0.6)
            remedy = f"write `{near[0]}`" if near else f"its variables are {', '.join(sorted(have))}"
            raise SourceError.sentence(
                "use", f"variable `{variable}`", "it", f"not among the layers of {root.name}", remedy
            )


def _header(path: Path, name: LayerName) -> FoundLayer:
    try:
        with environment(), rasterio.open(path) as source:
            return FoundLayer(
                path,
                name,
                _encoding(source, path, name),
                source.crs.to_wkt() if source.crs else "",
                tuple(source.transform)[:6],
                source.shape,
            )
    except RasterioIOError as error:
        raise _damaged(path, error) from error
    except EncodingError as error:
        raise SourceError.sentence(
            "use", f"layer {path.name}", "its no-data", f"unusable ({error})", "mend it"
        ) from error


def _encoding(source: DatasetReader, path: Path, name: LayerName) -> Encoding:
    """How a file's numbers are stored. Raises SourceError for what is no layer, EncodingError for an impossible no-data."""
    if source.count != 1:
        raise SourceError.sentence(
            "use", f"layer {path.name}", "its number of bands", source.count, "give one file a layer"
        )
    dtype, nodata = source.dtypes[0], source.nodata
    if np.dtype(dtype).kind not in "iu" or nodata is None or not float(nodata).is_integer():
        raise SourceError.sentence(
            "use",
            f"layer {path.name}",
            "its type and no-data",
            f"{dtype}, {nodata}",
            "store integers with an integer no-data value",
        )
    info, nothing = np.iinfo(dtype), int(nodata)
    low, high = (nothing + 1, int(info.max)) if nothing <= 0 else (int(info.min), nothing - 1)
    scale, offset, unit = float(source.scales[0]), float(source.offsets[0]), source.units[0] or ""
    if (scale, offset, unit) == (1.0, 0.0, ""):
        scale, unit = UNITS.get((name.variable, name.method), (scale, unit))
    return Encoding(f"as in {name.variable}", dtype, scale, offset, nothing, low, high, unit)


def check_on_grid(found: FoundLayer, grid: Grid) -> str | None:
    """Why a layer does not lie on a grid, as a sentence that names both; None when it does. Pure.

    CRSs are compared by what they do, so one without a code can be EPSG:3035. Pixels must have the grid's size and lie on its
    lines at all four corners, to a thousandth of a pixel. On the coarse grid of a preview it is the recipe's grid that counts.
    """
    grid = grid.fine
    affine, size = Affine(*found.transform), grid.resolution_m
    x0, y0 = grid.origin_xy
    if not found.crs_wkt or not same_crs(found.crs_wkt, grid.crs):
        return _off_grid(found, grid, "its CRS", _crs_name(found.crs_wkt), _crs_name(grid.crs))
    if (affine.b, affine.d) != (0.0, 0.0) or max(abs(affine.a - size), abs(-affine.e - size)) > 1e-3 * size:
        value = f"{affine.a:g} x {-affine.e:g}" + (" (rotated)" if (affine.b, affine.d) != (0.0, 0.0) else "")
        return _off_grid(found, grid, "its pixel size", value, f"{size:g} x {size:g}")
    for column, row in ((0, 0), (found.shape[1], found.shape[0])):
        x, y = affine * (column, row)
        off_x, off_y = _beside((x - x0) / size), _beside((y0 - y) / size)
        if max(abs(off_x), abs(off_y)) > 1e-3:
            value = f"{x:.10g}, {y:.10g} at a corner, {off_x:.3g} and {off_y:.3g} pixels off"
            return _off_grid(found, grid, "its place", value, f"one counted in pixels from {x0:.10g}, {y0:.10g}")
    return None


def _beside(pixels: float) -> float:
    """How far a place is from the nearest line of the grid."""
    return pixels - round(pixels)


def _off_grid(found: FoundLayer, grid: Grid, what: str, value: str, wanted: str) -> str:
    text = f"{value}, that of grid {grid.name} {wanted}"
    return str(SourceError.sentence("use", f"layer {found.path.name}", what, text, "warp it to the grid"))


def _crs_name(crs: str) -> str:
    """A CRS in a few words: its code, or its name and what it is."""
    if not crs:
        return "missing"
    known = pyproj.CRS.from_user_input(crs)
    code = known.to_authority()
    return ":".join(code) if code else f"{known.name} without a code"


def _damaged(path: Path, error: Exception) -> UnreadableError:
    text = " ".join(str(error).replace(str(path), path.name).split())
    return UnreadableError.sentence("read", f"layer {path.name}", "its content", f"broken ({text})", "fetch it again")


def read_window(
    found: FoundLayer, window: Window, grid: Grid, *, resampling: Resampling | None = None
) -> np.ma.MaskedArray[Any, Any]:
    """The layer's stored values in a window of the grid, masked where it has no data or does not reach. Reads blocks.

    ``window`` is (col0, row0, col1, row1) in pixels of the grid. Without ``resampling`` the layer must lie on the grid
    (:func:`check_on_grid`). With it, a layer on any other grid is warped, one on the grid is read as it is:

    nearest   the pixel that holds the centre; the type stays
    mode      the class that covers most of the pixel; the type stays
    bilinear  between the four pixels around the centre, wider where the layer is the finer one; float
    average   the mean over the pixel's area; float

    A pixel whose centre lies off the layer is masked. No-data takes no part in a mean; ``bilinear`` gives none where the pixel that
    holds the centre has none. Windows agree to the last bit with any larger one, for the layer is warped in fixed squares of the
    grid. On the coarse grid of a preview a pixel has the value at its centre. Raises SourceError for a layer off the grid or without
    CRS, and for a mean of classes (names of type ``c``); UnreadableError for a damaged file.
    """
    if grid.factor > 1:
        return _read_centres(found, window, grid, resampling)
    fault = check_on_grid(found, grid)
    if fault is None:
        return _read_on_grid(found, window, grid)
    if resampling is None:
        raise SourceError(fault)
    check_resampling(found, resampling)
    return _read_warped(found, window, grid, resampling)


def check_resampling(found: FoundLayer, resampling: Resampling) -> None:
    """Nothing if a layer can be brought to another grid that way. Pure. Raises SourceError."""
    if resampling not in get_args(Resampling):
        raise SourceError.sentence(
            "warp",
            f"layer {found.path.name}",
            "its resampling",
            repr(resampling),
            "write one of " + ", ".join(get_args(Resampling)),
        )
    if not found.crs_wkt:
        raise SourceError.sentence("warp", f"layer {found.path.name}", "its CRS", "missing", "assign it the CRS it has")
    if has_classes(found) and resampling in ("bilinear", "average"):
        raise SourceError.sentence(
            "warp",
            f"layer {found.path.name}",
            "its resampling",
            f"{resampling}, a mean of classes",
            "write nearest or mode",
        )


def has_classes(found: FoundLayer) -> bool:
    """Whether a layer's name says that its numbers are classes: type ``c``, or ``f`` of a hard class. Pure."""
    return found.name.type == "c" or (found.name.type == "f" and "hcl" in found.name.variable.split("."))


def classes_in(layers: Iterable[FoundLayer]) -> list[int]:
    """The values that occur in some layers of classes, sorted. Reads them whole, strip by strip."""
    found: set[int] = set()
    for one in layers:
        try:
            with environment(), rasterio.open(one.path) as source:
                for row in range(0, source.height, 512):
                    rows = min(512, source.height - row)
                    strip = source.read(1, window=RasterWindow(0, row, source.width, rows), masked=True)
                    found |= set(np.unique(strip.compressed()).tolist())
        except RasterioError as error:
            raise _damaged(one.path, error) from error
    return sorted(int(value) for value in found)


def timing_of(found: FoundLayer) -> Timing:
    """``static``: without a period or of one longer than a year, for all years. ``yearly``: of one year. ``part``: of less. Pure."""
    period = found.name.period
    if period is None or period.days > 366:
        return "static"
    return "yearly" if period.days >= 365 else "part"


def of_year(layers: Iterable[FoundLayer], year: int) -> FoundLayer | None:
    """The layer of one variable that stands for a year: that year's, else the one of all years; None where there is neither. Pure.

    A year is that of a period's end. Raises SourceError where two layers claim the year, where layers of single years stand beside
    one of all years, and for a layer of less than a year (a season's is a series, not a layer for a year).
    """
    every = list(layers)
    for one in every:
        if timing_of(one) == "part":
            raise SourceError.sentence(
                "use",
                f"layer {one.path.name}",
                "its period",
                f"{one.name.period}, less than a year",
                "take it as a season's",
            )
    static = [one for one in every if timing_of(one) == "static"]
    yearly = [one for one in every if timing_of(one) == "yearly"]
    claims = static + [one for one in yearly if one.name.period is not None and one.name.period.year == year]
    rivals = static[:1] + yearly[:1] if static and yearly else claims
    if len(rivals) > 1:
        raise SourceError.sentence(
            "use",
            f"layer {rivals[1].path.name}",
            f"its year {year}" if not static else "its period",
            f"also that of {rivals[0].path.name}",
            "take one of them out",
        )
    return claims[0] if claims else None


def _read_on_grid(found: FoundLayer, window: Window, grid: Grid) -> np.ma.MaskedArray[Any, Any]:
    left = round((found.transform[2] - grid.origin_xy[0]) / grid.resolution_m)
    top = round((grid.origin_xy[1] - found.transform[5]) / grid.resolution_m)
    right, bottom = left + found.shape[1], top + found.shape[0]
    shape = (window[3] - window[1], window[2] - window[0])
    values = np.full(shape, found.encoding.nodata, dtype=found.encoding.dtype)
    col0, row0, col1, row1 = max(left, window[0]), max(top, window[1]), min(right, window[2]), min(bottom, window[3])
    if col0 < col1 and row0 < row1:
        try:
            with environment(), rasterio.open(found.path) as source:
                part = source.read(
                    1, window=RasterWindow.from_slices((row0 - top, row1 - top), (col0 - left, col1 - left))
                )
        except RasterioIOError as error:
            raise _damaged(found.path, error) from error
        values[row0 - window[1] : row1 - window[1], col0 - window[0] : col1 - window[0]] = part
    return np.ma.masked_equal(values, found.encoding.nodata, copy=False)


def _read_warped(found: FoundLayer, window: Window, grid: Grid, resampling: Resampling) -> np.ma.MaskedArray[Any, Any]:
    """A window put together from whole squares, each warped by itself: GDAL's own windows differ from each other by rounding,
    and by a lot where it guesses the scale from the part it sees."""
    encoding, size = found.encoding, WARP_BLOCK_PX
    dtype = _warped_type(encoding, resampling)
    values = np.full((window[3] - window[1], window[2] - window[0]), encoding.nodata, dtype=dtype)
    try:
        with environment(), rasterio.open(found.path) as source:
            for row in range(window[1] // size, -(-window[3] // size)):
                for col in range(window[0] // size, -(-window[2] // size)):
                    left, top = col * size, row * size
                    block = _warp_block(source, found, grid, (left, top, left + size, top + size), resampling, dtype)
                    if block is None:
                        continue
                    c0, r0 = max(left, window[0]), max(top, window[1])
                    c1, r1 = min(left + size, window[2]), min(top + size, window[3])
                    part = block[r0 - top : r1 - top, c0 - left : c1 - left]
                    values[r0 - window[1] : r1 - window[1], c0 - window[0] : c1 - window[0]] = part
    except RasterioIOError as error:
        raise _damaged(found.path, error) from error
    return np.ma.masked_equal(values, encoding.nodata, copy=False)


def _warped_type(encoding: Encoding, resampling: Resampling) -> str:
    """Integers stay what they are; means are float32, or float64 where that would not hold every stored number."""
    if resampling in ("nearest", "mode"):
        return encoding.dtype
    return "float32" if np.dtype(encoding.dtype).itemsize <= 2 else "float64"


def _warp_block(
    source: DatasetReader, found: FoundLayer, grid: Grid, block: Window, resampling: Resampling, dtype: str
) -> np.ndarray[Any, Any] | None:
    """One square of the grid (y, x); None where the layer is nowhere near."""
    near = _near(found, grid, block)
    if near is None:
        return None
    scale: dict[str, float] = {}
    if resampling == "bilinear":
        scale = {"XSCALE": min(1.0, 1.0 / near.steps[0]), "YSCALE": min(1.0, 1.0 / near.steps[1])}
    try:
        with WarpedVRT(
            source,
            crs=grid.crs,
            transform=grid.transform_of(block),
            width=block[2] - block[0],
            height=block[3] - block[1],
            resampling=RasterResampling[resampling],
            src_nodata=found.encoding.nodata,
            nodata=found.encoding.nodata,
            dtype=dtype,
            tolerance=EXACT_PX,
            **scale,
        ) as warped:
            values: np.ndarray[Any, Any] = warped.read(1)
    except RasterioIOError:
        raise
    except RasterioError as error:
        raise SourceError.sentence(
            "warp", f"layer {found.path.name}", "GDAL's answer", " ".join(str(error).split()), "warp it to the grid"
        ) from error
    if not near.inside:
        rows, cols = np.mgrid[block[1] : block[3], block[0] : block[2]] + 0.5
        col, row = _places(found, grid, cols.ravel(), rows.ravel())
        with np.errstate(invalid="ignore"):
            held = (col >= 0) & (col < found.shape[1]) & (row >= 0) & (row < found.shape[0])
        values[~held.reshape(values.shape)] = found.encoding.nodata
    return values


def _places(
    found: FoundLayer, grid: Grid, cols: npt.NDArray[np.float64], rows: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Column and row in the layer of places of the grid; not finite where its CRS cannot say."""
    (x0, y0), size, back = grid.origin_xy, grid.resolution_m, ~Affine(*found.transform)
    x, y = map(np.asarray, change_of(grid.crs, found.crs_wkt).transform(x0 + size * cols, y0 - size * rows))
    with np.errstate(invalid="ignore"):
        return back.a * x + back.b * y + back.c, back.d * x + back.e * y + back.f


@dataclass(frozen=True)
class _Near:
    """How a square of the grid lies to a layer."""

    steps: tuple[float, float]
    """How many of the layer's pixels a step of one pixel of the grid is, along x and along y, in the middle."""
    inside: bool
    """Surely all of it within the layer."""


def _near(found: FoundLayer, grid: Grid, block: Window) -> _Near | None:
    """None where the square lies off the layer, or off what its CRS can say, with some to spare."""
    col, row, half = (block[0] + block[2]) / 2, (block[1] + block[3]) / 2, (block[2] - block[0]) / 2
    reach = [(col + i * half, row + j * half) for i in (-1.05, 0.0, 1.05) for j in (-1.05, 0.0, 1.05)]
    at = np.array([(col, row), (col + 1, row), (col, row + 1), *reach])
    columns, rows = _places(found, grid, at[:, 0], at[:, 1])
    known = np.isfinite(columns) & np.isfinite(rows)
    if not known[3:].any():
        return None
    steps = 1.0, 1.0
    if known[:3].all():
        to_x, to_y = (math.hypot(columns[k] - columns[0], rows[k] - rows[0]) for k in (1, 2))
        steps = max(to_x, 1e-9), max(to_y, 1e-9)
    margin = 2 + 2 * max(steps)
    c, r, (height, width) = columns[3:][known[3:]], rows[3:][known[3:]], found.shape
    if c.max() < -margin or c.min() > width + margin or r.max() < -margin or r.min() > height + margin:
        return None
    inside = c.min() > margin and c.max() < width - margin and r.min() > margin and r.max() < height - margin
    return _Near(steps, bool(inside and known.all()))


def _read_centres(
    found: FoundLayer, window: Window, grid: Grid, resampling: Resampling | None
) -> np.ma.MaskedArray[Any, Any]:
    """A window of a coarse grid from the fine one: the pixel at each centre. Reads some rows at a time."""
    step, half = grid.factor, grid.factor // 2
    left, right = window[0] * step, window[2] * step
    strips = []
    rows = max(1, 512 // step)
    for row in range(window[1], window[3], rows):
        top, bottom = row * step + half, (min(row + rows, window[3]) - 1) * step + half + 1
        strips.append(
            read_window(found, (left, top, right, bottom), grid.fine, resampling=resampling)[::step, half::step]
        )
    return np.ma.concatenate(strips)  # type: ignore[no-untyped-call, no-any-return]
