"""The bake-off: the errors it tells are those of the definition, and the real tile's table stands."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr

from odse.errors import SeriesError
from odse.series.bakeoff import LENGTHS, bake_off
from odse.series.fill import METHODS, SeasConv, fill


def quarters(seed: int, years: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    series = rng.integers(20, 200, (years * 4, 6, 7)).astype(np.uint8)
    series[rng.random(series.shape) < 0.35] = 0
    return series


def naive(series: np.ndarray, method: str) -> list[tuple[str, str, float]]:
    """(season, gap length, error or NaN) of every withheld value."""
    found = []
    times = len(series)
    for shift in range(4, times, 4):
        spoilt = series.copy()
        for t in range(times):
            spoilt[(t + shift) % times][series[t] == 0] = 0
        result = fill(spoilt, nodata=0, method=method)
        for t, y, x in np.argwhere((spoilt == 0) & (series != 0)).tolist():
            first = last = t
            while first > 0 and spoilt[first - 1, y, x] == 0:
                first -= 1
            while last < times - 1 and spoilt[last + 1, y, x] == 0:
                last += 1
            value = int(result.values[t, y, x])
            error = value - int(series[t, y, x]) if value else float("nan")
            found.append((str(t % 4 + 1), LENGTHS[min(last - first + 1, 4) - 1], error))
    return found


def test_every_row_of_the_table() -> None:
    series, methods = quarters(1), ("same-season", "tmwm", "linear")
    found = bake_off(series, nodata=0, methods=methods)
    told = {method: naive(series, method) for method in methods}
    by_all = np.isfinite([[error for *_, error in told[method]] for method in methods]).all(axis=0)
    assert by_all.any() and not by_all.all()
    assert len(found.rows) == 3 * 5 * 5 and found.rounds == 4
    for row in found.rows:
        inside = np.array([row["season"] in ("all", s) and row["gap"] in ("all", g) for s, g, _ in told[row["method"]]])
        error = np.array([error for *_, error in told[row["method"]]])
        assert row["withheld"] == inside.sum()
        for some, end in ((np.isfinite(error), ""), (by_all, "_where_all_fill")):
            mine = error[inside & some]
            assert row[f"rmse{end}"] == pytest.approx(np.sqrt((mine**2).mean()), abs=6e-4)
            assert row[f"mae{end}"] == pytest.approx(np.abs(mine).mean(), abs=6e-4)
            assert row[f"bias{end}"] == pytest.approx(mine.mean(), abs=6e-4)
        assert row["filled_percent"] == round(100 * np.isfinite(error[inside]).mean(), 2)
    errors = {method: found.row(method)["rmse_where_all_fill"] for method in methods}
    best, second = sorted(methods, key=lambda method: errors[method])[:2]
    assert found.winner["method"] == best and found.winner["runner_up"] == second
    assert found.winner["margin_percent"] == pytest.approx(100 * (errors[second] / errors[best] - 1), abs=0.01)
    assert json.loads(json.dumps(found.to_dict()))["winner"] == found.winner


def test_bands_settings_and_floats() -> None:
    """Rows of a band are those that it has alone; the choice of best method is over all."""
    red, nir = quarters(2), quarters(3)
    methods = {"plain": "seasconv", "steep": SeasConv(season_db=90)}
    both = bake_off({"red": red, "nir": nir}, nodata=0, methods=methods, seasons=("w", "s", "u", "f"))
    alone = bake_off(nir, nodata=0, methods=methods)
    for name in methods:
        assert {**both.row(name, band="nir"), "band": "all"} == alone.row(name)
        parts = [both.row(name, band=band) for band in ("red", "nir")]
        assert both.row(name)["withheld"] == sum(part["withheld"] for part in parts)
        assert both.row(name, season="u", band="nir")["rmse"] == alone.row(name, season="3")["rmse"]
    labelled = xr.DataArray(np.stack([red, nir]), dims=("band", "time", "y", "x"), coords={"band": ["red", "nir"]})
    assert bake_off(labelled, nodata=0, methods=methods, seasons=("w", "s", "u", "f")) == both
    as_float = np.where(red == 0, np.nan, red).astype(np.float64)
    assert (
        bake_off(as_float, methods=("linear",)).row("linear")["withheld"] == both.row("plain", band="red")["withheld"]
    )


def test_what_is_told_on_the_way() -> None:
    told: list[tuple[int, int]] = []
    found = bake_off(
        quarters(4), nodata=0, methods=("linear",), most_rounds=2, progress=lambda *done: told.append(done)
    )
    assert told == [(1, 2), (2, 2)] and found.rounds == 2
    assert found.winner["runner_up"] is None and found.winner["margin_percent"] is None


def test_a_wave_is_won_by_those_who_know_seasons() -> None:
    t = np.arange(32)
    series = np.round(100 + 60 * np.cos(np.pi * t / 2))[:, None, None] * np.ones((1, 5, 5))
    series[np.random.default_rng(1).random(series.shape) < 0.3] = 0
    found = bake_off(series.astype(np.uint8), nodata=0)
    assert found.row("same-season")["rmse"] == 0 == found.row("tmwm")["rmse_where_all_fill"]
    assert found.row("linear")["rmse_where_all_fill"] > 20
    assert found.winner["method"] == "tmwm", "of equal ones the first named"


def test_the_real_tile(data_dir: Path) -> None:
    """Quarters of NDVI of 2015 to 2020; the moving window as before there were others to compare with."""
    paths = sorted((data_dir / "01_odse_toy_tile_nl" / "ndvi_gappy").glob("*.tif"))
    found = bake_off(np.stack([rasterio.open(path).read(1) for path in paths]), nodata=255)
    tmwm = found.row("tmwm")
    assert (tmwm["withheld"], tmwm["filled_percent"], tmwm["rmse"], tmwm["mae"], tmwm["bias"]) == (
        308766,
        99.77,
        10.294,
        6.911,
        0.251,
    )
    assert found.winner["method"] == "harmonic" and found.winner["runner_up"] == "seasconv"
    errors = [found.row(method)["rmse_where_all_fill"] for method in METHODS]
    assert all(9.5 < error < 12 for error in errors)
    for method in METHODS:
        assert found.row(method, gap="4+")["rmse"] > found.row(method, gap="1")["rmse"]


@pytest.mark.parametrize(
    ("series", "settings", "text"),
    [
        (np.ones((4, 1, 1), np.uint8), {}, "its length is 4 dates; give more than a year of 4"),
        (np.ones((8, 1, 1), np.uint8), {}, "the number of values that a gap can cover is 0; give a series with gaps"),
        (quarters(1), {"methods": ()}, "the list of methods is empty; name one"),
        (quarters(1), {"seasons": ("w",)}, "the number of names of seasons is 1; give 4"),
        ({}, {}, "the number of dates is []; give all bands the same dates"),
    ],
)
def test_refused(series, settings, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot compare ways of filling the series, because {text}")):
        bake_off(series, **{"nodata": 0, **settings})
