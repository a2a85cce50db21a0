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
from typing import Any

from odse.derive.indices import bands_of
from odse.errors import DeriveError, RecipeError, SourceError
from odse.grid import Grid
from odse.layer.period import Season, season_of
from odse.raster.encoding import Encoding
from odse.run.recipe import ArchiveData, GladData, LayersData, NetcdfData, Recipe
from odse.sources.archive import Archive, GladArchive, SceneArchive
from odse.sources.layers import FoundLayer, check_on_grid, scan

TERRAIN = ("slope",)
"""What can be derived from a static elevation layer."""


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

    def band(self, season_index: int, statistic_index: int) -> int:
        """Number (from 1) of a band in the work file of the filled series."""
        return season_index * len(self.statistics) + statistic_index + 1


@dataclass(frozen=True)
class Features:
    """The ordered covariates of one pixel and year."""

    series: tuple[Series, ...]
    seasons: tuple[Season, ...]
    static: tuple[FoundLayer, ...]
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
            f"{index}_p50_{season}" for index in self.derived if index not in TERRAIN for season in self.season_names
        ]
        names += [found.name.variable for found in self.static]
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
) -> tuple[tuple[Series, ...], tuple[FoundLayer, ...]]:
    """The series and the static layers of a recipe. Reads headers of ready layers; refuses a raster on another grid."""
    wanted = list(recipe.seasons_)
    series: list[Series] = []
    static: list[FoundLayer] = []
    for name, entry in recipe.data.items():
        if isinstance(entry, ArchiveData):
            composite, archive = recipe.steps.composite, archive_of(recipe, data)
            assert composite is not None and archive is not None
            statistics = tuple(f"p{percentile}" for percentile in composite.percentiles)
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
                if fault:
                    raise SourceError(fault)
            if entry.static:
                static += found
            else:
                series += _series_of(found, wanted, name)
    check_derived(recipe, series, static)
    return tuple(series), tuple(static)


def _series_of(found: list[FoundLayer], wanted: list[Season], data_name: str) -> list[Series]:
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
        result.append(Series(variable, types, method, present[0].encoding, grid_of_layers))
    return result


def check_derived(recipe: Recipe, series: list[Series], static: list[FoundLayer]) -> None:
    """Refuse a derived covariate whose inputs are not there."""
    have = {one.variable for one in series if "p50" in one.statistics}
    for index in recipe.steps.derive:
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


def elevation_of(static: list[FoundLayer] | tuple[FoundLayer, ...]) -> FoundLayer | None:
    """The static layer that holds elevation, if any."""
    return next((found for found in static if found.name.variable.startswith("elev")), None)


def describe(series: Series) -> dict[str, Any]:
    """What of a series enters a key."""
    return {
        "variable": series.variable,
        "statistics": list(series.statistics),
        "encoding": series.encoding.name,
    }
