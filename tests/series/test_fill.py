"""Gap filling: equal to a naive reading of the definition, and its algebra."""

from __future__ import annotations

import re
from fractions import Fraction
from statistics import median

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from odse.errors import SeriesError
from odse.series.fill import fill, fill_many, half_widths


def naive(
    series: list[int], nodata: float, seasons: int, window: int, direction: str = "both", whole: bool = True
) -> list[tuple[float, int, int, int]]:
    """(value, phase, span, donors) of every date, as the definition says it, in fractions."""
    close = round_half_up if whole else float
    n = -(-len(series) // seasons)

    def values(c: int, h: int, t: int) -> list[Fraction]:
        places = (c + k * seasons for k in range(-h, h + 1))
        if direction != "both":
            places = (p for p in places if (p < t if direction == "past" else p > t))
        return [Fraction(series[p]) for p in places if 0 <= p < len(series) and series[p] != nodata]

    def one(t: int) -> tuple[float, int, int, int]:
        if series[t] != nodata:
            return series[t], 0, 0, 0
        for h in half_widths(n, window):
            if found := values(t, h, t):
                return close(median(found)), 1, h, len(found)
        for j in range(1, seasons // 2 + 1):
            for h in half_widths(n, window):
                sides = [[values(t + s * i, h, t) for i in range(1, j + 1)] for s in (-1, 1)]
                known = [[v for v in side if v] for side in sides]
                if all(known):
                    middle = [median([median(v) for v in side]) for side in known]
                    return close(Fraction(sum(middle)) / 2), 2, h, sum(len(v) for side in known for v in side)
        for h in half_widths(n, window):
            around = [values(c, h, t) for c in range(t - (seasons - 1) // 2, t + seasons // 2 + 1)]
            if any(around):
                known = [v for v in around if v]
                return close(median([median(v) for v in known])), 3, h, sum(map(len, known))
        return nodata, 255, 255, 255

    return [one(t) for t in range(len(series))]


def round_half_up(value: Fraction | float) -> int:
    return int((Fraction(value) + Fraction(1, 2)) // 1)


def gappy_of(least: int, most: int) -> st.SearchStrategy:
    return st.integers(least, most).flatmap(
        lambda n: hnp.arrays(np.uint16, n, elements=st.one_of(st.just(0), st.just(0), st.integers(0, 65535)))
    )


gappy = gappy_of(1, 40)


@given(gappy, st.sampled_from([1, 3, 5, 9]), st.sampled_from([1, 2, 3, 4, 6]))
def test_equal_to_the_naive_reading(series, window, seasons) -> None:
    result = fill(series.reshape(-1, 1, 1), nodata=0, seasons_per_year=seasons, window_years=window)
    told = list(
        zip(*(a.ravel().tolist() for a in (result.values, result.phase, result.span, result.donors)), strict=True)
    )
    assert told == naive(series.tolist(), 0, seasons, window)


@given(
    st.sampled_from(
        [(np.uint8, 255), (np.uint8, 0), (np.uint16, 65535), (np.int16, -32768), (np.int16, 0), (np.int8, -1)]
    ),
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
)
def test_every_type_and_no_data_value(kind, seed, share) -> None:
    dtype, nodata = kind
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    series = rng.integers(limits.min, limits.max + 1, 30).astype(dtype)
    series[rng.random(30) < share] = nodata
    result = fill(series.reshape(-1, 1, 1), nodata=nodata)
    wanted = [  # a mean that falls on the number for no-data takes the next one
        (nodata + 1, *w[1:]) if w[0] == nodata and w[1] != 255 else w for w in naive(series.tolist(), nodata, 4, 9)
    ]
    assert result.values.ravel().tolist() == [w[0] for w in wanted]
    assert result.phase.ravel().tolist() == [w[1] for w in wanted]
    assert result.values.dtype == dtype


def test_companions_hold_what_a_century_needs() -> None:
    """Half-widths and numbers of donors of 120 years, and of 300, where they saturate."""
    for years in (120, 300):
        series = np.zeros((years * 4, 1, 1), dtype=np.uint8)
        series[-1] = 7
        result = fill(series, nodata=0)
        assert (result.values == 7).all()
        assert result.span[3, 0, 0] == (min(next(h for h in half_widths(years, 9) if h >= years - 1), 254))
        series[:-4] = 7
        series[0] = 0
        wide = fill(series, nodata=0, window_years=2 * years + 1)
        assert wide.donors[0, 0, 0] == min(years - 2, 254) and wide.span[0, 0, 0] == min(years, 254)


def test_a_mean_never_becomes_no_data() -> None:
    series = np.array([-1, 0, 1], dtype=np.int16).reshape(-1, 1, 1)
    assert fill(series, nodata=0, seasons_per_year=1).values.ravel().tolist() == [-1, 1, 1]


@given(gappy, st.sampled_from([1, 3, 9]), st.sampled_from([1, 3, 4]), st.sampled_from(["past", "future"]))
def test_from_one_side_only(series, window, seasons, direction) -> None:
    settings = {"seasons_per_year": seasons, "window_years": window, "direction": direction}
    result = fill(series.reshape(-1, 1, 1), nodata=0, **settings)
    told = list(
        zip(*(a.ravel().tolist() for a in (result.values, result.phase, result.span, result.donors)), strict=True)
    )
    assert told == naive(series.tolist(), 0, seasons, window, direction)


@given(gappy, st.sampled_from([np.float32, np.float64]), st.integers(-3, 3), st.booleans())
def test_floats_are_exact(series, kind, power, not_finite) -> None:
    """Values with a binary fraction; gaps are NaN, or a number, or infinite."""
    exact = series.astype(kind) * kind(2.0**power)
    gaps = series == 0
    given_ = np.where(gaps, kind(np.inf if not_finite else np.nan), exact).reshape(-1, 1, 1)
    result = fill(given_)
    wanted = naive(exact.tolist(), 0, 4, 9, whole=False)
    assert result.values.dtype == kind
    assert result.phase.ravel().tolist() == [w[1] for w in wanted]
    filled = np.array([np.nan if w[1] == 255 else w[0] for w in wanted]).astype(kind)
    assert np.array_equal(result.values.ravel(), filled, equal_nan=True)
    told = fill(np.where(gaps, kind(-1), exact).reshape(-1, 1, 1), nodata=-1).values.ravel()
    assert np.array_equal(told, np.where(np.isnan(filled), kind(-1), filled))


@pytest.mark.parametrize("window", [9, 35])
def test_lanes_and_their_remainder(window: int) -> None:
    rng = np.random.default_rng(window)
    cube = rng.integers(1, 60000, (41, 13, 47)).astype(np.uint16)  # 611 pixels: two full lanes and a part of one
    share = rng.random((13, 47))
    cube[rng.random(cube.shape) < share] = 0
    cube[:, 0, 0] = 0
    result = fill(cube, nodata=0, window_years=window)
    for y, x in [(0, 0), (5, 20), (5, 21), (10, 41), (10, 42), (12, 46), *rng.integers(0, (13, 47), (40, 2)).tolist()]:
        told = zip(
            *(a[:, y, x].tolist() for a in (result.values, result.phase, result.span, result.donors)), strict=True
        )
        assert list(told) == naive(cube[:, y, x].tolist(), 0, 4, window)


@given(gappy_of(40, 88))
def test_as_the_original_where_that_fills_in_its_first_phase(series) -> None:
    """Windows of 9, 18, ... years, less than the series has; years counted from its start."""
    series = series[: len(series) // 4 * 4]
    years = len(series) // 4
    result = fill(series.reshape(-1, 1, 1), nodata=0)
    for t in np.flatnonzero(series == 0):
        same_season, year = series[t % 4 :: 4], t // 4
        for width in range(9, years, 9):
            half = (width - 1) // 2
            window = same_season[max(0, year - half) : year + half + 1]
            if (window != 0).any():
                assert result.values[t, 0, 0] == round_half_up(median(map(Fraction, window[window != 0].tolist())))
                assert result.phase[t, 0, 0] == 1 and result.span[t, 0, 0] == half
                break


@given(gappy)
def test_known_pixels_are_untouched_and_one_date_is_enough(series) -> None:
    result = fill(series.reshape(-1, 1, 1), nodata=0).values.ravel()
    known = series != 0
    assert (result[known] == series[known]).all()
    assert (result != 0).all() or not known.any()


@given(gappy, st.integers(0, 6), st.integers(0, 6))
def test_empty_composites_before_and_after_change_nothing(series, before, after) -> None:
    padded = np.concatenate([np.zeros(before, np.uint16), series, np.zeros(after, np.uint16)])
    plain = fill(series.reshape(-1, 1, 1), nodata=0)
    wide = fill(padded.reshape(-1, 1, 1), nodata=0)
    inside = slice(before, before + len(series))
    assert (wide.values[inside] == plain.values).all() and (wide.phase[inside] == plain.phase).all()


def test_half_widths() -> None:
    assert half_widths(21, 9) == [4, 8, 13, 17, 21]
    assert half_widths(3, 9) == [3]


def test_a_three_year_series_is_filled() -> None:
    series = np.array([10, 20, 30, 40, 0, 22, 32, 42, 14, 24, 34, 44], dtype=np.uint8).reshape(-1, 1, 1)
    result = fill(series, nodata=0)
    assert result.values[4, 0, 0] == 12 and result.phase[4, 0, 0] == 1 and result.donors[4, 0, 0] == 2


def test_statistics_share_their_companions() -> None:
    rng = np.random.default_rng(1)
    one = rng.integers(1, 200, (12, 9, 11)).astype(np.uint8)
    many = np.stack([one, one + 20, one + 40])
    many[:, rng.random(one.shape) < 0.4] = 0
    result = fill_many(many, nodata=0)
    for s in range(3):
        alone = fill(many[s], nodata=0)
        assert np.array_equal(alone.values, result.values[s]) and np.array_equal(alone.phase, result.phase)
        assert np.array_equal(alone.span, result.span) and np.array_equal(alone.donors, result.donors)


def test_signed_values_round_half_up() -> None:
    series = np.array([-3, 0, -2], dtype=np.int16).reshape(-1, 1, 1)
    assert fill(series, nodata=0, seasons_per_year=1).values.ravel().tolist() == [-3, -2, -2]


def test_labelled_in_labelled_out() -> None:
    cube = xr.DataArray(
        np.array([[[5, 0]], [[0, 7]]], dtype=np.uint8), dims=("time", "y", "x"), coords={"time": [1, 2]}
    )
    result = fill(cube, nodata=0, seasons_per_year=1)
    assert result["value"].values.tolist() == [[[5, 7]], [[5, 7]]]
    assert result["phase"].sel(time=2).values.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("series", "settings", "text"),
    [
        (
            np.zeros((4, 1, 1), np.int32),
            {},
            "its type is int32; give 8- or 16-bit integers, or floats of 32 or 64 bits",
        ),
        (np.zeros((4, 1, 1), np.uint8), {"nodata": None}, "no-data is None; give a value of uint8"),
        (np.zeros((4, 1, 1), np.uint8), {"nodata": 0.5}, "no-data is 0.5; give a value of uint8"),
        (np.zeros((4, 1, 1), np.uint8), {"direction": "up"}, "the direction is 'up'; use both, past or future"),
        (np.zeros((4, 1, 1), np.uint8), {"method": "tmvm"}, "the method is 'tmvm'; use tmwm, seasconv, linear,"),
        (
            np.zeros((4, 1, 1), np.uint8),
            {"window_year": 3},
            "an option is window_year, which method tmwm has not; write window_years",
        ),
        (
            np.zeros((4, 1, 1), np.uint8),
            {"method": "linear", "window_years": 3},
            "an option is window_years, which method linear has not; leave it out",
        ),
        (np.zeros((4, 1), np.uint8), {}, "its shape is (4, 1); give (time, y, x)"),
        (np.zeros((4, 1, 1), np.uint8), {"nodata": -1}, "no-data is -1; give a value of uint8"),
        (np.zeros((4, 1, 1), np.uint8), {"window_years": 4}, "the window is 4 years; give an odd number"),
        (np.zeros((4, 1, 1), np.uint8), {"seasons_per_year": 0}, "the number of seasons is 0; give at least one"),
    ],
)
def test_refused(series, settings, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot fill the series, because {text}")):
        fill(series, **{"nodata": 0, **settings})
