"""From one convention of names to the other.

What both can say is carried over, so that there and back gives the same name; what one of them cannot say is asked for as a
keyword, and refused without it. Nothing is guessed: no theme from a variable, no date from a version, no type from a legend.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from odse.errors import LayerNameError
from odse.layer.codes import TYPES, Convention, type_of
from odse.layer.depth import parse_depth
from odse.layer.name import LayerName, name_of_fields
from odse.layer.period import Period
from odse.layer.timecode import format_day, format_month

AREAS = {"eumap": "eu"}
"""v1 -> v2"""
TOY_METHODS = {"landsat.glad.ard": "landsat.ard1"}
"""v1 -> v2: the methods that a published cut of ODSE data renamed. An editorial choice, so only on request."""
TimeForm = Literal["short", "dates", "month"]


def to_v2(
    name: LayerName,
    *,
    created: date | None = None,
    type: str | None = None,
    depth: str | None = None,
    area: str | None = None,
    methods: Mapping[str, str] | None = None,
) -> LayerName:
    """The name in convention v2; a v2 name as it is. The theme is dropped.

    ``created`` is the day the version was made, which v1 does not say. ``type``, ``depth`` and ``area`` stand in for codes that
    v2 lacks (types f, mf, r2, count; depth na; areas other than eumap). ``methods`` renames (v1 -> v2), as ``TOY_METHODS``.
    Raises LayerNameError where one of them is needed and missing, and for patterns, wildcards, tiles and old names.

    >>> from odse.layer.name import parse_layer_name
    >>> v1 = parse_layer_name("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0")
    >>> print(to_v2(v1, created=date(2023, 7, 20)))
    ndvi_landsat.glad.ard_p50_30m_s_20181202_20190320_eu_epsg.3035_v20230720
    """
    if name.convention == "v2":
        return name
    period = _regular(name, "v2")
    if created is None:
        raise _refusal(name, "v2", "the day its version was made", "unknown", "give `created`")
    place = parse_depth(depth, "v2") if depth is not None else name.depth
    if place.kind == "na":
        raise _refusal(name, "v2", "its depth", "'na', which v2 lacks", "give `depth`, as s")
    fields = {
        "variable": name.variable,
        "method": (methods or {}).get(name.method, name.method),
        "type": type or _shared_type(name, "v2"),
        "resolution": name.resolution,
        "depth": place.format("v2"),
        "begin": format_day(period.start),
        "end": format_day(period.end),
        "area": area or _area(name, AREAS, "v2"),
        "crs": f"epsg.{name.epsg}",
        "version": f"v{format_day(created)}",
    }
    return name_of_fields(fields)


def to_v1(
    name: LayerName,
    *,
    theme: str | None = None,
    version: str | None = None,
    type: str | None = None,
    depth: str | None = None,
    area: str | None = None,
    time: TimeForm = "short",
    methods: Mapping[str, str] | None = None,
) -> LayerName:
    """The name in convention v1; a v1 name as it is.

    ``theme`` and ``version`` are what v2 does not say. ``type``, ``depth`` and ``area`` stand in for codes that v1 lacks.
    ``time`` is the form of its period: ``short`` as ODSE 1.1 writes it (years where they are whole), ``dates`` two days always,
    ``month`` as ODSE 1.0 wrote seasons and months (201903). ``methods`` is v1 -> v2 as in :func:`to_v2`, applied backwards.
    Raises LayerNameError where one of them is needed and missing, and for patterns, wildcards and tiles.

    >>> from odse.layer.name import parse_layer_name
    >>> v2 = parse_layer_name("ndvi_landsat.ard1_p50_30m_s_20181202_20190320_eu_epsg.3035_v20230720")
    >>> print(to_v1(v2, theme="lcv", version="v1.0", time="month", methods=TOY_METHODS))
    lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0
    """
    if name.convention == "v1":
        return name
    period = _regular(name, "v1")
    if theme is None:
        raise _refusal(name, "v1", "its theme", "unknown", "give `theme`")
    if version is None:
        raise _refusal(name, "v1", "its version", "unknown", "give `version`")
    place = parse_depth(depth, "v1") if depth is not None else name.depth
    if place.kind == "above" or place.top_cm != place.bottom_cm:
        raise _refusal(name, "v1", "its depth", f"{place.format('v2')!r}, which v1 lacks", "give `depth`, as s30..30cm")
    method = {new: old for old, new in (methods or {}).items()}.get(name.method, name.method)
    fields = {
        "theme": theme,
        "variable": name.variable,
        "method": method,
        "type": type or _shared_type(name, "v1"),
        "resolution": name.resolution,
        "depth": place.format("v1"),
        "time": _time(name, period, method, time),
        "area": area or _area(name, {new: old for old, new in AREAS.items()}, "v1"),
        "crs": f"epsg{name.epsg}",
        "version": version,
    }
    return name_of_fields(fields)


def _refusal(name: LayerName, to: Convention, what: str, value: object, remedy: str) -> LayerNameError:
    return LayerNameError.sentence("convert", f"layer name {str(name)!r} to {to}", what, value, remedy)


def _regular(name: LayerName, to: Convention) -> Period:
    """The period of a name that names one layer with all its fields. Raises for every other."""
    if name.convention == "old":
        raise _refusal(name, to, "its form", "that of old names, without area and CRS", "rename it by hand")
    if name.attributes:
        raise _refusal(name, to, "it", f"that of a {name.attributes[0][0]}", "convert the name of the whole layer")
    if name.placeholders or name.period is None:
        what = name.placeholders[0][0] if name.placeholders else "time"
        raise _refusal(name, to, f"its {what}", "a placeholder", "put a value in its place")
    return name.period


def _shared_type(name: LayerName, to: Convention) -> str:
    known = type_of(name.type)
    if known is not None and {"v1", "v2"} <= set(known.conventions):
        return name.type
    shared = ", ".join(one.example for one in TYPES if {"v1", "v2"} <= set(one.conventions))
    remedy = f"give `type`, one of {shared}"
    if name.type in ("f", "mf"):
        remedy = f"give `type`, c if it has a legend, else m, and keep {name.type} in its metadata"
    raise _refusal(name, to, "its type", f"{name.type!r}, which {to} lacks", remedy)


def _area(name: LayerName, table: Mapping[str, str], to: Convention) -> str:
    area = table.get(name.area or "")
    if area is None:
        raise _refusal(name, to, "its area", f"{name.area!r}, which {to} lacks", "give `area`")
    return area


def _time(name: LayerName, period: Period, method: str, form: TimeForm) -> str:
    if form == "month":
        code = format_month(period, method=method)
        if code is None:
            raise _refusal(name, "v1", "its period", f"{period}, no season or month of {method}", "give `time` 'short'")
        return code
    if form == "dates":
        return f"{period.start.isoformat()}..{period.end.isoformat()}".replace("-", ".")
    return str(period)
