"""The grammar of layer names: the fields of each convention in order, and what each may hold.

==== ==========================================================================================================
v1   ``theme_variable_method_type_resolution_depth_time_area_crs_version``, ODSE
v2   ``variable_method_type_resolution_depth_begin_end_area_crs_version``, OpenLandMap from 2022
old  ``theme_variable_method_type_resolution_depth_time_version``, OpenLandMap before; only the tolerant parser reads it
==== ==========================================================================================================
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

Convention = Literal["v1", "v2", "old"]

FIELDS: dict[Convention, tuple[str, ...]] = {
    "v1": ("theme", "variable", "method", "type", "resolution", "depth", "time", "area", "crs", "version"),
    "v2": ("variable", "method", "type", "resolution", "depth", "begin", "end", "area", "crs", "version"),
    "old": ("theme", "variable", "method", "type", "resolution", "depth", "time", "version"),
}
THEMES = ("lcv", "veg", "aq", "dtm", "adm", "sol", "clm", "hyd", "ldg", "pnv")
OLD_THEMES = ("occ", "phs")
EXTENSIONS = (".tif", ".tiff", ".gpkg", ".shp", ".geojson", ".parquet", ".fgb", ".csv", ".qml", ".sld", ".png", ".json")
"""The same name stands for vector data, styles and previews, with another extension."""
ANY = "*"
"""Stands for any value."""
LONGEST = 256
"""Characters of a v2 name."""


class Type(NamedTuple):
    """A type code: its form, the conventions that have it, what it means, and how it may be written."""

    form: str
    conventions: tuple[Convention, ...]
    meaning: str
    example: str


TYPES = (
    Type("m", ("v1", "v2"), "mean or predicted value", "m"),
    Type("mf", ("v1",), "mean, filtered", "mf"),
    Type("d", ("v2",), "median", "d"),
    Type("p", ("v1", "v2"), "probability or percent, 0 to 100", "p"),
    Type("p(100|[0-9]{1,2})", ("v1", "v2"), "percentile of the observations in the period", "p50"),
    Type(r"q\.[0-9]{2,3}", ("v2",), "quantile, one-sided", "q.10"),
    Type("c", ("v1", "v2"), "class", "c"),
    Type("cd", ("v2",), "change of class", "cd"),
    Type("f", ("v1",), "hard class, flag or mask", "f"),
    Type("md", ("v1", "v2"), "uncertainty: spread of the members, or 1 SD of the prediction error", "md"),
    Type(r"sd(\.2)?", ("v2",), "standard deviation or prediction error", "sd"),
    Type(r"l\.[0-9]{3}", ("v1", "v2"), "lower bound of the prediction interval", "l.159"),
    Type(r"u\.[0-9]{3}", ("v1", "v2"), "upper bound of the prediction interval", "u.841"),
    Type("si", ("v2",), "credible interval of the mean", "si"),
    Type("sse", ("v2",), "scaled Shannon entropy", "sse"),
    Type("pc", ("v2",), "percent cover", "pc"),
    Type("td", ("v2",), "cumulative difference over a series", "td"),
    Type("r2", ("v1",), "R² of a trend", "r2"),
    Type("count", ("v1",), "number of observations or pixels", "count"),
)


def type_of(code: str) -> Type | None:
    """The entry of a type code, or None for an unknown one.

    >>> type_of("p25").meaning, type_of("mean")
    ('percentile of the observations in the period', None)
    """
    return next((one for one in TYPES if re.fullmatch(one.form, code)), None)


def _types(convention: Convention) -> tuple[str, str]:
    known = [one for one in TYPES if convention in one.conventions]
    return "|".join(f"({one.form})" for one in known), f"write one of {', '.join(one.example for one in known)}"


_WORDS = r"[a-z0-9]+(\.[a-z0-9]+)*"
_A_WORD = "write small letters and digits, words joined by dots"
_NUMBER = "(0|[1-9][0-9]*)"
_DAY = "[0-9]{8}"
_VERSION = r"v[a-z0-9]+(\.[a-z0-9]+)*" + "".join(rf"(?<!\{one})" for one in EXTENSIONS)
_COMMON = {
    "variable": (_WORDS, _A_WORD),
    "method": (_WORDS, _A_WORD),
    "resolution": ("[1-9][0-9]*k?m", "write a number and m or km, as 30m"),
}

RULES: dict[Convention, dict[str, tuple[str, str]]] = {
    "v1": _COMMON
    | {
        "theme": ("|".join(THEMES), f"write one of {', '.join(THEMES)}"),
        "type": _types("v1"),
        "depth": (rf"0\.\.0cm|na|s(?P<cm>{_NUMBER})\.\.(?P=cm)cm", "write 0..0cm, s30..30cm or na"),
        "time": (
            r"[0-9]{4}|[0-9]{6}|[0-9]{4}\.\.[0-9]{4}|[0-9]{4}(\.[0-9]{2}){2}\.\.[0-9]{4}(\.[0-9]{2}){2}",
            "write 2019, 201903 (a month, or the one a season ends in), 2000..2019 or 2019.06.25..2019.09.12",
        ),
        "area": ("[a-z]+", "write small letters, as eumap"),
        "crs": ("epsg[1-9][0-9]*", "write the EPSG code without a dot, as epsg3035"),
        "version": (_VERSION, "write v and a token, as v0.1"),
    },
    "v2": _COMMON
    | {
        "type": _types("v2"),
        "depth": (
            rf"s|[ab]{_NUMBER}cm|[ab]{_NUMBER}(cm\.\.|t){_NUMBER}cm",
            "write s, b30cm, b0cm..30cm, b30t60cm or a200cm",
        ),
        "begin": (_DAY, "write a day as 20190625"),
        "end": (_DAY, "write a day as 20190912"),
        "area": (_WORDS, "write a code in small letters, as nl, eu or go"),
        "crs": (r"epsg\.[1-9][0-9]*", "write the EPSG code with a dot, as epsg.4326"),
        "version": (f"v{_DAY}", "write v and the day it was made, as v20221015"),
    },
}
RULES["old"] = RULES["v1"] | {
    "theme": ("|".join(THEMES + OLD_THEMES), f"write one of {', '.join(THEMES + OLD_THEMES)}"),
    "depth": (rf"[sb]{_NUMBER}\.\.{_NUMBER}cm", "write s0..0cm or b30..30cm"),
}
"""Convention -> field -> (form, remedy)."""
