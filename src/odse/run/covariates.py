"""The features of samples and of pixels, by one and the same reading: what a Model is fitted on is what it predicts from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from odse.derive import terrain
from odse.derive.indices import bands_of, index
from odse.derive.temperature import geometric_temperature_of
from odse.grid import Tile, Window, change_of
from odse.raster.work import read_work
from odse.run.series import TEMPERATURE, TERRAIN, Features, Series, elevation_of
from odse.run.task import Place

Matrix = npt.NDArray[np.float32]


def of_rows(features: Features, place: Place, tile: Tile, year: int, rows: slice) -> Matrix:
    """(pixel, feature) of some rows of a Tile in a year, row by row; NaN where a covariate is not known."""
    columns: dict[str, Matrix] = {}
    for one in features.series:
        columns |= _seasons_of(one, features, place, tile, year, rows)
    left, top = tile.window[0], tile.window[1]
    here = (left, top + rows.start, left + tile.shape[1], top + rows.stop)
    for covariate in features.static:
        values = covariate.read(here, place.grid, year)
        if covariate.categories is None:
            columns[covariate.variable] = values
        else:
            hot = covariate.categories.one_hot(values)
            columns |= {name: hot[:, i] for i, name in enumerate(covariate.columns)}
    for derived in features.derived:
        if derived in TERRAIN:
            columns[derived] = _terrain(derived, features, place, here, year)
        elif derived in TEMPERATURE:
            columns |= _temperature(derived, features, place, here, year)
        else:
            for name in features.season_names:
                bands_here = {band: columns[f"{band}_p50_{name}"] for band in bands_of(derived)}
                columns[f"{derived}_p50_{name}"] = index(derived, bands_here)
    return np.stack([columns[name].reshape(-1) for name in features.names], axis=1).astype(np.float32, copy=False)


def _seasons_of(
    one: Series, features: Features, place: Place, tile: Tile, year: int, rows: slice
) -> Mapping[str, Matrix]:
    """The seasons of a year of one filled series, in units."""
    wanted = [(name, features.season_index(year, name)) for name in features.season_names]
    bands = [one.band(i, s) for _, i in wanted if i is not None for s in range(len(one.statistics))]
    path = place.work("fill", tile.name, f"{one.variable}.tif")
    stored = iter(read_work(path, bands=bands, window=(0, rows.start, tile.shape[1], rows.stop))) if bands else iter(())
    nothing = np.full((rows.stop - rows.start, tile.shape[1]), np.nan, np.float32)
    return {
        f"{one.variable}_{statistic}_{name}": one.encoding.decode(next(stored)) if i is not None else nothing
        for name, i in wanted
        for statistic in one.statistics
    }


def _terrain(name: str, features: Features, place: Place, here: Window, year: int) -> Matrix:
    """A shape of the ground, read with the halo it needs, so that tiles agree."""
    elevation = elevation_of(features.static)
    halo = terrain.HALO_PX[name]
    assert elevation is not None and halo is not None
    wide = (here[0] - halo, here[1] - halo, here[2] + halo, here[3] + halo)
    metres = elevation.read(wide, place.grid, year) * elevation.layers[0].encoding.scale
    size = place.grid.resolution_m
    result: Matrix
    match name:
        case "roughness":
            result = terrain.roughness(metres)
        case "ruggedness":
            result = terrain.ruggedness(metres)
        case "position":
            result = terrain.position(metres, radius_px=halo)
        case "hillshade":
            result = terrain.hillshade(metres, pixel_m=size)
        case "aspect":
            result = terrain.aspect(metres, pixel_m=size)
        case "northness":
            result = terrain.northness(metres, pixel_m=size)
        case "eastness":
            result = terrain.eastness(metres, pixel_m=size)
        case _:
            result = terrain.slope(metres, pixel_m=size)
    return result[halo:-halo, halo:-halo]


def _temperature(name: str, features: Features, place: Place, here: Window, year: int) -> Mapping[str, Matrix]:
    """Clear-sky temperature of each season of a year, by the latitude of the pixels."""
    grid = place.grid
    x = grid.origin_xy[0] + (np.arange(here[0], here[2]) + 0.5) * grid.resolution_m
    y = grid.origin_xy[1] - (np.arange(here[1], here[3]) + 0.5) * grid.resolution_m
    change = change_of(grid.crs, "EPSG:4326")
    _, latitude = change.transform(*np.meshgrid(x, y))
    return {
        f"{name}_{season.name}": geometric_temperature_of(latitude, season.true_period, kind=TEMPERATURE[name])
        for season in features.seasons
        if season.year == year
    }


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
