"""Simulated runs of which the plan is fitted and checked: one folder of data, some years, a tile size."""

from __future__ import annotations

import importlib.resources
import os
from pathlib import Path

from odse.run.plan import Plan, plan
from odse.run.recipe import read_recipe
from odse.sources.simulate import simulate

Case = tuple[int, int]
"""(tile_px, number of years)"""


def inputs(folder: Path, *, years: range, size_px: int, seed: int, samples: int) -> Path:
    """Simulate once; the folder above input/."""
    if not (folder / "input" / "area.geojson").exists():
        simulate(folder / "input", years=years, size_px=size_px, seed=seed, samples=samples, broken=False)
    return folder


def plan_of(folder: Path, out: Path, *, years: range, tile_px: int) -> Plan:
    """The plan of the land-cover recipe; also for tile sizes that a recipe file would be refused for."""
    text = importlib.resources.files("odse.recipes").joinpath("landcover.yaml").read_text(encoding="utf-8")
    path = folder / f"{out.name}.yaml"
    path.write_text(text.replace("years: 2017..2020", f"years: {years[0]}..{years[-1]}"), encoding="utf-8")
    recipe = read_recipe(path).model_copy(update={"tile_px": tile_px})
    os.chdir(folder)
    names = {"archive": "archive", "terrain": "terrain", "samples": "samples.csv", "truth": "truth"}
    data = {name: str(folder / "input" / place) for name, place in names.items()}
    return plan(recipe, out=out, data=data)
