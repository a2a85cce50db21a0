"""One-hot columns and missing values against numpy written out, and on the soils of Ebergötzen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest
import rasterio

from odse.errors import LearnError
from odse.learn.features import Categories, Missing

class_values = hnp.arrays(np.float32, st.integers(0, 30), elements=st.integers(-3, 9).map(float) | st.just(np.nan))
matrices = hnp.arrays(np.float32, (9, 4), elements=st.floats(-1e6, 1e6, width=32) | st.just(np.nan))


@hypothesis.given(class_values, st.sets(st.integers(-3, 9), min_size=1))
def test_one_hot_is_a_loop(values: npt.NDArray[np.float32], classes: set[int]) -> None:
    columns = Categories("soil", tuple(sorted(classes)))
    matrix = columns.one_hot(values)
    assert matrix.shape == (len(values), len(classes)) and matrix.dtype == np.float32
    lost: dict[int, int] = {}
    for row, value in zip(matrix, values, strict=True):
        if np.isnan(value):
            assert np.isnan(row).all()
            continue
        assert row.tolist() == [float(value == one) for one in sorted(classes)]
        if int(value) not in classes:
            lost[int(value)] = lost.get(int(value), 0) + 1
    assert columns.unseen(values) == lost


@hypothesis.given(class_values.filter(lambda values: bool(np.isfinite(values).any())))
def test_the_classes_of_the_samples_miss_none_of_them(values: npt.NDArray[np.float32]) -> None:
    columns = Categories.of("soil", values)
    assert columns.unseen(values) == {}
    assert columns.one_hot(values)[np.isfinite(values)].sum(axis=1).tolist() == [1.0] * int(np.isfinite(values).sum())
    assert Categories.from_dict(json.loads(json.dumps(columns.to_dict()))) == columns


def test_real_classes(data_dir: Path) -> None:
    with rasterio.open(data_dir / "06_soil_eberg" / "eberg_grid_100m_epsg31467.tif") as source:
        geology = np.where(source.read(1) == -9999, np.nan, source.read(1))
    columns = Categories.of("prmgeo6", geology)
    named = json.loads(
        (data_dir / "06_soil_eberg" / "eberg_grid_100m_epsg31467.categories.json").read_text(encoding="utf-8")
    )
    assert columns.classes == tuple(int(value) for value in named["PRMGEO6"])
    assert columns.columns[0] == "prmgeo6_1"
    matrix = columns.one_hot(geology)
    for place, one in enumerate(columns.classes):
        assert np.nansum(matrix[:, place]) == (geology == one).sum()


def test_what_is_no_class() -> None:
    with pytest.raises(
        LearnError,
        match="cannot make columns of `twi`, because one of its values is 2.5, no class; take it as a number",
    ):
        Categories.of("twi", [1, 2.5])
    with pytest.raises(LearnError, match=r"because the number of its classes is 101 \(of 100 at most\)"):
        Categories.of("dem", np.arange(101))
    for classes in ((), (3, 1), (1, 1)):
        with pytest.raises(
            LearnError, match="because its list of classes is .*; give each class once, in ascending order"
        ):
            Categories("soil", classes)


@hypothesis.given(matrices, matrices)
def test_medians_of_the_samples_stand_in(samples: npt.NDArray[np.float32], pixels: npt.NDArray[np.float32]) -> None:
    hypothesis.assume(not np.isnan(samples).all(axis=0).any())
    names = ("a", "b", "c", "d")
    rule = Missing.fit(samples, names, rule="median")
    got, known = rule.apply(pixels)
    for row in range(9):
        whole = [x for x in pixels[row] if not np.isnan(x)]
        assert known[row] == bool(whole)
        for col in range(4):
            column = sorted(float(x) for x in samples[:, col] if not np.isnan(x))
            median = (column[(len(column) - 1) // 2] + column[len(column) // 2]) / 2
            wanted = np.float32(median) if np.isnan(pixels[row, col]) and whole else pixels[row, col]
            assert np.array_equal(got[row, col], wanted, equal_nan=True)
    assert rule.count(pixels) == {n: k for n, k in zip(names, np.isnan(pixels).sum(axis=0).tolist(), strict=True) if k}
    again = Missing.from_dict(json.loads(json.dumps(rule.to_dict())))
    assert again == rule and again.apply(pixels)[0].tobytes() == got.tobytes()


@hypothesis.given(matrices)
def test_dropping_leaves_the_whole_rows(pixels: npt.NDArray[np.float32]) -> None:
    rule = Missing("drop", ("a", "b", "c", "d"))
    got, known = rule.apply(pixels)
    assert known.tolist() == [not np.isnan(row).any() for row in pixels] and got.tobytes() == pixels.tobytes()
    assert Missing.from_dict(rule.to_dict()) == rule


def test_the_order_of_samples_and_of_pixels_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    samples = np.where(rng.random((50, 4)) < 0.3, np.nan, rng.normal(size=(50, 4))).astype(np.float32)
    rule = Missing.fit(samples, "abcd", rule="median")
    order = rng.permutation(50)
    assert Missing.fit(samples[order], "abcd", rule="median") == rule
    assert rule.apply(samples)[0][order].tobytes() == rule.apply(samples[order])[0].tobytes()


def test_refusals() -> None:
    with pytest.raises(
        LearnError,
        match="cannot treat missing values of `b`, because the number of samples that have it is 0; take it out",
    ):
        Missing.fit(np.array([[1, np.nan]]), ["a", "b"], rule="drop")
    with pytest.raises(
        LearnError, match="cannot treat missing values, because the rule is 'mean'; write median or drop"
    ):
        Missing.fit(np.ones((1, 1)), ["a"], rule="mean")  # type: ignore[arg-type]
    with pytest.raises(
        LearnError, match=r"because the shape of the features is \(2, 3\); give \(row, feature\) of 2 features"
    ):
        Missing("drop", ("a", "b")).apply(np.ones((2, 3)))


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"rule": "mean", "features": ["a"], "medians": [1.0]},
        {"rule": "median", "features": ["a"], "medians": []},
        {"rule": "median", "features": ["a"], "medians": [float("nan")]},
        {"rule": "drop", "features": ["a"], "medians": [1.0]},
        {"rule": ["drop"], "features": ["a"], "medians": []},
        {"rule": "median", "features": "a", "medians": [1.0]},
    ],
)
def test_foreign_cards_are_refused(card: dict[str, Any]) -> None:
    with pytest.raises(
        LearnError, match="cannot open the model, because its rule for missing values is foreign; train it again"
    ):
        Missing.from_dict(card)
    with pytest.raises(LearnError, match="because its list of classes is foreign"):
        Categories.from_dict(card)
