"""A Recipe, carried out: plan, run, status, demo. The functions here import what they need when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from odse.run.draft import Draft
    from odse.run.execute import Run
    from odse.run.plan import Plan
    from odse.run.recipe import Recipe


def plan(
    recipe: str | Path | Recipe,
    *,
    out: str | Path = "out",
    data: Mapping[str, str] | None = None,
    tile: str | None = None,
    bbox: tuple[float, float, float, float] | None = None,
    bbox_crs: str | None = None,
    preview: bool = False,
) -> Plan:
    """What :func:`run` would do: tasks, layers, bytes, memory, time. Reads names, headers and samples; writes nothing.

    ``recipe`` is a path or a Recipe, ``data`` says where each of its data lies; the rest as in :func:`run`.
    """
    from odse.run.plan import plan as make
    from odse.run.trial import Trial

    return make(recipe, out=out, data=data, trial=Trial(tile, bbox, bbox_crs, preview))


def run(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    data: Mapping[str, str] | None = None,
    workers: int = 2,
    scheduler: str | None = None,
    tile: str | None = None,
    bbox: tuple[float, float, float, float] | None = None,
    bbox_crs: str | None = None,
    preview: bool = False,
    progress: bool = False,
) -> Run:
    """Carry out a recipe into the folder ``out``: layers, ``catalog.json``, ``index.html``, ``receipts/``.

    What has a valid receipt is not done again. ``workers`` local processes, or the Dask ``scheduler`` at an address.

    For a trial, at most one of: ``tile``, the name of a work tile, or ``bbox``, (left, bottom, right, top) in ``bbox_crs``
    (None: the grid's): the layers cover only this part of the area, learned from the samples of all of it; a later run of
    the whole into the same ``out`` carries on. ``preview``: the whole recipe on a coarse grid, into the folder ``preview``
    below ``out``.

    Raises an OdseError whose text is one sentence; the same call later carries on.
    """
    from odse.run.execute import execute
    from odse.run.plan import plan as make
    from odse.run.trial import Trial

    made = make(recipe, out=out, data=data, trial=Trial(tile, bbox, bbox_crs, preview))
    return execute(made, workers=workers, scheduler=scheduler, progress=progress)


def init(
    area: str | Path,
    samples: str | Path,
    *,
    data: Mapping[str, str] | None = None,
    out: str | Path = "recipe.yaml",
    force: bool = False,
    class_: str | None = None,
    date: str | None = None,
    weight: str | None = None,
    crs: str | None = None,
) -> Draft:
    """Write a commented recipe that runs, from an area (any vector file), samples (CSV or vector file) and folders of data.

    Columns, years, grid, blocks and what each folder holds are guessed; ``Draft.guesses`` says why, ``Draft.command()`` is
    the next command. ``class_``, ``date``, ``weight`` and ``crs`` say what a guess would miss. The JSON Schema is written
    beside the recipe. Raises an OdseError whose text is one sentence; then nothing is written.
    """
    from odse.run.draft import draft

    return draft(area, samples, data=data, out=out, force=force, class_=class_, date=date, weight=weight, crs=crs)


def schema(*, out: str | Path | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a recipe, for editors and other programs; ``out``: write it to a file, too."""
    from odse.run.recipe_schema import schema as make
    from odse.run.recipe_schema import write_schema

    if out is not None:
        write_schema(out)
    return make()


def status(folder: str | Path, *, verify: bool = False) -> dict[str, Any]:
    """What is done, waiting, failed and damaged in a run's folder; ``verify`` hashes every file again."""
    from odse.run.status import status as tell

    return tell(folder, verify=verify)


def demo(*, out: str | Path = "demo", workers: int = 2, progress: bool = False, small: bool = False) -> Run:
    """Simulate a small pilot area in the archive's format and make its maps. ``small``: one year less, for tests."""
    from odse.run.demo import demo as show

    return show(out=out, workers=workers, progress=progress, small=small)
