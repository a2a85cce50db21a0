"""Every way of filling: one contract for all, and each equal to a plain reading of its definition."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import toeplitz

from odse.cube import Flag
from odse.errors import SeriesError
from odse.series._harmonic import design
from odse.series.fill import METHODS, Harmonic, SeasConv, Whittaker, fill, fill_many, seasconv_kernel

KINDS = [(np.uint8, 255), (np.uint8, 0), (np.uint16, 0), (np.int16, 7), (np.float32, None), (np.float64, -9999.0)]


def gappy(kind: type, nodata: float | None, seed: int, shape: tuple[int, int], share: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    top = 200 if kind == np.uint8 else 20000
    series = rng.integers(1, top, shape).astype(kind)
    series[rng.random(shape) < share] = np.nan if nodata is None else nodata
    return series[:, None]


def known_in(series: np.ndarray, nodata: float | None) -> np.ndarray:
    return np.isfinite(series) & (series != nodata)


def round_half_up(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5)


@pytest.mark.parametrize("method", METHODS)
@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 7), st.floats(0, 1))
def test_the_contract(method, kind, seed, times, seasons, share) -> None:
    """Known pixels stay, their number never falls, companions say the truth, and one pixel does not know of the next."""
    dtype, nodata = kind
    series = gappy(dtype, nodata, seed, (times, 5), share)
    before = series.copy()
    result = fill(series, nodata=nodata, method=method, seasons_per_year=seasons)
    known = known_in(series, nodata)
    assert np.array_equal(series, before, equal_nan=True)
    assert result.values.dtype == dtype and result.values.shape == series.shape and result.method == method
    assert np.array_equal(result.values[known], series[known])
    after = known_in(result.values, nodata)
    assert (after | ~known).all()
    assert np.array_equal(result.flag == Flag.OBSERVED, known)
    assert np.array_equal(result.flag == Flag.NODATA, ~after)
    assert {int(code) for code in np.unique(result.flag)} <= {0, 1, 2, 3, 255}
    for name, one in result.companions.items():
        assert one.dtype == np.uint8 and one.shape == series.shape
        assert np.array_equal(one == 255, ~after), name
        assert np.array_equal(one == (100 if name == "weight" else 0), known) or name == "span"
    if "weight" in result.companions:
        assert (result.weight[known] == 100).all() and (result.weight[after & ~known] < 100).all()
    lone = known.sum(axis=0) == 0
    assert not after[:, lone].any()
    if method != "same-season":
        assert after[:, ~lone].all() or (times == 1)
    alone = fill(series[:, :, 2:3], nodata=nodata, method=method, seasons_per_year=seasons)
    assert np.array_equal(alone.values, result.values[:, :, 2:3], equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
def test_several_statistics_and_more_than_one_block(method) -> None:
    rng = np.random.default_rng(2)
    one = rng.integers(1, 200, (12, 45, 61)).astype(np.uint8)
    many = np.stack([one, one + 20])
    many[:, rng.random(one.shape) < 0.4] = 0
    result = fill_many(many, nodata=0, method=method)
    for s in range(2):
        alone = fill(many[s], nodata=0, method=method)
        assert np.array_equal(alone.values, result.values[s]) and np.array_equal(alone.flag, result.flag)
    for y, x in ((0, 0), (44, 60), (20, 1)):
        alone = fill(many[0, :, y : y + 1, x : x + 1], nodata=0, method=method)
        assert np.array_equal(alone.values[:, 0, 0], result.values[0, :, y, x])


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_series_is_filled_with_its_constant(method) -> None:
    series = np.full((16, 1, 2), 137, dtype=np.uint8)
    series[[0, 5, 6, 15], :, 0] = 0
    series[1:15, :, 1] = 0
    result = fill(series, nodata=0, method=method).values
    assert set(np.unique(result[:, :, 0])) == {137}
    assert set(np.unique(result[:, :, 1])) <= {0, 137}


def test_a_companion_that_a_method_has_not() -> None:
    result = fill(np.ones((4, 1, 1), np.uint8), nodata=0, method="linear")
    with pytest.raises(
        SeriesError, match="cannot tell the phase, because the method is linear, which tells weight; use those"
    ):
        _ = result.phase


# -- linear --


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0, 1))
def test_linear_is_an_exact_line(seed, times, share) -> None:
    series = gappy(np.uint16, 0, seed, (times, 1), share)
    series[series != 0] += np.uint16(45000)
    values, known = series.ravel().tolist(), np.flatnonzero(series.ravel()).tolist()
    result = fill(series, nodata=0, method="linear")
    for t in range(times if known else 0):
        past, future = [k for k in known if k <= t], [k for k in known if k >= t]
        a, b = (past or future)[-1 if past else 0], (future or past)[0 if future else -1]
        exact = Fraction(values[a]) + (Fraction(values[b] - values[a]) * Fraction(t - a, b - a) if a != b else 0)
        assert result.values[t, 0, 0] == int((exact + Fraction(1, 2)) // 1)
        near = min(abs(t - k) for k in known)
        assert result.weight[t, 0, 0] == min(int(100 / (1 + near) + 0.5), 100)


# -- same season --


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 5), st.floats(0, 1))
def test_same_season_is_the_median_of_all_years(seed, times, seasons, share) -> None:
    series = gappy(np.uint16, 0, seed, (times, 1), share)
    result = fill(series, nodata=0, method="same-season", seasons_per_year=seasons)
    for t in np.flatnonzero(series.ravel() == 0):
        others = series[t % seasons :: seasons].ravel()
        n, years = np.count_nonzero(others), len(others)
        assert result.values[t, 0, 0] == (round_half_up(np.median(others[others != 0])) if n else 0)
        assert result.weight[t, 0, 0] == (min(int(100 * n / (years - 1) + 0.5), 99) if n else 255)


# -- harmonic --


@given(st.integers(0, 2**32 - 1), st.integers(4, 40), st.sampled_from([1, 2, 3, 4, 6, 12]), st.floats(0, 0.9))
def test_harmonic_is_least_squares(seed, times, seasons, share) -> None:
    """Against numpy's solver, with the number of terms that the rules give; values held within the observed ones."""
    series = gappy(np.float64, None, seed, (times, 1), share)
    y = series.ravel()
    known = np.isfinite(y)
    terms, ladder = design(times, seasons)
    result = fill(series, method="harmonic", seasons_per_year=seasons)
    if not known.any():
        return
    fits = [k for k in ladder if known.sum() >= 2 * k and separable(terms[known, :k])]
    used = max([1, *fits])
    solution = np.linalg.lstsq(terms[known, :used], y[known], rcond=None)[0]
    wanted = np.clip(terms[:, :used] @ solution, y[known].min(), y[known].max())
    assert np.allclose(result.values.ravel()[~known], wanted[~known], rtol=0, atol=1e-6 * 20000)
    inverse = np.linalg.inv(terms[known, :used].T @ terms[known, :used])
    spread = np.einsum("ta,ab,tb->t", terms[:, :used], inverse, terms[:, :used])
    assert (np.abs(result.weight.ravel()[~known] - np.minimum(100 / (1 + spread[~known]), 99)) <= 0.51).all()


def separable(terms: np.ndarray) -> bool:
    """Every term has a thousandth of its own that the terms before it do not tell."""
    for k in range(1, terms.shape[1]):
        rest = terms[:, k] - terms[:, :k] @ np.linalg.lstsq(terms[:, :k], terms[:, k], rcond=None)[0]
        if (rest**2).sum() <= 1e-3 * (terms[:, k] ** 2).sum():
            return False
    return True


def test_harmonic_finds_wave_and_trend() -> None:
    t = np.arange(40)
    truth = 100 + 0.5 * t + 20 * np.cos(2 * np.pi * t / 4) + 7 * np.sin(2 * np.pi * t / 4) + 3 * np.cos(np.pi * t)
    series = truth.copy()
    series[[3, 10, 11, 22, 35]] = np.nan
    assert np.allclose(fill(series.reshape(-1, 1, 1), method="harmonic").values.ravel(), truth, atol=1e-9)


def test_harmonic_of_one_season_is_no_wave() -> None:
    """Summers alone cannot tell a wave from the mean."""
    series = np.zeros((24, 1, 1), dtype=np.uint16)
    series[2::4, 0, 0] = [100, 102, 104, 106, 108, 110]
    assert set(fill(series, nodata=0, method="harmonic").values[0::4, 0, 0].tolist()) == {105}


# -- seasconv --


def test_kernels_of_the_reference() -> None:
    first = seasconv_kernel(8, 4, season_db=60, span_db=20)
    wanted = [1, 5.623e-4, 3.162e-7, 1.778e-4, 1e-1, 5.623e-5, 3.162e-8, 1.778e-5]
    assert [float(f"{k:.3e}") for k in first] == wanted
    second = seasconv_kernel(12, 6, season_db=45, span_db=46)
    assert [float(f"{k:.3e}") for k in second[:7]] == [1, 1.308e-2, 1.711e-4, 2.239e-6, 2.929e-5, 3.831e-4, 5.012e-3]


def convolved(y: np.ndarray, past: np.ndarray, future: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values, quality) of a float series with NaN gaps (time, pixel), as matrices in 64 bits."""
    matrix = toeplitz(past, future)
    np.fill_diagonal(matrix, 0)
    v = np.isfinite(y).astype(float)
    top, low = matrix @ np.where(v > 0, y, 0), matrix @ v
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(v > 0, y, top / low), 100 * low / matrix.sum(axis=1)[:, None]


@pytest.mark.parametrize(
    ("times", "seasons", "db"), [(24, 4, (60, 20)), (156, 6, (45, 46)), (10, 4, (30, 0)), (3, 4, (60, 20))]
)
@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
def test_seasconv_equals_matrices(times, seasons, db, kind) -> None:
    rng = np.random.default_rng(times)
    plain = rng.integers(1, 40000, (times, 1, 700)).astype(float)
    plain[rng.random(plain.shape) < rng.random(700)] = np.nan
    kernel = seasconv_kernel(times, seasons, season_db=db[0], span_db=db[1])
    wanted, quality = convolved(plain[:, 0], kernel, kernel)
    series = np.nan_to_num(plain, nan=0).astype(kind)
    result = fill(series, nodata=0, method="seasconv", seasons_per_year=seasons, season_db=db[0], span_db=db[1])
    gaps = np.isnan(plain[:, 0]) & np.isfinite(wanted)
    got = result.values[:, 0][gaps].astype(float)
    if kind == np.uint16:
        assert (np.abs(got - wanted[gaps]) <= 0.5 + 1e-5 * wanted[gaps]).all()
        assert (got == round_half_up(wanted[gaps])).mean() > 0.99
    else:
        assert (np.abs(got / wanted[gaps] - 1)).max() < (1e-5 if kind == np.float32 else 1e-12)
    assert (np.abs(result.weight[:, 0][gaps] - np.minimum(quality[gaps], 99)) <= 0.501).all()


def test_seasconv_quality_does_not_depend_on_the_place() -> None:
    """One gap among observations is as good as it can be, at the ends and in the middle."""
    for t in range(12):
        series = np.ones((12, 1, 1), dtype=np.float32)
        series[t] = np.nan
        assert fill(series, method="seasconv").weight[t, 0, 0] == 99


def test_seasconv_with_weights_of_its_own_for_past_and_future() -> None:
    rng = np.random.default_rng(4)
    plain = rng.random((30, 1, 50)) + 1
    plain[rng.random(plain.shape) < 0.5] = np.nan
    past, future = [0.5, 0.3, 0.2, 0.0, 0.1], [0.4, 0.1]
    kernels = [np.concatenate([[0], side, np.zeros(29 - len(side))]) for side in (past, future)]
    result = fill(plain, method=SeasConv(past=past, future=future))
    wanted, _ = convolved(plain[:, 0], *kernels)
    assert np.allclose(result.values[:, 0], wanted, rtol=1e-12, equal_nan=True)
    assert np.isnan(wanted).any()  # weights end: so gaps remain
    assert np.array_equal(result.flag[:, 0] == Flag.NODATA, np.isnan(wanted))
    only_past = fill(plain, method=SeasConv(future=())).values[:, 0]
    kernel = seasconv_kernel(30, 4)
    assert np.allclose(only_past, convolved(plain[:, 0], kernel, kernel * 0)[0], rtol=1e-12, equal_nan=True)


def test_seasconv_beyond_the_reach_of_single_floats() -> None:
    """400 dB: in 32 bits such weights would be nought, and the gap would stay."""
    series = np.array([0, 0, 50, 0], dtype=np.uint8).reshape(-1, 1, 1)
    result = fill(series, nodata=0, method="seasconv", season_db=390, span_db=10)
    assert result.values.ravel().tolist() == [50, 50, 50, 50]


# -- whittaker --


def test_whittaker_fills_with_the_smooth_series() -> None:
    rng = np.random.default_rng(5)
    series = rng.random((20, 1, 9)) * 100
    series[rng.random(series.shape) < 0.4] = np.nan
    result = fill(series, method="whittaker", lambda_=3.0)
    difference = np.diff(np.eye(20), 2, axis=0)
    for p in range(9):
        w = np.isfinite(series[:, 0, p]).astype(float)
        inverse = np.linalg.inv(np.diag(w) + 3 * difference.T @ difference)
        smooth = inverse @ np.nan_to_num(series[:, 0, p])
        y = series[:, 0, p][w > 0]
        assert np.allclose(result.values[:, 0, p][w == 0], np.clip(smooth, y.min(), y.max())[w == 0], rtol=1e-9)
        told = result.weight[:, 0, p][w == 0]
        assert (np.abs(told - 100 / (1 + np.diag(inverse)[w == 0])) <= 0.501).all()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: SeasConv(season_db=-1), "season_db is -1; give decibels from 0 on"),
        (lambda: SeasConv(season_db=2000, span_db=1000), "the attenuation is 3000 dB; give at most 2900 together"),
        (lambda: SeasConv(past=[1, -1]), "a weight is below 0 or no number; give numbers from 0 on"),
        (lambda: SeasConv(past=[0], future=[]), "every weight is 0; give one above 0"),
        (lambda: Harmonic(dates_per_term=0.5), "dates_per_term is 0.5; give at least 1"),
        (
            lambda: fill(np.ones((2, 1, 1)), method=SeasConv(), span_db=3),
            "an option is span_db beside settings; give it to",
        ),
    ],
)
def test_refused(make, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot fill the series, because {text}")):
        make()


def test_refused_lambda() -> None:
    with pytest.raises(
        SeriesError, match=re.escape("cannot smooth the series, because lambda_ is 0; give numbers above 0")
    ):
        Whittaker(lambda_=0)
