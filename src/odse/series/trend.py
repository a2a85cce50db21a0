"""Trend of a series with seasons and gaps: how steep, how sure.

The slope is the median of the slopes between all pairs of dates of one season (Theil 1950; Sen 1968, doi
10.1080/01621459.1968.10480934; Hirsch et al. 1982, doi 10.1029/WR018i001p00107), the test is the seasonal
Mann-Kendall test: S, the number of pairs that rise less the number that fall.

Neighbouring dates are alike even where nothing changes, and the plain test then finds trends in noise. So the
variance of S is that under noise of first order, x(t) = rho x(t - 1) + e(t). For Gaussian noise it is known without
approximation: it is the sum over all pairs of pairs of 2 / pi arcsin(correlation of their differences) (as used by
Hamed 2009, doi 10.1016/j.jhydrol.2009.01.040). rho is estimated from the series less slope and seasonal means, freed
of its bias by (n r + 2) / (n - 4). Because it is an estimate, p comes from Student's t with n (1 - rho) / (1 + rho) -
2 degrees of freedom. docs/why/fill.md tells what was measured.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Literal, overload

import numba
import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import stdtr, stdtrit

from odse.errors import SeriesError
from odse.series._filled import check_series

Array = npt.NDArray[Any]
Map = npt.NDArray[np.float32]
LEAST_DATES = 5
MOST_PAIRS = 3000
"""With more pairs of dates than these, the variance of S is calculated from so many of them against all."""
RHOS = np.array([-0.4, -0.2, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98])
WHITE = 2
"""The place of independent dates among them."""


@dataclass(frozen=True)
class TrendResult:
    """Maps (y, x) of a trend: float32, NaN where a series has fewer than five dates or no season twice."""

    slope: Map
    """Change a year, in the unit of the values."""
    lower: Map
    upper: Map
    """Ends of the confidence interval of the slope."""
    deviation: Map
    """Standard error of the slope: half the interval between one standard deviation of S below and above."""
    tau: Map
    """S in parts of the number of pairs, -1 to 1."""
    p: Map
    """Probability of so large an S, or a larger one, where there is no trend."""
    q: Map
    """Least false discovery rate at which the pixel counts as changed, over all pixels of the map (Benjamini and
    Hochberg 1995).
    """
    n: npt.NDArray[np.uint16]
    """Dates used."""


@overload
def trend(
    values: xr.DataArray, *, nodata: float | None = ..., seasons_per_year: int = ..., confidence: float = ...,
    noise: Literal["ar1", "white"] = ...,
) -> xr.Dataset: ...  # fmt: skip


@overload
def trend(
    values: Array, *, nodata: float | None = ..., seasons_per_year: int = ..., confidence: float = ...,
    noise: Literal["ar1", "white"] = ...,
) -> TrendResult: ...  # fmt: skip


def trend(
    values: Any,
    *,
    nodata: float | None = None,
    seasons_per_year: int = 4,
    confidence: float = 0.9,
    noise: Literal["ar1", "white"] = "ar1",
) -> xr.Dataset | TrendResult:
    """Slope a year and its significance for every pixel of a series (time, y, x) in the order of time, one date a
    season.

    Give observed values, with ``nodata`` at gaps (of floats NaN is a gap too): what was filled looks surer than it
    is. ``confidence`` is that of the interval. ``noise`` "white" takes the dates as independent, the plain seasonal
    Mann-Kendall test. Arrays give a TrendResult, a DataArray gives a Dataset with the same names. Raises SeriesError
    for types, shapes and parameters that make no sense. Pure. Sources: in the module.

    >>> import numpy as np
    >>> yearly = np.array([3.0, 5.0, np.nan, 9.0, 11.0, 13.0, 15.0]).reshape(7, 1, 1)
    >>> found = trend(yearly, seasons_per_year=1)
    >>> found.slope.item(), found.tau.item(), found.n.item()
    (2.0, 1.0, 6)
    """
    if isinstance(values, xr.DataArray):
        ordered = values.transpose("time", "y", "x")
        plain = trend(
            ordered.to_numpy(), nodata=nodata, seasons_per_year=seasons_per_year, confidence=confidence, noise=noise
        )
        coords = {name: one for name, one in ordered.coords.items() if set(one.dims) <= {"y", "x"}}
        return xr.Dataset({one.name: (("y", "x"), getattr(plain, one.name)) for one in fields(plain)}, coords=coords)
    none = check_series(values[None], nodata, seasons_per_year)
    if not 0 < confidence < 1:
        raise _refuse("the confidence", confidence, "give a number between 0 and 1")
    if noise not in ("ar1", "white"):
        raise _refuse("the noise", repr(noise), "use ar1 or white")
    times, shape = values.shape[0], values.shape[1:]
    flat = np.ascontiguousarray(values).reshape(times, -1)
    log_ratio = _log_ratios(times, seasons_per_year) if noise == "ar1" else np.zeros((3, len(RHOS)))
    degrees = np.concatenate([np.arange(1.0, max(times, 2)), [np.inf]])
    factors = stdtrit(degrees[:-1], 0.5 + confidence / 2) if noise == "ar1" else np.array([])
    normal = float(stdtrit(1e12, 0.5 + confidence / 2))
    out = np.full((7, flat.shape[1]), np.nan)
    n = np.zeros(flat.shape[1], dtype=np.uint16)
    _trends(
        flat,
        flat.dtype.type(none),
        seasons_per_year,
        RHOS,
        log_ratio,
        np.append(factors, normal),
        noise == "ar1",
        out,
        n,
    )
    slope, lower, upper, deviation, tau, z, freedom = out
    with np.errstate(invalid="ignore"):
        p = np.minimum(2 * stdtr(np.where(np.isinf(freedom), 1e12, freedom), -z), 1)

    def map_of(one: Array) -> Map:
        return one.astype(np.float32).reshape(shape)

    return TrendResult(
        slope=map_of(slope),
        lower=map_of(lower),
        upper=map_of(upper),
        deviation=map_of(deviation),
        tau=map_of(tau),
        p=map_of(p),
        q=map_of(false_discovery_rate(p)),
        n=n.reshape(shape),
    )


def false_discovery_rate(p: Array) -> npt.NDArray[np.float64]:
    """Benjamini and Hochberg's q of every p (any shape; NaN stays NaN and does not count). Pure.

    >>> import numpy as np
    >>> false_discovery_rate(np.array([0.01, 0.04, np.nan, 0.03])).tolist()
    [0.03, 0.04, nan, 0.04]
    """
    q = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    some = p[known]
    order = np.argsort(some, kind="stable")
    rank = np.arange(1, some.size + 1)
    least = np.minimum.accumulate((some[order] * some.size / rank)[::-1])[::-1] if some.size else some
    ranked = np.empty_like(some, dtype=np.float64)
    ranked[order] = np.minimum(least, 1)
    q[known] = ranked
    return q


def _refuse(what: str, value: object, remedy: str) -> SeriesError:
    return SeriesError.sentence("find", "the trend", what, value, remedy)


@lru_cache(maxsize=32)
def _log_ratios(times: int, seasons_per_year: int) -> npt.NDArray[np.float64]:
    """(3, rho): sums of the correlations of the signs of two pairs of dates that are the same, share one date, share
    none.

    The variance of S of a series of which a share m is known is then m^2 of the first, m^3 of the second, m^4 of the
    third.
    """
    first, second = [], []
    for season in range(min(seasons_per_year, times)):
        dates = np.arange(season, times, seasons_per_year)
        a, b = np.triu_indices(len(dates), 1)
        first.append(dates[a])
        second.append(dates[b])
    i, j = np.concatenate(first), np.concatenate(second)
    if not i.size:
        return np.ones((3, len(RHOS)))
    step = -(-i.size // MOST_PAIRS)
    return np.asarray(_sign_sums(i, j, step, RHOS[:, None] ** np.arange(times)))


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _sign_sums(i, j, step, powers):  # type: ignore[no-untyped-def]
    """Sums over pairs of pairs of dates (i, j), every ``step``-th against all; powers (rho, lag)."""
    sums = np.zeros((3, powers.shape[0]))
    for a in range(0, i.shape[0], step):
        for b in range(i.shape[0]):
            shared = (i[a] == i[b]) + (i[a] == j[b]) + (j[a] == i[b]) + (j[a] == j[b])
            for r in range(powers.shape[0]):
                c = powers[r]
                top = c[abs(j[a] - j[b])] - c[abs(j[a] - i[b])] - c[abs(i[a] - j[b])] + c[abs(i[a] - i[b])]
                own = 2 * np.sqrt((1 - c[j[a] - i[a]]) * (1 - c[j[b] - i[b]]))
                sums[2 - shared, r] += step * 2 / np.pi * np.arcsin(min(max(top / own, -1.0), 1.0))
    return sums


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _trends(values, nodata, seasons, rhos, sums, factors, serial, out, used):  # type: ignore[no-untyped-def]
    """values (time, pixel) -> out (slope, lower, upper, deviation, tau, z, degrees of freedom; pixel), used (pixel,).

    ``factors`` are the widths of the interval in standard deviations of S for 1, 2, ... degrees of freedom, the last
    one for any number.
    """
    times, pixels = values.shape
    series, known, rest = np.empty(times), np.empty(times, dtype=np.bool_), np.empty(times)
    ordered = np.empty(times)
    years = (times + seasons - 1) // seasons
    slopes = np.empty(max(seasons * years * (years - 1) // 2, 1))
    for p in range(pixels):
        n = 0
        for t in range(times):
            one = values[t, p]
            known[t] = (one != nodata) & (one - one == 0)
            series[t] = one
            n += known[t]
        used[p] = n
        pairs, score, variance = 0, 0, 0.0
        for s in range(min(seasons, times)):
            m = 0
            for a in range(s, times, seasons):
                if known[a]:
                    ordered[m] = series[a]
                    m += 1
                    for b in range(a + seasons, times, seasons):
                        if known[b]:
                            change = series[b] - series[a]
                            score += (change > 0) - (change < 0)
                            slopes[pairs] = change / ((b - a) / seasons)
                            pairs += 1
            variance += m * (m - 1) * (2 * m + 5) / 18
            _sort(ordered, m)
            run = 1
            for k in range(1, m + 1):
                if k < m and ordered[k] == ordered[k - 1]:
                    run += 1
                else:
                    variance -= run * (run - 1) * (2 * run + 5) / 18
                    run = 1
        if n < 5 or pairs == 0:
            continue
        some = slopes[:pairs]
        _sort(some, pairs)
        slope = (some[(pairs - 1) // 2] + some[pairs // 2]) / 2
        freedom = np.inf
        factor = factors[-1]
        if serial:
            rho = _serial(series, known, seasons, slope, rest, n)
            share = n / times
            at = 0
            while at < rhos.shape[0] - 2 and rhos[at + 1] < rho:
                at += 1
            part = (rho - rhos[at]) / (rhos[at + 1] - rhos[at])
            low = sums[0, at] + share * sums[1, at] + share * share * sums[2, at]
            high = sums[0, at + 1] + share * sums[1, at + 1] + share * share * sums[2, at + 1]
            plain = sums[0, WHITE] + share * sums[1, WHITE] + share * share * sums[2, WHITE]
            variance *= np.exp((1 - part) * np.log(low / plain) + part * np.log(high / plain))
            freedom = max(n * (1 - rho) / (1 + rho) - 2, 1.0)
            below = min(int(freedom), factors.shape[0] - 2)
            factor = factors[below - 1] + (freedom - below) * (
                factors[min(below, factors.shape[0] - 2)] - factors[below - 1]
            )
        spread = np.sqrt(variance)
        out[0, p] = slope
        out[1, p] = _at(some, (pairs - factor * spread) / 2 - 1)
        out[2, p] = _at(some, (pairs + factor * spread) / 2)
        out[3, p] = (_at(some, (pairs + spread) / 2 - 0.5) - _at(some, (pairs - spread) / 2 - 0.5)) / 2
        out[4, p] = score / pairs
        out[5, p] = max(abs(score) - 1, 0) / spread if variance > 0 else 0.0
        out[6, p] = freedom


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _sort(some, n):  # type: ignore[no-untyped-def]
    """The first n of some, ascending, in place (Shell 1959, steps of Ciura 2001)."""
    for gap in (1750, 701, 301, 132, 57, 23, 10, 4, 1):
        for i in range(gap, n):
            one, k = some[i], i
            while k >= gap and some[k - gap] > one:
                some[k] = some[k - gap]
                k -= gap
            some[k] = one


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _at(some, place):  # type: ignore[no-untyped-def]
    """Value at a place between ordered ones."""
    place = min(max(place, 0.0), some.shape[0] - 1.0)
    low = int(place)
    high = min(low + 1, some.shape[0] - 1)
    return some[low] + (place - low) * (some[high] - some[low])


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _serial(series, known, seasons, slope, rest, n):  # type: ignore[no-untyped-def]
    """Correlation of neighbouring dates of a series less slope and seasonal means, without its bias, -0.4 to 0.98."""
    times = series.shape[0]
    total, scale = 0.0, 0.0
    for s in range(min(seasons, times)):
        mean, m = 0.0, 0
        for t in range(s, times, seasons):
            if known[t]:
                rest[t] = series[t] - slope * t / seasons
                mean += rest[t]
                m += 1
        for t in range(s, times, seasons):
            if known[t]:
                rest[t] -= mean / m
                total += rest[t] * rest[t]
                scale += series[t] * series[t]
    beside, m = 0.0, 0
    for t in range(1, times):
        if known[t] and known[t - 1]:
            beside += rest[t] * rest[t - 1]
            m += 1
    if m == 0 or total <= 1e-20 * scale:
        return 0.0
    r = (beside / m) * ((n - 1) / n) / (total / n)
    return min(max((n * r + 2) / (n - 4), -0.4), 0.98)
