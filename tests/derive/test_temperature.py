"""Clear-sky temperature against its published formula and against the stations of Croatia."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import pytest

from odse.derive.temperature import at_elevation, geometric_temperature, geometric_temperature_of
from odse.errors import DeriveError
from odse.layer.period import Period


def published(phi_deg: float, day: float, a: float, b: float) -> float:
    """Kilibarda et al. 2014, as printed: theta is (day - 18) 2 pi / 365 + 2^(1 - sgn phi) pi."""
    phi = math.radians(phi_deg)
    sign = (phi_deg > 0) - (phi_deg < 0)
    theta = (day - 18) * 2 * math.pi / 365 + 2 ** (1 - sign) * math.pi
    return a * math.cos(phi) - b * (1 - math.cos(theta)) * math.sin(abs(phi))


@pytest.mark.parametrize(
    ("kind", "a", "b"),
    [("mean", 30.419375, 15.539232), ("min", 24.16453, 15.71751), ("max", 37.03043, 15.43029)],
)
def test_it_is_the_published_formula(kind: Any, a: float, b: float) -> None:
    latitudes, days = [-90.0, -45.0, -0.1, 0.0, 0.1, 15.9, 45.0, 66.5, 90.0], [1, 18, 59, 109, 200, 365, 366]
    got = geometric_temperature(np.array(latitudes)[:, None], np.array(days)[None, :], kind=kind)
    wanted = [[published(phi, day, a, b) for day in days] for phi in latitudes]
    np.testing.assert_allclose(got, wanted, atol=2e-5)
    assert got.dtype == np.float32


def test_summers_are_opposite_and_kinds_in_order() -> None:
    july, january = geometric_temperature([45.0, -45.0], 200), geometric_temperature([45.0, -45.0], 18)
    assert july[0] > january[0] + 20 and january[1] > july[1] + 20
    low, mean, high = (geometric_temperature(52.0, np.arange(1, 366), kind=kind) for kind in ("min", "mean", "max"))  # type: ignore[arg-type]
    assert (low < mean).all() and (mean < high).all()
    assert geometric_temperature(50.0, np.arange(1, 366)).argmin() == 17


def test_a_period_is_the_mean_of_its_days() -> None:
    winter = Period(date(2019, 12, 30), date(2020, 1, 2))
    wanted = np.mean([geometric_temperature(45.0, day) for day in (364, 365, 1, 2)])
    assert geometric_temperature_of(45.0, winter).item() == pytest.approx(wanted, abs=1e-5)
    leap = Period(date(2020, 12, 31), date(2020, 12, 31))
    assert geometric_temperature_of([45.0, np.nan], leap)[0] == geometric_temperature(45.0, 366)


def test_elevation_is_a_step_of_its_own() -> None:
    assert at_elevation([20.0, np.nan], [500.0, 0.0])[0] == pytest.approx(20 - 3.25)
    assert at_elevation(20.0, 1000.0, lapse_k_per_m=0.006).item() == 14.0


@pytest.mark.parametrize(
    ("latitude", "day", "kind", "told"),
    [
        (90.5, 1, "mean", "cannot derive temperature, because a latitude is 90.5; give degrees north"),
        (45, 0, "mean", "cannot derive temperature, because a day of the year is 0; give 1 to 366"),
        (45, 1, "median", "cannot derive temperature, because its kind is 'median'; write mean, min or max"),
    ],
)
def test_nonsense_is_refused(latitude: float, day: float, kind: Any, told: str) -> None:
    with pytest.raises(DeriveError, match=told):
        geometric_temperature(latitude, day, kind=kind)


def test_it_is_the_course_of_the_year_at_the_stations_of_croatia(data_dir: Path) -> None:
    """Seasons and months of stations correlate above 0.9 with it; a year out of phase by two months would not."""
    folder = data_dir / "04_modis_lst_croatia_2006"
    stations = pd.read_csv(folder / "hr_stations_epsg32633.csv")
    to_lonlat = pyproj.Transformer.from_crs(32633, 4326, always_xy=True)
    stations["latitude"] = to_lonlat.transform(stations["X"], stations["Y"])[1]
    table = pd.read_csv(folder / "hr_daily_mean_temp_2006.csv.gz").dropna(subset=["MDTEMP"]).merge(stations, on="IDSTA")
    when = pd.to_datetime(table["DATE"], format="%Y-%m-%d")
    table["day"], table["month"] = when.dt.day_of_year, when.dt.month
    table["season"] = table["month"] % 12 // 3
    table["ours"] = geometric_temperature(table["latitude"], table["day"])
    assert table["IDSTA"].nunique() == 123 and len(table) > 40_000

    def agreement(keys: list[str]) -> float:
        means = table.groupby(keys)[["ours", "MDTEMP"]].mean()
        return float(np.corrcoef(means["ours"], means["MDTEMP"])[0, 1])

    assert agreement(["IDSTA", "season"]) > 0.92 and agreement(["IDSTA", "month"]) > 0.92 and agreement(["day"]) > 0.9
    assert abs((table["MDTEMP"] - table["ours"]).mean()) < 2.5
    table["ours"] = geometric_temperature(table["latitude"], (table["day"] + 60 - 1) % 365 + 1)
    assert agreement(["IDSTA", "season"]) < 0.75
