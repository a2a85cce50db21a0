"""Composites: goldens, an exact oracle, algebra."""

from __future__ import annotations

import re
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


@given(stacks, st.lists(st.integers(0, 100), min_size=1, max_size=4, unique=True).map(sorted))
def test_between_least_and_greatest_and_in_order(stack, percentiles) -> None:
    values, quality = stack
    result = composite(values, quality, keep=KEEP, percentiles=[0, *percentiles, 100]).percentiles.astype(int)
    assert (np.diff(result, axis=0) >= 0).all()
    clear = np.ma.masked_array(values, ~((KEEP[quality] != 0) & (values >= 1) & (values <= 40000)))
    assert np.array_equal(result[0], clear.min(axis=0).filled(0))
    assert np.array_equal(result[-1], clear.max(axis=0).filled(0))


@given(stacks)
def test_every_date_twice_leaves_ends_and_median(stack) -> None:
    values, quality = stack
    once = composite(values, quality, keep=KEEP, percentiles=(0, 50, 100))
    twice = composite(np.tile(values, (2, 1, 1)), np.tile(quality, (2, 1, 1)), keep=KEEP, percentiles=(0, 50, 100))
    assert np.array_equal(once.percentiles, twice.percentiles)
    assert np.array_equal(2 * once.count, twice.count)


@given(stacks, st.integers(0, 5))
def test_masked_dates_change_nothing(stack, more) -> None:
    values, quality = stack
    cloud = np.full((more, *values.shape[1:]), 3, np.uint8)
    wide = composite(np.concatenate([values, cloud.astype(np.uint16)]), np.concatenate([quality, cloud]), keep=KEEP)
    plain = composite(values, quality, keep=KEEP)
    assert np.array_equal(wide.percentiles, plain.percentiles) and np.array_equal(wide.count, plain.count)


def test_rounding_of_every_share_at_the_limits() -> None:
    rng = np.random.default_rng(3)
    pairs = np.sort(rng.integers(0, 65536, (2, 100, 100)), axis=0).astype(np.uint16)
    pairs[:, 0] = [[0], [65535]]
    every = list(range(101))
    result = composite(
        pairs, np.ones(pairs.shape, np.uint8), keep=KEEP, percentiles=every, valid=(0, 65535)
    ).percentiles
    low, high = pairs.astype(np.int64)
    for q in every:
        assert np.array_equal(result[q], ((100 - q) * low + q * high + 50) // 100)


@pytest.mark.parametrize("dates", [1, 2, 92, 254])
def test_many_dates(dates: int) -> None:
    values = np.random.default_rng(dates).integers(1, 40001, (dates, 1, 3)).astype(np.uint16)
    result = composite(values, np.ones(values.shape, np.uint8), keep=KEEP)
    for x in range(3):
        assert result.percentiles[:, 0, x].tolist() == [oracle(values[:, 0, x].tolist(), p) for p in (25, 50, 75)]
    assert (result.count == dates).all()


def test_codes_above_31() -> None:
    keep = np.zeros(256, np.uint8)
    keep[[2, 34, 255]] = 1
    values = np.array([10, 20, 30, 40], np.uint16).reshape(4, 1, 1)
    quality = np.array([2, 34, 66, 255], np.uint8).reshape(4, 1, 1)
    assert composite(values, quality, keep=keep, percentiles=[0, 100]).percentiles.ravel().tolist() == [10, 40]
    keep[32:] = 0
    assert composite(values, quality, keep=keep).count.item() == 1  # 34 and 66 are not 2


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


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"values": np.ones((2, 3, 3))}, "their type is float64; give uint16"),
        (
            {"quality": np.ones((2, 3, 2), np.uint8)},
            "the shape of their quality is (2, 3, 2), not (2, 3, 3); give one code",
        ),
        ({"quality": np.ones((2, 3, 3), np.uint16)}, "the type of their quality is uint16; give codes as uint8"),
        ({"percentiles": [12.5]}, "a percentile is [12.5]; give whole numbers 0 to 100"),
        ({"percentiles": [101]}, "a percentile is [101]; give whole numbers"),
        ({"percentiles": []}, "a percentile is []; give whole numbers"),
        ({"valid": (5, 1)}, "a range of valid values is [(5, 1)]; give (least, greatest) within 0 to 65535"),
        ({"keep": KEEP[:18]}, "the shape of keep is (18,); give one entry for each of 256 codes"),
    ],
)
def test_refused(changed, text) -> None:
    good = {"values": np.ones((2, 3, 3), np.uint16), "quality": np.ones((2, 3, 3), np.uint8), "keep": KEEP}
    with pytest.raises(SeriesError, match=re.escape(f"cannot composite the values, because {text}")):
        composite(**{**good, **changed})


def test_too_many_dates_are_refused() -> None:
    many = np.ones((255, 1, 1), np.uint16)
    with pytest.raises(SeriesError, match="the number of dates is 255; give at most 254"):
        composite(many, many.astype(np.uint8), keep=KEEP)
