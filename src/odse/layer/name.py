"""Layer names: the printed form of a layer, in the two conventions of ODSE (v1) and OpenLandMap (v2).

Read in this order: ``codes`` says what each field may hold, ``timecode`` what its time means, ``grammar`` reads strictly,
``repair`` makes irregular names regular, this module has the noun, its parser and its printer, ``convert`` goes from one convention
to the other.

``format_layer_name(parse_layer_name(text)) == text`` for every name the strict parser accepts.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from odse.errors import LayerNameError, PeriodError
from odse.layer.codes import ANY, FIELDS, RULES, Convention, type_of
from odse.layer.depth import Depth, parse_depth
from odse.layer.grammar import check_fields, refusal, stem_of, strict_fields
from odse.layer.period import Period, format_time
from odse.layer.repair import mend
from odse.layer.timecode import format_day, parse_days, parse_time


@dataclass(frozen=True, eq=False)
class LayerName:
    """What a layer's name says, field by field. Names that differ in capitals only are equal; each is printed as given."""

    variable: str
    method: str
    """Method or source; v2 calls it procedure."""
    type: str
    resolution: str
    """As printed: 30m, 1km."""
    depth: Depth
    period: Period | None
    """None: the wildcard `*`, any date of the series."""
    area: str | None
    """None, as CRS and version: the name has none."""
    epsg: int | None
    version: str | None
    """An opaque token; in v2 the day it was made."""
    theme: str | None = None
    """None in v2, which has no themes; ``unknown`` where a v1 name lacks it."""
    convention: Convention = "v1"
    time: str = ""
    """The time as printed, where that is not the period's own form (201903)."""
    attributes: tuple[tuple[str, str], ...] = ()
    """What stands in the name and is no field: the tile of a prediction and its suffix."""
    placeholders: tuple[tuple[str, str], ...] = ()
    """(field, as printed) of what is no value, as ``{year}``; the field itself is ``*``, any."""
    repairs: tuple[str, ...] = field(default=(), compare=False)
    """What the tolerant parser mended."""

    @classmethod
    def v1(
        cls,
        theme: str,
        variable: str,
        *,
        method: str,
        type: str,
        resolution_m: int,
        period: Period,
        area: str,
        depth: str = "0..0cm",
        epsg: int = 3035,
        version: str,
    ) -> LayerName:
        """A name in convention v1, checked.

        >>> str(LayerName.v1("lcv", "landcover.hcl", method="lucas.corine.eml", type="c", resolution_m=30,
        ...     period=Period.of_year(2019), area="eumap", version="v0.2"))
        'lcv_landcover.hcl_lucas.corine.eml_c_30m_0..0cm_2019_eumap_epsg3035_v0.2'
        """
        place = parse_depth(depth, "v1")
        name = cls(variable, method, type, _resolution(resolution_m), place, period, area, epsg, version, theme)
        return name_of_fields(name.fields)

    @classmethod
    def v2(
        cls,
        variable: str,
        *,
        method: str,
        type: str,
        resolution_m: int,
        period: Period,
        area: str,
        depth: str = "s",
        epsg: int = 4326,
        created: date,
    ) -> LayerName:
        """A name in convention v2, checked.

        >>> str(LayerName.v2("lclu", method="esacci.lc.l4", type="c", resolution_m=250, period=Period.of_year(2021), area="go",
        ...     created=date(2022, 10, 15)))
        'lclu_esacci.lc.l4_c_250m_s_20210101_20211231_go_epsg.4326_v20221015'
        """
        place, version = parse_depth(depth, "v2"), f"v{format_day(created)}"
        name = cls(
            variable, method, type, _resolution(resolution_m), place, period, area, epsg, version, convention="v2"
        )
        return name_of_fields(name.fields)

    def _key(self) -> tuple[Any, ...]:
        values = (getattr(self, one.name) for one in dataclasses.fields(self) if one.compare)
        return tuple(value.lower() if isinstance(value, str) else value for value in values)

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, LayerName) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def fields(self) -> dict[str, str]:
        """Field -> token, in the order of the name; where tiles have theirs, ``tile`` and ``suffix`` too.

        Raises LayerNameError for what the convention cannot say.
        """
        values = {
            "theme": self.theme or "unknown",
            "variable": self.variable,
            "method": self.method,
            "type": self.type,
            "resolution": self.resolution,
            "depth": self.depth.format(self.convention),
            "time": self.time or (format_time(self.period) if self.period else ANY),
            "begin": format_day(self.period.start) if self.period else ANY,
            "end": format_day(self.period.end) if self.period else ANY,
            "area": self.area,
            "crs": None if self.epsg is None else f"epsg{'.' if self.convention == 'v2' else ''}{self.epsg}",
            "version": self.version,
        } | dict(self.placeholders)
        tokens = {one: values[one] for one in FIELDS[self.convention]}
        for name, text in self.attributes:
            tokens[name] = f"tile.{text}" if name == "tile" else text
        order = [*FIELDS[self.convention][:7], "tile", "suffix", *FIELDS[self.convention][7:]]
        found = {one: value for one in order if (value := tokens.get(one)) is not None}
        if "tile" not in found and (lacking := [one for one in FIELDS[self.convention] if one not in found]):
            raise LayerNameError.sentence(
                "format", f"the name of {self.variable!r}", f"its {lacking[0]}", "missing", "give one"
            )
        return found

    @property
    def resolution_m(self) -> int:
        """Metres. Raises LayerNameError where a placeholder stands for it."""
        match = re.fullmatch(r"(\d+)(m|km)", self.resolution)
        if match is None:
            raise LayerNameError.sentence(
                "measure", f"layer {self}", "its resolution", self.resolution, "put a value in its place"
            )
        return int(match[1]) * (1000 if match[2] == "km" else 1)

    @property
    def asset_key(self) -> str:
        """``variable_type_depth``: the key of its STAC asset. Method and resolution are not in it, so keys can collide."""
        return f"{self.variable}_{self.type}_{self.depth.format(self.convention)}"

    @property
    def is_categorical(self) -> bool:
        """Whether its values are classes: the variable decides (dominant classes were published with type p), then the type."""
        words = self.variable.lower().split(".")
        return self.type in ("c", "cd") or (self.type in ("p", "f") and "hcl" in words and "prob" not in words)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader would misunderstand in the name.

        >>> text = "lcv_landcover.312_lucas.corine.slope_p_30m_0..0cm_2000_eumap_epsg3035_v0.1"
        >>> parse_layer_name(text).notes
        ('series 2000–2019',)
        """
        words = self.method.lower().split(".")
        notes = []
        if words[:2] == ["lucas", "corine"] and words[-1] in ("slope", "ols") and self.period == Period.of_year(2000):
            notes.append("series 2000–2019")
        if self.is_categorical and self.type == "p":
            notes.append("classes, not per cent")
        if self.convention == "v2" and (month := _MONTHS.get(words[-1])):
            notes.append(f"{month} of each year")
        return tuple(notes)

    def partner(self) -> LayerName | None:
        """The name of its uncertainty layer (type md), itself if it is one, None where there is none.

        Model outputs have a partner: p and m, and f of a class variable; observations, counts and inputs have none.
        """
        if self.type == "md":
            return self
        modelled = self.type in ("p", "m", "mf") or (self.type in ("f", "c") and "hcl" in self.variable.split("."))
        if not modelled or self.method.split(".")[-1] in ("osm",):
            return None
        return replace(self, type="md")

    def with_(self, **changes: Any) -> LayerName:
        """The same name with some fields changed; the spelling of a changed one goes with its old value."""
        gone = {"period": ("time", "begin", "end"), "epsg": ("crs",)}
        changed = {token for one in changes for token in gone.get(one, (one,))}
        kept = tuple(one for one in self.placeholders if one[0] not in changed)
        time = "" if "period" in changes else self.time
        return replace(self, **{"time": time, "placeholders": kept, **changes})

    def format(self) -> str:
        return format_layer_name(self)

    def __str__(self) -> str:
        return format_layer_name(self)

    def to_json(self) -> dict[str, Any]:
        """All that the name says, as JSON. The ``fields`` of a regular name are what :func:`name_of_fields` reads."""
        known, partner = type_of(self.type), self.partner()
        below = self.depth.kind in ("below", "above")
        return {
            "name": str(self),
            "convention": self.convention,
            "fields": self.fields,
            "period": [self.period.start.isoformat(), self.period.end.isoformat()] if self.period else None,
            "meaning": known.meaning if known else None,
            "categorical": self.is_categorical,
            "resolution_m": None if self.resolution == ANY else self.resolution_m,
            "depth": {"kind": self.depth.kind}
            | ({"top_cm": self.depth.top_cm, "bottom_cm": self.depth.bottom_cm} if below else {}),
            "epsg": self.epsg,
            "asset_key": self.asset_key,
            "partner": str(partner) if partner else None,
            "attributes": dict(self.attributes),
            "notes": list(self.notes),
            "repairs": list(self.repairs),
        }


_MONTHS = {
    "jan": "January", "feb": "February", "mar": "March", "apr": "April", "may": "May", "jun": "June", "jul": "July",
    "aug": "August", "sep": "September", "oct": "October", "nov": "November", "dec": "December",
}  # fmt: skip


def format_layer_name(name: LayerName) -> str:
    """The printed name, without extension. Raises LayerNameError for what its convention cannot say."""
    return "_".join(name.fields.values())


def parse_layer_name(text: str, *, tolerant: bool = False) -> LayerName:
    """The layer a name means. A path and an extension such as .tif are allowed.

    Strict mode raises LayerNameError saying which field broke which rule; tolerant mode mends what the reference lists
    as irregular and says so in ``repairs``.

    >>> parse_layer_name("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0.tif").period.start
    datetime.date(2018, 12, 2)
    """
    stem = stem_of(text)
    if not tolerant:
        convention, tokens = strict_fields(stem)
        check_fields(stem, convention, tokens)
        return _read(stem, convention, tokens)
    mended = mend(stem)
    check_fields(stem, mended.convention, mended.fields, excused=mended.excused)
    return replace(
        _read(stem, mended.convention, mended.fields),
        repairs=mended.repairs,
        attributes=mended.attributes,
        placeholders=mended.placeholders,
    )


def name_of_fields(tokens: Mapping[str, str]) -> LayerName:
    """The name of ten tokens by field, checked; v2 where ``begin`` or ``end`` is among them. The inverse of ``LayerName.fields``.

    Raises LayerNameError for a field that is missing, that the convention lacks, or that breaks its rule.
    """
    convention: Convention = "v2" if "begin" in tokens or "end" in tokens else "v1"
    wanted = FIELDS[convention]
    for one in [*wanted, *tokens]:
        if one not in wanted:
            raise LayerNameError.sentence(
                "format", f"a name of {convention}", "one of its fields", repr(one), f"use {', '.join(wanted)}"
            )
        if one not in tokens:
            raise LayerNameError.sentence("format", f"a name of {convention}", f"its {one}", "missing", "give one")
    stem = "_".join(tokens[one] for one in wanted)
    check_fields(stem, convention, tokens)
    return _read(stem, convention, tokens)


def _read(stem: str, convention: Convention, tokens: Mapping[str, str]) -> LayerName:
    """The noun of tokens that keep their rules. Raises for days that are none and for depths upside down."""
    try:
        depth = Depth("any") if tokens["depth"] == ANY else parse_depth(tokens["depth"], convention)
    except LayerNameError:
        raise refusal(stem, "its depth", repr(tokens["depth"]), RULES[convention]["depth"][1]) from None
    try:
        if convention == "v2":
            period, time = parse_days(tokens["begin"], tokens["end"]), ""
        else:
            period, time = parse_time(tokens["time"], method=tokens["method"])
    except PeriodError as error:
        value = f"{tokens['begin']} to {tokens['end']}" if convention == "v2" else repr(tokens["time"])
        raise refusal(stem, "its time", value, str(error).rpartition("; ")[2]) from None
    crs = tokens.get("crs", ANY)
    return LayerName(
        tokens["variable"],
        tokens["method"],
        tokens["type"],
        tokens["resolution"],
        depth,
        period,
        tokens.get("area"),
        None if crs == ANY else int(crs.removeprefix("epsg").removeprefix(".")),
        tokens.get("version"),
        tokens.get("theme"),
        convention,
        time,
    )


def _resolution(metres: int) -> str:
    return f"{metres // 1000}km" if metres % 1000 == 0 else f"{metres}m"
