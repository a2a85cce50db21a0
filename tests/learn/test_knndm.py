"""Distance-matched folds: their promises on clustered samples, and the ledger they go into."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from odse.errors import LearnError
from odse.learn.distance import held_out_m, nearest_m
from odse.learn.folds import check_ledger, designs, fold_ledger, with_design
from odse.learn.knndm import NEIGHBOURS, knndm


def clustered(seed: int, clusters: int, each: int, spread_m: float = 600) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    samples = np.repeat(chance.uniform(0, 1e5, (clusters, 2)), each, axis=0)
    return samples + chance.normal(0, spread_m, samples.shape), chance.uniform(0, 1e5, (300, 2))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(4, 15), st.integers(3, 12), st.integers(3, 6))
def test_folds_match_the_map_better_than_chance(seed, clusters, each, folds) -> None:
    samples, prediction = clustered(seed, clusters, each)
    found = knndm(samples, prediction, folds=folds, seed=seed, tries=20)
    n = len(samples)
    sizes = np.bincount(found.fold, minlength=folds)
    assert found.fold.shape == (n,) and len(sizes) == folds and sizes.min() > 0 and sizes.max() <= n / 2
    wanted = nearest_m(prediction, samples)
    # the Wasserstein distance told is that of the folds given, by a search without shortcuts
    assert found.distance_m == pytest.approx(held_out_m(samples, found.fold))
    assert found.w_m == pytest.approx(wasserstein_distance(held_out_m(samples, found.fold), wanted))
    assert found.w_m <= found.w_random_m
    chance = np.random.default_rng(seed + 1)
    others = [wasserstein_distance(held_out_m(samples, chance.permutation(n) % folds), wanted) for _ in range(3)]
    assert found.w_m <= max(others)
    assert found.fold.tolist() == knndm(samples, prediction, folds=folds, seed=seed, tries=20).fold.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_clusters_are_held_out_whole_and_far_folds_ask_far(seed) -> None:
    samples, prediction = clustered(seed, 20, 20)
    found = knndm(samples, prediction, folds=5)
    chance = np.random.default_rng(seed)
    wanted = nearest_m(prediction, samples)
    others = [wasserstein_distance(held_out_m(samples, chance.permutation(400) % 5), wanted) for _ in range(10)]
    assert found.clusters is not None and found.w_m < 0.5 * min(others)
    assert found.distance_m.mean() > 5 * found.shortest_m
    assert abs(found.distance_m.mean() - found.prediction_m) < 0.4 * found.prediction_m


def test_no_fold_is_larger_than_it_may_be() -> None:
    """Most samples lie in one cluster: held out whole only where that is allowed."""
    chance = np.random.default_rng(5)
    samples = np.concatenate([chance.normal(5e4, 900, (70, 2)), chance.uniform(0, 1e5, (30, 2))])
    prediction = chance.uniform(0, 1e5, (300, 2))
    free = knndm(samples, prediction, folds=4, largest_share=1.0)
    bound = knndm(samples, prediction, folds=4, largest_share=0.4)
    assert np.bincount(free.fold).max() >= 60 and np.bincount(bound.fold).max() <= 40
    assert free.w_m < bound.w_m < bound.w_random_m


def test_random_samples_get_random_folds() -> None:
    chance = np.random.default_rng(8)
    found = knndm(chance.uniform(0, 1e5, (500, 2)), chance.uniform(0, 1e5, (400, 2)), folds=5)
    assert found.clusters is None and found.w_m == found.w_random_m
    assert np.bincount(found.fold).tolist() == [100] * 5
    assert not np.array_equal(
        found.fold, knndm(chance.uniform(0, 1e5, (500, 2)), np.zeros((9, 2)), seed=1, folds=5).fold
    )


def test_years_of_one_place_stay_together() -> None:
    samples, prediction = clustered(1, 12, 6)
    twice = np.concatenate([samples, samples[::-1]])
    found = knndm(twice, prediction, folds=4)
    assert (
        found.fold[:72].tolist() == found.fold[72:][::-1].tolist() == knndm(samples, prediction, folds=4).fold.tolist()
    )
    assert found.distance_m.min() > 0


def test_more_places_than_are_clustered_one_by_one(monkeypatch) -> None:
    """Squares are joined first; a cluster larger than the neighbours looked up is searched anew."""
    monkeypatch.setattr("odse.learn.knndm.MOST_TREE", 60)
    samples, prediction = clustered(3, 8, NEIGHBOURS + 20)
    found = knndm(samples, prediction, folds=4)
    assert found.clusters is not None and found.w_m < 0.5 * found.w_random_m
    assert found.distance_m == pytest.approx(held_out_m(samples, found.fold))


@pytest.mark.parametrize(
    ("samples", "more", "words"),
    [
        (
            np.zeros((9, 2)),
            {},
            "because the number of their places is 1 for 10 folds; take 2 folds or more, and not more than places",
        ),
        (
            np.arange(20.0).reshape(10, 2),
            {"folds": 2},
            "because the share of the largest fold is 0.5 for 2 folds; allow more than 0.50",
        ),
        (np.array([[0.0, np.nan], [1, 1], [2, 2]]), {"folds": 3}, "because a coordinate is unknown; leave those out"),
    ],
)
def test_refusals(samples, more, words) -> None:
    with pytest.raises(LearnError) as caught:
        knndm(samples, np.ones((5, 2)), **more)
    assert words in str(caught.value)


def ledger_of(samples: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame({"id": np.arange(len(samples)), "x": samples[:, 0], "y": samples[:, 1], "target": "311"})
    return fold_ledger(table, block_m=5000, folds=4)


def test_the_ledger_takes_one_more_design() -> None:
    samples, prediction = clustered(2, 10, 5)
    ledger = ledger_of(samples)
    fold = knndm(samples, prediction, folds=4).fold
    more = with_design(ledger, "knndm", fold=fold)
    check_ledger(more)
    assert more[ledger.columns.tolist()].equals(ledger) and "knndm_fold" not in ledger
    found = designs(more)
    assert list(found) == ["spatial", "random", "knndm"] and found["knndm"].tolist() == fold.tolist()
    assert found["spatial"].tolist() == ledger["fold"].tolist()
    assert found["random"].tolist() == ledger["random_fold"].tolist()


@pytest.mark.parametrize(
    ("name", "fold", "words"),
    [
        ("random", [0, 1] * 25, "cannot add design random, because its name is taken; choose another name"),
        ("spatial", [0, 1] * 25, "because its name is taken"),
        ("knndm", [0, 1], "because its folds is int64 (2,) for 50 rows; give one whole number per row"),
        ("knndm", [0.5, 1] * 25, "give one whole number per row"),
        ("knndm", [0, 2] * 25, "because the list of its folds is [0, 2]; number two or more folds from 0 without gaps"),
        ("knndm", [0] * 50, "number two or more folds"),
    ],
)
def test_designs_that_the_ledger_refuses(name, fold, words) -> None:
    with pytest.raises(LearnError) as caught:
        with_design(ledger_of(clustered(2, 10, 5)[0]), name, fold=np.array(fold))
    assert words in str(caught.value)
