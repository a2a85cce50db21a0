"""Gap filling by a temporal moving-window median (TMWM; Witjes et al. 2023, PeerJ 15478) in its corrected form.

Only the place in the series counts, so the result does not depend on where the series starts. A(c, h) is the same season as
c, h years to each side. Donors are observed values only.

====== ====================================================================================================
phase
====== ====================================================================================================
0      observed: never changed
1      median of A(t, h)
2      mean of two medians: of the medians of A(t-1, h)..A(t-j, h) and of A(t+1, h)..A(t+j, h); both needed
3      median of the medians of all seasons around t
255    no valid date in the whole series: stays no-data
====== ====================================================================================================

Phase first, then j, then h ascending; the first success wins. Arithmetic is exact, integers are rounded half up once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError
from odse.series._lanes import LANES, exchange, network

Array = npt.NDArray[Any]
MOST_IN_LANES = 16
"""Half-widths up to this one, in years, are first tried in lanes; wider windows are rare."""


@dataclass(frozen=True)
class FillResult:
    """The series without gaps and, for every value, how it came to be: all (time, y, x), companions uint8."""

    values: Array
    phase: npt.NDArray[np.uint8]
    span: npt.NDArray[np.uint8]
    """Half-width of the window in years; 0 for observed values, 255 for unfilled ones."""
    donors: npt.NDArray[np.uint8]
    """Number of observed values used, at most 254; 0 for observed values, 255 for unfilled ones."""


def half_widths(years: int, window_years: int) -> list[int]:
    """Half-widths tried in turn, in years; the last one covers the whole series.

    >>> half_widths(21, 9)
    [4, 8, 13, 17, 21]
    """
    widths = []
    k = 1
    while (h := (k * window_years - 1) // 2) < years:
        if h not in widths:
            widths.append(h)
        k += 1
    return [*widths, years]


@overload
def fill(values: xr.DataArray, *, nodata: int, seasons_per_year: int = ..., window_years: int = ...) -> xr.Dataset: ...


@overload
def fill(values: Array, *, nodata: int, seasons_per_year: int = ..., window_years: int = ...) -> FillResult: ...


def fill(values: Any, *, nodata: int, seasons_per_year: int = 4, window_years: int = 9) -> xr.Dataset | FillResult:
    """Fill the gaps of an integer series (time, y, x) in the order of time, one date a season, absent seasons as all gaps.

    ``nodata`` is the value of a gap, ``window_years`` the (odd) width of the first window tried. Arrays give a FillResult, a
    DataArray gives a Dataset with ``value``, ``phase``, ``span`` and ``donors``. Raises SeriesError for floats and for
    parameters that make no sense. Pure. Source: Witjes et al. 2023, PeerJ 15478, corrected (docs/why/fill.md).

    >>> import numpy as np
    >>> series = np.array([10, 20, 30, 40, 0, 22, 32, 42], dtype=np.uint16).reshape(8, 1, 1)
    >>> fill(series, nodata=0).values.ravel().tolist()
    [10, 20, 30, 40, 10, 22, 32, 42]
    """
    if isinstance(values, xr.DataArray):
        ordered = values.transpose("time", "y", "x")
        plain = fill(ordered.to_numpy(), nodata=nodata, seasons_per_year=seasons_per_year, window_years=window_years)
        dims = ("time", "y", "x")
        names = {"value": plain.values, "phase": plain.phase, "span": plain.span, "donors": plain.donors}
        return xr.Dataset({name: (dims, array) for name, array in names.items()}, coords=ordered.coords)
    many = fill_many(values[None], nodata=nodata, seasons_per_year=seasons_per_year, window_years=window_years)
    return FillResult(many.values[0], many.phase, many.span, many.donors)


def fill_many(values: Array, *, nodata: int, seasons_per_year: int = 4, window_years: int = 9) -> FillResult:
    """Fill several statistics (statistic, time, y, x) of one variable that have their gaps in common.

    ``values`` of the result is (statistic, time, y, x), its companions (time, y, x): of the first statistic, and equal for
    all. Raises SeriesError for floats or parameters that make no sense. Pure.
    """
    _check(values, nodata, seasons_per_year, window_years)
    statistics, times, height, width = values.shape
    widths = np.array(half_widths(-(-times // seasons_per_year), window_years), dtype=np.int64)
    flat = np.ascontiguousarray(values).reshape(statistics, times, -1)
    filled = flat.copy()
    companions = np.zeros((3, times, height * width), dtype=np.uint8)
    scratch = np.zeros_like(companions) if statistics > 1 else companions
    first = int(widths[0])
    pairs = network(2 * first + 1, first + 1)  # a median needs the lower half only
    sign = np.uint16(0x8000 if values.dtype.kind == "i" else 0)
    for s in range(statistics):
        told = companions if s == 0 else scratch
        left = np.ones(height * width, dtype=np.bool_)
        if first <= MOST_IN_LANES:
            left[:] = False
            _fill_first(
                flat[s], nodata, sign, seasons_per_year, first, pairs, filled[s], told[0], told[1], told[2], left
            )
        _fill(flat[s], nodata, seasons_per_year, widths, filled[s], told[0], told[1], told[2], left)
        if s > 0:
            scratch[:] = 0
    shape = (times, height, width)
    return FillResult(filled.reshape(values.shape), *(c.reshape(shape) for c in companions))


def _check(values: Array, nodata: int, seasons_per_year: int, window_years: int) -> None:
    def refuse(what: str, value: object, remedy: str) -> SeriesError:
        return SeriesError.sentence("fill", "the series", what, value, remedy)

    if values.dtype.kind not in "ui" or values.dtype.itemsize > 2:
        raise refuse("its type", values.dtype, "give 8- or 16-bit integers")
    if values.ndim != 4 or not values.size:
        raise refuse("its shape", values.shape[1:], "give (time, y, x) with at least one value")
    limits = np.iinfo(values.dtype)
    if not limits.min <= nodata <= limits.max:
        raise refuse("no-data", nodata, f"give a value of {values.dtype}")
    if seasons_per_year < 1:
        raise refuse("the number of seasons", seasons_per_year, "give at least one")
    if window_years < 1 or window_years % 2 == 0:
        raise refuse("the window", f"{window_years} years", "give an odd number")


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _fill_first(values, nodata, sign, seasons, half, pairs, filled, phase, span, donors, left):  # type: ignore[no-untyped-def]
    """Phase 1 with the smallest window, which closes nearly all gaps: LANES pixels at a time through a sorting network.

    What it cannot fill is marked in ``left`` (pixel,) and done by :func:`_fill`. values (time, pixel) -> filled, phase, span,
    donors (time, pixel). Values are sorted as uint16; ``sign`` is the bit that brings signed ones into that order.
    """
    times, pixels = values.shape
    rows = 2 * half + 1
    lane = np.empty((rows, LANES), dtype=np.uint16)
    n = np.zeros(LANES, dtype=np.uint16)
    lower, upper = np.zeros(LANES, dtype=np.uint16), np.zeros(LANES, dtype=np.uint16)
    last, one = np.uint16(65535), np.uint16(1)
    none = np.uint16(np.uint16(nodata) ^ sign)
    told_half = np.uint8(half)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        for t in range(times):
            here = values[t, start : start + width]
            gaps = np.int32(0)
            for i in range(width):
                gaps += np.int32(np.uint16(np.uint16(here[i]) ^ sign) == none)
            if gaps == 0:
                continue
            n[:] = 0
            for r in range(rows):
                at, row = t + (r - half) * seasons, lane[r]
                if 0 <= at < times:
                    donor = values[at, start : start + width]
                    for i in range(width):
                        v = np.uint16(np.uint16(donor[i]) ^ sign)
                        row[i] = last if v == none else v
                        n[i] += np.uint16(v != none)
                else:
                    row[:] = last
            for p in range(pairs.shape[0]):
                exchange(lane[pairs[p, 0]], lane[pairs[p, 1]])
            for r in range(half + 1):
                row, place = lane[r], np.uint16(2 * r)
                for i in range(LANES):  # of m values, the two in the middle are at (m - 1) // 2 and m // 2
                    m, v = n[i], row[i]
                    lower[i] = v if (m == np.uint16(place + one)) | (m == np.uint16(place + one + one)) else lower[i]
                    upper[i] = v if (m == place) | (m == np.uint16(place + one)) else upper[i]
            out, how = filled[t, start : start + width], phase[t, start : start + width]
            far, many, rest = (
                span[t, start : start + width],
                donors[t, start : start + width],
                left[start : start + width],
            )
            for i in range(width):
                gap = np.uint16(np.uint16(here[i]) ^ sign) == none
                m = n[i]
                closed = gap & (m != 0)
                middle = np.uint16((np.uint32(lower[i]) + np.uint32(upper[i]) + np.uint32(1)) >> np.uint32(1))
                out[i] = np.uint16(middle ^ sign) if closed else np.uint16(here[i])
                how[i] = np.uint8(closed)
                far[i] = told_half if closed else np.uint8(0)
                many[i] = np.uint8(m) if closed else np.uint8(0)
                rest[i] |= gap & (m == 0)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _window(series, known, c, h, seasons, buffer):  # type: ignore[no-untyped-def]
    """(twice the median of A(c, h), number of values); the values are sorted into ``buffer`` on the way."""
    times = series.shape[0]
    first = c - h * seasons
    if first < 0:
        first = c % seasons
    last = min(c + h * seasons, times - 1)
    n = 0
    t = first
    while t <= last:
        if known[t]:
            v = series[t]
            i = n
            while i > 0 and buffer[i - 1] > v:
                buffer[i] = buffer[i - 1]
                i -= 1
            buffer[i] = v
            n += 1
        t += seasons
    if n == 0:
        return np.int64(0), 0
    return buffer[(n - 1) // 2] + buffer[n // 2], n


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _median4(doubled, n):  # type: ignore[no-untyped-def]
    """Four times the median of n medians that are stored doubled; sorts them."""
    for i in range(1, n):
        v = doubled[i]
        k = i
        while k > 0 and doubled[k - 1] > v:
            doubled[k] = doubled[k - 1]
            k -= 1
        doubled[k] = v
    return doubled[(n - 1) // 2] + doubled[n // 2]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _fill(values, nodata, seasons, widths, filled, phase, span, donors, left):  # type: ignore[no-untyped-def]
    """Every gap still open in pixels marked ``left``: values (time, pixel) -> filled, phase, span, donors (time, pixel)."""
    times, pixels = values.shape
    series = np.empty(times, dtype=np.int64)
    known = np.empty(times, dtype=np.bool_)
    buffer = np.empty(times, dtype=np.int64)
    before, after = np.empty(times + seasons, dtype=np.int64), np.empty(times + seasons, dtype=np.int64)
    for p in range(pixels):
        if not left[p]:
            continue
        n_known = 0
        for t in range(times):
            series[t] = values[t, p]
            known[t] = series[t] != nodata
            n_known += known[t]
        if n_known == 0:
            for t in range(times):
                phase[t, p], span[t, p], donors[t, p] = 255, 255, 255
            continue
        for t in range(times):
            if known[t] or phase[t, p] == 1:
                continue
            done = False
            for w in range(widths.shape[0]):
                twice, n = _window(series, known, t, widths[w], seasons, buffer)
                if n > 0:
                    filled[t, p] = (twice + 1) // 2
                    phase[t, p], span[t, p], donors[t, p] = 1, min(widths[w], 254), min(n, 254)
                    done = True
                    break
            if done:
                continue
            for j in range(1, seasons // 2 + 1):
                for w in range(widths.shape[0]):
                    n_before, n_after, used = 0, 0, 0
                    for i in range(1, j + 1):
                        twice, n = _window(series, known, t - i, widths[w], seasons, buffer)
                        if n > 0:
                            before[n_before] = twice
                            n_before += 1
                            used += n
                        twice, n = _window(series, known, t + i, widths[w], seasons, buffer)
                        if n > 0:
                            after[n_after] = twice
                            n_after += 1
                            used += n
                    if n_before > 0 and n_after > 0:
                        total = _median4(before, n_before) + _median4(after, n_after)
                        filled[t, p] = (total + 4) // 8
                        phase[t, p], span[t, p], donors[t, p] = 2, min(widths[w], 254), min(used, 254)
                        done = True
                        break
                if done:
                    break
            if done:
                continue
            for w in range(widths.shape[0]):
                m, used = 0, 0
                for c in range(t - (seasons - 1) // 2, t + seasons // 2 + 1):
                    twice, n = _window(series, known, c, widths[w], seasons, buffer)
                    if n > 0:
                        before[m] = twice
                        m += 1
                        used += n
                if m > 0:
                    filled[t, p] = (_median4(before, m) + 2) // 4
                    phase[t, p], span[t, p], donors[t, p] = 3, min(widths[w], 254), min(used, 254)
                    break
