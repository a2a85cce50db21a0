"""Trials of a recipe before all of it is made: the maps of a part of the area, or the whole recipe on a coarse grid.

A part changes what is published and nothing before it: samples are learned from wherever they lie, tasks keep their keys, so a
later run of the whole area into the same folder does again only the layers. A preview changes the grid and nothing else: every
source is looked at in the centres of coarse pixels, blocks and folds stay, and of the layers only those are made that the page
draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import shapely
from pyproj.exceptions import CRSError, ProjError

from odse.errors import GridError, ReceiptError, RecipeError, RunError
from odse.grid import Bounds, change_of, tiles_over
from odse.run.task import Place, Task
from odse.store.receipts import read_receipt

if TYPE_CHECKING:
    from odse.run.plan import Plan

PREVIEW_PX = 200
"""The larger side of a preview has no more pixels than this."""
PREVIEW_TILE_PX = 256


@dataclass(frozen=True)
class Trial:
    """What to try. At most one of ``tile``, ``bbox`` and ``preview``."""

    tile: str | None = None
    """Name of a work tile."""
    bbox: Bounds | None = None
    """left, bottom, right, top"""
    bbox_crs: str | None = None
    """CRS of ``bbox``; None: the grid's."""
    preview: bool = False

    def __post_init__(self) -> None:
        said = [word for word in ("tile", "bbox", "preview") if getattr(self, word)]
        if len(said) > 1:
            raise RecipeError.sentence(
                "try", "the recipe", "what to try", f"said twice (--{said[0]}, --{said[1]})", "give one of them"
            )
        if self.bbox_crs and not self.bbox:
            raise RecipeError.sentence("use", f"--bbox-crs {self.bbox_crs}", "--bbox", "missing", "add --bbox")


def place_of(place: Place, trial: Trial) -> Place:
    """Where a trial happens. Raises GridError for a tile or box that has nothing of the area."""
    if trial.preview:
        return _preview(place)
    if trial.tile is None and trial.bbox is None:
        return place
    box = _tile_bounds(place, trial.tile) if trial.tile is not None else _box(place, trial)
    inside = place.area & shapely.box(*box)
    if inside.area == 0:
        left, bottom, right, top = place.area.bounds
        raise GridError.sentence(
            "map",
            f"the box {_numbers(box)} of {place.grid.crs}",
            "the part of the area in it",
            "empty",
            f"give one within {_numbers((left, bottom, right, top))}",
        )
    window = place.grid.snap(inside.bounds)
    return place if window == place.window else replace(place, part=window)


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:.10g}" for value in values)


def _tile_bounds(place: Place, name: str) -> Bounds:
    tiles = {tile.name: tile for tile in tiles_over(place.grid, place.area, size_px=place.recipe.tile_px)}
    if name not in tiles:
        names = list(tiles)
        some = ", ".join(names[:12]) + (f", … ({len(names)} in all: see `odse plan --json`)" if len(names) > 12 else "")
        raise GridError.sentence("map", f"tile {name}", "it", "not among the tiles of the area", f"take one of {some}")
    return tiles[name].bounds


def _box(place: Place, trial: Trial) -> Bounds:
    assert trial.bbox is not None
    left, bottom, right, top = trial.bbox
    if not (left < right and bottom < top):
        raise GridError.sentence(
            "map",
            f"the box {_numbers(trial.bbox)}",
            "its order",
            "not left, bottom, right, top",
            "write the smaller numbers first",
        )
    if trial.bbox_crs is None:
        return trial.bbox
    try:
        change = change_of(trial.bbox_crs, place.grid.crs)
        box: Bounds = change.transform_bounds(*trial.bbox, densify_pts=41)
    except CRSError as error:
        raise GridError.sentence(
            "use", f"--bbox-crs {trial.bbox_crs}", "it", "no CRS", "give one such as EPSG:4326"
        ) from error
    except ProjError:
        box = (math.inf,) * 4
    if not all(map(math.isfinite, box)):
        raise GridError.sentence(
            "map", f"the box {_numbers(trial.bbox)}", f"its place in {place.grid.crs}", "outside that CRS", "correct it"
        )
    return box


def _preview(place: Place) -> Place:
    """The same place on a coarse grid, in its own folder and under its own names."""
    recipe = place.recipe
    left, top, right, bottom = place.window
    factor = factor_for(max(right - left, bottom - top))
    publish = recipe.steps.publish.model_copy(update={"version": f"{recipe.steps.publish.version}.preview"})
    steps = recipe.steps.model_copy(update={"publish": publish})
    changed = recipe.model_copy(
        update={"title": f"Preview: {recipe.title}", "tile_px": PREVIEW_TILE_PX, "steps": steps}
    )
    return replace(place, folder=place.folder / "preview", recipe=changed, coarse=factor)


def factor_for(side_px: int) -> int:
    """The smallest odd number of fine pixels a coarse one may have so that a side has at most PREVIEW_PX of them.

    >>> factor_for(120), factor_for(460), factor_for(33_334)
    (1, 3, 167)
    """
    least = max(1, math.ceil(side_px / PREVIEW_PX))
    return least + (least + 1) % 2


def needed(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The tasks whose work enters a layer, in their order: in a trial of a part, tiles without samples beside it drop out."""
    wanted = [task_id for task_id, task in tasks.items() if task.step == "publish"]
    kept = set(wanted)
    while wanted:
        new = set(tasks[wanted.pop()].needs) - kept
        kept |= new
        wanted += new
    return {task_id: task for task_id, task in tasks.items() if task_id in kept}


def check_no_whole(plan: Plan) -> None:
    """Refuse to put layers of a part in the place of those of the whole area. Reads receipts. Raises RunError."""
    place = plan.place
    if place.part is None:
        return
    left, top, right, bottom = place.window
    for one in plan.publications:
        try:
            receipt = read_receipt(place.folder, f"publish/{one.layer.name}")
        except ReceiptError:
            continue
        if receipt is not None and list(receipt.statistics.get("shape", ())) == [bottom - top, right - left]:
            raise RunError.sentence(
                "map",
                f"a part into {place.folder}",
                "what its layers cover",
                f"the whole area ({one.layer.name})",
                "take another --out",
            )


def facts_of(place: Place) -> dict[str, str]:
    """What the page must say of a trial."""
    facts = {}
    if place.part is not None:
        left, bottom, right, top = place.grid.bounds_of(place.part)
        part = place.area & shapely.box(left, bottom, right, top)
        facts["Part shown"] = f"{part.area / 1e6:,.1f} km², within {_numbers((left, bottom, right, top))}"
    if place.coarse:
        which = (
            f"one pixel of {place.coarse} x {place.coarse}" if place.coarse > 1 else "every pixel of so small an area"
        )
        facts["Preview"] = f"{which}; maps, shares and accuracy are those of this grid"
    return facts
