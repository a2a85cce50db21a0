"""What the codes of each archive mean: one table a product, one row a code or a field of bits, one test a row.

==================  ==========================================================================================
``glad``            Potapov et al. 2020, doi 10.3390/rs12030426
``force``           FORCE 3.10, Quality Assurance Information
``hls``             HLS v2.0 user guide, Fmask
``scl``             Sentinel-2 level 2A, scene classification
``landsat-c2``      USGS Landsat Collection 2, QA_PIXEL; beside it ``landsat-c2-radsat`` and ``landsat-c2-aerosol``
``landsat-c1``      USGS Landsat Collection 1 level 2, pixel_qa
``landsat-c1-bqa``  USGS Landsat Collection 1 level 1, BQA
==================  ==========================================================================================
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from odse.errors import QualityError
from odse.quality.words import NOTHING, OBSTRUCTED, Q, Quality


@dataclass(frozen=True)
class State:
    """What one code, or one number in a field of bits, means."""

    text: str
    words: Quality = NOTHING
    keyword: str = ""
    """The archive's own name for it, where masks are spelled with such names (FORCE)."""


@dataclass(frozen=True)
class BitField:
    """Bits ``first`` to ``first + bits - 1`` of a code, counted from 0; numbers without a state say nothing."""

    name: str
    first: int
    bits: int
    states: Mapping[int, State]

    def __str__(self) -> str:
        return str(self.first) if self.bits == 1 else f"{self.first}-{self.first + self.bits - 1}"

    def of(self, code: int) -> int:
        """The number that a code has in these bits."""
        return code >> self.first & (1 << self.bits) - 1


@dataclass(frozen=True)
class Product:
    """The quality codes of one archive."""

    name: str
    title: str
    nodata_code: int
    """What stands where an image ends."""
    size: int = 256
    """Codes 0 to size - 1 exist."""
    codes: Mapping[int, State] = field(default_factory=dict)
    """Codes that mean something as a whole; they go before ``fields``."""
    fields: tuple[BitField, ...] = ()
    tells_clear: bool = True
    """Whether a code with nothing to complain of is a clear pixel."""


def _flag(first: int, text: str, words: Quality = NOTHING, keyword: str = "") -> BitField:
    return BitField(text, first, 1, {1: State(text, words, keyword)})


def _levels(name: str, first: int, texts: str, words: Mapping[int, Quality]) -> BitField:
    """A field of two bits; ``texts`` are its four states, separated by commas."""
    states = {i: State(f"{name}: {text}", words.get(i, NOTHING)) for i, text in enumerate(texts.split(", "))}
    return BitField(name, first, 2, states)


CONFIDENCE = "none, low, medium, high"

PRODUCTS: dict[str, Product] = {
    product.name: product
    for product in (
        Product(
            "glad",
            "GLAD Landsat ARD, quality flag",
            0,
            codes={
                0: State("no data", Q.NODATA),
                1: State("land", Q.CLEAR),
                2: State("water", Q.CLEAR | Q.WATER),
                3: State("cloud", Q.CLOUD),
                4: State("cloud shadow", Q.SHADOW),
                5: State("topographic shadow", Q.TOPOGRAPHIC_SHADOW),
                6: State("snow or ice", Q.SNOW),
                7: State("haze", Q.HAZE),
                8: State("cloud proximity", Q.CLOUD_ADJACENT),
                9: State("shadow proximity", Q.SHADOW_ADJACENT),
                10: State("other shadows", Q.SHADOW),
                11: State("additional cloud proximity, land", Q.CLOUD_ADJACENT),
                12: State("additional cloud proximity, water", Q.CLOUD_ADJACENT | Q.WATER),
                13: State("undefined", Q.UNDEFINED),
                14: State("additional shadow proximity, land", Q.SHADOW_ADJACENT),
                15: State("land; water detected but not used", Q.CLEAR),
                16: State("additional cloud proximity, land", Q.CLOUD_ADJACENT),
                17: State("additional shadow proximity, land", Q.SHADOW_ADJACENT),
            },
        ),
        Product(
            "force",
            "FORCE, quality assurance information (QAI)",
            1,
            65536,
            fields=(
                _flag(0, "no data", Q.NODATA, "NODATA"),
                BitField(
                    "cloud",
                    1,
                    2,
                    {
                        1: State("cloud, less confident (buffer)", Q.CLOUD_ADJACENT, "CLOUD_BUFFER"),
                        2: State("cloud, opaque", Q.CLOUD, "CLOUD_OPAQUE"),
                        3: State("cirrus", Q.HAZE, "CLOUD_CIRRUS"),
                    },
                ),
                _flag(3, "cloud shadow", Q.SHADOW, "CLOUD_SHADOW"),
                _flag(4, "snow", Q.SNOW, "SNOW"),
                _flag(5, "water", Q.WATER, "WATER"),
                BitField(
                    "aerosol",
                    6,
                    2,
                    {
                        1: State("aerosol interpolated", keyword="AOD_INT"),
                        2: State("aerosol high", Q.AEROSOL_HIGH, "AOD_HIGH"),
                        3: State("aerosol filled", keyword="AOD_FILL"),
                    },
                ),
                _flag(8, "reflectance below zero", Q.SUBZERO, "SUBZERO"),
                _flag(9, "saturated, or reflectance above one", Q.DEFECTIVE, "SATURATION"),
                _flag(10, "sun lower than 15 degrees", keyword="SUN_LOW"),
                BitField(
                    "illumination",
                    11,
                    2,
                    {
                        1: State("incidence 55 to 80 degrees", keyword="ILLUMIN_LOW"),
                        2: State("incidence 80 to 90 degrees", keyword="ILLUMIN_POOR"),
                        3: State("incidence above 90 degrees", Q.TOPOGRAPHIC_SHADOW, "ILLUMIN_NONE"),
                    },
                ),
                _flag(13, "slope, enhanced C-correction", keyword="SLOPED"),
                _flag(14, "water vapour filled", keyword="WVP_NONE"),
            ),
        ),
        Product(
            "hls",
            "HLS v2.0, Fmask",
            255,
            codes={255: State("fill", Q.NODATA)},
            fields=(
                _flag(0, "cirrus (reserved)", Q.HAZE),
                _flag(1, "cloud", Q.CLOUD),
                _flag(2, "adjacent to cloud or shadow", Q.CLOUD_ADJACENT | Q.SHADOW_ADJACENT),
                _flag(3, "cloud shadow", Q.SHADOW),
                _flag(4, "snow or ice", Q.SNOW),
                _flag(5, "water", Q.WATER),
                _levels("aerosol", 6, "climatology, low, moderate, high", {3: Q.AEROSOL_HIGH}),
            ),
        ),
        Product(
            "scl",
            "Sentinel-2 level 2A, scene classification (SCL)",
            0,
            codes={
                0: State("no data", Q.NODATA),
                1: State("saturated or defective", Q.DEFECTIVE),
                2: State("dark area or cast shadow", Q.TOPOGRAPHIC_SHADOW),
                3: State("cloud shadow", Q.SHADOW),
                4: State("vegetation", Q.CLEAR),
                5: State("not vegetated", Q.CLEAR),
                6: State("water", Q.CLEAR | Q.WATER),
                7: State("unclassified", Q.CLEAR),
                8: State("cloud, medium probability", Q.CLOUD),
                9: State("cloud, high probability", Q.CLOUD),
                10: State("thin cirrus", Q.HAZE),
                11: State("snow or ice", Q.SNOW),
            },
        ),
        Product(
            "landsat-c2",
            "Landsat Collection 2 level 2, QA_PIXEL",
            1,
            65536,
            codes={0: State("nothing told", Q.UNDEFINED)},
            fields=(
                _flag(0, "fill", Q.NODATA),
                _flag(1, "dilated cloud", Q.CLOUD_ADJACENT),
                _flag(2, "cirrus, high confidence", Q.HAZE),
                _flag(3, "cloud", Q.CLOUD),
                _flag(4, "cloud shadow", Q.SHADOW),
                _flag(5, "snow", Q.SNOW),
                _flag(6, "neither cloud nor dilated cloud"),
                _flag(7, "water", Q.WATER),
                _levels("cloud confidence", 8, CONFIDENCE, {}),
                _levels("shadow confidence", 10, CONFIDENCE, {}),
                _levels("snow confidence", 12, CONFIDENCE, {}),
                _levels("cirrus confidence", 14, CONFIDENCE, {}),
            ),
        ),
        Product(
            "landsat-c2-radsat",
            "Landsat Collection 2, QA_RADSAT, beside QA_PIXEL",
            0,
            65536,
            fields=(
                *(_flag(band - 1, f"band {band} saturated", Q.DEFECTIVE) for band in (1, 2, 3, 4, 5, 6, 7, 9)),
                _flag(11, "hidden behind terrain", Q.DEFECTIVE),
            ),
            tells_clear=False,
        ),
        Product(
            "landsat-c2-aerosol",
            "Landsat Collection 2, SR_QA_AEROSOL (OLI), beside QA_PIXEL",
            1,
            fields=(
                _flag(0, "fill", Q.NODATA),
                _flag(1, "aerosol retrieved"),
                _flag(2, "water", Q.WATER),
                _flag(5, "aerosol interpolated"),
                _levels("aerosol", 6, "climatology, low, medium, high", {3: Q.AEROSOL_HIGH}),
            ),
            tells_clear=False,
        ),
        Product(
            "landsat-c1",
            "Landsat Collection 1 level 2, pixel_qa",
            1,
            65536,
            codes={0: State("nothing told", Q.UNDEFINED)},
            fields=(
                _flag(0, "fill", Q.NODATA),
                _flag(1, "clear"),
                _flag(2, "water", Q.WATER),
                _flag(3, "cloud shadow", Q.SHADOW),
                _flag(4, "snow", Q.SNOW),
                _flag(5, "cloud", Q.CLOUD),
                _levels("cloud confidence", 6, CONFIDENCE, {}),
                _levels("cirrus confidence", 8, CONFIDENCE, {3: Q.HAZE}),
                _flag(10, "hidden behind terrain", Q.DEFECTIVE),
            ),
        ),
        Product(
            "landsat-c1-bqa",
            "Landsat Collection 1 level 1, BQA",
            1,
            65536,
            fields=(
                _flag(0, "fill", Q.NODATA),
                _flag(1, "hidden behind terrain, or dropped", Q.DEFECTIVE),
                _levels("saturated bands", 2, "none, 1 or 2, 3 or 4, 5 or more", dict.fromkeys((1, 2, 3), Q.DEFECTIVE)),
                _flag(4, "cloud", Q.CLOUD),
                _levels("cloud confidence", 5, "not determined, low, medium, high", {0: Q.UNDEFINED}),
                _levels("shadow confidence", 7, "not determined, low, medium, high", {3: Q.SHADOW}),
                _levels("snow confidence", 9, "not determined, low, medium, high", {3: Q.SNOW}),
                _levels("cirrus confidence", 11, "not determined, low, medium, high", {3: Q.HAZE}),
            ),
        ),
    )
}


def product_(name: str | Product) -> Product:
    """A product by its name. Raises QualityError.

    >>> product_("scl").title
    'Sentinel-2 level 2A, scene classification (SCL)'
    """
    if isinstance(name, Product):
        return name
    if name not in PRODUCTS:
        near = difflib.get_close_matches(name, PRODUCTS, n=1, cutoff=0)[0]
        raise QualityError.sentence("decode", "quality codes", "their product", repr(name), f"write {near!r}")
    return PRODUCTS[name]


@cache
def words_of_all(name: str) -> npt.NDArray[np.uint16]:
    """(65536,) the words of every code of a product: a lookup that must not be written to.

    A code with NODATA says nothing else; a code that the product does not have is UNDEFINED.
    """
    product = product_(name)
    every = np.arange(product.size)
    words = np.zeros(65536, dtype=np.uint16)
    words[product.size :] = Q.UNDEFINED
    told = words[: product.size]
    if not product.fields:
        told[:] = Q.UNDEFINED
    for bits in product.fields:
        for number, state in bits.states.items():
            told[(every >> bits.first & (1 << bits.bits) - 1) == number] |= np.uint16(state.words)
    for code, state in product.codes.items():
        told[code] = state.words
    if product.fields and product.tells_clear:
        told[(told & OBSTRUCTED) == 0] |= np.uint16(Q.CLEAR)
    words[(words & Q.NODATA) != 0] = Q.NODATA
    words.flags.writeable = False
    return words


def explain(code: int, *, product: str) -> tuple[str, ...]:
    """What one code says, in the archive's terms.

    >>> explain(28672, product="force")
    ('incidence 80 to 90 degrees', 'slope, enhanced C-correction', 'water vapour filled')
    """
    table = product_(product)
    if code in table.codes:
        return (table.codes[code].text,)
    if not 0 <= code < table.size or not table.fields:
        return ("undefined",)
    found = [bits.states.get(bits.of(code)) for bits in table.fields]
    return tuple(state.text for state in found if state is not None)
