"""What is stored comes back, and no value ever becomes no-data."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odse.errors import EncodingError
from odse.raster.encoding import Encoding, encoding_

ALL = [
    encoding_("byte-250"), encoding_("byte-250", kind="thermal"), encoding_("byte-250", kind="ndvi"),
    encoding_("uint16"), encoding_("uint16", kind="thermal"), encoding_("uint16", kind="ndvi"),
    encoding_("odse-v1"), encoding_("odse-v1", kind="thermal"), encoding_("odse-v1", kind="ndvi"),
    encoding_("percent"), encoding_("class"), encoding_("count"), encoding_("flag"), encoding_("ndvi-byte"),
    encoding_("ard2-bimonthly"), encoding_("ard2-bimonthly", kind="thermal"),
]  # fmt: skip


def exact(encoding: Encoding, value: Fraction) -> int | None:
    """The definition, one number at a time in exact arithmetic; None where it does not fit."""
    number = value * encoding.multiply / encoding.divide + encoding.add
    stored = (number if encoding.floors else number + Fraction(1, 2)).__floor__()
    if encoding.clips:
        stored = min(max(stored, encoding.minimum), encoding.maximum)
    return stored if encoding.minimum <= stored <= encoding.maximum else None


def test_goldens_of_odse_v1() -> None:
    dn = np.array([1, 156, 157, 313, 314, 20000, 30000, 40000], dtype=np.uint16)
    assert encoding_("odse-v1").encode(dn).tolist() == [1, 1, 1, 1, 2, 127, 191, 255]
    # 300 K is 191, and the formula's decoding is the middle of the step: (b + 1/2) * 40000 / 255 hundredths of K.
    assert encoding_("odse-v1", kind="thermal").encode(np.array([30000], dtype=np.uint16)).tolist() == [191]
    decoded = encoding_("odse-v1", kind="thermal").decode(np.array([191], dtype=np.uint8))
    assert decoded[0] == pytest.approx(191.5 * 400 / 255, abs=1e-4)


def test_goldens_of_odse_v1_ndvi_and_clipping() -> None:
    ndvi = encoding_("odse-v1", kind="ndvi")
    assert ndvi.encode(np.array([-1.0, -0.994, -0.5, 0.0, 0.25, 1.0, np.nan])).tolist() == [
        0,
        1,
        50,
        100,
        125,
        200,
        255,
    ]
    assert np.array_equal(ndvi.decode(np.array([0, 150, 200, 255], np.uint8)), [-1.0, 0.5, 1.0, np.nan], equal_nan=True)
    thermal = encoding_("odse-v1", kind="thermal")
    assert thermal.encode(np.array([39999, 40000, 40001, 65535], dtype=np.uint16)).tolist() == [254, 255, 255, 255]
    assert thermal.encode(np.array([30000], dtype=np.uint16), mask=np.array([True])).tolist() == [0]


def test_goldens_of_ard2_bimonthly() -> None:
    dn = np.array([0, 1, 159, 160, 319, 320, 20000, 39999, 40000, 40001], dtype=np.uint16)
    stored = [0, 0, 0, 1, 1, 2, 125, 249, 250, 250]
    assert (
        encoding_("ard2-bimonthly").encode(dn).tolist()
        == stored
        == np.minimum(dn.astype(int) * 250 // 40000, 250).tolist()
    )
    thermal = encoding_("ard2-bimonthly", kind="thermal")
    # 300 K; 408 K and more would be 255 and then wrap around: clipped.
    assert thermal.encode(np.array([30000, 40799, 40800, 40960, 65535], dtype=np.uint16)).tolist() == [
        187,
        250,
        250,
        250,
        250,
    ]
    assert thermal.encode(np.array([np.nan])).tolist() == [255]
    assert thermal.decode(np.array([187], dtype=np.uint8))[0] == pytest.approx(187.5 * 1.6)


def test_goldens_of_bytes() -> None:
    byte = encoding_("byte-250")
    assert byte.encode(np.array([0, 79, 80, 239, 240, 40000], dtype=np.uint16)).tolist() == [
        0,
        0,
        1,
        1,
        2,
        250,
    ]
    assert encoding_("byte-250", kind="thermal").encode(np.array([30000, 65535], dtype=np.uint16)).tolist() == [
        188,
        250,
    ]
    assert encoding_("ndvi-byte").encode(np.array([-1.0, 0.0, 1.0, np.nan])).tolist() == [0, 100, 200, 255]
    assert encoding_("percent").encode(np.array([0, 100], dtype=np.uint8)).tolist() == [0, 100]


@pytest.mark.parametrize("encoding", ALL, ids=lambda e: f"{e.name}-{e.unit}")
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_value_meets_nodata(encoding: Encoding, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16", "int32", "float32", "float64"]))
    if dtype.startswith("float"):
        width = 32 if dtype == "float32" else 64
        value = data.draw(st.floats(-70000, 70000, width=width))
    else:
        value = data.draw(st.integers(np.iinfo(dtype).min, np.iinfo(dtype).max))
    array = np.array([value], dtype=dtype)
    wanted = exact(encoding, Fraction(value))
    try:
        stored = int(encoding.encode(array)[0])
    except EncodingError:
        stored = None
    assert stored != encoding.nodata
    if dtype.startswith("float") and wanted != stored:
        # A float exactly between two steps may fall to either side by one rounding of binary arithmetic.
        near = Fraction(value) * encoding.multiply / encoding.divide
        assert abs((near * 2) - round(near * 2)) < Fraction(1, 10**6)
    else:
        assert stored == wanted


@pytest.mark.parametrize("encoding", ALL, ids=lambda e: f"{e.name}-{e.unit}")
def test_every_small_integer_agrees_with_the_definition(encoding: Encoding) -> None:
    values = np.arange(65536).astype(np.uint16)
    wanted = [exact(encoding, Fraction(int(v))) for v in values[::97]]
    fits = np.array([w is not None for w in wanted])
    masked = encoding.encode(values[::97], mask=~fits)
    assert [int(v) for v in masked[fits]] == [w for w in wanted if w is not None]
    assert (masked[~fits] == encoding.nodata).all()


@pytest.mark.parametrize("encoding", ALL, ids=lambda e: f"{e.name}-{e.unit}")
def test_every_stored_value_is_decoded_and_encodes_to_itself(encoding: Encoding) -> None:
    stored = np.arange(encoding.minimum, encoding.maximum + 1).astype(encoding.dtype)
    units = encoding.decode(stored)
    assert np.isfinite(units).all()
    assert np.allclose(units, stored * encoding.scale + encoding.offset, rtol=1e-6)
    if not encoding.floors and encoding.dtype == "uint8":
        source = (stored.astype(np.float64) - encoding.add) * encoding.divide / encoding.multiply
        assert np.array_equal(encoding.encode(source), stored)
    assert np.isnan(encoding.decode(np.array([encoding.nodata], dtype=encoding.dtype))).all()


def test_quantising_twice_changes_nothing_and_errs_by_half_a_step() -> None:
    byte = encoding_("byte-250")
    dn = np.arange(1, 40001).astype(np.uint16)
    once = byte.quantise(dn)
    assert np.abs(once - dn / 40000).max() <= 0.5 / 250 + 1e-7
    assert np.array_equal(byte.quantise(once * 40000.0), once)


def test_masks_of_all_kinds() -> None:
    byte = encoding_("byte-250")
    hidden = np.ma.masked_equal(np.array([[0, 160]], dtype=np.uint16), 0)
    assert byte.encode(hidden).tolist() == [[255, 1]]
    assert byte.encode(np.array([65000, 160], dtype=np.uint16), mask=np.array([True, False])).tolist() == [
        255,
        1,
    ]
    assert byte.encode(np.array([np.nan, 160.0])).tolist() == [255, 1]


@pytest.mark.parametrize(
    ("name", "values", "text"),
    [
        ("byte-250", np.array([45000], dtype=np.uint16), "one of them is 45000, outside -80..40080"),
        ("uint16", np.array([0], dtype=np.uint16), "one of them is 0, outside 1..65535"),
        ("percent", np.array([101], dtype=np.uint8), "one of them is 101, outside 0..100"),
        ("class", np.array([255], dtype=np.uint8), "one of them is 255, outside 0..254"),
        ("percent", np.array([np.inf]), "one of them is inf"),
    ],
)
def test_a_value_outside_is_refused(name: str, values: np.ndarray, text: str) -> None:
    with pytest.raises(EncodingError, match="cannot encode values as") as caught:
        encoding_(name).encode(values)
    assert text in str(caught.value)


def test_an_encoding_whose_range_holds_nodata_cannot_be_made() -> None:
    with pytest.raises(EncodingError, match="its no-data is 0, a value of its own range"):
        Encoding("bad", "uint8", 1.0, 0.0, 0, 0, 250)
    with pytest.raises(EncodingError, match="its maximum is 300, outside uint8"):
        Encoding("bad", "uint8", 1.0, 0.0, 255, 0, 300)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(EncodingError, match="use one of byte-250, uint16, odse-v1, ard2-bimonthly, percent"):
        encoding_("byte")
