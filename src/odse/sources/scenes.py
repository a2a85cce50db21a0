"""Scenes: what an archive offers for a place and a date, read onto a grid in the archive's own integers.

The door between archives of scenes (:mod:`odse.sources.netcdf`, :mod:`odse.sources.landsat`) and a composite:

    scenes -> read_cube(scenes, grid, window) -> for_composite(cube, mask="clear") -> composite_bands(...)

A scene that cannot be decoded is *unreadable*: that is told where it would lie, and never becomes no-data.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import xarray as xr
from affine import Affine
from pyproj.exceptions import ProjError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from odse.cube import Flag, check_cube
from odse.errors import SourceError, UnreadableError
from odse.grid import Grid, Window, change_of, same_crs
from odse.quality import Mask, Quality, decode, keep, product_

Array = npt.NDArray[Any]
USABLE, MASKED = 1, 2
"""The codes of for_composite; 0 is no data."""


@dataclass(frozen=True)
class Range:
    """The stored integers that are data, both ends included, and what they stand for: number x scale + offset."""

    low: int
    high: int
    scale: float = 1.0
    offset: float = 0.0

    def stored(self, scale: float, offset: float) -> Range:
        """The same values in a file with another scale and offset.

        >>> Range(1, 10000, 1e-4).stored(1e-4, -0.1)
        Range(low=1001, high=11000, scale=0.0001, offset=-0.1)
        """
        low = (self.low * self.scale + self.offset - offset) / scale
        high = (self.high * self.scale + self.offset - offset) / scale
        return Range(math.ceil(round(low, 3)), math.floor(round(high, 3)), scale, offset)


REFLECTANCE = Range(1, 10000, 1e-4)
VALID: dict[str, tuple[tuple[str, Range], ...]] = {
    "force": ((".*", REFLECTANCE),),
    "hls": ((".*", REFLECTANCE),),
    "scl": ((".*", REFLECTANCE),),
    "landsat-c2": (
        (r"ST[-_]?B\d+|thermal", Range(293, 65535, 0.00341802, 149.0)),
        (".*", Range(7273, 43636, 2.75e-5, -0.2)),
    ),
    "landsat-c1": ((r"(bt_band|B)1[01]|bt_band6|thermal", Range(1500, 3500, 0.1)), (".*", REFLECTANCE)),
    "landsat-c1-bqa": ((".*", Range(1, 65535)),),
}
"""For each product and pattern of band names, the range of its stored values: reflectance above 0 up to 1, kelvin, or numbers
of level 1. The first pattern that fits the whole name decides."""


def valid_range(product: str, band: str, *, scale: float | None = None, offset: float | None = None) -> Range:
    """The range of a band, in the numbers of a file that says its scale or offset. Raises SourceError where none is known.

    >>> valid_range("landsat-c2", "ST-B10", scale=1.0, offset=0.0)  # kelvin as whole numbers
    Range(low=151, high=373, scale=1.0, offset=0.0)
    """
    for pattern, known in VALID.get(product, ()):
        if re.fullmatch(pattern, band, re.IGNORECASE):
            if scale is None and offset is None:
                return known
            return known.stored(1.0 if scale is None else scale, 0.0 if offset is None else offset)
    raise SourceError.sentence(
        "use",
        f"band {band}",
        f"the range of its values in {product}",
        "unknown",
        "give it as valid={band: (low, high)}",
    )


class Observed(NamedTuple):
    """A scene on a window of a grid."""

    values: Array
    """(band, y, x), the archive's own integers; 0 where the scene has no pixel."""
    quality: Array
    """(y, x), the archive's own codes; the product's no-data code where the scene has no pixel."""
    counts: Mapping[str, int]
    """What was met: pixels whose quality the file declares as fill (``quality_filled``)."""


class Scene(Protocol):
    """What every archive's scene has."""

    @property
    def date(self) -> dt.date: ...

    @property
    def name(self) -> str:
        """One word, unlike any other scene's; its order decides which of two scenes of a day goes first."""

    @property
    def bands(self) -> tuple[str, ...]: ...

    @property
    def product(self) -> str:
        """Whose quality codes it has, a name in :data:`odse.quality.PRODUCTS`."""

    @property
    def valid(self) -> tuple[Range, ...]:
        """One range a band."""

    def covers(self, grid: Grid) -> Window | None:
        """The pixels of a grid around it, by its header. None where it has none, or is of no use there."""

    def read(self, grid: Grid, window: Window) -> Observed:
        """Values and quality by the same nearest pixel. Raises UnreadableError."""


def by_date(scenes: Sequence[Scene]) -> dict[dt.date, list[Scene]]:
    """The scenes of each day, days and names in order. Raises SourceError where two scenes have one name."""
    ordered = sorted(scenes, key=lambda scene: (scene.date, scene.name))
    for one, two in zip(ordered, ordered[1:], strict=False):
        if (one.date, one.name) == (two.date, two.name):
            raise SourceError.sentence("use", f"scene {one.name}", "it", "there twice", "keep one")
    days: dict[dt.date, list[Scene]] = {}
    for scene in ordered:
        days.setdefault(scene.date, []).append(scene)
    return days


def read_cube(
    scenes: Sequence[Scene], grid: Grid, window: Window, *, dates: tuple[dt.date, dt.date] | None = None
) -> xr.Dataset:
    """The scenes as one Cube, a time a day: ``value`` (time, band, y, x) and ``quality`` (time, y, x) in the archive's own
    numbers, ``flag`` (time, y, x) of :class:`odse.cube.Flag`: observed, no-data or unreadable.

    ``dates`` picks days, both ends included. Where several scenes of a day meet, the first with a quality other than no-data
    gives a pixel's values and quality, in the order of names; so the answer does not depend on the order of ``scenes``. Days
    whose scenes all miss the window are left out. Attributes: ``product``, ``crs``, ``valid`` (one (low, high) a band),
    ``counts`` (scenes, unreadable, pixels_seen, quality_filled, out_of_range_<band>), ``notes`` (one line an unreadable
    scene). Reads files. Raises SourceError for no scene, and for scenes of unlike products or bands.
    """
    kinds = {(scene.product, scene.bands, scene.valid) for scene in scenes}
    if len(kinds) != 1:
        unlike = sorted({f"{product} ({', '.join(bands)})" for product, bands, _ in kinds})
        raise SourceError.sentence(
            "stack", "scenes", "their kind", " and ".join(unlike) or "none", "give scenes of one product and its bands"
        )
    (product, bands, valid) = kinds.pop()
    shape = (window[3] - window[1], window[2] - window[0])
    counts: Counter[str] = Counter(scenes=0, unreadable=0, pixels_seen=0)
    notes: list[str] = []
    days: list[dt.date] = []
    layers: list[tuple[Array, Array, Array]] = []
    for day, some in by_date(scenes).items():
        if dates is not None and not dates[0] <= day <= dates[1]:
            continue
        layer = _one_day(some, grid, window, counts, notes)
        if layer is not None:
            days.append(day)
            layers.append(layer)
    values_type = np.result_type(*(layer[0].dtype for layer in layers)) if layers else np.dtype(np.uint16)
    codes_type = np.result_type(*(layer[1].dtype for layer in layers)) if layers else np.dtype(np.uint16)
    value = np.zeros((len(days), len(bands), *shape), dtype=values_type)
    quality = np.zeros((len(days), *shape), dtype=codes_type)
    flag = np.zeros((len(days), *shape), dtype=np.uint8)
    for t in range(len(days)):
        value[t], quality[t], flag[t] = layers[t]
        layers[t] = (value[t], quality[t], flag[t])
        seen = flag[t] == Flag.OBSERVED
        counts["pixels_seen"] += int(seen.sum())
        for band, name, known in zip(value[t], bands, valid, strict=True):
            strange = int((seen & ((band < known.low) | (band > known.high))).sum())
            if strange:
                counts[f"out_of_range_{name}"] += strange
    left, bottom, right, top = grid.bounds_of(window)
    half = grid.resolution_m / 2
    cube = xr.Dataset(
        {
            "value": (("time", "band", "y", "x"), value),
            "quality": (("time", "y", "x"), quality),
            "flag": (("time", "y", "x"), flag),
        },
        coords={
            "time": np.array(days, dtype="datetime64[ns]"),
            "band": list(bands),
            "y": np.linspace(top - half, bottom + half, shape[0]),
            "x": np.linspace(left + half, right - half, shape[1]),
        },
        attrs={
            "product": product,
            "crs": grid.crs,
            "valid": [(known.low, known.high) for known in valid],
            "counts": dict(counts),
            "notes": notes,
        },
    )
    return check_cube(cube, dims=("time", "band", "y", "x"))


def _one_day(
    scenes: Sequence[Scene], grid: Grid, window: Window, counts: Counter[str], notes: list[str]
) -> tuple[Array, Array, Array] | None:
    """Values, quality and flag of a day; None where no scene of it meets the window."""
    merged: tuple[Array, Array] | None = None
    shape = (window[3] - window[1], window[2] - window[0])
    unreadable, touched = np.zeros(shape, dtype=bool), False
    nodata = product_(scenes[0].product).nodata_code
    for scene in scenes:
        covered = scene.covers(grid)
        part = window if covered is None else _overlap(covered, window)
        if part is None:
            continue
        touched = True
        counts["scenes"] += 1
        try:
            values, quality, met = scene.read(grid, window)
        except UnreadableError as error:
            counts["unreadable"] += 1
            notes.append(f"{scene.name}: unreadable ({error})")
            unreadable[part[1] - window[1] : part[3] - window[1], part[0] - window[0] : part[2] - window[0]] = True
            continue
        counts.update(met)
        if merged is None:
            merged = values, quality
        else:
            new = ~_seen(merged[1], scene.product) & _seen(quality, scene.product)
            merged = np.where(new, values, merged[0]), np.where(new, quality, merged[1])
    if not touched:
        return None
    if merged is None:
        merged = np.zeros((len(scenes[0].bands), *shape), np.uint8), np.full(shape, nodata, dtype=np.uint8)
    flag = np.where(_seen(merged[1], scenes[0].product), Flag.OBSERVED, Flag.NODATA).astype(np.uint8)
    flag[unreadable & (flag == Flag.NODATA)] = Flag.UNREADABLE
    return merged[0], merged[1], flag


def _seen(quality: Array, product: str) -> npt.NDArray[np.bool_]:
    seen: npt.NDArray[np.bool_] = (decode(quality, product=product) & Quality.NODATA) == 0
    return seen


def _overlap(one: Window, two: Window) -> Window | None:
    left, top, right, bottom = max(one[0], two[0]), max(one[1], two[1]), min(one[2], two[2]), min(one[3], two[3])
    return (left, top, right, bottom) if left < right and top < bottom else None


@dataclass(frozen=True)
class CompositeInput:
    """What :func:`odse.series.composite.composite_bands` and ``support`` take."""

    values: npt.NDArray[np.uint16]
    """(band, time, y, x); 0 where a value is out of its range."""
    quality: npt.NDArray[np.uint8]
    """(time, y, x): 0 no data or unreadable, 1 usable, 2 masked."""
    keep: npt.NDArray[np.uint8]
    """(256,): code 1 is used."""
    valid: tuple[tuple[int, int], ...]
    """One range a band."""
    unreadable: npt.NDArray[np.bool_]
    """(time, y, x)"""


def for_composite(cube: xr.Dataset, *, mask: Mask = "clear") -> CompositeInput:
    """A Cube of :func:`read_cube` as the arrays of the composite kernel, its quality decoded and masked.

    Raises QualityError for a mask that its product does not have, SourceError for a range that 16 bits do not hold.
    """
    product, valid = cube.attrs["product"], tuple(cube.attrs["valid"])
    for band, (low, high) in zip(cube["band"].to_numpy(), valid, strict=True):
        if not 1 <= low <= high <= 65535:
            raise SourceError.sentence(
                "composite", f"band {band}", "its range", f"{low} to {high}", "give one within 1 to 65535"
            )
    flag, codes = cube["flag"].to_numpy(), cube["quality"].to_numpy()
    good = keep(product=product, mask=mask).view(np.bool_)[codes.astype(np.uint16)]
    quality = np.where(flag == Flag.OBSERVED, np.where(good, USABLE, MASKED), 0).astype(np.uint8)
    stored = cube["value"].to_numpy()
    values = np.zeros((stored.shape[1], stored.shape[0], *stored.shape[2:]), dtype=np.uint16)
    for b, (low, high) in enumerate(valid):
        band = stored[:, b]
        np.copyto(values[b], band, casting="unsafe", where=(band >= low) & (band <= high))
    used = np.zeros(256, dtype=np.uint8)
    used[USABLE] = 1
    return CompositeInput(values, quality, used, valid, flag == Flag.UNREADABLE)


@dataclass(frozen=True)
class Place:
    """Where the pixels of a raster lie."""

    crs: str
    transform: Affine
    shape: tuple[int, int]
    """(y, x)"""

    def covers(self, grid: Grid) -> Window | None:
        """The pixels of a grid around it; None where the grid's CRS has no place for it."""
        at, (height, width) = self.transform, self.shape
        xs = [at.a * x + at.b * y + at.c for x in (0, width) for y in (0, height)]
        ys = [at.d * x + at.e * y + at.f for x in (0, width) for y in (0, height)]
        box = (min(xs), min(ys), max(xs), max(ys))
        if not same_crs(self.crs, grid.crs):
            change = change_of(self.crs, grid.crs)
            try:
                box = change.transform_bounds(*box, densify_pts=41)
            except ProjError:
                return None
        return grid.snap(box) if all(map(math.isfinite, box)) else None


@lru_cache(maxsize=2)
def nearest_pixels(grid: Grid, window: Window, place: Place) -> npt.NDArray[np.int32]:
    """(y, x): which pixel of a raster, counted row by row, holds the centre of each pixel of the window; -1 outside. Exact.

    A centre on the edge of two pixels belongs to the one with the higher column or row. Centres do not depend on
    the window they are asked in, so neighbouring windows agree to the bit. Images of one source lie alike: a worker that has seen one
    has the answer for the next; two are kept, for each takes four bytes a pixel.
    """
    shape = (window[3] - window[1], window[2] - window[0])
    nearest = np.full(shape, -1, dtype=np.int32)
    size, (x0, y0), back = grid.resolution_m, grid.origin_xy, ~place.transform
    change = None if same_crs(grid.crs, place.crs) else change_of(grid.crs, place.crs)
    centre_x = x0 + (np.arange(window[0], window[2]) + 0.5) * size
    for start in range(0, shape[0], 256):
        rows = np.arange(window[1] + start, min(window[1] + start + 256, window[3]))
        x, y = np.meshgrid(centre_x, y0 - (rows + 0.5) * size)
        if change is not None:
            x, y = change.transform(x, y)
        with np.errstate(invalid="ignore"):
            column = np.floor(np.round(back.a * x + back.b * y + back.c, 9))
            row = np.floor(np.round(back.d * x + back.e * y + back.f, 9))
            inside = (column >= 0) & (column < place.shape[1]) & (row >= 0) & (row < place.shape[0])
        nearest[start : start + 256][inside] = row[inside] * place.shape[1] + column[inside]
    nearest.flags.writeable = False
    return nearest


def pick(source: DatasetReader, band: int, nearest: npt.NDArray[np.int32], *, outside: int = 0) -> Array:
    """(y, x) of one band by :func:`nearest_pixels`; reads only the rows and columns that are needed."""
    inside = nearest >= 0
    if not inside.any():
        return np.full(nearest.shape, outside, dtype=source.dtypes[band - 1])
    row, column = np.divmod(nearest[inside], source.width)
    top, left = int(row.min()), int(column.min())
    height, width = int(row.max()) + 1 - top, int(column.max()) + 1 - left
    pixels = source.read(band, window=RasterWindow(left, top, width, height))
    result = np.full(nearest.shape, outside, dtype=pixels.dtype)
    result[inside] = pixels[row - top, column - left]
    return result


def one_line(error: BaseException, path: object) -> str:
    """What GDAL said first, without the path of this machine."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = str(error).replace(str(path), str(path).rsplit("/", 1)[-1])
    return " ".join(text.split())[:200]
