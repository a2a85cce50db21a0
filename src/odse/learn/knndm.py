"""Folds that ask as far away as the map does: k-fold nearest neighbour distance matching.

A map is predicted at some distance from its samples; folds drawn by chance from clustered samples ask at much shorter
ones, and flatter. kNNDM (Linnenbrink et al. 2024, doi 10.5194/gmd-17-5897-2024) joins clusters of samples to folds so
that the distances between a held-out sample and its training samples are distributed like those between the map and
all samples: among many numbers of clusters the one with the least Wasserstein distance between both wins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import cut_tree, ward
from scipy.spatial import cKDTree
from scipy.stats import ks_2samp, wasserstein_distance

from odse.errors import LearnError
from odse.learn.distance import nearest_m

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

MOST_TREE = 2000
"""Places that are clustered one by one; of more, those in one square of a grid are joined before."""

NEIGHBOURS = 32
"""Nearest neighbours of each place that are looked up once for all numbers of clusters."""


@dataclass(frozen=True, eq=False)
class Knndm:
    """Folds (n,) of the samples and how well they match.

    ``w_m`` is the Wasserstein distance between the distances of these folds and those of the map, ``w_random_m`` that of
    folds drawn by chance, both in metres; ``clusters`` the number of clusters that were joined to folds, None where
    chance was good enough; ``distance_m`` (n,) how far each sample is from those of other folds; ``shortest_m`` the mean
    of the shortest distances of the samples, ``prediction_m`` of the map.
    """

    fold: Index
    w_m: float
    w_random_m: float
    clusters: int | None
    distance_m: F64
    shortest_m: float
    prediction_m: float


def knndm(
    samples: F64, prediction: F64, *, folds: int = 10, seed: int = 0, largest_share: float = 0.5, tries: int = 100
) -> Knndm:
    """Folds of samples (n, 2) for a map whose pixels, or a few thousand drawn from them by chance, are ``prediction`` (m, 2).

    Coordinates are x and y in metres. Samples at one place stay in one fold, whatever their years, and count as one.
    Where the samples are not closer to each other than the map is to them (one-sided Kolmogorov-Smirnov test at 5 %), folds
    are drawn by chance. Otherwise Ward's clusters in ``tries`` numbers from ``folds`` to the number of places are joined:
    clusters as large as a fold stay alone, the rest is dealt in the order of the longest axis of the samples. No fold
    holds more than ``largest_share`` of the places. The same seed gives the same folds. Raises LearnError when there are
    fewer places than folds, or a share that no folds can have. Pure.

    >>> chance = np.random.default_rng(0)
    >>> clustered = np.repeat(chance.uniform(0, 1e5, (12, 2)), 10, axis=0) + chance.uniform(0, 300, (120, 2))
    >>> found = knndm(clustered, chance.uniform(0, 1e5, (500, 2)), folds=5)
    >>> found.w_m < found.w_random_m / 2
    True
    """
    everywhere, asked = np.asarray(samples, dtype=np.float64), np.asarray(prediction, dtype=np.float64)
    places, of_sample = np.unique(everywhere, axis=0, return_inverse=True)
    of_sample = of_sample.ravel()
    n = len(places)
    if folds < 2 or n < folds:
        raise LearnError.sentence(
            "fold",
            f"{len(everywhere)} samples",
            "the number of their places",
            f"{n} for {folds} folds",
            "take 2 folds or more, and not more than places",
        )
    if not 1.0 / folds < largest_share <= 1:
        raise LearnError.sentence(
            "fold",
            f"{len(everywhere)} samples",
            "the share of the largest fold",
            f"{largest_share} for {folds} folds",
            f"allow more than {1.0 / folds:.2f}",
        )
    if len(asked) == 0 or not (np.isfinite(asked).all() and np.isfinite(places).all()):
        raise LearnError.sentence("fold", f"{len(everywhere)} samples", "a coordinate", "unknown", "leave those out")
    chance = np.random.default_rng(seed)
    best = np.empty(n, dtype=np.int64)
    best[chance.permutation(n)] = np.arange(n) % folds
    wanted = nearest_m(asked, places)
    near = _Neighbours.of(places)
    shortest = near.distance[:, 0]
    w_random = w = float(wasserstein_distance(near.held_out(best), wanted))
    chosen = None
    if float(ks_2samp(shortest, wanted, alternative="greater", method="asymp").pvalue) < 0.05:
        for clusters, cluster in _clusterings(places, folds, tries):
            fold = _join(places, cluster, folds)
            if np.bincount(fold).max() > largest_share * n:
                continue
            distance = float(wasserstein_distance(near.held_out(fold), wanted))
            if distance < w:
                best, w, chosen = fold, distance, clusters
    return Knndm(
        fold=best[of_sample],
        w_m=w,
        w_random_m=w_random,
        clusters=chosen,
        distance_m=near.held_out(best)[of_sample],
        shortest_m=float(shortest.mean()),
        prediction_m=float(wanted.mean()),
    )


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """The nearest places of each place, from the nearest, without itself."""

    places: F64
    distance: F64
    index: Index

    @classmethod
    def of(cls, places: F64) -> _Neighbours:
        found = cKDTree(places).query(places, k=min(NEIGHBOURS + 1, len(places)))
        return cls(places, np.asarray(found[0])[:, 1:], np.asarray(found[1])[:, 1:])

    def held_out(self, fold: Index) -> F64:
        """As :func:`odse.learn.distance.held_out_m`, but only places whose neighbours are all in their own fold are searched anew."""
        other = fold[self.index] != fold[:, None]
        first = other.argmax(axis=1)
        result: F64 = np.take_along_axis(self.distance, first[:, None], axis=1)[:, 0].copy()
        lost = ~other.any(axis=1)
        for one in np.unique(fold[lost]):
            rows = lost & (fold == one)
            result[rows] = nearest_m(self.places[rows], self.places[fold != one])
        return result


def _clusterings(places: F64, folds: int, tries: int) -> list[tuple[int, Index]]:
    """Ward's clusters of the places in numbers that rise evenly on a logarithmic scale: number and cluster (n,)."""
    points, of_place = places, np.arange(len(places))
    size = float(np.ptp(places, axis=0).max()) / MOST_TREE
    while len(points) > MOST_TREE:
        cells, of_place = np.unique(np.floor(places / size), axis=0, return_inverse=True)
        of_place = of_place.ravel()
        count = np.bincount(of_place)
        points = np.stack([np.bincount(of_place, weights=places[:, i]) / count for i in (0, 1)], axis=1)
        size *= 1.25
    if len(points) <= folds:
        return []
    numbers = np.unique(np.rint(np.geomspace(folds, max(len(points) - 2, folds), tries)).astype(np.int64))
    cut = cut_tree(ward(points), n_clusters=numbers.tolist())
    return [(int(number), cut[of_place, i].astype(np.int64)) for i, number in enumerate(numbers)]


def _join(places: F64, cluster: Index, folds: int) -> Index:
    """Clusters to folds: those of a fold's size stay alone, the rest is dealt along the longest axis of the places."""
    count = np.bincount(cluster)
    centre = np.stack([np.bincount(cluster, weights=places[:, i]) / count for i in (0, 1)], axis=1)
    middle = places - places.mean(axis=0)
    axis = np.linalg.eigh(middle.T @ middle)[1][:, -1]
    axis = axis * (1.0 if axis[np.abs(axis).argmax()] > 0 else -1.0)
    order = np.argsort(centre @ axis, kind="stable")
    large = count[order] >= len(places) / folds
    fold_of = np.empty(len(count), dtype=np.int64)
    alone, rest = order[large], order[~large]
    fold_of[alone] = np.arange(len(alone))
    fold_of[rest] = len(alone) + np.arange(len(rest)) % max(folds - len(alone), 1)
    return fold_of[cluster]
