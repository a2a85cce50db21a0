"""How good it is, honestly: every member, the ensemble and a constant baseline under the same folds, at three legend levels,
spatial and random folds side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.layer.legend import Legend
from odse.learn.ensemble import fit_stack

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


def accuracy_report(
    oof: Mapping[str, npt.NDArray[np.float32]],
    target: Index,
    weight: F64,
    *,
    folds: Mapping[str, Index],
    learners: Sequence[str],
    classes: Sequence[str],
    legend: Legend,
) -> dict[str, Any]:
    """JSON-able accuracy. ``oof`` holds out-of-fold probabilities (n, learner, class) by design of folds.

    The ensemble is scored out-of-fold as well: for each fold the stack is fitted on the other folds' rows. ``weight`` weighs
    in fitting the stack; scores are unweighted, one point one vote. Pure.
    """
    report: dict[str, Any] = {"classes": list(classes), "n": len(target), "scores_weighted": False, "designs": {}}
    for design, each in oof.items():
        fold = folds[design]
        candidates = {learner: each[:, i].astype(np.float64) for i, learner in enumerate(learners)}
        candidates["ensemble"] = stacked_out_of_fold(each, target, weight, fold, len(classes))
        candidates["constant"] = constant_out_of_fold(target, fold, len(classes))
        report["designs"][design] = {name: scores(p, target, classes, legend) for name, p in candidates.items()}
        if design == "spatial":
            report["levels"] = {
                str(level): class_table(candidates["ensemble"], target, classes, legend, level)
                for level in levels_of(legend)
            }
            report["reliability"] = reliability(candidates["ensemble"], target)
    return report


def stacked_out_of_fold(each: npt.NDArray[np.float32], target: Index, weight: F64, fold: Index, n_classes: int) -> F64:
    """The ensemble's probabilities (n, class) of each fold, its stack fitted on the other folds."""
    result = np.zeros((len(target), n_classes))
    for one in np.unique(fold):
        held = fold == one
        stack = fit_stack(each[~held], target[~held], weight[~held], n_classes=n_classes)
        result[held] = stack.predict(each[held])
    return result


def constant_out_of_fold(target: Index, fold: Index, n_classes: int) -> F64:
    """The class frequencies of the other folds: what knows nothing of the features."""
    result = np.zeros((len(target), n_classes))
    for one in np.unique(fold):
        counts = np.bincount(target[fold != one], minlength=n_classes) + 1e-9
        result[fold == one] = counts / counts.sum()
    return result


def levels_of(legend: Legend) -> range:
    """The levels that accuracy is told at, from the finest to the coarsest: 3, 2, 1 for CORINE."""
    return range(legend.levels, 0, -1)


def grouping(classes: Sequence[str], legend: Legend, level: int) -> tuple[list[str], Index]:
    """The groups of a level and each class's place among them; a class coarser than the level stays itself."""
    parents = [legend.parent(code, level) if legend.level_of(code) > level else code for code in classes]
    groups = sorted(set(parents))
    return groups, np.array([groups.index(parent) for parent in parents])


def roll_up(probability: F64, group: Index, n_groups: int) -> F64:
    """A group's probability is the sum of its members': (n, class) -> (n, group)."""
    rolled = np.zeros((len(probability), n_groups))
    for klass, place in enumerate(group):
        rolled[:, place] += probability[:, klass]
    return rolled


SMALLEST = 1e-6
"""Probabilities below it count as it in log loss."""


def log_loss(probability: npt.NDArray[np.floating], target: Index) -> float:
    """Mean of -log of the probability of the true class.

    >>> round(log_loss(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0])), 4)
    0.3466
    """
    sure = np.asarray(probability, dtype=np.float64)[np.arange(len(target)), target]
    return float(-np.log(np.clip(sure, SMALLEST, 1)).mean())


def scores(probability: F64, target: Index, classes: Sequence[str], legend: Legend) -> dict[str, Any]:
    """Log loss, and overall accuracy and weighted F1 at every level of the legend."""
    result: dict[str, Any] = {"log_loss": round(log_loss(probability, target), 4), "levels": {}}
    for level in levels_of(legend):
        groups, group = grouping(classes, legend, level)
        mapped = np.argmax(roll_up(probability, group, len(groups)), axis=1)
        table = confusion(group[target], mapped, len(groups))
        result["levels"][str(level)] = {
            "overall_accuracy": round(float(np.trace(table) / table.sum()), 4),
            "weighted_f1": round(float((f1(table) * table.sum(axis=1)).sum() / table.sum()), 4),
        }
    return result


def confusion(reference: Index, mapped: Index, n: int) -> Index:
    """Rows are the reference, columns the map."""
    table = np.zeros((n, n), dtype=np.int64)
    np.add.at(table, (reference, mapped), 1)
    return table


def producers(table: Index) -> F64:
    """Producer's accuracy = recall: of what is there, the share that is mapped so. 0 where the class is absent."""
    return np.asarray(np.diag(table) / np.maximum(table.sum(axis=1), 1))


def users(table: Index) -> F64:
    """User's accuracy = precision: of what is mapped so, the share that is there. 0 where nothing is mapped so."""
    return np.asarray(np.diag(table) / np.maximum(table.sum(axis=0), 1))


def f1(table: Index) -> F64:
    """Harmonic mean of user's and producer's accuracy."""
    return np.asarray(2 * np.diag(table) / np.maximum(table.sum(axis=0) + table.sum(axis=1), 1))


def class_table(probability: F64, target: Index, classes: Sequence[str], legend: Legend, level: int) -> dict[str, Any]:
    """User's, producer's accuracy, F1 and n of every class at a level, and the confusion matrix."""
    groups, group = grouping(classes, legend, level)
    table = confusion(group[target], np.argmax(roll_up(probability, group, len(groups)), axis=1), len(groups))
    return {
        "classes": [
            {
                "code": code,
                "label": legend.by_code[code].label,
                "n": int(table[i].sum()),
                "users": round(float(users(table)[i]), 4),
                "producers": round(float(producers(table)[i]), 4),
                "f1": round(float(f1(table)[i]), 4),
            }
            for i, code in enumerate(groups)
        ],
        "confusion": table.tolist(),
    }


def reliability(probability: F64, target: Index, *, bins: int = 10) -> list[dict[str, float]]:
    """Of the dominant class: stated probability against the share that was right, in equal bins."""
    mapped = np.argmax(probability, axis=1)
    stated = probability[np.arange(len(target)), mapped]
    place = np.minimum((stated * bins).astype(int), bins - 1)
    rows = []
    for one in range(bins):
        here = place == one
        if here.any():
            rows.append(
                {
                    "stated": round(float(stated[here].mean()), 4),
                    "right": round(float((mapped[here] == target[here]).mean()), 4),
                    "n": int(here.sum()),
                }
            )
    return rows
