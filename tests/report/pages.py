"""Made-up contents of both reports, with words that would do harm if they were not escaped."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from odse.layer.legend import clc_legend
from odse.learn.accuracy import accuracy_report
from odse.report.model import Block, ClassLine, FeatureLine, FoldMap, ModelPage
from odse.report.run_page import RunPage, TaskLine, TileLine

CLASSES = ("111", "211", "231", "311", "312", "511")
LEARNERS = ("forest", "boosting", "network")
EVIL = "<script>alert('1')</script> & \"co\""


@cache
def accuracy() -> dict[str, Any]:
    """A real report of made-up answers, the spatial ones worse than the random ones."""
    rng = np.random.default_rng(2)
    n = 400
    target = rng.integers(0, len(CLASSES), n)
    oof = {}
    for design, noise in (("spatial", 1.3), ("random", 0.8)):
        logits = 2.0 * np.eye(len(CLASSES))[target][:, None] + rng.normal(size=(n, 3, len(CLASSES))) * noise
        power = np.exp(logits)
        oof[design] = (power / power.sum(axis=2, keepdims=True)).astype(np.float32)
    fold = np.arange(n) % 5
    report = accuracy_report(oof, target, np.ones(n), folds={"spatial": fold, "random": fold}, learners=LEARNERS,
                             classes=CLASSES, legend=clc_legend())  # fmt: skip
    lines = [{"name": "nir", "features": 12, "log_loss": 0.5, "deviation": 0.03, "accuracy": 0.18},
             {"name": "elev", "features": 1, "log_loss": 0.25, "deviation": 0.01, "accuracy": 0.02},
             {"name": "noise", "features": 1, "log_loss": -0.01, "deviation": 0.02, "accuracy": -0.003}]  # fmt: skip
    groups = {"kind": lines[:1], "season": lines[:2], "variable": lines}
    told = {"fold": 3, "rows": 80, "repeats": 5, "log_loss": 0.75, "overall_accuracy": 0.775, "groups": groups}
    return {**report, "importance": told}


def model_page(**changes: Any) -> ModelPage:
    known = clc_legend().by_code
    classes = [
        ClassLine(code, f"{known[code].label} {EVIL}", known[code].color, 60 + i) for i, code in enumerate(CLASSES)
    ]
    blocks = [Block(30_000.0 * i, 30_000.0 * j, (i + 2 * j) % 5, 10 + i) for i in range(5) for j in range(4)]
    ring = [(5_000.0, 4_000.0), (140_000.0, 2_000.0), (148_000.0, 110_000.0), (9_000.0, 118_000.0), (5_000.0, 4_000.0)]
    counts = {code: [5, 0, 7, 8, 9] for code in CLASSES}
    content = {
        "title": EVIL,
        "accuracy": accuracy(),
        "classes": classes,
        "folds": FoldMap([ring], 30_000.0, blocks, [(20_000.0, 30_000.0), (70_000.0, 60_000.0)], counts),
        "features": [
            FeatureLine("nir", "1", EVIL, ("p25", "p50"), ("winter", "summer"), 4),
            FeatureLine("elev", "m", "static", (), (), 1),
        ],
        "merged": [{"code": "332", "count": 2, "reason": EVIL}],
        "weights": {"forest": 0.44, "boosting": 0.3, "network": 0.26},
        "settings": {"Folds": "5"},
        "facts": {"Licence": "CC-BY-4.0", "Attribution": EVIL},
        "files": {"model/folds.csv": "ab" * 32},
    }  # fmt: skip
    return ModelPage(**{**content, **changes})


def task(
    step: str, name: str, start: float, seconds: float, *, worker: str = "host:1", state: str = "done"
) -> TaskLine:
    shares = {"read_s": seconds * 0.3, "compute_s": seconds * 0.5, "write_s": seconds * 0.1}
    return TaskLine(
        f"{step}/{name}", step, state, worker, start + seconds, seconds, peak_mb=300.0, bytes=1000, **shares
    )


def run_page(**changes: Any) -> RunPage:
    """Two workers, two sessions, one failure that blocks another task, one task still to do."""
    tasks = [task("ingest", f"{i}", 1000.0 + 2 * i, 2.0, worker=f"host:{i % 2}") for i in range(10)]
    tasks += [task("fill", f"x0001y0002/b{i}", 5000.0 + 9 * i, 8.0) for i in range(4)]
    tasks.append(task("ingest", "broken", 5040.0, 0.5, state="unreadable"))
    planned = {one.id: one.step for one in tasks} | {
        "fill/x0001y0002/red": "fill",
        "publish/a": "publish",
        "publish/b": "publish",
    }
    failures = [{"key": "fill/x0001y0002/red", "class": "bad input", "sentence": EVIL},
                {"key": "publish/a", "class": "blocked", "sentence": "it needs fill/x0001y0002/red, which was set aside"}]  # fmt: skip
    tiles = [
        TileLine(f"x000{i}y0002", 30_720.0 * i, 0.0, 30_720.0, *counts, 30.0)
        for i, counts in enumerate([(4, 1, 0), (4, 0, 0), (0, 0, 5), (2, 0, 3)], start=1)
    ]
    content = {
        "title": EVIL,
        "planned": planned,
        "tasks": tasks,
        "area": [[(1_000.0, 1_000.0), (100_000.0, 3_000.0), (60_000.0, 29_000.0), (1_000.0, 1_000.0)]],
        "tiles": tiles,
        "failures": failures,
        "unreadable": [{"file": "broken", "why": EVIL}],
        "notes": [EVIL],
        "facts": {"Area": "1 km²"},
        "links": {"← maps": "index.html"},
    }
    return RunPage(**{**content, **changes})
