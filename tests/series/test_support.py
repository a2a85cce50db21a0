"""Confidence intervals of percentiles by rank, against scipy's binomial distribution and against chance itself."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from odse.errors import SeriesError
from odse.quality import glad_mask
from odse.series.support import interval_ranks, p_support, rank_interval

KEEP = glad_mask("eumap")


@cache
def of_binomial(n: int, percentile: int, confidence_percent: int) -> tuple[int, int] | None:
    """The definition with scipy: every pair of places that misses on neither side too often, the innermost of them."""
    most, q = (1 - confidence_percent / 100) / 2, percentile / 100
    lows = [k for k in range(n) if binom.cdf(k, n, q) <= most + 1e-12]
    highs = [k for k in range(n) if binom.sf(k, n, q) <= most + 1e-12]
    return (max(lows), min(highs)) if lows and highs else None


@pytest.mark.parametrize("percentile", [1, 10, 25, 50, 75, 97])
@pytest.mark.parametrize("confidence_percent", [80, 90, 95])
def test_ranks_equal_those_of_scipy(percentile: int, confidence_percent: int) -> None:
    for n in (*range(1, 40), 92, 254):
        found = rank_interval(n, percentile, confidence_percent=confidence_percent)
        assert found == of_binomial(n, percentile, confidence_percent), n


def test_numbers_known_from_tables() -> None:
    """The sign test: the least n of a 90 % interval of a median is 5, of 95 % it is 6; of 25 at 95 %: the 8th and 18th."""
    least = {c: min(n for n in range(1, 30) if rank_interval(n, 50, confidence_percent=c)) for c in (90, 95)}
    assert least == {90: 5, 95: 6}
    assert rank_interval(25, 50, confidence_percent=95) == (7, 17)
    assert rank_interval(254, 0) is None and rank_interval(254, 100) is None and rank_interval(0, 50) is None


def test_the_interval_holds_the_percentile_as_often_as_it_says() -> None:
    rng = np.random.default_rng(8)
    for n, percentile in ((12, 25), (12, 50), (30, 75)):
        low, high = rank_interval(n, percentile) or (0, 0)
        samples = np.sort(rng.random((20000, n)), axis=1)
        held = np.mean((samples[:, low] <= percentile / 100) & (percentile / 100 <= samples[:, high]))
        assert held >= 0.895  # 90 % but for chance
        tighter = np.mean((samples[:, low + 1] <= percentile / 100) & (percentile / 100 <= samples[:, high - 1]))
        assert tighter < 0.9


@given(st.integers(1, 40), st.integers(0, 2**32 - 1), st.integers(1, 400))
def test_widths_equal_the_oracle(dates: int, seed: int, step: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 42000, (2, dates, 2, 5)).astype(np.uint16)
    quality = rng.choice([1, 3, 6], (dates, 2, 5)).astype(np.uint8)
    valid = [(1, 40000), (500, 65535)]
    told = p_support(values, quality, keep=KEEP, percentiles=[25, 50], valid=valid, step=step)
    assert told.shape == (2, 2, 2, 5) and told.dtype == np.uint8
    for b, y, x in np.ndindex(2, 2, 5):
        column = values[b, :, y, x][KEEP[quality[:, y, x]] != 0]
        clear = np.sort(column[(column >= valid[b][0]) & (column <= valid[b][1])]).astype(int)
        for s, percentile in enumerate((25, 50)):
            places = of_binomial(len(clear), percentile, 90)
            wanted = 255 if places is None else min(-(-(clear[places[1]] - clear[places[0]]) // step), 254)
            assert told[b, s, y, x] == wanted


def test_no_date_and_no_pixel() -> None:
    assert (
        p_support(np.zeros((1, 0, 2, 2), np.uint16), np.zeros((0, 2, 2), np.uint8), keep=KEEP, valid=[(1, 9)]) == 255
    ).all()
    assert (
        p_support(np.zeros((1, 3, 0, 2), np.uint16), np.zeros((3, 0, 2), np.uint8), keep=KEEP, valid=[(1, 9)]).size == 0
    )


def test_all_the_numbers_of_values_are_in_the_table() -> None:
    table = interval_ranks(50, 90)
    assert (table[:, :5] == 255).all() and (table[:, 5:255] < 254).all()
    assert (np.diff(table[:, 5:255].astype(int), axis=1) >= 0).all()


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"confidence_percent": 100}, "cannot support percentiles, because the confidence is 100; give a whole number 1 to 99"),
        ({"step": 0}, "cannot support percentiles, because the step is 0; give a whole number 1 to 65535"),
        ({"percentiles": [101]}, "cannot composite the values, because a percentile is [101]; give whole numbers 0 to 100"),
    ],
)  # fmt: skip
def test_refused(changed, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(text)):
        p_support(
            **{
                "values": np.ones((1, 2, 1, 1), np.uint16),
                "quality": np.ones((2, 1, 1), np.uint8),
                "keep": KEEP,
                "valid": [(1, 9)],
                **changed,
            }
        )
