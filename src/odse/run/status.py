"""The state of a run, told from its receipts alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from odse.errors import ReceiptError, RunError
from odse.store.receipts import damage, iter_receipts

CLOSING = "catalog"
"""Catalogue and page end a run: their key is known only then, so no plan holds it."""


def status(folder: str | Path, *, verify: bool = False) -> dict[str, Any]:
    """What is done, waiting, failed and damaged in a run's folder. JSON-able.

    Keys: ``tasks`` (number by state: done, unreadable, outside, waiting, failed, damaged), ``steps`` (the same by step),
    ``failures`` (key, class, sentence), ``damaged`` (key, what), ``layers`` (published COGs, relative to the folder),
    ``seconds`` (read, compute, write). With ``verify`` every file that was made is hashed again; without, only its
    size is looked at. Raises RunError when the folder holds no run.
    """
    folder = Path(folder)
    planned = _planned(folder)
    if planned is None and not (folder / "receipts").is_dir():
        raise RunError.sentence(
            "tell", f"the state of {folder}", "the number of receipts in it", 0, "give the --out of a run"
        )
    failures = _failures(folder)
    failed = {failure["key"] for failure in failures}
    tasks: Counter[str] = Counter()
    steps: dict[str, Counter[str]] = {}
    damaged, layers, seen = [], [], set()
    seconds: Counter[str] = Counter()
    for task_id, receipt in iter_receipts(folder):
        step = task_id.split("/", 1)[0]
        seen.add(task_id)
        if isinstance(receipt, ReceiptError):
            state = "damaged"
            damaged.append({"key": f"receipts/{task_id}.json", "what": "its seal is broken"})
        elif planned is not None and step != CLOSING and planned.get(task_id) != receipt.key:
            state = "outdated" if task_id in planned else "no longer planned"
        else:
            state = receipt.state
            for output in receipt.outputs:
                if output.path.startswith("work/") and not (folder / output.path).exists():
                    continue
                fault = damage(folder, output, hashed=verify)
                if fault:
                    state = "damaged"
                    damaged.append({"key": output.path, "what": fault})
                elif output.path.endswith(".tif") and not output.path.startswith("work/"):
                    layers.append(output.path)
            for what in ("read", "compute", "write"):
                seconds[what] += receipt.measured.get(f"{what}_s", 0.0)
        tasks[state] += 1
        steps.setdefault(step, Counter())[state] += 1
    for task_id in sorted(set(planned or {}) - seen):
        state = "failed" if task_id in failed else "waiting"
        tasks[state] += 1
        steps.setdefault(task_id.split("/", 1)[0], Counter())[state] += 1
    return {
        "folder": str(folder),
        "tasks": dict(tasks),
        "steps": {step: dict(counts) for step, counts in steps.items()},
        "failures": [failure for failure in failures if failure["key"] not in seen],
        "damaged": damaged,
        "layers": layers,
        "seconds": {what: round(value, 1) for what, value in seconds.items()},
    }


def _planned(folder: Path) -> Mapping[str, str] | None:
    path = folder / "work" / "plan.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def _failures(folder: Path) -> list[dict[str, str]]:
    path = folder / "work" / "failures.json"
    if not path.exists():
        return []
    return [
        {"key": one["key"], "class": one["failure"], "sentence": one["sentence"]}
        for one in json.loads(path.read_bytes())
    ]
