"""Intervals: what is promised for exchangeable samples, and what holds on a map that is far from its samples."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import KDTree
from scipy.stats import binom

from odse.errors import LearnError
from odse.learn.conformal import (
    Calibration,
    binomial_interval,
    coverage,
    coverage_faults,
    cqr_scores,
    fit_calibration,
    interval_score,
    rank,
    share_interval,
    smallest_n,
)
from odse.learn.distance import nearest_m
from odse.learn.folds import fold_ledger

hundredths = st.integers(1, 99)


@given(st.integers(1, 500), hundredths)
def test_rank_is_the_exact_ceiling(n, percent) -> None:
    exact = Fraction(percent, 100) * (n + 1)
    assert rank(n, percent / 100) == -(-exact.numerator // exact.denominator)


@given(hundredths)
def test_smallest_n_is_the_smallest(percent) -> None:
    n = smallest_n(percent / 100)
    assert rank(n, percent / 100) <= n
    assert n == 1 or rank(n - 1, percent / 100) > n - 1


@pytest.mark.parametrize(("n", "confidence"), [(9, 0.9), (30, 0.68), (99, 0.9), (200, 0.95)])
def test_exchangeable_samples_are_covered_as_often_as_the_beta_law_says(n, confidence) -> None:
    """Coverage of the next sample is rank / (n + 1) exactly, whatever the distribution and the quantiles."""
    chance = np.random.default_rng(n)
    trials = 4000
    y = chance.standard_cauchy((trials, n + 1)) ** 3
    inside = 0
    for row in y:
        scores = cqr_scores(row[:-1], q_lo=np.full(n, -0.3), q_hi=np.full(n, 0.5))
        c = fit_calibration(scores, np.zeros(n), confidence=confidence, least=1)
        low, high = c.apply(np.array([-0.3]), np.array([0.5]), distance_m=np.zeros(1))
        inside += bool(low[0] <= row[-1] <= high[0])
        if c.n_ != (n,):
            raise AssertionError(c)
    low, high = binom.interval(0.9999, trials, rank(n, confidence) / (n + 1))
    # A negative correction makes a point of what would be empty, which can only hold more.
    assert low <= inside
    assert inside <= high
    assert rank(n, confidence) / (n + 1) >= confidence


def world(n=900, seed=1):
    chance = np.random.default_rng(seed)
    distance = chance.exponential(30e3, n)
    q_lo, q_hi = chance.normal(-1, 0.2, n), chance.normal(1, 0.2, n)
    return chance.normal(0, 1 + distance / 40e3, n), q_lo, q_hi, distance


def test_intervals_of_more_confidence_hold_those_of_less() -> None:
    y, q_lo, q_hi, distance = world()
    q_lo[:50], q_hi[:50] = q_hi[:50].copy(), q_lo[:50].copy()
    scores = cqr_scores(y, q_lo=q_lo, q_hi=q_hi)
    last = None
    for confidence in (0.05, 0.3, 0.5, 0.68, 0.8, 0.9, 0.95, 0.99):
        c = fit_calibration(scores, distance, confidence=confidence, edges_m=[15e3, 60e3], least=99)
        assert len(c.correction_) == 3
        low, high = c.apply(q_lo, q_hi, distance_m=distance)
        assert (low <= high).all()
        if last:
            assert (low <= last[0]).all() and (last[1] <= high).all()
        last = low, high
    assert ((last[0] <= y) & (y <= last[1])).mean() >= 0.99


@given(st.integers(0, 2**32 - 1))
def test_order_of_samples_changes_nothing(seed) -> None:
    y, q_lo, q_hi, distance = world(300)
    scores = cqr_scores(y, q_lo=q_lo, q_hi=q_hi)
    order = np.random.default_rng(seed).permutation(300)
    for edges in (None, [20e3]):
        first = fit_calibration(scores, distance, confidence=0.8, edges_m=edges, least=40)
        assert first == fit_calibration(scores[order], distance[order], confidence=0.8, edges_m=edges, least=40)


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0, 9.0, 30.0]), min_size=9, max_size=60),
    st.integers(1, 5),
    st.integers(1, 30),
)
def test_no_class_is_smaller_than_the_least(distance, classes, least) -> None:
    distance = np.array(distance)
    c = fit_calibration(distance, distance, confidence=0.9, classes=classes, least=least)
    assert sum(c.n_) == len(distance) and len(c.n_) <= classes
    assert len(c.n_) == 1 or min(c.n_) >= max(least, 9)
    place = c.classes_of(distance)
    assert np.bincount(place, minlength=len(c.n_)).tolist() == list(c.n_)


def test_small_class_joins_its_smaller_neighbour() -> None:
    distance = np.repeat([1.0, 11.0, 21.0], [50, 5, 20])
    c = fit_calibration(np.zeros(75), distance, confidence=0.9, edges_m=[10, 20], least=10)
    assert (c.edges_m, c.n_) == ((10.0,), (50, 25))
    same = fit_calibration(np.zeros(75), distance, confidence=0.9, edges_m=[10, 20], least=26)
    assert (same.edges_m, same.n_) == ((), (75,))


def test_far_and_unknown_places_get_the_widest_class() -> None:
    c = Calibration(0.9, (10.0,), 20.0, (3.0, 1.0), (20, 20))
    low, high = c.apply(np.zeros(5, "f4"), np.ones(5, "f4"), distance_m=np.array([10.0, 10.1, 20.0, 20.1, np.nan]))
    assert low.tolist() == [-3, -1, -1, -3, -3] and high.tolist() == [4, 2, 2, 4, 4]
    assert low.dtype == np.float32


def test_too_wide_quantiles_are_narrowed_but_never_turned() -> None:
    c = Calibration(0.9, (), 1.0, (-2.0,), (20,))
    low, high = c.apply(np.array([0.0, 10.0, 1.0, np.nan]), np.array([10.0, 0.0, 2.0, 1.0]), distance_m=np.zeros(4))
    np.testing.assert_array_equal(low, [2, 2, 1.5, np.nan])
    np.testing.assert_array_equal(high, [8, 8, 1.5, np.nan])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"confidence": 0.99}, " of confidence 0.99, because the number of held-out samples is 40; "
         "give at least 99 or state less confidence"),
        ({"confidence": 1.0}, ", because the confidence is 1.0; give a share between 0 and 1, such as 0.9"),
        ({"edges_m": [5, 2]}, " of confidence 0.9, because the order of `edges_m` is [5.0, 2.0]; give rising distances"),
        ({"classes": 0}, " of confidence 0.9, because the number of distance classes is 0; give 1 or more"),
    ],
)  # fmt: skip
def test_refusals(change, text) -> None:
    with pytest.raises(LearnError) as refused:
        fit_calibration(np.zeros(40), np.zeros(40), **({"confidence": 0.9} | change))
    assert str(refused.value) == "cannot calibrate intervals" + text


def test_samples_without_distance_are_refused() -> None:
    with pytest.raises(LearnError, match="no number or negative is 2; leave them out"):
        fit_calibration(np.zeros(40), np.r_[np.nan, -1, np.zeros(38)], confidence=0.9)
    with pytest.raises(LearnError, match="give one distance a score"):
        fit_calibration(np.zeros(40), np.zeros(39), confidence=0.9)


def test_calibration_survives_json_and_broken_ones_are_refused() -> None:
    y, q_lo, q_hi, distance = world()
    c = fit_calibration(cqr_scores(y, q_lo=q_lo, q_hi=q_hi), distance, confidence=0.9)
    plain = json.loads(json.dumps(c.to_dict()))
    assert Calibration.from_dict(plain) == c and len(c.n_) == 3
    for broken in (
        plain | {"method": "other"},
        plain | {"edges_m": plain["edges_m"][::-1]},
        plain | {"limit_m": 0},
        plain | {"correction": plain["correction"][1:]},
        plain | {"correction": [float("nan")] * 3},
        plain | {"n": [1, 2, 3]},
        plain | {"n": ["many"] * 3},
        plain | {"confidence": 90},
        {k: v for k, v in plain.items() if k != "n"},
    ):
        with pytest.raises(LearnError, match="^cannot .*, because .*; "):
            Calibration.from_dict(broken)
    with pytest.raises(LearnError, match="each needs 909"):
        replace(c, confidence=0.9989)


def test_binomial_interval_is_where_the_tails_are() -> None:
    for right, n in ((0, 10), (3, 10), (10, 10), (177, 200)):
        low, high = binomial_interval(right, n)
        assert right == 0 or binom.sf(right - 1, n, low) == pytest.approx(0.025)
        assert right == n or binom.cdf(right, n, high) == pytest.approx(0.025)


def test_blocks_widen_the_interval_as_much_as_they_must() -> None:
    """Blocks of 20 samples that are mostly right or wrong together: the binomial interval misses the truth, that by blocks seldom."""
    chance = np.random.default_rng(3)
    block = np.repeat(np.arange(40), 20)
    held = {"binomial": 0, "blocks": 0}
    for _ in range(400):
        right = chance.random(800) < chance.beta(4.5, 0.5, 40)[block]
        for name, kind in (("binomial", None), ("blocks", block)):
            low, high = share_interval(right, block=kind)
            held[name] += low <= 0.9 <= high
    assert held["binomial"] < 0.75 * 400
    assert held["blocks"] >= 0.9 * 400
    alone = chance.random(300) < 0.9
    binomial = share_interval(alone)
    assert np.abs(np.subtract(share_interval(alone, block=np.arange(300)), binomial)).max() < 1e-3
    assert share_interval(np.ones(800, bool), block=block) == binomial_interval(40, 40)
    assert share_interval(np.arange(800) > 79, block=0 * block)[0] < 0.03


def test_interval_score_rewards_the_true_quantiles() -> None:
    y = np.random.default_rng(0).normal(size=20_000)
    score = {k: interval_score(y, lower=-k + 0 * y, upper=k + 0 * y, confidence=0.9).mean() for k in (1.2, 1.645, 2.2)}
    assert min(score, key=score.get) == 1.645
    assert score[1.645] == pytest.approx(4.126, abs=0.05)  # 2 * 1.645 + 20 * 2 * (pdf(1.645) - 1.645 * 0.05)


def test_coverage_table_against_loops() -> None:
    y, q_lo, q_hi, distance = world(600)
    predicted = q_lo + q_hi
    table = coverage(
        y, lower=q_lo, upper=q_hi, confidence=0.68, distance_m=distance, edges_m=[15e3, 60e3], predicted=predicted
    )
    inside = [a <= v <= b for a, v, b in zip(q_lo, y, q_hi, strict=True)]
    assert table["all"]["covered"] == round(sum(inside) / 600, 4)
    assert [row["n"] for row in table["distance"]] == np.histogram(distance, [0, 15e3, 60e3, np.inf])[0].tolist()
    assert [row["n"] for row in table["predicted"]] == [200, 200, 200]
    near = [one for one, d in zip(inside, distance, strict=True) if d <= 15e3]
    assert table["distance"][0]["covered"] == round(sum(near) / len(near), 4)
    assert table["distance"][0]["low"] < table["distance"][0]["covered"] < table["distance"][0]["high"]
    assert sum(r["n"] * r["interval_score"] for r in table["distance"]) / 600 == pytest.approx(
        table["all"]["interval_score"]
    )
    assert sum(r["n"] * r["mean_width"] for r in table["predicted"]) / 600 == pytest.approx((q_hi - q_lo).mean())
    json.dumps(table)
    blocked = coverage(y, lower=q_lo, upper=q_hi, confidence=0.68, block=np.arange(600) // 60, distance_m=distance)
    assert (blocked["all"]["low"], blocked["all"]["high"]) == tuple(
        round(one, 4) for one in share_interval(np.array(inside), block=np.arange(600) // 60)
    )
    empty = coverage(y, lower=q_lo, upper=q_hi, confidence=0.68, distance_m=distance, edges_m=[9e9])["distance"][1]
    assert empty["n"] == 0 and empty["covered"] is None
    with pytest.raises(LearnError, match="without value or bounds is 1; leave them out"):
        coverage(np.r_[np.nan, y[1:]], lower=q_lo, upper=q_hi, confidence=0.68)


def test_faults_name_the_groups_that_are_off() -> None:
    row = {"n": 200, "covered": 0.93, "low": 0.91, "high": 0.95}
    table = {
        "confidence": 0.9,
        "all": row,
        "distance": [
            {"above_m": None, "up_to_m": 15e3, **row, "n": 199, "covered": 0.5},
            {"above_m": 15e3, "up_to_m": None, **row, "covered": 0.94},
        ],
        "predicted": [
            {"third": "low", "n": 300, "covered": 0.869, "low": 0.8, "high": 0.89},
            {"third": "middle", "n": 300, "covered": 0.869, "low": 0.8, "high": 0.905},
            {"third": "high", "n": 0, "covered": None, "low": None, "high": None},
        ],
    }
    assert coverage_faults(table) == [
        "intervals of confidence 0.9 hold 0.94 of 200 samples (distance 15000 m to the farthest)",
        "intervals of confidence 0.9 hold 0.869 of 300 samples (predicted low)",
    ]


# -- a clustered world: samples in a few places, a map everywhere


def clustered_world(seed: int, n=1200, n_map=3000, side=1536e3):
    """A field of about 100 km range that no covariate explains, a covariate, noise; 85 % of samples in 40 clusters, a third empty."""
    chance = np.random.default_rng(seed)
    waves = chance.normal(0, 1 / 100e3, (200, 2))
    phase, height = chance.uniform(0, 2 * np.pi, 200), chance.normal(0, 1, 200) / 10
    centres = np.c_[chance.uniform(0, side * 2 / 3, 40), chance.uniform(0, side, 40)]
    clustered = centres[chance.integers(40, size=int(n * 0.85))] + chance.normal(0, 8e3, (int(n * 0.85), 2))
    loose = np.c_[chance.uniform(0, side * 2 / 3, n - len(clustered)), chance.uniform(0, side, n - len(clustered))]
    places = {"samples": np.r_[clustered, loose], "map": chance.uniform(0, side, (n_map, 2))}
    made = {}
    for name, xy in places.items():
        covariate = chance.normal(0, 1, len(xy))
        field = (np.cos(xy @ waves.T + phase) * height).sum(axis=1)
        made[name] = xy, covariate, 0.7 * covariate + 1.2 * field + chance.normal(0, 0.4, len(xy))
    return made


def quantile_learner(train, test, *, levels=(0.05, 0.95), k=40):
    """Quantiles of the nearest in space and covariate: as local as a forest with coordinates, and as wrong far away."""
    (xy, covariate, y), (to_xy, to_covariate) = train, test
    near = KDTree(np.c_[xy / 100e3, covariate]).query(np.c_[to_xy / 100e3, to_covariate], k=k)[1]
    return np.quantile(y[near], levels, axis=1)


def held_out(samples, folds):
    """(score, distance) of every sample, predicted from the other folds."""
    xy, covariate, y = samples
    score, distance = np.zeros(len(y)), np.zeros(len(y))
    for one in np.unique(folds):
        test = folds == one
        lo, hi = quantile_learner((xy[~test], covariate[~test], y[~test]), (xy[test], covariate[test]))
        score[test] = cqr_scores(y[test], q_lo=lo, q_hi=hi)
        distance[test] = nearest_m(xy[test], xy[~test])
    return score, distance


def test_clustered_world_is_covered_by_distance_classes_and_not_by_random_folds() -> None:
    edges = [15e3, 60e3]
    rows = []
    for seed in range(4):
        made = clustered_world(seed)
        samples, (xy, covariate, y) = made["samples"], made["map"]
        table = pd.DataFrame(
            {"id": range(len(samples[2])), "x": samples[0][:, 0], "y": samples[0][:, 1], "target": "a"}
        )
        ledgers = [fold_ledger(table, block_m=size, folds=5) for size in (30e3, 120e3, 400e3)]
        blocked = [held_out(samples, one["fold"].to_numpy()) for one in ledgers]
        random = held_out(samples, ledgers[0]["random_fold"].to_numpy())
        pooled = tuple(np.concatenate(part) for part in zip(*blocked, strict=True))
        lo, hi = quantile_learner(samples, (xy, covariate))
        distance = nearest_m(xy, samples[0])
        achieved = []
        for score, held_m, cut in ((*random, []), (*blocked[0], []), (*pooled, edges)):
            c = fit_calibration(score, held_m, confidence=0.9, edges_m=cut, least=100)
            low, high = c.apply(lo, hi, distance_m=distance)
            report = coverage(y, lower=low, upper=high, confidence=0.9, distance_m=distance, edges_m=edges)
            achieved.append([report["all"]["covered"], *(row["covered"] for row in report["distance"])])
        rows.append(achieved)
    random, blocks, ours = np.mean(rows, axis=0)
    print(np.round([random, blocks, ours], 3))
    assert random[0] < 0.82
    assert abs(ours[0] - 0.9) < 0.03
    assert (np.abs(ours[1:] - 0.9) < 0.04).all()
    assert ours[0] > blocks[0] > random[0]
