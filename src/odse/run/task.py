"""Task and Place: one thing to do, and where it is done. Both travel to the workers."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from odse.grid import Grid, Tile, Window, grid_, parse_tile
from odse.layer.legend import Legend, clc_legend, legend_from_csv
from odse.run.recipe import Recipe
from odse.store.receipts import digest

ALGORITHM = {
    "ingest": 1,
    "composite": 1,
    "fill": 1,
    "bakeoff": 1,
    "samples": 1,
    "overlay": 1,
    "fit": 2,
    "train": 4,
    "predict": 1,
    "post": 1,
    "publish": 1,
    "catalog": 2,
}
"""The number of each step, raised by hand when its answer changes: part of every key, unlike the release number."""


@lru_cache(maxsize=1)
def numerical_versions() -> dict[str, str]:
    """Versions of the libraries that can change an answer."""
    names = ("numpy", "numba", "rasterio", "pyproj", "scipy", "scikit-learn", "xgboost-cpu", "pillow")
    return {name: importlib.metadata.version(name) for name in names}


@dataclass(frozen=True)
class Task:
    """One Tile (or file, fold, Layer) x one step."""

    step: str
    name: str
    key: str
    """Hash of everything that can change the answer."""
    needs: tuple[str, ...] = ()
    """Ids of the tasks whose outputs it reads."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """What the step must be told; JSON-able."""

    @property
    def id(self) -> str:
        return f"{self.step}/{self.name}"


def make_task(
    step: str, name: str, *, needs: Iterable[Task] = (), params: Mapping[str, Any] | None = None, inputs: object = None
) -> Task:
    """A task whose key is the hash of its step, parameters, inputs and of the keys of what it needs."""
    needs = tuple(needs)
    key = digest(
        {
            "algorithm": ALGORITHM[step],
            "step": step,
            "name": name,
            "params": dict(params or {}),
            "inputs": inputs,
            "needs": {task.id: task.key for task in needs},
            "libraries": numerical_versions(),
        }
    )
    return Task(step, name, key, tuple(task.id for task in needs), dict(params or {}))


@dataclass(frozen=True)
class Place:
    """Where a Run happens: its folder, where the data lie on this machine, and the Recipe."""

    folder: Path
    recipe: Recipe
    data: Mapping[str, str]
    """Name in the recipe -> path. Never part of a key."""
    area_wkb: bytes
    """The area in the grid's CRS."""
    legend_csv: str = ""
    """The recipe's own legend; empty: CORINE."""
    part: Window | None = None
    """Pixel window of a trial of a part of the area: the only one that is published. None: all of it."""
    coarse: int = 0
    """Of a preview: pixels of the recipe's grid along a side of one of its own. 0: no preview."""

    @cached_property
    def legend(self) -> Legend:
        """The classes of samples and maps."""
        return legend_from_csv(self.legend_csv) if self.legend_csv else clc_legend(None)

    @cached_property
    def grid(self) -> Grid:
        grid = self.recipe.grid
        return grid_(grid if isinstance(grid, str) else grid.model_dump()).coarser(max(1, self.coarse))

    @cached_property
    def area(self) -> BaseGeometry:
        return shapely.from_wkb(self.area_wkb)

    @cached_property
    def window(self) -> Window:
        """The area's pixel window (col0, row0, col1, row1), snapped outward to whole pixels."""
        return self.grid.snap(self.area.bounds)

    @property
    def shown(self) -> Window:
        """The pixel window that is published: the area's, or in a trial that of its part."""
        return self.part or self.window

    def shows(self, tile: Tile) -> bool:
        """Whether some of a tile is published."""
        (col0, row0, col1, row1), (left, top, right, bottom) = tile.window, self.shown
        return col0 < right and left < col1 and row0 < bottom and top < row1

    def tile(self, name: str) -> Tile:
        return parse_tile(name, self.grid, size_px=self.recipe.tile_px)

    def work(self, *parts: str) -> Path:
        """A path under the folder of work files."""
        return self.folder.joinpath("work", *parts)
