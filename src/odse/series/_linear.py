"""Straight lines in time between the neighbouring observations; before the first and after the last one their value
is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from odse.cube import Flag
from odse.series._filled import Closer, Floats, Method


@dataclass(frozen=True)
class Linear:
    """Linear in time. Weight: 100 / (1 + d), with d the number of dates to the nearest observation."""

    @property
    def method(self) -> Method:
        return "linear"

    @property
    def work(self) -> Any:
        return np.float64

    @property
    def flag(self) -> Flag:
        return Flag.FILLED_NEIGHBOUR

    def closer(self, times: int, seasons_per_year: int, sample: Callable[[], tuple[Floats, Floats]]) -> Closer:
        def close(x: Floats, v: Floats, out: Floats, weight: Floats) -> None:
            _lines(x, v, out, weight)

        return close


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _lines(x, v, out, weight):  # type: ignore[no-untyped-def]
    """Once forwards to carry the last known value, once backwards with the next one. All (time, pixel)."""
    times, pixels = x.shape
    value, since = np.zeros(pixels, dtype=x.dtype), np.full(pixels, np.inf)
    for t in range(times):
        for i in range(pixels):
            known = v[t, i] != 0
            value[i] = x[t, i] if known else value[i]
            since[i] = 0.0 if known else since[i] + 1.0
            out[t, i], weight[t, i] = value[i], since[i]
    value[:], since[:] = 0, np.inf
    for back in range(times):
        t = times - 1 - back
        for i in range(pixels):
            known = v[t, i] != 0
            value[i] = x[t, i] if known else value[i]
            since[i] = 0.0 if known else since[i] + 1.0
            a, b, past, future = out[t, i], value[i], weight[t, i], since[i]
            middle = (a * future + b * past) / max(past + future, 1.0)
            out[t, i] = middle if past + future < np.inf else a if past < np.inf else b
            near = min(past, future)
            weight[t, i] = 100.0 / (1.0 + near) if near < np.inf else -1.0
