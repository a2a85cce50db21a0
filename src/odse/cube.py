"""The Cube: pixels of one Tile in memory, as labelled arrays. A contract with a checker, not a class.

Three things travel together: the value, whether it is known, and why (``flag``).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import xarray as xr

from odse.errors import CubeError

DIMS = ("time", "band", "statistic", "class", "learner", "depth", "y", "x")
"""The words for dimensions, in the order in which a Cube has them."""


class Flag(IntEnum):
    """How a value came to be."""

    OBSERVED = 0
    FILLED_SEASON = 1
    FILLED_NEIGHBOUR = 2
    FILLED_ALL = 3
    MASKED = 10
    UNREADABLE = 11
    NODATA = 255


def check_cube(cube: xr.Dataset, *, dims: Sequence[str] | None = None) -> xr.Dataset:
    """The cube itself, or CubeError when a dimension is unknown, out of order or missing, or a flag is no Flag. Pure.

    >>> import numpy as np
    >>> check_cube(xr.Dataset({"value": (("time", "y", "x"), np.zeros((1, 2, 2)))}), dims=("y", "x")).sizes["x"]
    2
    """
    for name, variable in cube.variables.items():
        unknown = [dim for dim in variable.dims if dim not in DIMS]
        if unknown:
            raise CubeError.sentence(
                "use", f"variable {name}", "a dimension", repr(unknown[0]), f"name it one of {', '.join(DIMS)}"
            )
        places = [DIMS.index(str(dim)) for dim in variable.dims]
        if places != sorted(places):
            raise CubeError.sentence(
                "use",
                f"variable {name}",
                "the order of its dimensions",
                variable.dims,
                "transpose it to the order of DIMS",
            )
    missing = [dim for dim in dims or () if dim not in cube.dims]
    if missing:
        raise CubeError.sentence("use", "the cube", f"dimension {missing[0]!r}", "missing", "add it")
    if "flag" in cube:
        strange = set(cube["flag"].to_numpy().ravel().tolist()) - {int(flag) for flag in Flag}
        if strange:
            raise CubeError.sentence("use", "the cube", "a flag", sorted(strange)[0], "use the values of Flag")
    return cube
