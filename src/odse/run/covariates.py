"""The features of samples and of pixels, by one and the same reading: what a Model is fitted on is what it predicts from."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from odse.derive.indices import bands_of, index
from odse.derive.terrain import slope
from odse.grid import Tile
from odse.raster.work import read_work
from odse.run.series import TERRAIN, Features, elevation_of
from odse.run.task import Place
from odse.sources.layers import read_window

Matrix = npt.NDArray[np.float32]


def of_rows(features: Features, place: Place, tile: Tile, year: int, rows: slice) -> Matrix:
    """(pixel, feature) of some rows of a Tile in a year, row by row; NaN where a covariate is not known."""
    shape = (rows.stop - rows.start, tile.shape[1])
    columns: dict[str, npt.NDArray[np.float32]] = {}
    window = (0, rows.start, tile.shape[1], rows.stop)
    for one in features.series:
        path = place.work("fill", tile.name, f"{one.variable}.tif")
        wanted = [(name, features.season_index(year, name)) for name in features.season_names]
        bands = [one.band(i, s) for _, i in wanted if i is not None for s in range(len(one.statistics))]
        stored = iter(read_work(path, bands=bands, window=window)) if bands else iter(())
        for name, i in wanted:
            for statistic in one.statistics:
                key = f"{one.variable}_{statistic}_{name}"
                columns[key] = (
                    one.encoding.decode(next(stored)) if i is not None else np.full(shape, np.nan, np.float32)
                )
    left, top = tile.window[0], tile.window[1]
    here = (left, top + rows.start, left + tile.shape[1], top + rows.stop)
    for found in features.static:
        columns[found.name.variable] = _numbers(read_window(found, here, place.grid))
    for derived in features.derived:
        if derived in TERRAIN:
            elevation = elevation_of(features.static)
            assert elevation is not None
            halo = (here[0] - 1, here[1] - 1, here[2] + 1, here[3] + 1)
            metres = _numbers(read_window(elevation, halo, place.grid)) * elevation.encoding.scale
            columns[derived] = slope(metres, pixel_m=place.grid.resolution_m)[1:-1, 1:-1]
        else:
            for name in features.season_names:
                bands_here = {band: columns[f"{band}_p50_{name}"] for band in bands_of(derived)}
                columns[f"{derived}_p50_{name}"] = index(derived, bands_here)
    return np.stack([columns[name].reshape(-1) for name in features.names], axis=1).astype(np.float32, copy=False)


def at_points(features: Features, place: Place, tile: Tile, table: pd.DataFrame) -> Matrix:
    """(row, feature) of the samples of a Tile, each at its own year. Every strip of blocks is read once a year."""
    result = np.full((len(table), len(features.names)), np.nan, dtype=np.float32)
    left, _, _, top = tile.bounds
    column = np.floor((table["x"].to_numpy() - left) / place.grid.resolution_m).astype(int)
    row = np.floor((top - table["y"].to_numpy()) / place.grid.resolution_m).astype(int)
    year = table["year"].to_numpy()
    for start in range(0, tile.shape[0], 512):
        stop = min(start + 512, tile.shape[0])
        for one_year in np.unique(year):
            here = np.flatnonzero((row >= start) & (row < stop) & (year == one_year))
            if len(here):
                matrix = of_rows(features, place, tile, int(one_year), slice(start, stop))
                result[here] = matrix[(row[here] - start) * tile.shape[1] + column[here]]
    return result


def _numbers(values: Any) -> npt.NDArray[np.float32]:
    """A masked array as float32 with NaN where it is masked."""
    return np.asarray(np.ma.filled(values.astype(np.float32), np.nan), dtype=np.float32)
