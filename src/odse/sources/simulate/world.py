"""The simulated world: terrain, land cover of every year, and what makes one field differ from the next.

Everything lives on cells of the ODSE grid (EPSG:3035, 30 m); an archive pixel takes the cell that holds its centre, so two
GLAD tiles agree where they overlap and no seam exists.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, gaussian_filter
from scipy.spatial import cKDTree

F32 = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint8]

CLASSES = (111, 112, 121, 131, 142, 211, 221, 222, 231, 243, 311, 312, 313, 321, 322, 324, 332, 334, 411, 511, 512)
"""CLC codes that occur."""
PLACE = {code: i for i, code in enumerate(CLASSES)}


def generator(seed: int, *words: object) -> np.random.Generator:
    """A random generator that depends on the seed and on words alone, not on what was drawn before."""
    return np.random.default_rng([seed, zlib.crc32(" ".join(map(str, words)).encode())])


def noise(shape: tuple[int, int], scale_px: float, rng: np.random.Generator) -> F32:
    """A smooth field (y, x) of mean 0 and SD 1; ``scale_px`` is its correlation length."""
    coarse = max(1, int(scale_px / 4))
    small = (shape[0] // coarse + 12, shape[1] // coarse + 12)
    field = gaussian_filter(rng.standard_normal(small, dtype=np.float32), scale_px / coarse)
    field = (field - field.mean()) / field.std()
    if coarse > 1:
        y = (np.arange(shape[0], dtype=np.float32) / coarse) + 4
        x = (np.arange(shape[1], dtype=np.float32) / coarse) + 4
        y0, x0 = y.astype(int), x.astype(int)
        fy, fx = (y - y0)[:, None], (x - x0)[None, :]
        rows0, rows1 = field[y0], field[y0 + 1]
        field = (1 - fy) * ((1 - fx) * rows0[:, x0] + fx * rows0[:, x0 + 1]) + fy * (
            (1 - fx) * rows1[:, x0] + fx * rows1[:, x0 + 1]
        )
    return np.ascontiguousarray(field[: shape[0], : shape[1]], dtype=np.float32)


def patches(shape: tuple[int, int], spacing_px: float, rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Voronoi cells (y, x): the number of the nearest of many scattered points, stretched as fields are."""
    count = max(4, int(shape[0] * shape[1] / spacing_px**2))
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [1.8 * np.sin(angle), 1.8 * np.cos(angle)]])
    points = rng.uniform(0, 1, (count, 2)) * np.array(shape)
    y, x = np.mgrid[: shape[0], : shape[1]]
    places = np.stack([y.ravel(), x.ravel()], axis=1).astype(np.float32)
    _, nearest = cKDTree(points @ turn.T).query(places @ turn.T)
    return np.asarray(nearest, dtype=np.int32).reshape(shape)


@dataclass(frozen=True)
class World:
    """What does not move within a year."""

    elevation_m: F32
    slope_percent: F32
    land: dict[int, Codes]
    """Year -> place in CLASSES (y, x)."""
    field: npt.NDArray[np.int32]
    """Number of the parcel or stand."""
    moisture: F32
    north: F32
    """0 at the south edge, 1 at the north edge: the climate gradient."""
    texture: F32
    """Fixed pixel-to-pixel differences."""


def make_world(shape: tuple[int, int], years: Sequence[int], seed: int) -> World:
    """A world of some cells (y, x) and years. Pure."""
    rng = generator(seed, "world")
    broad, hills, rough = noise(shape, 90, rng), noise(shape, 30, rng), noise(shape, 8, rng)
    river_field = noise(shape, 70, rng)
    valley = np.exp(-((river_field / 0.35) ** 2))
    elevation = 420 + 190 * broad + 90 * hills + 12 * rough
    elevation = elevation * (1 - 0.45 * valley) + 300 * 0.45 * valley
    gy, gx = np.gradient(elevation, 30.0)
    steep = 100 * np.hypot(gx, gy)
    moisture = noise(shape, 25, rng) - 0.4 * (elevation - 400) / 200 + 0.8 * valley
    wood, mix, use = noise(shape, 28, rng), noise(shape, 22, rng), noise(shape, 18, rng)
    field = patches(shape, 11, rng)
    stand = patches(shape, 16, rng)
    per_field = rng.uniform(0, 1, field.max() + 1)[field]
    per_stand = rng.uniform(0, 1, stand.max() + 1)[stand]

    land = np.full(shape, PLACE[211], dtype=np.uint8)
    pasture = per_field < 0.32 + 0.12 * np.tanh((elevation - 420) / 120) + 0.1 * np.tanh(moisture)
    land[pasture] = PLACE[231]
    land[(per_field > 0.93) & (use > 0)] = PLACE[222]
    land[(per_field > 0.86) & (gy > 0.06) & (elevation < 480)] = PLACE[221]
    land[(per_field > 0.45) & (per_field < 0.56) & (mix > 0.3)] = PLACE[243]
    forest = wood + 0.004 * (elevation - 430) + 0.012 * (steep - 8) > 0.35
    kind = per_stand + 0.22 * np.tanh((elevation - 450) / 120) + 0.12 * mix
    land[forest] = np.where(kind < 0.38, PLACE[311], np.where(kind < 0.62, PLACE[313], PLACE[312]))[forest]
    high = elevation + 30 * mix
    land[(high > 690) & (per_stand > 0.35)] = PLACE[321]
    land[(high > 640) & (high < 720) & (mix > 0.5)] = PLACE[322]
    land[(high > 800) | ((steep > 45) & (high > 560))] = PLACE[332]
    land[(per_stand > 0.965) & forest] = PLACE[324]
    land[(valley > 0.75) & (moisture > 1.1) & (per_field < 0.45)] = PLACE[411]
    towns = _towns(shape, elevation, rng)
    land[(towns > 0.34) & (per_field > 0.08)] = PLACE[112]
    land[(towns > 0.34) & (per_field > 0.93)] = PLACE[142]
    land[(towns > 0.26) & (towns < 0.55) & (use > 0.75)] = PLACE[121]
    land[towns > 0.78] = PLACE[111]
    quarry = patches(shape, 9, rng)
    land[(rng.uniform(0, 1, quarry.max() + 1)[quarry] > 0.996) & (towns < 0.2) & (steep > 4)] = PLACE[131]
    river = np.abs(river_field) < 0.028
    land[binary_dilation(river)] = PLACE[511]
    lakes = (noise(shape, 12, rng) > 2.15) & (elevation < 430)
    land[lakes] = PLACE[512]
    return World(
        elevation.astype(np.float32),
        steep.astype(np.float32),
        _changes(land, years, stand, towns, seed),
        np.where(forest, stand + field.max() + 1, field).astype(np.int32),
        moisture.astype(np.float32),
        np.linspace(1, 0, shape[0], dtype=np.float32)[:, None] * np.ones((1, shape[1]), np.float32),
        rng.standard_normal(shape, dtype=np.float32),
    )


def _towns(shape: tuple[int, int], elevation: F32, rng: np.random.Generator) -> F32:
    """How urban a place is: 1 in the middle of a town."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    ragged = 0.35 * noise(shape, 7, rng)
    result = np.zeros(shape, dtype=np.float32)
    for _ in range(max(3, int(shape[0] * shape[1] / 17000))):
        cy, cx, radius = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(6, 24)
        result = np.maximum(result, np.exp(-((((y - cy) ** 2 + (x - cx) ** 2) / (2 * radius**2)) ** 0.8)))
    return np.clip(result + ragged * (result > 0.05), 0, 1) * (elevation < 620)


def _changes(
    land: Codes, years: Sequence[int], stand: npt.NDArray[np.int32], towns: F32, seed: int
) -> dict[int, Codes]:
    """Clear-cuts that stay, towns that grow, one fire, and parcels that go from arable to pasture and back."""
    rng = generator(seed, "changes")
    shape = land.shape
    woods = np.isin(land, [PLACE[c] for c in (311, 312, 313)])
    cut_year = rng.integers(0, 12, stand.max() + 1)[stand]
    chosen = rng.uniform(0, 1, stand.max() + 1)[stand] < 0.22
    grow = 0.34 - 0.05 * np.arange(12)
    fy, fx = rng.uniform(0.25, 0.75, 2) * shape
    y, x = np.mgrid[: shape[0], : shape[1]]
    size = 0.07 * min(shape)
    fire = ((y - fy) ** 2 + ((x - fx) / 1.7) ** 2 < (size * (1 + 0.3 * noise(shape, 9, rng))) ** 2) & (
        woods | np.isin(land, [PLACE[321], PLACE[322]])
    )
    turn = patches(shape, 11, rng)
    rotates = rng.uniform(0, 1, turn.max() + 1)[turn] < 0.1
    result, present = {}, land
    for i, year in enumerate(range(min(years), max(years) + 1)):
        present = present.copy()
        if i:
            present[woods & chosen & (cut_year == i)] = PLACE[324]
            crops = np.isin(present, [PLACE[211], PLACE[231]])
            present[crops & (towns > grow[min(i, 11)])] = PLACE[112]
            swap = crops & rotates & (turn % 3 == i % 3)
            present[swap & (land == PLACE[211])] = PLACE[231] if i % 2 else PLACE[211]
            if i == 2:
                present[fire] = PLACE[334]
            if i > 3:
                present[fire] = PLACE[324]
        if year in years:
            result[year] = present
    return result
