"""Kernels of composites: rows of LANES pixels, sorted without branches (:mod:`odse.series._lanes`), then read by rank or by
weight.

Axes: values (band, time, pixel) uint16, quality (time, pixel) uint8, weights (time, pixel) or (time, 1) uint8; results (band,
statistic, pixel) and counts (band, pixel). ``mask`` has a bit for every quality code (below 32) that is used. Loops over pixels
are such that the compiler turns them into vectors: no branch, no division of wide integers.
"""

from __future__ import annotations

import numba
import numpy as np

from odse.series._lanes import LANES, exchange

UNRANKED = 255
"""In a table of ranks: this many values have no such statistic."""


@numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")
def see(codes, mask, used):  # type: ignore[no-untyped-def]
    """1 where a code is used, else 0."""
    one, top = np.uint32(1), np.uint32(31)
    for i in range(codes.shape[0]):
        code = np.uint32(codes[i])
        used[i] = np.uint8((mask >> (code & top)) & one & np.uint32(code <= top))


@numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")
def take(source, used, low, high, row, n):  # type: ignore[no-untyped-def]
    """Values that are data into a row, the greatest number in the places of others; counts the data."""
    last = np.uint16(65535)
    for i in range(source.shape[0]):
        v = source[i]
        good = (used[i] != 0) & (v >= low) & (v <= high)
        row[i] = v if good else last
        n[i] += np.uint8(good)


@numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")
def weigh(weights, start, heavy):  # type: ignore[no-untyped-def]
    """The weights of a row of pixels, or the one weight of their date."""
    if weights.shape[0] == 1:
        heavy[:] = weights[0]
    else:
        width = min(heavy.shape[0], weights.shape[0] - start)
        heavy[:width] = weights[start : start + width]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def sort(lane, pairs):  # type: ignore[no-untyped-def]
    """Every column of (row, LANES) into ascending order, by the exchanges of a network."""
    for p in range(pairs.shape[0]):
        exchange(lane[pairs[p, 0]], lane[pairs[p, 1]])


@numba.njit(cache=True, nogil=True, boundscheck=False)
def linear(values, quality, mask, percentiles, pairs, lows, highs, result, count):  # type: ignore[no-untyped-def]
    """Percentiles between the two neighbours in rank, as a rational rounded half up once."""
    bands, times, pixels = values.shape
    lane = np.empty((times, LANES), dtype=np.uint16)
    clear = np.zeros((times, LANES), dtype=np.uint8)
    n = np.zeros(LANES, dtype=np.uint8)
    at, lower, upper = np.zeros(LANES, np.uint16), np.zeros(LANES, np.uint16), np.zeros(LANES, np.uint16)
    last, hundred = np.uint16(65535), np.uint16(100)
    one, top = np.uint32(1), np.uint32(31)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        for t in range(times):
            codes, used = quality[t, start : start + width], clear[t]
            for i in range(width):  # as in see() and take(), written out: with five dates the calls cost a twentieth
                code = np.uint32(codes[i])
                used[i] = np.uint8((mask >> (code & top)) & one & np.uint32(code <= top))
        for b in range(bands):
            low, high = lows[b], highs[b]
            n[:] = 0
            for t in range(times):
                source, used, row = values[b, t, start : start + width], clear[t], lane[t]
                for i in range(width):
                    v = source[i]
                    good = (used[i] != 0) & (v >= low) & (v <= high)
                    row[i] = v if good else last
                    n[i] += np.uint8(good)
            for p in range(pairs.shape[0]):
                exchange(lane[pairs[p, 0]], lane[pairs[p, 1]])
            told = count[b, start : start + width]
            least, most = np.uint8(255), np.uint8(0)
            for i in range(width):
                m = n[i]
                told[i] = m
                least, most = min(least, m), max(most, m)
            for s in range(percentiles.shape[0]):
                q = percentiles[s]
                step = np.uint16(q)
                for i in range(width):
                    m = np.uint16(n[i])
                    at[i] = np.uint16((m - np.uint16(m != 0)) * step) // hundred
                # Only these rows can hold a neighbour of the percentile of any pixel of this lane.
                first = max(np.int64(least) - 1, 0) * q // 100
                final = min(max(np.int64(most) - 1, 0) * q // 100 + 1, times - 1)
                for r in range(first, final + 1):
                    row, here = lane[r], np.uint16(r)
                    for i in range(LANES):
                        a, v = at[i], row[i]
                        lower[i] = v if a == here else lower[i]
                        upper[i] = v if np.uint16(a + np.uint16(1)) == here else upper[i]
                target = result[b, s, start : start + width]
                for i in range(width):
                    m = np.uint16(n[i])
                    part = np.uint16(np.uint16((m - np.uint16(m != 0)) * step) - np.uint16(at[i] * hundred))
                    gap = np.int32(upper[i]) - np.int32(lower[i])
                    # Whole number / 100 rounded half up: 0.005 away from any step, so the double cannot fall on the wrong side.
                    # Where part is 0, upper may hold anything: it has no weight.
                    up = np.int32((np.float64(np.int32(np.int32(part) * np.int32(gap))) + 50.5) * 0.01)
                    target[i] = np.uint16(lower[i] + np.uint16(up)) if m != 0 else np.uint16(0)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def ranked(values, quality, mask, ranks, pairs, lows, highs, result, count):  # type: ignore[no-untyped-def]
    """The value whose place in order ``ranks`` (statistic, n) says for every number n of values; 0 where that is UNRANKED."""
    bands, times, pixels = values.shape
    lane = np.empty((times, LANES), dtype=np.uint16)
    clear = np.zeros((times, LANES), dtype=np.uint8)
    n, wide, found = np.zeros(LANES, np.uint8), np.zeros(LANES, np.uint16), np.zeros(LANES, np.uint16)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        for t in range(times):
            see(quality[t, start : start + width], mask, clear[t])
        for b in range(bands):
            n[:] = 0
            for t in range(times):
                take(values[b, t, start : start + width], clear[t], lows[b], highs[b], lane[t], n)
            sort(lane, pairs)
            told = count[b, start : start + width]
            least, most = np.uint8(255), np.uint8(0)
            for i in range(width):
                m = n[i]
                told[i] = m
                wide[i] = m
                least, most = min(least, m), max(most, m)
            for s in range(ranks.shape[0]):
                found[:] = 0
                for many in range(least, most + 1):  # a comparison a number of values: quicker than looking the rank up
                    rank, here = ranks[s, many], np.uint16(many)
                    if rank != UNRANKED:
                        row = lane[rank]
                        for i in range(LANES):
                            kept, v = found[i], row[i]  # read in any case: a read under a condition makes no vector
                            found[i] = v if wide[i] == here else kept
                result[b, s, start : start + width] = found[:width]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def weighted(values, quality, weights, mask, percentiles, pairs, lows, highs, result, count):  # type: ignore[no-untyped-def]
    """Weighted quantiles (:mod:`odse.series.composite`): the mean of the step function of x over a window of summed weight.

    All numbers are whole and below 2**53, so the doubles are exact: at most 254 dates, weights to 255, values to 65535.
    """
    bands, times, pixels = values.shape
    lane = np.empty((times, LANES), dtype=np.uint32)
    clear = np.zeros((times, LANES), dtype=np.uint8)
    n, heavy = np.zeros(LANES, dtype=np.uint8), np.zeros(LANES, dtype=np.uint8)
    total, squares = np.zeros(LANES, np.float64), np.zeros(LANES, np.float64)
    before, added = np.zeros(LANES, np.float64), np.zeros(LANES, np.float64)
    byte, most = np.uint32(8), np.uint32(65535 << 8)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        for t in range(times):
            see(quality[t, start : start + width], mask, clear[t])
        for b in range(bands):
            n[:] = 0
            total[:] = 0
            squares[:] = 0
            for t in range(times):
                source, used, row = values[b, t, start : start + width], clear[t], lane[t]
                low, high = lows[b], highs[b]
                weigh(weights[t], start, heavy)
                for i in range(width):
                    v, w = source[i], heavy[i]
                    good = (used[i] != 0) & (v >= low) & (v <= high) & (w != 0)
                    row[i] = np.uint32(np.uint32(v) << byte) | np.uint32(w) if good else most
                    much = np.float64(w) if good else 0.0
                    n[i] += np.uint8(good)
                    total[i] += much
                    squares[i] += much * much
            sort(lane, pairs)
            count[b, start : start + width] = n[:width]
            for s in range(percentiles.shape[0]):
                q = np.float64(percentiles[s])
                before[:] = 0
                added[:] = 0
                for r in range(times):
                    row = lane[r]
                    for i in range(LANES):
                        key = row[i]
                        after = before[i] + 100.0 * total[i] * np.float64(np.int32(key & np.uint32(255)))
                        first = q * (total[i] * total[i] - squares[i])
                        final = first + 100.0 * squares[i]
                        share = min(after, final) - max(before[i], first)
                        added[i] += max(share, 0.0) * np.float64(np.int32(key >> byte))
                        before[i] = after
                target = result[b, s, start : start + width]
                for i in range(width):
                    whole = 200.0 * squares[i]
                    # Exact halves: a quotient below a whole number is at least 1 / (200 * 254 * 255**2) below it.
                    half_up = (2.0 * added[i] + 100.0 * squares[i]) / max(whole, 1.0)
                    target[i] = np.uint16(np.int32(half_up)) if n[i] != 0 else np.uint16(0)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def mean(values, quality, weights, mask, floors, lows, highs, result, count):  # type: ignore[no-untyped-def]
    """Weighted mean, rounded half up once, or cut where ``floors``."""
    bands, times, pixels = values.shape
    used, heavy = np.zeros(LANES, dtype=np.uint8), np.zeros(LANES, dtype=np.uint8)
    n, total, added = np.zeros(LANES, np.uint8), np.zeros(LANES, np.uint32), np.zeros(LANES, np.float64)
    half = 0.0 if floors else 1.0
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        for b in range(bands):
            low, high = lows[b], highs[b]
            n[:] = 0
            total[:] = 0
            added[:] = 0
            for t in range(times):
                see(quality[t, start : start + width], mask, used)
                weigh(weights[t], start, heavy)
                source = values[b, t, start : start + width]
                for i in range(width):
                    v = source[i]
                    good = (used[i] != 0) & (v >= low) & (v <= high) & (heavy[i] != 0)
                    w = np.uint32(heavy[i]) if good else np.uint32(0)
                    n[i] += np.uint8(good)
                    total[i] += w
                    added[i] += np.float64(np.int32(np.uint32(v) * w))
            count[b, start : start + width] = n[:width]
            target = result[b, 0, start : start + width]
            for i in range(width):
                m = np.float64(max(np.int32(total[i]), np.int32(1)))
                target[i] = np.uint16(np.int32((2.0 * added[i] + half * m) / (2.0 * m)))
