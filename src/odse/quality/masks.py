"""Which pixels are used. A mask is a set of words to reject, by name or one's own; a preset is the habit of one archive's users."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import QualityError
from odse.quality.tables import PRODUCTS, product_, words_of_all
from odse.quality.words import NOTHING, OBSTRUCTED, Q, Quality, parse_words

Mask = str | Quality | Iterable[str | Quality]
"""The name of a mask or preset, or the words to reject."""
ALWAYS = Q.NODATA | Q.UNDEFINED
"""What no mask of words lets through."""

MASKS: dict[str, Quality] = {
    "clear": OBSTRUCTED,
    "clear-or-snow": OBSTRUCTED & ~Q.SNOW,
    "not-cloudy": ALWAYS | Q.CLOUD | Q.CLOUD_ADJACENT | Q.HAZE | Q.SHADOW | Q.SHADOW_ADJACENT,
}
"""The words that each mask rejects, whatever the archive."""


@dataclass(frozen=True)
class Preset:
    """A mask of one product: the codes it keeps, or the words it rejects."""

    product: str
    codes: frozenset[int] | None = None
    rejects: Quality = NOTHING
    source: str = ""


PRESETS: dict[str, Preset] = {
    "ardglad": Preset("glad", frozenset({1, 2, 15}), source="R package ardglad"),
    "eumap": Preset("glad", frozenset({1, 2, 5, 6}), source="eumap; drops 15 although it is clear land"),
    "skmap-production": Preset("glad", frozenset({1, 2, 5, 6, *range(11, 18)}), source="scikit-map's production"),
    "odse-s2": Preset("scl", frozenset({4, 5, 6, 7, 11}), source="the Sentinel-2 composites of ODSE"),
    "force-default": Preset(
        "force",
        rejects=ALWAYS | Q.CLOUD | Q.CLOUD_ADJACENT | Q.HAZE | Q.SHADOW | Q.SNOW | Q.SUBZERO | Q.DEFECTIVE,
        source="FORCE's default screen",
    ),
    "hls-default": Preset(
        "hls",
        rejects=ALWAYS | Q.CLOUD | Q.CLOUD_ADJACENT | Q.SHADOW | Q.SHADOW_ADJACENT,
        source="Fmask bits 1, 2 and 3 zero",
    ),
    "landsat-c2-default": Preset(
        "landsat-c2",
        rejects=ALWAYS | Q.CLOUD | Q.CLOUD_ADJACENT | Q.HAZE | Q.SHADOW,
        source="QA_PIXEL bits 0 to 4 zero",
    ),
    "landsat-c1-default": Preset(
        "landsat-c1", rejects=ALWAYS | Q.CLOUD | Q.HAZE | Q.SHADOW, source="no cloud, shadow or sure cirrus"
    ),
    "landsat-c1-bqa-default": Preset(
        "landsat-c1-bqa",
        rejects=ALWAYS | Q.CLOUD | Q.HAZE | Q.SHADOW | Q.DEFECTIVE,
        source="no cloud, sure shadow or sure cirrus, no saturation",
    ),
}


def decode(codes: npt.NDArray[Any], *, product: str) -> npt.NDArray[np.uint16]:
    """Quality words (bits of :class:`Quality`) of codes, any shape of integers; a code that does not exist is UNDEFINED.

    Words of two products of one pixel are joined by ``|``. Pure. Raises QualityError for an unknown product and for codes that
    are no integers of 16 bits.

    >>> decode(np.array([4, 9]), product="scl").tolist() == [Quality.CLEAR, Quality.CLOUD]
    True
    """
    return words_of_all(product_(product).name)[_index(codes)]


def keep(*, product: str, mask: Mask = "clear") -> npt.NDArray[np.uint8]:
    """(65536,) of 1 and 0: which codes a mask keeps, to be used as a lookup. Raises QualityError.

    >>> np.flatnonzero(keep(product="scl", mask="odse-s2")).tolist()
    [4, 5, 6, 7, 11]
    """
    table = product_(product)
    if isinstance(mask, str):
        return _keep_named(table.name, mask)
    wanted = [mask] if isinstance(mask, Quality) else list(mask)
    keywords = {str(word) for word in wanted if _states(table.name).get(str(word)) is not None}
    kept = _rejecting(table.name, parse_words(word for word in wanted if str(word) not in keywords))
    for keyword in sorted(keywords):
        kept &= ~_states(table.name)[keyword] & np.uint8(1)
    return kept


def usable(codes: npt.NDArray[Any], *, product: str, mask: Mask = "clear") -> npt.NDArray[np.bool_]:
    """Which pixels a mask keeps, in the shape of ``codes``.

    ``mask`` names one of MASKS or a preset of this product, or lists the words to reject (for FORCE also its keywords, such as
    ``SUN_LOW``). No-data and undefined codes are never usable, unless a preset of codes keeps them. Pure. Raises QualityError.

    >>> usable(np.array([0, 4, 11]), product="scl", mask=["cloud", "shadow"]).tolist()
    [False, True, True]
    """
    return keep(product=product, mask=mask).view(np.bool_)[_index(codes)]


def glad_mask(preset: str, *, additional: bool = False) -> npt.NDArray[np.uint8]:
    """Which codes a GLAD preset keeps: (256,) of 1 and 0. ``additional`` adds 11..17 to ``eumap``. Raises QualityError.

    >>> np.flatnonzero(glad_mask("eumap")).tolist()
    [1, 2, 5, 6]
    """
    names = [name for name, one in PRESETS.items() if one.product == "glad"]
    if preset not in names:
        near = difflib.get_close_matches(preset, names, n=1, cutoff=0)[0]
        raise QualityError.sentence("mask", "GLAD pixels", "the preset", repr(preset), f"write {near!r}")
    kept = _keep_named("glad", preset)[:256].copy()
    if additional:
        kept[11:18] = 1
    return kept


def masks_of(product: str) -> dict[str, Quality | frozenset[int]]:
    """The masks and presets that a product can be given: what each rejects as words, or keeps as codes.

    >>> list(masks_of("scl"))
    ['clear', 'clear-or-snow', 'not-cloudy', 'odse-s2']
    """
    name = product_(product).name
    own = {key: one.rejects if one.codes is None else one.codes for key, one in PRESETS.items() if one.product == name}
    return {**MASKS, **own}


@lru_cache(maxsize=64)
def _keep_named(product: str, mask: str) -> npt.NDArray[np.uint8]:
    known = masks_of(product)
    if mask not in known:
        near = difflib.get_close_matches(mask, known, n=1, cutoff=0)[0]
        raise QualityError.sentence("mask", f"{product} pixels", "the mask", repr(mask), f"write {near!r}")
    rule = known[mask]
    if isinstance(rule, frozenset):
        kept = np.zeros(65536, dtype=np.uint8)
        kept[sorted(rule)] = 1
    else:
        kept = _rejecting(product, rule)
    kept.flags.writeable = False
    return kept


def _rejecting(product: str, words: Quality) -> npt.NDArray[np.uint8]:
    kept: npt.NDArray[np.bool_] = (words_of_all(product) & np.uint16(words | ALWAYS)) == 0
    return kept.astype(np.uint8)


@cache
def _states(product: str) -> dict[str, npt.NDArray[np.uint8]]:
    """For each keyword of a product, which codes it is true of."""
    every = np.arange(65536)
    return {
        state.keyword: ((every >> bits.first & (1 << bits.bits) - 1) == number).astype(np.uint8)
        for bits in PRODUCTS[product].fields
        for number, state in bits.states.items()
        if state.keyword
    }


def _index(codes: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Codes as positions in a lookup; signed ones of 16 bits are taken bit by bit."""
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iu":
        raise QualityError.sentence("decode", "quality codes", "their type", codes.dtype, "give integers")
    if codes.dtype.itemsize > 2 and codes.size and (codes.min() < 0 or codes.max() > 65535):
        wrong = codes.min() if codes.min() < 0 else codes.max()
        raise QualityError.sentence("decode", "quality codes", "one of them", int(wrong), "give 0 to 65535")
    return codes.astype(np.uint16)
