"""What composites, metrics and support take: checked, and in the form that the kernels want."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from odse.errors import SeriesError

Array = npt.NDArray[Any]
Method = Literal["linear", "higher", "nearest", "mean"]
QUARTILES = (25, 50, 75)


def rows_needed(times: int, percentile: int) -> int:
    """How many of the sorted rows a percentile can touch."""
    return int(min((times - 1) * percentile // 100 + 2, times))


def coded(quality: Array, keep: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], np.uint32]:
    """Codes (time, pixel) below 32 and the bits of those that are used: what the kernels take."""
    flat = np.ascontiguousarray(quality).reshape(len(quality), -1)
    if keep[32:].any():  # the kernels hold the codes in 32 bits
        flat, keep = (keep != 0).astype(np.uint8)[flat], np.array([0, 1], dtype=np.uint8)
    return flat, np.uint32(sum(1 << int(code) for code in np.flatnonzero(keep)))


def refusal(what: str, value: object, remedy: str) -> SeriesError:
    """The error of values that cannot be composited."""
    return SeriesError.sentence("composite", "the values", what, value, remedy)


def check_composite(
    values: Array,
    quality: Array,
    keep: npt.NDArray[np.uint8],
    percentiles: Sequence[int] | None,
    valid: Sequence[tuple[int, int]],
    method: str = "linear",
    weights: Array | None = None,
) -> Sequence[int]:
    """The percentiles that are meant; raises SeriesError for what does not fit."""
    if values.dtype != np.uint16:
        raise refusal("their type", values.dtype, "give uint16")
    if quality is None:
        raise refusal("their quality", "missing", "give one code for every value (time, y, x)")
    if quality.dtype != np.uint8:
        raise refusal("the type of their quality", quality.dtype, "give codes as uint8")
    if values.ndim != 4 or values.shape[1:] != quality.shape:
        raise refusal(
            "the shape of their quality",
            f"{quality.shape}, not {values.shape[1:]}",
            "give one code for every value (time, y, x)",
        )
    if keep.shape != (256,):
        raise refusal("the shape of keep", keep.shape, "give one entry for each of 256 codes")
    if method not in get_args(Method):
        raise refusal("the method", repr(method), f"write one of {', '.join(get_args(Method))}")
    if percentiles is not None and method == "mean":
        raise refusal("the method", f"mean, for which percentiles {list(percentiles)} mean nothing", "leave them out")
    wanted = QUARTILES if percentiles is None else percentiles
    if not len(wanted) or not all(0 <= p <= 100 and p == int(p) for p in wanted):
        raise refusal("a percentile", list(wanted), "give whole numbers 0 to 100")
    if len(valid) != len(values):
        raise refusal("the number of ranges", len(valid), "give one a band")
    if not all(0 <= low <= high <= 65535 for low, high in valid):
        raise refusal("a range of valid values", list(valid), "give (least, greatest) within 0 to 65535")
    if values.shape[1] > 254:
        raise refusal("the number of dates", values.shape[1], "give at most 254")
    if weights is not None:
        if weights.dtype != np.uint8:
            raise refusal("the type of their weights", weights.dtype, "give whole numbers 0 to 255 as uint8")
        if weights.shape not in ((values.shape[1],), values.shape[1:]):
            raise refusal("the shape of their weights", weights.shape, "give (time,) or (time, y, x)")
        if method in ("higher", "nearest"):
            raise refusal("the method", f"{method}, which has no weights", "use linear or mean")
    return wanted
