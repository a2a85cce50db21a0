"""Samples: points with a class and a date, from any vector file or CSV."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import pyproj
import shapely

from odse.errors import LegendError, SamplesError
from odse.layer.legend import Legend


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
    """Points as a table: id, x, y (in ``crs_to``), year, target (class code), weight; in the order of the file.

    ``date`` is a column of years or dates (a date means its year); ``class_`` a column of codes or of legend values; ``x``
    and ``y`` are the columns of a CSV, in ``crs``. Raises SamplesError naming the column or row. Reads the file.
    """
    path = Path(path)
    table, px, py = _csv(path, x, y, crs_to, crs) if path.suffix.lower() == ".csv" else _vector(path, crs_to, crs)
    for column in [date, class_, *([weight] if weight else [])]:
        _need(path, table, column)
    if len(table) == 0:
        raise SamplesError.sentence("use", f"points {path.name}", "the number of its rows", 0, "give points")
    return pd.DataFrame(
        {
            "id": np.arange(len(table), dtype=np.int64),
            "x": px,
            "y": py,
            "year": _years(path, table[date], date),
            "target": _codes(path, table[class_], class_, legend),
            "weight": _weights(path, table[weight], weight) if weight else np.ones(len(table)),
        }
    )


def _need(path: Path, table: pd.DataFrame, column: str) -> None:
    if column not in table.columns:
        near = difflib.get_close_matches(column, table.columns, n=1, cutoff=0.4)
        remedy = f"write {near[0]!r}" if near else f"its columns are {', '.join(table.columns)}"
        raise SamplesError.sentence("use", f"points {path.name}", f"column {column!r}", "missing", remedy)


def _csv(
    path: Path, x: str | None, y: str | None, crs_to: str, crs: str
) -> tuple[pd.DataFrame, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise SamplesError.sentence(
            "read", f"points {path.name}", "its content", f"no CSV ({error})", "mend it"
        ) from error
    guesses = (("lon", "lat"), ("longitude", "latitude"), ("x", "y"), ("X", "Y"))
    if x is None or y is None:
        x, y = next(((a, b) for a, b in guesses if a in table.columns and b in table.columns), ("x", "y"))
    _need(path, table, x)
    _need(path, table, y)
    places = []
    for column in (x, y):
        numbers = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
        bad = np.flatnonzero(~np.isfinite(numbers))
        if len(bad):
            raise SamplesError.sentence(
                "use",
                f"row {bad[0] + 2} of {path.name}",
                f"column {column!r}",
                repr(table[column].iloc[bad[0]]),
                "write a number",
            )
        places.append(numbers)
    change = pyproj.Transformer.from_crs(crs, crs_to, always_xy=True)
    px, py = change.transform(places[0], places[1])
    return table, np.asarray(px), np.asarray(py)


def _vector(path: Path, crs_to: str, crs: str) -> tuple[pd.DataFrame, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    try:
        meta, _, shapes, values = pyogrio.raw.read(path)
    except pyogrio.errors.DataSourceError as error:
        raise SamplesError.sentence(
            "read", f"points {path.name}", "its content", f"no vector file ({error})", "mend it"
        ) from error
    geometry = shapely.from_wkb(shapes)
    kinds = set(shapely.get_type_id(geometry))
    if kinds != {0}:
        raise SamplesError.sentence("use", f"points {path.name}", "its geometry", "not points only", "give points")
    table = pd.DataFrame(dict(zip(meta["fields"], values, strict=True)))
    change = pyproj.Transformer.from_crs(meta["crs"] or crs, crs_to, always_xy=True)
    px, py = change.transform(shapely.get_x(geometry), shapely.get_y(geometry))
    return table, np.asarray(px), np.asarray(py)


def _years(path: Path, column: pd.Series[Any], name: str) -> np.ndarray[Any, Any]:
    """The year of each row; a date means its year."""
    years = np.zeros(len(column), dtype=np.int64)
    for row, value in enumerate(column):
        text = str(value).strip()
        digits = text.split(".")[0] if text.replace(".", "", 1).isdigit() else text[:4]
        if len(digits) != 4 or not digits.isdigit() or (len(text) > 6 and text[4] not in "-./T"):
            raise SamplesError.sentence(
                "use",
                f"row {row + 2} of {path.name}",
                f"its {name}",
                repr(text),
                "write a year or a date like 2019-06-30",
            )
        years[row] = int(digits)
    return years


def _codes(path: Path, column: pd.Series[Any], name: str, legend: Legend) -> list[str]:
    """The class code of each row: codes where all rows hold codes, else legend values."""
    texts = [str(value).strip().removesuffix(".0") for value in column]
    if all(text in legend.by_code and len(text) == 3 for text in texts):
        return texts
    codes = []
    for row, text in enumerate(texts):
        try:
            codes.append(legend.value_to_code(int(text)))
        except (ValueError, LegendError):
            raise SamplesError.sentence(
                "use",
                f"row {row + 2} of {path.name}",
                f"its {name}",
                f"{text!r}, neither code nor value of {legend.name}",
                "correct it or take the row out",
            ) from None
    return codes


def _weights(path: Path, column: pd.Series[Any], name: str) -> np.ndarray[Any, Any]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    bad = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
    if len(bad):
        raise SamplesError.sentence(
            "use",
            f"row {bad[0] + 2} of {path.name}",
            f"its {name}",
            repr(column.iloc[bad[0]]),
            "write a number of 0 or more",
        )
    return np.asarray(numbers)
