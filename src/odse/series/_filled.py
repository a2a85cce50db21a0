"""What every way of filling gives back, and the block of pixels in which most of them work.

A method that is no moving-window median works on blocks: floats with 0 at gaps, beside them 1 where a value is known
and 0 where not, time first, pixels contiguous. What it puts into gaps is rounded half up once, on the way back into
the type of the series.
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
LANE = 128
"""Blocks have a multiple of so many pixels, but for the last."""
OBSERVED_WEIGHT, MOST_WEIGHT, UNFILLED = 100, 99, 255
"""Weights: of an observed value, the most that a filled one can have, of an unfilled one."""


@dataclass(frozen=True)
class FillResult:
    """The series without gaps and, for every value, how it came to be.

    ``values`` as they were given, ``companions`` uint8 (time, y, x) by name: ``phase``, ``span`` and ``donors`` of a
    moving-window median; ``weight`` of all other methods, 100 observed, 0 to 99 filled (the more the better founded),
    255 unfilled. ``flag`` holds codes of :class:`odse.cube.Flag`: of a method with weights always the same one,
    ``how``.
    """

    values: Array
    companions: Mapping[str, Bytes]
    method: Method
    how: Flag | None = None

    @property
    def flag(self) -> Bytes:
        """How each value came to be, as codes of :class:`odse.cube.Flag`. Phases are such codes."""
        if self.how is None:
            return self.phase
        codes = np.full(256, self.how, dtype=np.uint8)
        codes[OBSERVED_WEIGHT], codes[UNFILLED] = Flag.OBSERVED, Flag.NODATA
        return codes[self.weight]

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
            raise SeriesError.sentence(
                "tell", f"the {name}", "the method", f"{self.method}, which tells {told}", "use those"
            )
        return self.companions[name]


Closer = Callable[[Floats, Floats, Floats, Floats], None]
"""(x, v, out, weight), all (time, pixel): fills ``out`` and ``weight`` at gaps; weight below 0 where it can fill
none.
"""


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
    """The value of a gap: ``nodata``, or NaN if that is None. ``values`` (statistic, time, y, x). Raises SeriesError."""
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
    values: Array, nodata: float, seasons_per_year: int, settings: BlockSettings, filled: Array
) -> Bytes:
    """Fill a series (time, pixel) into ``filled``. Gives the weight."""
    times, pixels = values.shape
    work = np.float64 if values.dtype == np.float64 else settings.work
    none = values.dtype.type(nodata)
    low, high = (work(limit) for limit in limits_of(values.dtype, nodata))

    def sample() -> tuple[Floats, Floats]:
        some = np.ascontiguousarray(values[:, :: -(-pixels // 8192)])
        x, v = np.empty(some.shape, dtype=work), np.empty(some.shape, dtype=work)
        load(some, 0, none, x, v)
        return x, v

    close = settings.closer(times, seasons_per_year, sample)
    weight: Bytes = np.empty(values.shape, np.uint8)
    store = store_whole if values.dtype.kind in "ui" else store_float
    block = min(max(BLOCK_VALUES // times // LANE, 1), 32) * LANE
    for start in range(0, pixels, block):
        width = min(block, pixels - start)
        if start == 0 or width < block:
            x, v, out, grade = (np.empty((times, width), dtype=work) for _ in range(4))
        load(values, start, none, x, v)
        close(x, v, out, grade)
        store(values, start, none, v, out, grade, work(0.5), low, high, filled, weight)
    return weight


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def load(values, start, nodata, x, v):  # type: ignore[no-untyped-def]
    """values (time, pixel) from ``start`` on -> x with 0 at gaps, v with 1 where known. What is not finite is a gap."""
    width = x.shape[1]
    for t in range(x.shape[0]):
        given, some, known = values[t, start : start + width], x[t], v[t]
        for i in range(width):
            one = given[i]
            good = (one != nodata) & (one - one == 0)
            some[i] = one if good else 0
            known[i] = 1 if good else 0


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def store_whole(values, start, nodata, v, out, grade, half, low, high, filled, weight):  # type: ignore[no-untyped-def]
    """Rounds half up into gaps, within low to high and never to the value that means no-data. ``half`` is 0.5 of the
    type of ``out``.
    """
    width, none, one = v.shape[1], np.int32(nodata), np.int32(1)
    for t in range(v.shape[0]):
        new, good, known = out[t], grade[t], v[t]
        given, target = values[t, start : start + width], filled[t, start : start + width]
        for i in range(width):
            near = np.int32(min(max(np.floor(new[i] + half), low), high))
            near = near + one if near == none else near
            target[i] = near if (known[i] == 0) & (good[i] >= 0) else np.int32(given[i])
        _tell(known, good, half, weight[t, start : start + width])


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def store_float(values, start, nodata, v, out, grade, half, low, high, filled, weight):  # type: ignore[no-untyped-def]
    """Floats: no rounding but that to their type."""
    width = v.shape[1]
    for t in range(v.shape[0]):
        good, known = grade[t], v[t]
        given, target = values[t, start : start + width], filled[t, start : start + width]
        for i in range(width):
            new = out[t, i] if good[i] >= 0 else nodata
            target[i] = new if known[i] == 0 else given[i]
        _tell(known, good, half, weight[t, start : start + width])


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _tell(v, grade, half, weight):  # type: ignore[no-untyped-def]
    """Weight of one date: observed, filled or unfilled."""
    for i in range(v.shape[0]):
        part = min(np.int32(grade[i] + half), np.int32(MOST_WEIGHT))
        told = part if grade[i] >= 0 else np.int32(UNFILLED)
        weight[i] = np.int32(OBSERVED_WEIGHT) if v[i] != 0 else told
