"""What lies between the surface and the sensor: clouds, shadows, haze, snow, missing swaths, failed scan lines, wrong flags."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation

from odse.layer.period import interval_of_id, interval_period
from odse.sources.simulate.world import World, generator, noise

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Sky:
    """One interval's sky."""

    flag: npt.NDArray[np.uint8]
    """GLAD quality code (y, x) as it is written."""
    cloud: npt.NDArray[np.bool_]
    """Where there really is cloud."""
    opacity: F32
    """0 clear, 1 opaque cloud."""
    dark: F32
    """Factor of a shadow."""
    snow: npt.NDArray[np.bool_]


def day_of(interval: int) -> float:
    """Middle day of the year of an interval."""
    return float(interval_period(interval).middle.timetuple().tm_yday)


def is_missing(interval: int, seed: int) -> bool:
    """Whether no image was taken in an interval: the file is absent."""
    return bool(generator(seed, "missing", interval).uniform() < 0.06)


def sky(world: World, interval: int, seed: int, water: npt.NDArray[np.bool_]) -> Sky:
    """The sky of an interval over the world's cells. Pure."""
    rng = generator(seed, "sky", interval)
    shape = world.elevation_m.shape
    day = day_of(interval)
    winter = 0.5 + 0.5 * np.cos(2 * np.pi * (day - 5) / 365.25)
    wanted = np.clip(rng.normal(0.2 + 0.22 * winter, 0.17), 0.02, 0.95)
    field = 0.75 * noise(shape, 60, rng) + 0.5 * noise(shape, 14, rng) + 0.25 * noise(shape, 4, rng)
    field += (0.4 + 1.4 * winter) * _habit(shape, interval, seed)
    depth = field - np.quantile(field, 1 - wanted)
    cloud = depth > 0
    opacity = np.clip(0.35 + depth / 0.7, 0, 1).astype(np.float32) * cloud
    shift = (int(4 + 6 * winter), int(3 + 3 * rng.uniform()))
    shadow = np.roll(cloud, shift, axis=(0, 1)) & ~cloud
    near = binary_dilation(cloud, iterations=2) & ~cloud & ~shadow
    haze = (depth > -0.16) & ~cloud & ~shadow & ~near & (rng.uniform() < 0.5)
    snow_line = 900 - 1150 * winter + 260 * rng.standard_normal()
    snow = (world.elevation_m > snow_line + 60 * noise(shape, 12, rng)) & (winter > 0.45)
    flag = np.where(water, 2, 1).astype(np.uint8)
    flag[snow & ~water] = 6
    flag[near] = 8
    flag[haze] = 7
    flag[shadow] = 4
    flag[cloud] = 3
    dark = np.where(shadow, 0.45, 1.0).astype(np.float32)
    opacity = np.where(haze, 0.14, np.where(near, 0.06, opacity)).astype(np.float32)
    missed = cloud & (noise(shape, 5, rng) > 1.6)
    flag[missed] = np.where(water, 2, 1)[missed]
    low_sun = (world.slope_percent > 38) & (winter > 0.7) & (flag == 1)
    flag[low_sun] = 5
    flag[_not_seen(shape, interval, rng)] = 0
    return Sky(flag, cloud, opacity, dark, snow)


def _habit(shape: tuple[int, int], interval: int, seed: int) -> F32:
    """Where clouds like to stay in a quarter of a year, as fog does in some valleys: so gaps last a whole season."""
    year, place = interval_of_id(interval)
    quarter = 4 * year + int(np.searchsorted((6, 12, 17, 22), place, side="right"))
    return noise(shape, 24, generator(seed, "habit", quarter))


def _not_seen(shape: tuple[int, int], interval: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Cells outside the swath, and the gaps of Landsat 7 after its scan-line corrector failed."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    out = np.zeros(shape, dtype=bool)
    if rng.uniform() < 0.16:
        edge = rng.uniform(0.2, 0.8) * shape[1]
        beyond = x + 0.2 * y > edge + 0.1 * shape[0]
        out |= beyond if rng.uniform() < 0.5 else ~beyond
    if rng.uniform() < 0.3:
        year, _ = interval_of_id(interval)
        out |= ((y + 0.13 * x + 7 * (year % 5)) % 34) < 7
    return out
