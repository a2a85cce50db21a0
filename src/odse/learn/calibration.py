"""Do stated probabilities come true, and if not, correct them: reliability tables, temperature, isotonic regression by class.

Everything is fitted on out-of-fold probabilities; on a member's own training samples a forest looks surer than it is.
Temperature: Guo et al. 2017, *On calibration of modern neural networks*, ICML (PMLR 70). Isotonic regression of each class
against the rest, then scaled to sum 1: Zadrozny and Elkan 2002, *Transforming classifier scores into accurate multiclass
probability estimates*, KDD. Expected calibration error: Naeini, Cooper and Hauskrecht 2015, AAAI; by
class: Kull et al. 2019, NeurIPS 32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression

from odse.errors import LearnError
from odse.learn.accuracy import log_loss
from odse.learn.conformal import binomial_interval

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating]
Kind = Literal["temperature", "isotonic"]

METHOD = "class-calibration-1"
INNER_FOLDS = 5


def reliability_table(
    probability: Reals, target: Index, *, classes: Sequence[str], bins: int = 10
) -> list[dict[str, Any]]:
    """For every class, of all samples (n, class): stated probability against the share that is of the class, in equal bins.

    JSON-able: ``code``, ``n`` (samples of the class), ``error`` (mean of |stated - observed| over its bins, weighted by their n) and
    ``bins``: ``stated``, ``observed`` with its exact binomial 95 % interval (``low``, ``high``), ``n``. Empty bins are left out. Pure.

    >>> p = np.array([[0.9, 0.1]] * 10)
    >>> table = reliability_table(p, np.array([0] * 8 + [1] * 2), classes=["311", "312"])
    >>> table[0]["bins"][0]["stated"], table[0]["bins"][0]["observed"], table[0]["error"]
    (0.9, 0.8, 0.1)
    """
    _check(probability, target)
    result = []
    for c, code in enumerate(classes):
        stated, true = np.asarray(probability[:, c], dtype=np.float64), target == c
        rows = _bins(stated, true, bins)
        error = sum(n * abs(mean - hits / n) for mean, hits, n in rows) / len(target)
        table = []
        for mean, hits, n in rows:
            low, high = binomial_interval(hits, n)
            values = {"stated": mean, "observed": hits / n, "low": low, "high": high}
            table.append({key: round(value, 4) for key, value in values.items()} | {"n": n})
        result.append({"code": code, "n": int(true.sum()), "error": round(error, 4), "bins": table})
    return result


def expected_calibration_error(probability: Reals, target: Index, *, bins: int = 10) -> dict[str, float]:
    """``dominant``: of the most probable class, the mean of |stated - right| over equal bins, weighted by n; ``classwise``: the
    mean over classes of the same for each class. Shares, 0 is best; small n alone makes them positive. Pure.

    >>> expected_calibration_error(np.array([[0.9, 0.1]] * 10), np.array([0] * 8 + [1] * 2))
    {'dominant': 0.1, 'classwise': 0.1}
    """
    _check(probability, target)
    p = np.asarray(probability, dtype=np.float64)
    mapped = np.argmax(p, axis=1)

    def error(stated: F64, true: npt.NDArray[np.bool_]) -> float:
        return sum(n * abs(mean - hits / n) for mean, hits, n in _bins(stated, true, bins)) / len(target)

    return {
        "dominant": round(error(p[np.arange(len(p)), mapped], mapped == target), 6),
        "classwise": round(float(np.mean([error(p[:, c], target == c) for c in range(p.shape[1])])), 6),
    }


def _bins(stated: F64, true: npt.NDArray[np.bool_], bins: int) -> list[tuple[float, int, int]]:
    """(mean stated, number true, n) of each bin that is not empty."""
    place = np.clip((stated * bins).astype(int), 0, bins - 1)
    n = np.bincount(place, minlength=bins)
    sums, hits = (np.bincount(place, weights=one, minlength=bins) for one in (stated, true))
    return [(float(sums[k] / n[k]), int(hits[k]), int(n[k])) for k in np.flatnonzero(n)]


def _check(probability: Reals, target: Index) -> None:
    """Raise LearnError unless there is a distribution (n, class) for every target."""
    if probability.ndim != 2 or len(probability) != len(target) or len(target) == 0:
        raise LearnError.sentence(
            "calibrate", "probabilities", "their shape", f"{probability.shape} for {len(target)} samples",
            "give one row a sample",
        )  # fmt: skip
    wrong = int((~(np.isfinite(probability) & (probability >= 0)).all(axis=1)).sum())
    if wrong:
        raise LearnError.sentence(
            "calibrate", "probabilities", "the number of rows with a value that is none", wrong, "leave them out"
        )
    outside = int(((target < 0) | (target >= probability.shape[1])).sum())
    if outside:
        raise LearnError.sentence(
            "calibrate", "probabilities", "the number of samples of a class without column", outside, "leave them out"
        )


@dataclass(frozen=True)
class ClassCalibration:
    """What turns stated probabilities into calibrated ones. Fitted by :func:`fit_class_calibration`.

    ``temperature``: p ** (1 / temperature_), scaled to sum 1; above 1 less sure. ``isotonic``: (1 - blend_) p + blend_ q, where q
    is a rising step-less curve of each class through ``knots_``, scaled to sum 1. Raises LearnError for parts that do not fit.
    """

    kind: Kind
    n_classes: int
    temperature_: float = 1.0
    blend_: float = 0.0
    knots_: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    """For every class the stated probabilities, rising, and what they become."""
    n_: int = 0
    """Samples it was fitted on."""

    def __post_init__(self) -> None:
        fit = len(self.knots_) == (self.n_classes if self.kind == "isotonic" else 0)
        curves = all(
            len(x) == len(y) > 0
            and all(a < b for a, b in zip(x, x[1:], strict=False))
            and all(a <= b for a, b in zip(y, y[1:], strict=False))
            and all(0 <= one <= 1 for one in (*x, *y))
            for x, y in self.knots_
        )
        for what, wrong in (
            ("its kind", self.kind not in ("temperature", "isotonic")),
            ("its temperature", not 0 < self.temperature_ < math.inf),
            ("its blend", not 0 <= self.blend_ <= 1),
            ("the number of its curves", not fit),
            ("one of its curves", not curves),
        ):
            if wrong:
                raise LearnError.sentence("use", "the calibration of classes", what, "wrong", "fit it again")

    def apply(self, probability: Reals) -> F64:
        """Calibrated probabilities (n, class) that sum to 1; NaN where one of the row is NaN. Raises LearnError. Pure."""
        if probability.ndim != 2 or probability.shape[1] != self.n_classes:
            raise LearnError.sentence(
                "calibrate", "probabilities", "their shape", probability.shape, f"give (n, {self.n_classes})"
            )
        p = np.asarray(probability, dtype=np.float64)
        p = p / p.sum(axis=1, keepdims=True)
        if self.kind == "temperature":
            return _cooled(p, 1 / self.temperature_)
        return np.asarray((1 - self.blend_) * p + self.blend_ * _curved(p, self.knots_) if self.blend_ else p)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": METHOD,
            "kind": self.kind,
            "n_classes": self.n_classes,
            "temperature": self.temperature_,
            "blend": self.blend_,
            "knots": [[list(x), list(y)] for x, y in self.knots_],
            "n": self.n_,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ClassCalibration:
        """The inverse of :meth:`to_dict`. Raises LearnError for anything else."""
        if plain.get("method") != METHOD:
            raise LearnError.sentence(
                "read", "the calibration of classes", "its method", plain.get("method"), f"give one of {METHOD}"
            )
        try:
            return cls(
                kind=plain["kind"],
                n_classes=int(plain["n_classes"]),
                temperature_=float(plain["temperature"]),
                blend_=float(plain["blend"]),
                knots_=tuple((tuple(float(v) for v in x), tuple(float(v) for v in y)) for x, y in plain["knots"]),
                n_=int(plain["n"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LearnError.sentence(
                "read",
                "the calibration of classes",
                "one of its entries",
                f"missing or no number ({error})",
                "fit it again",
            ) from error


def _cooled(p: F64, power: float) -> F64:
    """p ** power scaled to sum 1, from the largest of the row so that nothing underflows to a row of zeros."""
    if power == 1:
        return p
    raised = (p / p.max(axis=1, keepdims=True)) ** power
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _curved(p: F64, knots: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]) -> F64:
    """Every class through its curve, scaled to sum 1; a row of which nothing is left stays as it was."""
    q = np.stack([np.interp(p[:, c], x, y) for c, (x, y) in enumerate(knots)], axis=1)
    total = q.sum(axis=1, keepdims=True)
    return np.where(total > 0, q / np.where(total > 0, total, 1), p)


def fit_class_calibration(probability: Reals, target: Index, *, kind: Kind = "temperature") -> ClassCalibration:
    """The calibration of out-of-fold probabilities (n, class) against the true class indices (n,).

    Log loss on these samples never gets worse: temperature 1 and blend 0 change nothing and are kept where nothing is better. On the
    samples of their fit isotonic curves are always at least as good as what they correct: of all rising curves they have the
    best sum of y log q - q, the sum of q is that of y, and scaling to 1 adds by Jensen's inequality. That proves nothing, so the
    share of them, ``blend_``, is the best for curves fitted on other samples. Judge with :func:`calibrated_out_of_fold`. The
    order of samples does not matter. Raises LearnError for rows that are no distribution. Pure.

    >>> p = np.array([[0.99, 0.01]] * 100)
    >>> too_sure = fit_class_calibration(p, np.array([0] * 80 + [1] * 20))
    >>> too_sure.apply(np.array([[0.99, 0.01]])).round(2).tolist(), too_sure.temperature_ > 3
    ([[0.8, 0.2]], True)
    """
    _check(probability, target)
    p = np.asarray(probability, dtype=np.float64)
    p = p / p.sum(axis=1, keepdims=True)
    order = np.lexsort((*p.T, target))
    p, target = p[order], np.asarray(target)[order]
    before = log_loss(p, target)
    n_classes = p.shape[1]
    if kind == "temperature":
        best = minimize_scalar(
            lambda t: log_loss(_cooled(p, math.exp(-t)), target),
            bounds=(-3, 3),
            method="bounded",
            options={"xatol": 1e-5},
        )
        better = float(best.fun) < before
        return ClassCalibration(kind, n_classes, temperature_=math.exp(float(best.x)) if better else 1.0, n_=len(p))
    knots = _isotonic_curves(p, target)
    inner = np.arange(len(p)) % INNER_FOLDS
    held = np.zeros(p.shape)
    for one in range(INNER_FOLDS):
        held[inner == one] = _curved(p[inner == one], _isotonic_curves(p[inner != one], target[inner != one]))
    # The log loss of a mixture is convex in its share: one search finds the best, and on the fit's samples none is worse than both.
    best = minimize_scalar(
        lambda w: log_loss((1 - w) * p + w * held, target), bounds=(0, 1), method="bounded", options={"xatol": 1e-5}
    )
    fitted = ClassCalibration(kind, n_classes, blend_=float(best.x), knots_=knots, n_=len(p))
    better = float(best.fun) < before and log_loss(fitted.apply(p), target) <= before
    return fitted if better else replace(fitted, blend_=0.0)


def _isotonic_curves(p: F64, target: Index) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    if len(p) == 0:
        return tuple(((0.0, 1.0), (0.0, 1.0)) for _ in range(p.shape[1]))
    return tuple(_isotonic(p[:, c], target == c) for c in range(p.shape[1]))


def _isotonic(stated: F64, true: npt.NDArray[np.bool_]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(stated, true.astype(np.float64))
    return (
        tuple(float(one) for one in fitted.X_thresholds_),
        tuple(float(one) for one in np.maximum.accumulate(fitted.y_thresholds_)),
    )


def calibrated_out_of_fold(probability: Reals, target: Index, fold: Index, *, kind: Kind = "temperature") -> F64:
    """Probabilities (n, class) of each fold, calibrated by what the other folds teach: what to judge a calibration by."""
    result = np.zeros(probability.shape)
    for one in np.unique(fold):
        held = fold == one
        result[held] = fit_class_calibration(probability[~held], target[~held], kind=kind).apply(probability[held])
    return result
