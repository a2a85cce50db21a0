"""A fitted forest as arrays: exact, small, the same on every machine; walked by a numba kernel, sixteen pixels at a time.

How it is laid out, and why (measured with 43 classes, 100 trees, 750 000 nodes):

* Children stand side by side, so a node needs one child: ``child + (value > threshold)``. A leaf is its own child below a threshold
  that nothing exceeds, so a walk needs no branch: sixteen pixels walk one tree in sixteen local variables, which hides the
  latency of memory that a single walk waits for.
* Trees are the outer loop within a block of pixels, so a tree comes from memory once a block. First all walks of the block, then
  its sums: done together they take about twice as long, since a mispredicted length of a list throws walks away too.
* A leaf holds a list of (class, weight): 3.4 entries of 43 classes on average. A row for every class is 4 to 14 % faster where
  leaves hold more (9.4 entries of 43, 1.5 of 5), for two to three times the memory: not worth a second kernel.
* Weights are whole numbers of which each tree has ``unit`` to give. Sums of whole numbers are exact, in any order: the answer depends
  on nothing but the pixel, and its error (half a unit: 1.2e-8 with 100 trees) is below that of float32 sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from odse.errors import LearnError

BLOCK = 16384
"""Pixels, at most, that share one passage of the trees through the cache."""
LANES = 16
"""Pixels that walk together; as many are written out in the kernel."""
NODE = np.dtype([("threshold", np.float32), ("child", np.uint32), ("feature", np.uint32)])


def unit(trees: int) -> int:
    """What the weights of one leaf sum to, nearly: the most that ``trees`` of them can sum to in 32 bits.

    >>> unit(100)
    42949672
    """
    return int((2**32 - 1) // trees)


@dataclass(frozen=True)
class Forest:
    """Nodes of all trees in one table; parents before children, the right child after the left."""

    node: npt.NDArray[Any]
    """(node,) of NODE. ``threshold`` is rounded down to float32, so that float32 features take the branch they take in double
    precision; ``child`` is the left one. A leaf is its own child, and its threshold is infinite."""
    first: npt.NDArray[np.uint32]
    """(node + 1,) where the list of each node begins in ``klass`` and ``weight``; empty for inner nodes."""
    klass: npt.NDArray[np.unsignedinteger]
    weight: npt.NDArray[np.uint32]
    """In 1 / unit(trees)."""
    root: npt.NDArray[np.int64]
    """(tree + 1,) the first node of each tree, and the number of nodes."""
    n_classes: int
    n_features: int

    @classmethod
    def of(cls, model: Any, present: npt.NDArray[np.int64], n_classes: int) -> Forest:
        """The arrays of a fitted scikit-learn forest whose classes are ``present`` of ``n_classes``."""
        whole = unit(len(model.estimators_))
        nodes, lengths, classes, weights, root = [], [], [], [], [0]
        for estimator in model.estimators_:
            tree = estimator.tree_
            n = tree.node_count
            inner = np.flatnonzero(tree.children_left >= 0)
            # A pair of children stands where its parent's rank among the inner nodes says: still after the parent, as in scikit-learn.
            place = np.zeros(n, dtype=np.int64)
            place[tree.children_left[inner]] = 1 + 2 * np.arange(len(inner))
            place[tree.children_right[inner]] = 2 + 2 * np.arange(len(inner))
            down = tree.threshold[inner].astype(np.float32)
            too_high = down.astype(np.float64) > tree.threshold[inner]
            down[too_high] = np.nextafter(down[too_high], np.float32(-np.inf))
            node = np.zeros(n, dtype=NODE)
            node["threshold"] = np.inf
            node["child"] = np.arange(n) + root[-1]
            node["threshold"][place[inner]] = down
            node["feature"][place[inner]] = tree.feature[inner]
            node["child"][place[inner]] = place[tree.children_left[inner]] + root[-1]
            leaf = np.flatnonzero(tree.children_left < 0)
            leaf = leaf[np.argsort(place[leaf])]
            value = tree.value[leaf, 0, :]
            share = np.rint(value / value.sum(axis=1, keepdims=True) * whole).astype(np.uint32)
            row, column = np.nonzero(share)
            length = np.zeros(n, dtype=np.int64)
            length[place[leaf]] = np.bincount(row, minlength=len(leaf))
            nodes.append(node)
            lengths.append(length)
            classes.append(present[column])
            weights.append(share[row, column])
            root.append(root[-1] + n)
        return cls(
            np.concatenate(nodes),
            np.concatenate([[0], np.cumsum(np.concatenate(lengths))]).astype(np.uint32),
            np.concatenate(classes).astype(class_type(n_classes)),
            np.concatenate(weights),
            np.array(root, dtype=np.int64),
            n_classes,
            int(model.n_features_in_),
        )

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, feature) -> (n, class): the mean over the trees. A NaN takes the right branch, as the largest value does.

        Raises LearnError when the forest wants another number of features.
        """
        features = np.ascontiguousarray(features, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != self.n_features:
            raise LearnError.sentence(
                "predict",
                "with a forest",
                "the shape of the features",
                features.shape,
                f"give {self.n_features} features a row, in the order of the training",
            )
        if np.isnan(features).any():
            features = np.where(np.isnan(features), np.float32(np.inf), features)
        n = len(features)
        if n == 0:
            return np.empty((0, self.n_classes), dtype=np.float32)
        if n < LANES:
            features = np.concatenate([features, np.repeat(features[-1:], LANES - n, axis=0)])
        out = np.empty((len(features), self.n_classes), dtype=np.float32)
        trees = len(self.root) - 1
        share = 1.0 / (trees * unit(trees))
        _walk(features, self.node, self.first, self.klass, self.weight, self.root, share, out)
        return out[:n]

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """What a file keeps: integers as narrow as they may be, nothing of leaves that can be told from elsewhere."""
        own = np.arange(len(self.node))
        leaf = self.node["child"] == own
        inner = ~leaf
        return {
            "shape": np.array([self.n_classes, self.n_features], dtype=np.int64),
            "nodes": np.diff(self.root).astype(np.int32),
            "child": _narrow(self.node["child"] - own),
            "feature": _narrow(self.node["feature"][inner]),
            "threshold": self.node["threshold"][inner],
            "length": _narrow(np.diff(self.first)[leaf]),
            "class": self.klass,
            "weight": self.weight,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Forest:
        """The forest of :meth:`to_arrays`. Raises ValueError, which says what is unsound, before anything can be walked.

        ``child`` is a distance to a later node of the same tree, so no walk can be endless or leave the table.
        """
        if len(arrays["shape"]) != 2 or any(
            array.itemsize > 4 for array in arrays.values() if array.dtype.kind in "uf"
        ):
            raise ValueError("numbers too wide")
        n_classes, n_features = (int(x) for x in arrays["shape"])
        nodes, child = arrays["nodes"].astype(np.int64), arrays["child"].astype(np.int64)
        if (
            not 0 < len(child) < 2**32
            or len(nodes) == 0
            or nodes.min() < 1
            or nodes.max() > len(child)
            or nodes.sum() != len(child)
        ):
            raise ValueError("trees that do not add up")
        root = np.concatenate([[0], np.cumsum(nodes)])
        own = np.arange(len(child))
        leaf = child == 0
        inner = np.flatnonzero(~leaf)
        if (own + child + 1 >= np.repeat(root[1:], nodes))[inner].any():
            raise ValueError("nodes out of bounds")
        feature, threshold = arrays["feature"], arrays["threshold"].astype(np.float32)
        if len(feature) != len(inner) or len(threshold) != len(inner) or not np.isfinite(threshold).all():
            raise ValueError("thresholds that do not fit its nodes")
        if len(inner) and int(feature.max()) >= n_features:
            raise ValueError("features out of bounds")
        length, klass, weight = arrays["length"].astype(np.int64), arrays["class"], arrays["weight"]
        if (
            len(length) != len(child) - len(inner)
            or (length < 1).any()
            or (length > n_classes).any()
            or not length.sum() == len(klass) == len(weight)
            or int(klass.max()) >= n_classes
        ):
            raise ValueError("classes out of bounds")
        begin = np.cumsum(length) - length
        rises = np.diff(klass.astype(np.int64), prepend=-1) > 0
        rises[begin] = True
        off = np.abs(np.add.reduceat(weight.astype(np.int64), begin) - unit(len(nodes)))
        if not rises.all() or (off > length).any():
            raise ValueError("leaves that are no probabilities")
        node = np.empty(len(child), dtype=NODE)
        node["threshold"], node["feature"], node["child"] = np.inf, 0, own + child
        node["threshold"][inner], node["feature"][inner] = threshold, feature
        first = np.zeros(len(child) + 1, dtype=np.int64)
        first[1:][leaf] = length
        return cls(
            node,
            np.cumsum(first).astype(np.uint32),
            klass.astype(class_type(n_classes)),
            weight.astype(np.uint32),
            root,
            n_classes,
            n_features,
        )


def _narrow(numbers: npt.NDArray[Any]) -> npt.NDArray[np.unsignedinteger]:
    """The same, in the narrowest unsigned type."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))


def class_type(n_classes: int) -> npt.DTypeLike:
    """The smallest type that numbers the classes."""
    return np.uint8 if n_classes <= 256 else np.uint16


@numba.njit(nogil=True, boundscheck=False)
def _step(node, x, at, row):  # type: ignore[no-untyped-def]
    """One step down from node ``at`` for the pixel whose features begin at ``row``."""
    here = node[at]
    return np.uint64(here.child) + np.uint64(x[row + np.uint64(here.feature)] > here.threshold)


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _walk(features, node, first, klass, weight, root, share, out):  # type: ignore[no-untyped-def]
    """At least LANES pixels without NaN. Everything that indexes is unsigned: a signed index costs a comparison with 0."""
    n, width = features.shape
    x = features.reshape(n * width)
    wide = np.uint64(width)
    blocks = (n + BLOCK - 1) // BLOCK
    block = (n + blocks - 1) // blocks  # alike, so that no small last one pays for a whole passage
    total = np.empty((block, out.shape[1]), dtype=np.uint32)
    at = np.empty(block, dtype=np.uint32)
    for begin in range(0, n, block):
        start = min(begin, n - LANES)  # fewer than LANES left: over some pixels again
        pixels = min(block, n - start)
        total[:] = 0
        for tree in range(root.shape[0] - 1):
            top = np.uint64(root[tree])
            for lane in range(0, pixels, LANES):
                q = min(lane, pixels - LANES)
                row = np.uint64(start + q) * wide
                r0 = row + np.uint64(0) * wide
                r1 = row + np.uint64(1) * wide
                r2 = row + np.uint64(2) * wide
                r3 = row + np.uint64(3) * wide
                r4 = row + np.uint64(4) * wide
                r5 = row + np.uint64(5) * wide
                r6 = row + np.uint64(6) * wide
                r7 = row + np.uint64(7) * wide
                r8 = row + np.uint64(8) * wide
                r9 = row + np.uint64(9) * wide
                r10 = row + np.uint64(10) * wide
                r11 = row + np.uint64(11) * wide
                r12 = row + np.uint64(12) * wide
                r13 = row + np.uint64(13) * wide
                r14 = row + np.uint64(14) * wide
                r15 = row + np.uint64(15) * wide
                a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = a10 = a11 = a12 = a13 = a14 = a15 = top
                while True:
                    a0 = _step(node, x, a0, r0)
                    a1 = _step(node, x, a1, r1)
                    a2 = _step(node, x, a2, r2)
                    a3 = _step(node, x, a3, r3)
                    a4 = _step(node, x, a4, r4)
                    a5 = _step(node, x, a5, r5)
                    a6 = _step(node, x, a6, r6)
                    a7 = _step(node, x, a7, r7)
                    a8 = _step(node, x, a8, r8)
                    a9 = _step(node, x, a9, r9)
                    a10 = _step(node, x, a10, r10)
                    a11 = _step(node, x, a11, r11)
                    a12 = _step(node, x, a12, r12)
                    a13 = _step(node, x, a13, r13)
                    a14 = _step(node, x, a14, r14)
                    a15 = _step(node, x, a15, r15)
                    b0 = _step(node, x, a0, r0)
                    b1 = _step(node, x, a1, r1)
                    b2 = _step(node, x, a2, r2)
                    b3 = _step(node, x, a3, r3)
                    b4 = _step(node, x, a4, r4)
                    b5 = _step(node, x, a5, r5)
                    b6 = _step(node, x, a6, r6)
                    b7 = _step(node, x, a7, r7)
                    b8 = _step(node, x, a8, r8)
                    b9 = _step(node, x, a9, r9)
                    b10 = _step(node, x, a10, r10)
                    b11 = _step(node, x, a11, r11)
                    b12 = _step(node, x, a12, r12)
                    b13 = _step(node, x, a13, r13)
                    b14 = _step(node, x, a14, r14)
                    b15 = _step(node, x, a15, r15)
                    moved = (
                        (a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2) | (a3 ^ b3) | (a4 ^ b4) | (a5 ^ b5) | (a6 ^ b6) | (a7 ^ b7)
                    )
                    moved |= (
                        (a8 ^ b8)
                        | (a9 ^ b9)
                        | (a10 ^ b10)
                        | (a11 ^ b11)
                        | (a12 ^ b12)
                        | (a13 ^ b13)
                        | (a14 ^ b14)
                        | (a15 ^ b15)
                    )
                    a0 = b0
                    a1 = b1
                    a2 = b2
                    a3 = b3
                    a4 = b4
                    a5 = b5
                    a6 = b6
                    a7 = b7
                    a8 = b8
                    a9 = b9
                    a10 = b10
                    a11 = b11
                    a12 = b12
                    a13 = b13
                    a14 = b14
                    a15 = b15
                    if moved == np.uint64(0):
                        break
                at[q + 0] = a0
                at[q + 1] = a1
                at[q + 2] = a2
                at[q + 3] = a3
                at[q + 4] = a4
                at[q + 5] = a5
                at[q + 6] = a6
                at[q + 7] = a7
                at[q + 8] = a8
                at[q + 9] = a9
                at[q + 10] = a10
                at[q + 11] = a11
                at[q + 12] = a12
                at[q + 13] = a13
                at[q + 14] = a14
                at[q + 15] = a15
            for i in range(pixels):
                leaf = np.uint64(at[i])
                e, end = np.uint64(first[leaf]), np.uint64(first[leaf + np.uint64(1)])
                while e < end:
                    total[i, np.uint64(klass[e])] += weight[e]
                    e += np.uint64(1)
        for i in range(pixels):
            for c in range(out.shape[1]):
                out[start + i, c] = np.float32(total[i, c] * share)
