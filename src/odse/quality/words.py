"""The words: what any quality code can say of a pixel."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntFlag

from odse.errors import QualityError


class Quality(IntFlag):
    """What a quality code says, in words shared by all archives."""

    NODATA = 1
    CLEAR = 2
    """None of the words of OBSTRUCTED."""
    CLOUD = 4
    CLOUD_ADJACENT = 8
    HAZE = 16
    """Haze or cirrus."""
    SHADOW = 32
    """Of clouds, or of an unknown cause."""
    SHADOW_ADJACENT = 64
    TOPOGRAPHIC_SHADOW = 128
    SNOW = 256
    WATER = 512
    UNDEFINED = 1024
    """A code that the archive does not define, or that says nothing."""
    DEFECTIVE = 2048
    """Saturated, dropped, or hidden behind terrain: no measurement of this place."""
    AEROSOL_HIGH = 4096
    SUBZERO = 8192
    """Negative reflectance."""


Q = Quality
NOTHING = Quality(0)
OBSTRUCTED = (
    Q.NODATA
    | Q.CLOUD
    | Q.CLOUD_ADJACENT
    | Q.HAZE
    | Q.SHADOW
    | Q.SHADOW_ADJACENT
    | Q.TOPOGRAPHIC_SHADOW
    | Q.SNOW
    | Q.UNDEFINED
    | Q.DEFECTIVE
    | Q.SUBZERO
)
"""What a clear pixel is not. Water and high aerosol are told, but hide nothing."""


def format_words(words: Quality | int) -> str:
    """The words in small letters, in the order of the vocabulary.

    >>> format_words(Quality.SNOW | Quality.CLOUD_ADJACENT)
    'cloud adjacent, snow'
    """
    return ", ".join((word.name or "").lower().replace("_", " ") for word in Quality if word & words)


def parse_words(words: Iterable[str | Quality]) -> Quality:
    """One set of words from their names; spaces, hyphens and underscores are one. Raises QualityError.

    >>> parse_words(["cloud", "cloud-adjacent"]) == Quality.CLOUD | Quality.CLOUD_ADJACENT
    True
    """
    found = NOTHING
    for word in words:
        if isinstance(word, Quality):
            found |= word
            continue
        name = word.strip().upper().replace(" ", "_").replace("-", "_")
        if name not in Quality.__members__:
            near = difflib.get_close_matches(name, Quality.__members__, n=1, cutoff=0)[0]
            raise QualityError.sentence(
                "mask", "pixels", "a word", repr(word), f"write {near.lower().replace('_', '-')!r}"
            )
        found |= Quality[name]
    return found
