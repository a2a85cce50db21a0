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
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError
from odse.series.composite import LANES, _exchange, _network

Array = npt.NDArray[Any]


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


def fill(values: Any, *, nodata: int, seasons_per_year: int = 4, window_years: int = 9) -> Any:
    """Fill the gaps of an integer series (time, y, x). Arrays give a FillResult, a DataArray gives a Dataset. Pure.

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
    if values.dtype.kind not in "ui" or values.dtype.itemsize > 2:
        raise SeriesError.sentence("fill", "the series", "its type", values.dtype, "give 8- or 16-bit integers")
    if seasons_per_year < 1 or window_years < 1 or window_years % 2 == 0:
        raise SeriesError.sentence("fill", "the series", "the window", f"{window_years} years", "give an odd number")
    statistics, times, height, width = values.shape
    widths = np.array(half_widths(-(-times // seasons_per_year), window_years), dtype=np.int64)
    flat = np.ascontiguousarray(values).reshape(statistics, times, -1)
    filled = flat.copy()
    companions = np.zeros((3, times, height * width), dtype=np.uint8)
    scratch = np.zeros((3, times, height * width), dtype=np.uint8)
    first = int(widths[0])
    pairs = _network(2 * first + 1)
    for s in range(statistics):
        told = companions if s == 0 else scratch
        scratch[:] = 0
        if first <= 16:
            _fill_first(flat[s], nodata, seasons_per_year, first, pairs, filled[s], told[0], told[1], told[2])
        _fill(flat[s], nodata, seasons_per_year, widths, filled[s], told[0], told[1], told[2])
    shape = (times, height, width)
    return FillResult(filled.reshape(values.shape), *(c.reshape(shape) for c in companions))


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _fill_first(values, nodata, seasons, half, pairs, filled, phase, span, donors):  # type: ignore[no-untyped-def]
    """Phase 1 with the smallest window, which closes nearly all gaps: LANES pixels at a time through a sorting network.

    What it cannot fill is left to :func:`_fill`. values (time, pixel) -> filled, phase, span, donors (time, pixel).
    """
    times, pixels = values.shape
    rows = 2 * half + 1
    lane = np.empty((rows, LANES), dtype=np.int32)
    n = np.empty(LANES, dtype=np.int32)
    most = np.int32(2147483647)
    none = np.int32(nodata)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        for t in range(times):
            here = values[t, start : start + width]
            gaps = 0
            for i in range(width):
                gaps += here[i] == none
            if gaps == 0:
                continue
            n[:] = 0
            for r in range(rows):
                at, row = t + (r - half) * seasons, lane[r]
                if 0 <= at < times:
                    donor = values[at, start : start + width]
                    for i in range(width):
                        v = np.int32(donor[i])
                        row[i] = most if v == none else v
                        n[i] += np.int32(v != none)
                else:
                    row[:] = most
            for p in range(pairs.shape[0]):
                _exchange(lane[pairs[p, 0]], lane[pairs[p, 1]])
            for i in range(width):
                m = n[i]
                if here[i] == none and m > 0:
                    twice = lane[(m - 1) // 2, i] + lane[m // 2, i]
                    filled[t, start + i] = (twice + 1) >> 1
                    phase[t, start + i], span[t, start + i], donors[t, start + i] = 1, half, min(m, 254)


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
def _fill(values, nodata, seasons, widths, filled, phase, span, donors):  # type: ignore[no-untyped-def]
    """values (time, pixel) -> filled, phase, span, donors (time, pixel)."""
    times, pixels = values.shape
    series = np.empty(times, dtype=np.int64)
    known = np.empty(times, dtype=np.bool_)
    buffer = np.empty(times, dtype=np.int64)
    before, after = np.empty(times + seasons, dtype=np.int64), np.empty(times + seasons, dtype=np.int64)
    for p in range(pixels):
        open_gaps = 0
        for t in range(times):
            open_gaps += (values[t, p] == nodata) & (phase[t, p] == 0)
        if open_gaps == 0:
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
