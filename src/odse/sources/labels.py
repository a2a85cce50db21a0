"""Samples from a raster of classes: every labelled pixel is one, at its centre."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rasterio.errors import RasterioError

from odse.errors import LegendError, SamplesError
from odse.grid import change_of
from odse.layer.legend import Legend
from odse.sources.netcdf import open_raster


def read_labels(
    path: str | Path,
    *,
    crs_to: str,
    year: int,
    legend: Legend,
    variable: str | None = None,
    unlabelled: Sequence[int] = (),
    every: int = 1,
) -> pd.DataFrame:
    """Labelled pixels as a table: id, x, y (their centres in ``crs_to``), year, target (class code), weight 1; row by row.

    ``path`` is a GeoTIFF or, with ``variable``, a netCDF file. Pixels of no-data and of the ``unlabelled`` values are left out;
    ``every`` takes each n-th row and column. Reads the file. Raises SamplesError for a file that is no raster of classes, and
    for a value that the legend does not have.
    """
    path = Path(path)
    try:
        values, place, nodata = open_raster(path, variable)
    except RasterioError as error:
        raise SamplesError.sentence(
            "read", f"labels {path.name}", "GDAL's answer", " ".join(str(error).split())[:200], "give a raster"
        ) from error
    if values.dtype.kind not in "iu":
        raise SamplesError.sentence("use", f"labels {path.name}", "their type", values.dtype, "give whole numbers")
    known = ~np.isin(values, unlabelled)
    if nodata is not None:
        known &= values != nodata
    thinned = np.zeros(values.shape, dtype=bool)
    thinned[every // 2 :: every, every // 2 :: every] = True
    row, column = np.nonzero(known & thinned)
    codes = {}
    for value in np.unique(values[row, column]).tolist():
        try:
            codes[value] = legend.value_to_code(value)
        except LegendError as error:
            raise SamplesError.sentence(
                "use",
                f"labels {path.name}",
                "one of their values",
                f"{value}, no class of {legend.name}",
                "name it in `unlabelled`, or give the legend that has it",
            ) from error
    at = place.transform
    x, y = at.a * (column + 0.5) + at.c, at.e * (row + 0.5) + at.f
    x, y = change_of(place.crs, crs_to).transform(x, y)
    target = [codes[value] for value in values[row, column].tolist()]
    return pd.DataFrame(
        {"id": np.arange(len(row)), "x": x, "y": y, "year": year, "target": target, "weight": np.ones(len(row))}
    )
