"""The filler of 2022 with its faults: equal to a plain reading of it, and different from the default where that
matters.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import SeriesError
from odse.series.fill import fill

OLD = {"compat": "eumap-2022"}


def naive(series: np.ndarray, seasons: int, window: int) -> list[tuple[float, int]]:
    """(value, flag) of every date of a float series with NaN gaps: one date, one window, one season at a time."""
    years = len(series) // seasons
    by_year = series.reshape(years, seasons).astype(np.float32)

    def half(values: list[float]) -> np.float16:
        known = [v for v in values if not np.isnan(v)]
        return np.float16(np.median(np.array(known, dtype=np.float32))) if known else np.float16(np.nan)

    def one(year: int, season: int) -> tuple[float, int]:
        if not np.isnan(by_year[year, season]):
            return float(series[year * seasons + season]), 0
        medians = {}
        for w in range(window, years, window):
            h = (w - 1) // 2
            part = by_year[max(0, year - h) : min(years, year + h + 1)]
            medians[w] = [half(part[:, s].tolist()) for s in range(seasons)]
        for w, found in medians.items():
            if not np.isnan(found[season]):
                return float(found[season]), w
        for j in range(1, -(-seasons // 2) + 1):
            for w, found in medians.items():
                before = half([found[(season - k) % seasons] for k in range(1, j + 1)])
                after = half([found[(season + k) % seasons] for k in range(1, j + 1)])
                if not np.isnan(before) and not np.isnan(after):
                    return float(np.float16((np.float32(before) + np.float32(after)) / 2)), years + w
        for w, found in medians.items():
            middle = half(list(found))
            if not np.isnan(middle):
                return float(middle), 2 * years + w
        return float("nan"), 255

    return [one(year, season) for year in range(years) for season in range(seasons)]


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1, 3), (4, 1), (4, 3), (4, 9), (5, 3)]),
    st.integers(1, 24),
    st.floats(0, 1),
)
def test_equal_to_a_plain_reading(seed, shape, years, share) -> None:
    seasons, window = shape
    rng = np.random.default_rng(seed)
    series = rng.integers(1, 40001, years * seasons).astype(np.float32)
    series[rng.random(len(series)) < share] = np.nan
    series[rng.integers(0, seasons) :: seasons] = np.nan  # one season never: for phases 2 and 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = fill(series.reshape(-1, 1, 1), seasons_per_year=seasons, window_years=window, **OLD)
    wanted = naive(series, seasons, window)
    assert result.companions["eumap_flag"].ravel().tolist() == [w[1] for w in wanted]
    assert np.array_equal(result.values.ravel(), [w[0] for w in wanted], equal_nan=True)
    flags = np.array([w[1] for w in wanted])
    phases = np.where((flags == 0) | (flags == 255), flags, 1 + (flags - 1) // years)
    width = (flags - 1) % years + 1
    assert np.array_equal(result.phase.ravel(), phases)
    filled = (phases > 0) & (phases < 255)
    assert np.array_equal(result.span.ravel()[filled], ((width - 1) // 2)[filled])
    assert (result.donors.ravel()[filled] > 0).all()


def quarters(years: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    series = rng.integers(1, 200, (years * 4, 6, 7)).astype(np.uint8)
    series[rng.random(series.shape) < 0.5] = 0
    return series


def test_a_series_no_longer_than_the_window_stays_as_it_is() -> None:
    """Fault 1. The default fills it."""
    series = quarters(3)
    with pytest.warns(
        UserWarning, match="the series has 3 years, no more than the window of 9: compat eumap-2022 fills no gap"
    ):
        old = fill(series, nodata=0, **OLD)
    assert np.array_equal(old.values, series) and set(np.unique(old.phase)) == {0, 255}
    assert (fill(series, nodata=0).values != 0)[:, (series != 0).any(axis=0)].all()


def test_a_donor_too_far_away_is_never_found() -> None:
    """Fault 2: 12 years, the only clear date in the last one. Windows are 9 years wide."""
    series = np.zeros((48, 1, 1), dtype=np.uint8)
    series[47] = 90
    assert fill(series, nodata=0, **OLD).values[0, 0, 0] == 0
    assert (fill(series, nodata=0).values == 90).all()


def test_empty_composites_in_front_change_values() -> None:
    """Fault 3: one empty season in front (and three behind) and the season before a winter is another one. Not so by
    default.
    """
    series = quarters(11, seed=3)
    series[0::4] = 0
    padded = np.concatenate([np.zeros((1, 6, 7), np.uint8), series, np.zeros((3, 6, 7), np.uint8)])
    old, old_padded = (fill(one, nodata=0, **OLD).values for one in (series, padded))
    assert not np.array_equal(old_padded[1:45], old)
    new, new_padded = (fill(one, nodata=0).values for one in (series, padded))
    assert np.array_equal(new_padded[1:45], new)


def test_sixteen_bit_floats_lose_what_the_default_keeps() -> None:
    """Fault 4: above 32768 they step by 32."""
    series = np.full((40, 1, 1), 40001, dtype=np.uint16)
    series[20] = 0
    assert fill(series, nodata=0, **OLD).values[20, 0, 0] == 40000
    assert fill(series, nodata=0).values[20, 0, 0] == 40001


def test_equal_to_the_default_in_its_first_window() -> None:
    """Phase 1 with the first window is the same in both."""
    series = quarters(21)
    old, new = fill(series, nodata=0, **OLD), fill(series, nodata=0)
    first = old.companions["eumap_flag"] == 9
    assert first.sum() > 100
    assert np.array_equal(old.values[first], new.values[first]) and (new.phase[first] == 1).all()
    assert np.array_equal(old.donors[first], new.donors[first]) and (old.span[first] == 4).all()


@pytest.mark.parametrize(
    ("times", "settings", "text"),
    [
        (43, {}, "its length is 43 dates; give whole years of 4 for compat eumap-2022"),
        (85 * 4, {}, "its length is 85 years; give at most 84 for compat eumap-2022"),
        (44, {"direction": "past"}, "the direction is past with compat eumap-2022; use both"),
        (44, {"compat": "eumap"}, "compat is 'eumap'; use eumap-2022 or leave it out"),
    ],
)
def test_refused(times, settings, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot fill the series, because {text}")):
        fill(np.ones((times, 1, 1), np.uint8), nodata=0, **{**OLD, **settings})
