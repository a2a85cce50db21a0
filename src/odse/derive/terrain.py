"""Terrain from elevation.

Every function takes ``elevation`` (y, x) in metres with rows from north to south and square pixels of ``pixel_m``, and gives
float32 of the same shape. What lies beyond the edge repeats the outermost pixels: give a halo of :data:`HALO_PX` pixels and cut
it off, then neighbouring tiles agree to the last bit. NaN spreads to the pixels whose window meets it. All are pure.
"""

from __future__ import annotations

import math
from typing import Literal

import numba
import numpy as np
import numpy.typing as npt

from odse.errors import DeriveError

Elevation = npt.NDArray[np.floating]
Routing = Literal["dinf", "d8"]

HALO_PX: dict[str, int | None] = {
    "slope": 1,
    "aspect": 1,
    "northness": 1,
    "eastness": 1,
    "hillshade": 1,
    "roughness": 1,
    "ruggedness": 1,
    "position": 1,
    "wetness": None,
}
"""Pixels beyond a tile that a function needs (:func:`position`: its radius). None: the whole area, for water comes from afar."""

FILL_STEP_M = 1e-8
"""What a filled pit rises from pixel to pixel towards its outlet, so that water leaves it: 1 mm in 100,000 pixels."""


def slope(elevation: Elevation, *, pixel_m: float) -> npt.NDArray[np.float32]:
    """Slope in percent by Horn's method (Horn 1981, doi 10.1109/PROC.1981.11918). Halo: 1 pixel.

    >>> ramp = np.tile(np.arange(5) * 3.0, (5, 1))
    >>> slope(ramp, pixel_m=30.0)[2, 2].item()
    10.0
    """
    dx, dy = _gradient(elevation, pixel_m)
    return (100.0 * np.hypot(dx, dy)).astype(np.float32)


def aspect(elevation: Elevation, *, pixel_m: float) -> npt.NDArray[np.float32]:
    """Where a slope faces, in degrees clockwise from north, 0 <= aspect < 360; -1 where it is flat. Halo: 1 pixel.

    Horn's gradient, downhill. As a covariate take :func:`northness` and :func:`eastness`: 1 and 359 degrees are neighbours.

    >>> ramp = np.tile(np.arange(5) * 3.0, (5, 1))
    >>> aspect(ramp, pixel_m=30.0)[2, 2].item(), aspect(ramp * 0, pixel_m=30.0)[2, 2].item()
    (270.0, -1.0)
    """
    dx, dy = _gradient(elevation, pixel_m)
    degrees = np.degrees(np.arctan2(-dx, dy)).astype(np.float32) % np.float32(360.0)
    degrees[degrees >= 360.0] = 0.0
    degrees[(dx == 0) & (dy == 0)] = -1.0
    return degrees


def northness(elevation: Elevation, *, pixel_m: float) -> npt.NDArray[np.float32]:
    """Cosine of the aspect: 1 faces north, -1 south; 0 where it is flat. Halo: 1 pixel."""
    dx, dy = _gradient(elevation, pixel_m)
    return _share(dy, np.hypot(dx, dy))


def eastness(elevation: Elevation, *, pixel_m: float) -> npt.NDArray[np.float32]:
    """Sine of the aspect: 1 faces east, -1 west; 0 where it is flat. Halo: 1 pixel."""
    dx, dy = _gradient(elevation, pixel_m)
    return _share(-dx, np.hypot(dx, dy))


def hillshade(
    elevation: Elevation, *, pixel_m: float, azimuth_deg: float = 315.0, altitude_deg: float = 45.0
) -> npt.NDArray[np.float32]:
    """Brightness 0-255 of a slope under a sun at an azimuth (clockwise from north) and altitude. Halo: 1 pixel.

    255 max(0, cos of the angle between the sun and the normal of Horn's plane): the formula of Burrough & McDonnell 1998 that GIS
    share, without cast shadows. ``hillshade.a315`` of ODSE is that of azimuth 315. Raises DeriveError for an altitude outside
    0-90.

    >>> hillshade(np.zeros((3, 3)), pixel_m=30.0, altitude_deg=90.0)[1, 1].item()
    255.0
    """
    if not 0 <= altitude_deg <= 90:
        raise DeriveError.sentence(
            "derive", "`hillshade`", "the sun's altitude", f"{altitude_deg:g} degrees", "give 0 to 90"
        )
    dx, dy = _gradient(elevation, pixel_m)
    azimuth, altitude = math.radians(azimuth_deg), math.radians(altitude_deg)
    east, north = math.cos(altitude) * math.sin(azimuth), math.cos(altitude) * math.cos(azimuth)
    light = (math.sin(altitude) - east * dx + north * dy) / np.sqrt(1.0 + dx * dx + dy * dy)
    return (255.0 * np.maximum(light, 0.0)).astype(np.float32)


def roughness(elevation: Elevation) -> npt.NDArray[np.float32]:
    """Highest minus lowest of a pixel and its eight neighbours, in metres (Wilson et al. 2007). Halo: 1 pixel.

    >>> roughness(np.diag([0.0, 9.0, 0.0]))[1, 1].item()
    9.0
    """
    around = _around(elevation)
    return np.asarray(np.max(around, axis=0) - np.min(around, axis=0), dtype=np.float32)


def ruggedness(elevation: Elevation) -> npt.NDArray[np.float32]:
    """Terrain ruggedness index: root of the summed squares of the differences to the eight neighbours, in metres. Halo: 1 pixel.

    Riley, DeGloria & Elliot 1999.

    >>> ruggedness(np.diag([0.0, 9.0, 0.0]))[1, 1].round(2).item()
    25.459999084472656
    """
    around = _around(elevation)
    return np.asarray(np.sqrt(np.sum((around - around[4]) ** 2, axis=0)), dtype=np.float32)


def position(elevation: Elevation, *, radius_px: int = 1) -> npt.NDArray[np.float32]:
    """Topographic position index: height above the mean of the other pixels of a square, in metres. Halo: ``radius_px``.

    The square has 2 ``radius_px`` + 1 pixels a side (Weiss 2001); positive on ridges, negative in valleys. Raises DeriveError for
    a radius below 1.

    >>> position(np.diag([0.0, 9.0, 0.0]))[1, 1].item()
    9.0
    """
    if radius_px < 1:
        raise DeriveError.sentence("derive", "`position`", "its radius", f"{radius_px} pixels", "give 1 or more")
    z = elevation.astype(np.float64)
    total = np.pad(z, radius_px, mode="edge")
    for axis in (0, 1):  # sums by shifts in a fixed order: a running sum would depend on where a tile begins
        n = z.shape[axis]
        lines = np.moveaxis(total, axis, 0)
        sums = lines[:n].copy()
        for k in range(1, 2 * radius_px + 1):
            sums += lines[k : k + n]
        total = np.moveaxis(sums, 0, axis)
    others = (2 * radius_px + 1) ** 2 - 1
    return (z - (total - z) / others).astype(np.float32)


def wetness(
    elevation: Elevation, *, pixel_m: float, routing: Routing = "dinf", least_slope_percent: float = 0.1
) -> npt.NDArray[np.float32]:
    """Topographic wetness index ln(a / tan b): a is the area that drains through a metre of contour, b the slope.

    Beven & Kirkby 1979. Pits are filled first (priority flood, Barnes et al. 2014, doi 10.1016/j.cageo.2013.04.024), then each
    pixel's water goes to its steepest neighbour (``d8``, O'Callaghan & Mark 1984) or is shared by the two beside the steepest
    direction (``dinf``, Tarboton 1997, doi 10.1029/96WR03137); b is Horn's slope of the given elevation, at least
    ``least_slope_percent`` (flats would be infinitely wet). Water leaves at the edges of the array and at NaN, which is no land.

    No halo makes tiles agree: compute it on the whole area, or on a coarser elevation of it. Memory: about 40 bytes a pixel
    besides the elevation; time: a second per million pixels.

    >>> valley = np.abs(np.arange(-3, 4))[None, :] * 5.0 + np.arange(6)[:, None]
    >>> bool(wetness(valley, pixel_m=30.0)[0, 3] > wetness(valley, pixel_m=30.0)[0, 0])
    True
    """
    if least_slope_percent <= 0:
        raise DeriveError.sentence(
            "derive", "`wetness`", "its least slope", f"{least_slope_percent:g} %", "give more than 0"
        )
    steep = np.maximum(slope(elevation, pixel_m=pixel_m), np.float32(least_slope_percent)) / np.float32(100.0)
    area = catchment(elevation, pixel_m=pixel_m, routing=routing)
    return np.log(area / pixel_m / steep).astype(np.float32)


def catchment(elevation: Elevation, *, pixel_m: float, routing: Routing = "dinf") -> npt.NDArray[np.float64]:
    """Area in square metres that drains through each pixel, itself included; NaN where elevation is. See :func:`wetness`.

    >>> catchment(np.arange(4.0)[None, :], pixel_m=10.0).tolist()
    [[400.0, 300.0, 200.0, 100.0]]
    """
    if routing not in ("dinf", "d8"):
        raise DeriveError.sentence("route", "water", "its routing", f"{routing!r}", "write dinf or d8")
    filled, order = _flood(np.ascontiguousarray(elevation, dtype=np.float64), FILL_STEP_M)
    pixels = _accumulate(filled, order, routing == "dinf")
    return np.where(np.isnan(elevation), np.nan, pixels * pixel_m**2)


def fill_pits(elevation: Elevation) -> npt.NDArray[np.float64]:
    """Elevation from every pixel of which water finds a way down to the edge or to NaN. See :func:`wetness`.

    >>> fill_pits(np.array([[5.0, 5, 5], [5, 1, 3], [5, 5, 5]]))[1].round(6).tolist()
    [5.0, 3.0, 3.0]
    """
    filled: npt.NDArray[np.float64] = _flood(np.ascontiguousarray(elevation, dtype=np.float64), FILL_STEP_M)[0]
    return filled


def _gradient(elevation: Elevation, pixel_m: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Rise per metre to the east and to the south by Horn's weights."""
    z = np.pad(elevation.astype(np.float64), 1, mode="edge")
    a, b, c = z[:-2, :-2], z[:-2, 1:-1], z[:-2, 2:]
    d, f = z[1:-1, :-2], z[1:-1, 2:]
    g, h, i = z[2:, :-2], z[2:, 1:-1], z[2:, 2:]
    dx = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * pixel_m)
    dy = ((g + 2 * h + i) - (a + 2 * b + c)) / (8 * pixel_m)
    unknown = np.isnan(z[1:-1, 1:-1])  # the weights leave the pixel itself out
    dx[unknown] = dy[unknown] = np.nan
    return dx, dy


def _share(part: npt.NDArray[np.float64], whole: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return np.divide(part, whole, out=np.where(np.isnan(whole), np.nan, 0.0), where=whole > 0).astype(np.float32)


def _around(elevation: Elevation) -> npt.NDArray[np.float64]:
    """(9, y, x): a pixel and its neighbours, row by row; the pixel itself is number 4."""
    z = np.pad(elevation.astype(np.float64), 1, mode="edge")
    rows, cols = elevation.shape
    return np.stack([z[i : i + rows, j : j + cols] for i in range(3) for j in range(3)])


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _lower(a, b, height, number):  # type: ignore[no-untyped-def]
    """Whether pixel a leaves the heap before b: by height, then by the order in which they came."""
    return height[a] < height[b] or (height[a] == height[b] and number[a] < number[b])


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _flood(z, step):  # type: ignore[no-untyped-def]
    """Filled elevation (y, x), and its pixels (flat index) in an order in which none is lower than one before it."""
    rows, cols = z.shape
    n = rows * cols
    filled = z.copy()
    height = filled.reshape(n)
    number = np.full(n, -1, np.int64)  # when a pixel came into the heap; -1: not yet
    heap = np.empty(n, np.int64)
    order = np.empty(n, np.int64)
    size = 0
    came = 0
    done = 0
    for p in range(n):
        if np.isnan(height[p]):
            continue
        r, c = p // cols, p % cols
        edge = r == 0 or c == 0 or r == rows - 1 or c == cols - 1
        if not edge:
            for i in range(r - 1, r + 2):
                for j in range(c - 1, c + 2):
                    edge = edge or np.isnan(z[i, j])
        if edge:
            number[p] = came
            came += 1
            size = _push(heap, size, p, height, number)
    while size > 0:
        p = heap[0]
        size = _pop(heap, size, height, number)
        order[done] = p
        done += 1
        r, c = p // cols, p % cols
        for i in range(max(r - 1, 0), min(r + 2, rows)):
            for j in range(max(c - 1, 0), min(c + 2, cols)):
                q = i * cols + j
                if number[q] < 0 and not np.isnan(height[q]):
                    height[q] = max(height[q], height[p] + step)
                    number[q] = came
                    came += 1
                    size = _push(heap, size, q, height, number)
    return filled, order[:done]


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _push(heap, size, p, height, number):  # type: ignore[no-untyped-def]
    k = size
    while k > 0 and _lower(p, heap[(k - 1) // 2], height, number):
        heap[k] = heap[(k - 1) // 2]
        k = (k - 1) // 2
    heap[k] = p
    return size + 1


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _pop(heap, size, height, number):  # type: ignore[no-untyped-def]
    size -= 1
    p = heap[size]
    k = 0
    while 2 * k + 1 < size:
        child = 2 * k + 1
        if child + 1 < size and _lower(heap[child + 1], heap[child], height, number):
            child += 1
        if not _lower(heap[child], p, height, number):
            break
        heap[k] = heap[child]
        k = child
    heap[k] = p
    return size


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _accumulate(filled, order, dinf):  # type: ignore[no-untyped-def]
    """Pixels (y, x) that drain through each pixel, itself included."""
    rows, cols = filled.shape
    # neighbours around a pixel, each next to the one before; even ones share a side with it
    di = np.array([0, -1, -1, -1, 0, 1, 1, 1])
    dj = np.array([1, 1, 0, -1, -1, -1, 0, 1])
    diagonal = math.sqrt(2.0)
    out = np.ones(rows * cols)
    for k in range(order.size - 1, -1, -1):
        p = order[k]
        r, c = p // cols, p % cols
        z = filled[r, c]
        steepest, first, second, share = 0.0, -1, -1, 1.0
        for d in range(8):  # straight to one neighbour
            i, j = r + di[d], c + dj[d]
            if 0 <= i < rows and 0 <= j < cols:
                down = (z - filled[i, j]) / (1.0 if d % 2 == 0 else diagonal)
                if down > steepest:
                    steepest, first = down, i * cols + j
        for d in range(8 if dinf else 0):  # between two neighbours, one beside and one at the corner
            side, corner = (d, (d + 1) % 8) if d % 2 == 0 else ((d + 1) % 8, d)
            i1, j1, i2, j2 = r + di[side], c + dj[side], r + di[corner], c + dj[corner]
            if 0 <= i1 < rows and 0 <= j1 < cols and 0 <= i2 < rows and 0 <= j2 < cols:
                s1, s2 = z - filled[i1, j1], filled[i1, j1] - filled[i2, j2]
                down = math.hypot(s1, s2)
                if 0 < s2 < s1 and down > steepest:
                    steepest, first, second = down, i1 * cols + j1, i2 * cols + j2
                    share = 1.0 - math.atan2(s2, s1) / (math.pi / 4)
        if first >= 0:
            out[first] += share * out[p]
            if second >= 0:
                out[second] += (1.0 - share) * out[p]
    return out.reshape(rows, cols)
