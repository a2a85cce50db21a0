"""The Whittaker smoother against dense and banded solves, and its two ends."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import SeriesError
from odse.series.whittaker import LAMBDAS, choose_lambda, smooth


def dense(y: np.ndarray, w: np.ndarray, lambda_: float) -> np.ndarray:
    """The solution of one series as a full matrix in 64 bits; y may hold anything where w is 0."""
    difference = np.diff(np.eye(len(y)), 2, axis=0)
    return np.linalg.solve(np.diag(w) + lambda_ * difference.T @ difference, w * np.where(w > 0, y, 0))


def gappy(times: int, pixels: int, seed: int, share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    series = rng.integers(1, 20001, (times, 1, pixels)).astype(np.uint16)
    series[rng.random(series.shape) < share] = 0
    return series


@pytest.mark.parametrize("times", [3, 4, 5, 24, 84])
@pytest.mark.parametrize("lambda_", [1e-3, 1.0, 100.0, 1e5])
def test_equal_to_a_dense_solve(times, lambda_) -> None:
    series = gappy(times, 600, times, 0.4)  # two lanes and a part of one
    series[:, 0, 200:300] = 0  # lanes hold what cannot be solved
    series[times - 1, 0, 200:250] = 9
    result = smooth(series, nodata=0, lambda_=lambda_).values
    assert result.dtype == np.float32
    assert (result[:, 0, 200:250] == 9).all() and np.isnan(result[:, 0, 250:300]).all()
    for p in [*range(0, 60), *range(440, 520), *range(590, 600)]:
        y = series[:, 0, p].astype(float)
        if np.count_nonzero(y) > 1:
            assert np.abs(result[:, 0, p] - dense(y, (y > 0) * 1.0, lambda_)).max() < 2e-6 * 20000


@given(st.integers(0, 2**32 - 1), st.integers(3, 30))
def test_weights(seed, times) -> None:
    rng = np.random.default_rng(seed)
    y, w = rng.random((times, 1, 3)), rng.random((times, 1, 3)) * (rng.random((times, 1, 3)) < 0.7)
    result = smooth(y, lambda_=2.0, weights=w).values
    for p in range(3):
        if np.count_nonzero(w[:, 0, p]) > 1:
            assert np.allclose(result[:, 0, p], dense(y[:, 0, p], w[:, 0, p], 2.0), rtol=0, atol=2e-6)


def test_weights_of_one_are_none() -> None:
    series = gappy(24, 100, 9, 0.3)
    plain = smooth(series, nodata=0, lambda_=5.0).values
    weighted = smooth(series, nodata=0, lambda_=5.0, weights=np.ones(series.shape)).values
    assert np.array_equal(plain, weighted, equal_nan=True)


def test_lambda_near_nought_gives_the_observations() -> None:
    series = gappy(24, 50, 1, 0.3)
    result = smooth(series, nodata=0, lambda_=1e-9).values
    assert np.abs(result - series)[series > 0].max() < 0.01


def test_a_large_lambda_gives_the_weighted_line() -> None:
    rng = np.random.default_rng(3)
    t, y, w = np.arange(24), rng.random((24, 1, 1)), rng.random((24, 1, 1)) + 0.1
    slope, level = np.polyfit(t, y.ravel(), 1, w=np.sqrt(w.ravel()))
    result = smooth(y, lambda_=1e9, weights=w).values.ravel()
    assert np.allclose(result, level + slope * t, rtol=0, atol=1e-5)


def test_lines_pass_and_short_series_too() -> None:
    line = np.arange(10.0).reshape(-1, 1, 1)
    gaps = line.copy()
    gaps[[0, 4, 5, 9]] = np.nan
    assert np.allclose(smooth(gaps, lambda_=1000.0).values, line)
    one = np.array([0, 7, 0, 0], dtype=np.uint8).reshape(-1, 1, 1)
    assert smooth(one, nodata=0).values.ravel().tolist() == [7, 7, 7, 7]
    assert np.isnan(smooth(one * np.uint8(0), nodata=0).values).all()
    assert smooth(np.array([3.0, np.nan]).reshape(-1, 1, 1)).values.ravel().tolist() == [3, 3]
    assert smooth(np.array([3.0, 5.0]).reshape(-1, 1, 1)).values.ravel().tolist() == [3, 5]


def test_generalised_cross_validation() -> None:
    """The choice is that of dense matrices; it is small for a rough series and large for a line with noise."""
    rng = np.random.default_rng(0)
    t = np.arange(40)[:, None]
    line = 0.1 * t + rng.normal(size=(40, 30))
    line[rng.random(line.shape) < 0.2] = np.nan
    wave = np.sin(t * 1.3) * 10 + 0.01 * rng.normal(size=(40, 30))
    difference = np.diff(np.eye(40), 2, axis=0)
    for y, wanted in ((line, 1000.0), (wave, 0.01)):
        scores = []
        for lambda_ in LAMBDAS:
            score = 0.0
            for p in range(30):
                w = np.isfinite(y[:, p]) * 1.0
                hat = np.linalg.inv(np.diag(w) + lambda_ * difference.T @ difference) * w
                residual = np.where(w > 0, y[:, p] - hat @ np.nan_to_num(y[:, p]), 0)
                score += w.sum() * (residual**2).sum() / (w.sum() - np.trace(hat)) ** 2
            scores.append(score)
        assert LAMBDAS[int(np.argmin(scores))] == wanted
        chosen = smooth(y[:, None], lambda_=LAMBDAS)
        assert chosen.lambda_ == wanted
        assert np.array_equal(chosen.values, smooth(y[:, None], lambda_=wanted).values)
        assert choose_lambda(np.nan_to_num(y), np.isfinite(y) * 1.0, LAMBDAS) == wanted


def test_labelled_in_labelled_out() -> None:
    series = xr.DataArray(np.arange(12.0).reshape(2, 6, 1), dims=("y", "time", "x"), coords={"time": range(6)})
    result = smooth(series, lambda_=3.0)
    assert result.dims == ("time", "y", "x") and result.attrs["lambda_"] == 3.0
    assert np.allclose(result.transpose("y", "time", "x"), series)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"lambda_": []}, "lambda_ is []; give numbers above 0"),
        ({"lambda_": [1, float("nan")]}, "lambda_ is [1, nan]; give numbers above 0"),
        ({"weights": np.ones((5, 1, 2))}, "the shape of its weights is (5, 1, 2); give (5, 1, 1)"),
        ({"weights": -np.ones((5, 1, 1))}, "a weight is below 0 or no number; give weights from 0 on"),
    ],
)
def test_refused(settings, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot smooth the series, because {text}")):
        smooth(np.ones((5, 1, 1)), **settings)
