"""What a composite rests on: how many observations, how near to the period's middle, and how sure its percentiles are."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import SeriesError
from odse.series import _percentiles as kernels
from odse.series._inputs import QUARTILES, check_composite, coded
from odse.series._lanes import network

Array = npt.NDArray[Any]
NO_INTERVAL = 255
"""Stored where there are too few observations for an interval of the wanted confidence."""


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


def rank_interval(n: int, percentile: int, *, confidence_percent: int = 90) -> tuple[int, int] | None:
    """Places (from 0) of the two among n values in order between which the percentile of the population lies, or None.

    Of n independent observations the number below the percentile q is binomial (n, q), whatever the distribution. The lower place
    is the highest, and the upper place the lowest, that each miss with a probability of at most half of what the confidence leaves
    (Wilks 1948, doi 10.1090/S0002-9904-1948-08936-4; Hahn and Meeker 1991, section 5.2). None where n is too small for it, as it
    always is for the percentiles 0 and 100. Probabilities are compared as whole numbers: exact.

    >>> rank_interval(10, 50), rank_interval(4, 50), rank_interval(5, 50)
    ((1, 8), None, (0, 4))
    """
    if not 0 < percentile < 100:
        return None
    # x[k] lies above the percentile exactly if at most k of the values lie below it; and the same from the other end.
    low = _rarely_exceeded(n, percentile, confidence_percent)
    high = _rarely_exceeded(n, 100 - percentile, confidence_percent)
    return (low, n - 1 - high) if low >= 0 and high >= 0 else None


def _rarely_exceeded(n: int, percent: int, confidence_percent: int) -> int:
    """Greatest k with P(B <= k) at most half of what the confidence leaves, B binomial (n, percent); -1 where there is none."""
    limit = (100 - confidence_percent) * 100**n
    way, sum_ = (100 - percent) ** n, 0  # 100**n times the probability of k
    for k in range(n):
        sum_ += 200 * way
        if sum_ > limit:
            return k - 1
        way = way * (n - k) * percent // ((k + 1) * (100 - percent))
    return n - 1


@lru_cache(maxsize=64)
def interval_ranks(percentile: int, confidence_percent: int) -> npt.NDArray[np.uint8]:
    """(2, 256): lower and upper places of :func:`rank_interval` for every number of values to 254; UNRANKED where None."""
    table = np.full((2, 256), kernels.UNRANKED, dtype=np.uint8)
    for n in range(255):
        found = rank_interval(n, percentile, confidence_percent=confidence_percent)
        if found is not None:
            table[:, n] = found
    return table


def p_support(
    values: Array,
    quality: Array,
    *,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] = QUARTILES,
    valid: Sequence[tuple[int, int]],
    confidence_percent: int = 90,
    step: int = 160,
) -> npt.NDArray[np.uint8]:
    """Width of the order-statistic confidence interval of every percentile: (band, statistic, y, x) uint8.

    ``values`` (band, time, y, x) uint16, ``quality``, ``keep`` and ``valid`` as in
    :func:`odse.series.composite.composite_bands`. The interval goes from one observation to another (:func:`rank_interval`); its
    width is in whole steps of ``step``, rounded up, at most 254. 160 DN are one step of ``byte-250`` reflectance, 0.004.
    255 where there are too few observations for the confidence: at 90 % a median needs 5, the quartiles 11. Observations count as
    independent, which those of neighbouring dates are not quite. Pure. Raises SeriesError for what does not fit.

    >>> stack = np.arange(100, 1100, 100, dtype=np.uint16).reshape(1, 10, 1, 1)
    >>> keep = np.ones(256, dtype=np.uint8)
    >>> p_support(stack, np.ones((10, 1, 1), np.uint8), keep=keep, percentiles=[25, 50], valid=[(1, 40000)], step=100).ravel().tolist()
    [255, 7]
    """
    wanted = check_composite(values, quality, keep, percentiles, valid)
    for what, number, low, high in (("the confidence", confidence_percent, 1, 99), ("the step", step, 1, 65535)):
        if number != int(number) or not low <= number <= high:
            raise SeriesError.sentence("support", "percentiles", what, number, f"give a whole number {low} to {high}")
    bands, times, height, width = values.shape
    table = np.concatenate([interval_ranks(int(percentile), int(confidence_percent)) for percentile in wanted])
    ends = np.zeros((bands, len(table), height * width), dtype=np.uint16)
    count = np.zeros((bands, height * width), dtype=np.uint8)
    if times and count.size:
        kernels.ranked(
            np.ascontiguousarray(values).reshape(bands, times, -1),
            *coded(quality, keep),
            table,
            network(times),
            np.array([low for low, _ in valid], dtype=np.uint16),
            np.array([high for _, high in valid], dtype=np.uint16),
            ends,
            count,
        )
    steps = np.minimum(-(-(ends[:, 1::2].astype(np.int32) - ends[:, ::2]) // step), 254)
    known = table[::2][:, count].swapaxes(0, 1) != kernels.UNRANKED
    return np.where(known, steps, NO_INTERVAL).astype(np.uint8).reshape(bands, len(wanted), height, width)
