"""Least squares over the whole series: mean, a wave a year, trend, and the wave's overtone, as far as the dates carry
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from odse.cube import Flag
from odse.series._filled import Closer, Floats, Method, refuse

SAME = 1e-3
"""A term of which less than this share is not told by the terms before it, on the dates that are known, is left out."""


@dataclass(frozen=True)
class Harmonic:
    """Least squares. A term needs ``dates_per_term`` observed dates; where there are too few, or where they cannot
    tell terms apart (all of one season, say), the fit falls back: without overtone, without trend, without wave, to
    the mean.

    Values are held within the smallest and largest observation of the series. Weight: 100 / (1 + h), with h the
    variance of the fitted value in units of the variance of an observation. Raises SeriesError for less than one date
    a term.
    """

    dates_per_term: float = 2.0

    @property
    def method(self) -> Method:
        return "harmonic"

    @property
    def work(self) -> Any:
        return np.float64

    @property
    def flag(self) -> Flag:
        return Flag.FILLED_ALL

    def __post_init__(self) -> None:
        if not self.dates_per_term >= 1:
            raise refuse("dates_per_term", self.dates_per_term, "give at least 1")

    def closer(self, times: int, seasons_per_year: int, sample: Callable[[], tuple[Floats, Floats]]) -> Closer:
        terms, ladder = design(times, seasons_per_year)

        def close(x: Floats, v: Floats, out: Floats, weight: Floats) -> None:
            _fit(x, v, terms, ladder, self.dates_per_term, out, weight)

        return close


def design(times: int, seasons_per_year: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Terms (time, term), and how many of them the possible fits have, ascending. Pure.

    Waves that the seasons cannot show are absent: of a quarterly series the overtone has no sine.

    >>> terms, ladder = design(24, 4)
    >>> terms.shape, ladder.tolist()
    ((24, 5), [1, 3, 4, 5])
    """
    when = np.arange(times)
    columns: list[npt.NDArray[np.float64]] = [np.ones(times)]
    ladder = [1]

    def wave(overtone: int) -> None:
        if 2 * overtone > seasons_per_year:
            return
        angle = 2 * np.pi * overtone * when / seasons_per_year
        columns.append(np.asarray(np.cos(angle), dtype=np.float64))
        if 2 * overtone < seasons_per_year:
            columns.append(np.asarray(np.sin(angle), dtype=np.float64))
        ladder.append(len(columns))

    wave(1)
    columns.append(np.asarray((when - (times - 1) / 2) / max(times / 2, 1), dtype=np.float64))
    ladder.append(len(columns))
    wave(2)
    return np.stack(columns, axis=1), np.array(ladder, dtype=np.int64)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _fit(x, v, terms, ladder, dates_per_term, out, weight):  # type: ignore[no-untyped-def]
    """x, v, out, weight (time, pixel). The triangle of the normal equations serves all shorter fits too."""
    times, pixels = x.shape
    most = terms.shape[1]
    low, right = np.empty((most, most)), np.empty(most)
    solved, part = np.empty(most), np.empty(most)
    for i in range(pixels):
        n = 0
        least, greatest = np.inf, -np.inf
        low[:], right[:] = 0, 0
        for t in range(times):
            if v[t, i] != 0:
                n += 1
                one = x[t, i]
                least, greatest = min(least, one), max(greatest, one)
                for a in range(most):
                    right[a] += terms[t, a] * one
                    for b in range(a + 1):
                        low[a, b] += terms[t, a] * terms[t, b]
        if n == times:
            continue
        if n == 0:
            weight[:, i] = -1
            continue
        good = 0
        for a in range(most):
            own = low[a, a]
            for b in range(a):
                for c in range(b):
                    low[a, b] -= low[a, c] * low[b, c]
                low[a, b] /= low[b, b]
                low[a, a] -= low[a, b] * low[a, b]
            if low[a, a] <= SAME * own:
                break
            low[a, a] = np.sqrt(low[a, a])
            good += 1
        used = 1
        for k in range(ladder.shape[0]):
            if ladder[k] <= good and n >= dates_per_term * ladder[k]:
                used = ladder[k]
        for a in range(used):
            one = right[a]
            for b in range(a):
                one -= low[a, b] * solved[b]
            solved[a] = one / low[a, a]
        for t in range(times):
            if v[t, i] == 0:
                value, spread = 0.0, 0.0
                for a in range(used):
                    one = terms[t, a]
                    for b in range(a):
                        one -= low[a, b] * part[b]
                    part[a] = one / low[a, a]
                    value += part[a] * solved[a]
                    spread += part[a] * part[a]
                out[t, i] = min(max(value, least), greatest)
                weight[t, i] = 100.0 / (1.0 + spread)
