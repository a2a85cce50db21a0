"""What the ensemble leans on: how much worse it answers on ground it never saw when some features are shuffled.

Permutation importance (Breiman 2001, doi 10.1023/A:1010933404324) by groups of features that are shuffled together, on one
fold of held-out blocks. On the rows a learner was fitted on it would mostly tell what was learnt by heart, so the members
are fitted once more without that fold: as the out-of-fold members were, to the last bit. One fold and not all: that is
three fits more, not fifteen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.learn.ensemble import F32, F64, Index, Kind, combine, fit_member, fit_stack, members_predict

REPEATS = 5
"""How often each group is shuffled."""

MOST_ROWS = 2000
"""Held-out rows that are asked; a larger fold is thinned by chance."""


def feature_groups(
    names: Sequence[str], *, derived: Sequence[str], seasons: Sequence[str]
) -> dict[str, dict[str, list[int]]]:
    """Three ways to group the features of a Model: grouping -> group -> columns, in the order of the features. Pure.

    The first part of a name, up to ``_``, is its variable; the last is its season, where it is one of ``seasons``. ``derived``
    are the variables computed from others.

    >>> names = ["red_p50_summer", "ndvi_p50_summer", "elev", "geology_3"]
    >>> feature_groups(names, derived=["ndvi"], seasons=["winter", "summer"])["season"]
    {'summer': [0, 1], 'all year': [2, 3]}
    """
    groups: dict[str, dict[str, list[int]]] = {"variable": {}, "season": {}, "kind": {}}
    for column, name in enumerate(names):
        variable, *rest = name.split("_")
        season = rest[-1] if rest and rest[-1] in seasons else "all year"
        kind = "derived" if variable in derived else "static" if season == "all year" else "seasonal"
        for grouping, group in (("variable", variable), ("season", season), ("kind", kind)):
            groups[grouping].setdefault(group, []).append(column)
    return groups


def held_out_importance(
    features: F32,
    target: Index,
    weight: F64,
    *,
    oof: npt.NDArray[np.float32],
    fold: Index,
    learners: Sequence[Kind],
    n_classes: int,
    names: Sequence[str],
    derived: Sequence[str],
    seasons: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """Importance of the groups of :func:`feature_groups`, from features (n, feature) and spatial folds (n,). JSON-able. Pure.

    ``oof`` (n, learner, class) are the out-of-fold probabilities that the stack is fitted on, without the fold that is
    held out: the one with most rows. Keys: ``fold``, ``rows``, ``repeats``, ``log_loss`` and ``overall_accuracy`` with
    nothing shuffled, and ``groups``: per grouping, from the most important, name, number of features, rise of the log loss
    (mean and population standard deviation over the repeats) and fall of the overall accuracy at the legend's finest level.
    """
    folds, counts = np.unique(fold, return_counts=True)
    which = folds[np.argmax(counts)]
    held = fold == which
    rows = np.flatnonzero(~held)
    members = [
        fit_member(kind, features[rows], target[rows], weight[rows], n_classes=n_classes, seed=seed)
        for kind in learners
    ]
    stack = fit_stack(oof[rows], target[rows], weight[rows], n_classes=n_classes)
    chance = np.random.default_rng(seed)
    asked = np.flatnonzero(held)
    if len(asked) > MOST_ROWS:
        asked = np.sort(chance.choice(asked, MOST_ROWS, replace=False))
    here, true = features[asked], target[asked]
    orders = np.stack([chance.permutation(len(asked)) for _ in range(REPEATS)])

    def answer(matrix: F32) -> tuple[F64, F64]:
        """Log loss and overall accuracy of each repeat in a matrix (repeat x row, feature)."""
        probability = combine(members_predict(members, matrix), stack).probability.reshape(-1, len(true), n_classes)
        sure = np.clip(probability[:, np.arange(len(true)), true].astype(np.float64), 1e-6, 1.0)
        return -np.log(sure).mean(axis=1), (probability.argmax(axis=2) == true).mean(axis=1)

    (loss,), (accuracy,) = answer(here)
    groups: dict[str, list[dict[str, Any]]] = {}
    for grouping, parts in feature_groups(names, derived=derived, seasons=seasons).items():
        lines = []
        for name, columns in parts.items():
            matrix = np.tile(here, (REPEATS, 1))
            matrix[:, columns] = here[:, columns][orders.ravel()]
            losses, accuracies = answer(matrix)
            lines.append(
                {
                    "name": name,
                    "features": len(columns),
                    "log_loss": round(float((losses - loss).mean()), 4),
                    "deviation": round(float(losses.std()), 4),
                    "accuracy": round(float((accuracy - accuracies).mean()), 4),
                }
            )
        groups[grouping] = sorted(lines, key=lambda line: (-line["log_loss"], line["name"]))
    return {
        "fold": int(which),
        "rows": len(asked),
        "repeats": REPEATS,
        "log_loss": round(float(loss), 4),
        "overall_accuracy": round(float(accuracy), 4),
        "groups": groups,
    }
