"""The gap filler of 2022 as it was described, run with bottleneck: whole years counted from the start of the series.

For every season and window the median of the valid values is computed for all years at once; gaps take it in order of
window width, phase by phase (same season, neighbouring seasons, all seasons). Time is last, as in the original. Medians are kept
in float32, where the original kept float16, so that the comparison of values is fair to it.
"""

from __future__ import annotations

import bottleneck as bn
import numpy as np


def tmwm(cube: np.ndarray, *, seasons: int = 4, window: int = 9) -> np.ndarray:
    """Fill (y, x, time) float32 with NaN gaps; the number of dates is a multiple of ``seasons``."""
    years = cube.shape[-1] // seasons
    widths = range(window, years, window)
    medians = [window_medians(cube, seasons, years, width) for width in widths]
    filled = cube.copy()

    def close(value: np.ndarray) -> None:
        gaps = np.isnan(filled)
        filled[gaps] = value.reshape(filled.shape)[gaps]

    for median in medians:
        close(median)
    for j in range(1, -(-seasons // 2) + 1):
        for median in medians:
            if not np.isnan(filled).any():
                return filled
            value = np.empty_like(median)
            for season in range(seasons):
                before = bn.nanmedian(median[..., [(season - k) % seasons for k in range(1, j + 1)]], axis=-1)
                after = bn.nanmedian(median[..., [(season + k) % seasons for k in range(1, j + 1)]], axis=-1)
                value[..., season] = (before + after) / 2
            close(value)
    for median in medians:
        if not np.isnan(filled).any():
            return filled
        close(np.repeat(bn.nanmedian(median, axis=-1), seasons, axis=-1))
    return filled


def window_medians(cube: np.ndarray, seasons: int, years: int, width: int) -> np.ndarray:
    """(y, x, year, season): the median of the same season in the ``width`` years around each year."""
    half = (width - 1) // 2
    medians = np.empty((*cube.shape[:2], years, seasons), dtype=np.float32)
    for season in range(seasons):
        series = np.ascontiguousarray(cube[..., season::seasons])
        for year in range(years):
            part = series[..., max(0, year - half) : year + half + 1]
            medians[..., year, season] = bn.nanmedian(part, axis=-1)
    return medians
