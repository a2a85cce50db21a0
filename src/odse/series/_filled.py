"""What every way of filling gives back, and the block of pixels in which most of them work.

A method that is no moving-window median works on blocks: floats with 0 at gaps, beside them 1 where a value is known and 0 where not,
time first, pixels contiguous. What it puts into gaps is rounded half up once, on the way back into the type of the series.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, runtime_checkable

import numba
import numpy as np
import numpy.typing as npt

from odse.cube import Flag
from odse.errors import SeriesError

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.floating[Any]]
Method = Literal["tmwm", "seasconv", "linear", "harmonic", "whittaker", "same-season"]
BLOCK_VALUES = 2**16
"""Values handled together, a few arrays of them stay in the second cache."""
LANE = 64
"""Blocks have a multiple of so many pixels, but for the last."""
UNFILLED = 255
OBSERVED_WEIGHT, MOST_WEIGHT = 100, 99
"""Weight of an observed value, and the most that a filled one can have."""


@dataclass(frozen=True)
class FillResult:
    """The series without gaps and, for every value, how it came to be.

    ``values`` as they were given, ``companions`` uint8 (time, y, x) by name: ``phase``, ``span`` and ``donors`` of a moving-window
    median; ``weight`` of all other methods, 100 observed, 0 to 99 filled (the more the better founded), 255 unfilled.
    ``flag`` holds codes of :class:`odse.cube.Flag`.
    """

    values: Array
    companions: Mapping[str, Bytes]
    flag: Bytes
    method: Method

    @property
    def phase(self) -> Bytes:
        """0 observed, 1 same season, 2 seasons beside it, 3 all seasons, 255 unfilled."""
        return self._companion("phase")

    @property
    def span(self) -> Bytes:
        """Half-width of the window in years; 0 for observed values, 255 for unfilled ones."""
        return self._companion("span")

    @property
    def donors(self) -> Bytes:
        """Number of observed values used, at most 254; 0 for observed values, 255 for unfilled ones."""
        return self._companion("donors")

    @property
    def weight(self) -> Bytes:
        """100 observed, 0 to 99 filled, 255 unfilled."""
        return self._companion("weight")

    def _companion(self, name: str) -> Bytes:
        if name not in self.companions:
            told = " and ".join(self.companions)
            raise SeriesError.sentence("tell", f"the {name}", "the method", f"{self.method}, which tells {told}", "use those")
        return self.companions[name]


Closer = Callable[[Floats, Floats, Floats, Floats], None]
"""(x, v, out, weight), all (time, pixel): fills ``out`` and ``weight`` at gaps; weight below 0 where it can fill none."""


@runtime_checkable
class Settings(Protocol):
    """What a method needs to know, checked when made; its fields are the options that :func:`odse.fill` takes."""

    @property
    def method(self) -> Method: ...


class BlockSettings(Settings, Protocol):
    """Settings of a method that works on blocks."""

    @property
    def work(self) -> type[np.floating[Any]]:
        """Type of float it calculates in, for series that are no double floats."""

    @property
    def flag(self) -> Flag:
        """How its values come to be."""

    def closer(self, times: int, seasons_per_year: int, sample: Callable[[], tuple[Floats, Floats]]) -> Closer:
        """The function that closes the gaps of a block; ``sample`` gives (x, v) of some pixels to choose by."""


def refuse(what: str, value: object, remedy: str) -> SeriesError:
    """The error of all that cannot be filled."""
    return SeriesError.sentence("fill", "the series", what, value, remedy)


def made(kind: Callable[..., Any], method: Method, options: Mapping[str, Any]) -> Any:
    """Settings of a kind from options by name. Raises SeriesError for an option that this method has not."""
    known = [one.name for one in fields(kind)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"write {near[0]}" if near else f"use {', '.join(known)}" if known else "leave it out"
            raise refuse("an option", f"{name}, which method {method} has not", remedy)
    return kind(**options)


def check_series(values: Array, nodata: float | None, seasons_per_year: int) -> float:
    """The value of a gap; NaN beside which ``nodata`` is None. ``values`` (statistic, time, y, x). Raises SeriesError."""
    whole = values.dtype.kind in "ui" and values.dtype.itemsize <= 2
    if not whole and values.dtype not in (np.float32, np.float64):
        raise refuse("its type", values.dtype, "give 8- or 16-bit integers, or floats of 32 or 64 bits")
    if values.ndim != 4 or not values.size:
        raise refuse("its shape", values.shape[1:], "give (time, y, x) with at least one value")
    if seasons_per_year < 1 or seasons_per_year != int(seasons_per_year):
        raise refuse("the number of seasons", seasons_per_year, "give at least one")
    if not whole:
        return float("nan") if nodata is None else float(nodata)
    if nodata is None:
        raise refuse("no-data", None, f"give a value of {values.dtype}")
    limits = np.iinfo(values.dtype)
    if nodata != nodata or not limits.min <= nodata <= limits.max or nodata != int(nodata):
        raise refuse("no-data", nodata, f"give a value of {values.dtype}")
    return int(nodata)


def limits_of(dtype: np.dtype[Any], nodata: float) -> tuple[float, float]:
    """Smallest and largest value that may be put into a gap."""
    if dtype.kind == "f":
        return float("-inf"), float("inf")
    limits = np.iinfo(dtype)
    return limits.min + (nodata == limits.min), limits.max - (nodata == limits.max)


def close_in_blocks(
    values: Array, nodata: float, seasons_per_year: int, settings: BlockSettings
) -> tuple[Array, Bytes, Bytes]:
    """Filled values, weight and flag of a series (time, pixel)."""
    times, pixels = values.shape
    work = np.float64 if values.dtype == np.float64 else settings.work
    none = values.dtype.type(nodata)
    low, high = limits_of(values.dtype, nodata)

    def sample() -> tuple[Floats, Floats]:
        some = np.ascontiguousarray(values[:, :: -(-pixels // 8192)])
        x, v = np.empty(some.shape, dtype=work), np.empty(some.shape, dtype=work)
        load(some, none, x, v)
        return x, v

    close = settings.closer(times, seasons_per_year, sample)
    filled = np.empty_like(values)
    weight, flag = np.empty(values.shape, np.uint8), np.empty(values.shape, np.uint8)
    block = min(max(BLOCK_VALUES // times // LANE, 1), 32) * LANE
    for start in range(0, pixels, block):
        here = slice(start, min(start + block, pixels))
        if start == 0 or here.stop - start < block:
            x, v, out, grade = (np.empty((times, here.stop - start), dtype=work) for _ in range(4))
        load(values[:, here], none, x, v)
        close(x, v, out, grade)
        store = store_whole if values.dtype.kind in "ui" else store_float
        store(values[:, here], none, v, out, grade, low, high, int(settings.flag), filled[:, here], weight[:, here], flag[:, here])
    return filled, weight, flag


@numba.njit(cache=True, nogil=True, boundscheck=False)
def load(values, nodata, x, v):  # type: ignore[no-untyped-def]
    """values (time, pixel) -> x with 0 at gaps, v with 1 where known. What is not finite is a gap."""
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            one = values[t, i]
            known = (one != nodata) & (one - one == 0)
            x[t, i] = one if known else 0
            v[t, i] = 1 if known else 0


@numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")
def _told(v, grade, code):  # type: ignore[no-untyped-def]
    """(weight, flag) of a value."""
    if v != 0:
        return np.uint8(100), np.uint8(0)
    if grade >= 0:
        return np.uint8(min(grade + 0.5, 99.0)), np.uint8(code)
    return np.uint8(255), np.uint8(255)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def store_whole(values, nodata, v, out, grade, low, high, code, filled, weight, flag):  # type: ignore[no-untyped-def]
    """Rounds half up into gaps; never to the value that means no-data."""
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            one = values[t, i]
            if v[t, i] == 0 and grade[t, i] >= 0:
                near = min(max(np.floor(out[t, i] + 0.5), low), high)
                near = near + 1 if near == nodata else near
                filled[t, i] = near
            else:
                filled[t, i] = one
            weight[t, i], flag[t, i] = _told(v[t, i], grade[t, i], code)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def store_float(values, nodata, v, out, grade, low, high, code, filled, weight, flag):  # type: ignore[no-untyped-def]
    """Floats: no rounding but that to their type."""
    for t in range(values.shape[0]):
        for i in range(values.shape[1]):
            one = values[t, i]
            if v[t, i] == 0:
                one = out[t, i] if grade[t, i] >= 0 else nodata
            filled[t, i] = one
            weight[t, i], flag[t, i] = _told(v[t, i], grade[t, i], code)
