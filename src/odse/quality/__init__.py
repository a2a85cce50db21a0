"""One vocabulary of pixel quality over all archives, and the masks. Table-driven: one row per code or bit, one test per row.

>>> import numpy as np
>>> usable(np.array([21824, 22280]), product="landsat-c2").tolist()  # clear land, cloud
[True, False]
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from odse.quality.masks import MASKS, PRESETS, Mask, Preset, decode, glad_mask, keep, masks_of, usable
from odse.quality.tables import PRODUCTS, BitField, Product, State, explain, product_, words_of_all
from odse.quality.words import OBSTRUCTED, Quality, format_words, parse_words

__all__ = [
    "GLAD_PRESETS",
    "GLAD_TABLE",
    "MASKS",
    "OBSTRUCTED",
    "PRESETS",
    "PRODUCTS",
    "BitField",
    "Mask",
    "Preset",
    "Product",
    "Quality",
    "State",
    "decode",
    "decode_glad",
    "explain",
    "format_words",
    "glad_mask",
    "keep",
    "masks_of",
    "parse_words",
    "product_",
    "usable",
    "words_of_all",
]

GLAD_TABLE: dict[int, Quality] = {code: state.words for code, state in PRODUCTS["glad"].codes.items()}
GLAD_PRESETS: dict[str, frozenset[int]] = {
    name: preset.codes for name, preset in PRESETS.items() if preset.product == "glad" and preset.codes is not None
}
"""The codes each preset keeps."""


def decode_glad(codes: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Quality words (bits of :class:`Quality`) of GLAD codes, any shape; a code above 17 is UNDEFINED.

    >>> decode_glad(np.array([1, 3])).tolist() == [Quality.CLEAR, Quality.CLOUD]
    True
    """
    return decode(codes, product="glad")
