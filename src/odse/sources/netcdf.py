"""Cubes in netCDF: variables (time, y, x) by the CF conventions, one of them the quality, in one file or several.

Read through GDAL, in the order in which rows are stored and in stored integers: scale, offset and fill are told, not applied.
Files of unlike pixel size are put on the finest one's grid by the nearest pixel, so a quality of 20 m is repeated for bands of
10 m. A file that is cut off is unreadable (a cut classic file would be read as zeros); but uncompressed netCDF has no checksum:
changed bytes may pass, and their sign are values out of range, which are counted.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from scipy.io import netcdf_file

from odse.errors import SourceError, UnreadableError
from odse.grid import Grid, Window, grid_
from odse.quality import Quality, decode, product_
from odse.raster.work import environment
from odse.sources.scenes import Array, Observed, Place, Range, nearest_pixels, one_line, pick, read_cube, valid_range

X_NAMES = ("x", "lon", "longitude", "easting", "projection_x_coordinate")
Y_NAMES = ("y", "lat", "latitude", "northing", "projection_y_coordinate")


@dataclass(frozen=True)
class Variable:
    """One variable of a file, as its header has it."""

    path: Path
    name: str
    dtype: str
    scale: float | None
    offset: float | None
    fill: float | None
    place: Place
    times: tuple[np.datetime64, ...]
    stamp: tuple[int, int] | None
    """Time of change and size of the file, by which opened files are told apart."""


@dataclass(frozen=True)
class NetcdfScene:
    """One time of a cube."""

    date: dt.date
    name: str
    bands: tuple[str, ...]
    product: str
    valid: tuple[Range, ...]
    quality: Variable
    at: Mapping[str, int] = field(hash=False, repr=False)
    """For each file (its path as text), which of its times this is, counted from 1."""
    variables: tuple[Variable, ...]
    quality_fill: float | None
    """The number that stands for fill in the quality; NaN is fill in any case."""

    def covers(self, grid: Grid) -> Window | None:
        return self.quality.place.covers(grid)

    def read(self, grid: Grid, window: Window) -> Observed:
        """Values and quality on a window of a grid, each by its own file's nearest pixel. Raises UnreadableError."""
        layers = [self._layer(one, grid, window) for one in self.variables]
        quality, counts = self._quality(grid, window)
        return Observed(np.stack(layers), quality, counts)

    def _layer(self, variable: Variable, grid: Grid, window: Window, *, outside: int = 0) -> Array:
        nearest = nearest_pixels(grid, window, variable.place)
        with _reading(variable.path, self.name):
            if _stamp(variable.path) != variable.stamp:
                raise UnreadableError.sentence(
                    "read",
                    f"scene {self.name}",
                    variable.path.name,
                    "another file than when it was listed",
                    "run again",
                )
            source = _opened(variable.path, variable.name, variable.stamp, threading.get_ident())
            return pick(source, self.at[str(variable.path)], nearest, outside=outside)

    def _quality(self, grid: Grid, window: Window) -> tuple[Array, dict[str, int]]:
        nodata = product_(self.product).nodata_code
        codes = self._layer(self.quality, grid, window, outside=nodata)
        inside = nearest_pixels(grid, window, self.quality.place) >= 0
        filled = np.zeros(codes.shape, dtype=bool) if self.quality_fill is None else codes == self.quality_fill
        if codes.dtype.kind == "f":
            filled |= ~np.isfinite(codes)
            whole = np.where(filled, nodata, codes)
            if ((whole != np.round(whole)) | (whole < 0) | (whole > 65535)).any():
                raise UnreadableError.sentence(
                    "read", f"scene {self.name}", f"its {self.quality.name}", "no whole number of 16 bits", "look at it"
                )
            codes = whole.astype(np.uint16)
        filled &= inside
        codes = np.where(filled, np.array(nodata, dtype=codes.dtype), codes)
        return codes, {"quality_filled": int(filled.sum())} if filled.any() else {}


@dataclass(frozen=True)
class NetcdfCube:
    """What one or several files hold: scenes in the order of time, on a grid of their own."""

    scenes: tuple[NetcdfScene, ...]
    notes: tuple[str, ...]

    @property
    def grid(self) -> Grid:
        """The grid of the finest file. Raises SourceError where its pixels are no squares."""
        return self._own[0]

    @property
    def window(self) -> Window:
        """The pixels of the finest file on that grid."""
        return self._own[1]

    @property
    def _own(self) -> tuple[Grid, Window]:
        some = (self.scenes[0].quality, *self.scenes[0].variables)
        finest = min(some, key=lambda one: (abs(one.place.transform.a), str(one.path)))
        step_x, step_y = finest.place.transform.a, finest.place.transform.e
        if not math.isclose(abs(step_x), abs(step_y), rel_tol=1e-6):
            raise SourceError.sentence(
                "use", f"the grid of {finest.path.name}", "its pixel", f"{step_x} x {step_y}", "name a grid of squares"
            )
        height, width = finest.place.shape
        left = min(finest.place.transform.c, finest.place.transform.c + width * step_x)
        top = max(finest.place.transform.f, finest.place.transform.f + height * step_y)
        place = {"crs": finest.place.crs, "resolution_m": abs(step_x), "origin_xy": (left, top)}
        return grid_(place), (0, 0, width, height)

    def read(self, *, window: Window | None = None, dates: tuple[dt.date, dt.date] | None = None) -> xr.Dataset:
        """A Cube on the cube's own grid, see :func:`odse.sources.scenes.read_cube`."""
        return read_cube(self.scenes, self.grid, self.window if window is None else window, dates=dates)


def scenes(
    paths: str | Path | Sequence[str | Path],
    *,
    variables: Sequence[str] | Mapping[str, str],
    quality: str,
    product: str,
    valid: Mapping[str, tuple[int, int]] | None = None,
) -> list[NetcdfScene]:
    """The scenes of :func:`open_cube`, in the order of time."""
    return list(open_cube(paths, variables=variables, quality=quality, product=product, valid=valid).scenes)


def open_cube(
    paths: str | Path | Sequence[str | Path],
    *,
    variables: Sequence[str] | Mapping[str, str],
    quality: str,
    product: str,
    valid: Mapping[str, tuple[int, int]] | None = None,
) -> NetcdfCube:
    """What one or several files hold of some variables and a quality. Reads headers and coordinates, no pixel.

    ``variables`` are the bands, or map them to the names they shall have; each is in one of the files, and all files have the
    same days. ``product`` says whose codes ``quality`` has (:data:`odse.quality.PRODUCTS`) and with it which numbers are data
    (:data:`odse.sources.scenes.VALID`, in the file's own scale); ``valid`` overrides that for a band. Coordinates are centres
    of pixels, in equal steps; dimensions are in the order (time, y, x) (another order cannot be seen in a netCDF-4 file whose
    images are square). Quality that the file declares as fill (also a NaN,
    which a variable of integers shows as 0) becomes the product's no-data code and is counted; a fill that is a code of clear
    pixels is not believed, and the cube's notes say so.

    Raises UnreadableError for a file that is cut off or cannot be decoded; SourceError for a file that is missing or says no
    place or time, for variables that are missing, there twice or no integers, and for days that not all files have.
    """
    files = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    names = dict(variables) if isinstance(variables, Mapping) else {name: name for name in variables}
    if not files or not names:
        what = "its files" if not files else "its variables"
        raise SourceError.sentence("read", "a cube", what, "none", "name at least one")
    table = product_(product)
    _opened.cache_clear()  # the netCDF library would go on with a file of this path that was opened before
    homes = _homes(files, [*names, quality])
    bands = tuple(_variable(homes[name], name) for name in names)
    codes = _variable(homes[quality], quality)
    for one in bands:
        if np.dtype(one.dtype).kind not in "iu":
            raise SourceError.sentence(
                "use", f"variable {one.name} of {one.path.name}", "its type", one.dtype, "give the archive's integers"
            )
    ranges = tuple(_range(one, names[one.name], product, valid or {}) for one in bands)
    fill, notes = _quality_fill(codes, product)
    rows = _join({str(one.path): one.times for one in (codes, *bands)}, str(codes.path))
    made = tuple(
        NetcdfScene(
            date=_date(time),
            name=f"{codes.path.stem}/{np.datetime_as_string(time, unit='s')}",
            bands=tuple(names.values()),
            product=table.name,
            valid=ranges,
            quality=codes,
            at=at,
            variables=bands,
            quality_fill=fill,
        )
        for time, at in rows
    )
    if not made:
        raise SourceError.sentence("read", f"cube {codes.path.name}", "its number of times", 0, "give another file")
    return NetcdfCube(made, notes)


def _homes(files: Sequence[Path], wanted: Sequence[str]) -> dict[str, Path]:
    """In which file each variable is."""
    have = {path: _names(path) for path in sorted(set(files))}
    homes = {}
    for name in wanted:
        found = [path for path, names in have.items() if name in names]
        if len(found) != 1:
            where = " and ".join(path.name for path in found) or f"in none of {', '.join(p.name for p in have)}"
            known = ", ".join(sorted({name for names in have.values() for name in names}))
            raise SourceError.sentence("read", f"variable {name}", "its place", where, f"name one of {known} once")
        homes[name] = found[0]
    return homes


def _names(path: Path) -> list[str]:
    """The variables of a file that are rasters."""
    if not path.is_file():
        raise SourceError.sentence("read", f"cube {path.name}", "the file", "missing", "give the path of a netCDF file")
    _check_whole(path)
    with rasterio.Env() as env:
        if "netCDF" not in env.drivers():
            raise SourceError.sentence(
                "read", f"cube {path.name}", "GDAL", "built without netCDF", "install rasterio from its own wheels"
            )
    with _environment(), _reading(path, path.stem), rasterio.open(f"netcdf:{path}") as source:
        names = [str(name).rsplit(":", 1)[-1] for name in source.subdatasets]
        return names or [source.tags(1)["NETCDF_VARNAME"]]


def _check_whole(path: Path) -> None:
    """Whether a classic file has all the bytes that its header tells of, and dimensions in order; netCDF-4 files say the
    first themselves."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic[:3] != b"CDF":
        return
    if magic[3] not in (1, 2):
        raise SourceError.sentence(
            "read", f"cube {path.name}", "its format", f"CDF-{magic[3]}", "convert it to netCDF-4"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = netcdf_file(str(path), mmap=True)  # a view of every variable; reads the header only
            orders = {name: tuple(one.dimensions) for name, one in made.variables.items()}
    except Exception as error:
        raise UnreadableError.sentence(
            "read", f"cube {path.name}", "its length", f"{path.stat().st_size} bytes, cut off", "fetch it again"
        ) from error
    for name, order in orders.items():
        if len(order) > 1 and order[-2] in X_NAMES and order[-1] in Y_NAMES:
            raise _wrong_order(f"variable {name} of {path.name}", f"({', '.join(order)})")


def _wrong_order(what: str, order: str) -> SourceError:
    return SourceError.sentence("read", what, "the order of its dimensions", order, "transpose it to (time, y, x)")


def _variable(path: Path, name: str) -> Variable:
    """What the header says of one variable."""
    stamp = _stamp(path)
    with _reading(path, path.stem):
        source = _opened(path, name, stamp, threading.get_ident())
        file_tags, tags = source.tags(), source.tags(1)
        crs = source.crs.to_wkt() if source.crs else _crs_of(tags, file_tags)
        shape = (int(source.height), int(source.width))
        dtype = source.dtypes[0]
        # For floats GDAL gives its own no-data in place of NaN; for integers its default is no one's fill.
        fill = (
            source.nodata if dtype.startswith("float") else _number(tags.get("_FillValue", tags.get("missing_value")))
        )
    what = f"variable {name} of {path.name}"
    times = _times(file_tags, what)
    if crs is None:
        raise SourceError.sentence("read", what, "its CRS", "missing", "give it a grid mapping with crs_wkt")
    code = CRS.from_user_input(crs).to_epsg()
    x, y = (_coordinate(path, names, size, stamp, what) for names, size in ((X_NAMES, shape[1]), (Y_NAMES, shape[0])))
    place = Place(f"EPSG:{code}" if code else crs, Affine(x[1], 0.0, x[0], 0.0, y[1], y[0]), shape)
    return Variable(
        path=path,
        name=name,
        dtype=dtype,
        scale=_number(tags.get("scale_factor")),
        offset=_number(tags.get("add_offset")),
        fill=fill,
        place=place,
        times=times,
        stamp=stamp,
    )


def _crs_of(*tags: Mapping[str, str]) -> str | None:
    """The CRS of attributes named crs or epsg, as those write who know no grid mapping."""
    for some in tags:
        for key in ("crs_wkt", "spatial_ref", "crs", "epsg"):
            for name, value in some.items():
                if name.rsplit("#", 1)[-1] != key:
                    continue
                text = re.sub(r"^\+init=", "", value.strip())
                try:
                    return str(CRS.from_user_input(int(text) if text.isdigit() else text).to_wkt())
                except CRSError:
                    continue
    return None


def _coordinate(
    path: Path, names: Sequence[str], size: int, stamp: tuple[int, int] | None, what: str
) -> tuple[float, float]:
    """The outer edge of the first pixel and the step to the next, from centres."""
    for name in names:
        try:
            with _environment():
                source = _opened(path, name, stamp, threading.get_ident())
                centres = source.read().astype(np.float64).ravel()
        except RasterioError:
            continue
        if centres.size == size:
            break
    else:
        raise SourceError.sentence("read", what, f"its coordinate {names[0]}", "missing", "give the centres of pixels")
    if size < 2:
        raise SourceError.sentence("read", what, f"its number of pixels along {names[0]}", size, "give two or more")
    step = float(centres[-1] - centres[0]) / (size - 1)
    even = centres[0] + step * np.arange(size)
    if step == 0 or not np.isfinite(step) or np.abs(centres - even).max() > abs(step) / 100:
        raise SourceError.sentence("read", what, f"its {names[0]}", "not in equal steps", "resample it to a grid")
    return float(f"{centres[0] - step / 2:.12g}"), float(f"{step:.12g}")


def _times(tags: Mapping[str, str], what: str) -> tuple[np.datetime64, ...]:
    """The times of a variable, to the second."""
    extra = tags.get("NETCDF_DIM_EXTRA", "").strip("{}")
    if not extra or "," in extra:
        raise SourceError.sentence(
            "read", what, "its dimensions before y and x", f"({extra})", "give one variable (time, y, x) a band"
        )
    if extra in (*X_NAMES, *Y_NAMES):
        raise _wrong_order(what, f"({extra}, ...)")
    texts = [text.strip() for text in tags.get(f"NETCDF_DIM_{extra}_VALUES", "").strip("{}").split(",")]
    units = tags.get(f"{extra}#units")
    try:
        if units is None:
            if not all(re.match(r"\d{4}-\d\d-\d\d", text) for text in texts):
                raise ValueError("no dates")
            return tuple(np.datetime64(text, "s") for text in texts)
        attrs = {"units": units, "calendar": tags.get(f"{extra}#calendar", "standard")}
        numbers = xr.DataArray([float(text) for text in texts], dims="time", attrs=attrs)
        found = xr.decode_cf(xr.Dataset(coords={"time": numbers}))["time"].to_numpy()
        if found.dtype.kind != "M" or np.isnat(found).any():
            raise ValueError("no time")
    except (ValueError, ImportError, OverflowError) as error:
        calendar = tags.get(f"{extra}#calendar", "")
        raise SourceError.sentence(
            "read", what, f"its {extra}", f"{texts[0]!r} {units or ''} {calendar}".rstrip(), "give dates of CF"
        ) from error
    half = np.timedelta64(500, "ms")
    return tuple((one.astype("datetime64[ms]") + half).astype("datetime64[s]") for one in found)


def _join(times: Mapping[str, Sequence[np.datetime64]], first: str) -> list[tuple[np.datetime64, dict[str, int]]]:
    """The times of one file, and where each is in every file (counted from 1): by day, then by order within the day."""

    def places(some: Sequence[np.datetime64]) -> dict[tuple[dt.date, int], int]:
        found: dict[tuple[dt.date, int], int] = {}
        for index in sorted(range(len(some)), key=lambda i: (some[i], i)):
            day = _date(some[index])
            found[(day, sum(one == day for one, _ in found))] = index + 1
        return found

    of = {path: places(some) for path, some in times.items()}
    for path, known in of.items():
        unlike = sorted(set(known) ^ set(of[first]))
        if unlike:
            lacking = path if unlike[0] not in known else first
            raise SourceError.sentence(
                "join",
                "files of a cube",
                f"{unlike[0][0]} in {Path(lacking).name}",
                "missing",
                "give files of the same days",
            )
    found = [
        (times[first][index - 1], {path: known[key] for path, known in of.items()}) for key, index in of[first].items()
    ]
    for one, two in zip(found, found[1:], strict=False):
        if one[0] == two[0]:
            raise SourceError.sentence("read", f"cube {Path(first).name}", f"time {one[0]}", "there twice", "keep one")
    return found


def _date(time: np.datetime64) -> dt.date:
    day: dt.date = time.astype("datetime64[D]").item()
    return day


def _range(variable: Variable, band: str, product: str, own: Mapping[str, tuple[int, int]]) -> Range:
    """The range of a band's stored numbers; the file's scale decides, and its fill must lie outside."""
    for name in (band, variable.name):
        if name in own:
            scale, offset = variable.scale, variable.offset
            known = Range(*own[name], 1.0 if scale is None else scale, 0.0 if offset is None else offset)
            break
    else:
        known = valid_range(product, variable.name, scale=variable.scale, offset=variable.offset)
    if variable.fill is not None and known.low <= variable.fill <= known.high:
        raise SourceError.sentence(
            "use",
            f"variable {variable.name} of {variable.path.name}",
            "its fill",
            f"{variable.fill:g}, within the valid {known.low} to {known.high}",
            f"give valid={{{band!r}: (low, high)}} without it",
        )
    return known


def _quality_fill(codes: Variable, product: str) -> tuple[float | None, tuple[str, ...]]:
    """The number that stands for fill, and what is to be said of it."""
    fill = codes.fill
    if fill is None or not math.isfinite(fill):
        return None, ()
    is_code = fill == int(fill) and 0 <= fill <= 65535
    if is_code and decode(np.array([int(fill)]), product=product)[0] & Quality.CLEAR:
        return None, (f"{codes.name} of {codes.path.name}: its fill {fill:g} is a code of clear pixels, not believed",)
    return fill, ()


def _stamp(path: Path) -> tuple[int, int] | None:
    """By what opened files are told apart; None for a file that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


@contextmanager
def _environment() -> Iterator[None]:
    """Rows in the order in which they are stored: GDAL's own guess turns some files upside down."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # coordinates are read here
        with environment(), rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"):
            yield


@contextmanager
def _reading(path: Path, name: str) -> Iterator[None]:
    """What GDAL raises while the block runs becomes UnreadableError."""
    try:
        with _environment():
            yield
    except RasterioError as error:
        raise UnreadableError.sentence(
            "read", f"scene {name}", "GDAL's answer", one_line(error, path), "fetch the file again"
        ) from error


@lru_cache(maxsize=32)
def _opened(path: Path, variable: str, stamp: tuple[int, int] | None, thread: int) -> DatasetReader:
    """An opened variable, kept for the next scene: opening takes ten times as long as reading. One for each thread."""
    return rasterio.open(f'netcdf:"{path}":{variable}')


def open_raster(path: Path, variable: str | None = None) -> tuple[Array, Place, float | None]:
    """A raster without times, whole: (y, x), where it lies, and its no-data value. Reads it.

    ``variable`` names one of a netCDF file's; without it ``path`` is any raster. Raises SourceError for a missing file or place.
    """
    if not path.is_file():
        raise SourceError.sentence("read", f"raster {path.name}", "the file", "missing", "check --data")
    name = path if variable is None else f"netcdf:{path}:{variable}"
    with _environment(), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(name) as source:
            values, nodata, transform = source.read(1), source.nodata, source.transform
            crs = source.crs.to_wkt() if source.crs else _crs_of(source.tags(1), source.tags())
    if crs is None:
        raise SourceError.sentence("read", f"raster {path.name}", "its CRS", "missing", "give it one")
    if transform.is_identity:
        stat = path.stat()
        stamp, what = (stat.st_mtime_ns, stat.st_size), f"variable {variable} of {path.name}"
        x = _coordinate(path, X_NAMES, values.shape[1], stamp, what)
        y = _coordinate(path, Y_NAMES, values.shape[0], stamp, what)
        transform = Affine(x[1], 0.0, x[0], 0.0, y[1], y[0])
    code = CRS.from_user_input(crs).to_epsg()
    return values, Place(f"EPSG:{code}" if code else crs, transform, values.shape), nodata
