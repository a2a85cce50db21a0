"""The strict reading of layer names: text to ten fields, each held against its rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath

from odse.errors import LayerNameError
from odse.layer.codes import EXTENSIONS, FIELDS, LONGEST, RULES, THEMES, Convention


def stem_of(text: str) -> str:
    """The name in a path: without folders and without extension, which is no part of the version.

    >>> stem_of("maps/lcv_ndvi_v1.0.tif"), stem_of("lcv_ndvi_v1.0")
    ('lcv_ndvi_v1.0', 'lcv_ndvi_v1.0')
    """
    stem = PurePosixPath(text.strip().replace("\\", "/")).name
    extension = next((one for one in EXTENSIONS if stem.lower().endswith(one)), "")
    return stem[: len(stem) - len(extension)]


def split(stem: str) -> list[str]:
    """The fields of a name; underscores within braces, as in ``{estimation_type}``, part nothing.

    >>> split("lcv_ndvi_{estimation_type}")
    ['lcv', 'ndvi', '{estimation_type}']
    """
    return re.split(r"_(?![^{}]*\})", stem)


def is_v2(fields: list[str]) -> bool:
    """Whether ten fields are meant as v2: by a CRS with a dot, or by two days one after the other."""
    return re.fullmatch(r"epsg\..+", fields[8], re.IGNORECASE) is not None or all(
        re.fullmatch("[0-9]{8}", one) for one in fields[5:7]
    )


def strict_fields(stem: str) -> tuple[Convention, dict[str, str]]:
    """Convention and tokens by field. Raises LayerNameError for another number of them than ten."""
    tokens = split(stem)
    if len(tokens) != 10:
        raise refusal(stem, "the number of its fields", _count(stem, tokens), "write ten, joined by _")
    convention: Convention = "v2" if is_v2(tokens) else "v1"
    return convention, dict(zip(FIELDS[convention], tokens, strict=True))


def keeps(convention: Convention, field: str, token: str) -> bool:
    """Whether a token keeps the rule of its field; the version of v2 is a day of the calendar as well.

    >>> keeps("v1", "type", "p50"), keeps("v2", "version", "v20230231")
    (True, False)
    """
    if re.fullmatch(RULES[convention][field][0], token) is None:
        return False
    if convention == "v2" and field == "version":
        try:
            date(int(token[1:5]), int(token[5:7]), int(token[7:]))
        except ValueError:
            return False
    return True


def check_fields(
    stem: str, convention: Convention, tokens: Mapping[str, str], *, excused: frozenset[str] = frozenset()
) -> None:
    """Raises LayerNameError for the first field that breaks its rule and is not excused."""
    for field in FIELDS[convention]:
        if field in tokens and field not in excused and not keeps(convention, field, tokens[field]):
            raise refusal(stem, f"its {field}", repr(tokens[field]), RULES[convention][field][1])
    if convention == "v2" and not excused and len(stem) > LONGEST:
        raise refusal(stem, "its length", len(stem), f"stay within {LONGEST} characters")


def refusal(stem: str, what: str, value: object, remedy: str) -> LayerNameError:
    """The sentence about a name."""
    return LayerNameError.sentence("parse", f"layer name {stem!r}", what, value, remedy)


def _count(stem: str, tokens: list[str]) -> str:
    """How many fields there are, and what that probably is."""
    reason = ""
    if ":" in stem or stem.count("-") >= 7:
        reason = " (the spelling of GeoServer)"
    elif re.match(rf"({'|'.join(THEMES)})\.", stem):
        reason = " (its theme ends with a dot)"
    elif any(one.startswith("tile.") for one in tokens):
        reason = " (its area, CRS and version are missing: a tile)"
    elif len(tokens) == 9 and tokens[0] not in THEMES:
        reason = " (its theme is missing)"
    elif len(tokens) == 8 and tokens[0] in THEMES:
        reason = " (its area and CRS are missing)"
    elif len(tokens) == 11 and all(re.fullmatch("[0-9]{8}", one) for one in tokens[6:8]):
        reason = " (its time is two fields)"
    return f"{len(tokens)}{reason}"
