"""The demo: a simulated pilot area, its recipe, its maps. The same commands a user gives, on data anyone can make."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from odse.run.execute import Run, execute
from odse.run.plan import plan
from odse.sources.simulate import SIMULATION, simulate
from odse.store.files import put_bytes
from odse.store.receipts import canonical

SEED = 1


def demo(*, out: str | Path, workers: int, progress: bool, small: bool) -> Run:
    """Simulate, plan, run. A second call simulates nothing anew and skips what has a receipt."""
    folder = Path(out).resolve()
    inputs = folder / "input"
    years = (2019, 2020) if small else (2017, 2018, 2019, 2020)
    size_px = 220 if small else 460
    text = importlib.resources.files("odse.recipes").joinpath("landcover.yaml").read_text(encoding="utf-8")
    text = text.replace("years: 2017..2020", f"years: {years[0]}..{years[-1]}")
    what = {"simulation": SIMULATION, "years": list(years), "size_px": size_px, "seed": SEED}
    mark = inputs / "simulated.json"
    if not mark.exists() or mark.read_bytes() != canonical(what):
        simulate(inputs, years=years, size_px=size_px, seed=SEED, workers=workers, progress=progress)
        put_bytes(mark, canonical(what))
    recipe = folder / "recipe.yaml"
    put_bytes(recipe, text.encode())
    data = {
        "archive": str(inputs / "archive"),
        "terrain": str(inputs / "terrain"),
        "samples": str(inputs / "samples.csv"),
        "truth": str(inputs / "truth"),
    }
    return execute(plan(recipe, out=folder, data=data), workers=workers, progress=progress)
