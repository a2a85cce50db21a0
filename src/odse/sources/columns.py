"""What the columns of somebody's samples are, guessed from their names and contents. Every guess says why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from odse.errors import SamplesError
from odse.layer.legend import Legend
from odse.sources.points import PointsFile, codes_in, years_in

CLASS = ("class", "code", "clc", "landcover", "lc", "lulc", "label", "target", "category", "klasse", "clase", "classe")
DATE = ("year", "date", "datetime", "timestamp", "time", "observed", "survey", "jahr", "datum", "fecha", "annee")
WEIGHT = ("weight", "confidence", "certainty", "reliability", "conf", "gewicht", "peso", "poids", "w")
PLACES = (
    ("lon", "lat"), ("longitude", "latitude"), ("long", "lat"), ("lng", "lat"), ("decimallongitude", "decimallatitude"),
    ("gpslon", "gpslat"), ("xwgs84", "ywgs84"), ("x", "y"), ("easting", "northing"), ("xcoord", "ycoord"), ("coordx", "coordy"),
    ("pointx", "pointy"), ("xlaea", "ylaea"), ("xutm", "yutm"), ("rechtswert", "hochwert"), ("e", "n"),
)  # fmt: skip
"""Names of the two columns of a place, without capitals and signs; the first is the easting."""
YEARS = range(1972, 2101)
"""Landsat's and some to come: what a column of years holds."""
MOST = 0.9
"""Share of cells that must fit for a column to be meant; the few others are then named one by one."""


@dataclass(frozen=True)
class Guess:
    """What something is, and why."""

    what: str
    value: str | None
    why: str


def guess_class(points: PointsFile, legend: Legend, *, given: str | None = None) -> Guess:
    """The column of the class: one of codes, or one of values whose name says so. Raises SamplesError with the candidates."""
    if given is not None:
        column = _column(points, given)
        kind, found = codes_in(column, legend)
        if not any(found):
            raise SamplesError.sentence(
                "use", f"column {given!r} of {points.file}", "its content",
                f"{_some(column)}, no codes or values of {legend.name}",
                "write a code such as 311 into each row",
            )  # fmt: skip
        return Guess("class", given, f"as said; it holds {_kind(kind, legend)}, {_distinct(found)} of them")
    ranked: list[tuple[int, int, str, str]] = []
    for place, name in enumerate(map(str, points.rows.columns)):
        kind, found = codes_in(_column(points, name), legend)
        named = _named(name, CLASS)
        fits = sum(one is not None for one in found) >= MOST * len(found)
        if fits and len(set(found) - {None}) > 1 and (named or kind == "code"):
            score = 4 * (kind == "code") + named
            why = f"it holds {_kind(kind, legend)}, {_distinct(found)} of them" + (
                ", and its name says so" if named else ""
            )
            ranked.append((-score, place, name, why))
    if ranked:
        _, _, name, why = min(ranked)
        return Guess("class", name, why)
    candidates = [
        f"{name} ({_some(column)})"
        for name in map(str, points.rows.columns)
        if 2 <= len(set(column := [str(one) for one in _column(points, name)])) <= max(2, min(60, len(column) // 2))
    ]
    raise SamplesError.sentence(
        "find", f"the class column of {points.file}",
        f"the number of its columns that hold codes of {legend.name}", 0,
        "write a code such as 311 into each row, or name the column of codes or values with --class; candidates are "
        + ("; ".join(candidates[:6]) or f"none of {', '.join(map(str, points.rows.columns))}"),
    )  # fmt: skip


def guess_date(points: PointsFile, *, given: str | None = None) -> Guess:
    """The column of the year or date. Raises SamplesError where none holds years."""
    if given is not None:
        column = _column(points, given)
        found = [one for one in years_in(column) if one is not None]
        if not found:
            raise SamplesError.sentence(
                "use", f"column {given!r} of {points.file}", "its content", f"{_some(column)}, no years or dates",
                "write a year or a date like 2019-06-30 into each row",
            )  # fmt: skip
        return Guess("date", given, f"as said; it holds {_span(found)}")
    ranked = []
    for place, name in enumerate(map(str, points.rows.columns)):
        column = _column(points, name)
        found = [one for one in years_in(column) if one is not None and one in YEARS]
        plain = all(re.fullmatch(r"\d{4}(\.0)?|\d{8}", str(one).strip()) for one in column)
        named = _named(name, DATE)
        if found and len(found) >= MOST * len(column) and (named or not plain or len(set(found)) <= len(YEARS) // 2):
            what = "years" if plain else "dates"
            why = f"it holds {what}, {_span(found)}" + (", and its name says so" if named else "")
            ranked.append((-(2 * named + (not plain)), place, name, why))
    if ranked:
        _, _, name, why = min(ranked)
        return Guess("date", name, why)
    raise SamplesError.sentence(
        "find", f"the date column of {points.file}", "the number of its columns that hold years or dates", 0,
        f"add a column `year` (a point is learned from at its own year) or name yours with --date; its columns are "
        f"{', '.join(map(str, points.rows.columns))}",
    )  # fmt: skip


def guess_weight(points: PointsFile, *, given: str | None = None, taken: Sequence[str] = ()) -> Guess:
    """The column of a weight, by its name, where its numbers are 0 or more; None where there is none."""
    if given is not None:
        _column(points, given)
        return Guess("weight", given, "as said")
    for word in WEIGHT:
        for name in map(str, points.rows.columns):
            numbers = _numbers(points, name)
            if name not in taken and _named(name, (word,)) and (numbers >= 0).all() and numbers.any():
                return Guess(
                    "weight", name, f"its name says so, and its numbers are {numbers.min():g} to {numbers.max():g}"
                )
    return Guess("weight", None, "no column is named like one, so all samples weigh 1")


def guess_place(points: PointsFile) -> tuple[Guess, Guess]:
    """The two columns of a CSV's place. Raises SamplesError with the columns of numbers."""
    plain = {_plain(str(name)): str(name) for name in reversed(points.rows.columns.tolist())}
    for easting, northing in PLACES:
        if easting in plain and northing in plain:
            x, y = plain[easting], plain[northing]
            if np.isfinite(_numbers(points, x)).mean() >= MOST and np.isfinite(_numbers(points, y)).mean() >= MOST:
                return Guess("x", x, "its name says so"), Guess("y", y, "its name says so")
    numbers = [str(name) for name in points.rows.columns if np.isfinite(_numbers(points, str(name))).mean() >= MOST]
    raise SamplesError.sentence(
        "find", f"the place of {points.file}", "the number of its columns named like lon and lat, or x and y", 0,
        f"rename two of its columns of numbers ({', '.join(numbers) or 'there are none'})",
    )  # fmt: skip


def place_numbers(points: PointsFile, x: str, y: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The numbers of two columns; NaN where a cell holds none."""
    return _numbers(points, x), _numbers(points, y)


def _column(points: PointsFile, name: str) -> list[object]:
    if name not in map(str, points.rows.columns):
        raise SamplesError.sentence(
            "use", f"points {points.file}", f"column {name!r}", "missing",
            f"its columns are {', '.join(map(str, points.rows.columns)) or 'none'}",
        )  # fmt: skip
    return list(points.rows[name].tolist())


def _numbers(points: PointsFile, name: str) -> npt.NDArray[np.float64]:
    return np.asarray(pd.to_numeric(points.rows[name], errors="coerce"), dtype=np.float64)


def _plain(name: str) -> str:
    """Without capitals and signs: `Land_Cover` is landcover."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _named(name: str, words: Sequence[str]) -> int:
    """2: a name is one of the words; 1: one of its parts is (or its beginning or end, of longer words); 0: neither."""
    parts = {_plain(part) for part in re.split(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])|(?<=[a-z])(?=\d)", name)}
    plain = _plain(name)
    if plain in words:
        return 2
    return int(
        bool(parts & set(words)) or any(len(w) > 3 and (plain.startswith(w) or plain.endswith(w)) for w in words)
    )


def _kind(kind: str, legend: Legend) -> str:
    return f"{kind}s of {legend.name}"


def _distinct(found: Sequence[str | None]) -> str:
    return str(len(set(found) - {None}))


def _span(years: Sequence[int]) -> str:
    first, last = min(years), max(years)
    return f"all of {first}" if first == last else f"{first} to {last}"


def _some(column: Sequence[object]) -> str:
    """A column in a few of its values."""
    values = list(dict.fromkeys(" ".join(str(one).split())[:20] for one in column))
    return ", ".join(values[:4]) + (", …" if len(values) > 4 else "")
