"""How good a map is and how much of each class there is, from a probability sample: with intervals, not by counting pixels.

Pixels counted on a map carry the map's errors into every area statement. A stratified random sample of reference labels
gives unbiased areas and accuracies with standard errors: Olofsson et al. 2014 (doi 10.1016/j.rse.2014.02.015) where the
strata are the classes of the map, Stehman 2014 (doi 10.1080/01431161.2014.930207) where they are anything else. The first
is a case of the second, so one estimator stands here. The sample must be drawn by chance within each stratum; points that
somebody chose, or that the map was learned from, prove nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from odse.errors import LearnError

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numbers of one kind, one per class: value, standard error, half width of the interval, and the largest possible value.

    NaN where there is nothing to estimate from: the user's accuracy of a class that is mapped nowhere.
    """

    value: F64
    standard_error: F64
    margin: F64
    most: float = 1.0

    @property
    def lower(self) -> F64:
        """Lower ends of the intervals, not below 0."""
        return np.maximum(self.value - self.margin, 0.0)

    @property
    def upper(self) -> F64:
        """Upper ends of the intervals, not above the possible."""
        return np.minimum(self.value + self.margin, self.most)


@dataclass(frozen=True, eq=False)
class MapAccuracy:
    """What a probability sample says of a map. ``overall`` has one number, the others one per class.

    ``area`` is in the unit of the areas that were given, ``area_share`` a part of 1. ``matrix`` (map class, reference
    class) holds estimated shares of the area and sums to 1. ``sampled`` is the number of sample units.
    """

    classes: tuple[str, ...]
    overall: Estimate
    users: Estimate
    producers: Estimate
    area_share: Estimate
    area: Estimate
    mapped_share: F64
    matrix: F64
    sampled: int
    confidence: float

    def report(self) -> dict[str, Any]:
        """The same as JSON: overall, and per class value, standard error, lower and upper; None for what is unknown."""

        def line(one: Estimate, i: int) -> dict[str, float | None]:
            numbers = {"value": one.value, "standard_error": one.standard_error, "lower": one.lower, "upper": one.upper}
            return {name: None if np.isnan(array[i]) else float(array[i]) for name, array in numbers.items()}

        return {
            "n": self.sampled,
            "confidence": self.confidence,
            "overall": line(self.overall, 0),
            "classes": [
                {
                    "code": code,
                    "mapped_share": float(self.mapped_share[i]),
                    "users": line(self.users, i),
                    "producers": line(self.producers, i),
                    "area_share": line(self.area_share, i),
                    "area": line(self.area, i),
                }
                for i, code in enumerate(self.classes)
            ],
        }


def map_accuracy(
    counts: npt.ArrayLike, mapped_area: npt.ArrayLike, *, classes: Sequence[str] | None = None, confidence: float = 0.95
) -> MapAccuracy:
    """Accuracy and areas of a map whose classes were the strata of the sample (Olofsson et al. 2014, equations 1 to 11).

    ``counts`` (map class, reference class) are sample units: a row holds what was drawn on one class of the map. That is
    the transpose of :func:`odse.learn.accuracy.confusion`. ``mapped_area`` (map class,) is the area of each class on the
    map, in any unit. Raises LearnError when a mapped class has fewer than two sample units. Pure.

    >>> result = map_accuracy([[97, 3], [10, 90]], [2000, 8000], classes=["forest", "other"])
    >>> result.area.value.round().tolist(), result.area.margin.round().tolist()
    ([2740.0, 7260.0], [478.0, 478.0])
    """
    table = _whole(counts, ndim=2)
    if table.shape[0] != table.shape[1]:
        raise LearnError.sentence(
            "judge",
            "the map",
            "the shape of its error matrix",
            f"{table.shape[0]} x {table.shape[1]}",
            "give it one row and one column per class",
        )
    n = len(table)
    strata = np.zeros((n, n, n), dtype=np.int64)
    strata[np.arange(n), np.arange(n)] = table
    return map_accuracy_by_strata(strata, mapped_area, classes=classes, confidence=confidence)


def map_accuracy_by_strata(
    counts: npt.ArrayLike, area: npt.ArrayLike, *, classes: Sequence[str] | None = None, confidence: float = 0.95
) -> MapAccuracy:
    """Accuracy and areas of a map from a sample whose strata are not its classes: regions, or an older map (Stehman 2014).

    ``counts`` (stratum, map class, reference class) are sample units (:func:`sample_counts`), ``area`` (stratum,) the area
    of each stratum. Ratios have the variance of a combined ratio estimator; the finite population correction is left out,
    as the pixels of a stratum are many more than the sample. Raises LearnError when a stratum with an area has fewer than
    two sample units, as its variance is unknown then, or a stratum without area has some. Pure.
    """
    table = _whole(counts, ndim=3)
    size = np.asarray(area, dtype=np.float64)
    names = tuple(str(i) for i in range(table.shape[1])) if classes is None else tuple(classes)
    if table.shape[1] != table.shape[2] or size.shape != table.shape[:1] or len(names) != table.shape[1]:
        raise LearnError.sentence(
            "judge",
            "the map",
            "what describes it",
            f"counts {table.shape}, areas {size.shape} and {len(names)} classes",
            "give counts by stratum, map class and reference class, an area per stratum and a name per class",
        )
    if not np.isfinite(size).all() or (size < 0).any() or size.sum() <= 0:
        raise LearnError.sentence("judge", "the map", "the area of its strata", size.tolist(), "give areas above zero")
    if not 0 < confidence < 1:
        raise LearnError.sentence("judge", "the map", "`confidence`", confidence, "take a number between 0 and 1")
    n = table.sum(axis=(1, 2))
    names_of = names if len(size) == len(names) else tuple(str(i) for i in range(len(size)))
    for stratum in np.flatnonzero((n < 2) & (size > 0)):
        raise LearnError.sentence(
            "judge",
            f"stratum {names_of[stratum]}",
            "the number of its sample units",
            f"{n[stratum]} (2 needed)",
            "draw more of them there, or merge it with another stratum",
        )
    for stratum in np.flatnonzero((n > 0) & (size == 0)):
        raise LearnError.sentence(
            "judge",
            f"stratum {names_of[stratum]}",
            "its area",
            f"0 although {n[stratum]} sample units lie in it",
            "check the order of the areas",
        )
    has = size > 0
    weight, count = size[has] / size.sum(), n[has].astype(np.float64)
    share = table[has] / count[:, None, None]
    right = np.diagonal(share, axis1=1, axis2=2)
    all_ = np.ones((len(count), 1))
    quantile = float(ndtri(0.5 + confidence / 2))

    def estimate(part: F64, whole: F64) -> Estimate:
        value, error = _ratio(part, whole, weight, count)
        return Estimate(value, error, quantile * error)

    there = estimate(share.sum(axis=1), all_)
    total = float(size.sum())
    return MapAccuracy(
        classes=names,
        overall=estimate(right.sum(axis=1, keepdims=True), all_),
        users=estimate(right, share.sum(axis=2)),
        producers=estimate(right, share.sum(axis=1)),
        area_share=there,
        area=Estimate(there.value * total, there.standard_error * total, there.margin * total, most=total),
        mapped_share=weight @ share.sum(axis=2),
        matrix=np.tensordot(weight, share, axes=1),
        sampled=int(n.sum()),
        confidence=confidence,
    )


def sample_counts(
    stratum: npt.ArrayLike, mapped: npt.ArrayLike, *, reference: npt.ArrayLike, strata: int, classes: int
) -> Index:
    """Sample units by place numbers (n,) of stratum, map class and reference class: (stratum, map class, reference class).

    >>> sample_counts([0, 0, 1], [0, 1, 1], reference=[0, 0, 1], strata=2, classes=2).tolist()
    [[[1, 0], [1, 0]], [[0, 0], [0, 1]]]
    """
    table = np.zeros((strata, classes, classes), dtype=np.int64)
    np.add.at(table, (np.asarray(stratum), np.asarray(mapped), np.asarray(reference)), 1)
    return table


def _ratio(part: F64, whole: F64, weight: F64, n: F64) -> tuple[F64, F64]:
    """Ratio of two totals and its standard error, from shares (stratum, k) of units that are in a part of a whole.

    Units are 0 or 1 and the part lies in the whole, so the squared residual of y - R x averages to y (1 - 2 R) + R R x.
    """
    below = weight @ whole
    with np.errstate(invalid="ignore", divide="ignore"):
        value = (weight @ part) / below
        spread = part * (1 - 2 * value) + value**2 * whole - (part - value * whole) ** 2
        error = np.sqrt((weight**2 / (n - 1)) @ np.maximum(spread, 0.0)) / below
    return np.asarray(value), np.asarray(error)


def _whole(counts: npt.ArrayLike, *, ndim: int) -> Index:
    """Counts as integers with so many dimensions. Raises LearnError."""
    table = np.asarray(counts)
    if table.ndim != ndim or table.dtype.kind not in "iuf" or (table < 0).any() or (table != np.rint(table)).any():
        raise LearnError.sentence(
            "judge",
            "the map",
            "the table of its sample",
            f"not whole numbers in {ndim} dimensions",
            "count sample units, not shares",
        )
    return table.astype(np.int64)
