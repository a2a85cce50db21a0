"""How well gaps are filled on real data: valid pixels withheld in the shape of real gaps.

    python -m benchmarks.fill_bakeoff FOLDER

FOLDER holds gappy quarters of NDVI (uint8, 100 x NDVI, no-data 255), one GeoTIFF a season, in whole years. In round k the gaps of
every date are laid on the date k years later (cyclic), so each pair of dates of one season is used once and nothing is drawn by
chance. What was seen and is covered so is withheld, filled and compared. Errors are in the layer's own units (hundredths of NDVI).
Fillers differ in how many gaps they close, and those that leave out the hard ones look better: so errors are told twice, of all
that a filler filled and of what all fillers filled.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import rasterio

from odse.series.fill import fill

NODATA, SEASONS = 255, 4
Filler = Callable[[np.ndarray], np.ndarray]


def moving_window(stack: np.ndarray) -> np.ndarray:
    """Ours: TMWM, window of 9 years."""
    return fill(stack, nodata=NODATA).values.astype(float)


def same_quarter_median(stack: np.ndarray) -> np.ndarray:
    """The median of all years' same quarter."""
    series = np.where(stack == NODATA, np.nan, stack.astype(float))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        medians = [np.nanmedian(series[s::SEASONS], axis=0) for s in range(SEASONS)]
    return np.stack([np.where(np.isnan(series[t]), medians[t % SEASONS], series[t]) for t in range(len(stack))])


def linear_in_time(stack: np.ndarray) -> np.ndarray:
    """Straight lines between the neighbouring observations."""
    flat = stack.reshape(len(stack), -1)
    out = flat.astype(float)
    when = np.arange(len(stack))
    for p in np.flatnonzero((flat == NODATA).any(axis=0)):
        known = flat[:, p] != NODATA
        out[:, p] = np.interp(when, when[known], flat[known, p]) if known.any() else np.nan
    return out.reshape(stack.shape)


def harmonic_in_time(stack: np.ndarray) -> np.ndarray:
    """Least squares: mean, trend, one wave a year and its overtone (whose sine is nought at every quarter)."""
    flat = stack.reshape(len(stack), -1)
    when = np.arange(len(stack)) / SEASONS
    design = np.stack(
        [np.ones(len(when)), when, np.cos(2 * np.pi * when), np.sin(2 * np.pi * when), np.cos(4 * np.pi * when)], axis=1
    )
    out = flat.astype(float)
    for p in np.flatnonzero((flat == NODATA).any(axis=0)):
        known = flat[:, p] != NODATA
        if known.sum() >= design.shape[1]:
            fit, *_ = np.linalg.lstsq(design[known], flat[known, p].astype(float), rcond=None)
            out[~known, p] = (design @ fit)[~known]
        else:
            out[~known, p] = np.nan
    return out.reshape(stack.shape)


FILLERS: dict[str, Filler] = {
    "TMWM (ours)": moving_window,
    "same-quarter median": same_quarter_median,
    "linear in time": linear_in_time,
    "harmonic in time": harmonic_in_time,
}


def bake_off(stack: np.ndarray) -> list[dict[str, float | str | int]]:
    """Errors of every filler on withheld values of ``stack`` (time, y, x)."""
    gaps = stack == NODATA
    found: dict[str, list[np.ndarray]] = {name: [] for name in FILLERS}
    for shift in range(SEASONS, len(stack), SEASONS):
        spoilt = np.where(np.roll(gaps, shift, axis=0), np.uint8(NODATA), stack)
        withheld = (spoilt == NODATA) & ~gaps
        for name, filler in FILLERS.items():
            filled = filler(spoilt)
            error = filled - stack
            error[filled == NODATA] = np.nan
            found[name].append(error[withheld])
    errors = {name: np.concatenate(parts) for name, parts in found.items()}
    by_all = np.all([np.isfinite(error) for error in errors.values()], axis=0)
    rows: list[dict[str, float | str | int]] = []
    for name, error in errors.items():
        filled_error = error[np.isfinite(error)]
        rows.append(
            {
                "method": name,
                "withheld": len(error),
                "filled_percent": round(100 * len(filled_error) / len(error), 2),
                **measures(filled_error),
                **{f"{key}_where_all_fill": value for key, value in measures(error[by_all]).items()},
            }
        )
    return rows


def measures(error: np.ndarray) -> dict[str, float]:
    """RMSE, MAE and bias."""
    return {
        "rmse": round(float(np.sqrt((error**2).mean())), 3),
        "mae": round(float(np.abs(error).mean()), 3),
        "bias": round(float(error.mean()), 3),
    }


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


def main(folder: str) -> None:
    """Read the quarters, print the table and its JSON."""
    stack = np.stack([read(path) for path in sorted(Path(folder).glob("*.tif"))])
    rows = bake_off(stack)
    print(f"{'withheld: ' + str(rows[0]['withheld']):<38} of all it filled      where all four fill")
    print(f"{'method':<22} {'filled %':>8}" + f"{'RMSE':>9}{'MAE':>7}{'bias':>7}" * 2)
    for row in rows:
        one = f"{row['rmse']:>9.2f}{row['mae']:>7.2f}{row['bias']:>7.2f}"
        two = f"{row['rmse_where_all_fill']:>9.2f}{row['mae_where_all_fill']:>7.2f}{row['bias_where_all_fill']:>7.2f}"
        print(f"{row['method']:<22} {row['filled_percent']:>8.2f}{one}{two}")
    print(json.dumps(rows))


if __name__ == "__main__":
    main(sys.argv[1])
