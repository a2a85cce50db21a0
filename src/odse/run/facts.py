"""What a finished run can say of itself, gathered from receipts and layers: shares of clear and filled pixels, agreement
with known truth, where samples were held out, and where the time went. Facts, not their looks: ``closing`` turns them into
pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import shapely

from odse.report.model import Block, FeatureLine, FoldMap
from odse.report.run_page import TaskLine, TileLine
from odse.run.plan import Plan
from odse.run.recipe import LayersData
from odse.sources.layers import FoundLayer, read_window, scan
from odse.store.receipts import Receipt


@dataclass(frozen=True)
class SeasonFacts:
    """Shares (0-1) over the area's pixels in one season, mean over the variables."""

    season: str
    year: int
    observed: float
    filled: float
    unfilled: float


def season_facts(plan: Plan, receipts: Mapping[str, Receipt]) -> list[SeasonFacts]:
    """How much of each season was observed, and how much was filled, in the tiles that are shown."""
    facts = []
    place = plan.place
    tiles = {task_id.split("/")[1] for task_id in receipts if task_id.startswith("fill/")}
    shown = {name: place.shows(place.tile(name)) for name in tiles}
    for season in plan.features.seasons:
        word = f"{season.year}-{season.name}"
        observed = filled = unfilled = 0
        for task_id, receipt in receipts.items():
            if task_id.startswith("fill/") and shown[task_id.split("/")[1]]:
                phases = receipt.statistics["flag"].get(word, {})
                observed += phases.get("0", 0)
                unfilled += phases.get("255", 0)
                filled += sum(count for phase, count in phases.items() if phase not in ("0", "255"))
        total = max(1, observed + filled + unfilled)
        facts.append(SeasonFacts(season.name, season.year, observed / total, filled / total, unfilled / total))
    return facts


def truth_layers(plan: Plan) -> dict[int, FoundLayer]:
    """The known class map of each year, where the recipe has one."""
    result = {}
    for name, entry in plan.place.recipe.data.items():
        if isinstance(entry, LayersData) and entry.role == "truth":
            for found in scan(plan.place.data[name], variables=entry.variables):
                if found.name.period is not None:
                    result[found.name.period.year] = found
    return result


def agreement(plan: Plan, dominant: Mapping[int, Path], truth: Mapping[int, FoundLayer]) -> dict[int, dict[str, float]]:
    """Share of the area's pixels whose dominant class is the true one, at legend levels 1 to 3, by year.

    Read in strips of rows: memory does not grow with the area. A pixel mapped to a merged class (such as 31) agrees at
    level 3 with no class and at level 2 with its group.
    """
    if plan.place.legend_csv:
        return {}  # truth is told for CORINE's codes
    legend = plan.place.legend
    code_of = np.full(256, 0, dtype=np.int64)
    for value in range(256):
        known = legend.by_value.get(value)
        code_of[value] = int(known.code) if known else 0
    left, top, right, bottom = plan.place.shown
    result = {}
    for year in sorted(set(dominant) & set(truth)):
        right_of = dict.fromkeys((1, 2, 3), 0)
        total = 0
        with rasterio.open(dominant[year]) as source:
            for row in range(0, bottom - top, 512):
                rows = min(512, bottom - top - row)
                mapped = source.read(1, window=((row, row + rows), (0, right - left)))
                true = read_window(truth[year], (left, top + row, right, top + row + rows), plan.place.grid)
                use = (mapped != 255) & ~np.ma.getmaskarray(true)
                ours, theirs = code_of[mapped[use]], code_of[np.asarray(true.data)[use].astype(np.uint8)]
                total += int(use.sum())
                for level in right_of:
                    right_of[level] += int((_at(ours, level) == _at(theirs, level)).sum())
        if total:
            result[year] = {f"level_{level}": count / total for level, count in right_of.items()}
    return result


def _at(codes: np.ndarray, level: int) -> np.ndarray:
    """CLC codes of any level, cut to a level; a code that is coarser than the level becomes its negative."""
    digits = np.where(codes >= 100, 3, np.where(codes >= 10, 2, 1))
    cut = codes // np.power(10, np.maximum(digits - level, 0))
    return np.where(digits < level, -codes, cut)


def time_facts(receipts: Mapping[str, Receipt]) -> list[dict[str, Any]]:
    """By step: number of tasks, seconds of read, compute, write, and the largest memory of a process."""
    rows: dict[str, dict[str, Any]] = {}
    for receipt in receipts.values():
        row = rows.setdefault(
            receipt.step,
            {
                "step": receipt.step,
                "tasks": 0,
                "read_s": 0.0,
                "compute_s": 0.0,
                "write_s": 0.0,
                "seconds": 0.0,
                "peak_mb": 0,
            },
        )
        row["tasks"] += 1
        for what in ("read_s", "compute_s", "write_s", "seconds"):
            row[what] = round(row[what] + receipt.measured.get(what, 0.0), 3)
        row["peak_mb"] = max(row["peak_mb"], receipt.measured.get("peak_mb", 0))
    return [rows[step] for step in sorted(rows, key=list(_ORDER).index)]


_ORDER = (
    "ingest",
    "composite",
    "fill",
    "bakeoff",
    "samples",
    "overlay",
    "fit",
    "train",
    "predict",
    "post",
    "publish",
    "catalog",
)


def workers_of(receipts: Mapping[str, Receipt]) -> list[str]:
    """The processes that did tasks, as host:pid."""
    return sorted({f"{r.measured.get('host')}:{r.measured.get('pid')}" for r in receipts.values()})


def outline(plan: Plan) -> list[list[tuple[float, float]]]:
    """The area's rings in metres of the grid, as fine as a picture of it can show."""
    left, bottom, right, top = plan.place.area.bounds
    shape = plan.place.area.simplify(max(right - left, top - bottom) / 1000)
    return [
        [(float(x), float(y)) for x, y in ring.coords]
        for part in shapely.get_parts(shape)
        if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    ]


def fold_map(plan: Plan) -> FoldMap:
    """The blocks of the published ledger with their folds, and the samples in them."""
    train = plan.place.recipe.steps.train
    assert train is not None
    model = plan.place.folder / "model"
    places = pd.read_csv(model / "samples.csv", usecols=["id", "x", "y", "target"], dtype={"target": str})
    table = places.merge(pd.read_csv(model / "folds.csv"), on="id", validate="one_to_one")
    size = train.blocks_km * 1000
    blocks = []
    for _, rows in table.groupby("block"):
        first = rows.iloc[0]
        x, y = np.floor(first["x"] / size) * size, np.floor(first["y"] / size) * size
        blocks.append(Block(float(x), float(y), int(first["fold"]), len(rows)))
    points = [(float(x), float(y)) for x, y in zip(table["x"], table["y"], strict=True)]
    counts = pd.crosstab(table["target"], table["fold"])
    by_class = {str(code): [int(n) for n in row] for code, row in zip(counts.index, counts.to_numpy(), strict=True)}
    return FoldMap(outline(plan), size, blocks, points, by_class)


UNITS = {
    "slope": "%",
    "aspect": "°",
    "roughness": "m",
    "ruggedness": "m",
    "position": "m",
    "temperature.mean": "°C",
    "temperature.min": "°C",
    "temperature.max": "°C",
}
"""Units of derived covariates; those not named have none."""


def feature_lines(plan: Plan) -> list[FeatureLine]:
    """The features of the model, one line a variable, with unit and origin."""
    features = plan.features
    units = {one.variable: one.encoding.unit for one in features.series}
    units |= {one.variable: "class" if one.categories else one.layers[0].encoding.unit for one in features.static}
    units |= {name: UNITS.get(name, "1") for name in features.derived}
    methods = {one.variable: one.method for one in features.series}
    groups: dict[str, list[list[str]]] = {}
    for name in features.names:
        variable, *rest = name.split("_")
        groups.setdefault(variable, []).append(rest)
    lines = []
    for variable, rests in groups.items():
        if variable in features.derived:
            origin = "derived"
        else:
            origin = f"seasonal, {methods[variable]}" if variable in methods else "static"
        words = dict.fromkeys(word for rest in rests for word in rest)
        seasons = [word for word in words if word in features.season_names]
        statistics = [word for word in words if word not in seasons]
        lines.append(FeatureLine(variable, units.get(variable, ""), origin, statistics, seasons, len(rests)))
    return lines


def task_lines(receipts: Mapping[str, Receipt]) -> list[TaskLine]:
    """What each receipt measured."""
    return [
        TaskLine(
            id=task_id,
            step=one.step,
            state=one.state,
            worker=f"{one.measured.get('host')}:{one.measured.get('pid')}",
            finished=float(one.measured["finished"]),
            bytes=sum(output.bytes for output in one.outputs),
            **{
                what: float(one.measured.get(what, 0))
                for what in ("seconds", "read_s", "compute_s", "write_s", "peak_mb")
            },
        )
        for task_id, one in receipts.items()
        if "finished" in one.measured
    ]


def tile_lines(plan: Plan, receipts: Mapping[str, Receipt], failures: Sequence[Mapping[str, str]]) -> list[TileLine]:
    """How far each tile of work is: the tasks that name it."""
    failed = {one["key"] for one in failures}
    counts: dict[str, list[float]] = {}
    for task_id, task in plan.tasks.items():
        if "tile" in task.params:
            row = counts.setdefault(task.params["tile"], [0, 0, 0, 0.0])
            receipt = receipts.get(task_id)
            row[0 if receipt else 1 if task_id in failed else 2] += 1
            row[3] += receipt.measured.get("seconds", 0.0) if receipt else 0.0
    lines = []
    for name, (done, lost, waiting, spent) in counts.items():
        left, bottom, right, _ = plan.place.tile(name).bounds
        lines.append(TileLine(name, left, bottom, right - left, int(done), int(lost), int(waiting), spent))
    return lines
