"""Irregular names made regular: what ten years of catalogues and services hold, and how each is read.

Nothing is guessed: a missing theme stays ``unknown``, and what cannot be read for certain is refused. Every change is told.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from odse.errors import LayerNameError
from odse.layer.codes import ANY, FIELDS, RULES, TYPES, Convention, type_of
from odse.layer.grammar import is_v2, keeps, split

SOURCES = (
    "landsat", "sentinel", "lucas", "gedi", "anv", "pnv", "osm", "copernicus", "natura2000", "nuts", "corine", "et", "modis",
    "esacci", "glad", "odse",
)  # fmt: skip
"""First words of methods: where a variable ends when dots stand for underscores."""
_DAY = "[0-9]{8}"


class Mended(NamedTuple):
    """A name as regular fields, and what had to be done."""

    convention: Convention
    fields: dict[str, str]
    """Field -> token; ``*`` where the name holds a placeholder. Names of tiles end with their dates."""
    repairs: tuple[str, ...]
    excused: frozenset[str]
    """Fields that hold no value, or break a rule of their convention in a way that is understood."""
    attributes: tuple[tuple[str, str], ...]
    """What stands in the name and is no field: the tile and its suffix."""
    placeholders: tuple[tuple[str, str], ...]
    """(field, as printed) of what is no value."""


def mend(stem: str) -> Mended:
    """The fields of a regular or irregular name. Raises LayerNameError when they cannot be told apart.

    >>> mend("fire.disturbance_modis.mcd64a1_p_250m_0..0cm_*_eumap_epsg3035_v0.1").repairs
    ('theme missing: unknown', 'time *: any')
    """
    repairs: list[str] = []
    attributes: list[tuple[str, str]] = []
    convention, tokens = _arrange(stem, split(_geoserver(stem, repairs)), repairs, attributes)
    fields = dict(zip(FIELDS[convention], tokens, strict=False))
    placeholders = _placeholders(fields, repairs)
    excused = frozenset(
        [field for field, token in fields.items() if token == ANY]
        + [*_case(convention, fields, repairs), *_codes(convention, fields, repairs)]
    )
    return Mended(convention, fields, tuple(repairs), excused, tuple(attributes), placeholders)


def _arrange(
    stem: str, tokens: list[str], repairs: list[str], attributes: list[tuple[str, str]]
) -> tuple[Convention, list[str]]:
    """Convention and tokens in the order of its fields."""
    if len(tokens) > 7 and re.match(r"tile\.", tokens[7], re.IGNORECASE):
        return "v2", _without_tile(tokens, repairs, attributes)
    tokens = _with_joined_dates(tokens, repairs)
    if len(tokens) == 10:
        return ("v2" if is_v2(tokens) else "v1"), tokens
    if len(tokens) < 10 and (found := _dotted("_".join(tokens))):
        repairs.append("dots instead of underscores: split at known words")
        return "v1", found
    if len(tokens) == 9:
        repairs.append("theme missing: unknown")
        return "v1", ["unknown", *tokens]
    if len(tokens) == 8:
        repairs.append("area and CRS missing: an old name of eight fields")
        return "old", tokens
    raise LayerNameError.sentence(
        "parse", f"layer name {stem!r}", "the number of its fields", len(tokens), "write ten fields joined by _"
    )


def _geoserver(stem: str, repairs: list[str]) -> str:
    """``gh:lcv-ndvi-landsatXgladXard-p50-...`` with underscores and dots again; its time is empty."""
    match = re.fullmatch(r"(?:\w+:)?([^_:]+)", stem)
    if match is None or match[1].count("-") < 7:
        return stem
    repairs.append("GeoServer spelling: - read as _, X as a dot")
    return match[1].replace("-", "_").replace("X", ".")


def _without_tile(tokens: list[str], repairs: list[str], attributes: list[tuple[str, str]]) -> list[str]:
    """Fields of a tile of a prediction: the tile's id and what follows become attributes, unless area, CRS and version follow."""
    attributes.append(("tile", tokens[7].partition(".")[2]))
    repairs.append(f"tile {attributes[-1][1]}: kept as an attribute")
    rest = tokens[8:]
    if len(rest) == 3 and re.fullmatch(r"epsg\..+", rest[1], re.IGNORECASE):
        return [*tokens[:7], *rest]
    repairs.append("area, CRS and version missing: a tile")
    if rest:
        attributes.append(("suffix", "_".join(rest)))
    return tokens[:7]


def _with_joined_dates(tokens: list[str], repairs: list[str]) -> list[str]:
    """A v1 name with the two dates of v2: after a depth of v1, before a CRS without a dot."""
    for i, (depth, begin, end) in enumerate(zip(tokens, tokens[1:], tokens[2:], strict=False)):
        if (
            re.fullmatch(RULES["v1"]["depth"][0], depth)
            and re.fullmatch(_DAY, begin)
            and re.fullmatch(_DAY, end)
            and re.fullmatch(r"epsg[0-9]+", tokens[-2], re.IGNORECASE)
        ):
            repairs.append("two dates in a v1 name: joined")
            joined = "..".join(f"{day[:4]}.{day[4:6]}.{day[6:]}" for day in (begin, end))
            if (begin[4:], end[4:]) == ("0101", "1231"):
                joined = begin[:4] if begin[:4] == end[:4] else f"{begin[:4]}..{end[:4]}"
            return [*tokens[: i + 1], joined, *tokens[i + 3 :]]
    return tokens


def _dotted(stem: str) -> list[str] | None:
    """Fields of a v1 name in which some underscores are dots, or None where known words do not tell where they end."""
    form = {field: pattern for field, (pattern, _) in RULES["v1"].items()}
    types = "|".join(one.form for one in TYPES if "v1" in one.conventions)
    depth = r"0\.\.0cm|na|s[0-9]+\.\.[0-9]+cm"
    match = re.fullmatch(
        rf"(?P<theme>{form['theme']})[._](?P<words>.+?)[._](?P<type>{types})[._](?P<resolution>{form['resolution']})[._]"
        rf"(?P<depth>{depth})[._](?P<time>\*|{form['time']})[._](?P<area>{form['area']})[._](?P<crs>{form['crs']})[._]"
        rf"(?P<version>{form['version']})",
        stem,
    )
    if match is None:
        return None
    variable, underscore, method = match["words"].partition("_")
    if not underscore:
        words = match["words"].split(".")
        start = next((i for i, word in enumerate(words) if i and word in SOURCES), None)
        if start is None:
            return None
        variable, method = ".".join(words[:start]), ".".join(words[start:])
    return [match["theme"], variable, method, *(match[field] for field in FIELDS["v1"][3:])]


def _placeholders(fields: dict[str, str], repairs: list[str]) -> tuple[tuple[str, str], ...]:
    """Fields that hold ``*``, ``{word}`` or, for a time, nothing: each becomes ``*``; of two dates, both do."""
    found = []
    times = [field for field in ("time", "begin", "end") if field in fields]
    for field, token in fields.items():
        if token == ANY or (not token and field in times):
            repairs.append(f"{field} {token or 'empty'}: any")
        elif re.search(r"\*|\{[^{}]*\}", token):
            repairs.append(f"{field} {token}: a placeholder")
        else:
            continue
        fields[field] = ANY
        if field not in times or token not in (ANY, ""):
            found.append((field, token))
    if len(times) == 2 and [fields[one] for one in times].count(ANY) == 1:
        known = next(one for one in times if fields[one] != ANY)
        found.append((known, fields[known]))
        fields[known] = ANY
    return tuple(found)


def _case(convention: Convention, fields: dict[str, str], repairs: list[str]) -> list[str]:
    """Capitals: kept in words and in versions, which have no other spelling; read as small letters in codes."""
    kept = []
    for field, token in fields.items():
        if token == token.lower():
            continue
        if field not in ("variable", "method", "area", "version"):
            fields[field] = token.lower()
            repairs.append(f"{field} in capitals: read in small letters")
        elif keeps("v1" if field == "version" else convention, field, token.lower()):
            kept.append(field)
            repairs.append(f"{field} in mixed case: kept as printed")
    return kept


def _codes(convention: Convention, fields: dict[str, str], repairs: list[str]) -> list[str]:
    """Codes whose meaning is plain although the convention lacks them."""

    def breaks(field: str) -> bool:
        token = fields.get(field, ANY).lower()
        return token != ANY and not keeps(convention, field, token)

    kept = []
    if convention != "v2" and breaks("theme") and re.fullmatch("[a-z]+", fields["theme"]):
        kept.append("theme")
        if fields["theme"] != "unknown":
            repairs.append(f"theme {fields['theme']} is not on the list: kept as printed")
        elif "theme missing: unknown" not in repairs:
            repairs.append("theme unknown")
    if breaks("type") and type_of(fields["type"]):
        kept.append("type")
        repairs.append(f"type {fields['type']} is not of {convention}: kept as printed")
    if convention == "v1" and breaks("depth") and re.fullmatch(r"s[0-9]+\.\.[0-9]+cm", fields["depth"]):
        kept.append("depth")
        repairs.append("an interval of depths in v1: kept as printed")
    if convention == "v2" and breaks("version") and keeps("v1", "version", fields["version"].lower()):
        kept.append("version")
        repairs.append("version is no date: kept as printed")
    return kept
