"""What a Recipe's data hold, by name: the series of seasons that are filled, the static layers, the features of a year.

A Series is one variable with its statistics over every season of the Recipe. It comes from the archive's composites or
from ready layers; after the fill step both look alike: one work file per tile and variable, in stored numbers, bands
ordered season by season, statistics within.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from odse.derive.indices import bands_of
from odse.derive.terrain import HALO_PX
from odse.errors import DeriveError, RecipeError, SourceError
from odse.grid import Grid, Window
from odse.layer.period import Season, season_of
from odse.learn.features import Categories
from odse.raster.encoding import Encoding
from odse.run.recipe import ArchiveData, GladData, LayersData, NetcdfData, Recipe
from odse.sources.archive import Archive, GladArchive, SceneArchive
from odse.sources.layers import (
    FoundLayer,
    Resampling,
    check_on_grid,
    check_resampling,
    classes_in,
    of_year,
    read_window,
    scan,
)

TERRAIN = tuple(name for name, halo in HALO_PX.items() if halo is not None)
"""What can be derived from a static elevation layer, tile by tile."""
BAKEOFF_PIXELS = 20_000
"""Pixels of a tile on which methods of filling are compared."""
TEMPERATURE: dict[str, Literal["mean", "min", "max"]] = {
    "temperature.mean": "mean",
    "temperature.min": "min",
    "temperature.max": "max",
}
"""Clear-sky temperature by latitude and season."""


@dataclass(frozen=True)
class Series:
    """One variable over the seasons."""

    variable: str
    statistics: tuple[str, ...]
    """Type codes, such as p25 p50 p75."""
    method: str
    """Third field of its layers' names."""
    encoding: Encoding
    """How the filled values are stored."""
    found: tuple[tuple[FoundLayer | None, ...], ...] = ()
    """[season][statistic]: the ready layer, or None where there is none. Empty for the archive's composites."""
    resampling: Resampling | None = None
    """How its ready layers come to the grid, where they lie on another."""

    def band(self, season_index: int, statistic_index: int) -> int:
        """Number (from 1) of a band in the work file of the filled series."""
        return season_index * len(self.statistics) + statistic_index + 1


@dataclass(frozen=True)
class Covariate:
    """One variable that is no series of seasons: one layer, which stands for all years, or one a year."""

    variable: str
    layers: tuple[FoundLayer, ...]
    resampling: Resampling | None = None
    categories: Categories | None = None
    """Where its numbers are classes: those that get a column."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its features."""
        return self.categories.columns if self.categories else (self.variable,)

    def read(self, window: Window, grid: Grid, year: int) -> npt.NDArray[np.float32]:
        """(y, x) of a year in a window of the grid, NaN where nothing is known. Reads a file."""
        found = self.layers[0] if len(self.layers) == 1 else of_year(self.layers, year)
        if found is None:
            return np.full((window[3] - window[1], window[2] - window[0]), np.nan, dtype=np.float32)
        values = read_window(found, window, grid, resampling=self.resampling)
        return np.asarray(np.ma.filled(values.astype(np.float32), np.nan), dtype=np.float32)


@dataclass(frozen=True)
class Features:
    """The ordered covariates of one pixel and year."""

    series: tuple[Series, ...]
    seasons: tuple[Season, ...]
    static: tuple[Covariate, ...]
    derived: tuple[str, ...]

    @cached_property
    def season_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(season.name for season in self.seasons))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names in the order in which a Model wants them."""
        names = [
            f"{series.variable}_{statistic}_{season}"
            for series in self.series
            for season in self.season_names
            for statistic in series.statistics
        ]
        names += [
            f"{index}_p50_{season}"
            for index in self.derived
            if index not in TERRAIN and index not in TEMPERATURE
            for season in self.season_names
        ]
        names += [f"{one}_{season}" for one in self.derived if one in TEMPERATURE for season in self.season_names]
        names += [column for covariate in self.static for column in covariate.columns]
        return tuple(names + [index for index in self.derived if index in TERRAIN])

    def season_index(self, year: int, name: str) -> int | None:
        """Place of a year's season in the series, or None where the series lacks it."""
        return next((i for i, s in enumerate(self.seasons) if s.year == year and s.name == name), None)


def archive_of(recipe: Recipe, data: Mapping[str, str]) -> Archive | None:
    """The archive that a recipe names, where it lies on this machine."""
    named = recipe.archive_
    if named is None:
        return None
    name, entry = named
    root = Path(data[name])
    if isinstance(entry, GladData):
        return GladArchive(root, entry.mask, entry.additional)
    return SceneArchive(
        entry.kind,
        root,
        tuple(entry.bands.items()),
        entry.product,
        entry.method,
        entry.mask,
        *((entry.files, entry.quality) if isinstance(entry, NetcdfData) else ()),
    )


def read_series(
    recipe: Recipe, data: Mapping[str, str], grid: Grid
) -> tuple[tuple[Series, ...], tuple[Covariate, ...]]:
    """The series and the covariates of a recipe. Reads headers of ready layers, and layers of classes whole, in strips.

    Refuses a raster on another grid, unless the recipe says how to resample it.
    """
    wanted = list(recipe.seasons_)
    series: list[Series] = []
    static: list[Covariate] = []
    for name, entry in recipe.data.items():
        if isinstance(entry, ArchiveData):
            composite, archive = recipe.steps.composite, archive_of(recipe, data)
            assert composite is not None and archive is not None
            statistics = composite.statistics
            for band in archive.bands:
                encoding = archive.encoding(band, recipe.steps.publish.encoding)
                series.append(Series(band, statistics, archive.method, encoding))
        elif isinstance(entry, LayersData) and entry.role == "covariate":
            found = scan(data[name], variables=entry.variables)
            if not found:
                raise SourceError.sentence(
                    "use", f"data `{name}`", "its folder", "without a layer of the wanted variables", "check --data"
                )
            for layer in found:
                fault = check_on_grid(layer, grid)
                if fault and entry.resampling is None:
                    raise SourceError(f"{fault}, or say how to resample it: `data.{name}.resampling`")
                if fault and entry.resampling:
                    check_resampling(layer, entry.resampling)
            if entry.static:
                static += _covariates(found, name, entry, recipe, grid)
            else:
                series += _series_of(found, wanted, name, entry.resampling)
    check_derived(recipe, series, static)
    return tuple(series), tuple(static)


def _covariates(
    found: list[FoundLayer], data_name: str, entry: LayersData, recipe: Recipe, grid: Grid
) -> list[Covariate]:
    """Ready layers by variable; what stands for each year is checked here, and which classes occur."""
    by_variable: dict[str, list[FoundLayer]] = {}
    for layer in found:
        by_variable.setdefault(layer.name.variable, []).append(layer)
    unknown = sorted(set(entry.categories) - set(by_variable))
    if unknown:
        raise RecipeError.sentence(
            "use",
            f"data `{data_name}`",
            "one of its categories",
            f"{unknown[0]}, none of its variables ({', '.join(sorted(by_variable))})",
            "correct the name",
        )
    result = []
    for variable, layers in sorted(by_variable.items()):
        for year in recipe.years_ if len(layers) > 1 else ():
            of_year(layers, year)
        kinds = None
        if variable in entry.categories:
            kinds = Categories.of(variable, classes_in(layers))
        result.append(Covariate(variable, tuple(layers), entry.resampling, kinds))
    return result


def _series_of(
    found: list[FoundLayer], wanted: list[Season], data_name: str, resampling: Resampling | None
) -> list[Series]:
    """Group ready layers by variable and statistic; a layer outside the recipe's years is not used."""
    groups: dict[tuple[str, str], dict[str, dict[tuple[int, str], FoundLayer]]] = {}
    for layer in found:
        if layer.name.period is None:
            continue
        season = season_of(layer.name.period, scheme=wanted[0].scheme)
        if season is None:
            raise SourceError.sentence(
                "use",
                f"layer {layer.path.name}",
                "its period",
                f"{layer.name.period}, no season of the scheme {wanted[0].scheme}",
                "mark the data as `static: true` or take it out",
            )
        slots = groups.setdefault((layer.name.variable, layer.name.method), {}).setdefault(layer.name.type, {})
        if (season.year, season.name) in slots:
            raise SourceError.sentence(
                "use", f"data `{data_name}`", "one season", f"in two layers ({layer.path.name})", "take one of them out"
            )
        slots[season.year, season.name] = layer
    result = []
    for (variable, method), statistics in sorted(groups.items()):
        types = tuple(sorted(statistics))
        grid_of_layers = tuple(tuple(statistics[t].get((s.year, s.name)) for t in types) for s in wanted)
        present = [layer for row in grid_of_layers for layer in row if layer is not None]
        if not present:
            raise SourceError.sentence(
                "use",
                f"variable {variable} of data `{data_name}`",
                "the number of its layers within `years`",
                0,
                "change `years` or the folder",
            )
        result.append(Series(variable, types, method, present[0].encoding, grid_of_layers, resampling))
    return result


def check_derived(recipe: Recipe, series: list[Series], static: list[Covariate]) -> None:
    """Refuse a derived covariate whose inputs are not there."""
    have = {one.variable for one in series if "p50" in one.statistics}
    for index in recipe.steps.derive:
        if index in TEMPERATURE:
            continue
        if index in HALO_PX and index not in TERRAIN:
            raise DeriveError.sentence(
                "derive",
                f"`{index}`",
                "what it needs",
                "the whole catchment, not a tile",
                "make it once for the area and give it as a static layer",
            )
        if index in TERRAIN:
            if elevation_of(static) is None:
                raise RecipeError.sentence(
                    "derive",
                    f"`{index}`",
                    "the number of static layers whose variable starts with `elev`",
                    0,
                    "add terrain to `data`",
                )
            continue
        missing = set(bands_of(index)) - have
        if missing:
            raise DeriveError.sentence(
                "derive",
                f"`{index}`",
                "a band it needs",
                f"missing ({', '.join(sorted(missing))} p50)",
                "take it out of `steps.derive`",
            )


def elevation_of(static: list[Covariate] | tuple[Covariate, ...]) -> Covariate | None:
    """The covariate that holds elevation, if any."""
    return next((one for one in static if one.variable.startswith("elev")), None)


def describe(series: Series) -> dict[str, Any]:
    """What of a series enters a key."""
    return {
        "variable": series.variable,
        "statistics": list(series.statistics),
        "encoding": series.encoding.name,
        "resampling": series.resampling,
    }
