"""Spectral-temporal metrics against numpy and fractions."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from odse.errors import SeriesError
from odse.quality import glad_mask
from odse.series.composite import composite
from odse.series.metrics import METRICS, metrics

KEEP = glad_mask("eumap")
ALL = (*METRICS, "skewness", "p10", "p50", "p100")

stacks = st.tuples(st.integers(1, 30), st.integers(1, 3), st.integers(1, 5)).flatmap(
    lambda shape: st.tuples(
        hnp.arrays(np.uint16, shape, elements=st.one_of(st.integers(0, 65535), st.sampled_from([0, 1, 40000, 40001]))),
        hnp.arrays(np.uint8, shape, elements=st.integers(0, 17)),
    )
)


def percentile(x: list[int], q: int) -> Fraction:
    k = Fraction((len(x) - 1) * q, 100)
    low = int(k)
    return (1 - (k - low)) * x[low] + (k - low) * x[min(low + 1, len(x) - 1)]


def oracle(values: list[int]) -> dict[str, float]:
    x, n = sorted(values), len(values)
    nan = float("nan")
    if not n:
        return {**dict.fromkeys(ALL, 0.0), "sd": nan, "skewness": nan}
    deviations = [v - Fraction(sum(x), n) for v in x]
    second, third = (sum(d**k for d in deviations) for k in (2, 3))
    exact = {
        "count": n,
        "min": x[0],
        "max": x[-1],
        "range": x[-1] - x[0],
        "mean": Fraction(sum(x), n),
        "iqr": percentile(x, 75) - percentile(x, 25),
        **{f"p{q}": percentile(x, q) for q in (10, 50, 100)},
    }
    rounded: dict[str, float] = {name: int(value + Fraction(1, 2)) for name, value in exact.items()}
    rounded["sd"] = float(second / (n - 1)) ** 0.5 if n > 1 else nan
    rounded["skewness"] = float(third / n) / float(second / n) ** 1.5 if n > 2 and second else nan
    return rounded


@given(stacks)
def test_equal_to_the_oracle(stack) -> None:
    values, quality = stack
    made = metrics(values, quality, keep=KEEP, wanted=ALL)
    for y, x in np.ndindex(values.shape[1:]):
        clear = [int(v) for v, q in zip(values[:, y, x], quality[:, y, x], strict=True) if KEEP[q] and 1 <= v <= 40000]
        for name, wanted in oracle(clear).items():
            found = made[name][y, x]
            if name in ("sd", "skewness"):
                assert found == pytest.approx(wanted, rel=1e-6, abs=1e-6, nan_ok=True), name
            else:
                assert found == wanted, name


def test_types_and_names() -> None:
    made = metrics(np.ones((3, 2, 4), np.uint16), np.ones((3, 2, 4), np.uint8), keep=KEEP, wanted=ALL)
    assert list(made) == list(ALL)
    assert all(array.shape == (2, 4) for array in made.values())
    kinds = {name: str(array.dtype) for name, array in made.items()}
    assert kinds == {**dict.fromkeys(ALL, "uint16"), "count": "uint8", "sd": "float32", "skewness": "float32"}
    assert list(metrics(np.ones((3, 2, 4), np.uint16), np.ones((3, 2, 4), np.uint8), keep=KEEP)) == list(METRICS)


def test_many_pixels_and_dates_against_numpy() -> None:
    rng = np.random.default_rng(6)
    values = rng.integers(0, 65536, (254, 3, 200)).astype(np.uint16)
    quality = rng.choice([1, 3], values.shape).astype(np.uint8)
    made = metrics(values, quality, keep=KEEP, wanted=ALL, valid=(0, 65535))
    known = np.ma.masked_array(values.astype(np.float64), quality != 1)
    assert np.array_equal(made["mean"], np.floor(known.mean(axis=0) + 0.5))
    assert np.array_equal(made["range"], known.max(axis=0) - known.min(axis=0))
    assert np.allclose(made["sd"], known.std(axis=0, ddof=1), rtol=1e-7)
    third = ((known - known.mean(axis=0)) ** 3).mean(axis=0) / known.std(axis=0) ** 3
    assert np.allclose(made["skewness"], third, rtol=1e-5, atol=1e-7)
    same = composite(values, quality, keep=KEEP, percentiles=[10, 50, 100], valid=(0, 65535))
    assert np.array_equal(np.stack([made["p10"], made["p50"], made["p100"]]), same.percentiles)
    assert np.array_equal(made["count"], same.count)


def test_numbers_at_the_end_of_their_range_stay_exact() -> None:
    values = np.full((254, 1, 2), 65535, np.uint16)
    values[0, 0, 1] = 65534
    made = metrics(values, np.ones(values.shape, np.uint8), keep=KEEP, wanted=ALL, valid=(0, 65535))
    assert made["sd"].tolist() == [[0, np.float32((1 / 254) ** 0.5)]]
    assert made["mean"].tolist() == [[65535, 65535]] and np.isnan(made["skewness"][0, 0])
    assert made["skewness"][0, 1] == pytest.approx(-(252 / 253**0.5), rel=1e-6)


def test_labelled_no_date_and_order() -> None:
    rng = np.random.default_rng(0)
    stack = xr.DataArray(rng.integers(1, 9, (5, 2, 2)).astype(np.uint16), dims=("time", "y", "x"), coords={"y": [2, 1]})
    clear = xr.ones_like(stack, dtype=np.uint8)
    made = metrics(stack.transpose("x", "time", "y"), clear, keep=KEEP, wanted=ALL)
    assert made["sd"].dims == ("y", "x") and made["y"].values.tolist() == [2, 1]
    plain = metrics(stack.to_numpy()[::-1].copy(), clear.to_numpy(), keep=KEEP, wanted=ALL)
    assert all(np.array_equal(made[name], plain[name]) for name in ALL if name != "skewness")
    empty = metrics(np.zeros((0, 1, 2), np.uint16), np.zeros((0, 1, 2), np.uint8), keep=KEEP, wanted=ALL)
    assert empty["count"].tolist() == [[0, 0]] and np.isnan(empty["sd"]).all()


@pytest.mark.parametrize("name", ["p101", "p05", "median", "p-1", "p1.5"])
def test_refused(name: str) -> None:
    one = np.ones((1, 1, 1), np.uint16)
    text = f"cannot measure the values, because the metric is {name!r}; write one of count, min, max"
    with pytest.raises(SeriesError, match=re.escape(text)):
        metrics(one, one.astype(np.uint8), keep=KEEP, wanted=["min", name])
    with pytest.raises(SeriesError, match="cannot composite the values, because their type is float64"):
        metrics(one.astype(float), one.astype(np.uint8), keep=KEEP)
