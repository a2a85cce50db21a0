"""Entropy and its parts, margin, percents that sum to 100, sets of classes that hold."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import rel_entr
from scipy.stats import binom
from scipy.stats import entropy as scipy_entropy

from odse.errors import LearnError
from odse.layer.legend import clc_legend
from odse.learn.class_uncertainty import (
    ClassSets,
    entropy,
    entropy_parts,
    fit_class_sets,
    margin,
    pooled_classes,
    set_coverage,
    set_coverage_faults,
    set_masks,
    set_sizes,
    to_percent_100,
)
from odse.learn.conformal import rank

CODES = ["311", "312", "313", "321", "512"]


def distributions(seed, shape, *, zeros=0.3, kind=np.float32):
    chance = np.random.default_rng(seed)
    p = chance.gamma(0.5, size=shape) * (chance.random(shape) > zeros)
    p[..., 0] += 1e-3
    return (p / p.sum(axis=-1, keepdims=True)).astype(kind)


# -- entropy and margin


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(2, 9))
def test_total_entropy_is_expected_plus_mutual(seed, learners, classes) -> None:
    p = distributions(seed, (20, learners, classes), kind=np.float64)
    parts = entropy_parts(p)
    mean = p.mean(axis=1)
    np.testing.assert_allclose(parts.total, scipy_entropy(mean, axis=1, base=classes), atol=1e-12)
    np.testing.assert_allclose(parts.expected, scipy_entropy(p, axis=2, base=classes).mean(axis=1), atol=1e-12)
    # Mutual information by its own definition: the mean Kullback-Leibler divergence from the mean.
    divergence = rel_entr(p, mean[:, None, :]).sum(axis=2).mean(axis=1) / np.log(classes)
    np.testing.assert_allclose(parts.mutual, divergence, atol=1e-12)
    np.testing.assert_allclose(parts.total, parts.expected + parts.mutual, rtol=0, atol=1e-15)
    assert (parts.mutual >= 0).all() and (parts.total <= 1 + 1e-12).all()
    total, expected, mutual = (one.astype(int) for one in parts.to_percent())
    assert (total == expected + mutual).all() and total.max() <= 100
    assert np.abs(total - 100 * parts.total).max() <= 0.5 + 1e-9
    assert np.abs(expected - 100 * parts.expected).max() <= 0.5 + 1e-9
    assert np.abs(mutual - 100 * parts.mutual).max() <= 1 + 1e-9


def test_members_that_agree_share_no_information_and_those_that_do_not_share_all() -> None:
    same = np.tile(distributions(1, (5, 1, 4)), (1, 3, 1))
    assert (entropy_parts(same).mutual < 1e-7).all()
    apart = np.eye(4)[None]
    parts = entropy_parts(apart)
    assert (parts.total[0], parts.expected[0], parts.mutual[0]) == (1, 0, 1)


def test_unknown_stays_unknown() -> None:
    p = distributions(2, (3, 2, 4))
    p[1, 0, 2] = np.nan
    parts = entropy_parts(p)
    assert (
        np.isnan([parts.total[1], parts.expected[1], parts.mutual[1]]).all() and np.isfinite(parts.total[[0, 2]]).all()
    )
    assert all(one[1] == 255 and one[0] <= 100 for one in parts.to_percent())
    assert np.isnan(entropy(p[:, 0])[1]) and np.isnan(margin(p[:, 0])[1])
    assert np.isfinite(margin(p[:, 0])[[0, 2]]).all()


def test_entropy_and_margin_against_sorting() -> None:
    p = distributions(3, (50, 6))
    np.testing.assert_allclose(entropy(p), scipy_entropy(p.astype(float), axis=1, base=6), atol=1e-6)
    ranked = np.sort(p.astype(float), axis=1)
    np.testing.assert_array_equal(margin(p), ranked[:, -1] - ranked[:, -2])
    with pytest.raises(
        LearnError, match="^cannot measure uncertainty, because the number of classes is 1; give two or more"
    ):
        entropy(p[:, :1])


# -- percents

rows = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 45)), elements=st.floats(0, 1, width=32))


def hamilton(row) -> list[int]:
    """The rule in exact fractions."""
    exact = [Fraction(float(one)) for one in row]
    exact = [one / sum(exact) * 100 for one in exact]
    given_ = [int(one) for one in exact]
    order = sorted(range(len(row)), key=lambda c: (given_[c] - exact[c], -exact[c], c))
    for c in order[: 100 - sum(given_)]:
        given_[c] += 1
    return given_


@given(rows)
def test_percents_sum_to_100_keep_the_order_and_are_near(p) -> None:
    p[:, 0] += p.sum(axis=1) == 0
    percent = to_percent_100(p).astype(int)
    exact = p / p.sum(axis=1, keepdims=True) * 100
    assert (percent.sum(axis=1) == 100).all()
    assert (np.abs(percent - exact) < 1 + 1e-9).all()
    larger = p[:, :, None] > p[:, None, :]
    assert (percent[:, :, None] >= percent[:, None, :])[larger].all()
    assert (percent[p == 0] == 0).all()


@given(st.lists(st.integers(0, 64), min_size=1, max_size=12).filter(any))
def test_percents_equal_the_rule_in_fractions(parts) -> None:
    """Parts of a power of two, where doubles are exact too, so that every tie is one."""
    parts = [*parts, 2 ** int(np.ceil(np.log2(sum(parts)))) - sum(parts)]
    assert to_percent_100(np.array([parts], dtype=np.float32))[0].tolist() == hamilton(parts)


def test_percents_of_ties_and_unknowns() -> None:
    p = np.array([[0.25, 0.25, 0.25, 0.25], [0.125, 0.125, 0.375, 0.375], [np.nan, 1, 0, 0], [1e-30, 0, 0, 0]])
    assert to_percent_100(p).tolist() == [[25, 25, 25, 25], [12, 12, 38, 38], [255] * 4, [100, 0, 0, 0]]
    assert to_percent_100(np.full((1, 43), 1 / 43, "f4"))[0].tolist() == [3] * 14 + [2] * 29
    for bad in ([-0.1, 1.1], [0, 0], [np.inf, 1]):
        with pytest.raises(LearnError) as refused:
            to_percent_100(np.array([bad, [0.5, 0.5]]))
        assert str(refused.value) == (
            "cannot round probabilities, because the number of rows that are negative, infinite or all zero is 1; "
            "give probabilities, NaN where unknown"
        )


# -- sets


def drawn(seed, n, *, share=(0.5, 0.3, 0.15, 0.04, 0.01)):
    """Probabilities of a learner that favours frequent classes, and the truth."""
    chance = np.random.default_rng(seed)
    target = chance.choice(5, n, p=share)
    score = chance.normal(0, 1, (n, 5)) + np.log(share)
    score[np.arange(n), target] += 1.5
    p = np.exp(score)
    return (p / p.sum(axis=1, keepdims=True)).astype(np.float32), target


def test_every_class_is_covered_even_a_rare_one_pooled_with_its_group() -> None:
    p, target = drawn(5, 6000)
    p_map, truth = drawn(6, 20_000)
    sets = fit_class_sets(p, target, classes=CODES, legend=clc_legend(), confidence=0.9)
    report = set_coverage(sets.contains(p_map), truth, classes=CODES, confidence=0.9)
    for row, n_pool in zip(report["classes"], sets.n_, strict=True):
        # Beta law of one calibration (Angelopoulos and Bates, 3.2) plus the test's own binomial error, at four sigma; ties and the
        # always included dominant class only add.
        error = 4 * np.sqrt(0.09 / n_pool + 0.09 / row["n"])
        assert row["covered"] > 0.9 - error, row
        assert row["low"] <= row["covered"] <= row["high"]
    assert abs(report["all"]["covered"] - 0.9) < 0.03
    assert report["classes"][0]["mean_size"] < 5
    json.dumps(report)
    assert not set_coverage_faults(report, least=500)
    # One threshold for all, for comparison, leaves the rare classes out.
    own = np.sort(p[np.arange(len(p)), target])[::-1][rank(len(p), 0.9) - 1]
    alone = ClassSets(0.9, tuple(CODES), (float(own),) * 5, ("all",) * 5, (6000,) * 5)
    rare = set_coverage(alone.contains(p_map), truth, classes=CODES, confidence=0.9)["classes"][4]
    assert rare["covered"] < 0.6


def test_faults_are_classes_held_too_rarely_beyond_chance() -> None:
    low = {"code": "311", "n": 200, "covered": 0.86, "low": 0.8, "high": 0.89}
    rows = [
        low,
        low | {"high": 0.901},
        low | {"n": 199},
        low | {"covered": 0.875},
        low | {"covered": 0.99, "high": 1.0},
    ]
    table = {"confidence": 0.9, "all": low | {"covered": 0.95, "high": 0.96}, "classes": rows}
    assert set_coverage_faults(table) == ["sets of confidence 0.9 hold 0.86 of 200 samples (311)"]
    assert not set_coverage_faults(table | {"classes": [{"code": "312", "n": 0, "covered": None}]})


def test_thresholds_against_the_definition() -> None:
    p, target = drawn(7, 3000)
    sets = fit_class_sets(p, target, classes=CODES, legend=clc_legend(), confidence=0.8, least=100)
    for c, code in enumerate(CODES[:4]):
        own = p[target == c, c].astype(float)
        assert sets.pool_[c] == code and sets.n_[c] == len(own)
        assert (own >= sets.threshold_[c]).sum() == rank(len(own), 0.8)
    counts = Counter(target.tolist())
    assert counts[4] < 100 and sets.pool_[4] == "all" and sets.n_[4] == 3000


def test_exchangeable_samples_are_in_their_set_often_enough() -> None:
    chance = np.random.default_rng(8)
    hits, trials, n = 0, 1500, 19
    for _ in range(trials):
        share = chance.beta(2, 1, n + 1)
        p = np.stack([share, 1 - share], axis=1)
        sets = fit_class_sets(
            p[:-1], np.zeros(n, int), classes=["311", "312"], legend=clc_legend(), confidence=0.8, least=1
        )
        hits += bool(p[-1, 0] >= sets.threshold_[0])
    low, high = binom.interval(0.9999, trials, 0.8)
    assert low <= hits <= high


def test_sets_grow_with_confidence_and_order_changes_nothing() -> None:
    p, target = drawn(9, 2000)
    order = np.random.default_rng(0).permutation(2000)
    last = np.zeros(p.shape, bool)
    for confidence in (0.3, 0.6, 0.8, 0.9, 0.95):
        sets = fit_class_sets(p, target, classes=CODES, legend=clc_legend(), confidence=confidence)
        assert sets == fit_class_sets(
            p[order], target[order], classes=CODES, legend=clc_legend(), confidence=confidence
        )
        inside = sets.contains(p)
        assert (inside | ~last).all()
        assert inside[np.arange(2000), p.argmax(axis=1)].all()
        last = inside


@given(st.lists(st.integers(0, 30), min_size=5, max_size=5))
def test_pools_hold_enough_or_everything(counts) -> None:
    counts = np.array(counts)
    legend = clc_legend()
    for c, (name, members) in enumerate(pooled_classes(counts, CODES, legend, least=20)):
        assert c in members
        assert counts[list(members)].sum() >= 20 or members == (0, 1, 2, 3, 4)
        assert name == CODES[c] or name == "all" or all(CODES[m].startswith(name) for m in members)
        assert (counts[c] >= 20) == (members == (c,))


def test_pools_climb_level_by_level() -> None:
    codes = ["311", "312", "313", "321", "331", "512"]
    pools = pooled_classes(np.array([50, 12, 9, 15, 6, 4]), codes, clc_legend(), least=20)
    assert [name for name, _ in pools] == ["311", "31", "31", "3", "3", "all"]
    assert pools[1][1] == (1, 2) and pools[3][1] == (3, 4) and pools[5][1] == tuple(range(6))


def test_masks_and_sizes() -> None:
    p, target = drawn(10, 500)
    sets = fit_class_sets(p, target, classes=CODES, legend=clc_legend(), confidence=0.9)
    p[3, 1] = np.nan
    inside = sets.contains(p)
    masks = set_masks(inside)
    assert masks.dtype == np.uint64 and masks[3] == 0 and set_sizes(inside)[3] == 0
    assert [[bool(int(m) >> c & 1) for c in range(5)] for m in masks] == inside.tolist()
    assert set_sizes(inside).tolist() == [int(m).bit_count() for m in masks]
    assert set_masks(np.eye(64, dtype=bool))[63] == 2**63
    with pytest.raises(LearnError, match="because the number of classes is 65; keep 64 or write the sizes of the sets"):
        set_masks(np.ones((1, 65), bool))


def test_sets_survive_json_and_broken_ones_are_refused() -> None:
    p, target = drawn(11, 500)
    sets = fit_class_sets(p, target, classes=CODES, legend=clc_legend(), confidence=0.9)
    plain = json.loads(json.dumps(sets.to_dict()))
    assert ClassSets.from_dict(plain) == sets
    for broken in (
        plain | {"method": None},
        plain | {"threshold": plain["threshold"][1:]},
        plain | {"threshold": [2.0] * 5},
        plain | {"n": [8] * 5},
        plain | {"pool": []},
        {k: v for k, v in plain.items() if k != "classes"},
    ):
        with pytest.raises(LearnError, match="^cannot .*, because .*; "):
            ClassSets.from_dict(broken)
    with pytest.raises(LearnError, match=r"give \(n, 5\)"):
        sets.contains(p[:, :4])


def test_too_few_samples_are_refused() -> None:
    p, target = drawn(12, 8)
    with pytest.raises(LearnError) as refused:
        fit_class_sets(p, target, classes=CODES, legend=clc_legend(), confidence=0.9)
    assert str(refused.value) == (
        "cannot calibrate sets of classes of confidence 0.9, because the number of held-out samples is 8; "
        "give at least 9 or state less confidence"
    )
    with pytest.raises(LearnError, match="of a class without column is 1; leave them out"):
        fit_class_sets(p, np.r_[target[:-1], -1], classes=CODES, legend=clc_legend(), confidence=0.3)
    with pytest.raises(LearnError, match=r"give \(8, 4\)"):
        fit_class_sets(p, target, classes=CODES[:4], legend=clc_legend(), confidence=0.9)
