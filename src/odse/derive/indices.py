"""Spectral indices by their standard names, from reflectance (0-1)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import DeriveError

Bands = Mapping[str, npt.NDArray[np.float32]]


def _difference(first: str, second: str) -> tuple[tuple[str, ...], Callable[[Bands], Any]]:
    return (first, second), lambda b: (b[first] - b[second]) / (b[first] + b[second])


INDICES: dict[str, tuple[tuple[str, ...], Callable[[Bands], Any]]] = {
    "ndvi": _difference("nir", "red"),
    "nbr": _difference("nir", "swir2"),
    "nbr2": _difference("swir1", "swir2"),
    "ndwi": _difference("green", "nir"),
    "ndmi": _difference("nir", "swir1"),
    "ndbi": _difference("swir1", "nir"),
    "savi": (("nir", "red"), lambda b: 1.5 * (b["nir"] - b["red"]) / (b["nir"] + b["red"] + 0.5)),
    "evi": (
        ("nir", "red", "blue"),
        lambda b: 2.5 * (b["nir"] - b["red"]) / (b["nir"] + 6.0 * b["red"] - 7.5 * b["blue"] + 1.0),
    ),
}
"""Name -> bands it needs, formula. Tucker 1979 (NDVI), Key & Benson 2006 (NBR), McFeeters 1996 (NDWI), Huete 1988, 2002."""


def bands_of(name: str) -> tuple[str, ...]:
    """The bands an index needs. Raises DeriveError for an unknown index.

    >>> bands_of("ndvi")
    ('nir', 'red')
    """
    if name not in INDICES:
        near = difflib.get_close_matches(name, INDICES, n=1, cutoff=0)[0]
        raise DeriveError.sentence("derive", f"`{name}`", "the index", "unknown", f"write `{near}` or `slope`")
    return INDICES[name][0]


def index(name: str, bands: Bands) -> npt.NDArray[np.float32]:
    """An index of reflectance arrays of any one shape; NaN where a band is or where it is not defined. Pure.

    >>> index("ndvi", {"nir": np.float32([0.4]), "red": np.float32([0.1])}).round(2).tolist()
    [0.6000000238418579]
    """
    needed = bands_of(name)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = INDICES[name][1]({band: np.asarray(bands[band], dtype=np.float32) for band in needed})
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)
