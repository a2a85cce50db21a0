"""Where a Model may be believed at all: dissimilarity to what it was trained on, and the area of applicability.

After Meyer & Pebesma 2021 (doi 10.1111/2041-210X.13650): features are scaled by their spread in the training samples and
weighed by what the Model leans on; the dissimilarity index of a pixel is its distance to the nearest training sample
over the mean distance between training samples. Inside is what is no farther than training samples are from those of
other folds, outliers left out: there the accuracy of these folds may be expected, outside nothing is known.

Distances are measured on the first principal components of the weighed features, where a kd-tree is quick; with
``components=None`` on all features, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from odse.errors import LearnError

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

COMPONENTS = 20
"""Principal components that distances are measured on."""

BLOCK_ROWS = 16384
"""Pixels whose distances are computed at a time: what bounds the memory."""

MOST_PAIRED = 4000
"""Training samples whose distances to each other are averaged; more are thinned by chance."""


@dataclass(frozen=True, eq=False)
class Applicability:
    """What the area of applicability is told from: arrays only. Made by :func:`fit_applicability`.

    ``centre_`` (feature,) and ``axes_`` (feature, component) lead from features to the space of distances, ``points_``
    (sample, component) are the training samples in it, ``mean_distance_`` the mean distance between them.
    ``training_index_`` (sample,) is the index of each sample against those of other folds, ``threshold_`` the largest
    index that is inside. ``explained_`` is the share of the weighed variance that the components hold.
    """

    centre_: F64
    axes_: F64
    points_: F64
    mean_distance_: float
    training_index_: F64
    threshold_: float
    explained_: float

    def dissimilarity(self, features: npt.ArrayLike) -> F32:
        """The dissimilarity index of pixels (n, feature) -> (n,): 0 is a training sample. NaN where a feature is unknown.

        Raises LearnError on another number of features. Pure; memory beside the answer is that of a block of pixels.
        """
        table = np.asarray(features)
        if table.ndim != 2 or table.shape[1] != len(self.centre_):
            raise LearnError.sentence(
                "compare",
                "pixels with the training samples",
                "the shape of their features",
                table.shape,
                f"give rows of {len(self.centre_)} features",
            )
        result = np.full(len(table), np.nan, dtype=np.float32)
        for rows in _blocks(len(table)):
            block = table[rows].astype(np.float64)
            known = np.isfinite(block).all(axis=1)
            if known.any():
                distance = self._tree.query((block[known] - self.centre_) @ self.axes_)[0]
                result[rows][known] = distance / self.mean_distance_
        return result

    def inside(self, features: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether pixels (n, feature) lie in the area of applicability; those with an unknown feature do not. Pure."""
        return within(self.dissimilarity(features), self.threshold_)

    def report(self) -> dict[str, Any]:
        """JSON-able: threshold, share of the training samples inside, components and their share of the variance."""
        return {
            "threshold": self.threshold_,
            "training_inside": float((self.training_index_ <= self.threshold_).mean()),
            "samples": len(self.points_),
            "components": int(self.axes_.shape[1]),
            "explained": self.explained_,
        }

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points_)


def within(dissimilarity: npt.ArrayLike, threshold: float) -> npt.NDArray[np.bool_]:
    """Whether an index is inside; NaN is not. An index is a float32, so the threshold is compared as one. Pure.

    >>> within(np.array([0.1, 0.3, np.nan]), 0.3).tolist()
    [True, True, False]
    """
    return np.asarray(np.asarray(dissimilarity, dtype=np.float32) <= np.float32(threshold))


def fit_applicability(
    features: npt.ArrayLike,
    fold: Index,
    *,
    importance: npt.ArrayLike | None = None,
    components: int | None = COMPONENTS,
    seed: int = 0,
) -> Applicability:
    """The area of applicability of a Model trained on samples (n, feature), whose folds (n,) gave its accuracy.

    ``importance`` (feature,) weighs the features: what is below zero counts as zero, None weighs all alike. A feature that is
    the same in all samples is left out. The threshold is the upper whisker of the training index: the third quartile
    and 1.5 times the interquartile range, but not above the largest. ``components=None`` measures on all features.
    Raises LearnError when a feature is unknown, there is one fold only, no feature has both weight and spread, or all
    samples are alike. Pure.

    >>> chance = np.random.default_rng(0)
    >>> found = fit_applicability(chance.normal(size=(200, 3)), np.arange(200) % 5)
    >>> found.inside([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0], [np.nan, 0.0, 0.0]]).tolist()
    [True, False, False]
    """
    table = np.asarray(features, dtype=np.float64)
    folds = np.unique(fold)
    if table.ndim != 2 or len(table) != len(fold) or not np.isfinite(table).all():
        raise LearnError.sentence(
            "compare",
            "training samples",
            "the table of their features",
            f"{table.shape} for {len(fold)} folds, or with unknown values",
            "give one row of known features per sample",
        )
    if len(folds) < 2:
        raise LearnError.sentence(
            "compare", "training samples", "the number of their folds", len(folds), "give two or more"
        )
    weight = np.ones(table.shape[1]) if importance is None else np.maximum(np.asarray(importance, dtype=np.float64), 0)
    if weight.shape != table.shape[1:] or not np.isfinite(weight).all():
        raise LearnError.sentence(
            "weigh",
            f"{table.shape[1]} features",
            "the list of their importances",
            f"{weight.shape} or not finite",
            "give one number per feature",
        )
    centre, spread = table.mean(axis=0), table.std(axis=0)
    constant = np.ptp(table, axis=0) == 0
    scale = np.where(constant, 0.0, weight / np.where(constant, 1.0, spread))
    if not (scale > 0).any():
        raise LearnError.sentence(
            "weigh", f"{table.shape[1]} features", "the weight of all that differ", "0", "leave `importance` out"
        )
    axes, explained = _axes((table - centre) * scale, components)
    axes = scale[:, None] * axes
    points = (table - centre) @ axes
    mean_distance = _mean_distance(points, seed)
    index = np.empty(len(points))
    for one in folds:
        held = fold == one
        index[held] = cKDTree(points[~held]).query(points[held])[0] / mean_distance
    low, high = np.quantile(index, [0.25, 0.75])
    threshold = min(float(high + 1.5 * (high - low)), float(index.max()))
    return Applicability(centre, axes, points, mean_distance, index, threshold, explained)


def _axes(weighed: F64, components: int | None) -> tuple[F64, float]:
    """Directions (feature, component) of most variance and the share that they hold; all features as they are for None."""
    n = weighed.shape[1]
    if components is None or components >= n:
        return np.eye(n), 1.0
    variance, directions = np.linalg.eigh(weighed.T @ weighed)
    kept = variance[::-1][:components]
    return np.ascontiguousarray(directions[:, ::-1][:, :components]), float(kept.sum() / variance.sum())


def _mean_distance(points: F64, seed: int) -> float:
    """Mean distance between two training samples, block by block."""
    if len(points) > MOST_PAIRED:
        points = points[np.sort(np.random.default_rng(seed).choice(len(points), MOST_PAIRED, replace=False))]
    square = (points**2).sum(axis=1)
    total = 0.0
    for start in range(0, len(points), 512):
        part = slice(start, start + 512)
        apart = square[part, None] + square - 2 * points[part] @ points.T
        apart[np.arange(apart.shape[0]), np.arange(start, start + apart.shape[0])] = 0.0
        total += float(np.sqrt(np.maximum(apart, 0.0)).sum())
    return total / (len(points) * (len(points) - 1))


def _blocks(n: int) -> Iterator[slice]:
    for start in range(0, n, BLOCK_ROWS):
        yield slice(start, min(start + BLOCK_ROWS, n))
