"""Accuracy and area from a probability sample: published worked examples, and the formulas written out unit by unit."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.area import map_accuracy, map_accuracy_by_strata, sample_counts

OLOFSSON = [[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]]
PIXELS = [200_000, 150_000, 3_200_000, 6_450_000]
HECTARES = 0.09


def test_worked_example_of_olofsson() -> None:
    """Deforestation, forest gain, stable forest, stable non-forest; Olofsson et al. 2014, section 5."""
    found = map_accuracy(OLOFSSON, np.array(PIXELS) * HECTARES, classes=["loss", "gain", "forest", "other"])
    assert found.overall.value.round(2).tolist() == [0.95] and found.overall.margin.round(2).tolist() == [0.02]
    assert found.users.value.round(2).tolist() == [0.88, 0.73, 0.93, 0.96]
    assert found.users.margin.round(2).tolist() == [0.07, 0.10, 0.04, 0.02]
    assert found.producers.value.round(2).tolist() == [0.75, 0.85, 0.93, 0.96]
    assert found.producers.margin.round(2).tolist() == [0.21, 0.25, 0.03, 0.02]
    assert found.area.value.round().tolist() == [21_158, 11_686, 285_770, 581_386]
    assert np.round(found.area.value / HECTARES)[0] == 235_086
    assert np.round(1.96 * found.area.standard_error).tolist() == [6_158, 3_756, 15_510, 16_282]
    assert found.sampled == 640 and found.matrix.sum() == pytest.approx(1)
    assert found.mapped_share == pytest.approx(np.array(PIXELS) / 1e7)


def test_example_of_mapac() -> None:
    found = map_accuracy([[410, 26], [67, 369]], [828_837, 33_067_283])
    assert found.overall.value.round(4).tolist() == [0.8486]
    assert found.overall.standard_error.round(4).tolist() == [0.0169]
    assert found.area_share.value[0].round(4) == 0.1729


def places(letters: str) -> list[int]:
    return ["ABCD".index(one) for one in letters]


def test_worked_example_of_stehman() -> None:
    """Stehman 2014, pages 4932 to 4936: the strata were drawn on one map, another is judged."""
    stratum = places("A" * 10 + "B" * 10 + "C" * 10 + "D" * 10)
    mapped = places("A" * 7 + "BBB" + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10)
    reference = places("AAAAACBABC" + "ABBBBBAABB" + "CCCCCDDBBA" + "DDDDDDDCCB")
    counts = sample_counts(stratum, mapped, reference=reference, strata=4, classes=4)
    found = map_accuracy_by_strata(counts, [40_000, 30_000, 20_000, 10_000])
    assert found.overall.value.round(2).tolist() == [0.63]
    assert found.overall.standard_error.round(3).tolist() == [0.085]
    assert found.area_share.value.round(2).tolist() == [0.35, 0.34, 0.20, 0.11]
    assert found.area_share.standard_error[[0, 2]].round(3).tolist() == [0.082, 0.064]
    assert found.users.value[1].round(3) == 0.574 and found.producers.value[1].round(3) == 0.794
    assert found.matrix[1, 2].round(2) == 0.08


def by_units(counts: np.ndarray, area: np.ndarray, part: np.ndarray, whole: np.ndarray) -> tuple[float, float]:
    """A combined ratio and its standard error from one row per unit, sample variance and covariance by stratum."""
    top = bottom = spread = 0.0
    rows = []
    for stratum, size in zip(counts, area, strict=True):
        y = np.repeat(part.ravel(), stratum.ravel()).astype(float)
        x = np.repeat(whole.ravel(), stratum.ravel()).astype(float)
        rows.append((size, y, x))
        top, bottom = top + size * y.mean(), bottom + size * x.mean()
    if bottom == 0:
        return np.nan, np.nan
    ratio = top / bottom
    for size, y, x in rows:
        s = np.cov(y, x)
        spread += size**2 * (s[0, 0] + ratio**2 * s[1, 1] - 2 * ratio * s[0, 1]) / len(y)
    return ratio, np.sqrt(max(spread, 0)) / bottom


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 3))
def test_equals_a_loop_over_units(seed, strata, classes) -> None:
    chance = np.random.default_rng(seed)
    counts = chance.integers(0, 5, (strata, classes, classes)) * chance.integers(0, 2, (strata, classes, classes))
    counts[:, 0, 0] += 2
    area = chance.uniform(1, 9, strata)
    found = map_accuracy_by_strata(counts, area)
    eye, one = np.eye(classes, dtype=int), np.ones((classes, classes), dtype=int)
    for k in range(classes):
        row, column = np.zeros_like(one), np.zeros_like(one)
        row[k], column[:, k] = 1, 1
        for ours, part, whole in (
            (found.users, eye * row, row),
            (found.producers, eye * column, column),
            (found.area_share, column, one),
        ):
            wanted = by_units(counts, area, part, whole)
            assert [ours.value[k], ours.standard_error[k]] == pytest.approx(wanted, abs=1e-7, nan_ok=True)
    wanted = by_units(counts, area, eye, one)
    assert [found.overall.value[0], found.overall.standard_error[0]] == pytest.approx(wanted, abs=1e-7)
    assert found.area.value.sum() == pytest.approx(area.sum())


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """A map of known errors, sampled 400 times: mean of the estimates and coverage of the intervals."""
    chance = np.random.default_rng(5)
    mapped_area = np.array([0.2, 0.8])
    given_map = np.array([[0.8, 0.2], [0.1, 0.9]])
    truth = mapped_area @ given_map
    found = [
        map_accuracy([chance.multinomial(60, p) for p in given_map], mapped_area, confidence=0.9) for _ in range(400)
    ]
    assert np.mean([one.area.value[0] for one in found]) == pytest.approx(truth[0], abs=0.005)
    inside = np.mean([one.area.lower[0] <= truth[0] <= one.area.upper[0] for one in found])
    assert 0.85 < inside < 0.94


def test_a_class_that_is_mapped_nowhere_is_still_estimated() -> None:
    found = map_accuracy([[8, 2, 0], [0, 9, 1], [0, 0, 0]], [10, 90, 0], classes=["a", "b", "c"])
    assert found.area.value == pytest.approx([8, 83, 9]) and np.isnan(found.users.value[2])
    line = json.loads(json.dumps(found.report(), allow_nan=False))["classes"][2]
    assert line["code"] == "c" and line["users"]["value"] is None and line["producers"]["value"] == 0
    assert line["area"]["lower"] == 0 and line["area"]["upper"] > 9


@pytest.mark.parametrize(
    ("counts", "area", "more", "words"),
    [
        (
            [[5, 0], [1, 0]],
            [1, 1],
            {"classes": ["311", "211"]},
            "stratum 211, because the number of its sample units is 1 (2 needed); draw more of them there, or merge it",
        ),
        (
            [[5, 0], [1, 4]],
            [1, 0],
            {},
            "cannot judge stratum 1, because its area is 0 although 5 sample units lie in it; check the order of the areas",
        ),
        (
            [[5, 0, 1], [1, 4, 1]],
            [1, 1],
            {},
            "because the shape of its error matrix is 2 x 3; give it one row and one column per class",
        ),
        (
            [[0.5, 0.5], [1, 4]],
            [1, 1],
            {},
            "because the table of its sample is not whole numbers in 2 dimensions; count sample units, not shares",
        ),
        ([[5, -1], [1, 4]], [1, 1], {}, "count sample units"),
        ([[5, 1], [1, 4]], [1, 1, 1], {}, "give counts by stratum, map class and reference class"),
        (
            [[5, 1], [1, 4]],
            [1, float("nan")],
            {},
            "because the area of its strata is [1.0, nan]; give areas above zero",
        ),
        ([[5, 1], [1, 4]], [1, 1], {"confidence": 95}, "because `confidence` is 95; take a number between 0 and 1"),
    ],
)
def test_refusals(counts, area, more, words) -> None:
    with pytest.raises(LearnError) as caught:
        map_accuracy(counts, area, **more)
    assert words in str(caught.value)
