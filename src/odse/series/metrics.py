"""Spectral-temporal metrics: what the clear observations of a band and period look like, in a few numbers a pixel.

With the n valid values in order x[0]..x[n-1]:

============ ======= ========================================================================== =======
metric       type    value                                                                      least n
============ ======= ========================================================================== =======
``count``    uint8   n                                                                          0
``min``      uint16  x[0]                                                                       1
``max``      uint16  x[n-1]                                                                     1
``range``    uint16  x[n-1] - x[0]                                                              1
``mean``     uint16  sum / n                                                                    1
``iqr``      uint16  p75 - p25                                                                  1
``p5``...    uint16  any percentile p0 to p100, of the definition ``linear``                    1
``sd``       float32 square root of the sum of squared deviations / (n - 1)                     2
``skewness`` float32 g1 = m3 / m2 ** 1.5, m the moments about the mean / n                      3
============ ======= ========================================================================== =======

Whole numbers are rationals rounded half up once; ``iqr`` is rounded once too, so it may differ by one from the difference of two
rounded percentiles. Sums are of whole numbers, so nothing is lost before the division and the order of dates does not matter. With
fewer values: no-data, which is the count of 0 beside numbers (a range of 0 is a value), NaN for ``sd`` and ``skewness``.
``skewness`` is NaN also where all values are equal. One sort serves them all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, overload

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError
from odse.series._inputs import check_composite, coded
from odse.series._lanes import LANES, network
from odse.series._percentiles import see, sort, take

Array = npt.NDArray[Any]
METRICS = ("count", "min", "max", "range", "mean", "sd", "iqr")
"""What is made unless told otherwise."""
_RANKED = {"min": (0, 0), "max": (100, 0), "range": (100, 1), "iqr": (75, 26)}
"""Metric: (percentile, 1 + percentile that is taken from it, 0 for none)."""


@overload
def metrics(
    values: xr.DataArray,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    valid: tuple[int, int] = ...,
    wanted: Sequence[str] = ...,
) -> xr.Dataset: ...


@overload
def metrics(
    values: Array,
    quality: Array,
    *,
    keep: npt.NDArray[np.uint8],
    valid: tuple[int, int] = ...,
    wanted: Sequence[str] = ...,
) -> dict[str, Array]: ...


def metrics(
    values: Any,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    valid: tuple[int, int] = (1, 40000),
    wanted: Sequence[str] = METRICS,
) -> xr.Dataset | dict[str, Array]:
    """Metrics over time of one band.

    ``values`` (time, y, x) uint16, ``quality``, ``keep`` and ``valid`` as in :func:`odse.series.composite.composite`; ``wanted``
    names of the module's table. Arrays in, a dictionary of arrays (y, x) out; DataArrays in, a Dataset out. Pure. Raises
    SeriesError for what does not fit.

    >>> stack = np.array([10, 20, 40], dtype=np.uint16).reshape(3, 1, 1)
    >>> keep = np.ones(256, dtype=np.uint8)
    >>> made = metrics(stack, np.ones((3, 1, 1), np.uint8), keep=keep, wanted=["mean", "sd", "iqr", "p10"])
    >>> {name: round(array.item(), 2) for name, array in made.items()}
    {'mean': 23, 'sd': 15.28, 'iqr': 15, 'p10': 12}
    """
    if isinstance(values, xr.DataArray):
        codes = xr.DataArray(quality).transpose("time", "y", "x").to_numpy()
        plain = metrics(values.transpose("time", "y", "x").to_numpy(), codes, keep=keep, valid=valid, wanted=wanted)
        coords = {name: values.coords[name] for name in ("y", "x") if name in values.coords}
        return xr.Dataset({name: (("y", "x"), array) for name, array in plain.items()}, coords=coords)
    check_composite(values[None], quality, keep, None, [valid])
    ranked = [_places(name) for name in dict.fromkeys(wanted) if name not in ("count", "mean", "sd", "skewness")]
    times, height, width = values.shape
    pixels = height * width
    whole = np.zeros((len(ranked), pixels), dtype=np.uint16)
    count, mean = np.zeros(pixels, dtype=np.uint8), np.zeros(pixels, dtype=np.uint16)
    spread = np.full((2, pixels), np.nan, dtype=np.float32)
    if times and pixels:
        codes, mask = coded(quality, keep)
        table = np.array(ranked, dtype=np.int64).reshape(-1, 2)
        pairs = network(times) if ranked else network(0)
        flat = np.ascontiguousarray(values).reshape(times, pixels)
        _metrics(flat, codes, mask, table, pairs, *valid, "skewness" in wanted, whole, count, mean, spread)
    made = {"count": count, "mean": mean, "sd": spread[0], "skewness": spread[1]}
    rows = iter(whole)
    return {name: (made[name] if name in made else next(rows)).reshape(height, width) for name in dict.fromkeys(wanted)}


def _places(name: str) -> tuple[int, int]:
    """(percentile, 1 + the percentile that is taken from it, or 0) of a metric that is read from the sorted values."""
    if name in _RANKED:
        return _RANKED[name]
    if re.fullmatch(r"p(\d|[1-9]\d|100)", name):
        return int(name[1:]), 0
    names = ", ".join((*METRICS, "skewness"))
    raise SeriesError.sentence(
        "measure", "the values", "the metric", repr(name), f"write one of {names}, or p0 to p100"
    )


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _metrics(values, quality, mask, table, pairs, low, high, skewed, whole, count, mean, spread):  # type: ignore[no-untyped-def]
    """values, quality (time, pixel) -> whole (metric, pixel), count, mean (pixel), spread (sd and skewness, pixel)."""
    times, pixels = values.shape
    lane, used, n = np.empty((times, LANES), np.uint16), np.zeros(LANES, np.uint8), np.zeros(LANES, np.uint8)
    sums, squares = np.zeros(LANES, np.uint32), np.zeros(LANES, np.float64)
    cubes = np.zeros(LANES, np.float64)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        n[:] = 0
        sums[:] = 0
        squares[:] = 0
        for t in range(times):
            see(quality[t, start : start + width], mask, used)
            source = values[t, start : start + width]
            take(source, used, low, high, lane[t], n)
            for i in range(width):
                v = source[i]
                v = v if (used[i] != 0) & (v >= low) & (v <= high) else np.uint16(0)
                sums[i] += np.uint32(v)
                squares[i] += np.float64(v) * np.float64(v)  # whole and below 2**53, as are all these: exact
        count[start : start + width] = n[:width]
        if skewed:
            cubes[:] = 0
            for t in range(times):
                source = values[t, start : start + width]
                see(quality[t, start : start + width], mask, used)
                for i in range(width):
                    v = source[i]
                    good = (used[i] != 0) & (v >= low) & (v <= high)
                    apart = np.float64(n[i]) * np.float64(v) - np.float64(sums[i])  # n times the deviation
                    cubes[i] += apart * apart * apart if good else 0.0
        for i in range(width):
            m, total = np.float64(n[i]), np.float64(sums[i])
            apart = max(m * squares[i] - total * total, 0.0)  # n times the sum of squared deviations
            mean[start + i] = np.uint16(np.int32((2.0 * total + m) / (2.0 * max(m, 1.0))))
            spread[0, start + i] = np.sqrt(apart / (m * (m - 1.0))) if m > 1 else np.nan
            spread[1, start + i] = cubes[i] / (m * apart * np.sqrt(apart)) if (m > 2) & (apart > 0) else np.nan
        if pairs.shape[0]:
            sort(lane, pairs)
        for s in range(table.shape[0]):
            for i in range(width):
                value = _hundredfold(lane, i, np.int64(n[i]), table[s, 0])
                if table[s, 1] > 0:
                    value -= _hundredfold(lane, i, np.int64(n[i]), table[s, 1] - 1)
                whole[s, start + i] = np.uint16((value + 50) // 100)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _hundredfold(lane, i, n, percentile):  # type: ignore[no-untyped-def]
    """100 times a percentile of the first n values of a sorted column: a whole number; 0 of none."""
    if n == 0:
        return np.int64(0)
    at = (n - 1) * percentile // 100
    part = (n - 1) * percentile - 100 * at
    upper = np.int64(lane[min(at + 1, n - 1), i])
    return (100 - part) * np.int64(lane[at, i]) + part * upper
