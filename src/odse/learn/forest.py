"""A fitted forest as arrays: exact, small, the same on every machine; walked by a numba kernel, many pixels at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

LANES = 64


@dataclass(frozen=True)
class Forest:
    """Nodes of all trees in one table. A leaf points at itself, so that a walk of fixed length ends there."""

    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    """Rounded down to float32, so that float32 features take the branch they take in double precision."""
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]
    """(node, class) probabilities; zero for inner nodes."""
    root: npt.NDArray[np.int32]
    depth: npt.NDArray[np.int32]
    """Longest walk in each tree."""

    @classmethod
    def of(cls, model: Any, present: npt.NDArray[np.int64], n_classes: int) -> Forest:
        """The arrays of a fitted scikit-learn forest whose classes are ``present`` of ``n_classes``."""
        parts: dict[str, list[npt.NDArray[Any]]] = {k: [] for k in ("feature", "threshold", "left", "right", "value")}
        root, depth, base = [], [], 0
        for estimator in model.estimators_:
            tree = estimator.tree_
            n = tree.node_count
            leaf = tree.children_left < 0
            own = np.arange(n)
            down = tree.threshold.astype(np.float32)
            down = np.where(down.astype(np.float64) > tree.threshold, np.nextafter(down, np.float32(-np.inf)), down)
            parts["feature"].append(np.where(leaf, 0, tree.feature))
            parts["threshold"].append(np.where(leaf, 0, down))
            parts["left"].append(np.where(leaf, own, tree.children_left) + base)
            parts["right"].append(np.where(leaf, own, tree.children_right) + base)
            value = tree.value[:, 0, :]
            value = value / value.sum(axis=1, keepdims=True)
            wide = np.zeros((n, n_classes), dtype=np.float32)
            wide[:, present] = np.where(leaf[:, None], value, 0)
            parts["value"].append(wide)
            root.append(base)
            depth.append(tree.max_depth)
            base += n
        joined = {name: np.concatenate(arrays) for name, arrays in parts.items()}
        return cls(
            joined["feature"].astype(np.int32),
            joined["threshold"].astype(np.float32),
            joined["left"].astype(np.int32),
            joined["right"].astype(np.int32),
            joined["value"],
            np.array(root, dtype=np.int32),
            np.array(depth, dtype=np.int32),
        )

    def predict(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(n, feature) -> (n, class): the mean over the trees."""
        out = np.zeros((len(features), self.value.shape[1]), dtype=np.float32)
        _walk(
            np.ascontiguousarray(features, dtype=np.float32),
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.value,
            self.root,
            self.depth,
            out,
        )
        return out


@numba.njit(cache=True, nogil=True, boundscheck=False)
def _walk(features, feature, threshold, left, right, value, root, depth, out):  # type: ignore[no-untyped-def]
    """Blocks of LANES pixels walk each tree together; a pixel in a leaf waits there."""
    n = features.shape[0]
    at = np.empty(LANES, dtype=np.int32)
    share = np.float32(1.0 / root.shape[0])
    for start in range(0, n, LANES):
        width = min(LANES, n - start)
        for tree in range(root.shape[0]):
            for i in range(width):
                at[i] = root[tree]
            for _ in range(depth[tree]):
                for i in range(width):
                    node = at[i]
                    goes_left = features[start + i, feature[node]] <= threshold[node]
                    at[i] = left[node] if goes_left else right[node]
            for i in range(width):
                for c in range(out.shape[1]):
                    out[start + i, c] += value[at[i], c] * share
