"""Write the simulated world as an archive would hold it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import rasterio
import shapely
from rasterio.features import geometry_mask
from rasterio.transform import from_origin
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform as moved
from tqdm import tqdm

from odse.errors import SourceError
from odse.grid import ODSE_30M, GladTile, Window, change_of, glad_tiles_over
from odse.layer.legend import clc_legend
from odse.layer.name import LayerName
from odse.layer.period import Period, seasons
from odse.raster.work import environment
from odse.sources.simulate.spectra import surface
from odse.sources.simulate.weather import day_of, is_missing, sky
from odse.sources.simulate.world import CLASSES, PLACE, World, generator, make_world
from odse.store.files import put_bytes

CENTRE_XY = (4617120.0, 2818090.0)
"""A corner of four 512-pixel work tiles that lies 2.4 m from the meridian of 14 degrees east, where two GLAD tiles meet."""
SIMULATION = 2
"""Raised by hand when the same seed gives another world: a demo made before is then simulated anew."""
MARGIN = 24
"""Cells of world around the area's box."""
PIXEL_DEG = 0.00025
TILE_PX, OVERLAP_PX = 4004, 2


@dataclass(frozen=True)
class Simulation:
    """What was written."""

    archive: Path
    terrain: Path
    samples: Path
    truth: Path
    area: Path
    files: int
    """Images in the archive."""


def simulate(
    out: Path,
    *,
    years: Iterable[int] = (2017, 2018, 2019, 2020),
    size_px: int = 460,
    seed: int = 1,
    centre_xy: tuple[float, float] = CENTRE_XY,
    samples: int = 1700,
    broken: bool = True,
    workers: int = 1,
    progress: bool = False,
) -> Simulation:
    """Write archive/, terrain/, truth/, samples.csv and area.geojson below ``out``.

    ``size_px`` is the width of the area in pixels of 30 m (3700 covers a whole GLAD tile of 4004 x 4004 pixels), ``samples``
    the number of dated points, ``broken`` cuts one file short as a failed download would. The same arguments give the same
    bytes, whatever ``workers``. Raises SourceError for a size without pixels or no year.
    """
    out, wanted = Path(out), tuple(sorted(set(years)))
    if size_px < 32 or not wanted:
        raise SourceError.sentence(
            "simulate", "an area", "its size", f"{size_px} pixels, {len(wanted)} years", "take 32 or more"
        )
    window = window_of(size_px, centre_xy)
    area = area_of(window, seed)
    world = _world(window, wanted, seed)
    put_bytes(out / "area.geojson", _geojson(area))
    _terrain(out / "terrain", world, window)
    _truth(out / "truth", world, window)
    put_bytes(out / "samples.csv", _samples(world, window, area, wanted, samples, seed).encode())
    intervals = [i for i in sorted({i for s in seasons(wanted) for i in s.intervals}) if not is_missing(i, seed)]
    jobs = zip(intervals, repeat(out / "archive"), repeat(window), repeat(wanted), repeat(seed), strict=False)
    files = 0
    with tqdm(total=len(intervals), unit="image", desc="simulate", disable=not progress) as bar:
        for written in _each(list(jobs), workers):
            files += written
            bar.update()
    if broken:
        path = sorted((out / "archive").rglob("*.tif"))[files // 3]
        put_bytes(path, path.read_bytes()[: path.stat().st_size * 2 // 3])
    return Simulation(out / "archive", out / "terrain", out / "samples.csv", out / "truth", out / "area.geojson", files)


def _each(jobs: list[tuple[Any, ...]], workers: int) -> Iterator[int]:
    if workers == 1:
        yield from (write_interval(*job) for job in jobs)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from pool.map(write_interval, *zip(*jobs, strict=True), chunksize=2)


def window_of(size_px: int, centre_xy: tuple[float, float]) -> Window:
    """The world's window on the ODSE grid: the area's box and a margin."""
    col = round((centre_xy[0] - ODSE_30M.origin_xy[0]) / 30)
    row = round((ODSE_30M.origin_xy[1] - centre_xy[1]) / 30)
    half = size_px // 2 + MARGIN
    return col - half, row - half, col + half, row + half


def area_of(window: Window, seed: int) -> BaseGeometry:
    """The pilot area in EPSG:3035: an uneven round polygon within the window's margin."""
    left, bottom, right, top = ODSE_30M.bounds_of(window)
    reach = (right - left) / 2 - MARGIN * 30
    rng = generator(seed, "area")
    angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    radius = 0.9 + sum(rng.normal(0, 0.045 / k) * np.cos(k * angle + rng.uniform(0, 6.28)) for k in range(2, 7))
    radius = np.clip(radius, 0.6, 1.0) * reach
    x, y = (left + right) / 2 + radius * np.cos(angle), (bottom + top) / 2 + radius * np.sin(angle)
    return shapely.Polygon(np.stack([np.round(x, 1), np.round(y, 1)], axis=1))


@lru_cache(maxsize=1)
def _world(window: Window, years: tuple[int, ...], seed: int) -> World:
    shape = (window[3] - window[1], window[2] - window[0])
    return make_world(shape, tuple(range(min(years) - 1, max(years) + 1)), seed)


def write_interval(interval: int, archive: Path, window: Window, years: tuple[int, ...], seed: int) -> int:
    """Write the images of one interval, one a GLAD tile; the number of files. A pure function of its arguments' values."""
    world = _world(window, years, seed)
    year = 1980 + (interval - 1) // 23
    land = world.land[year]
    water = np.isin(land, [PLACE[511], PLACE[512]])
    above = sky(world, interval, seed, water)
    reflectance, kelvin = surface(world, year, day_of(interval), seed)
    rng = generator(seed, "sensor", interval)
    image = np.empty((8, *land.shape), dtype=np.uint16)
    white = np.array([0.55, 0.56, 0.58, 0.60, 0.48, 0.38], dtype=np.float32)
    icy = np.array([0.62, 0.62, 0.60, 0.54, 0.13, 0.10], dtype=np.float32)
    gain = 1 + 0.012 * rng.standard_normal(6)
    for band in range(6):
        clear = np.where(above.snow & ~water, 0.75 * icy[band] + 0.25 * reflectance[band], reflectance[band])
        seen = clear * above.dark * (1 - above.opacity) + white[band] * above.opacity
        seen = seen * gain[band] + 0.005 * rng.standard_normal(land.shape, dtype=np.float32)
        image[band] = np.clip(np.floor(seen * 40000 + 0.5), 1, 40000)
    cold = kelvin - 32 * above.opacity - 6 * above.snow + 0.5 * rng.standard_normal(land.shape, dtype=np.float32)
    image[6] = np.clip(np.floor(cold * 100 + 0.5), 1, 65000)
    image[7] = above.flag
    image[:, above.flag == 0] = 0
    if interval % 31 == 0:
        image[7] *= 100
    files = 0
    for tile in _tiles(window):
        files += _write_tile(image, archive / tile.folder / f"{interval}.tif", tile, window)
    return files


def _tiles(window: Window) -> list[GladTile]:
    back = change_of("EPSG:3035", "EPSG:4326")
    return glad_tiles_over(back.transform_bounds(*_inner(window), densify_pts=41))


def _inner(window: Window) -> tuple[float, float, float, float]:
    """Bounds of the part that images cover: the world without a few cells at its edge."""
    edge = MARGIN // 3
    return ODSE_30M.bounds_of((window[0] + edge, window[1] + edge, window[2] - edge, window[3] - edge))


@lru_cache(maxsize=8)
def _look_up(
    tile: GladTile, window: Window
) -> tuple[float, float, npt.NDArray[np.int64], npt.NDArray[np.int64]] | None:
    """West and north edge of a tile's image, and the world's row and column of each of its pixels."""
    back = change_of("EPSG:3035", "EPSG:4326")
    left, bottom, right, top = back.transform_bounds(*_inner(window), densify_pts=41)
    west, north = tile.lon - OVERLAP_PX * PIXEL_DEG, tile.lat + 1 + OVERLAP_PX * PIXEL_DEG
    col0, col1 = max(0, int((left - west) / PIXEL_DEG)), min(TILE_PX, int(np.ceil((right - west) / PIXEL_DEG)))
    row0, row1 = max(0, int((north - top) / PIXEL_DEG)), min(TILE_PX, int(np.ceil((north - bottom) / PIXEL_DEG)))
    if col1 <= col0 or row1 <= row0:
        return None
    lon = west + (np.arange(col0, col1) + 0.5) * PIXEL_DEG
    lat = north - (np.arange(row0, row1) + 0.5) * PIXEL_DEG
    there = change_of("EPSG:4326", "EPSG:3035")
    x, y = there.transform(*np.meshgrid(lon, lat))
    x0, _, _, y1 = ODSE_30M.bounds_of(window)
    col, row = np.floor((x - x0) / 30).astype(np.int64), np.floor((y1 - y) / 30).astype(np.int64)
    outside = (col < 0) | (row < 0) | (col >= window[2] - window[0]) | (row >= window[3] - window[1])
    col[outside], row[outside] = -1, -1
    return west + col0 * PIXEL_DEG, north - row0 * PIXEL_DEG, row, col


def _write_tile(image: npt.NDArray[np.uint16], path: Path, tile: GladTile, window: Window) -> int:
    found = _look_up(tile, window)
    if found is None:
        return 0
    west, north, row, col = found
    pixels = image[:, row, col]
    pixels[:, row < 0] = 0
    if not pixels[7].any():
        return 0
    profile = {
        "driver": "GTiff",
        "dtype": "uint16",
        "count": 8,
        "height": row.shape[0],
        "width": row.shape[1],
        "crs": "EPSG:4326",
        "transform": from_origin(west, north, PIXEL_DEG, PIXEL_DEG),
        "compress": "lzw",
        "interleave": "pixel",
        "nodata": 0,
    }
    _write(path, pixels, profile)
    return 1


def _write(path: Path, array: npt.NDArray[Any], profile: dict[str, Any]) -> None:
    with environment(), rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(array)
        put_bytes(path, memory.getbuffer())


def _on_grid(window: Window, dtype: str, nodata: int) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "dtype": dtype,
        "count": 1,
        "height": window[3] - window[1],
        "width": window[2] - window[0],
        "crs": "EPSG:3035",
        "transform": ODSE_30M.transform_of(window),
        "compress": "deflate",
        "nodata": nodata,
        "tiled": True,
        "blockxsize": 256,
        "blockysize": 256,
    }


def _terrain(folder: Path, world: World, window: Window) -> None:
    period = Period.of_year(2000)
    for variable, values in (("elev.simulated", world.elevation_m * 10), ("slope.percent", world.slope_percent * 10)):
        name = LayerName.v1(
            "dtm", variable, method="simulation", type="m", resolution_m=30, period=period, area="pilot", version="v0.1"
        )
        stored = np.clip(np.floor(values + 0.5), 0, 32000).astype(np.int16)
        _write(folder / f"{name}.tif", stored[None], _on_grid(window, "int16", -9999))


def _truth(folder: Path, world: World, window: Window) -> None:
    value = np.array([clc_legend().by_code[str(code)].value for code in CLASSES], dtype=np.uint8)
    for year, land in world.land.items():
        name = LayerName.v1(
            "lcv",
            "landcover.hcl",
            method="truth",
            type="c",
            resolution_m=30,
            period=Period.of_year(year),
            area="pilot",
            version="v0.1",
        )
        _write(folder / f"{name}.tif", value[land][None], _on_grid(window, "uint8", 255))


def _geojson(area: BaseGeometry) -> bytes:
    back = change_of("EPSG:3035", "EPSG:4326")
    shape = json.loads(shapely.to_geojson(shapely.set_precision(moved(back.transform, area), 1e-7)))
    feature = {"type": "Feature", "properties": {"name": "pilot area"}, "geometry": shape}
    return json.dumps({"type": "FeatureCollection", "features": [feature]}, indent=1).encode()


def _samples(world: World, window: Window, area: BaseGeometry, years: Sequence[int], count: int, seed: int) -> str:
    """Dated points: common classes more often than rare ones, a few with the wrong class and less confidence."""
    rng = generator(seed, "samples")
    inside = ~geometry_mask([area], out_shape=world.elevation_m.shape, transform=ODSE_30M.transform_of(window))
    rows = []
    codes = np.array(CLASSES)
    for year in years:
        land = np.where(inside, world.land[year], 255)
        shares = np.array([(land == i).sum() for i in range(len(CLASSES))], dtype=float) ** 0.75
        wanted = np.floor(count / len(years) * shares / shares.sum() + rng.uniform(0, 1, len(CLASSES))).astype(int)
        for place, n in enumerate(wanted):
            cells = np.flatnonzero(land == place)
            for cell in np.sort(rng.choice(cells, min(n, len(cells)), replace=False)) if len(cells) else ():
                row, col = divmod(int(cell), land.shape[1])
                wrong = rng.uniform() < 0.03
                code = int(rng.choice(codes)) if wrong else int(codes[place])
                confidence = round(float(np.clip(rng.normal(0.55 if wrong else 0.9, 0.08), 0.2, 1.0)), 2)
                rows.append((year, row, col, code, confidence))
    table = pd.DataFrame(rows, columns=["year", "row", "col", "code", "confidence"])
    x0, _, _, y1 = ODSE_30M.bounds_of(window)
    back = change_of("EPSG:3035", "EPSG:4326")
    lon, lat = back.transform(x0 + (table["col"] + 0.5) * 30, y1 - (table["row"] + 0.5) * 30)
    table.insert(0, "lon", np.round(lon, 7))
    table.insert(1, "lat", np.round(lat, 7))
    return str(table.drop(columns=["row", "col"]).to_csv(index=False, lineterminator="\n"))
