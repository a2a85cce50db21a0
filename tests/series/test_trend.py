"""Slopes and their significance: exact on lines, equal to the plain test on independent noise, of honest size on
dependent noise.
"""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pymannkendall
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from odse.errors import SeriesError
from odse.series.trend import _log_ratios, false_discovery_rate, trend


def noise(rho: float, times: int, series: int, seed: int) -> np.ndarray:
    """x(t) = rho x(t - 1) + e(t), in its steady state: (time, series, 1)."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(times, series)) * np.array([1 / np.sqrt(1 - rho**2)] + [1.0] * (times - 1))[:, None]
    for t in range(1, times):
        x[t] += rho * x[t - 1]
    return x[:, :, None]


@pytest.mark.parametrize(("times", "seasons"), [(80, 4), (30, 1)])
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_size(times, seasons, rho) -> None:
    """Where nothing changes, five percent are called changed at p < 0.05, though dates depend on their neighbours."""
    found = trend(noise(rho, times, 3000, 11), seasons_per_year=seasons)
    assert abs((found.p < 0.05).mean() - 0.05) <= 0.02
    assert abs(((found.lower <= 0) & (found.upper >= 0)).mean() - 0.9) <= 0.03
    assert abs(found.deviation.mean() / found.slope.std() - 1) < 0.15, (
        "the deviation is the standard error of the slope"
    )
    if rho:
        plain = trend(noise(rho, times, 3000, 11), seasons_per_year=seasons, noise="white")
        assert (plain.p < 0.05).mean() > 0.2, "the plain test is not honest here, so this test can tell"


def test_size_with_gaps() -> None:
    for rho in (0.0, 0.6):
        series = noise(rho, 80, 3000, 12)
        series[np.random.default_rng(1).random(series.shape) < 0.3] = np.nan
        assert abs((trend(series).p < 0.05).mean() - 0.05) <= 0.02


def test_power() -> None:
    """A change of one standard deviation of the noise in ten years is found in twenty years of quarters."""
    series = noise(0.3, 80, 500, 13) + 0.1 * np.arange(80)[:, None, None] / 4
    assert (trend(series).p < 0.05).mean() > 0.8


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.floats(0, 0.5), st.sampled_from([-40.0, -0.5, 0.0, 0.25, 3.0]))
def test_lines_return_their_slope(seed, seasons, share, slope) -> None:
    """With any level for each season, and gaps."""
    rng = np.random.default_rng(seed)
    times = 8 * seasons
    t = np.arange(times)
    series = slope * (t // seasons) + rng.integers(-50, 50, seasons)[t % seasons]
    series = series.astype(float)
    series[rng.random(times) < share] = np.nan
    found = trend(series.reshape(-1, 1, 1), seasons_per_year=seasons)
    known = np.isfinite(series)
    if known.sum() < 5 or all(known[s::seasons].sum() < 2 for s in range(seasons)):
        assert np.isnan(found.slope).all() and np.isnan(found.p).all()
        return
    assert found.slope.item() == slope and found.tau.item() == np.sign(slope)
    assert found.lower.item() == slope == found.upper.item() and found.deviation.item() == 0
    assert found.n.item() == known.sum()
    if slope == 0:
        assert found.p.item() == 1


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(3, 12), st.booleans())
def test_the_plain_test_is_that_of_pymannkendall(seed, seasons, years, ties) -> None:
    rng = np.random.default_rng(seed)
    series = rng.normal(size=seasons * years) + 0.1 * np.arange(seasons * years)
    if ties:
        series = np.round(series)
    if len(series) < 5:
        return
    found = trend(series.reshape(-1, 1, 1), seasons_per_year=seasons, noise="white")
    wanted = pymannkendall.seasonal_test(series, period=seasons)
    assert found.p.item() == pytest.approx(wanted.p, rel=1e-5, abs=1e-12)
    assert found.tau.item() == pytest.approx(wanted.Tau, rel=1e-6)
    assert found.slope.item() == pytest.approx(wanted.slope, rel=1e-5, abs=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.floats(0, 0.6))
def test_slope_and_n_of_gappy_integers(seed, seasons, share) -> None:
    """Against a loop over all pairs."""
    rng = np.random.default_rng(seed)
    series = rng.integers(1, 250, 21).astype(np.uint8)
    series[rng.random(21) < share] = 0
    found = trend(series.reshape(-1, 1, 1), nodata=0, seasons_per_year=seasons)
    known = [t for t in range(21) if series[t]]
    pairs = [(a, b) for a, b in combinations(known, 2) if (b - a) % seasons == 0]
    assert found.n.item() == len(known)
    if len(known) < 5 or not pairs:
        assert np.isnan(found.slope.item())
        return
    slopes = [(int(series[b]) - int(series[a])) * seasons / (b - a) for a, b in pairs]
    assert found.slope.item() == pytest.approx(np.median(slopes), rel=1e-6)
    assert found.tau.item() == pytest.approx(np.mean(np.sign(slopes)), abs=1e-6)
    assert found.lower.item() <= found.slope.item() <= found.upper.item()


def test_the_variance_of_s_under_dependence() -> None:
    """The sums of arcsines are the variance that simulation gives; of independent dates it is the textbook's."""
    i, j = zip(*[(a, b) for a, b in combinations(range(24), 2) if (b - a) % 4 == 0], strict=True)
    sums = _log_ratios(24, 4).sum(axis=0)
    assert sums[2] == pytest.approx(4 * 6 * 5 * 17 / 18)
    x = noise(0.6, 24, 40000, 3)[:, :, 0]
    assert sums[8] == pytest.approx(np.sign(x[list(j)] - x[list(i)]).sum(axis=0).var(), rel=0.03)


def test_false_discovery_rate_is_that_of_scipy() -> None:
    rng = np.random.default_rng(2)
    p = rng.random((40, 30)) ** 2
    assert np.allclose(false_discovery_rate(p), false_discovery_control(p.ravel()).reshape(p.shape))
    p[3, 4] = np.nan
    q = false_discovery_rate(p)
    assert np.isnan(q[3, 4]) and np.isfinite(q).sum() == p.size - 1
    assert np.allclose(q[np.isfinite(p)], false_discovery_control(p[np.isfinite(p)]))


def test_labelled_in_labelled_out() -> None:
    series = xr.DataArray(
        noise(0, 20, 6, 1).reshape(20, 2, 3), dims=("time", "y", "x"), coords={"x": [5, 6, 7], "time": range(20)}
    )
    found = trend(series.transpose("x", "time", "y"))
    assert set(found.data_vars) == {"slope", "lower", "upper", "deviation", "tau", "p", "q", "n"}
    assert found["slope"].dims == ("y", "x") and found["x"].values.tolist() == [5, 6, 7]
    assert np.array_equal(found["slope"], trend(series.to_numpy()).slope)
    q = false_discovery_rate(found["p"].to_numpy().astype(float))
    assert np.allclose(found["q"], q, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"confidence": 1.0}, "the confidence is 1.0; give a number between 0 and 1"),
        ({"noise": "red"}, "the noise is 'red'; use ar1 or white"),
    ],
)
def test_refused(settings, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot find the trend, because {text}")):
        trend(np.ones((8, 1, 1)), **settings)
