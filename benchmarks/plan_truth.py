"""Is the plan true? Runs of tile sizes and lengths that its coefficients were not fitted on: told beside measured.

``python -m benchmarks.plan_truth FOLDER [WIDTH/TILExYEARS ...]`` simulates an area once, plans each case in a process of its own,
runs it with one worker as a user would, and measures CPU time of all its processes and the peak of its worker. Prints a
table and writes benchmarks/results/plan_truth.json; exits with 1 where memory is off by more than 20 % or CPU by more than 30.
``--again`` runs nothing: it tells anew, with the machine's speed of then, what was measured then.
"""

from __future__ import annotations

import json
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.plan_cases import inputs, plan_of
from odse import __version__
from odse.run.cost import REFERENCE_S, probe_s
from odse.run.plan import Plan
from odse.store.receipts import Receipt, iter_receipts

YEARS = range(2016, 2023)
CASES = ("900/1024x2", "420/1536x4", "420/512x7")
"""Width of the area in pixels, tile_px, years: none of them is among those of benchmarks/plan_fit.py."""
MEMORY, CPU = 0.20, 0.30
RESULTS = Path(__file__).parent / "results" / "plan_truth.json"


def out_of(folder: Path, case: str) -> Path:
    size_px, rest = case.split("/")
    return folder / size_px / f"truth-{rest}"


def plan_case(folder: Path, case: str) -> Plan:
    size_px, tile_px, years = map(int, case.replace("/", "x").split("x"))
    at = inputs(folder / str(size_px), years=YEARS, size_px=size_px, seed=11, samples=2000)
    return plan_of(at, out_of(folder, case), years=YEARS[:years], tile_px=tile_px)


def run_case(folder: Path, case: str, *, workers: int = 1) -> dict[str, Any]:
    """Plan in one process, run in another; CPU seconds are those of the second and all its children."""
    out = out_of(folder, case)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    words = [sys.executable, "-m", "benchmarks.plan_truth", str(folder), case]
    told = json.loads(subprocess.run([*words, "--plan"], check=True, capture_output=True, text=True).stdout)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*words, f"--run={workers}"], check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    receipts = [one for _, one in iter_receipts(out) if isinstance(one, Receipt) and one.measured]
    steps: dict[str, float] = {}
    for one in receipts:
        steps[one.step] = steps.get(one.step, 0.0) + one.measured["cpu_s"]
    whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    steps["around"] = whole - sum(steps.values())
    made = {name: sum(o.bytes for r in receipts for o in r.outputs if o.path.startswith("work/") == (name == "work"))
            for name in ("work", "published")}  # fmt: skip
    shutil.rmtree(out)
    return {
        "case": case,
        "told": told,
        "measured": {
            "cpu_seconds": round(whole, 1),
            "cpu_seconds_by_step": {name: round(value, 1) for name, value in steps.items()},
            "memory_per_worker_bytes": max(one.measured["peak_mb"] for one in receipts) * 2**20,
            "bytes_to_write": made["published"],
            "work_bytes": made["work"],
            "wall_seconds": round(wall, 1),
        },
    }


def table(records: list[dict[str, Any]]) -> bool:
    """Print told / measured of each case; whether all are within the bounds."""
    good = True
    print(f"{'case':<9} {'what':<26} {'told':>10} {'measured':>10} {'ratio':>6}")
    for record in records:
        told, measured = record["told"], record["measured"]
        lines = [(step, told["cpu_seconds_by_step"][step], seconds, None)
                 for step, seconds in measured["cpu_seconds_by_step"].items()]  # fmt: skip
        lines.append(("CPU seconds", told["cpu_seconds"], measured["cpu_seconds"], CPU))
        for key, bound in (("memory_per_worker_bytes", MEMORY), ("bytes_to_write", None), ("work_bytes", None)):
            lines.append((f"{key.replace('_bytes', '')}, MiB", told[key] / 2**20, measured[key] / 2**20, bound))
        for what, said, was, bound in lines:
            off = bound is not None and abs(said / was - 1) > bound
            good = good and not off
            print(
                f"{record['case']:<9} {what:<26} {said:>10.1f} {was:>10.1f} {said / max(was, 1e-9):>6.2f}{' OFF' * off}"
            )
    return good


def main(words: list[str]) -> int:
    folder = Path(words[0]).resolve()
    cases = [word for word in words[1:] if not word.startswith("--")] or list(CASES)
    task = next((word for word in words if word.startswith("--")), "")
    if task and task != "--again":
        made = plan_case(folder, cases[0])
        if task == "--plan":
            print(json.dumps({**made.cost.to_json(1), "probe_s": probe_s()}))
        else:
            from odse.run.execute import execute

            execute(made, workers=int(task.split("=")[1]), progress=False)
        return 0
    if "--again" in words:
        kept = json.loads(RESULTS.read_text())
        for record in kept["cases"]:
            machine = record["told"]["probe_s"] / REFERENCE_S
            told = plan_case(folder, record["case"]).cost_on(machine).to_json(1)
            record["told"] = {**told, "probe_s": record["told"]["probe_s"]}
        RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
        return 0 if table(kept["cases"]) else 1
    records = []
    for case in cases:
        records.append(run_case(folder, case))
        good = table(records)
        RESULTS.write_text(json.dumps({"release": __version__, "cases": records}, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
