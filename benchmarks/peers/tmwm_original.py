"""The gap filler of 2022 as it was described, run with bottleneck: whole years counted from the start of the series.

For every season and window the median of the valid values is computed for all years at once; gaps take it in order of
window width, phase by phase (same season, neighbouring seasons, all seasons). Medians are kept in float32 here, where the
original kept float16, so that the comparison of values is fair to it.
"""

from __future__ import annotations

import bottleneck as bn
import numpy as np


def tmwm(cube: np.ndarray, *, seasons: int = 4, window: int = 9) -> np.ndarray:
    """Fill (time, y, x) float32 with NaN gaps; the number of dates is a multiple of ``seasons``."""
    times = cube.shape[0]
    years = times // seasons
    widths = list(range(window, years, window))
    medians = np.full((len(widths), times, *cube.shape[1:]), np.nan, dtype=np.float32)
    for season in range(seasons):
        series = cube[season::seasons]
        for i, width in enumerate(widths):
            half = (width - 1) // 2
            for year in range(years):
                part = series[max(0, year - half) : year + half + 1]
                medians[i, year * seasons + season] = bn.nanmedian(part, axis=0)
    filled = cube.copy()
    for i in range(len(widths)):
        gaps = np.isnan(filled)
        filled[gaps] = medians[i][gaps]
    by_year = medians.reshape(len(widths), years, seasons, *cube.shape[1:])
    for j in range(1, -(-seasons // 2) + 1):
        for i in range(len(widths)):
            gaps = np.isnan(filled)
            if not gaps.any():
                return filled
            value = np.empty_like(filled).reshape(years, seasons, *cube.shape[1:])
            for season in range(seasons):
                before = bn.nanmedian(by_year[i][:, [(season - k) % seasons for k in range(1, j + 1)]], axis=1)
                after = bn.nanmedian(by_year[i][:, [(season + k) % seasons for k in range(1, j + 1)]], axis=1)
                value[:, season] = (before + after) / 2
            filled[gaps] = value.reshape(filled.shape)[gaps]
    for i in range(len(widths)):
        gaps = np.isnan(filled)
        if not gaps.any():
            return filled
        every = np.repeat(bn.nanmedian(by_year[i], axis=1), seasons, axis=0)
        filled[gaps] = every[gaps]
    return filled
