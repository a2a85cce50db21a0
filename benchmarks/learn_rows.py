"""Rows of `make bench` for a forest of 43 classes: probabilities, the size of its file and the time to open it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestClassifier

from odse.learn.ensemble import ForestMember
from odse.learn.forest import Forest
from odse.learn.model import member_from_files, member_to_files

CLASSES = 43
COVARIATES = 100
WHOLE = 70
"""So many of the covariates are whole numbers of 0 to 250, as composites are."""


def world(side: int = 768, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(pixel, covariate) float32 mixed from 14 smooth random fields, and classes whose prior falls from 1 to 1/300."""
    rng = np.random.default_rng(seed)
    fields = [gaussian_filter(rng.standard_normal((side, side)), s, mode="wrap") for s in np.geomspace(2, 60, 14)]
    base = np.stack([field / field.std() for field in fields]).reshape(14, -1).astype(np.float32)
    values = rng.standard_normal((COVARIATES, 14)).astype(np.float32) @ base
    values += 0.3 * rng.standard_normal(values.shape, dtype=np.float32)
    scale = 25 / values[:WHOLE].std(axis=1, keepdims=True)
    values[:WHOLE] = np.clip(np.round(125 + scale * values[:WHOLE]), 0, 250)
    score = base.T @ (0.8 * rng.standard_normal((14, CLASSES)))
    score += np.log(np.geomspace(1, 1 / 300, CLASSES)) + rng.gumbel(size=score.shape)
    return np.ascontiguousarray(values.T), score.argmax(axis=1)


def rows() -> list[dict[str, Any]]:
    """Beside scikit-learn on one thread, which has trained the forest: about 25 CPU seconds for 100 trees of 40 000 points."""
    from benchmarks.run import cpu, pair, record, same

    covariates, target = world()
    points = np.random.default_rng(1).choice(len(target), 40_000, replace=False)
    model = RandomForestClassifier(100, min_samples_leaf=5, random_state=0, n_jobs=1)
    model.fit(covariates[points], target[points])
    packed = Forest.of(model, model.classes_.astype(np.int64), CLASSES)
    window = np.ascontiguousarray(covariates[: 2**15])

    def ours() -> np.ndarray:
        return packed.predict(window)

    def theirs() -> np.ndarray:
        return model.predict_proba(window)

    mine, wanted = ours(), np.zeros((len(window), CLASSES))
    wanted[:, model.classes_] = theirs()
    same(mine, wanted, "scikit-learn", within=1e-6)
    same(mine.argmax(axis=1), wanted.argmax(axis=1), "scikit-learn's dominant class")
    what = f"forest, {CLASSES} classes, 100 trees, leaf 5, {len(packed.node) // 1000} k nodes, {COVARIATES} covariates"
    a, b, ratio = pair(ours, theirs, scale=1)
    pixels = len(window) / 1e6
    found = [
        record(what, "scikit-learn predict_proba", "Mpx per CPU second, one thread", pixels / a, pixels / b, ratio, 3.5)
    ]
    kept, pickled = member_to_files(ForestMember(packed)), pickle.dumps(model)
    again = member_from_files(kept)
    same(again.predict(window), mine, "the opened file")
    size, beside = len(kept["forest.npz"]) / 1e6, len(pickled) / 1e6
    found.append(record(what, "pickle of scikit-learn", "model file, MB", size, beside, beside / size, 30))
    member_from_files(kept)
    opened, loaded = (
        min(cpu(work) for _ in range(5)) for work in (lambda: member_from_files(kept), lambda: pickle.loads(pickled))
    )
    found.append(
        record(
            what,
            "0.2 s, for comparison; theirs: pickle",
            "seconds to open, all checked",
            opened,
            loaded,
            0.2 / opened,
            1,
        )
    )
    return found
