"""Composites: goldens, an exact oracle, algebra."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from odse.errors import SeriesError
from odse.quality import glad_mask
from odse.series.composite import composite, composite_bands, support

KEEP = glad_mask("eumap")
GOLDEN = [
    ([10], (10, 10, 10)),
    ([10, 20], (12.5, 15, 17.5)),
    ([10, 20, 40], (15, 20, 30)),
    ([10, 20, 40, 80], (17.5, 30, 50)),
    ([10, 20, 40, 80, 160], (20, 40, 80)),
    ([10, 20, 40, 80, 160, 320], (25, 60, 140)),
]


def oracle(values: list[int], percentile: int) -> int:
    """The definition, in fractions: 0 where there is no value, rounded half up once."""
    if not values:
        return 0
    x = sorted(values)
    k = Fraction((len(x) - 1) * percentile, 100)
    low = int(k)
    high = min(low + 1, len(x) - 1)
    exact = (1 - (k - low)) * x[low] + (k - low) * x[high]
    return int(exact + Fraction(1, 2))


@pytest.mark.parametrize(("values", "wanted"), GOLDEN)
def test_goldens(values: list[int], wanted: tuple[float, ...]) -> None:
    stack = np.array(values, dtype=np.uint16).reshape(-1, 1, 1)
    result = composite(stack, np.ones(stack.shape, np.uint8), keep=KEEP)
    assert result.percentiles.ravel().tolist() == [int(v + 0.5) for v in wanted]
    assert result.count.item() == len(values)


stacks = st.tuples(st.integers(1, 30), st.integers(1, 3), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint16, shape, elements=st.one_of(st.integers(0, 65535), st.sampled_from([0, 1, 40000, 40001]))),
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 17)),
    )
)


@given(stacks, st.lists(st.integers(0, 100), min_size=1, max_size=4))
def test_equal_to_the_oracle_to_the_bit(stack, percentiles) -> None:
    values, quality = stack
    result = composite(values, quality, keep=KEEP, percentiles=percentiles)
    for y, x in np.ndindex(values.shape[1:]):
        clear = [int(v) for v, q in zip(values[:, y, x], quality[:, y, x], strict=True) if KEEP[q] and 1 <= v <= 40000]
        assert result.count[y, x] == len(clear)
        assert result.percentiles[:, y, x].tolist() == [oracle(clear, p) for p in percentiles]


@given(stacks, st.randoms(use_true_random=False))
def test_order_does_not_matter(stack, chance) -> None:
    values, quality = stack
    order = list(range(len(values)))
    chance.shuffle(order)
    assert np.array_equal(composite(values, quality, keep=KEEP).percentiles,
                          composite(values[order], quality[order], keep=KEEP).percentiles)  # fmt: skip


def test_more_pixels_than_a_lane_and_several_bands() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 50000, (2, 7, 31, 37)).astype(np.uint16)
    quality = rng.integers(0, 18, (7, 31, 37)).astype(np.uint8)
    both, count = composite_bands(values, quality, keep=KEEP, valid=[(1, 40000), (1, 65000)])
    for band, valid in enumerate([(1, 40000), (1, 65000)]):
        one = composite(values[band], quality, keep=KEEP, valid=valid)
        assert np.array_equal(both[band], one.percentiles) and np.array_equal(count[band], one.count)


def test_labelled_in_labelled_out() -> None:
    stack = xr.DataArray(
        np.arange(1, 13, dtype=np.uint16).reshape(3, 2, 2), dims=("time", "y", "x"), coords={"x": [5, 6]}
    )
    clear = xr.ones_like(stack, dtype=np.uint8)
    result = composite(stack, clear, keep=KEEP)
    assert result["percentile"].dims == ("statistic", "y", "x")
    assert result["percentile"].sel(statistic="p50", x=5).values.tolist() == [5, 7]
    assert result["statistic"].values.tolist() == ["p25", "p50", "p75"]


def test_no_date_is_no_data() -> None:
    empty = np.zeros((0, 2, 2), np.uint16)
    assert composite(empty, empty.astype(np.uint8), keep=KEEP).percentiles.tolist() == [[[0, 0]] * 2] * 3


def test_support() -> None:
    quality = np.array([[[1, 3]], [[0, 0]], [[6, 8]]], dtype=np.uint8)
    told = support(
        quality, np.array([-10, 0, 30], np.int16), keep=KEEP, unreadable=np.array([[[0, 0]], [[1, 0]], [[0, 0]]], bool)
    )
    assert told["clear"].tolist() == [[2, 0]] and told["seen"].tolist() == [[2, 2]]
    assert told["unreadable"].tolist() == [[1, 0]] and told["days_to_clear"].tolist() == [[10, 255]]


def test_refused() -> None:
    good = np.ones((2, 3, 3), np.uint16)
    with pytest.raises(SeriesError, match="cannot composite the values, because their type is float64; give uint16"):
        composite(good.astype(float), np.ones((2, 3, 3), np.uint8), keep=KEEP)
    with pytest.raises(SeriesError, match="the shape of their quality is"):
        composite(good, np.ones((2, 3, 2), np.uint8), keep=KEEP)
