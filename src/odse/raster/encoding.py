"""How numbers become bytes: scale, offset and a no-data that no value can take.

Three kinds of numbers meet here. *Source numbers* are what the archive or a kernel holds (reflectance as DN
of 40000, kelvin x 100, per cent). *Stored numbers* are what stands in the file. *Unit numbers* are what they
mean (reflectance 0-1, kelvin, per cent): ``unit = stored * scale + offset``, the sense in which GDAL and STAC
use both words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from odse.errors import EncodingError

Array = npt.NDArray[Any]
Kind = Literal["reflectance", "thermal", "ndvi"]


@dataclass(frozen=True)
class Encoding:
    """One way of storing numbers; encode, decode and the range they hold.

    An encoding whose range holds its own no-data cannot be made; a value outside the range is an error, never
    a clip, except where the encoding says ``clips``.

    >>> byte = encoding_("byte-250")
    >>> byte.encode(np.array([1, 20000, 40000], dtype=np.uint16)).tolist()
    [0, 125, 250]
    >>> byte.decode(np.array([0, 125, 255], dtype=np.uint8)).tolist()
    [0.0, 0.5, nan]
    """

    name: str
    dtype: str
    scale: float
    offset: float
    nodata: int
    minimum: int
    """Smallest stored number that means something."""
    maximum: int
    unit: str = ""
    multiply: int = 1
    """stored = source * multiply / divide + add, rounded half up."""
    divide: int = 1
    add: int = 0
    floors: bool = False
    """Cut instead of rounded (``odse-v1``, ``ard2-bimonthly``)."""
    clips: bool = False
    """Values outside the range take its nearest end: ``odse-v1``, ``ard2-bimonthly`` and thermal bytes only."""

    def __post_init__(self) -> None:
        info = np.iinfo(self.dtype)
        for what, value in (("nodata", self.nodata), ("minimum", self.minimum), ("maximum", self.maximum)):
            if not info.min <= value <= info.max:
                raise EncodingError.sentence(
                    "make",
                    f"encoding {self.name}",
                    f"its {what}",
                    f"{value}, outside {self.dtype}",
                    "use a wider type",
                )
        if self.minimum <= self.nodata <= self.maximum:
            raise EncodingError.sentence(
                "make",
                f"encoding {self.name}",
                "its no-data",
                f"{self.nodata}, a value of its own range",
                "choose a no-data outside the range",
            )

    def encode(self, values: Array, mask: Array | None = None) -> Array:
        """Stored numbers of source numbers; the same shape.

        ``mask`` is True where there is no value; NaN and the mask of a masked array count as well. Raises
        EncodingError when a value lies outside the range, and so when it would meet no-data.
        """
        missing = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
        data = np.asarray(values)
        if mask is not None:
            missing = np.broadcast_to(mask, data.shape) if missing is None else missing | mask
        if data.dtype.kind == "f":
            nan = np.isnan(data)
            missing = nan if missing is None else missing | nan
            out = self._stored_floats(data)
        elif data.dtype in (np.uint8, np.uint16):
            out = self._table(data.dtype.str)[data]
        else:
            out = self._stored_integers(data)
        if missing is not None:
            out[missing] = self.nodata
            lost = (out == self.nodata) & ~missing
        else:
            lost = out == self.nodata
        if lost.any():
            worst = data[lost]
            raise EncodingError.sentence(
                "encode",
                f"values as {self.name}",
                "one of them",
                f"{worst.flat[0]!s}, outside {self._source_range()}",
                "mask it, or choose another encoding",
            )
        return out

    def decode(self, stored: Array) -> npt.NDArray[np.float32]:
        """Unit numbers (float32, the same shape) of stored numbers; NaN where there is no data.

        >>> encoding_("percent").decode(np.array([83, 255], dtype=np.uint8)).tolist()
        [83.0, nan]
        """
        data = np.asarray(stored)
        if data.dtype in (np.uint8, np.uint16) and data.dtype == np.dtype(self.dtype):
            known: npt.NDArray[np.float32] = self._units()[data]
            return known
        return self._decoded(data)

    def quantise(self, values: Array, mask: Array | None = None) -> npt.NDArray[np.float32]:
        """What of source numbers comes back after storing: unit numbers with NaN where there is no value."""
        return self.decode(self.encode(values, mask))

    def _decoded(self, data: Array) -> npt.NDArray[np.float32]:
        units: npt.NDArray[np.float64] = data.astype(np.float64) * self.scale + self.offset
        units[data == self.nodata] = np.nan
        return units.astype(np.float32)

    def _source_range(self) -> str:
        low = (self.minimum - self.add) * self.divide / self.multiply
        high = (self.maximum - self.add) * self.divide / self.multiply
        if low == high or (self.multiply, self.divide) == (1, 1):
            return f"{low:g}..{high:g}"
        half = 0 if self.floors else 0.5 * self.divide / self.multiply
        return f"{low - half:g}..{high + half:g}"

    def _finish(self, stored: npt.NDArray[np.int64]) -> Array:
        """Range check of wide integers; what does not fit becomes no-data, which encode() then refuses."""
        if self.clips:
            stored = np.clip(stored, self.minimum, self.maximum)
        fits = (stored >= self.minimum) & (stored <= self.maximum)
        return np.where(fits, stored, self.nodata).astype(self.dtype)

    def _stored_integers(self, data: Array) -> Array:
        wide = data.astype(np.int64)
        if self.divide == 1:
            return self._finish(wide * self.multiply + self.add)
        half = 0 if self.floors else self.divide
        return self._finish((2 * wide * self.multiply + half) // (2 * self.divide) + self.add)

    def _stored_floats(self, data: Array) -> Array:
        half = 0.0 if self.floors else 0.5
        exact = data.astype(np.float64) * self.multiply / self.divide + self.add
        limit = float(2**53)
        known = np.where(np.isfinite(exact), exact, np.where(exact > 0, limit, -limit))
        return self._finish(np.floor(np.clip(known, -limit, limit) + half).astype(np.int64))

    def _table(self, dtype: str) -> Array:
        return _stored_of_all(self, dtype)

    def _units(self) -> npt.NDArray[np.float32]:
        return _units_of_all(self)


@lru_cache(maxsize=32)
def _stored_of_all(encoding: Encoding, dtype: str) -> Array:
    """Stored number of every value of a small integer type: encoding a whole tile is one look-up."""
    return encoding._stored_integers(np.arange(np.iinfo(dtype).max + 1))


@lru_cache(maxsize=32)
def _units_of_all(encoding: Encoding) -> npt.NDArray[np.float32]:
    return encoding._decoded(np.arange(np.iinfo(encoding.dtype).max + 1))


_BYTE = Encoding("byte-250", "uint8", 1 / 250, 0.0, 255, 0, 250, "1", multiply=250, divide=40000)
_NDVI = Encoding("ndvi-byte", "uint8", 0.01, -1.0, 255, 0, 200, "1", multiply=100, add=100)
_WIDE = Encoding("uint16", "uint16", 1 / 40000, 0.0, 0, 1, 65535, "1")
# What ODSE published: cut, 0 raised to 1 to spare no-data, decoded to the middle of the step.
_ODSE = replace(_BYTE, name="odse-v1", scale=1 / 255, offset=0.5 / 255, nodata=0, minimum=1, maximum=255,
                multiply=255, floors=True, clips=True)  # fmt: skip
# The bimonthly composites of GLAD ARD-2: cut, decoded to the middle of the step; clipped where the original wrapped around 255.
_ARD2 = replace(_BYTE, name="ard2-bimonthly", offset=0.5 / 250, floors=True, clips=True)
_WHOLE = Encoding("count", "uint8", 1.0, 0.0, 255, 0, 254)

_ENCODINGS: dict[tuple[str, str], Encoding] = {
    (one.name, kind): one
    for kind, one in (
        ("reflectance", _BYTE),
        # 1.6 K a step; 408 K and more would not fit beside no-data, so thermal clips at 400 K.
        ("thermal", replace(_BYTE, scale=1.6, unit="K", clips=True)),
        ("ndvi", replace(_NDVI, name="byte-250")),
        ("reflectance", _WIDE),
        ("thermal", replace(_WIDE, scale=0.01, unit="K")),
        ("ndvi", replace(_WIDE, scale=0.0001, offset=-1.0001, maximum=20001, multiply=10000, add=10001)),
        ("reflectance", _ODSE),
        ("thermal", replace(_ODSE, scale=400 / 255, offset=200 / 255, unit="K")),
        ("ndvi", replace(_NDVI, name="odse-v1")),
        ("reflectance", _ARD2),
        ("thermal", replace(_ARD2, scale=1.6, offset=0.8, unit="K")),
        ("", replace(_WHOLE, name="percent", maximum=100, unit="%")),
        ("", replace(_WHOLE, name="class")),
        ("", _WHOLE),
        ("", replace(_WHOLE, name="flag")),
        ("", _NDVI),
    )
}


def encoding_(name: str | Encoding, *, kind: Kind = "reflectance") -> Encoding:
    """The encoding of a name; ``kind`` chooses among those that differ by what is measured. Raises
    EncodingError.

    ================== ====== ======== ======================================== ==================
    name               type   no-data  source numbers -> stored                 source
    ================== ====== ======== ======================================== ==================
    ``byte-250``       uint8  255      round(DN * 250 / 40000); thermal clipped design: house, 4
    ``uint16``         uint16 0        the archive's own                        GLAD ARD
    ``odse-v1``        uint8  0        floor(DN * 255 / 40000), 0 becomes 1     level3, section 3
    ``ard2-bimonthly`` uint8  255      floor(DN * 250 / 40000), clipped        level3, section 3
    ``percent``        uint8  255      0-100
    ``class``          uint8  255      legend values
    ``count``          uint8  255      0-254
    ``flag``           uint8  255      0-254
    ``ndvi-byte``      uint8  255      NDVI * 100 + 100                         level3, section 3
    ================== ====== ======== ======================================== ==================

    >>> encoding_("byte-250", kind="thermal").scale, encoding_("odse-v1").nodata
    (1.6, 0)
    """
    if isinstance(name, Encoding):
        return name
    found = _ENCODINGS.get((name, kind)) or _ENCODINGS.get((name, ""))
    if found is None:
        names = ", ".join(dict.fromkeys(one for one, _ in _ENCODINGS))
        raise EncodingError.sentence("find", "an encoding", "its name", repr(name), f"use one of {names}")
    return found


def source_encoding(name: str, *, kind: Kind, scale: float, offset: float) -> Encoding:
    """The encoding of a name for source numbers that mean ``number * scale + offset`` (reflectance, or kelvin).

    Bytes have the steps they have for GLAD's numbers, so composites of two archives compare; ``uint16`` keeps the source's own
    numbers. Raises EncodingError for another name.

    >>> source_encoding("byte-250", kind="reflectance", scale=1e-4, offset=0.0).encode(np.array([5000])).tolist()
    [125]
    >>> source_encoding("byte-250", kind="reflectance", scale=2.75e-5, offset=-0.2).encode(np.array([18639])).tolist()
    [78]
    """
    known = encoding_(name, kind=kind)
    if name == "uint16":
        counts = (scale, offset) == (1.0, 0.0)  # numbers of level 1 mean nothing yet
        return replace(known, scale=scale, offset=offset, unit="DN" if counts else known.unit)
    step = Fraction(str(known.scale)).limit_denominator(100_000)
    share = Fraction(str(scale)) / step
    shift = Fraction(str(offset)) / step
    whole = math.floor(shift)
    rest = float((shift - whole) * step)
    return replace(
        known, multiply=share.numerator, divide=share.denominator, add=whole, offset=round(known.offset + rest, 12)
    )
