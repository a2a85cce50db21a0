"""Depth as a covariate; interval means against numpy's trapezoid rule on a fine ladder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.depths import STANDARD_DEPTHS_CM, interval_mean, interval_weights, with_depth
from odse.learn.transform import back

ends = st.tuples(st.floats(0, 100), st.floats(0, 100)).filter(lambda pair: pair[1] - pair[0] > 1e-3)


def test_standard_depths_and_intervals() -> None:
    assert STANDARD_DEPTHS_CM == (0, 30, 60, 100)
    values = np.array([[20.0, 10.0, 6.0, 2.0]])
    for interval, mean in {(0, 30): 15, (30, 60): 8, (60, 100): 4, (0, 60): 11.5, (0, 100): 8.5}.items():
        assert interval_mean(values, interval) == pytest.approx(mean)


def test_partial_intervals_lie_on_the_line() -> None:
    values = np.array([20.0, 10.0, 6.0, 2.0])
    assert interval_mean(values, (10, 20)) == pytest.approx(15)
    assert interval_mean(values, (0, 20)) == pytest.approx((20 + 13.3333333) / 2)
    assert interval_mean(values, (15, 45)) == pytest.approx((15 * 12.5 + 15 * 9) / 30)


@given(ends)
def test_weights_sum_to_one_and_give_back_a_line(pair: tuple[float, float]) -> None:
    weight = interval_weights(*pair)
    assert (weight >= 0).all() and weight.sum() == pytest.approx(1)
    line = 3 - 0.02 * np.array(STANDARD_DEPTHS_CM)
    assert line @ weight == pytest.approx(3 - 0.02 * sum(pair) / 2)


@given(ends, st.lists(st.floats(-50, 50), min_size=4, max_size=4))
def test_against_a_ladder_of_numpy(pair: tuple[float, float], values: list[float]) -> None:
    inside = [z for z in STANDARD_DEPTHS_CM if pair[0] < z < pair[1]]
    ladder = np.unique(np.concatenate([np.linspace(*pair, 20), inside]))
    naive = np.trapezoid(np.interp(ladder, STANDARD_DEPTHS_CM, values), ladder) / (pair[1] - pair[0])
    assert interval_mean(np.array(values), pair) == pytest.approx(naive, abs=1e-6)


def test_members_are_averaged_each_before_spread_and_back_transform() -> None:
    each = np.array([[[30.0, 10.0, 0.0, 0.0], [10.0, 30.0, 0.0, 0.0]]])  # (n, learner, depth)
    mean = interval_mean(each, (0, 30))
    assert mean.tolist() == [[20.0, 20.0]] and mean.std(axis=1).tolist() == [0.0]  # the mean of deviations would be 10
    assert back(mean, "log10x") != pytest.approx(interval_mean(back(each, "log10x"), (0, 30)), rel=0.1)


def test_unknown_depths_spoil_only_what_uses_them() -> None:
    values = np.array([20.0, 10.0, np.nan, 2.0], dtype=np.float32)
    mean = interval_mean(values, (0, 30))
    assert mean == 15 and mean.dtype == np.float32
    assert np.isnan(interval_mean(values, (30, 60)))


def test_depth_is_the_last_feature() -> None:
    table = with_depth(np.zeros((2, 3), dtype=np.float32), np.array([0.0, 60.0]))
    assert table.shape == (2, 4) and table.dtype == np.float32 and table[:, 3].tolist() == [0, 60]
    with pytest.raises(LearnError, match=r"a depth is -5 cm; give centimetres below the surface$"):
        with_depth(np.zeros((1, 1)), -5)


@pytest.mark.parametrize(
    ("interval", "depths", "text"),
    [
        ((30, 30), STANDARD_DEPTHS_CM, "its thickness is 0 cm; give the upper end first"),
        ((60, 200), STANDARD_DEPTHS_CM, "the predicted range is 0-100 cm; predict at its ends too"),
        ((0, 30), (0, 30, 30), "the list of its depths is 0, 30, 30 cm; give two or more that rise"),
    ],
)
def test_refusals(interval: tuple[float, float], depths: tuple[float, ...], text: str) -> None:
    with pytest.raises(LearnError) as caught:
        interval_weights(*interval, depths_cm=depths)
    assert str(caught.value).endswith(text)


def test_depth_must_be_the_last_axis() -> None:
    with pytest.raises(LearnError, match=r"the number of depths is 4; let depth be the last axis$"):
        interval_mean(np.zeros((4, 3)), (0, 30))
