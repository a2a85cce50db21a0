"""The moving-window median as it made the maps of 2022, with its faults: for comparison with those maps, and for
nothing else.

Years are whole and counted from the start of the series, windows are W, 2W, 3W ... years wide and stop short of its
length, medians are kept in 16-bit floats, the season "before" the first of a year is the last one of the same year
(docs/why/fill.md says what that does). Flags are w in phase 1, n + w in phase 2, 2 n + w in phase 3, with w the width
and n the number of years.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.series._filled import refuse

Array = npt.NDArray[Any]
Half = npt.NDArray[np.float16]
MOST_YEARS = 84
"""More years than these, and flags would pass 254."""


def eumap_2022(
    flat: Array, nodata: float, seasons_per_year: int, window_years: int, *, filled: Array, told: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Fill a series (time, pixel): into ``filled``, its copy; phase, span and donors into ``told`` (3, time, pixel).
    Gives the flag.

    Values are 16-bit floats on their way; integers are rounded half up from those. Warns where the series has no more
    years than the window, for then no gap is filled. Raises SeriesError for a series that is not of whole years, or
    of more than 84.
    """
    times, pixels = flat.shape
    years = times // seasons_per_year
    if times % seasons_per_year:
        raise refuse("its length", f"{times} dates", f"give whole years of {seasons_per_year} for compat eumap-2022")
    if years > MOST_YEARS:
        raise refuse("its length", f"{years} years", f"give at most {MOST_YEARS} for compat eumap-2022")
    if years <= window_years:
        warnings.warn(
            f"the series has {years} years, no more than the window of {window_years}: compat eumap-2022 fills no gap of it",
            UserWarning,
            stacklevel=5,
        )
    series = flat.astype(np.float32)
    known = np.isfinite(series) & (flat != flat.dtype.type(nodata))
    series[~known] = np.nan
    cube = series.reshape(years, seasons_per_year, pixels)
    there = known.reshape(cube.shape)
    close = _Gaps(np.isnan(cube))
    widths = range(window_years, years, window_years)
    found = {w: _windows(cube, there, w) for w in widths}
    for w in widths:
        close(*found[w], phase=1, width=w, flag=w)
    for j in range(1, -(-seasons_per_year // 2) + 1):
        for w in widths:
            medians, counts = found[w]
            for s in range(seasons_per_year):
                before = [(s - k) % seasons_per_year for k in range(1, j + 1)]
                after = [(s + k) % seasons_per_year for k in range(1, j + 1)]
                sides = np.stack([_median(medians[:, side], 1) for side in (before, after)])
                middle = sides.astype(np.float32).sum(axis=0) / np.float32(2)  # NaN where a side is missing
                used = counts[:, before].sum(axis=1) + counts[:, after].sum(axis=1)
                close(middle.astype(np.float16), used, phase=2, width=w, flag=years + w, season=s)
    for w in widths:
        medians, counts = found[w]
        for s in range(seasons_per_year):
            close(_median(medians, 1), counts.sum(axis=1), phase=3, width=w, flag=2 * years + w, season=s)
    flag = close.flag.reshape(times, pixels)
    told[:] = close.told.reshape(told.shape)
    _store(close.values.reshape(flat.shape), flag != 0, nodata, filled)
    return flag


class _Gaps:
    """What was a gap (year, season, pixel), what is one still, and what went into it."""

    def __init__(self, gaps: npt.NDArray[np.bool_]) -> None:
        self.open_ = gaps
        self.values = np.full(gaps.shape, np.nan, dtype=np.float16)
        self.told = np.zeros((3, *gaps.shape), dtype=np.uint8)
        self.told[:, gaps] = 255
        self.flag = np.where(gaps, 255, 0).astype(np.uint8)

    def __call__(
        self, values: Half, used: Array, *, phase: int, width: int, flag: int, season: int | slice = slice(None)
    ) -> None:
        """Put values into the gaps of one season, or of all, that are open still."""
        here = (slice(None), season)
        now = self.open_[here] & ~np.isnan(values)
        self.values[here][now] = values[now]
        self.told[0][here][now], self.told[1][here][now] = phase, (width - 1) // 2
        self.told[2][here][now] = np.minimum(used, 254)[now]
        self.flag[here][now] = flag
        self.open_[here] &= ~now


def _windows(cube: Array, there: npt.NDArray[np.bool_], width: int) -> tuple[Half, Array]:
    """Median and number of values of every season in the ``width`` years around every year, both (year, season,
    pixel).
    """
    half = (width - 1) // 2
    parts = [slice(max(0, year - half), year + half + 1) for year in range(len(cube))]
    counts = np.stack([there[part].sum(axis=0) for part in parts])
    return np.stack([_median(cube[part], 0) for part in parts]), counts


def _median(values: Array, axis: int) -> Half:
    """Over what is no NaN, calculated in 32 bits and kept in 16."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values.astype(np.float32), axis=axis), dtype=np.float32).astype(np.float16)


def _store(values: Half, gaps: npt.NDArray[np.bool_], nodata: float, filled: Array) -> None:
    """The values into gaps, in the type of the series; those left open hold no-data."""
    new = values.astype(np.float64)
    if filled.dtype.kind in "ui":
        limits = np.iinfo(filled.dtype)
        new = np.clip(np.floor(new + 0.5), limits.min, limits.max)
        new[new == nodata] += 1
    filled[gaps] = np.where(np.isnan(new), nodata, new)[gaps].astype(filled.dtype)
