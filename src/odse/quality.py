"""One vocabulary of pixel quality, and the mask presets. Table-driven: one row per code, one test per row.

GLAD Landsat ARD quality flags after Potapov et al. 2020 (doi 10.3390/rs12030426); the presets are those in use: of the R
package ardglad, of eumap, and of scikit-map's production.
"""

from __future__ import annotations

import difflib
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import QualityError


class Quality(IntFlag):
    """What a quality code says, in words shared by all archives."""

    NODATA = 1
    CLEAR = 2
    CLOUD = 4
    CLOUD_ADJACENT = 8
    HAZE = 16
    SHADOW = 32
    SHADOW_ADJACENT = 64
    TOPOGRAPHIC_SHADOW = 128
    SNOW = 256
    WATER = 512
    UNDEFINED = 1024


GLAD_TABLE: dict[int, Quality] = {
    0: Quality.NODATA,
    1: Quality.CLEAR,
    2: Quality.CLEAR | Quality.WATER,
    3: Quality.CLOUD,
    4: Quality.SHADOW,
    5: Quality.TOPOGRAPHIC_SHADOW,
    6: Quality.SNOW,
    7: Quality.HAZE,
    8: Quality.CLOUD_ADJACENT,
    9: Quality.SHADOW_ADJACENT,
    10: Quality.SHADOW,
    11: Quality.CLOUD_ADJACENT,
    12: Quality.CLOUD_ADJACENT | Quality.WATER,
    13: Quality.UNDEFINED,
    14: Quality.SHADOW_ADJACENT,
    15: Quality.CLEAR,
    16: Quality.CLOUD_ADJACENT,
    17: Quality.SHADOW_ADJACENT,
}

GLAD_PRESETS: dict[str, frozenset[int]] = {
    "ardglad": frozenset({1, 2, 15}),
    "eumap": frozenset({1, 2, 5, 6}),
    "skmap-production": frozenset({1, 2, 5, 6, *range(11, 18)}),
}
"""The codes each preset keeps. ``eumap`` drops 15 although it is clear land, as the original did."""


def decode_glad(codes: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Quality words (bits of :class:`Quality`) of GLAD codes, any shape; a code above 17 is UNDEFINED.

    >>> decode_glad(np.array([1, 3])).tolist() == [Quality.CLEAR, Quality.CLOUD]
    True
    """
    table = np.full(65536, Quality.UNDEFINED, dtype=np.uint16)
    for code, words in GLAD_TABLE.items():
        table[code] = words
    return table[codes.astype(np.uint16)]


def glad_mask(preset: str, *, additional: bool = False) -> npt.NDArray[np.uint8]:
    """Which codes a preset keeps: (256,) of 1 and 0, to be used as a lookup. ``additional`` adds 11..17 to ``eumap``.

    >>> np.flatnonzero(glad_mask("eumap")).tolist()
    [1, 2, 5, 6]
    """
    if preset not in GLAD_PRESETS:
        near = difflib.get_close_matches(preset, GLAD_PRESETS, n=1, cutoff=0)[0]
        raise QualityError.sentence("mask", "GLAD pixels", "the preset", repr(preset), f"write {near!r}")
    keep = np.zeros(256, dtype=np.uint8)
    keep[sorted(GLAD_PRESETS[preset])] = 1
    if additional:
        keep[11:18] = 1
    return keep
