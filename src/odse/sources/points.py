"""Samples: points with a class and a date, from any vector file or CSV."""

from __future__ import annotations

import csv
import datetime
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj.exceptions import CRSError

from odse.errors import LegendError, SamplesError
from odse.grid import change_of
from odse.layer.legend import Legend

PLACES = (("lon", "lat"), ("longitude", "latitude"), ("x", "y"), ("X", "Y"))
"""Columns of the place in a CSV, where none are said."""
CSV = (".csv", ".tsv", ".txt")
"""Suffixes of files that are read as a CSV."""
POINT, MULTIPOINT = 0, 4
"""Geometry types of shapely."""


@dataclass(frozen=True)
class _Table:
    """A file as it was read."""

    file: str
    rows: pd.DataFrame
    """Its columns, without the place."""
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    crs: str
    lines: Sequence[int]
    """What each row is called: its line in a CSV, its id in a vector file."""
    word: str
    """line, or feature"""

    def row(self, which: int) -> str:
        """A row, as errors name it."""
        return f"{self.word} {self.lines[which]} of {self.file}"


def read_points(
    path: str | Path,
    *,
    crs_to: str,
    date: str,
    class_: str,
    weight: str | None,
    legend: Legend,
    x: str | None = None,
    y: str | None = None,
    crs: str = "EPSG:4326",
) -> pd.DataFrame:
    """Points as a table: id, x, y (in ``crs_to``), year, target (class code), weight; in the order of the file. Reads it.

    ``date`` is a column of years or dates (a date means its year), ``class_`` one of codes or of values of the most detailed
    level of the legend, ``weight`` one of numbers of 0 or more (None: all 1). ``x`` and ``y`` are the columns of a CSV's place,
    in ``crs``, which also holds for a vector file that has no CRS. A vector file has one layer of points.

    Raises SamplesError for a file that is none of these, and names the column that is missing or the row that is wrong.

    >>> import tempfile
    >>> from odse.layer.legend import clc_legend
    >>> path = Path(tempfile.mkdtemp()) / "points.csv"
    >>> _ = path.write_text("lon,lat,year,class\\n10,52,2019,311\\n")
    >>> read_points(path, crs_to="EPSG:3035", date="year", class_="class", weight=None, legend=clc_legend(3)).values.tolist()
    [[0, 4321000.0, 3210000.0, 2019, '311', 1.0]]
    """
    path = Path(path)
    table = _csv(path, x, y, crs) if path.suffix.lower() in CSV else _vector(path, crs)
    for column in [date, class_, *([weight] if weight else [])]:
        _need(table.file, table.rows.columns, column)
    if len(table.rows) == 0:
        raise SamplesError.sentence("use", f"points {path.name}", "the number of its rows", 0, "give points")
    px, py = _moved(table, crs_to)
    return pd.DataFrame(
        {
            "id": np.arange(len(table.rows), dtype=np.int64),
            "x": px,
            "y": py,
            "year": _years(table, date),
            "target": _codes(table, class_, legend),
            "weight": _weights(table, weight) if weight else np.ones(len(table.rows)),
        }
    )


def _need(file: str, columns: Sequence[str] | pd.Index[Any], column: str) -> None:
    have = [str(one) for one in columns]
    if column not in have:
        near = difflib.get_close_matches(column, have, n=1, cutoff=0.4)
        remedy = f"write {near[0]!r}" if near else f"its columns are {', '.join(have) or 'none'}"
        raise SamplesError.sentence("use", f"points {file}", f"column {column!r}", "missing", remedy)


@dataclass(frozen=True)
class PointsFile:
    """A file of points before anybody said which of its columns is what."""

    file: str
    rows: pd.DataFrame
    """Its columns, as text in a CSV."""
    x: npt.NDArray[np.float64] | None
    y: npt.NDArray[np.float64] | None
    """Places of a vector file; None in a CSV, where they are two of the columns."""
    crs: str | None
    """What a vector file says; None where nothing is said."""


def open_points(path: str | Path) -> PointsFile:
    """A CSV or vector file as it is. Reads it. Raises SamplesError for a file that is neither, and for one without rows."""
    path = Path(path)
    if not path.is_file():
        raise SamplesError.sentence("read", f"points {path}", "the file", "not there", "check the path")
    if path.suffix.lower() in CSV:
        header, _, records = _csv_rows(path)
        made = PointsFile(path.name, pd.DataFrame(records, columns=pd.Index(header), dtype=object), None, None, None)
    else:
        table = _vector(path, "")
        made = PointsFile(table.file, table.rows, table.x, table.y, table.crs or None)
    if len(made.rows) == 0:
        raise SamplesError.sentence("use", f"points {path.name}", "the number of its rows", 0, "give points")
    return made


def years_in(column: Sequence[Any]) -> list[int | None]:
    """The year of each cell, None where it is neither year nor date.

    >>> years_in(["2019-06-30", 2020, "soon"])
    [2019, 2020, None]
    """
    return [_year(_text(value)) for value in column]


def codes_in(column: Sequence[Any], legend: Legend) -> tuple[Literal["code", "value"], list[str | None]]:
    """How a column means classes, and the class code of each cell, None where it is none.

    Codes or values of the legend's most detailed level, whichever more cells hold. (Groups are left out because their codes are
    values of other classes: 31 is the grid code of 332 and the code of forests.)
    """
    leaves = legend.at_level(max(legend.level_of(one.code) for one in legend.classes))
    texts = [_text(value).removesuffix(".0") for value in column]
    as_code = {text: text if text in leaves.by_code else None for text in set(texts)}
    as_value = {text: _of_value(text, leaves) for text in set(texts)}
    codes, values = (sum(found[text] is not None for text in texts) for found in (as_code, as_value))
    if codes >= values:
        return "code", [as_code[text] for text in texts]
    return "value", [as_value[text] for text in texts]


def _csv_rows(path: Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Header, number of each row's line, rows."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            dialect = max(",;\t", key=head.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=dialect)
            header = [name.strip() for name in next(reader, [])]
            lines, records = [], []
            for record in reader:
                if not any(field.strip() for field in record):
                    continue
                if len(record) != len(header):
                    value = f"{len(record)}, of {len(header)} in the header"
                    raise SamplesError.sentence(
                        "use", f"line {reader.line_num} of {path.name}", "the number of its fields", value, "mend it"
                    )
                lines.append(reader.line_num)
                records.append([field.strip() for field in record])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(path, f"no CSV in UTF-8 ({_short(path, error)})") from error
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise SamplesError.sentence("use", f"points {path.name}", f"column {twice!r}", "there twice", "rename one")
    return header, lines, records


def _csv(path: Path, x: str | None, y: str | None, crs: str) -> _Table:
    header, lines, records = _csv_rows(path)
    rows = pd.DataFrame(records, columns=pd.Index(header), dtype=object)
    if x is None or y is None:
        x, y = next(((a, b) for a, b in PLACES if a in header and b in header), (x or "lon", y or "lat"))
    for column in (x, y):
        _need(path.name, header, column)
    nothing = np.zeros(len(rows))
    table = _Table(path.name, rows, nothing, nothing, crs, lines, "line")
    return _Table(path.name, rows, _numbers(table, x), _numbers(table, y), crs, lines, "line")


def _vector(path: Path, crs: str) -> _Table:
    try:
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if len(layers) != 1:
            value = f"{len(layers)} ({', '.join(layers)})" if layers else 0
            raise SamplesError.sentence(
                "use", f"points {path.name}", "the number of its layers with a place", value, "give a file with one"
            )
        meta, fids, shapes, values = pyogrio.raw.read(path, layer=layers[0], return_fids=True)
    except (DataSourceError, DataLayerError) as error:
        raise _unreadable(path, f"no vector file ({_short(path, error)})") from error
    geometry = shapely.from_wkb(shapes)
    kinds = shapely.get_type_id(geometry)
    single = (kinds == POINT) | ((kinds == MULTIPOINT) & (shapely.get_num_geometries(geometry) == 1))
    geometry = np.where(kinds == MULTIPOINT, shapely.get_geometry(geometry, 0), geometry)
    rows = pd.DataFrame(dict(zip(meta["fields"], values, strict=True)), dtype=object)
    x, y = shapely.get_x(geometry), shapely.get_y(geometry)
    table = _Table(path.name, rows, x, y, str(meta["crs"] or crs), [int(fid) for fid in fids], "feature")
    for which in np.flatnonzero(~single | ~np.isfinite(x) | ~np.isfinite(y))[:1]:
        value = "missing" if geometry[which] is None or shapely.is_empty(geometry[which]) else geometry[which].geom_type
        raise SamplesError.sentence("use", table.row(which), "its geometry", value, "give points only")
    return table


def _unreadable(path: Path, value: str) -> SamplesError:
    return SamplesError.sentence("read", f"points {path.name}", "its content", value, "give a CSV or a vector file")


def _short(path: Path, error: Exception) -> str:
    return " ".join(str(error).replace(str(path), path.name).split())[:160]


def _moved(table: _Table, crs_to: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The places in the wanted CRS. A place that its CRS does not have is an error: it would be lost far outside."""
    try:
        change = change_of(table.crs, crs_to)
    except CRSError as error:
        raise SamplesError.sentence(
            "use", f"points {table.file}", "their CRS", f"{table.crs[:60]!r}, unknown", "give an EPSG code"
        ) from error
    x, y = (np.asarray(one, dtype=np.float64) for one in change.transform(table.x, table.y))
    far = ~np.isfinite(x) | ~np.isfinite(y)
    if pyproj.CRS.from_user_input(table.crs).is_geographic:
        far |= (np.abs(table.x) > 360) | (np.abs(table.y) > 90)
    for which in np.flatnonzero(far)[:1]:
        name = pyproj.CRS.from_user_input(table.crs).to_string()
        value = f"{table.x[which]:.10g}, {table.y[which]:.10g}, not a place in {name[:60]}"
        raise SamplesError.sentence("use", table.row(which), "its place", value, "say the `crs` of its columns")
    return x, y


def _years(table: _Table, name: str) -> npt.NDArray[np.int64]:
    """The year of each row; a date means its year."""
    texts = [_text(value) for value in table.rows[name]]
    years: dict[str, int] = {}
    for which, text in enumerate(texts):
        if text not in years:
            year = _year(text)
            if year is None:
                raise SamplesError.sentence(
                    "use", table.row(which), f"its {name}", repr(text), "write a year or a date like 2019-06-30"
                )
            years[text] = year
    return np.array([years[text] for text in texts], dtype=np.int64)


def _year(text: str) -> int | None:
    """The year of 2019, 2019.0, 2019-06, 2019-06-30 (also with dots or slashes, and a time of day) or 20190630.

    None for anything else, so for days that no calendar has.
    """
    text = text.removesuffix(".0") if len(text) == 6 else text
    if len(text) == 4 and text.isdecimal():
        return int(text)
    if len(text) == 8 and text.isdecimal():
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    if len(text) > 10 and text[10] not in "T ":
        return None
    day = text[:10].replace("/", "-").replace(".", "-")
    try:
        return datetime.date.fromisoformat(f"{day}-01" if len(day) == 7 else day).year
    except ValueError:
        return None


def _text(value: Any) -> str:
    """A cell as text; the whole numbers of a column of floats without their point."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _codes(table: _Table, name: str, legend: Legend) -> list[str]:
    """The class code of each row: codes or values of the legend, one of both for the whole column (:func:`codes_in`)."""
    kind, found = codes_in(table.rows[name].tolist(), legend)
    for which, code in enumerate(found):
        if code is None:
            text = _text(table.rows[name].iloc[which]).removesuffix(".0")
            leaves = legend.at_level(max(legend.level_of(one.code) for one in legend.classes))
            near = difflib.get_close_matches(text, leaves.by_code, n=1, cutoff=0.7) if kind == "code" else []
            hint = f"write {near[0]!r} or take the row out" if near else "correct it or take the row out"
            other = _of_value(text, leaves) if kind == "code" else leaves.by_code.get(text)
            if other is not None:
                value = f"{text!r}, while most rows hold {kind}s of {legend.name}"
            else:
                value = f"{text!r}, no {kind} of {legend.name}"
            raise SamplesError.sentence("use", table.row(which), f"its {name}", value, hint)
    return [str(code) for code in found]


def _of_value(text: str, legend: Legend) -> str | None:
    try:
        return legend.value_to_code(int(text))
    except (ValueError, LegendError):
        return None


def _numbers(table: _Table, column: str) -> npt.NDArray[np.float64]:
    numbers = np.asarray(pd.to_numeric(table.rows[column], errors="coerce"), dtype=np.float64)
    for which in np.flatnonzero(~np.isfinite(numbers))[:1]:
        text = str(table.rows[column].iloc[which])
        remedy = "write it with a point" if "," in text else "write a number"
        raise SamplesError.sentence("use", table.row(which), f"its {column}", repr(text), remedy)
    return numbers


def _weights(table: _Table, name: str) -> npt.NDArray[np.float64]:
    numbers = _numbers(table, name)
    for which in np.flatnonzero(numbers < 0)[:1]:
        text = str(table.rows[name].iloc[which])
        raise SamplesError.sentence("use", table.row(which), f"its {name}", text, "write a number of 0 or more")
    if not numbers.any():
        raise SamplesError.sentence("use", f"points {table.file}", f"every {name}", 0, "give some of them weight")
    return numbers
