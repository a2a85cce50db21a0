"""Kernels of the geometric median: spectra of SIDE pixels at a time, then those pixels alone that need more steps.

The step of a pixel from y, with r the mean of x - y weighted by 1 / distance: r - a (step + r - r of the last step), a the share that
would make r and its last value cancel best. a above 1 means that r grows on the way, as beside an observation: then far on.

Axes: values (time, band, pixel) float32, hidden (time, pixel), or (time, 0) where nothing is; median (band, pixel) float32.
No result depends on the pixels beside it: the steps taken together are the same for all, and whoever is not done goes on alone.
"""

from __future__ import annotations

import numba
import numpy as np

from odse.series._lanes import LANES, exchange

SIDE = 128
"""Pixels whose steps are taken together: more would wait longer for the slowest, fewer would fill no vectors."""
TOGETHER = 12
"""Steps taken together; pixels that need more go on alone."""
MOST = 200
"""Steps after which a pixel is taken as it is."""
TINY = np.float32(1e-12)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def see(values, hidden, t, start, width, good):  # type: ignore[no-untyped-def]
    """1 where an observation is used, else 0; and whether any is."""
    good[:] = 0
    good[:width] = 1
    if hidden.shape[1]:
        for i in range(width):
            good[i] = np.float32(0) if hidden[t, start + i] else np.float32(1)
    for b in range(values.shape[1]):
        source = values[t, b, start : start + width]
        for i in range(width):
            v, kept = source[i], good[i]
            good[i] = kept if np.float32(v - v) == 0 else np.float32(0)  # neither NaN nor infinite
    most = np.float32(0)
    for i in range(good.shape[0]):
        most = max(most, good[i])
    return most > 0


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def medians(values, hidden, tolerance, median, count):  # type: ignore[no-untyped-def]
    """values (time, band, pixel), hidden (time, pixel) or (time, 0) -> median (band, pixel), count (pixel)."""
    times, bands, pixels = values.shape
    x, good = np.empty((times, bands, SIDE), np.float32), np.empty((times, SIDE), np.float32)
    state, work = np.zeros((4, bands, SIDE), np.float32), np.zeros((8, SIDE), np.float32)
    y, rest, before, step = state[0], state[1], state[2], state[3]
    n, busy, total, weight, heavy = work[0], work[1], work[2], work[3], work[4]
    along, change, size = work[5], work[6], work[7]
    zero, one = np.float32(0), np.float32(1)
    enough = np.float32(tolerance * tolerance)
    for start in range(0, pixels, SIDE):
        width = min(SIDE, pixels - start)
        state[:] = 0
        n[:] = 0
        rows = 0
        for t in range(times):
            used = good[rows]
            if not see(values, hidden, t, start, width, used):
                continue  # a date that is clouded here costs nothing
            for i in range(SIDE):
                n[i] += used[i]
            for b in range(bands):
                source, row, sum_ = values[t, b, start : start + width], x[rows, b], y[b]
                row[:] = 0
                for i in range(width):
                    v = source[i]
                    row[i] = v if used[i] > 0 else zero
                for i in range(SIDE):
                    sum_[i] += row[i]
            rows += 1
        for b in range(bands):
            sum_ = y[b]
            for i in range(SIDE):
                sum_[i] = sum_[i] / max(n[i], one)
        for i in range(SIDE):
            busy[i] = one if n[i] > 2 else zero  # of one and of two observations it is the mean
        steps = 0
        more = one if rows else zero
        while more > 0 and steps < TOGETHER:
            total[:] = 0
            rest[:] = 0
            heavy[:] = 0
            for t in range(rows):
                used = good[t]
                weight[:] = TINY
                for b in range(bands):
                    here, row = y[b], x[t, b]
                    for i in range(SIDE):
                        a = row[i] - here[i]
                        weight[i] += a * a
                for i in range(SIDE):
                    w = used[i] / np.sqrt(weight[i])
                    heavy[i] = max(heavy[i], w)
                    weight[i] = w
                    total[i] += w
                for b in range(bands):
                    here, row, sum_ = y[b], x[t, b], rest[b]
                    for i in range(SIDE):
                        sum_[i] += weight[i] * (row[i] - here[i])
            along[:] = 0
            change[:] = TINY * TINY
            for b in range(bands):
                sum_, last = rest[b], before[b]
                for i in range(SIDE):
                    r = sum_[i] / max(total[i], TINY)
                    sum_[i] = r
                    along[i] += r * (r - last[i])
                    change[i] += (r - last[i]) * (r - last[i])
            apply = zero if steps == 0 else one
            for i in range(SIDE):
                share = along[i] / change[i]
                along[i] = apply * (max(share, np.float32(-10)) if share < one else np.float32(-2))
            size[:] = 0
            change[:] = 0
            for b in range(bands):
                sum_, last, moved, here = rest[b], before[b], step[b], y[b]
                for i in range(SIDE):
                    r = sum_[i]
                    move = (r - along[i] * (moved[i] + r - last[i])) * busy[i]
                    moved[i] = move
                    last[i] = r
                    here[i] += move
                    size[i] += move * move
                    change[i] += r * r
            steps += 1
            more = zero
            for i in range(SIDE):
                # Beside an observation, which then has most of the weight, a small step says nothing: such pixels stay.
                open_ = busy[i]
                open_ = open_ if (max(size[i], change[i]) > enough) | (heavy[i] + heavy[i] > total[i]) else zero
                busy[i] = open_
                more = max(more, open_)
        for i in range(width):
            if busy[i] > 0:
                alone(x, good, rows, i, y, enough)
            count[start + i] = np.uint16(n[i])
        for b in range(bands):
            out, here = median[b, start : start + width], y[b]
            for i in range(width):
                v = here[i]
                out[i] = v if n[i] > 0 else np.float32(np.nan)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def alone(x, good, rows, i, y, enough):  # type: ignore[no-untyped-def]
    """Steps of one pixel i on, in doubles, with the test whether the nearest observation is the median itself."""
    bands = y.shape[0]
    here, rest, move, last = np.zeros(bands), np.zeros(bands), np.zeros(bands), np.zeros(bands)
    for b in range(bands):
        here[b] = y[b, i]
    refuted = -1
    fresh = True
    for k in range(MOST):
        total, nearest, far = 0.0, -1, np.inf
        rest[:] = 0
        for t in range(rows):
            if good[t, i] > 0:
                d = 0.0
                for b in range(bands):
                    d += (x[t, b, i] - here[b]) ** 2
                if d < far:
                    nearest, far = t, d
                w = 1 / np.sqrt(max(d, 1e-24))
                total += w
                for b in range(bands):
                    rest[b] += w * (x[t, b, i] - here[b])
        own = 1 / np.sqrt(max(far, 1e-24))
        beside, others = 2 * own > total, max(total - own, 1e-12 * total)
        if nearest != refuted and (beside or k % 8 == 0):
            # Vardi and Zhang: an observation is the median if the others pull on it with no more than its own weight.
            pulled, own = 0.0, 0.0
            rest[:] = 0
            for t in range(rows):
                if good[t, i] > 0:
                    d = 0.0
                    for b in range(bands):
                        d += (x[t, b, i] - x[nearest, b, i]) ** 2
                    if d > 0:
                        pulled += 1 / np.sqrt(d)
                        for b in range(bands):
                            rest[b] += (x[t, b, i] - x[nearest, b, i]) / np.sqrt(d)
                    else:
                        own += 1
            pull = 0.0
            for b in range(bands):
                pull += rest[b] ** 2
            pull = np.sqrt(pull)
            refuted = nearest
            if pull <= own or far < enough:
                # There it is; or it is left in the direction in which the sum of distances falls.
                go = 0.0 if pull <= own else (1 - own / pull) / pulled
                for b in range(bands):
                    here[b] = x[nearest, b, i] + go * rest[b]
                fresh = True
                if pull <= own:
                    break
                continue
            rest[:] = 0  # the step that was begun, from its start
            for t in range(rows):
                if good[t, i] > 0:
                    d = 0.0
                    for b in range(bands):
                        d += (x[t, b, i] - here[b]) ** 2
                    for b in range(bands):
                        rest[b] += (x[t, b, i] - here[b]) / np.sqrt(max(d, 1e-24))
        size, left, along, change = 0.0, 0.0, 0.0, 1e-300
        for b in range(bands):
            rest[b] /= total
            along += rest[b] * (rest[b] - last[b])
            change += (rest[b] - last[b]) ** 2
        along = 0.0 if fresh else max(along / change, -1e4) if along < change else -2.0
        for b in range(bands):
            move[b] = rest[b] - along * (move[b] + rest[b] - last[b])
            last[b] = rest[b]
            here[b] += move[b]
            size += move[b] ** 2
            left += rest[b] ** 2
        # Beside an observation steps are short by the share of all others in the weight.
        if not fresh and max(size, left) <= enough * (others / total) ** 2:
            break
        fresh = False
    for b in range(bands):
        y[b, i] = here[b]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def middle_of(lane, n, pairs, half, lower, upper, target):  # type: ignore[no-untyped-def]
    """Medians of the first n values in order of every column of (row, LANES); sorts it."""
    for p in range(pairs.shape[0]):
        exchange(lane[pairs[p, 0]], lane[pairs[p, 1]])
    for r in range(half):
        row, place = lane[r], np.uint16(2 * r)
        for i in range(LANES):  # of m values, the two in the middle are at (m - 1) // 2 and m // 2
            m, v, low, high = n[i], row[i], lower[i], upper[i]
            lower[i] = v if (m == np.uint16(place + 1)) | (m == np.uint16(place + 2)) else low
            upper[i] = v if (m == place) | (m == np.uint16(place + 1)) else high
    for i in range(target.shape[0]):
        v = np.float32(0.5) * (lower[i] + upper[i])
        target[i] = v if n[i] > 0 else np.float32(np.nan)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def deviations(values, hidden, median, count, pairs, distances):  # type: ignore[no-untyped-def]
    """values (time, band, pixel), median (band, pixel) -> distances (3, pixel): Euclidean, cosine, Bray-Curtis."""
    times, bands, pixels = values.shape
    lanes, n = np.empty((3, times, LANES), np.float32), np.zeros(LANES, np.uint16)
    work = np.zeros((6, LANES), np.float32)
    euclid, cosine, curtis = lanes[0], lanes[1], lanes[2]
    good, length, own, below, lower, upper = work[0], work[1], work[2], work[3], work[4], work[5]
    last, tiny = np.float32(np.inf), np.float32(1e-30)
    half = times // 2 + 1
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        n[:] = 0
        n[:width] = count[start : start + width]
        own[:] = tiny
        for b in range(bands):
            middle = median[b, start : start + width]
            for i in range(width):
                own[i] += middle[i] * middle[i]
        for i in range(LANES):
            own[i] = np.float32(1) / np.sqrt(own[i])
        for t in range(times):
            see(values, hidden, t, start, width, good)
            e, c, d = euclid[t], cosine[t], curtis[t]
            lanes[:, t] = 0
            length[:] = tiny
            below[:] = tiny
            for b in range(bands):
                source, middle = values[t, b, start : start + width], median[b, start : start + width]
                for i in range(width):
                    v, m = source[i], middle[i]
                    e[i] += (v - m) * (v - m)
                    d[i] += abs(v - m)
                    below[i] += abs(v + m)
                    length[i] += v * v
            for i in range(LANES):
                length[i] = np.float32(1) / np.sqrt(length[i])
            for b in range(bands):
                source, middle = values[t, b, start : start + width], median[b, start : start + width]
                for i in range(width):  # 1 - cosine as half the squared distance of the directions: nothing cancels
                    apart = source[i] * length[i] - middle[i] * own[i]
                    c[i] += np.float32(0.5) * apart * apart
            for i in range(LANES):
                used, a, b_, c_ = good[i] > 0, np.sqrt(e[i]), c[i], d[i] / below[i]
                e[i], c[i], d[i] = a if used else last, b_ if used else last, c_ if used else last
        middle_of(euclid, n, pairs, half, lower, upper, distances[0, start : start + width])
        middle_of(cosine, n, pairs, half, lower, upper, distances[1, start : start + width])
        middle_of(curtis, n, pairs, half, lower, upper, distances[2, start : start + width])
