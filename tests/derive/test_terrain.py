"""Terrain against surfaces whose answers are known, against naive loops of the published formulas, and in tiles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest

from odse.derive import terrain
from odse.derive.terrain import (
    HALO_PX,
    aspect,
    catchment,
    eastness,
    fill_pits,
    hillshade,
    northness,
    position,
    roughness,
    ruggedness,
    slope,
    wetness,
)
from odse.errors import DeriveError

Array = npt.NDArray[np.float64]
PIXEL_M = 30.0


def plane(percent: float, faces_deg: float, n: int = 21) -> Array:
    """A plane that falls ``percent`` towards a compass direction."""
    row, col = np.mgrid[:n, :n] * PIXEL_M
    towards = math.radians(faces_deg)
    return 500 - percent / 100 * (col * math.sin(towards) - row * math.cos(towards))


def rough(shape: tuple[int, int] = (40, 50), seed: int = 0) -> Array:
    draw = np.random.default_rng(seed)
    z = draw.normal(size=shape).cumsum(0).cumsum(1)
    z[5:9, 12:15] = z[6, 13]
    z[18, 20] = np.nan
    return z


def loop(z: Array, formula: Callable[[list[float]], float]) -> Array:
    """A formula of the nine heights a..i (row by row) at every inner pixel, as the textbooks write it."""
    out = np.full(z.shape, np.nan)
    for r in range(1, z.shape[0] - 1):
        for c in range(1, z.shape[1] - 1):
            out[r, c] = formula([float(z[r + i, c + j]) for i in (-1, 0, 1) for j in (-1, 0, 1)])
    return out


def horn(w: list[float]) -> tuple[float, float]:
    a, b, c, d, e, f, g, h, i = w
    if math.isnan(e):
        return math.nan, math.nan
    return ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * PIXEL_M), ((g + 2 * h + i) - (a + 2 * b + c)) / (8 * PIXEL_M)


def textbook_aspect(w: list[float]) -> float:
    dx, dy = horn(w)
    if math.isnan(dx + dy):
        return math.nan
    if dx == dy == 0:
        return -1.0
    degrees = math.degrees(math.atan2(dy, -dx))
    return (450 - degrees if degrees > 90 else 90 - degrees) % 360


def textbook_hillshade(w: list[float], azimuth: float = 315.0, altitude: float = 45.0) -> float:
    """By zenith, slope and mathematical angles, as ESRI's help writes it."""
    dx, dy = horn(w)
    zenith, steep = math.radians(90 - altitude), math.atan(math.hypot(dx, dy))
    sun = math.radians((360 - azimuth + 90) % 360)
    faces = math.atan2(dy, -dx)
    light = math.cos(zenith) * math.cos(steep) + math.sin(zenith) * math.sin(steep) * math.cos(sun - faces)
    return 255 * light if light > 0 or math.isnan(light) else 0.0


FORMULAS: dict[str, tuple[Callable[[Array], Any], Callable[[list[float]], float]]] = {
    "slope": (lambda z: slope(z, pixel_m=PIXEL_M), lambda w: 100 * math.hypot(*horn(w))),
    "aspect": (lambda z: aspect(z, pixel_m=PIXEL_M), textbook_aspect),
    "hillshade": (lambda z: hillshade(z, pixel_m=PIXEL_M), textbook_hillshade),
    "roughness": (roughness, lambda w: math.nan if np.isnan(w).any() else max(w) - min(w)),
    "ruggedness": (ruggedness, lambda w: math.sqrt(sum((one - w[4]) ** 2 for one in w))),
    "position": (position, lambda w: w[4] - (sum(w) - w[4]) / 8),
    "northness": (
        lambda z: northness(z, pixel_m=PIXEL_M),
        lambda w: 0.0 if textbook_aspect(w) == -1 else math.cos(math.radians(textbook_aspect(w))),
    ),
    "eastness": (
        lambda z: eastness(z, pixel_m=PIXEL_M),
        lambda w: 0.0 if textbook_aspect(w) == -1 else math.sin(math.radians(textbook_aspect(w))),
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_each_is_its_textbook_formula(name: str) -> None:
    ours, formula = FORMULAS[name]
    z = rough()
    wanted = loop(z, formula)
    got = ours(z)
    assert got.dtype == np.float32 and got.shape == z.shape
    np.testing.assert_allclose(got[1:-1, 1:-1], wanted[1:-1, 1:-1], rtol=2e-5, atol=2e-4)
    assert np.isnan(wanted[1:-1, 1:-1]).sum() == 9


@pytest.mark.parametrize("name", FORMULAS)
def test_tiles_with_their_halo_agree_with_the_whole_bit_by_bit(name: str) -> None:
    ours = FORMULAS[name][0]
    z, halo = rough(), HALO_PX[name]
    assert halo == 1
    whole = ours(z)
    for r in range(halo, 30, 13):
        for c in range(halo, 40, 8):
            part = ours(z[r - halo : r + 9 + halo, c - halo : c + 8 + halo])[halo:-halo, halo:-halo]
            assert part.tobytes() == whole[r : r + 9, c : c + 8].tobytes()
    assert not np.array_equal(ours(z[10:20, 10:20]), whole[10:20, 10:20], equal_nan=True)


def test_halos_are_told_of_every_function() -> None:
    assert set(HALO_PX) == {*FORMULAS, "wetness"}
    assert all(
        f"Halo: {HALO_PX[name]} pixel" in (getattr(terrain, name).__doc__ or "")
        for name in set(FORMULAS) - {"position"}
    )


@pytest.mark.parametrize("radius", [1, 2, 5])
def test_position_at_a_radius(radius: int) -> None:
    z = rough((20, 24))
    got = position(z, radius_px=radius)
    for r, c in ((radius, radius), (10, 11), (19 - radius, 23 - radius)):
        square = z[r - radius : r + radius + 1, c - radius : c + radius + 1]
        assert got[r, c] == pytest.approx(z[r, c] - (square.sum() - z[r, c]) / (square.size - 1), rel=1e-5, nan_ok=True)
    part = position(z[3:18, 4:20], radius_px=radius)[radius:-radius, radius:-radius]
    assert part.tobytes() == got[3 + radius : 18 - radius, 4 + radius : 20 - radius].tobytes()
    with pytest.raises(DeriveError, match="cannot derive `position`, because its radius is 0 pixels; give 1 or more"):
        position(z, radius_px=0)


@pytest.mark.parametrize("faces", [0.0, 45.0, 90.0, 135.0, 180.0, 225.0, 270.0, 300.0, 359.0])
@pytest.mark.parametrize("percent", [0.5, 20.0, 150.0])
def test_planes(faces: float, percent: float) -> None:
    z, inner = plane(percent, faces), np.s_[1:-1, 1:-1]
    assert slope(z, pixel_m=PIXEL_M)[inner] == pytest.approx(percent, rel=1e-5)
    off = (aspect(z, pixel_m=PIXEL_M)[inner] - faces + 180) % 360 - 180
    assert abs(off).max() < 1e-3
    assert northness(z, pixel_m=PIXEL_M)[inner] == pytest.approx(math.cos(math.radians(faces)), abs=1e-5)
    assert eastness(z, pixel_m=PIXEL_M)[inner] == pytest.approx(math.sin(math.radians(faces)), abs=1e-5)
    steep = math.atan(percent / 100)
    light = math.sin(math.radians(30)) * math.cos(steep)
    light += math.cos(math.radians(30)) * math.sin(steep) * math.cos(math.radians(faces - 120))
    shade = hillshade(z, pixel_m=PIXEL_M, azimuth_deg=120, altitude_deg=30)[inner]
    assert shade == pytest.approx(255 * max(light, 0), abs=2e-3)
    assert position(z)[inner] == pytest.approx(0, abs=1e-4)


def test_a_cone_falls_away_on_all_sides() -> None:
    row, col = np.mgrid[-30:31, -30:31].astype(float)
    z = 1000 - 0.25 * PIXEL_M * np.hypot(row, col)
    far = np.hypot(row, col) > 8
    far[[0, -1]] = far[:, [0, -1]] = False
    assert slope(z, pixel_m=PIXEL_M)[far] == pytest.approx(25, rel=0.01)
    wanted = np.degrees(np.arctan2(col, -row)) % 360
    off = (aspect(z, pixel_m=PIXEL_M) - wanted + 180) % 360 - 180
    assert abs(off[far]).max() < 0.5


def test_aspect_stays_below_360_and_flat_is_flat() -> None:
    almost = plane(10.0, 360 - 1e-7)
    degrees = aspect(almost, pixel_m=PIXEL_M)[1:-1, 1:-1]
    assert ((degrees >= 0) & (degrees < 360)).all()
    flat = np.full((4, 4), 7.0)
    assert (aspect(flat, pixel_m=PIXEL_M) == -1).all() and (northness(flat, pixel_m=PIXEL_M) == 0).all()
    assert hillshade(flat, pixel_m=PIXEL_M) == pytest.approx(255 * math.sin(math.radians(45)))
    with pytest.raises(DeriveError, match="because the sun's altitude is 91 degrees; give 0 to 90"):
        hillshade(flat, pixel_m=PIXEL_M, altitude_deg=91)


def lowest_way_out(z: Array) -> Array:
    """Filled elevation by its definition: the lowest threshold that water at a pixel must rise to, found by iteration."""
    open_ = np.pad(z, 1, constant_values=np.nan)
    level = np.where(np.isnan(open_), -np.inf, np.inf)
    while True:
        around = [np.roll(level, (i, j), (0, 1)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        lower = np.where(np.isnan(open_), -np.inf, np.maximum(open_, np.minimum.reduce(around)))
        if np.array_equal(lower, level):
            return np.where(np.isnan(z), np.nan, level[1:-1, 1:-1])
        level = lower


@hypothesis.given(hnp.arrays(np.float64, (7, 9), elements=st.integers(0, 5).map(float) | st.just(np.nan)))
def test_pits_are_filled_to_their_lowest_way_out(z: Array) -> None:
    filled = fill_pits(z)
    np.testing.assert_allclose(filled, lowest_way_out(z), atol=1e-6)
    assert (np.isnan(filled) == np.isnan(z)).all() and not (filled < z).any()


@pytest.mark.parametrize("routing", ["d8", "dinf"])
@hypothesis.given(hnp.arrays(np.float64, (7, 9), elements=st.integers(0, 5).map(float) | st.just(np.nan)))
def test_all_water_leaves(routing: Any, z: Array) -> None:
    """What drains through the pixels from which water leaves the land is all of the land: nothing stays in a pit."""
    filled = fill_pits(z)
    area = catchment(z, pixel_m=1.0, routing=routing)
    around = np.pad(filled, 1, constant_values=np.nan)
    leaves = 0.0
    for r, c in np.argwhere(~np.isnan(filled)):
        window = around[r : r + 3, c : c + 3]
        if not (window < filled[r, c]).any():
            assert np.isnan(window).any(), "water stays in the middle of the land"
            leaves += area[r, c]
    assert leaves == pytest.approx(np.isfinite(z).sum())


def naive_d8(z: Array) -> Array:
    """Water of every pixel followed downhill on the filled surface, one pixel at a time."""
    filled, out = fill_pits(z), np.zeros(z.shape)
    for start in np.ndindex(z.shape):
        here: tuple[int, int] | None = (start[0], start[1])
        while here is not None:
            out[here] += 1
            r, c = here
            ways = {
                (i, j): (filled[here] - filled[i, j]) / math.hypot(i - r, j - c)
                for i in range(max(r - 1, 0), min(r + 2, z.shape[0]))
                for j in range(max(c - 1, 0), min(c + 2, z.shape[1]))
                if (i, j) != here
            }
            best = max(ways, key=lambda way: ways[way])
            here = best if ways[best] > 0 else None
    return out


def test_d8_is_following_the_water() -> None:
    z = np.random.default_rng(1).normal(size=(17, 13)).cumsum(0)
    assert np.array_equal(catchment(z, pixel_m=10.0, routing="d8"), 100 * naive_d8(z))


@pytest.mark.parametrize("faces", [0.0, 45.0, 90.0, 270.0])
def test_on_a_plane_the_area_is_the_way_from_the_top(faces: float) -> None:
    z = plane(10.0, faces, n=15)
    for routing in ("d8", "dinf"):
        area = catchment(z, pixel_m=PIXEL_M, routing=routing) / PIXEL_M**2  # type: ignore[arg-type]
        row, col = np.mgrid[:15, :15]
        wanted = {0.0: 15 - row, 45.0: np.minimum(15 - row, col + 1), 90.0: col + 1, 270.0: 15 - col}[faces]
        assert area[2:-2, 2:-2] == pytest.approx(wanted[2:-2, 2:-2], abs=1e-6)


def test_on_a_cone_the_area_grows_with_half_the_radius() -> None:
    """A sector of radius r holds r^2/2 per radian and has r of contour per radian. D8 cannot show it, D-infinity does."""
    row, col = np.mgrid[-60:61, -60:61].astype(float)
    r = np.hypot(row, col)
    z = 1000 - 3 * r
    ring = (r > 20) & (r < 55)
    far = {routing: catchment(z, pixel_m=1.0, routing=routing)[ring] / (r[ring] / 2) for routing in ("dinf", "d8")}  # type: ignore[arg-type]
    assert far["dinf"].mean() == pytest.approx(1.0, abs=0.15)
    assert far["dinf"].std() < 0.4 * far["d8"].std()


def test_wetness_is_its_formula_and_refuses_nonsense() -> None:
    z = plane(10.0, 90.0, n=15)
    col = np.mgrid[:15, :15][1]
    wanted = np.log((col + 1) * PIXEL_M / 0.1)
    assert wetness(z, pixel_m=PIXEL_M)[2:-2, 2:-2] == pytest.approx(wanted[2:-2, 2:-2], rel=1e-5)
    flat = wetness(np.zeros((9, 9)), pixel_m=PIXEL_M, least_slope_percent=0.5)
    assert np.isfinite(flat).all() and flat.min() == pytest.approx(math.log(PIXEL_M / 0.005), rel=1e-5)
    assert np.isnan(wetness(rough(), pixel_m=PIXEL_M)).sum() == 9  # its slope
    with pytest.raises(DeriveError, match="cannot derive `wetness`, because its least slope is 0 %; give more than 0"):
        wetness(z, pixel_m=PIXEL_M, least_slope_percent=0)
    with pytest.raises(DeriveError, match="cannot route water, because its routing is 'd4'; write dinf or d8"):
        catchment(z, pixel_m=PIXEL_M, routing="d4")  # type: ignore[arg-type]
