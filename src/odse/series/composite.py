"""Percentile composites of clear observations, exact on integers, masking and range check fused into the kernel.

Percentiles are of the definition ``linear``: n valid values in order x0..x(n-1), k = (n - 1) q, value (1 - f) x[floor k] + f
x[ceil k] with f = k - floor k. On integers this is a rational, rounded half up once, so every backend gives equal bits.
The kernel sorts rows of contiguous pixels with Batcher's odd-even merge network (Batcher 1968, doi 10.1145/1468075.1468121):
no branches, only minima and maxima over lanes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError

LANES = 256
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CompositeResult:
    """Percentiles (statistic, y, x) uint16, 0 where no value is valid, and the number of valid values (y, x)."""

    percentiles: npt.NDArray[np.uint16]
    count: npt.NDArray[np.uint8]


def composite(
    values: Any,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] = (25, 50, 75),
    valid: tuple[int, int] = (1, 40000),
) -> Any:
    """Percentiles over time of one band.

    ``values`` (time, y, x) uint16 and ``quality`` (time, y, x) uint8 codes; ``keep`` (256,) says which codes are used
    (:func:`odse.quality.glad_mask`); ``valid`` is the range of values that are data, both ends included. Arrays in,
    CompositeResult out; xarray DataArrays in, a Dataset with ``percentile`` (statistic, y, x) and ``count`` out. Pure.
    Raises SeriesError for arrays that do not fit.

    >>> import numpy as np
    >>> stack = np.array([10, 20, 40], dtype=np.uint16).reshape(3, 1, 1)
    >>> clear = np.ones((3, 1, 1), dtype=np.uint8)
    >>> keep = np.zeros(256, dtype=np.uint8); keep[1] = 1
    >>> composite(stack, clear, keep=keep).percentiles.ravel().tolist()
    [15, 20, 30]
    """
    if isinstance(values, xr.DataArray):
        plain = composite(
            values.transpose("time", "y", "x").to_numpy(),
            xr.DataArray(quality).transpose("time", "y", "x").to_numpy(),
            keep=keep,
            percentiles=percentiles,
            valid=valid,
        )
        coords = {name: values.coords[name] for name in ("y", "x") if name in values.coords}
        return xr.Dataset(
            {"percentile": (("statistic", "y", "x"), plain.percentiles), "count": (("y", "x"), plain.count)},
            coords={**coords, "statistic": [f"p{p}" for p in percentiles]},
        )
    result, count = composite_bands(values[None], quality, keep=keep, percentiles=percentiles, valid=[valid])
    return CompositeResult(result[0], count[0])


def composite_bands(
    values: Array,
    quality: Array,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] = (25, 50, 75),
    valid: Sequence[tuple[int, int]],
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Percentiles over time of bands that share one quality.

    ``values`` (band, time, y, x) uint16, ``quality`` (time, y, x) uint8, ``valid`` one range a band. Gives percentiles
    (band, statistic, y, x) uint16 with 0 for no-data, and counts (band, y, x) uint8, saturating at 254. Pure.
    """
    _check(values, quality, percentiles, valid)
    bands, times, height, width = values.shape
    result = np.zeros((bands, len(percentiles), height * width), dtype=np.uint16)
    count = np.zeros((bands, height * width), dtype=np.uint8)
    if times:
        flat_quality = np.ascontiguousarray(quality, dtype=np.uint8).reshape(times, -1)
        if keep[32:].any():
            flat_quality, keep = keep[flat_quality], np.array([0, 1], dtype=np.uint8)
        mask = np.uint32(sum(1 << code for code in np.flatnonzero(keep)))
        k = np.maximum(np.arange(times + 1) - 1, 0) * np.asarray(percentiles, dtype=np.int64)[:, None]
        at, part, pairs = k // 100, (k % 100).astype(np.uint32), _network(times)
        for band in range(bands):
            stack = np.ascontiguousarray(values[band], dtype=np.uint16).reshape(times, -1)
            low, high = valid[band]
            _percentiles(
                stack, flat_quality, mask, at, part, pairs, np.uint16(low), np.uint16(high), result[band], count[band]
            )
    return result.reshape(bands, len(percentiles), height, width), count.reshape(bands, height, width)


def _check(values: Array, quality: Array, percentiles: Sequence[int], valid: Sequence[tuple[int, int]]) -> None:
    if values.dtype != np.uint16:
        raise SeriesError.sentence("composite", "the values", "their type", values.dtype, "give uint16")
    if values.shape[1:] != quality.shape:
        raise SeriesError.sentence(
            "composite",
            "the values",
            "the shape of their quality",
            f"{quality.shape}, not {values.shape[1:]}",
            "give one code for every value",
        )
    if not percentiles or not all(0 <= p <= 100 for p in percentiles):
        raise SeriesError.sentence(
            "composite", "the values", "a percentile", list(percentiles), "give numbers 0 to 100"
        )
    if len(valid) != len(values):
        raise SeriesError.sentence("composite", "the values", "the number of ranges", len(valid), "give one a band")
    if values.shape[1] > 254:
        raise SeriesError.sentence(
            "composite", "the values", "the number of dates", values.shape[1], "give at most 254"
        )


@lru_cache(maxsize=64)
def _network(n: int) -> npt.NDArray[np.int64]:
    """Compare-exchange pairs that sort n rows: Batcher's network for the next power of two without its idle wires."""
    size = 1
    while size < n:
        size *= 2
    pairs = []
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                for i in range(min(k, size - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p) and i + j + k < n:
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")
def _exchange(upper, lower):  # type: ignore[no-untyped-def]
    """Smaller values up, larger ones down: two rows of LANES values. The fixed length lets the compiler use vectors."""
    for i in range(LANES):
        a, b = upper[i], lower[i]
        upper[i] = a if a < b else b
        lower[i] = b if a < b else a


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _percentiles(values, quality, mask, at, part, pairs, low, high, result, count):  # type: ignore[no-untyped-def]
    """values, quality (time, pixel) -> result (statistic, pixel), count (pixel); in lanes of LANES pixels.

    ``mask`` has a bit for every code (below 32) that is used. ``at`` and ``part`` (statistic, n) say, for n valid values,
    which two neighbours in order make the percentile, and how many hundredths lie with the upper one.
    """
    times, pixels = values.shape
    lane = np.empty((times + 1, LANES), dtype=np.uint16)  # one row more: the last value has no upper neighbour
    n = np.empty(LANES, dtype=np.uint8)
    last = np.uint16(65535)
    one, top = np.uint32(1), np.uint32(31)
    for start in range(0, pixels, LANES):
        width = min(LANES, pixels - start)
        n[:] = 0
        for t in range(times):
            row_values, row_quality, row = values[t, start : start + width], quality[t, start : start + width], lane[t]
            for i in range(width):
                v, code = row_values[i], np.uint32(row_quality[i])
                used = ((mask >> (code & top)) & one) & np.uint32(code <= top)
                good = (used != 0) & (v >= low) & (v <= high)
                row[i] = v if good else last
                n[i] += np.uint8(good)
        for p in range(pairs.shape[0]):
            _exchange(lane[pairs[p, 0]], lane[pairs[p, 1]])
        for i in range(width):
            count[start + i] = n[i]
        for s in range(at.shape[0]):
            row_at, row_part, row_result = at[s], part[s], result[s, start : start + width]
            for i in range(width):
                m = n[i]
                f, k = row_part[m], row_at[m]
                x0, x1 = np.uint32(lane[k, i]), np.uint32(lane[k + 1, i])
                exact = ((np.uint32(100) - f) * x0 + f * x1 + np.uint32(50)) // np.uint32(100)
                row_result[i] = np.uint16(exact) if m != 0 else np.uint16(0)


def support(
    quality: Array,
    days_from_middle: npt.NDArray[np.int16],
    *,
    keep: npt.NDArray[np.uint8],
    unreadable: npt.NDArray[np.bool_] | None = None,
) -> dict[str, npt.NDArray[np.uint8]]:
    """What a composite rests on, per pixel: ``clear`` observations used, ``seen`` (code other than no-data), ``unreadable``
    files, ``days_to_clear`` between the period's middle and the nearest clear one (255: none; 254 or more: 254).

    ``quality`` (time, y, x), ``days_from_middle`` (time,). All results (y, x) uint8. Pure.
    """
    good = keep[quality] != 0
    days = np.minimum(np.abs(days_from_middle.astype(np.int32)), 254).astype(np.uint8)
    nearest = np.where(good, days[:, None, None], 255).min(axis=0, initial=255).astype(np.uint8)
    broken = np.zeros(quality.shape[1:], np.uint8) if unreadable is None else unreadable.sum(axis=0).astype(np.uint8)
    return {
        "clear": good.sum(axis=0).astype(np.uint8),
        "seen": (quality != 0).sum(axis=0).astype(np.uint8),
        "unreadable": broken,
        "days_to_clear": nearest,
    }
