"""The ensemble: what must hold whatever the data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from odse.errors import LearnError
from odse.grid import block_ids
from odse.layer.legend import clc_legend
from odse.learn.accuracy import accuracy_report, confusion, constant_out_of_fold, producers, users
from odse.learn.ensemble import Ensemble, Stack, combine, fit_fold, fit_member, fit_stack, members_predict
from odse.learn.folds import check_ledger, fold_ledger
from odse.learn.forest import Forest
from odse.learn.model import Model
from odse.learn.predict import to_percent
from odse.learn.samples import merge_rare

KINDS = ("forest", "boosting", "network")
CLASSES = ("211", "231", "311", "312", "511")


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(5, 12)) * 1.2
    target = rng.integers(0, 5, 400)
    features = (centres[target] + rng.normal(size=(400, 12))).astype(np.float32)
    return features, target.astype(np.int64), rng.uniform(0.3, 1.0, 400)


@pytest.fixture(scope="module")
def model(data) -> Model:
    features, target, weight = data
    members = tuple(fit_member(kind, features[:250], target[:250], weight[:250], n_classes=5, seed=1) for kind in KINDS)
    stack = fit_stack(members_predict(members, features[250:]), target[250:], weight[250:], n_classes=5)
    return Model(Ensemble(members, stack), CLASSES, tuple(f"f{i}" for i in range(12)))


@pytest.mark.parametrize("kind", KINDS)
def test_members_learn_and_sum_to_one(kind: str, data) -> None:
    features, target, weight = data
    member = fit_member(kind, features[:300], target[:300], weight[:300], n_classes=5, seed=0)
    probability = member.predict(features[300:])
    assert np.allclose(probability.sum(axis=1), 1, atol=1e-5)
    assert (probability.argmax(axis=1) == target[300:]).mean() > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_weight_zero_is_an_absent_row(kind: str, data) -> None:
    features, target, weight = data
    weight = weight.copy()
    weight[:100] = 0
    with_zeros = fit_member(kind, features, target, weight, n_classes=5, seed=0).predict(features)
    without = fit_member(kind, features[100:], target[100:], weight[100:], n_classes=5, seed=0).predict(features)
    assert np.array_equal(with_zeros, without)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_weigh(kind: str, data) -> None:
    features, target, _ = data
    heavy = np.where(target == 2, 50.0, 1.0)
    plain = fit_member(kind, features, target, np.ones(400), n_classes=5, seed=0).predict(features * 0.4)
    tilted = fit_member(kind, features, target, heavy, n_classes=5, seed=0).predict(features * 0.4)
    assert tilted[:, 2].mean() > plain[:, 2].mean() + 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_class_never_seen_has_probability_zero(kind: str, data) -> None:
    features, target, weight = data
    rows = np.flatnonzero(target != 3)
    out = fit_fold(kind, features, target, weight, train_rows=rows, test_rows=np.arange(50), n_classes=5, seed=0)
    assert (out[:, 3] == 0).all() and np.allclose(out.sum(axis=1), 1, atol=1e-5)


def test_the_packed_forest_is_the_forest(data) -> None:
    features, target, weight = data
    forest = RandomForestClassifier(20, random_state=0, min_samples_leaf=2).fit(features, target, sample_weight=weight)
    packed = Forest.of(forest, np.arange(5), 5).predict(features)
    assert np.abs(packed - forest.predict_proba(features)).max() < 1e-6


def test_agreeing_members_have_no_spread_and_classes_may_be_permuted() -> None:
    rng = np.random.default_rng(0)
    one = rng.dirichlet(np.ones(5), 30).astype(np.float32)
    stack = Stack(np.full(3, 1 / 3), np.zeros(5))
    assert (combine(np.stack([one] * 3, axis=1), stack).deviation < 1e-7).all()
    each = rng.dirichlet(np.ones(5), (30, 3)).astype(np.float32)
    order = [3, 1, 4, 0, 2]
    assert np.allclose(combine(each[:, :, order], stack).deviation, combine(each, stack).deviation[:, order])
    by_hand = np.sqrt(((each - each.mean(axis=1, keepdims=True)) ** 2).mean(axis=1))
    assert np.allclose(combine(each, stack).deviation, by_hand, atol=1e-6)


def test_the_order_of_members_changes_nothing(data) -> None:
    _, target, weight = data
    each = np.random.default_rng(1).dirichlet(np.ones(5), (400, 3)).astype(np.float32)
    forth = combine(each, fit_stack(each, target, weight, n_classes=5))
    back = combine(each[:, ::-1], fit_stack(each[:, ::-1], target, weight, n_classes=5))
    assert np.allclose(forth.probability, back.probability, atol=1e-5)
    assert np.allclose(forth.deviation, back.deviation, atol=1e-6)


def test_doubling_a_weight_is_duplicating_a_row_for_the_stack(data) -> None:
    _, target, _ = data
    each = np.random.default_rng(2).dirichlet(np.ones(5), (400, 3)).astype(np.float32)
    weight = np.ones(400)
    weight[:100] = 2
    twice = np.concatenate([np.arange(400), np.arange(100)])
    doubled = fit_stack(each, target, weight, n_classes=5, ridge=0.0)
    copied = fit_stack(each[twice], target[twice], np.ones(500), n_classes=5, ridge=0.0)
    assert np.allclose(doubled.predict(each), copied.predict(each), atol=1e-3)


def test_a_model_is_kept_whole(model: Model, data) -> None:
    files = model.to_files()
    again = Model.from_files(files)
    assert np.array_equal(again.ensemble.predict(data[0]).probability, model.ensemble.predict(data[0]).probability)
    assert again.to_files() == files and again.classes == CLASSES


def test_training_twice_gives_equal_bytes(data) -> None:
    features, target, weight = data
    pair = [
        Model(Ensemble((fit_member(kind, features, target, weight, n_classes=5, seed=1),), Stack(np.ones(1), np.zeros(5))),
              CLASSES, ()).to_files()
        for kind in KINDS for _ in range(2)
    ]  # fmt: skip
    assert pair[0] == pair[1] and pair[2] == pair[3] and pair[4] == pair[5]


@pytest.mark.parametrize("how", ["cut", "flip", "missing", "foreign"])
@pytest.mark.parametrize("name", ["0-forest.npz", "stack.npz", "model.json"])
def test_a_damaged_model_is_refused(model: Model, name: str, how: str) -> None:
    files = dict(model.to_files())
    data = bytearray(files[name])
    data[len(data) // 2] ^= 1
    changed = {"cut": files[name][:-20], "flip": bytes(data), "foreign": b"PK\x03\x04 nothing"}
    if how == "missing":
        del files[name]
    else:
        files[name] = changed[how]
    with pytest.raises(LearnError, match=r"cannot open the model, because its file .* is .*; train it again"):
        Model.from_files(files)


def samples(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    return pd.DataFrame({"id": np.arange(n), "x": rng.uniform(0, 9000, n), "y": rng.uniform(0, 9000, n),
                         "target": rng.choice(["211", "231", "311"], n, p=[0.6, 0.3, 0.1])})  # fmt: skip


def test_no_test_block_shares_ground_with_a_training_block() -> None:
    table = samples()
    ledger = fold_ledger(table, block_m=1500, folds=5)
    again = block_ids(table["x"].to_numpy(), table["y"].to_numpy(), size_m=1500)
    assert (pd.Series(again).groupby(ledger["fold"]).apply(set).explode().value_counts() == 1).all()
    assert ledger["fold"].nunique() == 5 and fold_ledger(table, block_m=1500, folds=5).equals(ledger)
    share = pd.crosstab(ledger["fold"], table["target"], normalize="columns")
    assert (share > 0.08).all().all(), "classes are spread over the folds"


def test_a_cut_block_is_refused() -> None:
    ledger = fold_ledger(samples(), block_m=1500, folds=5)
    ledger.loc[0, "fold"] = (ledger.loc[0, "fold"] + 1) % 5
    with pytest.raises(
        LearnError, match="cannot trust the fold ledger, because block .* is in two folds; draw it anew"
    ):
        check_ledger(ledger)
    with pytest.raises(
        LearnError, match="cannot fold 300 samples, because the number of their blocks is 1 for 5 folds"
    ):
        fold_ledger(samples(), block_m=1e6, folds=5)


def test_rare_classes_go_up_the_legend() -> None:
    table = pd.DataFrame({"target": ["231"] * 20 + ["312"] * 3 + ["313"] * 3 + ["511"] * 4 + ["521"] * 3 + ["411"] * 2})
    merged, told = merge_rare(table, clc_legend(), min_per_class=5)
    assert merged["target"].value_counts().to_dict() == {"231": 20, "5": 7, "31": 6}
    assert {one["code"]: one["became"] for one in told} == {
        "312": "31",
        "313": "31",
        "411": None,
        "511": "5",
        "521": "5",
    }
    assert all(one["reason"] for one in told)
    with pytest.raises(
        LearnError, match=r"cannot learn class 312, because the number of its points is 3 \(of 5 needed\)"
    ):
        merge_rare(table, clc_legend(), min_per_class=5, rare="refuse")
    assert set(merge_rare(table, clc_legend(), min_per_class=5, rare="drop")[0]["target"]) == {"231"}


def test_users_and_producers_by_hand() -> None:
    table = confusion(np.array([0] * 10 + [1] * 10), np.array([0] * 8 + [1] * 2 + [0] * 5 + [1] * 5), 2)
    assert table.tolist() == [[8, 2], [5, 5]]
    assert producers(table).tolist() == [0.8, 0.5], "of what is there: recall"
    assert users(table) == pytest.approx([8 / 13, 5 / 7]), "of what is mapped: precision"


def test_the_report_has_every_member_and_a_baseline(data) -> None:
    features, target, weight = data
    fold = np.arange(400) % 4
    oof = np.zeros((400, 2, 5), dtype=np.float32)
    for one in range(4):
        test, train = np.flatnonzero(fold == one), np.flatnonzero(fold != one)
        for i, kind in enumerate(("forest", "boosting")):
            oof[test, i] = fit_fold(
                kind, features, target, weight, train_rows=train, test_rows=test, n_classes=5, seed=0
            )
    report = accuracy_report({"spatial": oof, "random": oof}, target, weight, folds={"spatial": fold, "random": fold},
                             learners=("forest", "boosting"), classes=CLASSES, legend=clc_legend())  # fmt: skip
    rows = report["designs"]["spatial"]
    assert set(rows) == {"forest", "boosting", "ensemble", "constant"}
    assert rows["ensemble"]["log_loss"] < rows["constant"]["log_loss"]
    for row in (rows[name] for name in ("forest", "boosting", "ensemble")):
        overall = [row["levels"][level]["overall_accuracy"] for level in ("3", "2", "1")]
        assert np.diff(overall).min() > -0.01, "a coarser legend is hardly ever harder"
    assert [one["code"] for one in report["levels"]["1"]["classes"]] == ["2", "3", "5"]
    assert sum(one["n"] for one in report["levels"]["3"]["classes"]) == 400


def test_the_constant_baseline_knows_only_other_folds() -> None:
    p = constant_out_of_fold(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2)
    assert p.argmax(axis=1).tolist() == [1, 1, 0, 0]


def test_percent_rounds_half_up() -> None:
    assert to_percent(np.array([0.004, 0.005, 0.125, 0.994, 0.995])).tolist() == [0, 1, 13, 99, 100]
