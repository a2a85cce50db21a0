"""The samples of a Run: read, checked against the area, rare classes merged, folds drawn. Pure but for the reading."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import shapely

from odse.errors import SamplesError
from odse.grid import Tile
from odse.layer.legend import Legend
from odse.learn.folds import fold_ledger
from odse.learn.samples import merge_rare
from odse.run.recipe import LabelsData
from odse.run.task import Place
from odse.sources.labels import read_labels
from odse.sources.points import read_points
from odse.store.receipts import digest


@dataclass(frozen=True)
class SampleSet:
    """Samples within the area and the years, with their classes after merging."""

    table: pd.DataFrame
    """Columns id, x, y, year, target, weight; one row per sample, in the order of the file."""
    legend: Legend
    merged: tuple[dict[str, Any], ...]
    """One record per class that was merged up the legend or left out, with the reason."""
    outside: int
    """Points of the file outside the area or the years: not used."""

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Codes in the order of their values in the legend."""
        present = set(self.table["target"])
        return tuple(c.code for c in sorted(self.legend.classes, key=lambda c: c.value) if c.code in present)

    @cached_property
    def digest(self) -> str:
        """Hash of the rows: what enters a key."""
        return digest([[str(v) for v in row] for row in self.table.itertuples(index=False)])

    @property
    def summary(self) -> dict[str, Any]:
        counts = self.table["target"].value_counts()
        return {
            "used": len(self.table),
            "outside": self.outside,
            "classes": {code: int(counts[code]) for code in self.classes},
            "merged": list(self.merged),
        }

    def rows_in(self, tile: Tile) -> np.ndarray:
        """Positions of the rows whose place lies in a tile."""
        left, bottom, right, top = tile.bounds
        x, y = self.table["x"].to_numpy(), self.table["y"].to_numpy()
        return np.flatnonzero((x >= left) & (x < right) & (y > bottom) & (y <= top))

    def ledger(self, place: Place) -> pd.DataFrame:
        """The one fold ledger: id, block, fold, random_fold."""
        train = place.recipe.steps.train
        assert train is not None
        return fold_ledger(self.table, block_m=train.blocks_km * 1000, folds=train.folds, seed=train.seed)


def read_samples(place: Place) -> SampleSet:
    """The samples of a recipe. Raises SamplesError when none is usable or all are of one class."""
    named, train = place.recipe.samples_, place.recipe.steps.train
    assert train is not None and named is not None
    name, entry = named
    legend = place.legend
    if isinstance(entry, LabelsData):
        table = read_labels(
            place.data[name],
            crs_to=place.grid.crs,
            year=entry.year,
            legend=legend,
            variable=entry.variable,
            unlabelled=entry.unlabelled,
            every=entry.every,
        )
    else:
        table = read_points(
            place.data[name],
            crs_to=place.grid.crs,
            date=entry.date,
            class_=entry.class_,
            weight=entry.weight,
            legend=legend,
            x=entry.x,
            y=entry.y,
            crs=entry.crs,
        )
    inside = shapely.contains_xy(place.area, table["x"].to_numpy(), table["y"].to_numpy())
    if not inside.any():
        raise SamplesError.sentence(
            "use",
            f"data `{name}`",
            "the number of its points inside the area",
            f"0 of {len(table)}",
            "check `area` and the points' CRS",
        )
    years = np.isin(table["year"].to_numpy(), place.recipe.years_)
    if not (inside & years).any():
        found = ", ".join(str(year) for year in sorted(set(table["year"])))
        raise SamplesError.sentence(
            "use",
            f"data `{name}`",
            "the number of its points dated within `years`",
            f"0 (dates: {found})",
            "check `years` and the date column",
        )
    used = table[inside & years].reset_index(drop=True)
    used, merged = merge_rare(used, legend, min_per_class=train.min_per_class, rare=train.rare)
    used = used.reset_index(drop=True)
    if used["target"].nunique() < 2:
        only = ", ".join(sorted(set(used["target"]))) or "none"
        raise SamplesError.sentence(
            "learn from",
            f"data `{name}`",
            "the number of its classes with enough points",
            f"{used['target'].nunique()} ({only})",
            "add points of other classes or lower `steps.train.min_per_class`",
        )
    return SampleSet(used, legend, tuple(merged), int(len(table) - (inside & years).sum()))
