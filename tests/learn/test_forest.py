"""The packed forest: the answer of scikit-learn, whatever the number of pixels, and no file that can lead it astray."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from odse.errors import LearnError
from odse.learn import model as files_of
from odse.learn.ensemble import Ensemble, ForestMember, Stack
from odse.learn.forest import BLOCK, LANES, NODE, Forest, unit
from odse.learn.model import Model, member_from_files, member_to_files

Arrays = dict[str, np.ndarray]


def points(n: int, features: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    target = rng.integers(0, classes, n)
    target[:classes] = np.arange(classes)
    centres = rng.normal(size=(classes, features))
    return (centres[target] + rng.normal(size=(n, features))).astype(np.float32), target


def by_hand(model: Any, features: np.ndarray, present: np.ndarray, n_classes: int) -> np.ndarray:
    """The mean over the trees in double precision, one pixel and one tree at a time; NaN goes right."""
    out = np.zeros((len(features), n_classes))
    for tree in (estimator.tree_ for estimator in model.estimators_):
        for i, row in enumerate(features):
            at = 0
            while tree.children_left[at] >= 0:
                left = float(row[tree.feature[at]]) <= tree.threshold[at]
                at = (tree.children_left if left else tree.children_right)[at]
            out[i, present] += tree.value[at, 0] / tree.value[at, 0].sum()
    return out / len(model.estimators_)


def alike(packed: np.ndarray, wanted: np.ndarray, within: float = 1e-6) -> None:
    assert np.abs(packed - wanted).max() <= within
    two = np.sort(wanted, axis=1)[:, -2:]
    clear = two[:, 1] - two[:, 0] > 2 * within if two.shape[1] == 2 else np.ones(len(wanted), dtype=bool)
    assert clear.mean() > 0.5 and np.array_equal(packed[clear].argmax(axis=1), wanted[clear].argmax(axis=1))


@pytest.fixture(scope="module")
def fitted() -> tuple[RandomForestClassifier, np.ndarray]:
    features, target = points(600, 6, 5, 0)
    return RandomForestClassifier(25, min_samples_leaf=2, random_state=0).fit(features, target), features


@pytest.fixture(scope="module")
def forest(fitted: tuple[RandomForestClassifier, np.ndarray]) -> Forest:
    return Forest.of(fitted[0], np.arange(5), 5)


@pytest.mark.parametrize("classes", [2, 5, 43, 300])
@pytest.mark.parametrize("leaf", [1, 8])
@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_it_is_the_forest(classes: int, leaf: int, kind: Callable[..., Any]) -> None:
    features, target = points(1200, 7, classes, classes + leaf)
    model = kind(12, min_samples_leaf=leaf, random_state=1).fit(features, target)
    other = np.concatenate([features[:500], 3 * points(800, 7, classes, 99)[0]])
    alike(Forest.of(model, np.arange(classes), classes).predict(other), model.predict_proba(other), within=1e-7)


@pytest.mark.parametrize(
    "how", [{"max_leaf_nodes": 30}, {"max_depth": 1}, {"class_weight": "balanced"}, {"bootstrap": False}]
)
def test_it_is_the_forest_however_grown(how: dict[str, Any]) -> None:
    """``max_leaf_nodes`` numbers the nodes by how good they are, not by depth."""
    features, target = points(800, 5, 4, 2)
    weight = np.random.default_rng(0).uniform(0.01, 9, 800)
    model = RandomForestClassifier(10, random_state=0, **how).fit(features, target, sample_weight=weight)
    packed = Forest.of(model, np.arange(4), 4)
    own, inner = np.arange(len(packed.node)), packed.node["child"] != np.arange(len(packed.node))
    assert (packed.node["child"][inner] > own[inner]).all(), "children come after their parents"
    alike(packed.predict(features), model.predict_proba(features), within=1e-7)


def test_values_on_a_threshold_go_where_double_precision_sends_them() -> None:
    """Features with neighbours one float32 apart, so that half of the thresholds lie between two float32 numbers."""
    rng = np.random.default_rng(4)
    steps = (np.float32(4).view(np.int32) + rng.integers(0, 40, (500, 3)).astype(np.int32)).view(np.float32)
    target = rng.integers(0, 3, 500)
    model = RandomForestClassifier(20, random_state=0).fit(steps, target)
    between = [
        t for e in model.estimators_ for t in e.tree_.threshold[e.tree_.feature >= 0] if np.float64(np.float32(t)) != t
    ]
    assert len(between) > 100
    alike(Forest.of(model, np.arange(3), 3).predict(steps), model.predict_proba(steps), within=1e-7)


def test_trees_of_one_node_and_of_one_class() -> None:
    features, target = points(100, 4, 3, 0)
    stump = RandomForestClassifier(7, min_samples_leaf=60, random_state=0).fit(features, target)
    assert {e.tree_.node_count for e in stump.estimators_} == {1}
    alike(Forest.of(stump, np.arange(3), 3).predict(features), stump.predict_proba(features), within=1e-7)
    single = RandomForestClassifier(3, random_state=0).fit(features, np.zeros(100, dtype=int))
    out = Forest.of(single, np.array([2]), 4).predict(features)
    assert np.array_equal(out, np.tile(np.float32([0, 0, 1, 0]), (100, 1)))


def test_absent_classes_have_exactly_nothing(fitted: tuple[RandomForestClassifier, np.ndarray]) -> None:
    model, features = fitted
    present = np.array([1, 2, 4, 6, 7])
    out = Forest.of(model, present, 9).predict(features)
    assert (out[:, [0, 3, 5, 8]] == 0).all()
    alike(out[:, present], model.predict_proba(features), within=1e-7)


def test_nan_and_infinity_go_as_a_walk_by_hand(
    fitted: tuple[RandomForestClassifier, np.ndarray], forest: Forest
) -> None:
    model, features = fitted
    holed = features[:60].copy()
    rng = np.random.default_rng(1)
    for value in (np.nan, np.inf, -np.inf, 3e38):
        holed[rng.random(holed.shape) < 0.15] = value
    before = holed.copy()
    alike(forest.predict(holed), by_hand(model, holed, np.arange(5), 5), within=1e-7)
    assert np.array_equal(holed, before, equal_nan=True), "the caller's features are left alone"
    assert np.allclose(forest.predict(np.full((3, 6), np.nan, dtype=np.float32)).sum(axis=1), 1)


def test_a_pixel_is_the_same_in_any_company(forest: Forest) -> None:
    rng = np.random.default_rng(7)
    features = (2 * rng.normal(size=(2 * BLOCK + 5, 6))).astype(np.float32)
    whole = forest.predict(features)
    for start, n in [
        (0, 1),
        (3, LANES - 1),
        (5, LANES),
        (9, LANES + 1),
        (100, BLOCK),
        (40, BLOCK + 1),
        (1, 2 * BLOCK + 1),
    ]:
        assert np.array_equal(forest.predict(features[start : start + n]), whole[start : start + n])
    order = rng.permutation(len(features))
    assert np.array_equal(forest.predict(features[order]), whole[order])
    assert np.array_equal(forest.predict(np.asfortranarray(features[::2])), whole[::2])
    assert forest.predict(features[:0]).shape == (0, 5)


def test_the_order_of_the_trees_changes_no_bit(
    fitted: tuple[RandomForestClassifier, np.ndarray], forest: Forest
) -> None:
    model, features = fitted
    wanted = forest.predict(features)
    kept = list(model.estimators_)
    try:
        model.estimators_ = kept[::-1]
        assert np.array_equal(Forest.of(model, np.arange(5), 5).predict(features), wanted)
    finally:
        model.estimators_ = kept


def test_sums_do_not_overflow_and_sum_to_one(forest: Forest) -> None:
    """Pure leaves of all trees together fill 32 bits and no more."""
    assert all(trees * unit(trees) < 2**32 for trees in range(1, 3000))
    for trees in (1, 2, 3, 7, 1000):
        model = RandomForestClassifier(trees, max_depth=1, random_state=0).fit(*points(60, 2, 2, trees))
        for estimator in model.estimators_:
            estimator.tree_.value[:] = [[0.0, 1.0]]
        assert (Forest.of(model, np.arange(2), 2).predict(points(40, 2, 2, 0)[0]) == [0, 1]).all()


def test_the_wrong_number_of_features_is_refused(forest: Forest) -> None:
    with pytest.raises(
        LearnError,
        match=r"cannot predict with a forest, because the shape of the features is \(4, 5\); give 6 features a row, in the order",
    ):
        forest.predict(np.zeros((4, 5), dtype=np.float32))


def test_it_is_small_in_memory_and_in_its_file() -> None:
    features, target = points(3000, 10, 43, 1)
    model = RandomForestClassifier(10, min_samples_leaf=5, random_state=0).fit(features, target)
    packed = Forest.of(model, np.arange(43), 43)
    held = sum(array.nbytes for array in (packed.node, packed.first, packed.klass, packed.weight))
    assert held < 32 * len(packed.node), "43 classes as a table of float32 alone would take 172 bytes a node"
    assert len(member_to_files(ForestMember(packed))["forest.npz"]) < 9 * len(packed.node)


@pytest.mark.parametrize("classes", [5, 300])
def test_it_is_kept_whole(classes: int) -> None:
    features, target = points(700, 6, classes, 3)
    model = RandomForestClassifier(8, min_samples_leaf=2, random_state=0).fit(features, target)
    packed = Forest.of(model, np.arange(classes), classes)
    kept = member_to_files(ForestMember(packed))
    again = member_from_files(kept)
    assert isinstance(again, ForestMember) and member_to_files(again) == kept
    for name in ("node", "first", "klass", "weight", "root"):
        one, other = getattr(packed, name), getattr(again.forest, name)
        assert one.dtype == other.dtype and np.array_equal(one, other), name
    assert np.array_equal(again.predict(features), packed.predict(features))


def put(key: str, place: int, value: Any) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[key] = arrays[key].astype(
            np.result_type(arrays[key], np.min_scalar_type(-value if arrays[key].dtype.kind == "i" else value)),
            copy=True,
        )
        arrays[key][place] = value

    return change


def cut(key: str) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[key] = arrays[key][:-1]

    return change


def cast(key: str, kind: Any) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[key] = arrays[key].astype(kind)

    return change


def twice_a_class(arrays: Arrays) -> None:
    place = int(np.flatnonzero(arrays["length"] >= 2)[0])
    at = int(arrays["length"][:place].sum())
    arrays["class"] = arrays["class"].copy()
    arrays["class"][at + 1] = arrays["class"][at]


HOSTILE: dict[str, tuple[Callable[[Arrays], None], str]] = {
    "child beyond the table": (put("child", 0, 2**31), "with nodes out of bounds"),
    "child in the next tree": (lambda a: put("child", int(a["nodes"][0]) - 2, 2)(a), "with nodes out of bounds"),
    "right child in the next tree": (lambda a: put("child", int(a["nodes"][0]) - 2, 1)(a), "with nodes out of bounds"),
    "backwards": (cast("child", np.int32), "without a sound array 'child'"),
    "an inner node made a leaf": (put("child", 0, 0), "with thresholds that do not fit its nodes"),
    "feature beyond": (put("feature", 3, 6), "with features out of bounds"),
    "feature signed": (cast("feature", np.int8), "without a sound array 'feature'"),
    "threshold NaN": (put("threshold", 1, np.nan), "without a sound array 'threshold'"),
    "threshold infinite": (put("threshold", 1, np.inf), "without a sound array 'threshold'"),
    "thresholds in double precision": (cast("threshold", np.float64), "with numbers too wide"),
    "fewer thresholds": (cut("threshold"), "with thresholds that do not fit its nodes"),
    "no nodes in a tree": (put("nodes", 0, 0), "with trees that do not add up"),
    "negative nodes": (put("nodes", 0, -5), "with trees that do not add up"),
    "nodes that overflow": (
        lambda a: (cast("nodes", np.int64)(a), put("nodes", 0, 2**62 - 1)(a)),
        "with trees that do not add up",
    ),
    "a tree fewer": (cut("nodes"), "with trees that do not add up"),
    "no trees": (lambda a: a.update(nodes=a["nodes"][:0], child=a["child"][:0]), "with trees that do not add up"),
    "class beyond": (put("class", 0, 5), "with classes out of bounds"),
    "empty leaf": (put("length", 0, 0), "with classes out of bounds"),
    "leaf too long": (put("length", 0, 6), "with classes out of bounds"),
    "fewer weights": (cut("weight"), "with classes out of bounds"),
    "a class twice": (twice_a_class, "with leaves that are no probabilities"),
    "a weight too large": (put("weight", 0, 2**32 - 1), "with leaves that are no probabilities"),
    "wide numbers": (cast("weight", np.uint64), "with numbers too wide"),
    "shape of three": (lambda a: a.update(shape=np.array([5, 6, 7])), "with numbers too wide"),
    "missing": (lambda a: a.pop("length"), "without a sound array 'length'"),
    "two-dimensional": (lambda a: a.update(child=a["child"][None]), "without a sound array 'child'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(forest: Forest, name: str) -> None:
    change, said = HOSTILE[name]
    arrays = forest.to_arrays()
    change(arrays)
    with pytest.raises(
        LearnError, match=f"cannot open the model, because its file forest.npz is {said}; train it again"
    ):
        member_from_files({"forest.npz": files_of._npz(arrays)})


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_file_no_walk_leaves_the_table(forest: Forest, data: st.DataObject) -> None:
    """A file changed anywhere is refused, or its forest is sound: inside the bounds, strictly forward, sums near one."""
    arrays = {key: array.copy() for key, array in forest.to_arrays().items()}
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(arrays)))
        place = data.draw(st.integers(0, len(arrays[key]) - 1))
        old = arrays[key][place]
        if arrays[key].dtype.kind == "f":
            arrays[key][place] = data.draw(st.floats(width=32))
        else:
            info = np.iinfo(arrays[key].dtype)
            near = st.integers(max(info.min, int(old) - 3), min(info.max, int(old) + 3))
            arrays[key][place] = data.draw(near | st.integers(info.min, info.max))
    try:
        again = Forest.from_arrays(arrays)
    except ValueError:
        return
    node, own = again.node, np.arange(len(again.node))
    assert node.dtype == NODE and again.n_features >= 0
    last = np.repeat(again.root[1:], np.diff(again.root))
    inner = node["child"] != own
    assert (node["child"][inner] > own[inner]).all() and (node["child"][inner] + 1 < last[inner]).all()
    assert (node["threshold"][~inner] == np.inf).all() and np.isfinite(node["threshold"][inner]).all()
    assert (node["feature"] < max(again.n_features, 1)).all() and (again.klass < again.n_classes).all()
    assert again.first[0] == 0 and (np.diff(again.first.astype(np.int64)) >= 0).all()
    assert again.first[-1] == len(again.klass) == len(again.weight)
    if again.n_features == 6 and again.n_classes < 1000:
        out = again.predict(np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32))
        assert np.allclose(out.sum(axis=1), 1, atol=1e-4)


@pytest.fixture(scope="module")
def kept(forest: Forest) -> dict[str, bytes]:
    stack = Stack(np.ones(1), np.zeros(5))
    return Model(Ensemble((ForestMember(forest),), stack), tuple("abcde"), tuple("uvwxyz")).to_files()


def changed_card(kept: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    import json

    return {**kept, "model.json": json.dumps({**json.loads(kept["model.json"]), **changes}).encode()}


def test_a_model_of_an_older_release_says_so(kept: dict[str, bytes]) -> None:
    with pytest.raises(
        LearnError,
        match=r"cannot open the model, because its file model.json is of version 1, where this release reads 2; train it again",
    ):
        Model.from_files(changed_card(kept, schema=1))


@pytest.mark.parametrize("changes", [{"features": list("uvwxy")}, {"features": []}, {"classes": list("abcdef")}])
def test_a_forest_for_other_features_or_classes_is_refused(kept: dict[str, bytes], changes: dict[str, Any]) -> None:
    with pytest.raises(LearnError, match="its file 0-forest.npz is for other classes or features; train it again"):
        Model.from_files(changed_card(kept, **changes))
