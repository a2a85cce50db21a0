"""The temporal moving-window median (TMWM; Witjes et al. 2023, PeerJ 15478) in its corrected form.

Only the place in the series counts, so the result does not depend on where the series starts. A(c, h) is the same
season as c, h years to each side. Donors are observed values only.

====== ====================================================================================================
phase
====== ====================================================================================================
0      observed: never changed
1      median of A(t, h)
2      mean of two medians: of the medians of A(t-1, h)..A(t-j, h) and of A(t+1, h)..A(t+j, h); both needed
3      median of the medians of all seasons around t
255    no valid date in the whole series: stays no-data
====== ====================================================================================================

Phase first, then j, then h ascending; the first success wins. Arithmetic is exact: integers are rounded half up once;
floats are halved and added in 64 bits, where 32-bit values of a like size lose nothing, and rounded once to their
type. With a direction, A(c, h) keeps the dates before (``past``) or after (``future``) the gap, and a gap that has
none of them stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import overload as numba_overload

from odse.series._filled import Method, refuse
from odse.series._lanes import LANES, exchange, network

Array = npt.NDArray[Any]
Direction = Literal["both", "past", "future"]
MOST_IN_LANES = 16
"""Half-widths up to this one, in years, are first tried in lanes; wider windows are rare."""


@dataclass(frozen=True)
class Tmwm:
    """Moving-window median: the (odd) width of the first window in years, the side that donors come from, and
    ``compat``, the name of an older form (:mod:`odse.series._eumap`). Raises SeriesError for a width or a name that
    makes no sense.
    """

    window_years: int = 9
    direction: Direction = "both"
    compat: Literal["eumap-2022"] | None = None

    @property
    def method(self) -> Method:
        return "tmwm"

    def __post_init__(self) -> None:
        if self.window_years < 1 or self.window_years % 2 != 1:
            raise refuse("the window", f"{self.window_years} years", "give an odd number")
        if self.direction not in ("both", "past", "future"):
            raise refuse("the direction", repr(self.direction), "use both, past or future")
        if self.compat not in (None, "eumap-2022"):
            raise refuse("compat", repr(self.compat), "use eumap-2022 or leave it out")
        if self.compat and self.direction != "both":
            raise refuse("the direction", f"{self.direction} with compat {self.compat}", "use both")


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


def moving_window_median(
    flat: Array, nodata: float, seasons_per_year: int, settings: Tmwm, *, filled: Array, told: npt.NDArray[np.uint8]
) -> None:
    """Fill a series (time, pixel): into ``filled``, its copy; phase, span and donors into ``told`` (3, time, pixel),
    zeroes.
    """
    times, pixels = flat.shape
    widths = np.array(half_widths(-(-times // seasons_per_year), settings.window_years), dtype=np.int64)
    first = int(widths[0])
    before = first if settings.direction != "future" else -1
    after = first if settings.direction != "past" else -1
    rows = before + after + 1
    left = np.ones(pixels, dtype=np.bool_)
    given, target = flat, filled
    if flat.dtype.kind == "f":
        work: Any = np.float64
        none: Any = float(flat.dtype.type(nodata))
        given, target = flat.astype(np.float64), flat.astype(np.float64)
    else:
        work, none = np.int64, int(nodata)
        if rows > 0 and first <= MOST_IN_LANES:
            left[:] = False
            sign = np.uint16(0x8000 if flat.dtype.kind == "i" else 0)
            pairs = network(rows, rows // 2 + 1)  # a median needs the lower half only
            _fill_first(
                flat, none, sign, seasons_per_year, first, before, rows, pairs, filled, told[0], told[1], told[2], left
            )
    scratch = np.empty((4, times + seasons_per_year), dtype=work)
    sides = (settings.direction != "future", settings.direction != "past")
    _fill(given, none, seasons_per_year, widths, sides, scratch, target, told[0], told[1], told[2], left)
    if target is not filled:
        filled[:] = target
    inside = flat.dtype.kind in "ui" and np.iinfo(flat.dtype).min < nodata < np.iinfo(flat.dtype).max
    if inside:  # a mean may fall on the number that means no-data; it then takes the next one
        filled[(filled == nodata) & (told[0] != 255)] = int(nodata) + 1


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _fill_first(values, nodata, sign, seasons, half, before, rows, pairs, filled, phase, span, donors, left):  # type: ignore[no-untyped-def]
    """Phase 1 with the smallest window, which closes nearly all gaps: LANES pixels at a time through a sorting network.

    What it cannot fill is marked in ``left`` (pixel,) and done by :func:`_fill`. values (time, pixel) -> filled,
    phase, span, donors (time, pixel). The window has ``rows`` years, the first of them ``before`` years before the
    gap. Values are sorted as uint16; ``sign`` is the bit that brings signed ones into that order.
    """
    times, pixels = values.shape
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
                at, row = t + (r - before) * seasons, lane[r]
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
            for r in range(rows // 2 + 1):
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


def _share(total: Any, n: int) -> Any:
    """The n-th part: of integers rounded half up, of floats as it is."""
    raise NotImplementedError  # compiled code has the two below


@numba_overload(_share, inline="always")
def _share_of(total, n):  # type: ignore[no-untyped-def]
    if isinstance(total, numba.types.Integer):
        return lambda total, n: (total + n // 2) // n
    return lambda total, n: total / n


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _window(series, known, c, h, seasons, low, high, buffer):  # type: ignore[no-untyped-def]
    """(twice the median of A(c, h) within dates low to high, number of values); ``buffer`` is sorted on the way."""
    first = c - h * seasons
    if first < low:
        first = low + (c - low) % seasons
    last = min(c + h * seasons, high)
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
        return buffer[0] * 0, 0
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
def _fill(values, nodata, seasons, widths, sides, scratch, filled, phase, span, donors, left):  # type: ignore[no-untyped-def]
    """Every gap still open in pixels marked ``left``: values (time, pixel) -> filled, phase, span, donors (time,
    pixel).

    ``sides`` says whether dates before and after the gap may give; ``scratch`` (4, time + season) is of the type to
    calculate in.
    """
    times, pixels = values.shape
    known = np.empty(times, dtype=np.bool_)
    series, buffer, before, after = scratch[0], scratch[1], scratch[2], scratch[3]
    for p in range(pixels):
        if not left[p]:
            continue
        n_known = 0
        for t in range(times):
            one = values[t, p]
            series[t] = one
            known[t] = (one != nodata) & (one - one == 0)
            n_known += known[t]
        if n_known == 0:
            for t in range(times):
                filled[t, p] = nodata
                phase[t, p], span[t, p], donors[t, p] = 255, 255, 255
            continue
        for t in range(times):
            if known[t] or phase[t, p] == 1:
                continue
            low, high = 0 if sides[0] else t + 1, times - 1 if sides[1] else t - 1
            done = False
            for w in range(widths.shape[0]):
                twice, n = _window(series, known, t, widths[w], seasons, low, high, buffer)
                if n > 0:
                    filled[t, p] = _share(twice, 2)
                    phase[t, p], span[t, p], donors[t, p] = 1, min(widths[w], 254), min(n, 254)
                    done = True
                    break
            if done:
                continue
            for j in range(1, seasons // 2 + 1):
                for w in range(widths.shape[0]):
                    n_before, n_after, used = 0, 0, 0
                    for i in range(1, j + 1):
                        twice, n = _window(series, known, t - i, widths[w], seasons, low, high, buffer)
                        if n > 0:
                            before[n_before] = twice
                            n_before += 1
                            used += n
                        twice, n = _window(series, known, t + i, widths[w], seasons, low, high, buffer)
                        if n > 0:
                            after[n_after] = twice
                            n_after += 1
                            used += n
                    if n_before > 0 and n_after > 0:
                        total = _median4(before, n_before) + _median4(after, n_after)
                        filled[t, p] = _share(total, 8)
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
                    twice, n = _window(series, known, c, widths[w], seasons, low, high, buffer)
                    if n > 0:
                        before[m] = twice
                        m += 1
                        used += n
                if m > 0:
                    filled[t, p] = _share(_median4(before, m), 4)
                    phase[t, p], span[t, p], donors[t, p] = 3, min(widths[w], 254), min(used, 254)
                    done = True
                    break
            if not done:
                filled[t, p] = nodata
                phase[t, p], span[t, p], donors[t, p] = 255, 255, 255
