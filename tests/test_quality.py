"""Quality codes, exhaustively: every code of every product against plain conditionals written from the products' guides."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from odse.errors import QualityError
from odse.quality import (
    GLAD_PRESETS,
    GLAD_TABLE,
    MASKS,
    OBSTRUCTED,
    PRESETS,
    PRODUCTS,
    Quality,
    decode,
    decode_glad,
    explain,
    format_words,
    glad_mask,
    keep,
    masks_of,
    usable,
)

Q = Quality
PAGE = (Path(__file__).parents[1] / "docs" / "reference" / "quality.md").read_text(encoding="utf-8")
EVERY = np.arange(65536)
KEPT = {
    "ardglad": {1, 2, 15},
    "eumap": {1, 2, 5, 6},
    "skmap-production": {1, 2, 5, 6, 11, 12, 13, 14, 15, 16, 17},
}


def seen(found: set[Quality], clear: bool = True) -> int:
    """The words of a code that is not no-data, with CLEAR where nothing hides the pixel."""
    words = 0
    for word in found:
        words |= word
    hiding = found - {Q.WATER, Q.AEROSOL_HIGH}
    return words | (Q.CLEAR if clear and not hiding else 0)


def glad(code: int) -> int:
    words = {
        Q.NODATA: [0],
        Q.CLEAR: [1, 2, 15],
        Q.CLOUD: [3],
        Q.CLOUD_ADJACENT: [8, 11, 12, 16],
        Q.HAZE: [7],
        Q.SHADOW: [4, 10],
        Q.SHADOW_ADJACENT: [9, 14, 17],
        Q.TOPOGRAPHIC_SHADOW: [5],
        Q.SNOW: [6],
        Q.WATER: [2, 12],
        Q.UNDEFINED: [13],
    }
    return sum(word for word, codes in words.items() if code in codes) if code <= 17 else Q.UNDEFINED


def force(code: int) -> int:
    if code & 1:
        return Q.NODATA
    found = set()
    cloud = (code >> 1) & 3
    if cloud == 1:
        found.add(Q.CLOUD_ADJACENT)
    if cloud == 2:
        found.add(Q.CLOUD)
    if cloud == 3:
        found.add(Q.HAZE)
    for bit, word in ((8, Q.SHADOW), (16, Q.SNOW), (32, Q.WATER), (256, Q.SUBZERO), (512, Q.DEFECTIVE)):
        if code & bit:
            found.add(word)
    if (code >> 6) & 3 == 2:
        found.add(Q.AEROSOL_HIGH)
    if (code >> 11) & 3 == 3:
        found.add(Q.TOPOGRAPHIC_SHADOW)
    return seen(found)


def hls(code: int) -> int:
    if code > 255:
        return Q.UNDEFINED
    if code == 255:
        return Q.NODATA
    found = set()
    for bit, words in (
        (1, {Q.HAZE}),
        (2, {Q.CLOUD}),
        (4, {Q.CLOUD_ADJACENT, Q.SHADOW_ADJACENT}),
        (8, {Q.SHADOW}),
        (16, {Q.SNOW}),
        (32, {Q.WATER}),
    ):
        if code & bit:
            found |= words
    if code >= 192:
        found.add(Q.AEROSOL_HIGH)
    return seen(found)


def scl(code: int) -> int:
    rows = [Q.NODATA, Q.DEFECTIVE, Q.TOPOGRAPHIC_SHADOW, Q.SHADOW, Q.CLEAR, Q.CLEAR, Q.CLEAR | Q.WATER, Q.CLEAR]
    rows += [Q.CLOUD, Q.CLOUD, Q.HAZE, Q.SNOW]
    return rows[code] if code < 12 else Q.UNDEFINED


def landsat_c2(code: int) -> int:
    if code == 0:
        return Q.UNDEFINED
    if code & 1:
        return Q.NODATA
    rows = {2: Q.CLOUD_ADJACENT, 4: Q.HAZE, 8: Q.CLOUD, 16: Q.SHADOW, 32: Q.SNOW, 128: Q.WATER}
    return seen({word for bit, word in rows.items() if code & bit})


def landsat_c2_radsat(code: int) -> int:
    return Q.DEFECTIVE if code & 0b1001_0111_1111 or code & 2048 else 0


def landsat_c2_aerosol(code: int) -> int:
    if code > 255:
        return Q.UNDEFINED
    if code & 1:
        return Q.NODATA
    return (Q.WATER if code & 4 else 0) | (Q.AEROSOL_HIGH if code >= 192 else 0)


def landsat_c1(code: int) -> int:
    if code == 0:
        return Q.UNDEFINED
    if code & 1:
        return Q.NODATA
    found = {word for bit, word in {4: Q.WATER, 8: Q.SHADOW, 16: Q.SNOW, 32: Q.CLOUD}.items() if code & bit}
    if code & 0b11_0000_0000 == 0b11_0000_0000:
        found.add(Q.HAZE)
    if code & 1024:
        found.add(Q.DEFECTIVE)
    return seen(found)


def landsat_c1_bqa(code: int) -> int:
    if code & 1:
        return Q.NODATA
    found = set()
    if code & 0b1110:
        found.add(Q.DEFECTIVE)
    if code & 16:
        found.add(Q.CLOUD)
    if code // 32 % 4 == 0:
        found.add(Q.UNDEFINED)
    for place, word in ((128, Q.SHADOW), (512, Q.SNOW), (2048, Q.HAZE)):
        if code // place % 4 == 3:
            found.add(word)
    return seen(found)


NAIVE: dict[str, Callable[[int], int]] = {
    "glad": glad,
    "force": force,
    "hls": hls,
    "scl": scl,
    "landsat-c2": landsat_c2,
    "landsat-c2-radsat": landsat_c2_radsat,
    "landsat-c2-aerosol": landsat_c2_aerosol,
    "landsat-c1": landsat_c1,
    "landsat-c1-bqa": landsat_c1_bqa,
}


@cache
def naive(product: str) -> np.ndarray:
    """(65536,) the words of every code, one by one."""
    return np.array([NAIVE[product](code) for code in range(65536)])


GOLDEN = [
    ("force", 28672, Q.CLEAR),
    ("force", 1, Q.NODATA),
    ("force", 2, Q.CLOUD_ADJACENT),
    ("force", 4, Q.CLOUD),
    ("force", 6, Q.HAZE),
    ("force", 0b01_1000_0000_0000, Q.TOPOGRAPHIC_SHADOW),
    ("hls", 0, Q.CLEAR),
    ("hls", 4, Q.CLOUD_ADJACENT | Q.SHADOW_ADJACENT),  # bits 2 and 3 are what clients exchange
    ("hls", 8, Q.SHADOW),
    ("hls", 255, Q.NODATA),
    ("hls", 224, Q.CLEAR | Q.WATER | Q.AEROSOL_HIGH),
    ("scl", 7, Q.CLEAR),
    # What USGS prints as typical numbers
    ("landsat-c2", 1, Q.NODATA),
    ("landsat-c2", 21824, Q.CLEAR),
    ("landsat-c2", 21826, Q.CLOUD_ADJACENT),
    ("landsat-c2", 21952, Q.CLEAR | Q.WATER),
    ("landsat-c2", 22280, Q.CLOUD),
    ("landsat-c2", 23888, Q.SHADOW),
    ("landsat-c2", 30048, Q.SNOW),
    ("landsat-c2", 54596, Q.HAZE),
    ("landsat-c1", 66, Q.CLEAR),
    ("landsat-c1", 68, Q.CLEAR | Q.WATER),
    ("landsat-c1", 72, Q.SHADOW),
    ("landsat-c1", 80, Q.SNOW),
    ("landsat-c1", 112, Q.SNOW | Q.CLOUD),
    ("landsat-c1", 224, Q.CLOUD),
    ("landsat-c1", 322, Q.CLEAR),
    ("landsat-c1", 834, Q.HAZE),
    ("landsat-c1", 992, Q.CLOUD | Q.HAZE),
    ("landsat-c1", 1346, Q.DEFECTIVE),
    ("landsat-c1-bqa", 1, Q.NODATA),
    ("landsat-c1-bqa", 2720, Q.CLEAR),
    ("landsat-c1-bqa", 2724, Q.DEFECTIVE),
    ("landsat-c1-bqa", 2752, Q.CLEAR),  # cloud confidence medium, cloud bit not set
    ("landsat-c1-bqa", 2800, Q.CLOUD),
    ("landsat-c1-bqa", 2976, Q.SHADOW),
    ("landsat-c1-bqa", 3744, Q.SNOW),
    ("landsat-c1-bqa", 6816, Q.HAZE),
]


@pytest.mark.parametrize("product", PRODUCTS)
def test_every_code_of_every_product(product: str) -> None:
    words = decode(EVERY, product=product)
    assert words.dtype == np.uint16
    assert np.array_equal(words, naive(product)), np.flatnonzero(words != naive(product))[:9]


@pytest.mark.parametrize(("product", "code", "words"), GOLDEN)
def test_golden_codes(product: str, code: int, words: Quality) -> None:
    assert format_words(int(decode(np.array([code]), product=product)[0])) == format_words(words)


ROWS = {
    "glad": [{0}, {3}, {8, 11, 12, 16}, {7}, {4, 10}, {9, 14, 17}, {5}, {6}, {2, 12}],
    "scl": [{0}, {8, 9}, set(), {10}, {3}, set(), {2}, {11}, {6}],
}
COLUMNS = [Q.NODATA, Q.CLOUD, Q.CLOUD_ADJACENT, Q.HAZE, Q.SHADOW, Q.SHADOW_ADJACENT, Q.TOPOGRAPHIC_SHADOW, Q.SNOW]


@pytest.mark.parametrize("product", ROWS)
@pytest.mark.parametrize(("at", "word"), list(enumerate([*COLUMNS, Q.WATER])), ids=str)
def test_rows_of_the_vocabulary(product: str, at: int, word: Quality) -> None:
    assert set(np.flatnonzero(decode(EVERY, product=product) & word).tolist()) == ROWS[product][at]


@pytest.mark.parametrize(
    ("product", "field", "number"),
    [(name, bits, number) for name, one in PRODUCTS.items() for bits in one.fields for number in bits.states],
    ids=lambda value: str(getattr(value, "name", value)).replace(" ", "-"),
)
def test_every_row_of_bits(product: str, field: object, number: int) -> None:
    """A state alone says its words, and is told by explain."""
    state = field.states[number]  # type: ignore[attr-defined]
    code = number << field.first  # type: ignore[attr-defined]
    if code not in PRODUCTS[product].codes:
        words = Q(int(decode(np.array([code]), product=product)[0]))
        assert state.words & words == state.words
        assert state.text in explain(code, product=product)


def test_no_bit_belongs_to_two_fields() -> None:
    for product in PRODUCTS.values():
        taken = [bit for bits in product.fields for bit in range(bits.first, bits.first + bits.bits)]
        assert len(taken) == len(set(taken)) and all(bit < (8 if product.size == 256 else 16) for bit in taken)
        assert decode(np.array([product.nodata_code]), product=product.name)[0] & Q.NODATA or not product.tells_clear


def test_clear_is_the_absence_of_what_hides() -> None:
    for product in PRODUCTS.values():
        words = decode(EVERY, product=product.name)
        if product.tells_clear:
            assert np.array_equal((words & Q.CLEAR) != 0, (words & OBSTRUCTED) == 0)
        assert not (words[(words & Q.NODATA) != 0] != Q.NODATA).any()


def test_two_products_of_one_pixel_are_joined() -> None:
    words = decode(np.array([21824]), product="landsat-c2") | decode(np.array([4]), product="landsat-c2-radsat")
    assert words[0] & Q.DEFECTIVE and words[0] & MASKS["clear"]


@given(arrays(np.uint16, st.tuples(st.integers(0, 4), st.integers(0, 5))), st.sampled_from(sorted(PRODUCTS)))
def test_any_shape_against_a_loop_over_pixels(codes: np.ndarray, product: str) -> None:
    words, good = decode(codes, product=product), usable(codes, product=product)
    assert words.shape == good.shape == codes.shape and good.dtype == bool
    for at in np.ndindex(codes.shape):
        assert words[at] == NAIVE[product](int(codes[at]))
        assert good[at] == (not words[at] & OBSTRUCTED)


def test_types_of_codes() -> None:
    assert decode(np.array([-32768], dtype=np.int16), product="force")[0] == Q.CLEAR  # bit 15 is empty
    assert decode(np.array([65535], dtype=np.int64), product="landsat-c2")[0] == Q.NODATA
    for wrong, text in ((70000, "70000"), (-1, "-1")):
        with pytest.raises(
            QualityError, match=f"cannot decode quality codes, because one of them is {text}; give 0 to"
        ):
            decode(np.array([1, wrong]), product="scl")
    with pytest.raises(QualityError, match="because their type is float32; give integers"):
        decode(np.array([1.0], dtype=np.float32), product="scl")
    with pytest.raises(QualityError, match="because their product is 'slc'; write 'scl'"):
        decode(np.array([1]), product="slc")


def test_a_lookup_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        keep(product="scl", mask="odse-s2")[4] = 0


@pytest.mark.parametrize("preset", KEPT)
def test_presets_over_all_codes(preset: str) -> None:
    assert set(np.flatnonzero(glad_mask(preset)).tolist()) == KEPT[preset] == GLAD_PRESETS[preset]
    assert set(np.flatnonzero(keep(product="glad", mask=preset)).tolist()) == KEPT[preset]


def test_additional() -> None:
    assert set(np.flatnonzero(glad_mask("eumap", additional=True)).tolist()) == KEPT["eumap"] | set(range(11, 18))
    assert set(np.flatnonzero(glad_mask("eumap")).tolist()) == KEPT["eumap"]


def test_every_code_has_words() -> None:
    words = decode_glad(np.arange(256, dtype=np.uint8))
    assert (words[18:] == Quality.UNDEFINED).all() and words[0] == Quality.NODATA
    assert words[12] == Quality.CLOUD_ADJACENT | Quality.WATER and words[10] == Quality.SHADOW
    assert [GLAD_TABLE[code] for code in range(18)] == words[:18].tolist()


def test_unknown_preset() -> None:
    with pytest.raises(QualityError, match="cannot mask GLAD pixels, because the preset is 'eumpa'; write 'eumap'"):
        glad_mask("eumpa")
    with pytest.raises(QualityError, match="cannot mask scl pixels, because the mask is 'odse-s3'; write 'odse-s2'"):
        keep(product="scl", mask="odse-s3")
    with pytest.raises(QualityError, match="because the mask is 'eumap'"):
        keep(product="scl", mask="eumap")


FULL_BITS = {
    "force-default": lambda c: not (c & 1 or c & 6 or c & 8 or c & 16 or c & 256 or c & 512),
    "hls-default": lambda c: c < 255 and c & 0b1110 == 0,
    "landsat-c2-default": lambda c: c != 0 and c & 0b11111 == 0,
    "landsat-c1-default": lambda c: c != 0 and not c & 0b101001 and (c >> 8) & 3 != 3,
    "landsat-c1-bqa-default": lambda c: (
        not c & 0b11111 and (c >> 5) & 3 != 0 and (c >> 7) & 3 != 3 and (c >> 11) & 3 != 3
    ),
    "odse-s2": lambda c: c in {4, 5, 6, 7, 11},
    **{name: lambda c, kept=kept: c in kept for name, kept in KEPT.items()},
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_against_a_loop(name: str) -> None:
    kept = keep(product=PRESETS[name].product, mask=name)
    assert np.flatnonzero(kept).tolist() == [code for code in range(65536) if FULL_BITS[name](code)]


@pytest.mark.parametrize("product", [name for name, one in PRODUCTS.items() if one.tells_clear])
@pytest.mark.parametrize("name", MASKS)
def test_masks_against_a_loop(product: str, name: str) -> None:
    hiding = {
        "clear": ~(Q.CLEAR | Q.WATER | Q.AEROSOL_HIGH),
        "clear-or-snow": ~(Q.CLEAR | Q.WATER | Q.AEROSOL_HIGH | Q.SNOW),
        "not-cloudy": Q.NODATA | Q.UNDEFINED | Q.CLOUD | Q.CLOUD_ADJACENT | Q.HAZE | Q.SHADOW | Q.SHADOW_ADJACENT,
    }[name]
    kept = keep(product=product, mask=name)
    assert np.flatnonzero(kept).tolist() == np.flatnonzero((naive(product) & hiding) == 0).tolist()


def test_own_words() -> None:
    codes = np.arange(13)
    for mask in (["cloud", "topographic-shadow"], ["CLOUD", Q.TOPOGRAPHIC_SHADOW], Q.CLOUD | Q.TOPOGRAPHIC_SHADOW):
        good = usable(codes, product="scl", mask=mask)
        assert np.flatnonzero(good).tolist() == [1, 3, 4, 5, 6, 7, 10, 11]  # never no-data, never undefined
    assert np.flatnonzero(usable(codes, product="scl", mask=[])).tolist() == list(range(1, 12))
    with pytest.raises(QualityError, match="cannot mask pixels, because a word is 'clouds'; write 'cloud'"):
        usable(codes, product="scl", mask=["clouds"])


def test_keywords_of_force() -> None:
    default = [
        "NODATA",
        "CLOUD_OPAQUE",
        "CLOUD_BUFFER",
        "CLOUD_CIRRUS",
        "CLOUD_SHADOW",
        "SNOW",
        "SUBZERO",
        "SATURATION",
    ]
    assert np.array_equal(keep(product="force", mask=default), keep(product="force", mask="force-default"))
    further = {
        "WATER": lambda c: c >> 5 & 1,
        "AOD_INT": lambda c: c >> 6 & 3 == 1,
        "AOD_HIGH": lambda c: c >> 6 & 3 == 2,
        "AOD_FILL": lambda c: c >> 6 & 3 == 3,
        "SUN_LOW": lambda c: c >> 10 & 1,
        "ILLUMIN_LOW": lambda c: c >> 11 & 3 == 1,
        "ILLUMIN_POOR": lambda c: c >> 11 & 3 == 2,
        "ILLUMIN_NONE": lambda c: c >> 11 & 3 == 3,
        "SLOPED": lambda c: c >> 13 & 1,
        "WVP_NONE": lambda c: c >> 14 & 1,
    }
    for keyword, holds in further.items():
        kept = keep(product="force", mask=[keyword])
        assert np.array_equal(kept == 0, [bool(holds(c) or c & 1) for c in range(65536)]), keyword
    with pytest.raises(QualityError, match="a word is 'SUN_LOW'"):
        keep(product="hls", mask=["SUN_LOW"])


def test_what_one_code_says() -> None:
    assert explain(28672, product="force") == (
        "incidence 80 to 90 degrees",
        "slope, enhanced C-correction",
        "water vapour filled",
    )
    assert explain(9, product="scl") == ("cloud, high probability",) and explain(12, product="scl") == ("undefined",)
    assert "cloud" in explain(22280, product="landsat-c2") and "fill" in explain(255, product="hls")


def rows_on_page() -> list[str]:
    """What docs/reference/quality.md has to say, from the tables."""
    rows = []
    for name, words in MASKS.items():
        rows.append(f"| `{name}` | every product | {format_words(words)} | |")
    for name, preset in PRESETS.items():
        kept = ", ".join(map(str, sorted(preset.codes or ())))
        rows.append(f"| `{name}` | `{preset.product}` | {format_words(preset.rejects)} | {kept} |")
    for product in PRODUCTS.values():
        rows.append(f"### `{product.name}`: {product.title}")
        rows += [f"| {code} | {state.text} | {format_words(state.words)} |" for code, state in product.codes.items()]
        for bits in product.fields:
            for number, state in bits.states.items():
                value = f"{bits}" if bits.bits == 1 else f"{bits} = {number}"
                rows.append(f"| bit {value} | {state.text} | {format_words(state.words)} |")
    return rows


def test_the_page_says_what_the_tables_say() -> None:
    lines = [" ".join(line.split()) for line in PAGE.splitlines()]
    wanted = [" ".join(row.split()) for row in rows_on_page()]
    rows = [line for line in lines if line.startswith(("| bit", "| `", "### `")) or line[2:3].isdigit()]
    assert rows == wanted
    for name, preset in PRESETS.items():
        assert name in masks_of(preset.product) and set(MASKS) <= set(masks_of(preset.product))
