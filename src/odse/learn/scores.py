"""How good a regression is: R², RMSE, bias, MAE and Lin's concordance, over all samples and by group (depth, fold, ...)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from odse.errors import LearnError

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Of n samples of positive weight. NaN where a score has no meaning (R² of a constant)."""

    n: int
    r2: float
    """1 - sum of squared errors / sum of squares about the mean of the observed; below 0 is worse than that mean."""
    rmse: float
    bias: float
    """Mean of predicted - observed: above 0 predicts too much."""
    mae: float
    ccc: float
    """Lin 1989: 2 cov / (var o + var p + (mean o - mean p)²), population moments."""

    def to_dict(self) -> dict[str, float]:
        return asdict(self)


def scores(observed: npt.ArrayLike, predicted: npt.ArrayLike, *, weight: npt.ArrayLike | None = None) -> Scores:
    """Scores of (n,) predictions. A weight of 0 is a row removed, a weight of 2 a row twice (but for ``n``). Pure.

    Raises LearnError when the lengths differ, a value of positive weight is not finite, a weight is negative or none is positive.

    >>> one = scores([1, 2, 3, 4], [2, 2, 3, 5])
    >>> one.r2, one.bias, one.mae, round(one.rmse, 4), round(one.ccc, 4)
    (0.6, 0.5, 0.5, 0.7071, 0.8333)
    """
    o, p, w = check_columns(observed, predicted, weight)
    rows = w > 0
    o, p = o[rows], p[rows]
    share = w[rows] / w[rows].sum()
    error = p - o
    squared = float(share @ error**2)
    mean_o, mean_p = float(share @ o), float(share @ p)
    var_o, var_p = float(share @ (o - mean_o) ** 2), float(share @ (p - mean_p) ** 2)
    covariance = float(share @ ((o - mean_o) * (p - mean_p)))
    apart = var_o + var_p + (mean_o - mean_p) ** 2
    return Scores(
        n=int(rows.sum()),
        r2=1 - squared / var_o if var_o > 0 else float("nan"),
        rmse=float(np.sqrt(squared)),
        bias=float(share @ error),
        mae=float(share @ np.abs(error)),
        ccc=2 * covariance / apart if apart > 0 else float("nan"),
    )


def scores_by(
    observed: npt.ArrayLike, predicted: npt.ArrayLike, *, group: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> dict[int | float | str, Scores]:
    """Scores of each value of ``group`` (n,): a depth, a fold, a region. In rising order; groups of weight 0 are left out. Pure.

    R² of a group compares with that group's own mean, so groups may all be below the R² of the whole.

    >>> by = scores_by([1, 2, 3, 4], [1, 2, 4, 5], group=[0, 0, 30, 30])
    >>> {depth_cm: one.bias for depth_cm, one in by.items()}
    {0: 0.0, 30: 1.0}
    """
    o, p, w = check_columns(observed, predicted, weight)
    names = np.asarray(group)
    if names.shape != o.shape:
        raise LearnError.sentence(
            "score", f"{len(o)} samples", "the number of group labels", names.size, "give each one"
        )
    return {
        name.item(): scores(o[names == name], p[names == name], weight=w[names == name])
        for name in np.unique(names)
        if (w[names == name] > 0).any()
    }


def check_columns(
    observed: npt.ArrayLike, predicted: npt.ArrayLike, weight: npt.ArrayLike | None
) -> tuple[F64, F64, F64]:
    """(n,) observed, (n,) or (n, learner) predicted and (n,) weight (default 1) as float64, or LearnError."""
    o, p = np.asarray(observed, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    w = np.ones(o.shape) if weight is None else np.asarray(weight, dtype=np.float64)
    which = f"{o.size} samples"
    if o.ndim != 1 or p.shape[:1] != o.shape or w.shape != o.shape:
        raise LearnError.sentence(
            "score", which, "the shape of predictions or weights", f"{p.shape}, {w.shape}", "match them"
        )
    if not (np.isfinite(w).all() and (w >= 0).all() and (w > 0).any()):
        raise LearnError.sentence("score", which, "a weight", "negative, not finite, or all are 0", "mend the weights")
    known = (w == 0) | (np.isfinite(o) & np.isfinite(p).reshape(len(o), -1).all(axis=1))
    if not known.all():
        raise LearnError.sentence(
            "score", which, "the number of rows with NaN", int((~known).sum()), "remove them first"
        )
    return o, p, w
