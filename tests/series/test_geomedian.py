"""The geometric median: known cases, its defining property against an oracle in doubles, what must not matter, deviations."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import SeriesError
from odse.series.geomedian import geomedian

Spectra = np.ndarray


def scene(dates: int, pixels: int, *, seed: int, bands: int = 6, clouds: float = 0.15, gaps: float = 0.5) -> Spectra:
    """(time, band, 1, pixel) float32: spectra under changing light, noise, clouds, gaps."""
    rng = np.random.default_rng(seed)
    spectra = rng.uniform(0.02, 0.5, (1, bands, 1, pixels)) * (1 + rng.normal(0, 0.1, (dates, 1, 1, pixels)))
    spectra += rng.normal(0, 0.015, spectra.shape)
    cloudy = rng.random((dates, 1, 1, pixels)) < clouds
    spectra = np.where(cloudy, spectra + rng.uniform(0.1, 0.6, cloudy.shape), spectra)
    spectra = np.where(rng.random((dates, 1, 1, pixels)) < gaps, np.nan, spectra)
    return spectra.astype(np.float32)


def summed_distance(values: Spectra, at: Spectra) -> np.ndarray:
    """What the median makes least: (y, x) in doubles."""
    apart = values.astype(np.float64) - at.astype(np.float64)
    return np.nansum(np.sqrt((apart**2).sum(axis=1)), axis=0)


def oracle(values: Spectra, steps: int = 3000) -> Spectra:
    """Weiszfeld's plain steps in doubles, many of them; or an observation, where that is better."""
    x = values.astype(np.float64)
    y = np.nanmean(x, axis=0)
    for _ in range(steps):
        w = 1 / np.maximum(np.sqrt(((x - y) ** 2).sum(axis=1, keepdims=True)), 1e-15)
        y = np.nansum(w * x, axis=0) / np.nansum(w, axis=0)
    for one in x:
        better = summed_distance(x, one[None]) < summed_distance(x, y)
        y = np.where(better & np.isfinite(one).all(axis=0), one, y)
    return y


@pytest.mark.parametrize(("dates", "bands"), [(3, 6), (4, 2), (7, 6), (24, 1), (24, 6), (72, 7)])
def test_no_point_has_a_smaller_sum_of_distances(dates: int, bands: int) -> None:
    values = scene(dates, 150, seed=dates, bands=bands)
    known = np.isfinite(values).any(axis=(0, 1))
    values = values[..., known[0]]
    result = geomedian(values)
    best = oracle(values)
    least = summed_distance(values, best)
    assert (summed_distance(values, result.values) <= least + 1e-6 * (1 + least)).all()
    assert np.array_equal(result.count[0], np.isfinite(values[:, 0, 0]).sum(axis=0))
    if dates >= 24 and bands >= 6:  # fewer observations along a line have a whole segment of medians
        assert np.abs(result.values - best).max() <= 5e-5
        assert np.median(np.abs(result.values - best)) <= 5e-7


def test_one_and_two_observations_and_none() -> None:
    values = np.full((3, 2, 1, 3), np.nan, np.float32)
    values[1, :, 0, 0] = [0.25, 0.5]
    values[0, :, 0, 1], values[2, :, 0, 1] = [0.25, 0.5], [0.75, 0.25]
    result = geomedian(values, deviations=True)
    assert result.values[:, 0, 0].tolist() == [0.25, 0.5] and result.values[:, 0, 1].tolist() == [0.5, 0.375]
    assert np.isnan(result.values[:, 0, 2]).all() and result.count.tolist() == [[1, 2, 0]]
    assert result.emad is not None and result.emad[0, 0] == 0 and np.isnan(result.emad[0, 2])


def test_an_observation_that_is_the_median_is_found_exactly() -> None:
    rng = np.random.default_rng(4)
    middle = rng.uniform(0.1, 0.4, (1, 6, 1, 200))
    apart = rng.normal(0, 0.1, (2, 6, 1, 200))
    # Between two nearly opposite pairs, whatever their lengths: the others pull on it with less than its own weight.
    values = np.concatenate([middle, middle + apart, middle - 0.3 * apart + 0.002]).astype(np.float32)
    order = rng.permutation(5)
    result = geomedian(values[order]).values
    assert np.array_equal(result, values[0])
    line = np.linspace(0.1, 0.5, 5, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 1, 3), np.float32)
    assert np.allclose(geomedian(line).values, 0.3, atol=1e-6)


def test_a_mean_that_is_an_observation_but_not_the_median_is_left() -> None:
    """The first step starts on an observation, where its weight has no value."""
    values = np.array([[0, 0], [0.6, 0.1], [0.6, -0.1], [-1.2, 0]], np.float32)[:, :, None, None] + np.float32(2)
    values = np.concatenate([values, values[1:3] + np.float32(0.001), values[3:] - np.float32(0.002)])
    least = summed_distance(values, oracle(values))
    assert (summed_distance(values, geomedian(values).values) <= least + 1e-6).all()


def test_half_of_it_may_be_clouds() -> None:
    clear, cloud = np.full((5, 6, 1, 1), 0.1, np.float32), np.full((4, 6, 1, 1), 0.9, np.float32)
    assert geomedian(np.concatenate([clear, cloud])).values.ravel().tolist() == [np.float32(0.1)] * 6


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 150))
def test_a_pixel_does_not_depend_on_the_others(seed: int, dates: int, pixels: int) -> None:
    values = scene(dates, pixels, seed=seed, bands=3)
    whole = geomedian(values, deviations=True)
    first = seed % pixels
    part = geomedian(np.ascontiguousarray(values[..., first:]), deviations=True)
    for name in ("values", "count", "emad", "smad", "bcmad"):
        assert np.array_equal(getattr(whole, name)[..., first:], getattr(part, name), equal_nan=name != "count")


@given(st.integers(0, 2**32 - 1))
def test_order_shift_and_scale(seed: int) -> None:
    values = scene(25, 20, seed=seed, clouds=0.05, gaps=0.2)
    rng = np.random.default_rng(seed)
    plain = geomedian(values).values
    assert np.allclose(geomedian(values[rng.permutation(25)]).values, plain, atol=1e-4)
    assert np.allclose(geomedian(values + np.float32(0.5)).values, plain + 0.5, atol=1e-4)
    assert np.allclose(geomedian(values * np.float32(0.5), tolerance=5e-7).values, plain * 0.5, atol=1e-4)
    assert np.allclose(geomedian(values[:, [5, 3, 1, 0, 2, 4]]).values, plain[[5, 3, 1, 0, 2, 4]], atol=1e-4)


def test_mask_and_gaps_are_one() -> None:
    values = scene(9, 100, seed=1, gaps=0)
    hidden = np.random.default_rng(0).random((9, 1, 100)) < 0.4
    holes = np.where(hidden[:, None], np.float32(np.nan), values)
    some = holes.copy()
    some[:, 1:] = np.where(hidden[:, None], 0.3, holes[:, 1:])  # one band missing is enough
    endless = np.where(hidden[:, None], np.float32(np.inf), values)
    first = geomedian(holes, deviations=True)
    for stack, mask in ((values, hidden), (some, None), (endless, None)):
        other = geomedian(stack, mask, deviations=True)
        for name in ("values", "count", "emad", "smad", "bcmad"):
            assert np.array_equal(getattr(first, name), getattr(other, name), equal_nan=name != "count")


@pytest.mark.parametrize("dates", [1, 2, 7, 24])
def test_deviations_equal_their_definitions(dates: int) -> None:
    values = scene(dates, 300, seed=7)
    result = geomedian(values, deviations=True)
    x, m = values.astype(np.float64), result.values.astype(np.float64)
    used = np.isfinite(x).all(axis=1)
    euclid = np.sqrt(((x - m) ** 2).sum(axis=1))
    cosine = 1 - (x * m).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (m**2).sum(axis=0))
    curtis = np.abs(x - m).sum(axis=1) / np.abs(x + m).sum(axis=1)
    for name, wanted in (("emad", euclid), ("smad", cosine), ("bcmad", curtis)):
        for p in range(values.shape[-1]):
            middle = np.median(wanted[used[:, 0, p], 0, p]) if used[:, 0, p].any() else np.nan
            assert getattr(result, name)[0, p] == pytest.approx(middle, rel=2e-5, abs=2e-7, nan_ok=True)


def test_labelled_in_labelled_out() -> None:
    values = scene(5, 4, seed=2, bands=2).reshape(5, 2, 2, 2)
    stack = xr.DataArray(values, dims=("time", "band", "y", "x"), coords={"band": ["red", "nir"], "x": [7, 8]})
    result = geomedian(stack.transpose("y", "x", "band", "time"), deviations=True)
    assert result["value"].dims == ("band", "y", "x") and result["band"].values.tolist() == ["red", "nir"]
    plain = geomedian(values, deviations=True)
    assert np.array_equal(result["value"], plain.values, equal_nan=True)
    assert np.array_equal(result["smad"], plain.smad, equal_nan=True) and "count" in result
    hidden = xr.DataArray(np.ones((2, 2, 5), bool), dims=("y", "x", "time"))
    assert (geomedian(stack, hidden)["count"] == 0).all()


def test_no_date_and_no_pixel() -> None:
    assert np.isnan(geomedian(np.zeros((0, 2, 2, 2), np.float32)).values).all()
    assert geomedian(np.zeros((3, 2, 0, 2), np.float32), deviations=True).values.shape == (2, 0, 2)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"values": np.ones((2, 3, 1, 1))}, "their type is float64; give reflectance as float32, NaN for gaps"),
        ({"values": np.ones((2, 1, 1), np.float32)}, "their shape is (2, 1, 1); give (time, band, y, x)"),
        ({"mask": np.ones((2, 1), bool)}, "the shape of their mask is (2, 1); give (time, y, x)"),
        ({"tolerance": 0}, "the tolerance is 0; give a number above 0"),
    ],
)
def test_refused(changed, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot take the median of the spectra, because {text}")):
        geomedian(**{"values": np.ones((2, 3, 1, 1), np.float32), **changed})
