"""Composites as older programs made them, flaws included, for comparing old maps with new ones. Every use warns.

``eumap-2022``      percentiles ``linear``, cast to 16-bit floats: above DN 16384 in steps of 16, above 32768 in steps of 32; no
                    value is NaN
``eumap-2023``      32-bit floats; where a pixel has one value only, every percentile but the median is NaN
``ard2-bimonthly``  means are cut, not rounded, so that ``ard2-bimonthly`` bytes of them are those of the original

In both of eumap a percentile asked for twice is given once.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from odse.series._inputs import check_composite, refusal

Array = npt.NDArray[Any]
_TOLD = {
    "eumap-2022": "percentiles are 16-bit floats, in steps of 16 above 16384 and of 32 above 32768",
    "eumap-2023": "every percentile but the median is NaN where a pixel has one value",
    "ard2-bimonthly": "means are cut, not rounded",
}


def composite_as(
    compat: str, values: Array, quality: Array, *, percentiles: Sequence[int] | None, method: str, **rest: Any
) -> tuple[Array, npt.NDArray[np.uint8]]:
    """What :func:`odse.series.composite.composite_bands` gives, as the program of the name made it. Warns. Raises SeriesError."""
    from odse.series.composite import Compat, composite_bands

    if compat not in get_args(Compat):
        raise refusal("compat", repr(compat), f"write one of {', '.join(get_args(Compat))}")
    needed = "mean" if compat == "ard2-bimonthly" else "linear"
    if method != needed:
        raise refusal("the method", f"{method}, which {compat} did not have", f"use {needed}")
    warnings.warn(f"composite imitates {compat}: {_TOLD[compat]}", UserWarning, stacklevel=4)
    if compat == "ard2-bimonthly":
        return composite_bands(values, quality, percentiles=percentiles, method="mean", floors=True, **rest)
    if rest.pop("weights", None) is not None:
        raise refusal("their weights", "given", f"leave them out: {compat} had none")
    wanted = check_composite(values, quality, percentiles=percentiles, **rest)
    once = list(dict.fromkeys(int(p) for p in wanted))
    exact, count = _unrounded(values, quality, once, **rest)
    if compat == "eumap-2022":
        return exact.astype(np.float16), count
    alone = [i for i, p in enumerate(once) if p != 50]
    exact[:, alone] = np.where(count[:, None] == 1, np.nan, exact[:, alone])
    return exact.astype(np.float32), count


def _unrounded(
    values: Array, quality: Array, percentiles: list[int], *, keep: Array, valid: Sequence[tuple[int, int]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Percentiles ``linear`` as doubles (band, statistic, y, x), NaN where there are none; in numpy, row by row of the image."""
    bands, times, height, width = values.shape
    out = np.full((bands, len(percentiles), height, width), np.nan)
    count = np.zeros((bands, height, width), dtype=np.uint8)
    clear = keep[quality] != 0
    for b, (low, high) in enumerate(valid):
        for y in range(height if times else 0):
            line = values[b, :, y]
            good = clear[:, y] & (line >= low) & (line <= high)
            n = good.sum(axis=0)
            ordered = np.sort(np.where(good, line, np.uint16(65535)), axis=0).astype(np.int64)
            for s, q in enumerate(percentiles):
                at, part = np.divmod(np.maximum(n - 1, 0) * q, 100)
                lower, upper = (
                    np.take_along_axis(ordered, np.minimum(at + i, times - 1)[None], axis=0)[0] for i in (0, 1)
                )
                out[b, s, y] = np.where(n > 0, ((100 - part) * lower + part * upper) / 100, np.nan)
            count[b, y] = n
    return out, count
