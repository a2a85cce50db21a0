"""Class spectra and phenology: reflectance of 6 bands and temperature on a day of the year.

A class is a mixture of a bare and a green endmember; the green share follows the season, shifted field by field. Figures are
of the order that Landsat surface reflectance shows over central Europe.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from odse.sources.simulate.world import CLASSES, PLACE, World, generator

F32 = npt.NDArray[np.float32]

_SOIL = (0.065, 0.095, 0.125, 0.21, 0.29, 0.23)
_LEAF = (0.022, 0.055, 0.032, 0.40, 0.18, 0.085)
_NEEDLE = (0.018, 0.034, 0.026, 0.23, 0.105, 0.050)
_GRASS = (0.030, 0.068, 0.050, 0.36, 0.22, 0.115)
_STRAW = (0.060, 0.095, 0.135, 0.24, 0.31, 0.21)
_BUILT = (0.105, 0.125, 0.145, 0.20, 0.225, 0.195)
_BRIGHT = (0.16, 0.19, 0.22, 0.28, 0.32, 0.29)
_ROCK = (0.13, 0.16, 0.19, 0.25, 0.29, 0.26)
_WATER = (0.045, 0.050, 0.034, 0.020, 0.010, 0.007)
_SILT = (0.060, 0.078, 0.064, 0.040, 0.018, 0.012)
_CHAR = (0.038, 0.045, 0.055, 0.10, 0.15, 0.16)

# code: bare, green, least and greatest green share, start and end of the season (day of the year), kelvin beyond the mean
_CLASSES: dict[int, tuple[tuple[float, ...], tuple[float, ...], float, float, float, float, float]] = {
    111: (_BUILT, _GRASS, 0.03, 0.12, 100, 290, 4.0),
    112: (_BUILT, _GRASS, 0.18, 0.46, 100, 290, 2.5),
    121: (_BRIGHT, _GRASS, 0.03, 0.16, 100, 290, 4.5),
    131: (_ROCK, _GRASS, 0.02, 0.12, 110, 270, 3.0),
    142: (_SOIL, _GRASS, 0.40, 0.78, 95, 295, 0.5),
    211: (_SOIL, _LEAF, 0.06, 0.86, 95, 215, 1.0),
    221: (_SOIL, _LEAF, 0.12, 0.55, 125, 275, 1.5),
    222: (_SOIL, _LEAF, 0.28, 0.72, 110, 285, 0.5),
    231: (_STRAW, _GRASS, 0.38, 0.90, 90, 300, 0.0),
    243: (_SOIL, _LEAF, 0.28, 0.78, 100, 265, 0.3),
    311: (_STRAW, _LEAF, 0.14, 0.93, 115, 290, -1.5),
    312: (_SOIL, _NEEDLE, 0.86, 0.95, 110, 290, -2.0),
    313: (_STRAW, tuple(0.75 * a + 0.25 * b for a, b in zip(_LEAF, _NEEDLE, strict=True)), 0.48, 0.94, 112, 290, -1.8),
    321: (_STRAW, _GRASS, 0.20, 0.68, 120, 275, -0.5),
    322: (_STRAW, _NEEDLE, 0.42, 0.70, 115, 280, -0.5),
    324: (_STRAW, _LEAF, 0.26, 0.74, 112, 285, -0.5),
    332: (_ROCK, _GRASS, 0.01, 0.08, 130, 260, 1.0),
    334: (_CHAR, _GRASS, 0.02, 0.22, 120, 280, 3.0),
    411: (_SILT, _GRASS, 0.30, 0.72, 110, 285, -1.5),
    511: (_SILT, _GRASS, 0.00, 0.06, 120, 280, -3.0),
    512: (_WATER, _GRASS, 0.00, 0.03, 120, 280, -3.5),
}
_BARE = np.array([_CLASSES[c][0] for c in CLASSES], dtype=np.float32)
_GREEN = np.array([_CLASSES[c][1] for c in CLASSES], dtype=np.float32)
_NUMBERS = np.array([_CLASSES[c][2:] for c in CLASSES], dtype=np.float32)
HARD = 1.26
"""Strength of the differences within a class. With LEY it gives the accuracies that the tests ask of the demo."""
LEY = 0.14
"""Share of arable fields that are under grass in a year: pasture to the eye, arable land in the legend."""


def green_share(day: float, start: F32, end: F32, least: F32, most: F32) -> F32:
    """The seasonal course: up around ``start``, down around ``end`` (double logistic)."""
    up = 1 / (1 + np.exp(-(day - start) / 11.0))
    down = 1 / (1 + np.exp((day - end) / 13.0))
    return np.asarray(least + (most - least) * up * down, dtype=np.float32)


def surface(world: World, year: int, day: float, seed: int) -> tuple[F32, F32]:
    """Reflectance (band=6, y, x) and temperature in kelvin (y, x) without atmosphere on a day of a year. Pure."""
    parcels = int(world.field.max()) + 1
    fixed = generator(seed, "parcels")
    calendar = generator(seed, "calendar", year)
    shift = HARD * (6 * fixed.standard_normal(parcels))[world.field]
    crop = calendar.choice(4, parcels, p=[0.3, 0.3, 0.4 - LEY, LEY])[world.field]
    land = np.where((world.land[year] == PLACE[211]) & (crop == 3), PLACE[231], world.land[year])
    arable = land == PLACE[211]
    start = _NUMBERS[land, 2] + shift + 9 * world.north + 0.022 * (world.elevation_m - 400)
    end = _NUMBERS[land, 3] + 0.7 * shift - 5 * world.north
    start = np.where(arable, start + np.array([-15.0, 42.0, 62.0, 0.0])[crop], start)
    end = np.where(arable, end + np.array([-12.0, 62.0, 48.0, 0.0])[crop], end)
    vigour = 1 + HARD * (
        0.13 * fixed.standard_normal(parcels)[world.field]
        + 0.07 * calendar.standard_normal(parcels)[world.field]
        + 0.05 * world.moisture
    )
    least = np.clip(_NUMBERS[land, 0] * (1 + HARD * 0.25 * fixed.standard_normal(parcels)[world.field]), 0, 0.97)
    most = np.clip(_NUMBERS[land, 1] * vigour, 0, 0.98)
    share = np.clip(green_share(day, start, end, least, most), 0, 1)
    bright = np.exp(
        HARD * (0.17 * fixed.standard_normal(parcels)[world.field] - 0.06 * world.moisture) + 0.06 * world.texture
    )
    shade = 1 - 0.05 * HARD * np.abs(fixed.standard_normal(parcels)[world.field])
    reflectance = np.empty((6, *land.shape), dtype=np.float32)
    for band in range(6):
        reflectance[band] = (1 - share) * _BARE[land, band] * bright + share * _GREEN[land, band] * shade
    season = np.cos(2 * np.pi * (day - 200) / 365.25)
    kelvin = (
        284
        + 13.5 * season
        - 0.0065 * (world.elevation_m - 400)
        - 2.0 * world.north
        + _NUMBERS[land, 4] * (0.5 + 0.5 * season)
        + 0.6 * world.texture
    )
    return reflectance, kelvin.astype(np.float32)
