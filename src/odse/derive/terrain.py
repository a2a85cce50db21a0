"""Terrain from elevation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def slope(elevation: npt.NDArray[np.floating], *, pixel_m: float) -> npt.NDArray[np.float32]:
    """Slope in percent by Horn's method (Horn 1981, doi 10.1109/PROC.1981.11918).

    ``elevation`` (y, x) in metres. The outermost ring of pixels repeats its neighbours: give a halo of one pixel and cut it
    off, then neighbouring tiles agree. NaN spreads to the eight neighbours. Pure.

    >>> ramp = np.tile(np.arange(5) * 3.0, (5, 1))
    >>> slope(ramp, pixel_m=30.0)[2, 2].item()
    10.0
    """
    z = np.pad(elevation.astype(np.float64), 1, mode="edge")
    a, b, c = z[:-2, :-2], z[:-2, 1:-1], z[:-2, 2:]
    d, f = z[1:-1, :-2], z[1:-1, 2:]
    g, h, i = z[2:, :-2], z[2:, 1:-1], z[2:, 2:]
    dx = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * pixel_m)
    dy = ((g + 2 * h + i) - (a + 2 * b + c)) / (8 * pixel_m)
    return (100.0 * np.hypot(dx, dy)).astype(np.float32)
