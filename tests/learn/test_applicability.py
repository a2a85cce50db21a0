"""Area of applicability against the definition over all pairs, and the quick way against the exact one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from odse.errors import LearnError
from odse.learn import applicability
from odse.learn.applicability import fit_applicability, within


def naive(train, fold, pixels, importance):
    """The definition, pair by pair: index of pixels, index of the training samples, threshold."""
    weight = np.maximum(importance, 0)
    mean, spread = train.mean(axis=0), train.std(axis=0, ddof=1)
    keep = spread > 0
    a = ((train - mean)[:, keep] / spread[keep]) * weight[keep]
    b = ((pixels - mean)[:, keep] / spread[keep]) * weight[keep]
    pairs = [[float(np.sqrt(((x - y) ** 2).sum())) for y in a] for x in a]
    pairs = np.array(pairs)
    mean_distance = np.mean([pairs[i, j] for i in range(len(a)) for j in range(len(a)) if i != j])
    own = np.array([pairs[i, fold != fold[i]].min() for i in range(len(a))]) / mean_distance
    index = np.array([min(np.sqrt(((x - y) ** 2).sum()) for y in a) for x in b]) / mean_distance
    q1, q3 = np.percentile(own, [25, 75])
    return index, own, min(q3 + 1.5 * (q3 - q1), own.max())


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_exact_mode_is_the_definition(seed) -> None:
    chance = np.random.default_rng(seed)
    train, pixels = chance.normal(50, 9, (40, 6)), chance.normal(50, 20, (30, 6))
    train[:, 2] = 7.25  # the same in all samples: left out, whatever pixels say
    importance = chance.normal(0.5, 1, 6)
    importance[0] = 1.0
    fold = chance.permutation(40) % 4
    found = fit_applicability(train, fold, importance=importance, components=None)
    index, own, threshold = naive(train, fold, pixels, importance)
    assert found.dissimilarity(pixels) == pytest.approx(index, rel=1e-5)
    assert found.training_index_ == pytest.approx(own)
    assert found.threshold_ == pytest.approx(threshold)
    assert found.inside(pixels).tolist() == (index <= threshold).tolist()
    turned = fit_applicability(train, fold, importance=importance, components=5)
    assert turned.dissimilarity(pixels) == pytest.approx(index, rel=1e-5)


def landscape(n: int, chance: np.random.Generator, shift: float = 0.0) -> np.ndarray:
    """92 features out of 11 causes and noise, as seasonal bands and indices are."""
    causes = chance.normal(size=(n, 11)) * np.linspace(2, 0.5, 11) + shift
    return causes @ np.random.default_rng(9).normal(size=(11, 92)) / 3 + chance.normal(size=(n, 92)) * 0.35


def test_components_rank_pixels_as_all_features_do() -> None:
    chance = np.random.default_rng(0)
    train, pixels = landscape(1200, chance), np.concatenate([landscape(900, chance), landscape(300, chance, 1.0)])
    fold, importance = np.arange(1200) % 5, np.random.default_rng(3).gamma(0.6, 1, 92)
    quick = fit_applicability(train, fold, importance=importance)
    exact = fit_applicability(train, fold, importance=importance, components=None)
    assert quick.axes_.shape == (92, 20) and 0.95 < quick.explained_ < 1
    assert spearmanr(quick.dissimilarity(pixels), exact.dissimilarity(pixels)).statistic >= 0.98
    assert np.mean(quick.inside(pixels) == exact.inside(pixels)) > 0.97
    assert exact.inside(pixels[:900]).mean() > exact.inside(pixels[900:]).mean()


def test_units_of_features_and_of_importance_do_not_matter() -> None:
    chance = np.random.default_rng(1)
    train, pixels, fold = chance.normal(size=(90, 5)), chance.normal(size=(50, 5)) * 2, np.arange(90) % 3
    importance, unit = chance.uniform(0.1, 1, 5), np.array([1e-4, 1, 250, 1e4, 3])
    one = fit_applicability(train, fold, importance=importance, components=3)
    two = fit_applicability(train * unit + 17, fold, importance=importance * 40, components=3)
    assert two.dissimilarity(pixels * unit + 17) == pytest.approx(one.dissimilarity(pixels), rel=1e-4)
    assert two.threshold_ == pytest.approx(one.threshold_)


def test_blocks_of_pixels_and_unknown_features(monkeypatch) -> None:
    chance = np.random.default_rng(2)
    found = fit_applicability(chance.normal(size=(60, 3)), np.arange(60) % 3)
    pixels = chance.normal(size=(101, 3)).astype(np.float32)
    pixels[::7, 1] = np.nan
    whole = found.dissimilarity(pixels)
    monkeypatch.setattr(applicability, "BLOCK_ROWS", 10)
    assert np.array_equal(found.dissimilarity(pixels), whole, equal_nan=True)
    assert np.isnan(whole[::7]).all() and np.isfinite(np.delete(whole, np.s_[::7])).all()
    assert not found.inside(pixels)[::7].any()
    assert np.isnan(found.dissimilarity(np.full((3, 3), np.nan))).all() and found.dissimilarity(
        np.zeros((0, 3))
    ).shape == (0,)


def test_training_samples_are_at_no_distance_and_folds_widen_the_area() -> None:
    """Clusters in feature space: folds by chance find a twin next door, folds of clusters look across."""
    chance = np.random.default_rng(3)
    train = np.repeat(chance.normal(size=(10, 4)) * 10, 12, axis=0) + chance.normal(size=(120, 4)) * 0.1
    blocks = fit_applicability(train, np.repeat(np.arange(10), 12))
    random = fit_applicability(train, chance.permutation(120) % 10)
    assert blocks.dissimilarity(train).max() < 1e-5 and blocks.threshold_ > 5 * random.threshold_
    report = json.loads(json.dumps(blocks.report(), allow_nan=False))
    assert report["samples"] == 120 and report["training_inside"] == np.mean(
        blocks.training_index_ <= blocks.threshold_
    )
    assert within(np.float32(blocks.threshold_), blocks.threshold_)


def test_many_samples_are_averaged_by_chance(monkeypatch) -> None:
    train, fold = np.random.default_rng(4).normal(size=(1500, 3)), np.arange(1500) % 2
    exact = fit_applicability(train, fold).mean_distance_
    monkeypatch.setattr(applicability, "MOST_PAIRED", 600)
    assert fit_applicability(train, fold).mean_distance_ == pytest.approx(exact, rel=0.03)
    assert fit_applicability(train, fold).mean_distance_ == fit_applicability(train, fold).mean_distance_ != exact


@pytest.mark.parametrize(
    ("train", "fold", "more", "words"),
    [
        (
            [[1.0, 2], [3, 4]],
            [0, 0],
            {},
            "cannot compare training samples, because the number of their folds is 1; give two or more",
        ),
        ([[1.0, np.nan], [3, 4]], [0, 1], {}, "give one row of known features per sample"),
        (
            [[1.0, 2], [3, 4]],
            [0, 1],
            {"importance": [1]},
            "because the list of their importances is (1,) or not finite; give one number per feature",
        ),
        (
            [[1.0, 2], [3, 4]],
            [0, 1],
            {"importance": [-1, 0]},
            "cannot weigh 2 features, because the weight of all that differ is 0; leave `importance` out",
        ),
        ([[1.0, 2], [1, 2]], [0, 1], {}, "because the weight of all that differ is 0"),
    ],
)
def test_refusals(train, fold, more, words) -> None:
    with pytest.raises(LearnError) as caught:
        fit_applicability(train, np.array(fold), **more)
    assert words in str(caught.value)


def test_pixels_with_other_features_are_refused() -> None:
    found = fit_applicability([[1.0, 2], [3, 5], [0, 1]], np.array([0, 1, 1]))
    with pytest.raises(LearnError, match=r"the shape of their features is \(1, 3\); give rows of 2 features"):
        found.dissimilarity(np.zeros((1, 3)))
