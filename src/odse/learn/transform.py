"""Transformations of a target before regression, and their exact inverses.

====== ================= =========================================================
name   stored x          meant for
====== ================= =========================================================
none   y                 pH, percent
log1p  ln(1 + y)         contents with a long tail
log10x 10 ln(1 + y)      the same in a byte: organic carbon in g/kg, ``log.oc`` of the Open Soil Data Cube for Europe
====== ================= =========================================================

``log10x`` is ten times the natural logarithm, not the logarithm to base ten.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from odse.errors import LearnError

Transform = Literal["none", "log1p", "log10x"]
TRANSFORMS: tuple[Transform, ...] = get_args(Transform)
F64 = npt.NDArray[np.float64]

_FACTOR: dict[Transform, float] = {"log1p": 1.0, "log10x": 10.0}


def forward(values: npt.ArrayLike, transform: Transform) -> F64:
    """From the unit of the target to the scale of the model, any shape; NaN stays NaN. Pure.

    Raises LearnError for an unknown name and, under a logarithm, for a value of -1 or less.

    >>> forward([0.0, 19.086], "log10x").round(2).tolist()
    [0.0, 30.0]
    """
    y = np.array(values, dtype=np.float64)
    if check_transform(transform) == "none":
        return y
    if (y <= -1).any():
        raise LearnError.sentence(
            "transform",
            f"the target by {transform}",
            "its smallest value",
            f"{np.nanmin(y):g}",
            "remove values of -1 or less, or take the transform none",
        )
    return np.asarray(_FACTOR[transform] * np.log1p(y), dtype=np.float64)


def back(values: npt.ArrayLike, transform: Transform) -> F64:
    """From the scale of the model to the unit of the target: the inverse of :func:`forward`. Pure.

    The result is the median of the target where the model is right about the middle of x, not its mean: no variance is added.

    >>> back([15, 50], "log10x").round(3).tolist()
    [3.482, 147.413]
    """
    x = np.array(values, dtype=np.float64)
    return x if check_transform(transform) == "none" else np.asarray(np.expm1(x / _FACTOR[transform]), dtype=np.float64)


def back_interval(centre: npt.ArrayLike, half_width: npt.ArrayLike, *, transform: Transform) -> tuple[F64, F64]:
    """Lower and upper end of x ± s in the unit of the target; both arguments are on the scale of the model. Pure.

    With s the RMSE of a stack it is the "interval by RMSE", with s the spread of its members the "model deviation".
    Raises LearnError for a negative half width.

    >>> [round(float(end), 3) for end in back_interval(forward(15, "log1p"), 0.70, transform="log1p")]
    [6.945, 31.22]
    """
    x, s = np.asarray(centre, dtype=np.float64), np.asarray(half_width, dtype=np.float64)
    if (s < 0).any():
        raise LearnError.sentence(
            "back-transform", "an interval", "its half width", f"{np.nanmin(s):g}", "give 0 or more"
        )
    return back(x - s, transform), back(x + s, transform)


def check_transform(name: str) -> Transform:
    """The name itself, if it is one of :data:`TRANSFORMS`; else LearnError."""
    for known in TRANSFORMS:
        if name == known:
            return known
    raise LearnError.sentence("transform", "the target", "the transform", repr(name), f"use {', '.join(TRANSFORMS)}")
