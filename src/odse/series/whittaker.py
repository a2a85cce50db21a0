"""Weighted Whittaker smoother (Whittaker 1923; Eilers 2003, doi 10.1021/ac034173t), second differences.

The smooth series z minimises sum w (y - z)^2 + lambda_ sum (second differences of z)^2, with w = 0 at gaps: it solves
(W + lambda_ D'D) z = W y, five diagonals, by one factorisation L D L' a series in lanes of contiguous pixels. With
lambda_ near 0 it passes through the observations, with a large one it is their weighted straight line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.cube import Flag
from odse.errors import SeriesError
from odse.series._filled import Closer, Floats, Method, check_series, load

Array = npt.NDArray[Any]
LANE = 256
LAMBDAS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""A list to choose from."""


@dataclass(frozen=True)
class Whittaker:
    """The smoother's values at gaps, held within the smallest and largest observation of the series.

    ``lambda_`` is one number, or several of which generalised cross-validation takes the best for the series together
    (tiles that must match at their seams need one number). Weight: 100 / (1 + h), with h the variance of the smooth
    value in units of the variance of an observation. Raises SeriesError for a lambda_ that is not above 0. The
    default filled quarters of NDVI better than smaller ones; 1000 was better still, by 2 percent.
    """

    lambda_: float | Sequence[float] = 100.0

    @property
    def method(self) -> Method:
        return "whittaker"

    @property
    def work(self) -> Any:
        return np.float64

    @property
    def flag(self) -> Flag:
        return Flag.FILLED_ALL

    def __post_init__(self) -> None:
        _lambdas(self.lambda_)

    def closer(self, times: int, seasons_per_year: int, sample: Callable[[], tuple[Floats, Floats]]) -> Closer:
        choices = _lambdas(self.lambda_)
        chosen = choices[0] if len(choices) == 1 else choose_lambda(*sample(), choices)

        def close(x: Floats, v: Floats, out: Floats, weight: Floats) -> None:
            _solve(x, v, chosen, out)
            _variances(v, chosen, weight)
            _hold(x, v, out, weight)

        return close


@dataclass(frozen=True)
class SmoothResult:
    """The smooth series (time, y, x), float32 (float64 of float64), NaN where a series has no value; and the lambda_
    used.
    """

    values: Array
    lambda_: float


@overload
def smooth(
    values: xr.DataArray, *, nodata: float | None = ..., lambda_: float | Sequence[float] = ..., weights: Any = ...
) -> xr.DataArray: ...


@overload
def smooth(
    values: Array, *, nodata: float | None = ..., lambda_: float | Sequence[float] = ..., weights: Any = ...
) -> SmoothResult: ...


def smooth(
    values: Any,
    *,
    nodata: float | None = None,
    lambda_: float | Sequence[float] = 1.0,
    weights: Any = None,
) -> xr.DataArray | SmoothResult:
    """Smooth a series (time, y, x), gaps or not, and close its gaps on the way.

    ``nodata`` is the value of a gap (of floats NaN is one too), ``weights`` (time, y, x) from 0 on say how much each
    value counts. ``lambda_`` is one number or several, of which generalised cross-validation takes the best for the
    array as a whole. Series of one value are constant. Arrays give a SmoothResult, a DataArray with dimensions time,
    y, x gives one again with ``lambda_`` among its attributes. Raises SeriesError. Pure.

    >>> import numpy as np
    >>> series = np.array([1.0, 2.0, np.nan, 4.0, 5.0]).reshape(5, 1, 1)
    >>> smooth(series, lambda_=100).values.ravel().round(6).tolist()
    [1.0, 2.0, 3.0, 4.0, 5.0]
    """
    if isinstance(values, xr.DataArray):
        ordered = values.transpose("time", "y", "x")
        if isinstance(weights, xr.DataArray):
            weights = weights.transpose("time", "y", "x").to_numpy()
        plain = smooth(ordered.to_numpy(), nodata=nodata, lambda_=lambda_, weights=weights)
        return ordered.copy(data=plain.values).assign_attrs(lambda_=plain.lambda_)
    none = check_series(values[None], nodata, 1)
    choices = _lambdas(lambda_)
    times, pixels = values.shape[0], values[0].size
    flat = np.ascontiguousarray(values).reshape(times, pixels)
    flat_weights = _check_weights(weights, values.shape)
    none = flat.dtype.type(none)

    def loaded(part: slice) -> tuple[Floats, Floats]:
        here = np.ascontiguousarray(flat[:, part])
        x, v = np.empty(here.shape), np.empty(here.shape)
        load(here, 0, none, x, v)
        if flat_weights is not None:
            v *= flat_weights[:, part]
        return x, v

    sampled = slice(None, None, -(-pixels // 8192))
    chosen = choices[0] if len(choices) == 1 else choose_lambda(*loaded(sampled), choices)
    out = np.empty(flat.shape, dtype=np.float64 if flat.dtype == np.float64 else np.float32)
    if flat_weights is None:
        _smooth(flat, none, chosen, out)
    else:
        for start in range(0, pixels, 1024):
            x, v = loaded(slice(start, start + 1024))
            part = np.empty(x.shape)
            _solve(x, v, chosen, part)
            part[:, ~v.any(axis=0)] = np.nan
            out[:, start : start + 1024] = part
    return SmoothResult(out.reshape(values.shape), chosen)


def choose_lambda(x: Floats, v: Floats, lambdas: Sequence[float]) -> float:
    """The lambda_ with the least generalised cross-validation, n RSS / (n - trace of the hat matrix)^2 summed over
    series.

    ``x`` (time, pixel) with anything at gaps, ``v`` the weights, 0 at gaps. Of equal ones the smallest. Pure.
    """
    out, variance = np.empty_like(x), np.empty_like(x)
    n = (v > 0).sum(axis=0)
    scores = []
    for one in lambdas:
        _solve(x, v, one, out)
        _variances(v, one, variance)
        with np.errstate(invalid="ignore", divide="ignore"):
            residual = (v * (x - out) ** 2).sum(axis=0)
            left = n - (v * variance).sum(axis=0)
            score = n * residual / left**2
        scores.append(float(score[n > 2].sum()))
    return float(lambdas[int(np.argmin(scores))])


def _lambdas(given: float | Sequence[float]) -> list[float]:
    choices = sorted(float(one) for one in np.atleast_1d(np.asarray(given, dtype=float)))
    if not choices or not all(0 < one < 1e12 for one in choices):
        raise SeriesError.sentence("smooth", "the series", "lambda_", given, "give numbers above 0 and below 1e12")
    return choices


def _check_weights(weights: Array | None, shape: tuple[int, ...]) -> Array | None:
    if weights is None:
        return None
    if weights.shape != shape:
        raise SeriesError.sentence("smooth", "the series", "the shape of its weights", weights.shape, f"give {shape}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise SeriesError.sentence("smooth", "the series", "a weight", "below 0 or no number", "give weights from 0 on")
    return np.asarray(weights, dtype=np.float64).reshape(shape[0], -1)


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _smooth(values, nodata, lambda_, out):  # type: ignore[no-untyped-def]
    """values (time, pixel) of any type -> out; NaN where a series has no value."""
    times, pixels = values.shape
    x, v = np.zeros((times, LANE)), np.ones((times, LANE))
    n, total = np.zeros(LANE), np.zeros(LANE)
    first, scale, share = np.zeros((times, LANE)), np.zeros((times, LANE)), np.zeros(LANE)
    for start in range(0, pixels, LANE):
        width = min(LANE, pixels - start)
        n[:], total[:] = 0, 0
        for t in range(times):
            some, there, here = values[t, start : start + width], v[t], x[t]
            for i in range(width):
                one = some[i]
                known = (one != nodata) & (one - one == 0)
                here[i] = one if known else 0
                there[i] = 1.0 if known else 0.0
                n[i] += there[i]
                total[i] += here[i]
        _lane(x, v, lambda_, first, scale, share)
        few = False
        for i in range(width):
            few |= n[i] < 2
        for t in range(times):
            here, target = x[t], out[t, start : start + width]
            for i in range(width):
                target[i] = here[i]
        if few:
            for i in range(width):
                if n[i] < 2:
                    out[:, start + i] = total[i] if n[i] == 1 else np.nan


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _lane(z, w, lambda_, beside, scale, share):  # type: ignore[no-untyped-def]
    """Solves in place: ``z`` (time, LANE) goes in as y and comes out smooth. ``scale`` (time, LANE) takes the
    reciprocals of D, ``beside`` (time, LANE) the first lower diagonal of D L, whose second one is lambda_; ``share``
    (LANE,) is scratch.

    A series with fewer than two weights gives anything. Loops are short, so that the compiler can prove their rows
    apart.
    """
    times = z.shape[0]
    if times < 3:
        return
    for t in range(times):
        middle = lambda_ * (1.0 if t == 0 or t == times - 1 else 6.0 - (t == 1) - (t == times - 2))
        next_to_it = -lambda_ * (0.0 if t == times - 1 else 2.0 if t == 0 or t == times - 2 else 4.0)
        zt, wt, e, r = z[t], w[t], beside[t], scale[t]
        if t == 0:
            for i in range(LANE):
                r[i] = 1.0 / (middle + wt[i])
            for i in range(LANE):
                zt[i] = wt[i] * zt[i]
            e[:] = next_to_it
            continue
        e1, r1, z1 = beside[t - 1], scale[t - 1], z[t - 1]
        for i in range(LANE):
            share[i] = e1[i] * r1[i]
        if t == 1:
            for i in range(LANE):
                r[i] = 1.0 / (middle + wt[i] - share[i] * e1[i])
            for i in range(LANE):
                zt[i] = wt[i] * zt[i] - share[i] * z1[i]
        else:
            r2, z2 = scale[t - 2], z[t - 2]
            for i in range(LANE):
                r[i] = 1.0 / (middle + wt[i] - share[i] * e1[i] - lambda_ * (lambda_ * r2[i]))
            for i in range(LANE):
                zt[i] = wt[i] * zt[i] - share[i] * z1[i] - lambda_ * r2[i] * z2[i]
        for i in range(LANE):
            e[i] = next_to_it - share[i] * lambda_
    for back in range(times):
        t = times - 1 - back
        zt, e, r = z[t], beside[t], scale[t]
        if back == 0:
            for i in range(LANE):
                zt[i] = zt[i] * r[i]
        elif back == 1:
            z1 = z[t + 1]
            for i in range(LANE):
                zt[i] = (zt[i] - e[i] * z1[i]) * r[i]
        else:
            z1, z2 = z[t + 1], z[t + 2]
            for i in range(LANE):
                zt[i] = (zt[i] - e[i] * z1[i] - lambda_ * z2[i]) * r[i]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _solve(x, v, lambda_, out):  # type: ignore[no-untyped-def]
    """x, v (weights), out (time, pixel). One weight: a constant series; none: 0."""
    times, pixels = x.shape
    z, w = np.zeros((times, LANE)), np.ones((times, LANE))
    first, scale, share = np.zeros((times, LANE)), np.zeros((times, LANE)), np.zeros(LANE)
    for start in range(0, pixels, LANE):
        width = min(LANE, pixels - start)
        for t in range(times):
            for i in range(width):
                z[t, i], w[t, i] = x[t, start + i], v[t, start + i]
        _lane(z, w, lambda_, first, scale, share)
        for t in range(times):
            for i in range(width):
                out[t, start + i] = z[t, i]
        for i in range(width):
            n, one = 0, 0.0
            for t in range(times):
                if v[t, start + i] > 0:
                    n += 1
                    one = x[t, start + i]
            if n < 2:
                out[:, start + i] = one


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _variances(v, lambda_, out):  # type: ignore[no-untyped-def]
    """The diagonal of (W + lambda_ D'D)^-1, (time, pixel): the three diagonals of the inverse that it needs, from the
    last date back.
    """
    times, pixels = v.shape
    z, w = np.zeros((times, LANE)), np.ones((times, LANE))
    first, scale, share = np.zeros((times, LANE)), np.zeros((times, LANE)), np.zeros(LANE)
    beside, inverse = np.zeros((times, LANE)), np.zeros((times, LANE))
    for start in range(0, pixels, LANE):
        width = min(LANE, pixels - start)
        for t in range(times):
            for i in range(width):
                w[t, i] = v[t, start + i]
        z[:] = 0
        _lane(z, w, lambda_, first, scale, share)
        for back in range(times if times > 2 else 0):
            t = times - 1 - back
            for i in range(width):
                r = scale[t, i]
                e, f = first[t, i] * r, lambda_ * r
                if back == 0:
                    inverse[t, i] = r
                elif back == 1:
                    beside[t, i] = -e * inverse[t + 1, i]
                    inverse[t, i] = r - e * beside[t, i]
                else:
                    beside[t, i] = -e * inverse[t + 1, i] - f * beside[t + 1, i]
                    beyond = -e * beside[t + 1, i] - f * inverse[t + 2, i]
                    inverse[t, i] = r - e * beside[t, i] - f * beyond
        for i in range(width):
            n, one = 0, 0.0
            for t in range(times):
                if v[t, start + i] > 0:
                    n += 1
                    one = v[t, start + i]
            for t in range(times):
                if n < 2 or times < 3:
                    out[t, start + i] = 1 / one if n > 0 else np.inf
                else:
                    out[t, start + i] = inverse[t, i]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _hold(x, v, out, weight):  # type: ignore[no-untyped-def]
    """Values within the observed ones of their series, variances to weights."""
    times, pixels = x.shape
    for i in range(pixels):
        least, greatest = np.inf, -np.inf
        for t in range(times):
            if v[t, i] != 0:
                least, greatest = min(least, x[t, i]), max(greatest, x[t, i])
        for t in range(times):
            out[t, i] = min(max(out[t, i], least), greatest)
            weight[t, i] = 100.0 / (1.0 + weight[t, i]) if least <= greatest else -1.0
