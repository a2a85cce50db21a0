"""Fit the coefficients of the plan: every task of some simulated runs in one process, its CPU time and its peak memory.

``python -m benchmarks.plan_fit FOLDER measure`` runs them (a quarter of an hour) and keeps FOLDER/measured.json;
``python -m benchmarks.plan_fit FOLDER`` prints the coefficients for src/odse/run/cost.py from it. Tile sizes and lengths are
none of those that benchmarks/plan_truth.py checks.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from benchmarks.plan_cases import inputs, plan_of
from odse.run import cost
from odse.run.execute import _Shared
from odse.run.plan import Plan
from odse.run.steps import carry_out
from odse.run.task import Task

FIRST = 2017
CASES = (
    (560, 768, 3, "all"),
    (560, 2048, 1, "all"),
    (560, 1280, 5, "all"),
    (560, 640, 4, "fill"),
    (200, 640, 1, "layers"),
    (1300, 1280, 1, "layers"),
)
"""(width of the area, tile_px, years, how far: all, or up to the filled series, or its layers too)"""
LEARNING = ("samples", "overlay", "fit", "train", "predict")


ANSWERS = {"forest_rows": 0.133, "boosting_rows": 0.265, "network_rows": 0.0037, "combined_mpx": 0.0096}
"""Measured apart: predict has all learners for each pixel, so that a fit cannot tell them from one another."""


def is_wanted(task: Task, far: str) -> bool:
    if far == "all" or task.step in ("ingest", "composite", "fill"):
        return True
    return far == "layers" and task.step == "publish" and task.params["step"] not in LEARNING


def peak_mb(*, anew: bool = False) -> float:
    """Largest resident size of this process since it was asked to begin anew."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def case_of(folder: Path, size_px: int, tile_px: int, years: int) -> Plan:
    at = inputs(folder / str(size_px), years=range(FIRST, FIRST + (5 if size_px == 560 else 1)), size_px=size_px, seed=5,
                samples=1400)  # fmt: skip
    return plan_of(at, at / f"fit-{tile_px}-{years}", years=range(FIRST, FIRST + years), tile_px=tile_px)


def measure(folder: Path, cases: Sequence[tuple[int, int, int, str]]) -> None:
    kept = folder / "measured.json"
    rows = json.loads(kept.read_text()) if kept.exists() else []
    for size_px, tile_px, years, far in cases:
        made = case_of(folder, size_px, tile_px, years)
        out = made.place.folder
        shutil.rmtree(out, ignore_errors=True)
        shared = _Shared(made)
        probe = 0.0
        for number, (name, task) in enumerate(made.tasks.items()):
            if not is_wanted(task, far):
                continue
            if number % 100 == 0 or not probe:
                cost.probe_s.cache_clear()
                probe = cost.probe_s()
            base = peak_mb(anew=True)
            receipt = carry_out(task, made.place, shared.of(task))
            rows.append(
                {
                    "case": [size_px, tile_px, years],
                    "step": task.step,
                    "name": name,
                    "cpu_s": receipt.measured["cpu_s"],
                    "probe_s": probe,
                    "base_mb": base,
                    "peak_mb": peak_mb(),
                    "bytes": sum(output.bytes for output in receipt.outputs),
                }
            )
        kept.write_text(json.dumps(rows))
        shutil.rmtree(out, ignore_errors=True)
        print(size_px, tile_px, years, "done", flush=True)


def fit(folder: Path) -> None:
    measured = json.loads((folder / "measured.json").read_text())
    loads: dict[str, cost.Load] = {}
    for size_px, tile_px, years in {tuple(row["case"]) for row in measured}:
        made = case_of(folder, size_px, tile_px, years)
        loads |= {f"{size_px} {tile_px} {years} {name}": load for name, load in cost.loads(made._known()).items()}
    by_step = defaultdict(list)
    seen: set[str] = set()
    for row in measured:
        load = loads[" ".join(map(str, [*row["case"], row["name"]]))]
        row |= {"drivers": load.drivers, "memory_mb": load.memory / cost.MB, "work": load.work, "writes": load.writes}
        if row["step"] in seen:  # the first of a step loads what the others find
            by_step[row["step"]].append(row)
        seen.add(row["step"])
    result: dict[str, dict[str, float]] = {}
    for step, rows in by_step.items():
        known = {
            **ANSWERS,
            **{n: v for n, v in result.get("fit", {}).items() if step == "train" and n not in ("tasks",)},
        }
        names = sorted({name for row in rows for name in row["drivers"]} - set(known))
        matrix = np.array([[row["drivers"].get(name, 0.0) for name in names] for row in rows])
        given = np.array([sum(row["drivers"].get(name, 0.0) * value for name, value in known.items()) for row in rows])
        wanted = np.array([row["cpu_s"] * cost.REFERENCE_S / row["probe_s"] for row in rows])
        weight = 1 / np.maximum(np.maximum(wanted, wanted.mean() / 3), 1e-3) ** 0.5
        scale = np.maximum(matrix.max(axis=0), 1e-12)
        rest = np.maximum(wanted - given, 0)
        found, _ = nnls(matrix / scale * weight[:, None], rest * weight)
        found *= rest.sum() / max((matrix @ (found / scale)).sum(), 1e-9)
        told = given + matrix @ (found / scale)
        here = {name for row in rows for name in row["drivers"]}
        result[step] = {name: value for name, value in known.items() if name in here}
        result[step] |= {n: float(f"{value:.3g}") for n, value in zip(names, found / scale, strict=True) if value > 0}
        print(f"{step:10} n={len(rows)} sum {wanted.sum():.1f} s")
        for case in sorted({tuple(row["case"]) for row in rows}):
            here = np.array([tuple(row["case"]) == case for row in rows])
            some = [row for row, one in zip(rows, here, strict=True) if one]
            most = max(some, key=lambda row: row["peak_mb"])
            arrays = max(row["memory_mb"] for row in some)
            made = [sum(row[name] for row in some) / 1e6 for name in ("bytes", "work", "writes")]
            print(
                f"    {case}: cpu {wanted[here].sum():.2f} told {told[here].sum():.2f}; peak {most['peak_mb']:.0f} MiB "
                f"from {most['base_mb']:.0f}, told {arrays:.0f} of arrays; {made[0]:.1f} MB told {made[1] + made[2]:.1f}"
            )
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    place = Path(sys.argv[1]).resolve()
    if sys.argv[2:] == ["measure"]:
        (place / "measured.json").unlink(missing_ok=True)
        measure(place, CASES)
    fit(place)
