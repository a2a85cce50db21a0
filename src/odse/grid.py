"""The Grid: the one ruler of a run. Two layers are stacked only if the digests of their grids agree.

Rows count south from the upper-left pixel edge, columns count east; windows are (col0, row0, col1, row1), half open.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from odse.errors import GridError

Window = tuple[int, int, int, int]
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grid:
    """CRS, pixel size and origin."""

    name: str
    crs: str
    resolution_m: float
    """Pixel size in the CRS's unit."""
    origin_xy: tuple[float, float]
    """Upper-left edge of pixel (0, 0)."""
    factor: int = 1
    """Pixels of the recipe's grid along a side of one of this: more than 1 in a preview."""

    @cached_property
    def digest(self) -> str:
        """sha256 of CRS, pixel size and origin (and factor, where there is one); the name does not enter."""
        what: list[Any] = [self.crs, float(self.resolution_m), [float(v) for v in self.origin_xy]]
        return hashlib.sha256(json.dumps(what + [self.factor] * (self.factor > 1)).encode()).hexdigest()

    def coarser(self, factor: int) -> Grid:
        """The grid whose pixels are ``factor`` x ``factor`` of this one's, from the same origin.

        With an odd factor the centre of each is the centre of one of this grid's pixels: a nearest neighbour is exact.

        >>> coarse = grid_("odse-30m").coarser(3)
        >>> coarse.resolution_m, coarse.origin_xy, coarse.fine == grid_("odse-30m")
        (90.0, (900000.0, 5460010.0), True)
        """
        if factor == 1:
            return self
        return replace(self, resolution_m=self.resolution_m * factor, factor=self.factor * factor)

    @property
    def fine(self) -> Grid:
        """The grid of the recipe: itself, but in a preview."""
        return replace(self, resolution_m=self.resolution_m / self.factor, factor=1) if self.factor > 1 else self

    @cached_property
    def epsg(self) -> int:
        """Code of the CRS. Raises GridError where it has none."""
        code = CRS.from_user_input(self.crs).to_epsg()
        if code is None:
            raise GridError.sentence(
                "name", f"grid {self.name}", "its CRS", "without an EPSG code", "choose one with a code"
            )
        return int(code)

    def snap(self, bounds: Bounds) -> Window:
        """The smallest pixel window that covers bounds (left, bottom, right, top).

        >>> grid_("odse-30m").snap((900010, 5459980, 900040, 5460010))
        (0, 0, 2, 1)
        """
        x0, y0 = self.origin_xy
        left, bottom, right, top = bounds
        size, tiny = self.resolution_m, 1e-6
        return (
            math.floor((left - x0) / size + tiny),
            math.floor((y0 - top) / size + tiny),
            math.ceil((right - x0) / size - tiny),
            math.ceil((y0 - bottom) / size - tiny),
        )

    def bounds_of(self, window: Window) -> Bounds:
        """Bounds (left, bottom, right, top) of a window."""
        x0, y0 = self.origin_xy
        size = self.resolution_m
        return x0 + window[0] * size, y0 - window[3] * size, x0 + window[2] * size, y0 - window[1] * size

    def transform_of(self, window: Window) -> Affine:
        left, _, _, top = self.bounds_of(window)
        return Affine(self.resolution_m, 0.0, left, 0.0, -self.resolution_m, top)

    def geobox(self, window: Window) -> GeoBox:
        """odc-geo's GeoBox of a window."""
        shape = (window[3] - window[1], window[2] - window[0])
        return GeoBox(shape, self.transform_of(window), self.crs)


ODSE_30M = Grid("odse-30m", "EPSG:3035", 30.0, (900000.0, 5460010.0))


def grid_(value: str | Grid | Mapping[str, Any]) -> Grid:
    """A Grid from its name, itself, or a mapping with crs, resolution_m and origin_xy. Raises GridError.

    >>> grid_("odse-30m").origin_xy
    (900000.0, 5460010.0)
    """
    if isinstance(value, Grid):
        return value
    if isinstance(value, str):
        if value != "odse-30m":
            raise GridError.sentence(
                "use", f"grid {value!r}", "its name", "unknown", "write odse-30m or crs, resolution_m, origin_xy"
            )
        return ODSE_30M
    try:
        crs = CRS.from_user_input(value["crs"])
    except CRSError as error:
        raise GridError.sentence(
            "use", "the grid", "its CRS", f"{value['crs']!r} ({error})", "give an EPSG code"
        ) from error
    code = crs.to_epsg()
    x, y = value["origin_xy"]
    return Grid("own", f"EPSG:{code}" if code else crs.to_wkt(), float(value["resolution_m"]), (float(x), float(y)))


@dataclass(frozen=True, order=True)
class Tile:
    """One named square of a Grid, counted from the grid's origin: the unit of work, of retry and of memory."""

    row: int
    col: int
    size_px: int
    grid: Grid = field(compare=False)

    @property
    def name(self) -> str:
        """x0012y0034; a tile west or north of the origin has an m: xm001y0034."""
        return f"x{_signed(self.col)}y{_signed(self.row)}"

    @property
    def window(self) -> Window:
        return (
            self.col * self.size_px,
            self.row * self.size_px,
            (self.col + 1) * self.size_px,
            (self.row + 1) * self.size_px,
        )

    @property
    def bounds(self) -> Bounds:
        return self.grid.bounds_of(self.window)

    @property
    def transform(self) -> Affine:
        return self.grid.transform_of(self.window)

    @property
    def shape(self) -> tuple[int, int]:
        """(y, x)"""
        return self.size_px, self.size_px

    @property
    def geobox(self) -> GeoBox:
        return self.grid.geobox(self.window)


def _signed(number: int) -> str:
    return f"{number:04d}" if number >= 0 else f"m{-number:03d}"


def tiles_over(grid: Grid, area: BaseGeometry, *, size_px: int = 1024) -> list[Tile]:
    """The tiles whose inside meets an area (in the grid's CRS), row by row from the north-west.

    >>> [t.name for t in tiles_over(grid_("odse-30m"), shapely.box(900000, 5459000, 900900, 5460000), size_px=512)]
    ['x0000y0000']
    """
    if area.is_empty:
        raise GridError.sentence("tile", "the area", "its surface", 0, "give a polygon")
    col0, row0, col1, row1 = grid.snap(area.bounds)
    tiles = []
    for row in range(row0 // size_px, -(-row1 // size_px)):
        for col in range(col0 // size_px, -(-col1 // size_px)):
            tile = Tile(row, col, size_px, grid)
            if area.intersection(shapely.box(*tile.bounds)).area > 0:
                tiles.append(tile)
    return tiles


def parse_tile(name: str, grid: Grid, *, size_px: int) -> Tile:
    """The tile of a name. Raises GridError.

    >>> parse_tile("x0012ym001", grid_("odse-30m"), size_px=512).row
    -1
    """
    match = re.fullmatch(r"x(m?)(\d+)y(m?)(\d+)", name)
    if not match:
        raise GridError.sentence("find", f"tile {name!r}", "its form", "unknown", "write it like x0012y0034")
    col, row = int(match[2]), int(match[4])
    return Tile(-row if match[3] else row, -col if match[1] else col, size_px, grid)


def block_ids(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    *,
    size_m: float,
    origin_xy: tuple[float, float] = (0.0, 0.0),
) -> npt.NDArray[np.int64]:
    """One id per validation block (a square of ``size_m``); a place is in exactly one block.

    >>> block_ids(np.array([0.0, 29.9, 30.0]), np.array([5.0, 5.0, 5.0]), size_m=30).tolist()[0:2] == [0, 0]
    True
    """
    col = np.floor((np.asarray(x, dtype=float) - origin_xy[0]) / size_m).astype(np.int64)
    row = np.floor((np.asarray(y, dtype=float) - origin_xy[1]) / size_m).astype(np.int64)
    return row * np.int64(1_000_003) + col


@dataclass(frozen=True, order=True)
class GladTile:
    """A 1-degree tile of GLAD ARD, by the integer part of its centre's coordinates."""

    lon: int
    """West edge of the tile for eastern longitudes; see ``name`` for the western ones."""
    lat: int

    @property
    def name(self) -> str:
        """014E_50N; tile -106..-105 is 105W."""
        east = f"{self.lon:03d}E" if self.lon >= 0 else f"{-self.lon - 1:03d}W"
        north = f"{self.lat:02d}N" if self.lat >= 0 else f"{-self.lat - 1:02d}S"
        return f"{east}_{north}"

    @property
    def folder(self) -> str:
        return f"{self.name.split('_')[1]}/{self.name}"

    @property
    def bounds(self) -> Bounds:
        return float(self.lon), float(self.lat), self.lon + 1.0, self.lat + 1.0


def parse_glad_tile(name: str) -> GladTile:
    """The tile of a name.

    >>> parse_glad_tile("105W_40N").bounds
    (-106.0, 40.0, -105.0, 41.0)
    """
    match = re.fullmatch(r"(\d{3})([EW])_(\d{2})([NS])", name)
    if not match:
        raise GridError.sentence("find", f"GLAD tile {name!r}", "its form", "unknown", "write it like 014E_50N")
    lon, lat = int(match[1]), int(match[3])
    return GladTile(lon if match[2] == "E" else -lon - 1, lat if match[4] == "N" else -lat - 1)


def glad_tiles_over(bounds_lonlat: Bounds) -> list[GladTile]:
    """The 1-degree tiles that a box in longitude and latitude touches."""
    left, bottom, right, top = bounds_lonlat
    return [
        GladTile(lon, lat)
        for lat in range(math.floor(bottom), math.ceil(top))
        for lon in range(math.floor(left), math.ceil(right))
    ]


FORCE_EUROPE_XY = (2456026.363042, 4574919.607965)
"""Upper-left corner of tile X0000_Y0000 of FORCE's default cube (EPSG:3035): longitude -25, latitude 60."""


def force_tile(x: float, y: float, *, origin_xy: tuple[float, float] = FORCE_EUROPE_XY, tile_m: float = 30_000) -> str:
    """The tile of a FORCE cube that holds a place: numbers grow east and south. Source: FORCE 3.10, datacube how-to.

    >>> force_tile(4321000, 3210000)
    'X0062_Y0045'
    """
    column, row = math.floor((x - origin_xy[0]) / tile_m), math.floor((origin_xy[1] - y) / tile_m)
    return f"X{column:04d}_Y{row:04d}"


@lru_cache(maxsize=64)
def change_of(crs_from: str, crs_to: str) -> Transformer:
    """The change of coordinates between two CRSs, x before y; made once a process, for it takes a twentieth of a second.

    Raises CRSError of pyproj for what is no CRS.

    >>> x, y = change_of("EPSG:4326", "EPSG:3035").transform(10.0, 52.0)
    >>> round(x), round(y)
    (4321000, 3210000)
    """
    return Transformer.from_crs(crs_from, crs_to, always_xy=True)


@lru_cache(maxsize=256)
def same_crs(a: str, b: str) -> bool:
    """Whether two CRS are one, also where one carries no code: method, parameters and ellipsoid decide, not names.

    A WKT without authority but with EPSG:3035's projection on GRS 1980 is EPSG:3035.
    """
    one, two = CRS.from_user_input(a), CRS.from_user_input(b)
    if one.equals(two, ignore_axis_order=True):
        return True
    if one.to_epsg() is not None and two.to_epsg() is not None:
        return one.to_epsg() == two.to_epsg()
    return _essence(one) == _essence(two)


def _essence(crs: CRS) -> tuple[Any, ...]:
    """What a CRS does, without its names."""
    ellipsoid = crs.ellipsoid
    axes = (round(ellipsoid.semi_major_metre, 3), round(ellipsoid.inverse_flattening, 6)) if ellipsoid else ()
    operation = crs.coordinate_operation
    if operation is None:
        return (crs.type_name, axes)
    values = tuple(sorted(round(float(p.value) * p.unit_conversion_factor, 9) for p in operation.params))
    return (operation.method_name, values, axes)
