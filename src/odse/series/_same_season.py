"""The median of the same season in all years: what a climatology would say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from odse.cube import Flag
from odse.series._filled import Closer, Floats, Method


@dataclass(frozen=True)
class SameSeason:
    """Median of the same season in all years. Weight: the share of the other years that have it, in percent. A gap
    whose season no year has stays.
    """

    @property
    def method(self) -> Method:
        return "same-season"

    @property
    def work(self) -> Any:
        return np.float64

    @property
    def flag(self) -> Flag:
        return Flag.FILLED_SEASON

    def closer(self, times: int, seasons_per_year: int, sample: Callable[[], tuple[Floats, Floats]]) -> Closer:
        def close(x: Floats, v: Floats, out: Floats, weight: Floats) -> None:
            _medians(x, v, seasons_per_year, out, weight)

        return close


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _medians(x, v, seasons, out, weight):  # type: ignore[no-untyped-def]
    times, pixels = x.shape
    held = np.empty(times // seasons + 1, dtype=x.dtype)
    for s in range(min(seasons, times)):
        years = (times - s + seasons - 1) // seasons
        for i in range(pixels):
            n = 0
            for year in range(years):
                t = s + year * seasons
                if v[t, i] != 0:
                    one, k = x[t, i], n
                    while k > 0 and held[k - 1] > one:
                        held[k] = held[k - 1]
                        k -= 1
                    held[k] = one
                    n += 1
            if n == years:
                continue
            middle = (held[(n - 1) // 2] + held[n // 2]) / 2 if n > 0 else 0.0
            share = 100.0 * n / max(years - 1, 1) if n > 0 else -1.0
            for year in range(years):
                out[s + year * seasons, i], weight[s + year * seasons, i] = middle, share
