"""Scores by hand, as identities of the moments, and by group."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.scores import scores, scores_by

numbers = st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.integers(0, 3)), min_size=3, max_size=12)


def test_by_hand() -> None:
    # errors 1 0 0 1; var o 1.25, var p 1.5, cov 1.25, means 2.5 and 3
    one = scores([1, 2, 3, 4], [2, 2, 3, 5])
    assert one.to_dict() == pytest.approx(
        {"n": 4, "r2": 1 - 2 / 5, "rmse": 0.5**0.5, "bias": 0.5, "mae": 0.5, "ccc": 2.5 / (1.25 + 1.5 + 0.25)}
    )


def test_perfect_mean_and_opposite() -> None:
    o = np.array([1.0, 2.0, 6.0])
    assert (scores(o, o).r2, scores(o, o).ccc, scores(o, o).rmse) == (1, 1, 0)
    flat = scores(o, np.full(3, 3.0))
    assert (flat.r2, flat.ccc, flat.bias) == (pytest.approx(0), 0, 0)
    assert scores(o, 6 - o).ccc == pytest.approx(-1)
    constant = scores([2, 2], [2, 2])
    assert np.isnan(constant.r2) and np.isnan(constant.ccc) and constant.rmse == 0


def test_concordance_is_correlation_times_closeness() -> None:
    rng = np.random.default_rng(4)
    o = rng.normal(3, 2, 500)
    p = 0.5 * o + rng.normal(2, 1, 500)
    v, u = o.std() / p.std(), (o.mean() - p.mean()) / np.sqrt(o.std() * p.std())
    assert scores(o, p).ccc == pytest.approx(np.corrcoef(o, p)[0, 1] * 2 / (v + 1 / v + u**2))
    assert scores(o, p).ccc == scores(p, o).ccc


@given(numbers.filter(lambda rows: sum(row[2] for row in rows) > 0))
def test_weights_are_repetitions(rows: list[tuple[float, float, int]]) -> None:
    o, p, w = (np.array(column) for column in zip(*rows, strict=True))
    weighted, repeated = scores(o, p, weight=w), scores(np.repeat(o, w), np.repeat(p, w))
    for name in ("rmse", "bias", "mae"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), abs=1e-9)
    if np.repeat(o, w).std() > 1e-3:
        assert weighted.r2 == pytest.approx(repeated.r2) and weighted.ccc == pytest.approx(repeated.ccc)


def test_a_row_of_weight_zero_is_absent_even_if_unknown() -> None:
    assert scores([1, 2, np.nan], [1, 3, 2], weight=[1, 1, 0]) == scores([1, 2], [1, 3])


def test_by_group() -> None:
    depth = np.array([30, 0, 30, 0, 60])
    by = scores_by([1, 2, 3, 4, 5], [1, 3, 3, 5, 9], group=depth, weight=[1, 1, 1, 1, 0])
    assert list(by) == [0, 30] and by[0] == scores([2, 4], [3, 5]) and by[30].rmse == 0
    assert list(scores_by([1, 2], [1, 2], group=["b", "a"])) == ["a", "b"]


def test_refusals() -> None:
    with pytest.raises(LearnError, match=r"^cannot score 2 samples, because the number of rows with NaN is 1; remove"):
        scores([1, 2], [1, np.nan])
    with pytest.raises(LearnError, match=r"the shape of predictions or weights is \(3,\), \(2,\); match them$"):
        scores([1, 2], [1, 2, 3])
    with pytest.raises(LearnError, match=r"a weight is negative, not finite, or all are 0; mend the weights$"):
        scores([1, 2], [1, 2], weight=[1, -1])
    with pytest.raises(LearnError, match=r"the number of group labels is 1; give each one$"):
        scores_by([1, 2], [1, 2], group=[1])
