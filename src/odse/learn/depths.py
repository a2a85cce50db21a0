"""Depth in soil: a covariate of the model, standard depths as points, and values of intervals by the trapezoid rule.

A model predicts at points of depth. The value of an interval is the mean over it of the line through those points, which
is the trapezoid rule between the points and exact inside them as well: 0-30 cm is half of each end, 10-20 cm lies on the same line.
It is taken member by member and on the scale of the model, before any stack, spread or back-transform, so that the deviation of
an interval is that of its members' means and not a mean of deviations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import LearnError

STANDARD_DEPTHS_CM = (0.0, 30.0, 60.0, 100.0)
"""Of the Open Soil Data Cube for Europe."""


def with_depth(features: npt.NDArray[Any], depths_cm: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """(n, feature) and one depth, or (n,) depths: (n, feature + 1) float32 with depth in cm as the last feature. Pure.

    Raises LearnError for a depth that is negative or not finite.

    >>> with_depth(np.array([[1.0], [2.0]]), 30).tolist()
    [[1.0, 30.0], [2.0, 30.0]]
    """
    depth = np.broadcast_to(np.asarray(depths_cm, dtype=np.float64), (len(features),))
    wrong = ~np.isfinite(depth) | (depth < 0)
    if wrong.any():
        raise LearnError.sentence(
            "use", "depth as a covariate", "a depth", f"{depth[wrong][0]:g} cm", "give centimetres below the surface"
        )
    return np.column_stack([features, depth]).astype(np.float32)


def interval_weights(
    top_cm: float, bottom_cm: float, *, depths_cm: Sequence[float] = STANDARD_DEPTHS_CM
) -> npt.NDArray[np.float64]:
    """(depth,) share of each point in the mean from ``top_cm`` to ``bottom_cm``: none negative, their sum is 1. Pure.

    Raises LearnError when the points do not rise, the interval is empty, or it reaches beyond the points (nothing is extrapolated).

    >>> interval_weights(0, 30).tolist()
    [0.5, 0.5, 0.0, 0.0]
    >>> interval_weights(0, 100).tolist()
    [0.15, 0.3, 0.35, 0.2]
    """
    z = np.asarray(depths_cm, dtype=np.float64)
    which = f"the interval {top_cm:g}-{bottom_cm:g} cm"
    if len(z) < 2 or not (np.diff(z) > 0).all():
        points = ", ".join(f"{one:g}" for one in z)
        raise LearnError.sentence(
            "average", which, "the list of its depths", f"{points} cm", "give two or more that rise"
        )
    if not top_cm < bottom_cm:
        raise LearnError.sentence(
            "average", which, "its thickness", f"{bottom_cm - top_cm:g} cm", "give the upper end first"
        )
    if top_cm < z[0] or bottom_cm > z[-1]:
        raise LearnError.sentence(
            "average", which, "the predicted range", f"{z[0]:g}-{z[-1]:g} cm", "predict at its ends too"
        )
    weight = np.zeros(len(z))
    for i, (upper, lower) in enumerate(zip(z[:-1], z[1:], strict=True)):
        a, b = max(top_cm, upper), min(bottom_cm, lower)
        if a >= b:
            continue
        thickness = (b - a) / (bottom_cm - top_cm)
        along = ((a + b) / 2 - upper) / (lower - upper)  # of a line, the mean is the value in the middle
        weight[i] += thickness * (1 - along)
        weight[i + 1] += thickness * along
    return weight


def interval_mean(
    values: npt.NDArray[Any], interval_cm: tuple[float, float], *, depths_cm: Sequence[float] = STANDARD_DEPTHS_CM
) -> npt.NDArray[Any]:
    """(..., depth) point predictions on the model's scale -> (...,) means over ``interval_cm`` (top, bottom). Pure.

    Leading axes are whatever they were, usually (n, learner). float32 stays float32. A NaN makes an interval NaN only
    if that depth has a share in it. Raises LearnError as :func:`interval_weights`, and when the last axis is not depth.

    >>> interval_mean(np.array([[20.0, 10.0, 6.0, 2.0]]), (0, 30)).tolist()
    [15.0]
    """
    weight = interval_weights(*interval_cm, depths_cm=depths_cm)
    if values.shape[-1:] != weight.shape:
        raise LearnError.sentence(
            "average",
            f"values of shape {values.shape}",
            "the number of depths",
            len(weight),
            "let depth be the last axis",
        )
    used = np.flatnonzero(weight)
    dtype = np.float32 if values.dtype == np.float32 else np.float64
    return np.asarray(values[..., used].astype(dtype, copy=False) @ weight[used].astype(dtype))
