"""Stackers of regression members: ordinary least squares with R's summary, and non-negative weights that sum to one.

Both are an intercept and one weight a member, fitted on out-of-fold predictions (Wolpert 1992; Breiman 1996 for why the weights
should not be negative). The published log-organic-carbon ensemble used R's ``lm``: intercept -0.176, weights 0.798, 0.276, -0.020,
sum 1.055. A negative weight turns a member upside down, and a sum above one stretches the map beyond what any member says;
:func:`fit_nonnegative_stack`, the default, allows neither, :func:`fit_linear_stack` is there to compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import nnls

from odse.errors import LearnError
from odse.learn.scores import check_columns

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LinearSummary:
    """What R prints of ``summary(lm(...))``; with weights as R has them (precision weights, rows of weight 0 absent)."""

    terms: tuple[str, ...]
    """(Intercept), then the members."""
    estimate: tuple[float, ...]
    standard_error: tuple[float, ...]
    t: tuple[float, ...]
    p: tuple[float, ...]
    """Two-sided."""
    residuals: tuple[float, float, float, float, float]
    """Minimum, first quartile, median, third quartile, maximum of sqrt(weight) * (target - fitted)."""
    sigma: float
    """Residual standard error: sqrt(RSS / df), which the published tables call RMSE."""
    df: int
    r2: float
    r2_adjusted: float
    fitted_sd: float
    """sqrt(sum of squares explained / n)."""
    f: float
    f_df: tuple[int, int]
    f_p: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def to_text(self) -> str:
        """The tables in R's order."""
        width = max(len(term) for term in self.terms)
        return "\n".join(
            [
                "Residuals:",
                *_table([("Min", "1Q", "Median", "3Q", "Max"), tuple(f"{one:.4f}" for one in self.residuals)]),
                "",
                "Coefficients:",
                *_table(
                    [
                        (" " * width, "Estimate", "Std. Error", "t value", "Pr(>|t|)"),
                        *(
                            (term.ljust(width), f"{b:.5f}", f"{se:.5f}", f"{t:.3f}", _p_text(p))
                            for term, b, se, t, p in zip(
                                self.terms, self.estimate, self.standard_error, self.t, self.p, strict=True
                            )
                        ),
                    ]
                ),
                "",
                f"Residual standard error: {self.sigma:.4g} on {self.df} degrees of freedom",
                f"Multiple R-squared: {self.r2:.4f}, Adjusted R-squared: {self.r2_adjusted:.4f}",
                f"F-statistic: {self.f:.4g} on {self.f_df[0]} and {self.f_df[1]} DF, p-value: {_p_text(self.f_p)}",
            ]
        )


@dataclass(frozen=True)
class LinearStack:
    """Intercept + weight @ members, by ordinary least squares: weights of any sign and sum."""

    members: tuple[str, ...]
    intercept: float
    weight: F64
    """(learner,)"""
    summary: LinearSummary

    def predict(self, predictions: npt.NDArray[Any]) -> F64:
        """(..., learner) -> (...,)"""
        return _predict(predictions, self.weight, self.intercept)


@dataclass(frozen=True)
class NonNegativeStack:
    """Intercept + weight @ members, the weights >= 0 and summing to one: but for a shift, never beyond what the members say."""

    members: tuple[str, ...]
    intercept: float
    weight: F64
    """(learner,)"""

    def predict(self, predictions: npt.NDArray[Any]) -> F64:
        """(..., learner) -> (...,)"""
        return _predict(predictions, self.weight, self.intercept)


def fit_linear_stack(
    predictions: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    members: Sequence[str],
    weight: npt.ArrayLike | None = None,
) -> LinearStack:
    """R's ``lm(target ~ members, weights = weight)`` on out-of-fold predictions (n, learner) and target (n,). Pure.

    Raises LearnError when there are no more rows than coefficients, or a member is constant or a sum of others (R would print NA).

    >>> x = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> stack = fit_linear_stack(x, [1.1, 1.9, 3.2, 3.8], members=["forest"])
    >>> round(stack.intercept, 3), stack.weight.round(3).tolist(), round(stack.summary.r2, 4)
    (0.15, [0.94], 0.9818)
    """
    x, y, w, names = _checked(predictions, target, members, weight)
    n, terms = len(y), len(names) + 1
    df = n - terms
    if df < 1:
        raise LearnError.sentence("stack", ", ".join(names), "the number of samples", n, f"give more than {terms}")
    root = np.sqrt(w)
    design = np.column_stack([np.ones(n), x]) * root[:, None]
    length = np.linalg.norm(design, axis=0)
    q, r = np.linalg.qr(design / np.where(length > 0, length, 1))
    weakest = int(np.argmin(np.abs(np.diagonal(r))))
    if abs(r[weakest, weakest]) < 1e-7:  # as R's lm.fit
        raise LearnError.sentence(
            "stack",
            ", ".join(names),
            "what the earlier members leave of " + (names[weakest - 1] if weakest else "the intercept"),
            "nothing",
            "leave that member out, or take non-negative weights",
        )
    inverse = np.linalg.inv(r) / length[:, None]
    b = inverse @ (q.T @ (y * root))
    residual = (y - x @ b[1:] - b[0]) * root
    fitted = x @ b[1:] + b[0]
    rss = float(residual @ residual)
    mss = float(w @ (fitted - float(w @ fitted) / w.sum()) ** 2)
    sigma = float(np.sqrt(rss / df))
    se = sigma * np.sqrt((inverse**2).sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):  # a perfect fit has t = inf, a constant target no R²
        t = b / se
        r2 = float(np.float64(mss) / (mss + rss))
        f = float(np.float64(mss) / (terms - 1) / (rss / df))
    low, q1, median, q3, high = np.quantile(residual, [0, 0.25, 0.5, 0.75, 1]).tolist()
    summary = LinearSummary(
        terms=("(Intercept)", *names),
        estimate=tuple(b.tolist()),
        standard_error=tuple(se.tolist()),
        t=tuple(t.tolist()),
        p=tuple((2 * stats.t.sf(np.abs(t), df)).tolist()),
        residuals=(low, q1, median, q3, high),
        sigma=sigma,
        df=df,
        r2=r2,
        r2_adjusted=1 - (1 - r2) * (n - 1) / df,
        fitted_sd=float(np.sqrt(mss / n)),
        f=f,
        f_df=(terms - 1, df),
        f_p=float(stats.f.sf(f, terms - 1, df)),
    )
    return LinearStack(names, float(b[0]), b[1:], summary)


def fit_nonnegative_stack(
    predictions: npt.ArrayLike,
    target: npt.ArrayLike,
    *,
    members: Sequence[str],
    weight: npt.ArrayLike | None = None,
) -> NonNegativeStack:
    """Least squares over weights >= 0 that sum to one, and an intercept, on (n, learner) predictions and (n,) target. Pure.

    With weights v that sum to one, the centred residual is the same mean of the members' centred errors E, so v minimises |E v|²
    on the simplex. That is solved exactly: u >= 0 minimising |E u|² + (1 - sum u)² is a plain NNLS problem, and along every
    direction its value rises with |E v|², so v = u / sum u. A ridge of 1e-9 of the mean error variance makes
    members that say the same share their weight. Deterministic; reordering the members reorders the weights.
    Raises LearnError for columns that do not match or hold NaN.

    >>> rng = np.random.default_rng(0)
    >>> y = rng.normal(size=200)
    >>> good, bad = y + rng.normal(0, 0.5, 200), y + rng.normal(0, 1.0, 200)
    >>> fit_nonnegative_stack(np.column_stack([good, bad]), y, members=["good", "bad"]).weight.round(1).tolist()
    [0.8, 0.2]
    """
    x, y, w, names = _checked(predictions, target, members, weight)
    share = w / w.sum()
    error = y[:, None] - x
    mean_error = share @ error
    centred = error - mean_error
    gram = (centred * share[:, None]).T @ centred
    size = float(np.trace(gram)) / len(names)
    weights = np.full(len(names), 1 / len(names))
    if size > 0:
        root = np.linalg.cholesky(gram / size + 1e-9 * np.eye(len(names))).T
        u, _ = nnls(np.vstack([root, np.ones(len(names))]), np.append(np.zeros(len(names)), 1.0))
        weights = u / u.sum()
    return NonNegativeStack(names, float(weights @ mean_error), weights)


def _checked(
    predictions: npt.ArrayLike, target: npt.ArrayLike, members: Sequence[str], weight: npt.ArrayLike | None
) -> tuple[F64, F64, F64, tuple[str, ...]]:
    y, x, w = check_columns(target, predictions, weight)
    names = tuple(members)
    if x.ndim != 2 or x.shape[1] != len(names) or not names:
        raise LearnError.sentence(
            "stack",
            ", ".join(names) or "no member",
            "the shape of the predictions",
            x.shape,
            "give (samples, members), a column for each name",
        )
    rows = w > 0
    return x[rows], y[rows], w[rows], names


def _predict(predictions: npt.NDArray[Any], weight: F64, intercept: float) -> F64:
    if predictions.shape[-1:] != weight.shape:
        raise LearnError.sentence(
            "predict",
            f"from values of shape {predictions.shape}",
            "the number of members",
            len(weight),
            "let the members be the last axis, in the order of the fit",
        )
    return np.asarray(predictions @ weight + intercept, dtype=np.float64)


def _p_text(p: float) -> str:
    return "< 2.2e-16" if p < 2.2e-16 else f"{p:.4g}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [" ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
