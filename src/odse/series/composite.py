"""Percentile composites of clear observations, exact on integers, masking and range check fused into the kernel.

Percentiles are of the definition ``linear``: n valid values in order x0..x(n-1), k = (n - 1) q, value (1 - f) x[floor k] + f
x[ceil k] with f = k - floor k. On integers this is a rational, rounded half up once, so every backend gives equal bits.
The kernel sorts rows of contiguous pixels without branches (:mod:`odse.series._lanes`); all percentiles come from one sort.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError
from odse.series._lanes import LANES, exchange, network

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class CompositeResult:
    """Percentiles (statistic, y, x) uint16, 0 where no value is valid, and the number of valid values (y, x)."""

    percentiles: npt.NDArray[np.uint16]
    count: npt.NDArray[np.uint8]


@overload
def composite(
    values: xr.DataArray,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] = ...,
    valid: tuple[int, int] = ...,
) -> xr.Dataset: ...


@overload
def composite(
    values: Array,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] = ...,
    valid: tuple[int, int] = ...,
) -> CompositeResult: ...


def composite(
    values: Any,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] = (25, 50, 75),
    valid: tuple[int, int] = (1, 40000),
) -> xr.Dataset | CompositeResult:
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
    (band, statistic, y, x) uint16 with 0 for no-data, and counts (band, y, x) uint8. Pure.
    Raises SeriesError for arrays that do not fit, percentiles that are not whole numbers 0 to 100, and more than 254 dates.
    """
    _check(values, quality, keep, percentiles, valid)
    bands, times, height, width = values.shape
    result = np.zeros((bands, len(percentiles), height * width), dtype=np.uint16)
    count = np.zeros((bands, height * width), dtype=np.uint8)
    if times:
        flat_quality = np.ascontiguousarray(quality).reshape(times, -1)
        if keep[32:].any():  # the kernel holds the codes in 32 bits
            flat_quality, keep = (keep != 0).astype(np.uint8)[flat_quality], np.array([0, 1], dtype=np.uint8)
        mask = np.uint32(sum(1 << int(code) for code in np.flatnonzero(keep)))
        wanted = min((times - 1) * max(percentiles) // 100 + 2, times)
        _percentiles(
            np.ascontiguousarray(values).reshape(bands, times, -1),
            flat_quality,
            mask,
            np.array(percentiles, dtype=np.int64),
            network(times, wanted),
            np.array([low for low, _ in valid], dtype=np.uint16),
            np.array([high for _, high in valid], dtype=np.uint16),
            result,
            count,
        )
    return result.reshape(bands, len(percentiles), height, width), count.reshape(bands, height, width)


def _check(
    values: Array,
    quality: Array,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int],
    valid: Sequence[tuple[int, int]],
) -> None:
    def refuse(what: str, value: object, remedy: str) -> SeriesError:
        return SeriesError.sentence("composite", "the values", what, value, remedy)

    if values.dtype != np.uint16:
        raise refuse("their type", values.dtype, "give uint16")
    if quality.dtype != np.uint8:
        raise refuse("the type of their quality", quality.dtype, "give codes as uint8")
    if values.ndim != 4 or values.shape[1:] != quality.shape:
        raise refuse(
            "the shape of their quality",
            f"{quality.shape}, not {values.shape[1:]}",
            "give one code for every value (time, y, x)",
        )
    if keep.shape != (256,):
        raise refuse("the shape of keep", keep.shape, "give one entry for each of 256 codes")
    if not percentiles or not all(0 <= p <= 100 and p == int(p) for p in percentiles):
        raise refuse("a percentile", list(percentiles), "give whole numbers 0 to 100")
    if len(valid) != len(values):
        raise refuse("the number of ranges", len(valid), "give one a band")
    if not all(0 <= low <= high <= 65535 for low, high in valid):
        raise refuse("a range of valid values", list(valid), "give (least, greatest) within 0 to 65535")
    if values.shape[1] > 254:
        raise refuse("the number of dates", values.shape[1], "give at most 254")


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _percentiles(values, quality, mask, percentiles, pairs, lows, highs, result, count):  # type: ignore[no-untyped-def]
    """values (band, time, pixel), quality (time, pixel) -> result (band, statistic, pixel), count (band, pixel).

    ``mask`` has a bit for every code (below 32) that is used. Every loop over pixels is one that the compiler turns into vectors:
    no branch, no table, no division of wide integers.
    """
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
            for i in range(width):
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
