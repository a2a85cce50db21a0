"""Prediction intervals that hold: quantile predictions, widened by what they missed on samples that were held out.

Conformalised quantile regression (Romano, Patterson and Candès 2019, *Conformalized quantile regression*, NeurIPS 32; Angelopoulos
and Bates 2021, arXiv:2107.07511): the score of a held-out sample is how far it lies outside its interval, negative inside; all
intervals are widened by the score of rank ceil((n + 1) confidence). Scores are ranked apart for classes of distance to the nearest
sample (Mondrian conformal prediction: Vovk, Gammerman and Shafer 2005, *Algorithmic Learning in a Random World*, 4.5), because a map
is mostly farther from the samples than the samples are from each other; pool the scores of several sizes of block, with the distance
each was held out at, until these distances reach the map's.

What is guaranteed: a place that could change places with the held-out samples of its distance class is inside with at least the
stated confidence, on average over such sets of samples. Nothing is guaranteed beyond the farthest of them (the widest class is used
there) or outside the area of applicability. A rising function of all bounds, such as the way back from a logarithm, keeps it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from odse.errors import LearnError

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating]

METHOD = "cqr-distance-1"


def rank(n: int, confidence: float) -> int:
    """Which of n scores, from the smallest, bounds the next one with this confidence: ceil((n + 1) confidence).

    More than n means that n is too small for the confidence.

    >>> rank(99, 0.9), rank(9, 0.9), rank(8, 0.9)
    (90, 9, 9)
    """
    return math.ceil(round((n + 1) * confidence, 9))


def smallest_n(confidence: float) -> int:
    """The fewest scores that can bound the next one with this confidence.

    >>> smallest_n(0.9), smallest_n(0.68), smallest_n(0.995)
    (9, 3, 199)
    """
    n = max(1, math.floor(confidence / (1 - confidence)))  # exact up to rounding, which the loops undo
    while rank(n, confidence) > n:
        n += 1
    while n > 1 and rank(n - 1, confidence) <= n - 1:
        n -= 1
    return n


def check_confidence(confidence: float) -> None:
    """Raise LearnError unless 0 < confidence < 1."""
    if not 0 < confidence < 1:
        raise LearnError.sentence(
            "calibrate", "intervals", "the confidence", confidence, "give a share between 0 and 1, such as 0.9"
        )


def cqr_scores(y: Reals, *, q_lo: Reals, q_hi: Reals) -> F64:
    """How far each y lies outside its interval, max(q_lo - y, y - q_hi); negative inside. Crossed bounds are swapped first.

    >>> cqr_scores(np.array([1.0, 5.0]), q_lo=np.array([0.0, 4.0]), q_hi=np.array([3.0, 1.0])).tolist()
    [-1.0, 1.0]
    """
    y = np.asarray(y, dtype=np.float64)
    lo, hi = np.minimum(q_lo, q_hi), np.maximum(q_lo, q_hi)
    return np.asarray(np.maximum(lo - y, y - hi), dtype=np.float64)


@dataclass(frozen=True)
class Calibration:
    """By how much to widen intervals, class by class of distance to the nearest sample. Fitted by :func:`fit_calibration`.

    Class k holds the distances above ``edges_m[k - 1]`` up to and with ``edges_m[k]``; the last ends at ``limit_m``, the farthest that
    a sample was held out. Raises LearnError for parts that do not fit each other.
    """

    confidence: float
    edges_m: tuple[float, ...]
    """Borders between the classes, rising: one fewer than classes."""
    limit_m: float
    correction_: tuple[float, ...]
    """In the unit of the target; negative where the quantiles were too wide."""
    n_: tuple[int, ...]
    """Held-out samples of each class."""

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        few = smallest_n(self.confidence)
        for what, wrong in (
            ("the order of its distances", not _rising((*self.edges_m, self.limit_m))),
            ("the number of its corrections", len(self.correction_) != len(self.edges_m) + 1),
            ("the number of its counts", len(self.n_) != len(self.correction_)),
            ("one of its corrections", not all(math.isfinite(one) for one in self.correction_)),
            (f"one of its counts, of which each needs {few},", any(n < few for n in self.n_)),
        ):
            if wrong:
                raise LearnError.sentence("use", "the calibration of intervals", what, "wrong", "fit it again")

    @property
    def widest_(self) -> float:
        """The largest correction: used beyond ``limit_m`` and where the distance is unknown."""
        return max(self.correction_)

    def classes_of(self, distance_m: Reals) -> Index:
        """The distance class of each place; the number of classes beyond the limit and for NaN."""
        return classes_of(distance_m, (*self.edges_m, self.limit_m))

    def apply(self, q_lo: Reals, q_hi: Reals, *, distance_m: Reals) -> tuple[Reals, Reals]:
        """Lower and upper bound of each place: arrays of one shape, lower <= upper; NaN where a quantile is NaN. Pure.

        Crossed quantiles are swapped; an interval that a negative correction would turn inside out becomes its middle.
        """
        wider = np.array([*self.correction_, self.widest_])[self.classes_of(distance_m)]
        lo = np.minimum(q_lo, q_hi).astype(np.float64)
        hi = np.maximum(q_lo, q_hi).astype(np.float64)
        wider = np.maximum(wider, -(hi - lo) / 2)
        kind = np.result_type(np.asarray(q_lo).dtype, np.asarray(q_hi).dtype, np.float32)
        lower, upper = (lo - wider).astype(kind), (hi + wider).astype(kind)
        return np.minimum(lower, upper), np.maximum(lower, upper)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": METHOD,
            "confidence": self.confidence,
            "edges_m": list(self.edges_m),
            "limit_m": self.limit_m,
            "correction": list(self.correction_),
            "n": list(self.n_),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Calibration:
        """The inverse of :meth:`to_dict`. Raises LearnError for anything else."""
        if plain.get("method") != METHOD:
            raise LearnError.sentence(
                "read", "the calibration of intervals", "its method", plain.get("method"), f"give one of {METHOD}"
            )
        try:
            return cls(
                confidence=float(plain["confidence"]),
                edges_m=tuple(float(one) for one in plain["edges_m"]),
                limit_m=float(plain["limit_m"]),
                correction_=tuple(float(one) for one in plain["correction"]),
                n_=tuple(int(one) for one in plain["n"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LearnError.sentence(
                "read",
                "the calibration of intervals",
                "one of its entries",
                f"missing or no number ({error})",
                "fit it again",
            ) from error


def _rising(values: Sequence[float]) -> bool:
    return all(math.isfinite(one) and one >= 0 for one in values) and all(
        a < b for a, b in zip(values, values[1:], strict=False)
    )


def classes_of(distance_m: Reals, edges_m: Sequence[float]) -> Index:
    """Class k: above edge k - 1, up to and with edge k. NaN is in the last, beyond all edges.

    >>> classes_of(np.array([0.0, 15e3, 15e3 + 1, np.nan]), (15e3, 60e3)).tolist()
    [0, 0, 1, 2]
    """
    return np.searchsorted(np.asarray(edges_m, dtype=np.float64), distance_m, side="left").astype(np.int64)


def fit_calibration(
    scores: Reals,
    distance_m: Reals,
    *,
    confidence: float,
    edges_m: Sequence[float] | None = None,
    classes: int = 3,
    least: int = 200,
) -> Calibration:
    """The calibration of scores (n,) of held-out samples, each with its distance to the nearest sample that was fitted on.

    ``edges_m`` are the borders of distance classes; without them ``classes`` classes of about equal n are made. A class of fewer than
    ``least`` samples (or fewer than the confidence needs) is merged with its smaller neighbour. The order of samples does not matter.
    Raises LearnError when all samples together are too few for the confidence, or a score or distance is not a number. Pure.

    >>> far = np.arange(1.0, 401.0)
    >>> c = fit_calibration(far / 100, far, confidence=0.9, edges_m=[200.0], least=50)
    >>> c.correction_, c.n_
    ((1.81, 3.81), (200, 200))
    >>> low, high = c.apply(np.array([10.0]), np.array([11.0]), distance_m=np.array([9e9]))
    >>> low.round(2).tolist(), high.round(2).tolist()
    ([6.19], [14.81])
    """
    check_confidence(confidence)
    scores, distance = np.asarray(scores, dtype=np.float64), np.asarray(distance_m, dtype=np.float64)
    which = f"intervals of confidence {confidence:g}"
    if scores.ndim != 1 or scores.shape != distance.shape:
        raise LearnError.sentence(
            "calibrate",
            which,
            "the shape of scores and distances",
            (scores.shape, distance.shape),
            "give one distance a score",
        )
    unknown = int((~np.isfinite(scores) | ~np.isfinite(distance) | (distance < 0)).sum())
    if unknown:
        raise LearnError.sentence(
            "calibrate",
            which,
            "the number of scores or distances that are no number or negative",
            unknown,
            "leave them out",
        )
    few = smallest_n(confidence)
    if len(scores) < few:
        raise LearnError.sentence(
            "calibrate",
            which,
            "the number of held-out samples",
            len(scores),
            f"give at least {few} or state less confidence",
        )
    limit = float(distance.max())
    if edges_m is None:
        if classes < 1:
            raise LearnError.sentence("calibrate", which, "the number of distance classes", classes, "give 1 or more")
        cuts = np.quantile(distance, np.arange(1, classes) / classes, method="inverted_cdf")
        edges = [float(one) for one in np.unique(cuts)]
    else:
        edges = [float(one) for one in edges_m]
        if not _rising(edges):
            raise LearnError.sentence("calibrate", which, "the order of `edges_m`", edges, "give rising distances")
    edges = [one for one in edges if one < limit]
    edges = _merged(edges, distance, max(least, few))
    place = classes_of(distance, edges)
    correction, counts = [], []
    for one in range(len(edges) + 1):
        own = np.sort(scores[place == one])
        correction.append(float(own[rank(len(own), confidence) - 1]))
        counts.append(len(own))
    return Calibration(confidence, tuple(edges), limit, tuple(correction), tuple(counts))


def _merged(edges: list[float], distance: F64, least: int) -> list[float]:
    """Edges without those around classes that are too small."""
    edges = list(edges)
    while edges:
        n = np.bincount(classes_of(distance, edges), minlength=len(edges) + 1)
        k = int(np.argmin(n))
        if n[k] >= least:
            break
        before = n[k - 1] if k > 0 else np.inf
        after = n[k + 1] if k < len(edges) else np.inf
        del edges[k - 1 if before < after else k]
    return edges


def binomial_interval(right: float, n: float, *, confidence: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share, ``right`` of n (Clopper and Pearson 1934, Biometrika 26:404).

    >>> [round(one, 4) for one in binomial_interval(90, 100)]
    [0.8238, 0.951]
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(right, n - right + 1, tail)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, n - right, 1 - tail)) if right < n else 1.0
    return low, high


def share_interval(
    right: npt.NDArray[np.bool_], *, block: npt.NDArray[Any] | None = None, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of the share of ``right`` (n,): binomial; with ``block``, the block of each sample, as wide as blocks make it.

    Samples of one block are right or wrong together. The binomial interval is then that of fewer samples, n over the design effect
    (variance between blocks over binomial variance, at least 1; Korn and Graubard 1998, Survey Methodology 24:193); where all are
    right or all wrong, that of the number of blocks.

    >>> right, block = np.repeat([True, False, True, True], 25), np.repeat([0, 1, 2, 3], 25)
    >>> [round(one, 2) for one in share_interval(right)], [round(one, 2) for one in share_interval(right, block=block)]
    ([0.65, 0.83], [0.13, 1.0])
    """
    n, hits = len(right), int(right.sum())
    if block is None:
        return binomial_interval(hits, n, confidence=confidence)
    _, place = np.unique(block, return_inverse=True)
    blocks = int(place.max()) + 1
    share = hits / n
    if hits in (0, n) or blocks == 1:
        effective = float(blocks)
    else:
        excess = np.bincount(place, weights=right - share)
        between = blocks / (blocks - 1) * float((excess**2).sum()) / n**2
        effective = min(n, share * (1 - share) / max(between, 1e-300))
    return binomial_interval(share * effective, effective, confidence=confidence)


def interval_score(y: Reals, *, lower: Reals, upper: Reals, confidence: float) -> F64:
    """Width plus 2 / (1 - confidence) times the miss, sample by sample; low is good.

    Gneiting and Raftery 2007, J. Am. Stat. Assoc. 102:359, equation 43.

    >>> both = {"lower": np.array([0.0, 0.0]), "upper": np.array([2.0, 2.0])}
    >>> interval_score(np.array([1.0, 3.0]), **both, confidence=0.9).round(6).tolist()
    [2.0, 22.0]
    """
    miss = np.maximum(np.maximum(np.asarray(lower) - y, y - np.asarray(upper)), 0)
    return np.asarray(upper - lower + 2 / (1 - confidence) * miss, dtype=np.float64)


def coverage(
    y: Reals,
    *,
    lower: Reals,
    upper: Reals,
    confidence: float,
    distance_m: Reals | None = None,
    edges_m: Sequence[float] = (),
    predicted: Reals | None = None,
    block: npt.NDArray[Any] | None = None,
) -> dict[str, Any]:
    """What intervals achieved, JSON-able: over all, by class of distance, by low, middle and high thirds of ``predicted``.

    Give samples of blocks that were used neither to fit nor to tune nor to calibrate. Each row has ``n``, the share ``covered``
    with its 95 % interval (``low``, ``high``: exact binomial, samples counted as independent; with ``block``, the validation block of
    each, see :func:`share_interval`), ``mean_width`` and ``interval_score``. An empty group has n 0 and None. Raises LearnError for
    values that are no number. Pure.

    >>> y, half = np.arange(4.0), np.array([1.0, 1.0, 1.0, 3.0])
    >>> table = coverage(y, lower=y - half, upper=y + half - 2, confidence=0.9)
    >>> [table["all"][key] for key in ("n", "covered", "mean_width")]
    [4, 0.25, 1.0]
    """
    check_confidence(confidence)
    y, lower, upper = (np.asarray(one, dtype=np.float64) for one in (y, lower, upper))
    if not (np.isfinite(y) & np.isfinite(lower) & np.isfinite(upper)).all():
        raise LearnError.sentence(
            "score", "intervals", "the number of samples without value or bounds",
            int((~(np.isfinite(y) & np.isfinite(lower) & np.isfinite(upper))).sum()), "leave them out",
        )  # fmt: skip
    inside = (lower <= y) & (y <= upper)
    score = interval_score(y, lower=lower, upper=upper, confidence=confidence)

    def row(here: npt.NDArray[np.bool_]) -> dict[str, Any]:
        n, right = int(here.sum()), int(inside[here].sum())
        if n == 0:
            return {"n": 0} | dict.fromkeys(("covered", "low", "high", "mean_width", "interval_score"))
        low, high = share_interval(inside[here], block=None if block is None else block[here])
        return {
            "n": n,
            "covered": round(right / n, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "mean_width": float((upper - lower)[here].mean()),
            "interval_score": float(score[here].mean()),
        }

    table: dict[str, Any] = {"confidence": confidence, "all": row(np.ones(len(y), dtype=np.bool_))}
    if distance_m is not None:
        place = classes_of(np.asarray(distance_m), edges_m)
        table["distance"] = [
            {"above_m": above, "up_to_m": up_to} | row(place == k)
            for k, (above, up_to) in enumerate(zip((None, *edges_m), (*edges_m, None), strict=True))
        ]
    if predicted is not None:
        third = classes_of(np.asarray(predicted), np.quantile(predicted, [1 / 3, 2 / 3]).tolist())
        table["predicted"] = [{"third": name} | row(third == k) for k, name in enumerate(("low", "middle", "high"))]
    return table


def coverage_faults(table: Mapping[str, Any], *, tolerance: float = 0.03, least: int = 200) -> list[str]:
    """One sentence for every group of at least ``least`` samples whose coverage is off by more than ``tolerance``, and not by chance.

    Chance alone takes one group in eight of 200 samples off 0.9 by 0.03; so the group's 95 % interval must leave the confidence out.

    >>> coverage_faults({"confidence": 0.9, "all": {"n": 500, "covered": 0.85, "low": 0.82, "high": 0.88}})
    ['intervals of confidence 0.9 hold 0.85 of 500 samples (all)']
    """
    groups = [("all", table["all"])]
    for one in table.get("distance", ()):
        name = f"{one['above_m'] or 0:g} m to " + (
            "the farthest" if one["up_to_m"] is None else f"{one['up_to_m']:g} m"
        )
        groups.append((f"distance {name}", one))
    groups += [(f"predicted {one['third']}", one) for one in table.get("predicted", ())]
    return [
        f"intervals of confidence {table['confidence']:g} hold {group['covered']:g} of {group['n']} samples ({name})"
        for name, group in groups
        if group["n"] >= least
        and abs(group["covered"] - table["confidence"]) > tolerance + 1e-9
        and not group["low"] <= table["confidence"] <= group["high"]
    ]
