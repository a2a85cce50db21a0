"""A folder of GeoTIFFs named by either convention, as ready covariates on the recipe's grid."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio
from affine import Affine
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from odse.errors import EncodingError, LayerNameError, SourceError, UnreadableError
from odse.grid import Grid, Window, same_crs
from odse.layer.name import LayerName, parse_layer_name
from odse.raster.encoding import Encoding
from odse.raster.work import environment

SUFFIXES = (".tif", ".tiff")
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


def read_window(found: FoundLayer, window: Window, grid: Grid) -> np.ma.MaskedArray[Any, Any]:
    """The layer's stored values in a window of the grid, masked where it has no data or does not reach. Reads blocks.

    ``window`` is (col0, row0, col1, row1) in pixels of the grid; the layer must lie on it (:func:`check_on_grid`). Raises
    UnreadableError for a damaged file. On the coarse grid of a preview a pixel has the value at its centre.
    """
    if grid.factor > 1:
        return _read_centres(found, window, grid)
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


def _read_centres(found: FoundLayer, window: Window, grid: Grid) -> np.ma.MaskedArray[Any, Any]:
    """A window of a coarse grid from the fine one: the pixel at each centre. Reads some rows at a time."""
    step, half = grid.factor, grid.factor // 2
    left, right = window[0] * step, window[2] * step
    strips = []
    rows = max(1, 512 // step)
    for row in range(window[1], window[3], rows):
        top, bottom = row * step + half, (min(row + rows, window[3]) - 1) * step + half + 1
        strips.append(read_window(found, (left, top, right, bottom), grid.fine)[::step, half::step])
    return np.ma.concatenate(strips)  # type: ignore[no-untyped-call, no-any-return]
