"""Layer names: the printed form of a layer, in the two conventions of ODSE (v1) and OpenLandMap (v2).

v1: ``theme_variable_method_type_resolution_depth_time_area_crs_version``
v2: ``variable_procedure_type_support_depth_begin_end_bbox_epsg_version``

``format_layer_name(parse_layer_name(text)) == text`` for every name the strict parser accepts.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Literal

from odse.errors import LayerNameError
from odse.layer.depth import Depth, parse_depth
from odse.layer.period import Period, Season, format_time

THEMES = ("lcv", "veg", "aq", "dtm", "adm", "sol", "clm", "hyd", "ldg", "pnv")
MODEL_TYPES = ("m", "p", "f", "c", "md")
SEASON_BY_MONTH = {"03": "winter", "06": "spring", "09": "summer", "12": "fall"}
SEASONAL_METHODS = ("landsat", "sentinel")
TYPE_PATTERN = re.compile(r"(p|m|mf|d|c|cd|f|md|sd|sd\.2|si|sse|pc|td|r2|count|p\d{2}|q\.\d{2}|[lu]\.\d{3})")

Convention = Literal["v1", "v2"]


@dataclass(frozen=True)
class LayerName:
    """What a layer's name says, field by field."""

    variable: str
    method: str
    type: str
    resolution: str
    """As printed: 30m, 1km."""
    depth: Depth
    period: Period | None
    """None: the wildcard `*`, any date of the series; or an old name without one."""
    area: str
    epsg: int
    version: str
    """An opaque token."""
    theme: str | None = None
    convention: Convention = "v1"
    time: str = ""
    """The time as printed, where that is not the period's own form (201903)."""
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
        resolution = f"{resolution_m // 1000}km" if resolution_m % 1000 == 0 else f"{resolution_m}m"
        name = cls(variable, method, type, resolution, parse_depth(depth, "v1"), period, area, epsg, version, theme)
        return parse_layer_name(format_layer_name(name))

    @property
    def resolution_m(self) -> int:
        match = re.fullmatch(r"(\d+)(m|km)", self.resolution)
        assert match is not None
        return int(match[1]) * (1000 if match[2] == "km" else 1)

    @property
    def asset_key(self) -> str:
        """``variable_type_depth``: the key of its STAC asset."""
        return f"{self.variable}_{self.type}_{self.depth.format(self.convention)}"

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
        """The same name with some fields changed."""
        return replace(self, **changes)

    def format(self) -> str:
        return format_layer_name(self)

    def __str__(self) -> str:
        return format_layer_name(self)


def format_layer_name(name: LayerName) -> str:
    """The printed name, without extension."""
    time = name.time or (format_time(name.period) if name.period else "*")
    depth = name.depth.format(name.convention)
    if name.convention == "v1":
        fields = [
            name.theme or "unknown",
            name.variable,
            name.method,
            name.type,
            name.resolution,
            depth,
            time,
            name.area,
            f"epsg{name.epsg}",
            name.version,
        ]
    else:
        assert name.period is not None
        fields = [
            name.variable,
            name.method,
            name.type,
            name.resolution,
            depth,
            f"{name.period.start:%Y%m%d}",
            f"{name.period.end:%Y%m%d}",
            name.area,
            f"epsg.{name.epsg}",
            name.version,
        ]
    return "_".join(fields)


def parse_layer_name(text: str, *, tolerant: bool = False) -> LayerName:
    """The layer a name means. A path and the extension .tif are allowed.

    Strict mode raises LayerNameError saying which field broke which rule; tolerant mode mends what the reference lists
    as irregular and says so in ``repairs``.

    >>> parse_layer_name("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0.tif").period.start
    datetime.date(2018, 12, 2)
    """
    stem = PurePosixPath(text.replace("\\\\", "/")).name
    for extension in (".tif", ".tiff", ".gpkg"):
        stem = stem.removesuffix(extension)
    repairs: list[str] = []
    if stem.startswith("gh:"):
        _need(tolerant, stem, "its form", "GeoServer's")
        stem = stem.removeprefix("gh:").replace("--", "-*-").replace("-", "_").replace("X", ".")
        repairs.append("GeoServer spelling")
    fields = stem.split("_")
    if len(fields) == 11 and re.fullmatch(r"\d{8}", fields[6]) and re.fullmatch(r"\d{8}", fields[7]):
        _need(tolerant, stem, "the number of its fields", "11 (v1 with a split date pair)")
        repairs.append("v1 name with two dates: joined")
        joined = format_time(_pair(fields[6], fields[7], stem))
        fields = [*fields[:6], joined, *fields[8:]]
    if len(fields) == 10 and re.fullmatch(r"epsg\.\d+", fields[8]):
        return _v2(fields, stem, tolerant, repairs)
    if len(fields) == 10:
        return _v1(fields, stem, tolerant, repairs)
    if len(fields) == 9:
        _need(tolerant, stem, "its theme", "missing (nine fields)")
        return _v1(["unknown", *fields], stem, tolerant, [*repairs, "theme missing: unknown"])
    if len(fields) == 8 and fields[0] in THEMES:
        _need(tolerant, stem, "the number of its fields", "8 (an old name without area and CRS)")
        padded = [*fields[:7], "global", "epsg4326", fields[7]]
        return _v1(padded, stem, tolerant, [*repairs, "area and CRS missing: global, EPSG:4326"])
    mended = _dotted(stem)
    _need(tolerant and mended is not None, stem, "the number of its fields", len(fields))
    assert mended is not None
    return _v1(mended, stem, tolerant, [*repairs, "dots instead of underscores: split on known words"])


def _need(allowed: bool, stem: str, what: str, value: object) -> None:
    if not allowed:
        raise LayerNameError.sentence(
            "parse", f"layer name {stem!r}", what, value, "write ten fields as the grammar says"
        )


def _pair(begin: str, end: str, stem: str) -> Period:
    try:
        return Period(date.fromisoformat(begin), date.fromisoformat(end))
    except ValueError:
        raise LayerNameError.sentence(
            "parse", f"layer name {stem!r}", "its dates", f"{begin}, {end}", "write YYYYMMDD"
        ) from None


def _check(stem: str, rules: list[tuple[str, str, str]]) -> None:
    for what, value, pattern in rules:
        if not re.fullmatch(pattern, value):
            raise LayerNameError.sentence(
                "parse", f"layer name {stem!r}", f"its {what}", repr(value), f"write one that matches {pattern}"
            )


_WORDS = r"[a-z0-9]+(\.[a-z0-9]+)*"


def _v1(fields: list[str], stem: str, tolerant: bool, repairs: list[str]) -> LayerName:
    theme, variable, method, type_, resolution, depth, time, area, crs, version = fields
    _check(
        stem,
        [
            ("theme", theme, "|".join([*THEMES, "occ", "phs"] + (["unknown"] if tolerant else []))),
            ("variable", variable, _WORDS),
            ("method", method, _WORDS),
            ("type", type_, TYPE_PATTERN.pattern),
            ("resolution", resolution, r"\d+(m|km)"),
            ("area", area, r"[a-z]+"),
            ("CRS", crs, r"epsg\d+"),
            ("version", version, r"v[A-Za-z0-9.]*"),
        ],
    )
    if time == "*":
        _need(tolerant, stem, "its time", "a wildcard")
        repairs = [*repairs, "wildcard time: any period"]
    period, printed = _time(time, method, stem)
    if method == "global" or (crs == "epsg4326" and area == "global"):
        repairs = [*repairs]
    return LayerName(
        variable,
        method,
        type_,
        resolution,
        parse_depth(depth, "v1"),
        period,
        area,
        int(crs[4:]),
        version,
        theme,
        "v1",
        printed,
        tuple(repairs),
    )


def _v2(fields: list[str], stem: str, tolerant: bool, repairs: list[str]) -> LayerName:
    variable, method, type_, support, depth, begin, end, area, crs, version = fields
    words = _WORDS
    if method != method.lower() or variable != variable.lower():
        _need(tolerant, stem, "its case", "mixed")
        repairs = [*repairs, "mixed case: kept as printed"]
        words = _WORDS.replace("a-z", "a-zA-Z")
    if not re.fullmatch(r"v\d{8}", version):
        _need(tolerant, stem, "its version", f"{version!r}, no creation date")
        repairs = [*repairs, "version is no date: kept as printed"]
    _check(
        stem,
        [
            ("variable", variable, words),
            ("procedure", method, words),
            ("type", type_, TYPE_PATTERN.pattern),
            ("support", support, r"\d+(m|km)"),
            ("bounding box", area, r"[a-z0-9.]+"),
            ("version", version, r"v[A-Za-z0-9.]*"),
        ],
    )
    return LayerName(
        variable,
        method,
        type_,
        support,
        parse_depth(depth, "v2"),
        _pair(begin, end, stem),
        area,
        int(crs.removeprefix("epsg.")),
        version,
        None,
        "v2",
        "",
        tuple(repairs),
    )


def _time(text: str, method: str, stem: str) -> tuple[Period | None, str]:
    """The period of a v1 time code, and the code itself where the period's own form differs from it."""
    try:
        if text == "*":
            return None, ""
        if re.fullmatch(r"\d{4}", text):
            return Period.of_year(int(text)), ""
        if re.fullmatch(r"\d{6}", text):
            year, month = int(text[:4]), text[4:]
            if method.split(".", maxsplit=1)[0] in SEASONAL_METHODS:
                return Season("odse", SEASON_BY_MONTH[month], year).period, text
            return Period(date(year, int(month), 1), date(year, int(month), monthrange(year, int(month))[1])), text
        if re.fullmatch(r"\d{4}\.\.\d{4}", text):
            first, last = text.split("..")
            return Period(date(int(first), 1, 1), date(int(last), 12, 31)), ""
        if re.fullmatch(r"\d{4}\.\d{2}\.\d{2}\.\.\d{4}\.\d{2}\.\d{2}", text):
            start, end = (date(*map(int, part.split("."))) for part in text.split(".."))
            period = Period(start, end)
            return period, "" if format_time(period) == text else text
    except (ValueError, KeyError):
        pass
    raise LayerNameError.sentence(
        "parse", f"layer name {stem!r}", "its time", repr(text), "write 2019, 201903 or two dates"
    )


def _dotted(stem: str) -> list[str] | None:
    """Fields of a name in which some underscores became dots."""
    match = re.fullmatch(
        rf"({'|'.join(THEMES)})[._]((?:log\.)?[a-z0-9]+)[._](.+?)[._]({TYPE_PATTERN.pattern[1:-1]})[._](\d+k?m)[._]"
        rf"(s?\d+\.\.\d+cm|na)[._](\d[\d.]*)[._]([a-z]+)[._](epsg\d+)[._](v[a-z0-9.]*)",
        stem,
    )
    return [*match.groups()] if match else None
