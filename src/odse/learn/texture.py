"""Texture closure: sand, silt and clay from two predicted log-ratios, so that they are never negative and sum to 100 %.

Two methods, told apart by name (level-4 scripts of the Open Soil Data Cube for Europe use both):

``log2``
    t1 = log2((sand + k) / (clay + k)), t2 = log2((silt + k) / (clay + k)). The offset k keeps soils without clay finite. Its
    inverse clay = (W - (x1 + x2 - 2) k) / (x1 + x2 + 1), sand = x1 clay + x1 k - k, silt = x2 clay + x2 k - k, with x = 2^t and
    W = 100 %, is computed as share * (W + 3 k) - k, share = x / (x1 + x2 + 1): the same numbers, and no overflow or cancellation.
``log1p``
    t1 = ln(1 + sand / clay), t2 = ln(1 + silt / clay); sand = expm1(t1) clay, silt = expm1(t2) clay. Needs clay above 0.

What a model predicts may lie where no soil is: then a component comes out negative, is set to 0 and the others are scaled to 100 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from odse.errors import LearnError

Ratio = Literal["log2", "log1p"]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Texture:
    """Three arrays of one shape, in percent of the fine earth."""

    sand: F64
    silt: F64
    clay: F64

    @property
    def total(self) -> F64:
        return self.sand + self.silt + self.clay


def texture_ratios(texture: Texture, method: Ratio = "log2", *, offset_percent: float = 1.0) -> tuple[F64, F64]:
    """The two targets (sand : clay, silt : clay) of a texture that sums to 100 %; NaN stays NaN. Pure.

    ``offset_percent`` is k, for ``log2`` only. Raises LearnError where a component is negative or the sum is more than
    1 % off (laboratories round; scale with :func:`close_texture` first), and for a zero in a ratio that cannot have it.

    >>> t1, t2 = texture_ratios(Texture(np.array([60.0]), np.array([20.0]), np.array([20.0])), offset_percent=0)
    >>> t1.round(4).tolist(), t2.tolist()
    ([1.585], [0.0])
    """
    sand, silt, clay = (np.asarray(one, dtype=np.float64) for one in (texture.sand, texture.silt, texture.clay))
    lowest = np.minimum(np.minimum(sand, silt), clay)
    off = np.abs(sand + silt + clay - 100)
    if (lowest < 0).any():
        raise _refusal("a component", f"{np.nanmin(lowest):g} %", "remove that sample")
    if (off > 1).any():
        total = (sand + silt + clay)[off > 1].flat[0]
        raise _refusal("the sum of sand, silt and clay", f"{total:g} %", "scale it by close_texture")
    if method == "log1p":
        if (clay == 0).any():
            raise _refusal("clay", "0 %", "use the method log2, whose offset allows it")
        return np.log1p(sand / clay), np.log1p(silt / clay)
    if offset_percent < 0 or (offset_percent == 0 and (lowest == 0).any()):
        raise _refusal("the offset", f"{offset_percent:g} % with a component of {lowest.min():g} %", "give more than 0")
    k = offset_percent
    return np.log2((sand + k) / (clay + k)), np.log2((silt + k) / (clay + k))


def texture_of_ratios(ratios: tuple[F64, F64], method: Ratio = "log2", *, offset_percent: float = 1.0) -> Texture:
    """Sand, silt and clay (percent, none negative, sum 100) of two predicted log-ratios; NaN where either is NaN. Pure.

    The inverse of :func:`texture_ratios` with the same method and offset.

    >>> one = texture_of_ratios((np.array([np.log2(3.0)]), np.array([0.0])), offset_percent=0)
    >>> one.sand.round(6).tolist(), one.silt.round(6).tolist(), one.clay.round(6).tolist()
    ([60.0], [20.0], [20.0])
    """
    t1, t2 = (np.asarray(one, dtype=np.float64) for one in ratios)
    if method == "log1p":
        t1, t2 = np.maximum(t1, 0), np.maximum(t2, 0)  # a ratio below 0 is no soil: nothing of that component
        top = np.maximum(t1, t2)
        unit = np.exp(-top)
        x1, x2 = np.exp(t1 - top) - unit, np.exp(t2 - top) - unit
        k = 0.0
    else:
        top = np.maximum(np.maximum(t1, t2), 0)
        unit, x1, x2 = np.exp2(-top), np.exp2(t1 - top), np.exp2(t2 - top)
        k = offset_percent
    scale = (100 + 3 * k) / (x1 + x2 + unit)
    return close_texture(Texture(x1 * scale - k, x2 * scale - k, unit * scale - k))


def close_texture(texture: Texture) -> Texture:
    """Negative components become 0, then the three are scaled to 100 %; NaN where one is NaN or none is above 0. Pure.

    >>> close_texture(Texture(np.array([60.0]), np.array([45.0]), np.array([-5.0]))).sand.round(3).tolist()
    [57.143]
    """
    parts = [np.maximum(np.asarray(one, dtype=np.float64), 0) for one in (texture.sand, texture.silt, texture.clay)]
    total = parts[0] + parts[1] + parts[2]
    factor = 100 / np.where(total > 0, total, np.nan)
    return Texture(parts[0] * factor, parts[1] * factor, parts[2] * factor)


def whole_percent(texture: Texture) -> npt.NDArray[np.uint8]:
    """(3, ...) sand, silt, clay in whole percent that still sum to 100; 255 where unknown. Pure.

    By largest remainder: each is rounded down, and the points that are missing go to the largest remainders (of equal ones to
    sand, then silt). No value moves by 1 or more; rounding each by itself would give sums of 99 to 101.

    >>> whole_percent(Texture(np.array([33.4]), np.array([33.3]), np.array([33.3]))).ravel().tolist()
    [34, 33, 33]
    """
    exact = np.stack([texture.sand, texture.silt, texture.clay]).astype(np.float64)
    known = np.isfinite(exact).all(axis=0)
    exact = np.where(known, exact, 0.0)
    floor = np.floor(exact + 1e-9)
    missing = np.where(known, 100 - floor.sum(axis=0), 0)
    rank = np.argsort(np.argsort(-(exact - floor).round(9), axis=0, kind="stable"), axis=0)
    return np.where(known, floor + (rank < missing), 255).astype(np.uint8)


def _refusal(what: str, value: str, remedy: str) -> LearnError:
    return LearnError.sentence("take log-ratios of", "a texture", what, value, remedy)
