"""Accuracy by distance against loops, published intervals, and a map whose true accuracy is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.distance import (
    accuracy_by_distance,
    distance_histogram,
    expected_accuracy,
    held_out_m,
    nearest_m,
    wilson,
)


def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(axis=-1))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_distances_equal_all_pairs(seed) -> None:
    chance = np.random.default_rng(seed)
    places, fold = chance.integers(0, 20, (30, 2)).astype(float), np.arange(30) % 3
    pairs = apart(places, places)
    wanted = [pairs[i, fold != fold[i]].min() for i in range(30)]
    assert held_out_m(places, fold) == pytest.approx(wanted)
    assert nearest_m(places, places[:7]) == pytest.approx(pairs[:, :7].min(axis=1))


def test_wilson_against_published_numbers() -> None:
    """Newcombe 1998 (doi 10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E), table I, method 3."""
    lower, upper = wilson(np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29]))
    assert lower.round(4).tolist() == [0.2553, 0.0624, 0.0, 0.0061]
    assert upper.round(4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=1, max_size=5, unique=True))
def test_bins_equal_a_loop(seed, inner) -> None:
    chance = np.random.default_rng(seed)
    edges = np.array([0, *sorted(inner)], dtype=float)
    distance, right = chance.integers(0, 35, 40).astype(float), chance.random(40) < 0.6
    distance[0] = 0
    curve = accuracy_by_distance(distance, right, edges_m=edges)
    table = distance_histogram(distance, edges)
    for i in range(len(edges) - 1):
        closed = (distance == edges[-1]) & (i == len(edges) - 2)
        rows = [k for k in range(40) if edges[i] <= distance[k] and (distance[k] < edges[i + 1] or closed[k])]
        assert (curve.count[i], curve.right[i], table[i]) == (len(rows), right[rows].sum(), len(rows))
        assert np.isnan(curve.accuracy[i]) if not rows else curve.accuracy[i] == pytest.approx(right[rows].mean())
        assert curve.lower[i] <= np.nan_to_num(curve.accuracy[i]) <= curve.upper[i]
    assert table[-1] == (distance > edges[-1]).sum() and table.sum() == 40
    halves = distance_histogram(distance[:11], edges) + distance_histogram(distance[11:], edges)
    assert halves.tolist() == table.tolist()


def test_bins_of_equal_number_hold_every_sample() -> None:
    chance = np.random.default_rng(2)
    curve = accuracy_by_distance(chance.exponential(500, 800), np.ones(800, dtype=bool), bins=8)
    assert curve.count.tolist() == [100] * 8 and curve.edges_m[0] == 0
    assert accuracy_by_distance(np.zeros(5), np.ones(5, dtype=bool)).count.tolist() == [5]
    rows = json.loads(json.dumps(curve.report(), allow_nan=False))
    assert rows[0]["n"] == 100 and rows[0]["from_m"] == 0 and rows[0]["accuracy"] == 1


def test_expectation_of_a_map_whose_accuracy_is_known() -> None:
    """Right with chance exp(-d / 2000): held-out samples are near, the map is far, and the plain share flatters."""
    chance = np.random.default_rng(4)
    held, mapped = chance.uniform(0, 3000, 20_000), chance.uniform(1000, 3000, 20_000)
    right = chance.random(20_000) < np.exp(-held / 2000)
    curve = accuracy_by_distance(held, right, edges_m=np.linspace(0, 3000, 31))
    found = expected_accuracy(curve, distance_histogram(mapped, curve.edges_m))
    truth = np.exp(-mapped / 2000).mean()
    assert found.lower < truth < found.upper and found.upper - found.lower < 0.03
    assert right.mean() > truth + 0.1 and found.share_beyond == found.share_between == 0


def test_expectation_by_hand_with_gaps_and_far_pixels() -> None:
    curve = accuracy_by_distance(
        np.array([1.0, 1, 1, 1, 25, 25]), np.array([1, 1, 1, 1, 1, 0], bool), edges_m=[0, 10, 20, 30, 40]
    )
    found = expected_accuracy(curve, np.array([50, 20, 10, 15, 5]))
    assert found.accuracy == pytest.approx(0.5 * 1.0 + 0.5 * 0.5)
    assert (found.share_between, found.share_beyond) == pytest.approx((0.2, 0.2))
    low, high = wilson(np.array([4, 1]), np.array([4, 2]))
    assert found.lower == pytest.approx(0.75 - np.hypot(0.5 * (1 - low[0]), 0.5 * (0.5 - low[1])))
    assert found.upper == pytest.approx(0.75 + 0.5 * (high[1] - 0.5))


def test_same_distances_give_back_the_plain_accuracy() -> None:
    chance = np.random.default_rng(6)
    distance, right = chance.gamma(2, 300, 500), chance.random(500) < 0.7
    curve = accuracy_by_distance(distance, right)
    assert expected_accuracy(curve, distance_histogram(distance, curve.edges_m)).accuracy == pytest.approx(right.mean())


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: held_out_m(np.zeros((3, 2)), np.zeros(3, dtype=np.int64)),
            "cannot measure distances between folds, because the number of folds is 1; give two or more",
        ),
        (
            lambda: accuracy_by_distance(np.array([1.0, np.nan]), np.array([True, True])),
            "give one known distance per answer",
        ),
        (lambda: accuracy_by_distance(np.array([]), np.array([], bool)), "is 0 distances for 0 answers"),
        (
            lambda: accuracy_by_distance(np.array([5.0]), np.array([True]), edges_m=[0, 1]),
            "the range of the distances is 5 to 5 m; choose edges",
        ),
        (
            lambda: accuracy_by_distance(np.array([5.0]), np.array([True]), edges_m=[0, 9, 9]),
            "cannot sort distances, because the list of edges is [0.0, 9.0, 9.0]; give two or more rising numbers from 0",
        ),
        (
            lambda: expected_accuracy(
                accuracy_by_distance(np.array([5.0]), np.array([True]), edges_m=[0, 9]), np.array([3])
            ),
            "because the histogram of the map is 3 pixels in 1 bins; count pixels in the 1 bins of the curve and one beyond",
        ),
    ],
)
def test_refusals(call, words) -> None:
    with pytest.raises(LearnError) as caught:
        call()
    assert words in str(caught.value)
