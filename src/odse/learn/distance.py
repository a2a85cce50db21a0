"""How accuracy falls with the distance to the nearest training sample, and what that makes of the whole map.

One cross-validation figure tells how good the model is at the distances that its folds happen to have. A map is asked at
other distances. Here held-out answers are sorted by distance, and the curve is weighed by the distances of the map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from scipy.special import ndtri

from odse.errors import LearnError

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DistanceCurve:
    """Accuracy by bin of distance. Bins are edge <= distance < next edge, the last one closed; all arrays (bin,) but ``edges_m``.

    ``accuracy``, ``lower`` and ``upper`` (Wilson's interval at ``confidence``) are NaN, 0 and 1 in a bin without samples.
    """

    edges_m: F64
    count: Index
    right: Index
    accuracy: F64
    lower: F64
    upper: F64
    confidence: float

    def report(self) -> list[dict[str, Any]]:
        """JSON-able rows, from the nearest: from_m, to_m, n, accuracy (None without samples), lower, upper."""
        return [
            {
                "from_m": float(self.edges_m[i]),
                "to_m": float(self.edges_m[i + 1]),
                "n": int(self.count[i]),
                "accuracy": float(self.accuracy[i]) if self.count[i] else None,
                "lower": float(self.lower[i]),
                "upper": float(self.upper[i]),
            }
            for i in range(len(self.count))
        ]


@dataclass(frozen=True)
class MapExpectation:
    """The accuracy that a map has by its own distances, with an interval.

    ``share_beyond`` is the part of the map that lies farther from every sample than any held-out sample did: its accuracy
    is taken from the farthest bin and is proved by nothing. ``share_between`` lies in bins without held-out samples, which
    take the next farther bin that has some.
    """

    accuracy: float
    lower: float
    upper: float
    share_beyond: float
    share_between: float


def nearest_m(places: F64, samples: F64) -> F64:
    """Distance of each place (n, 2) to the nearest sample (m, 2), in the unit of the coordinates: metres. Pure.

    >>> nearest_m(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([[0.0, 0.0]])).tolist()
    [0.0, 5.0]
    """
    return np.asarray(cKDTree(samples).query(places)[0], dtype=np.float64)


def held_out_m(places: F64, fold: Index) -> F64:
    """Distance of each sample (n, 2) to the nearest one of another fold (n,): how far its training samples were. Pure.

    Raises LearnError when there is one fold only.

    >>> held_out_m(np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]]), np.array([0, 0, 1])).tolist()
    [9.0, 8.0, 8.0]
    """
    folds = np.unique(fold)
    if len(folds) < 2:
        raise LearnError.sentence(
            "measure", "distances between folds", "the number of folds", len(folds), "give two or more"
        )
    result = np.empty(len(fold))
    for one in folds:
        held = fold == one
        result[held] = nearest_m(places[held], places[~held])
    return result


def wilson(right: Index, count: Index, *, confidence: float = 0.95) -> tuple[F64, F64]:
    """Wilson's score interval of shares (Wilson 1927, doi 10.1080/01621459.1927.10502953); 0 to 1 where nothing was counted.

    >>> [one.round(4).tolist() for one in wilson(np.array([81, 0]), np.array([263, 0]))]
    [[0.2553, 0.0], [0.3662, 1.0]]
    """
    z = float(ndtri(0.5 + confidence / 2))
    n = np.maximum(count, 1).astype(np.float64)
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (
        np.where(count > 0, np.clip(np.minimum(centre - half, share), 0, 1), 0.0),
        np.where(count > 0, np.clip(np.maximum(centre + half, share), 0, 1), 1.0),
    )


def accuracy_by_distance(
    distance_m: F64, right: Bool, *, edges_m: F64 | None = None, bins: int = 8, confidence: float = 0.95
) -> DistanceCurve:
    """The curve of held-out samples: distance (n,) to their training samples (:func:`held_out_m`), and whether the answer was right.

    Samples of several designs of folds may be put one after another, so that near and far are both met. Without ``edges_m``
    the bins hold equally many samples. Wilson's intervals take samples for independent: those of one block are less. Raises
    LearnError when a distance is not known, or none falls between the edges. Pure.

    >>> curve = accuracy_by_distance(np.array([1.0, 2, 30, 40]), np.array([True, True, True, False]), edges_m=[0, 10, 100])
    >>> curve.accuracy.tolist(), curve.count.tolist()
    ([1.0, 0.5], [2, 2])
    """
    distance = np.asarray(distance_m, dtype=np.float64)
    answers = np.asarray(right, dtype=bool)
    if len(distance) == 0 or len(distance) != len(answers) or not np.isfinite(distance).all():
        raise LearnError.sentence(
            "draw",
            "accuracy by distance",
            "the table of held-out samples",
            f"{len(distance)} distances for {len(answers)} answers, or unknown ones",
            "give one known distance per answer",
        )
    if edges_m is None:
        edges = np.unique(np.quantile(distance, np.linspace(0, 1, bins + 1)))
        edges[0] = 0.0
        edges = edges if len(edges) > 1 else np.array([0.0, max(edges[-1], 1.0)])
    else:
        edges = np.asarray(edges_m, dtype=np.float64)
    _check_edges(edges)
    place, inside = _bins(distance, edges)
    if not inside.any():
        raise LearnError.sentence(
            "draw",
            "accuracy by distance",
            "the range of the distances",
            f"{distance.min():.0f} to {distance.max():.0f} m",
            "choose edges around it",
        )
    count = np.bincount(place[inside], minlength=len(edges) - 1)
    good = np.bincount(place[inside & answers], minlength=len(edges) - 1)
    lower, upper = wilson(good, count, confidence=confidence)
    accuracy = np.where(count > 0, good / np.maximum(count, 1), np.nan)
    return DistanceCurve(edges, count, good, accuracy, lower, upper, confidence)


def distance_histogram(distance_m: F64, edges_m: F64) -> Index:
    """Pixels per bin of distance, one number more than bins: the last counts what lies beyond. Sums over tiles. Pure.

    Unknown distances (NaN) are not counted.

    >>> distance_histogram(np.array([0.0, 5.0, 10.0, 11.0, np.nan]), np.array([0.0, 5.0, 10.0])).tolist()
    [1, 2, 1]
    """
    edges = np.asarray(edges_m, dtype=np.float64)
    _check_edges(edges)
    distance = np.asarray(distance_m, dtype=np.float64).ravel()
    place, inside = _bins(distance, edges)
    table = np.bincount(place[inside], minlength=len(edges))
    table[-1] = (distance > edges[-1]).sum()
    return table


def expected_accuracy(curve: DistanceCurve, histogram: Index) -> MapExpectation:
    """The curve weighed by the map's own distances (:func:`distance_histogram` with the edges of the curve). Pure.

    The interval adds those of the bins in squares (Zou & Donner 2008, doi 10.1002/sim.3095), bins being independent. Raises
    LearnError when the histogram is of other bins or empty.
    """
    if len(histogram) != len(curve.count) + 1 or np.sum(histogram) <= 0:
        raise LearnError.sentence(
            "weigh",
            "accuracy by distance",
            "the histogram of the map",
            f"{np.sum(histogram)} pixels in {len(histogram)} bins",
            f"count pixels in the {len(curve.count)} bins of the curve and one beyond",
        )
    known = np.flatnonzero(curve.count > 0)
    stands_for = known[np.minimum(np.searchsorted(known, np.arange(len(histogram))), len(known) - 1)]
    share = np.asarray(histogram, dtype=np.float64) / np.sum(histogram)
    weight = np.bincount(stands_for, weights=share, minlength=len(curve.count))[known]
    accuracy, lower, upper = curve.accuracy[known], curve.lower[known], curve.upper[known]
    mean = float(weight @ accuracy)
    between = np.ones(len(histogram), dtype=bool)
    between[known] = False
    between[known[-1] + 1 :] = False
    return MapExpectation(
        accuracy=mean,
        lower=max(mean - float(np.sqrt(((weight * (accuracy - lower)) ** 2).sum())), 0.0),
        upper=min(mean + float(np.sqrt(((weight * (upper - accuracy)) ** 2).sum())), 1.0),
        share_beyond=float(share[known[-1] + 1 :].sum()),
        share_between=float(share[between].sum()),
    )


def _check_edges(edges: F64) -> None:
    if len(edges) < 2 or edges[0] < 0 or not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise LearnError.sentence(
            "sort", "distances", "the list of edges", edges.tolist(), "give two or more rising numbers from 0"
        )


def _bins(distance: F64, edges: F64) -> tuple[Index, Bool]:
    """The bin of each distance, and whether it lies in one."""
    inside = (distance >= edges[0]) & (distance <= edges[-1])
    place = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, len(edges) - 2)
    return place.astype(np.int64), inside
