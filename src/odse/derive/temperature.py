"""Clear-sky ("geometric") temperature from latitude and day: what the sun's path alone makes of the air's temperature.

Kilibarda et al. 2014, doi 10.1002/2013JD020803: daily temperatures of the world's stations regressed on the sun's path. ODSE uses
its monthly minimum and maximum as covariates.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

from odse.errors import DeriveError
from odse.layer.period import Period

Kind = Literal["mean", "min", "max"]
Numbers = npt.NDArray[np.float64]

COEFFICIENTS: dict[str, tuple[float, float]] = {
    "mean": (30.419375, -15.539232),
    "min": (24.16453, -15.71751),
    "max": (37.03043, -15.43029),
}
"""Kind -> a, b in degrees Celsius: t = a cos(latitude) + b (1 - cos(theta)) |sin(latitude)|."""

COLDEST_DAY = 18
"""18 January in the north; south of the equator the same day is the warmest."""

LAPSE_K_PER_M = 0.0065
"""Standard atmosphere (ISO 2533). The original took 0.006."""


def geometric_temperature(
    latitude_deg: npt.ArrayLike, day_of_year: npt.ArrayLike, *, kind: Kind = "mean"
) -> npt.NDArray[np.float32]:
    """Mean, lowest or highest temperature of a day (1-366) at sea level in degrees Celsius; latitudes and days broadcast. Pure.

    theta = (day - 18) 2 pi / 365, and half a turn later north of the equator. Raises DeriveError for an unknown kind, a latitude
    beyond the poles or a day outside 1-366; NaN stays NaN.

    >>> geometric_temperature([45.0, -45.0], 18).round(2).tolist()
    [-0.4699999988079071, 21.510000228881836]
    """
    if kind not in COEFFICIENTS:
        raise DeriveError.sentence("derive", "temperature", "its kind", repr(kind), "write mean, min or max")
    latitude, day = np.asarray(latitude_deg, dtype=np.float64), np.asarray(day_of_year, dtype=np.float64)
    _check("a latitude", latitude, -90, 90, "give degrees north")
    _check("a day of the year", day, 1, 366, "give 1 to 366")
    a, b = COEFFICIENTS[kind]
    phi = np.radians(latitude)
    theta = (day - COLDEST_DAY) * 2 * np.pi / 365 + np.where(latitude > 0, np.pi, 0.0)
    return np.asarray(a * np.cos(phi) + b * (1 - np.cos(theta)) * np.abs(np.sin(phi)), dtype=np.float32)


def geometric_temperature_of(
    latitude_deg: npt.ArrayLike, period: Period, *, kind: Kind = "mean"
) -> npt.NDArray[np.float32]:
    """The mean over the days of a Period of :func:`geometric_temperature`; of the shape of the latitudes. Pure.

    >>> from datetime import date
    >>> geometric_temperature_of(52.0, Period(date(2020, 7, 1), date(2020, 7, 31)), kind="max") > 22
    np.True_
    """
    latitude = np.asarray(latitude_deg, dtype=np.float64)
    total = np.zeros(latitude.shape)
    for number in range(period.days):
        day = (period.start + timedelta(days=number)).timetuple().tm_yday
        total += geometric_temperature(latitude, day, kind=kind)
    return np.asarray(total / period.days, dtype=np.float32)


def at_elevation(
    temperature_c: npt.ArrayLike, elevation_m: npt.ArrayLike, *, lapse_k_per_m: float = LAPSE_K_PER_M
) -> npt.NDArray[np.float32]:
    """A temperature at sea level brought to an elevation: 6.5 K colder per kilometre. Pure.

    It is no part of the published regression; give it where elevation is no covariate of its own.

    >>> at_elevation(20.0, 1000.0).item()
    13.5
    """
    sea = np.asarray(temperature_c, dtype=np.float64)
    return np.asarray(sea - lapse_k_per_m * np.asarray(elevation_m, dtype=np.float64), dtype=np.float32)


def _check(what: str, values: Numbers, low: float, high: float, remedy: str) -> None:
    outside = (values < low) | (values > high)
    if outside.any():
        raise DeriveError.sentence("derive", "temperature", what, f"{values[outside].flat[0]:g}", remedy)
