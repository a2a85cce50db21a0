"""How sure the map of classes is: entropy and its two parts, margin, and sets of classes that hold.

Three things that are never mixed up: ``md``, the spread of the members (:mod:`odse.learn.ensemble`), which ranks and is no interval;
entropy and margin, which say how undecided a probability is; and a set of classes of stated confidence, which is calibrated.

Entropy: Shannon 1948; its parts after Depeweg et al. 2018, *Decomposition of uncertainty*, ICML (PMLR 80): total entropy of the
members' mean = expected entropy (each member undecided: mixed pixels, poor features) + mutual information (members
disagree: too few samples there). Sets: class-conditional split conformal prediction (Vovk 2012, *Conditional validity of inductive
conformal predictors*; Sadinle, Lei and Wasserman 2019, J. Am. Stat. Assoc. 114:223; Angelopoulos and Bates 2021, arXiv:2107.07511).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from odse.errors import LearnError
from odse.layer.legend import Legend
from odse.learn.conformal import check_confidence, rank, share_interval, smallest_n

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Reals = npt.NDArray[np.floating]

METHOD = "class-conditional-1"
EVERYTHING = "all"
"""The name of the pool of all classes."""
UNKNOWN = 255


@dataclass(frozen=True)
class Entropy:
    """Of every place, each (n,), as shares (0-1) of the entropy of equal probabilities, log(classes). NaN where unknown."""

    total: F64
    """Of the mean of the members."""
    expected: F64
    """Mean of the members' entropies."""
    mutual: F64
    """total - expected: mutual information of class and member; 0 where all members say the same."""

    def to_percent(self) -> tuple[npt.NDArray[np.uint8], ...]:
        """Total, expected, mutual in whole percent, 255 unknown; total = expected + mutual holds for these numbers too.

        >>> [part.tolist() for part in entropy_parts(np.array([[[1.0, 0.0], [0.5, 0.5]]])).to_percent()]
        [[81], [50], [31]]
        """
        known = np.isfinite(self.total)
        total, expected = (
            np.floor(np.where(known, np.clip(part, 0, 1), 0) * 100 + 0.5).astype(np.uint8)
            for part in (self.total, self.expected)
        )
        parts = (total, np.minimum(expected, total), total - np.minimum(expected, total))
        return tuple(np.where(known, part, UNKNOWN).astype(np.uint8) for part in parts)


def entropy_parts(members: Reals) -> Entropy:
    """Total entropy of members' probabilities (n, learner, class) and its two parts. Pure.

    They belong to the members' mean: a stack, which weighs the members, has no such exact sum; :func:`entropy` is for its
    probabilities. Raises LearnError for fewer than two classes.

    >>> parts = entropy_parts(np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.5, 0.5], [0.5, 0.5]]]))
    >>> parts.total.tolist(), parts.expected.tolist(), parts.mutual.tolist()
    ([1.0, 1.0], [0.0, 1.0], [1.0, 0.0])
    """
    _check_classes(members.shape[-1])
    total, expected = _entropies(np.ascontiguousarray(members))
    scale = 1 / math.log(members.shape[-1])
    total, expected = total * scale, expected * scale
    expected = np.minimum(expected, total)  # Jensen's inequality, which rounding can break by 1e-16
    return Entropy(total, expected, total - expected)


def entropy(probability: Reals) -> F64:
    """Entropy (n,) of probabilities (n, class), as a share of log(classes). NaN where one is NaN. Pure.

    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [0.0, 1.0]
    """
    _check_classes(probability.shape[-1])
    total, _ = _entropies(np.ascontiguousarray(probability[:, None, :]))
    return np.asarray(total / math.log(probability.shape[-1]))


def margin(probability: Reals) -> F64:
    """The largest of probabilities (n, class) minus the second largest: 0 undecided, 1 sure. NaN where one is NaN. Pure.

    >>> margin(np.array([[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]])).tolist()
    [0.25, 0.0]
    """
    _check_classes(probability.shape[-1])
    return np.asarray(_margins(np.ascontiguousarray(probability)))


def _check_classes(n: int) -> None:
    if n < 2:
        raise LearnError.sentence("measure", "uncertainty", "the number of classes", n, "give two or more")


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _margins(probability):  # type: ignore[no-untyped-def]
    n, classes = probability.shape
    out = np.empty(n)
    for i in range(n):
        first, second, known = -np.inf, -np.inf, True
        for c in range(classes):
            p = np.float64(probability[i, c])
            if math.isnan(p):
                known = False
            elif p > first:
                first, second = p, first
            elif p > second:
                second = p
        out[i] = first - second if known else np.nan
    return out


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _entropies(members):  # type: ignore[no-untyped-def]
    """(n, learner, class) -> entropy (n,) of the mean over learners, mean (n,) of the learners' entropies; natural logarithms."""
    n, learners, classes = members.shape
    total, expected = np.zeros(n), np.zeros(n)
    for i in range(n):
        for c in range(classes):
            mean = 0.0
            for member in range(learners):
                p = np.float64(members[i, member, c])
                mean += p
                if p != 0.0:
                    expected[i] -= p * math.log(p) if p > 0.0 else math.nan
            mean /= learners
            if mean != 0.0:
                total[i] -= mean * math.log(mean) if mean > 0.0 else math.nan
        expected[i] /= learners
    return total, expected


def to_percent_100(probability: Reals) -> npt.NDArray[np.uint8]:
    """Probabilities (n, class) as whole percent that sum to exactly 100; a row with NaN is 255 throughout. Pure.

    Largest remainders (Hamilton's method): every share is rounded down and the missing percents go to the largest remainders;
    of equal remainders to the larger probability, then to the earlier class. So each is within 1 of the exact percent, and of two
    unequal probabilities the larger never gets less. Rows are scaled to sum 1 first. Raises LearnError for a negative
    or infinite probability or a row of zeros.

    >>> to_percent_100(np.array([[1.0, 1.0, 1.0], [0.005, 0.99, 0.005]])).tolist()
    [[34, 33, 33], [1, 99, 0]]
    """
    out, wrong = _largest_remainders(np.ascontiguousarray(probability))
    if wrong:
        raise LearnError.sentence(
            "round", "probabilities", "the number of rows that are negative, infinite or all zero", wrong,
            "give probabilities, NaN where unknown",
        )  # fmt: skip
    return np.asarray(out)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _largest_remainders(probability):  # type: ignore[no-untyped-def]
    n, classes = probability.shape
    out = np.full((n, classes), UNKNOWN, dtype=np.uint8)
    rest = np.empty(classes)
    wrong = 0
    for i in range(n):
        total = 0.0
        known, fine = True, True
        for c in range(classes):
            p = np.float64(probability[i, c])
            if math.isnan(p):
                known = False
            elif p < 0.0 or math.isinf(p):
                fine = False
            total += p
        if not known:
            continue
        if not fine or total <= 0.0:
            wrong += 1
            continue
        missing = 100
        for c in range(classes):
            exact = np.float64(probability[i, c]) / total * 100.0
            down = math.floor(exact)
            out[i, c] = np.uint8(down)
            rest[c] = exact - down
            missing -= int(down)
        for _ in range(missing):
            best = 0
            for c in range(1, classes):
                if rest[c] > rest[best] or (rest[c] == rest[best] and probability[i, c] > probability[i, best]):
                    best = c
            out[i, best] += np.uint8(1)
            rest[best] = -1.0
    return out, wrong


@dataclass(frozen=True)
class ClassSets:
    """Sets of classes of stated confidence: class c is in the set where its probability reaches ``threshold_[c]``.

    Fitted by :func:`fit_class_sets`. Raises LearnError for parts that do not fit each other.
    """

    confidence: float
    classes: tuple[str, ...]
    threshold_: tuple[float, ...]
    pool_: tuple[str, ...]
    """Whose samples set the threshold: the class's own code, or that of the group whose rare classes were pooled, or ``all``."""
    n_: tuple[int, ...]
    """Samples of each class's pool."""

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        few = smallest_n(self.confidence)
        for what, wrong in (
            ("the number of its thresholds", len(self.threshold_) != len(self.classes)),
            ("the number of its pools", not len(self.pool_) == len(self.n_) == len(self.classes)),
            ("one of its thresholds", not all(0 <= one <= 1 for one in self.threshold_)),
            (f"one of its counts, of which each needs {few},", any(n < few for n in self.n_)),
        ):
            if wrong:
                raise LearnError.sentence("use", "the sets of classes", what, "wrong", "fit them again")

    def contains(self, probability: Reals) -> npt.NDArray[np.bool_]:
        """Which classes are in the set: (n, class) -> (n, class). The most probable always is; none is where one is NaN.

        Raises LearnError for another number of classes. Pure.
        """
        if probability.ndim != 2 or probability.shape[1] != len(self.classes):
            raise LearnError.sentence(
                "make", "sets of classes", "the shape of the probabilities", probability.shape,
                f"give (n, {len(self.classes)})",
            )  # fmt: skip
        inside = np.asarray(probability) >= np.asarray(self.threshold_, dtype=np.float64)
        inside[np.arange(len(inside)), np.argmax(probability, axis=1)] = True
        inside[np.isnan(probability).any(axis=1)] = False
        return np.asarray(inside, dtype=np.bool_)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "method": METHOD,
            "confidence": self.confidence,
            "classes": list(self.classes),
            "threshold": list(self.threshold_),
            "pool": list(self.pool_),
            "n": list(self.n_),
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> ClassSets:
        """The inverse of :meth:`to_dict`. Raises LearnError for anything else."""
        if plain.get("method") != METHOD:
            raise LearnError.sentence(
                "read", "the sets of classes", "their method", plain.get("method"), f"give one of {METHOD}"
            )
        try:
            return cls(
                confidence=float(plain["confidence"]),
                classes=tuple(str(one) for one in plain["classes"]),
                threshold_=tuple(float(one) for one in plain["threshold"]),
                pool_=tuple(str(one) for one in plain["pool"]),
                n_=tuple(int(one) for one in plain["n"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LearnError.sentence(
                "read",
                "the sets of classes",
                "one of their entries",
                f"missing or no number ({error})",
                "fit them again",
            ) from error


def fit_class_sets(
    probability: Reals,
    target: Index,
    *,
    classes: Sequence[str],
    legend: Legend,
    confidence: float,
    least: int = 50,
) -> ClassSets:
    """Thresholds from out-of-fold probabilities (n, class) and the true class indices (n,).

    A class's threshold is the probability that all but a share 1 - ``confidence`` of its own samples reached (rank
    ceil((n + 1) confidence) from the top). Rare classes, with fewer than ``least`` samples or fewer than the confidence needs,
    are pooled with the other rare ones of their group, level by level up the legend, at last with all; so is a class without samples.
    The order of samples does not matter. Raises LearnError when all samples together are too few for the confidence. Pure.

    >>> from odse.layer.legend import clc_legend
    >>> p = np.linspace(0.005, 0.995, 100)
    >>> sets = fit_class_sets(np.stack([p, 1 - p], axis=1), np.zeros(100, dtype=int), classes=["311", "312"],
    ...     legend=clc_legend(), confidence=0.9)
    >>> [round(one, 3) for one in sets.threshold_], sets.pool_
    ([0.095, 0.095], ('311', 'all'))
    >>> set_sizes(sets.contains(np.array([[0.5, 0.5], [0.99, 0.01]]))).tolist()
    [2, 1]
    """
    check_confidence(confidence)
    probability, target = np.asarray(probability, dtype=np.float64), np.asarray(target, dtype=np.int64)
    which, few = f"sets of classes of confidence {confidence:g}", smallest_n(confidence)
    if probability.shape != (len(target), len(classes)):
        raise LearnError.sentence(
            "calibrate",
            which,
            "the shape of the probabilities",
            probability.shape,
            f"give {(len(target), len(classes))}",
        )
    if len(target) < few:
        raise LearnError.sentence(
            "calibrate",
            which,
            "the number of held-out samples",
            len(target),
            f"give at least {few} or state less confidence",
        )
    outside = int(((target < 0) | (target >= len(classes))).sum())
    if outside:
        raise LearnError.sentence(
            "calibrate", which, "the number of samples of a class without column", outside, "leave them out"
        )
    own = probability[np.arange(len(target)), target]
    if not ((own >= 0) & (own <= 1)).all():
        raise LearnError.sentence(
            "calibrate", which, "the number of probabilities that are none",
            int((~((own >= 0) & (own <= 1))).sum()), "leave them out",
        )  # fmt: skip
    pools = pooled_classes(np.bincount(target, minlength=len(classes)), classes, legend, least=max(least, few))
    thresholds, counts = [], []
    for _, members in pools:
        reached = np.sort(own[np.isin(target, members)])[::-1]
        thresholds.append(float(reached[rank(len(reached), confidence) - 1]))
        counts.append(len(reached))
    return ClassSets(confidence, tuple(classes), tuple(thresholds), tuple(name for name, _ in pools), tuple(counts))


def pooled_classes(
    counts: npt.NDArray[np.integer], classes: Sequence[str], legend: Legend, *, least: int
) -> list[tuple[str, tuple[int, ...]]]:
    """For every class the name and the class indices of its pool: itself, or the rare ones of a group, or all.

    >>> from odse.layer.legend import clc_legend
    >>> pooled_classes(np.array([90, 6, 5, 2]), ["311", "312", "313", "512"], clc_legend(), least=10)
    [('311', (0,)), ('31', (1, 2)), ('31', (1, 2)), ('all', (0, 1, 2, 3))]
    """
    result: dict[int, tuple[str, tuple[int, ...]]] = {
        c: (code, (c,)) for c, code in enumerate(classes) if counts[c] >= least
    }
    for level in range(legend.levels - 1, -1, -1):
        groups: dict[str, list[int]] = {}
        for c, code in enumerate(classes):
            if c not in result:
                groups.setdefault(legend.parent(code, level) if level else EVERYTHING, []).append(c)
        for name, members in groups.items():
            if counts[members].sum() >= least:
                result |= dict.fromkeys(members, (name, tuple(members)))
    everything = (EVERYTHING, tuple(range(len(classes))))
    return [result.get(c, everything) for c in range(len(classes))]


def set_sizes(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """How many classes are in each set: (n, class) -> (n,). 0 where unknown."""
    return np.asarray(inside.sum(axis=1), dtype=np.uint8)


def set_masks(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint64]:
    """Each set as bits, class c as bit c: (n, class) -> (n,). 0 where unknown. Raises LearnError beyond 64 classes.

    >>> set_masks(np.array([[True, False, True]])).tolist()
    [5]
    """
    if inside.shape[1] > 64:
        raise LearnError.sentence(
            "write",
            "sets of classes",
            "the number of classes",
            inside.shape[1],
            "keep 64 or write the sizes of the sets",
        )
    mask = np.zeros(len(inside), dtype=np.uint64)
    for c in range(inside.shape[1]):
        mask |= inside[:, c].astype(np.uint64) << np.uint64(c)
    return mask


def set_coverage(
    inside: npt.NDArray[np.bool_],
    target: Index,
    *,
    classes: Sequence[str],
    confidence: float,
    block: npt.NDArray[Any] | None = None,
) -> dict[str, Any]:
    """What sets achieved, JSON-able: over all and class by class, of samples that were not used to fit, tune or calibrate.

    Each row: ``n``, the share ``covered`` with its 95 % interval (``low``, ``high``: exact binomial; with ``block``, the validation
    block of each sample, see :func:`~odse.learn.conformal.share_interval`), ``mean_size`` and the share ``single`` of sets of
    one class; None for a class without samples. Pure.

    >>> inside = np.array([[True, False], [True, True]])
    >>> table = set_coverage(inside, np.array([1, 1]), classes=["311", "312"], confidence=0.9)
    >>> table["all"]["covered"], table["all"]["mean_size"], table["classes"][0]["n"]
    (0.5, 1.5, 0)
    """
    right = inside[np.arange(len(target)), target]
    size = inside.sum(axis=1)

    def row(here: npt.NDArray[np.bool_]) -> dict[str, Any]:
        n, hits = int(here.sum()), int(right[here].sum())
        if n == 0:
            return {"n": 0} | dict.fromkeys(("covered", "low", "high", "mean_size", "single"))
        low, high = share_interval(right[here], block=None if block is None else block[here])
        return {
            "n": n,
            "covered": round(hits / n, 4),
            "low": round(low, 4),
            "high": round(high, 4),
            "mean_size": round(float(size[here].mean()), 4),
            "single": round(float((size[here] == 1).mean()), 4),
        }

    return {
        "confidence": confidence,
        "all": row(np.ones(len(target), dtype=np.bool_)),
        "classes": [{"code": code} | row(np.asarray(target == c)) for c, code in enumerate(classes)],
    }


def set_coverage_faults(table: Mapping[str, Any], *, tolerance: float = 0.03, least: int = 200) -> list[str]:
    """One sentence for every class of at least ``least`` samples whose sets hold it too rarely, by more than ``tolerance``.

    Too often is no fault: the most probable class is always in its set. Nor is what chance can do: the class's 95 % interval must lie
    below the confidence.

    >>> row = {"code": "311", "n": 500, "covered": 0.85, "low": 0.82, "high": 0.88}
    >>> set_coverage_faults({"confidence": 0.9, "all": row | {"covered": 0.9}, "classes": [row]})
    ['sets of confidence 0.9 hold 0.85 of 500 samples (311)']
    """
    groups = [("all", table["all"]), *((one["code"], one) for one in table["classes"])]
    return [
        f"sets of confidence {table['confidence']:g} hold {group['covered']:g} of {group['n']} samples ({name})"
        for name, group in groups
        if group["n"] >= least
        and group["covered"] < table["confidence"] - tolerance - 1e-9
        and group["high"] < table["confidence"]
    ]
