"""A folder of GeoTIFFs named by either convention, as ready covariates on the recipe's grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.errors import RasterioIOError
from rasterio.windows import Window as RasterWindow

from odse.errors import EncodingError, LayerNameError, SourceError, UnreadableError
from odse.grid import Grid, Window, same_crs
from odse.layer.name import LayerName, parse_layer_name
from odse.raster.encoding import Encoding
from odse.raster.work import environment


@dataclass(frozen=True)
class FoundLayer:
    """A ready layer: its name and what its header says."""

    path: Path
    name: LayerName
    encoding: Encoding
    crs_wkt: str
    transform: tuple[float, ...]
    """a, b, c, d, e, f of the affine."""
    shape: tuple[int, int]
    """(y, x)"""


def scan(root: str | Path, *, variables: tuple[str, ...] | None = None) -> list[FoundLayer]:
    """The layers below a folder (or one file), sorted by name; ``variables`` picks some. Reads headers.

    Names are parsed tolerantly; a GeoTIFF whose name cannot be parsed is an error, because what it shows is unknown.
    """
    root = Path(root)
    paths = [root] if root.is_file() else sorted(path for path in root.rglob("*.tif"))
    found = []
    for path in paths:
        try:
            name = parse_layer_name(path.name, tolerant=True)
        except LayerNameError as error:
            raise SourceError.sentence(
                "use", f"layer {path.name}", "its name", f"unknown ({error})", "rename it"
            ) from error
        if variables is None or name.variable in variables:
            found.append(_header(path, name))
    return found


def _header(path: Path, name: LayerName) -> FoundLayer:
    try:
        with environment(), rasterio.open(path) as source:
            dtype = source.dtypes[0]
            info = np.iinfo(dtype) if np.dtype(dtype).kind in "iu" else None
            if info is None or source.nodata is None:
                raise SourceError.sentence(
                    "use",
                    f"layer {path.name}",
                    "its type and no-data",
                    f"{dtype}, {source.nodata}",
                    "store integers with a no-data value",
                )
            nodata = int(source.nodata)
            low, high = (nodata + 1, info.max) if nodata <= 0 else (info.min, nodata - 1)
            encoding = Encoding(
                f"as in {name.variable}",
                dtype,
                float(source.scales[0]),
                float(source.offsets[0]),
                nodata,
                low,
                high,
                source.units[0] or "",
            )
            return FoundLayer(
                path,
                name,
                encoding,
                source.crs.to_wkt() if source.crs else "",
                tuple(source.transform)[:6],
                source.shape,
            )
    except RasterioIOError as error:
        raise UnreadableError.sentence(
            "read", f"layer {path.name}", "its content", f"broken ({' '.join(str(error).split())})", "fetch it again"
        ) from error
    except EncodingError as error:
        raise SourceError.sentence(
            "use", f"layer {path.name}", "its no-data", f"unusable ({error})", "mend it"
        ) from error


def check_on_grid(found: FoundLayer, grid: Grid) -> str | None:
    """Why a layer does not lie on a grid, as a sentence; None when it does."""
    a, b, c, d, e, f = found.transform
    size = grid.resolution_m
    if not found.crs_wkt or not same_crs(found.crs_wkt, grid.crs):
        value = found.crs_wkt[:60] or "missing"
        return str(
            SourceError.sentence("use", f"layer {found.path.name}", "its CRS", f"{value}, not {grid.crs}", "warp it")
        )
    if (b, d) != (0.0, 0.0) or abs(a - size) > 1e-6 or abs(-e - size) > 1e-6:
        return str(
            SourceError.sentence(
                "use",
                f"layer {found.path.name}",
                "its pixel size",
                f"{a:g} x {-e:g} m, not {size:g} m",
                "warp it to the grid",
            )
        )
    shift_x, shift_y = (c - grid.origin_xy[0]) % size, (grid.origin_xy[1] - f) % size
    if min(shift_x, size - shift_x) > 1e-3 or min(shift_y, size - shift_y) > 1e-3:
        return str(
            SourceError.sentence(
                "use",
                f"layer {found.path.name}",
                "its origin",
                f"{shift_x:g} m, {shift_y:g} m off the grid {grid.name}",
                "warp it to the grid",
            )
        )
    return None


def read_window(found: FoundLayer, window: Window, grid: Grid) -> np.ma.MaskedArray[Any, Any]:
    """The layer's stored values in a window of the grid, masked where it has no data or does not reach. Reads blocks."""
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
            raise UnreadableError.sentence(
                "read",
                f"layer {found.path.name}",
                "its content",
                f"broken ({' '.join(str(error).split())})",
                "fetch it again",
            ) from error
        values[row0 - window[1] : row1 - window[1], col0 - window[0] : col1 - window[0]] = part
    return np.ma.masked_equal(values, found.encoding.nodata, copy=False)
