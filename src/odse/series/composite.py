"""Composites of clear observations over time, exact on integers, masking and range check fused into the kernel.

With the n valid values of a pixel in order x[0]..x[n-1], q the percentile / 100 and k = (n - 1) q:

=========== =============================================================== =========== ==================================
method      value                                                           least n     used by
=========== =============================================================== =========== ==================================
``linear``  (1 - f) x[floor k] + f x[ceil k], f = k - floor k               1           ODSE's Landsat layers, numpy, FORCE
``higher``  x[ceil k]                                                       1           ODSE's Sentinel-2 layers
``nearest`` x[round k], halves to the even rank                             3           odc-algo
``mean``    sum of w x / sum of w                                           1           the bimonthly ARD-2 layers
=========== =============================================================== =========== ==================================

A value that is no whole number is a rational, rounded half up once, so every backend gives equal bits.

**Weights** are whole numbers 0 to 255; 0 means: not used. ``linear`` with weights is the estimator of type 7 of Akinshin 2023
(arXiv:2304.07265): with S the sum of the weights, Q that of their squares, and x as a step function of the summed weight, each
x[i] as wide as its w[i], it is the mean of x over the window from q (S - Q/S) to q (S - Q/S) + Q/S. Q/S is the mean weight of an
observation, S²/Q their effective number (Kish). So equal weights, and weights 0 and 1, give the value without weights to the bit;
multiplying all weights by one number changes nothing; the value is continuous in the weights. A weight of 2 is *not* an observation
listed twice: that would claim a second, independent one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.series import _percentiles as kernels
from odse.series._inputs import Method, check_composite, coded, refusal, rows_needed
from odse.series._lanes import network
from odse.series.support import support

__all__ = ["CompositeResult", "clear_share", "composite", "composite_bands", "support"]

Array = npt.NDArray[Any]
Compat = Literal["eumap-2022", "eumap-2023", "ard2-bimonthly"]
Ranges = tuple[int, int] | Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class CompositeResult:
    """Percentiles (statistic, y, x) uint16, 0 where no value is valid, and the number of valid values (y, x).

    For ``method="mean"`` the one statistic is the mean. With ``compat`` of eumap the type is floating and no value is NaN.
    """

    percentiles: npt.NDArray[Any]
    count: npt.NDArray[np.uint8]


@overload
def composite(
    values: xr.DataArray | xr.Dataset,
    quality: Any = ...,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] | None = ...,
    valid: Ranges = ...,
    method: Method = ...,
    weights: Any = ...,
    compat: Compat | None = ...,
) -> xr.Dataset: ...


@overload
def composite(
    values: Array,
    quality: Any,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] | None = ...,
    valid: Ranges = ...,
    method: Method = ...,
    weights: Any = ...,
    compat: Compat | None = ...,
) -> CompositeResult: ...


def composite(
    values: Any,
    quality: Any = None,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] | None = None,
    valid: Ranges = (1, 40000),
    method: Method = "linear",
    weights: Any = None,
    compat: Compat | None = None,
) -> xr.Dataset | CompositeResult:
    """Percentiles over time, or their mean.

    ``values`` (time, y, x) uint16 and ``quality`` (time, y, x) uint8 codes; ``keep`` (256,) says which codes are used
    (:func:`odse.quality.glad_mask`); ``percentiles`` whole numbers, by default 25, 50, 75; ``valid`` is the range of values that are
    data, both ends included; ``method`` one of the module's table; ``weights`` uint8 (time,) or (time, y, x).

    Arrays in, CompositeResult out. DataArrays in, a Dataset with ``percentile`` (or ``mean``; statistic, y, x) and ``count`` out.
    A Cube in (``value`` (time, band, y, x) or one variable (time, y, x) a band, with ``quality`` and perhaps ``unreadable``
    (time,)), a Cube out: ``value`` (band, statistic, y, x), ``count`` and ``flag`` (band, y, x); ``valid`` may then be a mapping by
    band. ``compat`` imitates a program of the past, flaws included, and says so in a warning: ``eumap-2022`` and ``eumap-2023``
    (:mod:`odse.series._eumap`), ``ard2-bimonthly`` (means are cut, so that its bytes come out). Pure. Raises SeriesError for what
    does not fit.

    >>> import numpy as np
    >>> stack = np.array([10, 20, 40], dtype=np.uint16).reshape(3, 1, 1)
    >>> clear = np.ones((3, 1, 1), dtype=np.uint8)
    >>> keep = np.zeros(256, dtype=np.uint8); keep[1] = 1
    >>> composite(stack, clear, keep=keep).percentiles.ravel().tolist()
    [15, 20, 30]
    >>> light = np.array([255, 255, 51], dtype=np.uint8)
    >>> composite(stack, clear, keep=keep, weights=light, method="mean").percentiles.ravel().tolist()
    [17]
    """
    if isinstance(values, xr.Dataset | xr.DataArray):
        from odse.series._labelled import composite_labelled

        return composite_labelled(values, quality, keep=keep, percentiles=percentiles, valid=valid, method=method,
                                  weights=weights, compat=compat)  # fmt: skip
    if isinstance(valid, Mapping):
        raise refusal("a range of valid values", dict(valid), "give (least, greatest): one band has no name here")
    result, count = composite_any(
        values[None], quality, keep=keep, percentiles=percentiles, valid=[valid], method=method, weights=weights,
        compat=compat,
    )  # fmt: skip
    return CompositeResult(result[0], count[0])


def composite_bands(
    values: Array,
    quality: Array,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] | None = None,
    valid: Sequence[tuple[int, int]],
    method: Method = "linear",
    weights: Array | None = None,
    floors: bool = False,
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint8]]:
    """Percentiles over time of bands that share one quality.

    ``values`` (band, time, y, x) uint16, ``quality`` (time, y, x) uint8, ``valid`` one range a band; the rest as in
    :func:`composite`; ``floors`` cuts means instead of rounding them. Gives percentiles (band, statistic, y, x) uint16 with 0 for
    no-data, and counts (band, y, x) uint8. Pure. Raises SeriesError for arrays that do not fit, percentiles that are not whole
    numbers 0 to 100, and more than 254 dates.
    """
    wanted = check_composite(values, quality, keep, percentiles, valid, method, weights)
    bands, times, height, width = values.shape
    result = np.zeros((bands, len(wanted) if method != "mean" else 1, height * width), dtype=np.uint16)
    count = np.zeros((bands, height * width), dtype=np.uint8)
    if result.size and times:
        flat = np.ascontiguousarray(values).reshape(bands, times, -1)
        codes, mask = coded(quality, keep)
        lows = np.array([low for low, _ in valid], dtype=np.uint16)
        highs = np.array([high for _, high in valid], dtype=np.uint16)
        rest = (lows, highs, result, count)
        q = np.array(wanted, dtype=np.int64)
        heavy = np.ascontiguousarray(np.ones(times, np.uint8) if weights is None else weights).reshape(times, -1)
        if method == "mean":
            kernels.mean(flat, codes, heavy, mask, floors, *rest)
        elif weights is not None:
            kernels.weighted(flat, codes, heavy, mask, q, network(times), *rest)
        elif method == "linear":
            kernels.linear(flat, codes, mask, q, network(times, rows_needed(times, max(wanted))), *rest)
        else:
            table = np.stack([ranks(method, percentile) for percentile in wanted])
            kernels.ranked(flat, codes, mask, table, network(times, rows_needed(times, max(wanted))), *rest)
    return result.reshape(bands, result.shape[1], height, width), count.reshape(bands, height, width)


def composite_any(
    values: Array, quality: Array, *, percentiles: Sequence[int] | None, compat: Compat | None, **rest: Any
) -> tuple[Array, npt.NDArray[np.uint8]]:
    """:func:`composite_bands`, or what an older program would have made of it."""
    if compat is None:
        return composite_bands(values, quality, percentiles=percentiles, **rest)
    from odse.series._eumap import composite_as

    return composite_as(compat, values, quality, percentiles=percentiles, **rest)


def clear_share(quality: Array, *, keep: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Weight of every date (time,) uint8: the share of its seen pixels that are clear, 255 for all of them; at least 1 where any is.

    A pixel is seen if its code is not 0. This is the weight of the bimonthly ARD-2 means, in 255ths. Pure.

    >>> keep = np.zeros(256, dtype=np.uint8); keep[1] = 1
    >>> clear_share(np.array([[[1, 1]], [[1, 3]], [[3, 0]]], dtype=np.uint8), keep=keep).tolist()
    [255, 128, 0]
    """
    clear = (keep[quality] != 0).sum(axis=(1, 2))
    seen = np.maximum((quality != 0).sum(axis=(1, 2)), 1)
    share = np.minimum((510 * clear + seen) // (2 * seen), 255)
    return np.where(clear > 0, np.maximum(share, 1), 0).astype(np.uint8)


def ranks(method: str, percentile: int) -> npt.NDArray[np.uint8]:
    """(256,): the place, counted from 0, of a percentile among n values in order; UNRANKED where n is too small.

    >>> ranks("nearest", 50)[:5].tolist(), ranks("higher", 50)[:5].tolist()
    ([255, 255, 255, 1, 2], [255, 0, 1, 1, 2])
    """
    k = np.maximum(np.arange(256) - 1, 0) * int(percentile)  # hundredths of a rank
    floor, part = k // 100, k % 100
    if method == "higher":
        least, place = 1, floor + (part > 0)
    else:
        least, place = 3, floor + ((part > 50) | ((part == 50) & (floor % 2 == 1)))
    return np.where(np.arange(256) >= least, place, kernels.UNRANKED).astype(np.uint8)
