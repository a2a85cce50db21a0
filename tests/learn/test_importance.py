"""Importance: against a naive loop, on held-out rows only, and on a case whose answer is known."""

from __future__ import annotations

import json

import numpy as np
import pytest

from odse.layer.legend import clc_legend
from odse.learn.accuracy import scores, stacked_out_of_fold
from odse.learn.ensemble import Ensemble, fit_fold, fit_member, fit_stack
from odse.learn.importance import MOST_ROWS, REPEATS, feature_groups, held_out_importance

LEARNERS = ("boosting", "network")
NAMES = [
    "red_p25_summer",
    "red_p50_summer",
    "nir_p50_summer",
    "nir_p50_winter",
    "flat_p50_winter",
    "ndvi_p50_summer",
    "elev",
]
SEASONS = ("winter", "summer")
CLASSES = ("211", "311", "511")


@pytest.fixture(scope="module")
def case() -> dict:
    """Three classes that only red and ndvi tell apart; `flat` is the same everywhere."""
    rng = np.random.default_rng(5)
    n = 240
    target = rng.integers(0, 3, n)
    features = rng.normal(size=(n, len(NAMES))).astype(np.float32)
    features[:, 0] += 2 * (target == 1)
    features[:, 1] += 2 * (target == 1)
    features[:, 5] += 2 * (target == 2)
    features[:, 4] = 7.0
    weight = rng.uniform(0.3, 1, n)
    fold = np.repeat([0, 1, 2], [70, 100, 70])
    oof = np.zeros((n, len(LEARNERS), 3), dtype=np.float32)
    for one in range(3):
        train, test = np.flatnonzero(fold != one), np.flatnonzero(fold == one)
        for i, kind in enumerate(LEARNERS):
            oof[test, i] = fit_fold(
                kind, features, target, weight, train_rows=train, test_rows=test, n_classes=3, seed=4
            )
    return {"features": features, "target": target, "weight": weight, "oof": oof, "fold": fold,
            "learners": LEARNERS, "n_classes": 3, "names": NAMES, "derived": ["ndvi"], "seasons": SEASONS, "seed": 4}  # fmt: skip


@pytest.fixture(scope="module")
def told(case: dict) -> dict:
    return importance(case)


def importance(case: dict) -> dict:
    words = dict(case)
    return held_out_importance(words.pop("features"), words.pop("target"), words.pop("weight"), **words)


def rise(told: dict, grouping: str) -> dict[str, float]:
    return {line["name"]: line["log_loss"] for line in told["groups"][grouping]}


def test_every_grouping_holds_every_feature_once() -> None:
    for parts in feature_groups(NAMES, derived=["ndvi"], seasons=SEASONS).values():
        assert sorted(column for columns in parts.values() for column in columns) == list(range(len(NAMES)))
    kinds = feature_groups(NAMES, derived=["ndvi"], seasons=SEASONS)["kind"]
    assert kinds == {"seasonal": [0, 1, 2, 3, 4], "derived": [5], "static": [6]}
    others = feature_groups(
        ["temperature.mean_winter", "geology_3", "geology_8", "slope"],
        derived=["temperature.mean", "slope"],
        seasons=SEASONS,
    )
    assert others == {
        "variable": {"temperature.mean": [0], "geology": [1, 2], "slope": [3]},
        "season": {"winter": [0], "all year": [1, 2, 3]},
        "kind": {"derived": [0, 3], "static": [1, 2]},
    }


def test_what_tells_classes_apart_is_found_and_a_constant_is_worth_nothing(told: dict) -> None:
    by_variable, by_season = rise(told, "variable"), rise(told, "season")
    assert {line["name"] for line in told["groups"]["variable"][:2]} == {"red", "ndvi"}
    assert (
        by_variable["flat"] == 0.0
        and next(i for i in told["groups"]["variable"] if i["name"] == "flat")["accuracy"] == 0
    )
    assert min(by_variable["red"], by_variable["ndvi"]) > 0.3 > 0.1 > max(by_variable["nir"], by_variable["elev"])
    assert by_season["summer"] > 0.5 > 0.1 > by_season["winter"]
    assert [line["features"] for line in told["groups"]["variable"] if line["name"] == "red"] == [2]


def test_nothing_shuffled_is_the_out_of_fold_ensemble_of_the_largest_fold(told: dict, case: dict) -> None:
    held = case["fold"] == 1
    assert told["fold"] == 1 and told["rows"] == held.sum() == 100 and told["repeats"] == REPEATS
    stacked = stacked_out_of_fold(case["oof"], case["target"], case["weight"], case["fold"], 3)
    expected = scores(stacked[held], case["target"][held], CLASSES, clc_legend())
    assert told["log_loss"] == pytest.approx(expected["log_loss"], abs=1e-4)
    assert told["overall_accuracy"] == expected["levels"]["3"]["overall_accuracy"]


def test_it_is_what_a_plain_loop_finds(told: dict, case: dict) -> None:
    """Members, stack and shuffles made by hand, one repeat after another, through the public Ensemble."""
    features, target, weight = case["features"], case["target"], case["weight"]
    train, test = np.flatnonzero(case["fold"] != 1), np.flatnonzero(case["fold"] == 1)
    members = tuple(
        fit_member(kind, features[train], target[train], weight[train], n_classes=3, seed=4) for kind in LEARNERS
    )
    ensemble = Ensemble(members, fit_stack(case["oof"][train], target[train], weight[train], n_classes=3))
    chance = np.random.default_rng(4)
    shuffles = [chance.permutation(len(test)) for _ in range(REPEATS)]

    def loss(matrix: np.ndarray) -> float:
        probability = ensemble.predict(matrix).probability
        return float(-np.mean([np.log(max(float(p[t]), 1e-6)) for p, t in zip(probability, target[test], strict=True)]))

    for name, columns in (("red", [0, 1]), ("elev", [6])):
        rises = []
        for shuffle in shuffles:
            changed = features[test].copy()
            for column in columns:
                changed[:, column] = features[test][shuffle, column]
            rises.append(loss(changed) - loss(features[test]))
        line = next(line for line in told["groups"]["variable"] if line["name"] == name)
        assert line["log_loss"] == pytest.approx(np.mean(rises), abs=2e-4)
        assert line["deviation"] == pytest.approx(np.std(rises), abs=2e-4)


def test_equal_input_equal_text_and_the_input_is_left_alone(told: dict, case: dict) -> None:
    before = case["features"].copy()
    again = importance(case)
    assert json.dumps(again) == json.dumps(told)
    assert np.array_equal(case["features"], before)


def test_a_large_fold_is_thinned(case: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_ROWS >= 1000
    monkeypatch.setattr("odse.learn.importance.MOST_ROWS", 40)
    thin = importance({**case, "learners": ("network",), "oof": case["oof"][:, 1:]})
    assert thin["rows"] == 40
