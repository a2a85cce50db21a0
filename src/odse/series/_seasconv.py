"""Filling by normalised convolution (SeasConv; in its production form TSIRF, Consoli et al. 2024, PeerJ 18585).

A gap takes the weighted mean of all observations, (K x) / (K v). The weight of one that is i dates away is

    k(i) = 10 ** (-(season_db / 10) (1 - |1 - 2 (i mod S) / S|) - (span_db / 10) i / N)

with S seasons a year and N dates in all: 1 at whole years, less the further the season is, and fading slowly with the
years.

Such weights are a wave of S numbers times a power, so the sum over all past dates needs no product with a matrix:
with Y(t) = x(t) + k(S) Y(t - S), it is the sum of k(m) Y(t - m) over m = 0 .. S - 1, and the sum over future dates
the same in reverse. That is 2 S steps a date instead of N, in lanes of contiguous pixels. Kernels of any other shape
are applied as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from odse.cube import Flag
from odse.series._filled import Closer, Floats, Method, refuse

Weights = npt.NDArray[np.float64]
LANE = 128
MOST_DB, MOST_DB_SINGLE = 2900, 290
"""Weights smaller than by these would be nought in floats of 64 and 32 bits."""


@dataclass(frozen=True)
class SeasConv:
    """Normalised convolution: attenuation of half a year and of the whole series, in decibels.

    ``past`` and ``future`` replace the weights of dates before and after the gap: the first is of the date next to
    it; an empty one uses no date of that side. Weight of a filled value: its sum of weights in percent of what it
    would be if every other date of the series were observed, so it is comparable between the ends and the middle of a
    series. Raises SeriesError for attenuations below 0 or above 2900 dB together, and weights below 0 or all 0.
    """

    season_db: float = 60.0
    span_db: float = 20.0
    past: Sequence[float] | None = None
    future: Sequence[float] | None = None

    @property
    def method(self) -> Method:
        return "seasconv"

    @property
    def work(self) -> Any:
        return np.float32 if self.season_db + self.span_db <= MOST_DB_SINGLE else np.float64

    @property
    def flag(self) -> Flag:
        return Flag.FILLED_ALL

    def __post_init__(self) -> None:
        for name, value in (("season_db", self.season_db), ("span_db", self.span_db)):
            if not value >= 0:
                raise refuse(name, value, "give decibels from 0 on")
        if self.season_db + self.span_db > MOST_DB:
            raise refuse("the attenuation", f"{self.season_db + self.span_db:g} dB", f"give at most {MOST_DB} together")
        sides = [np.asarray(side, dtype=float) for side in (self.past, self.future) if side is not None]
        if any(side.ndim != 1 or not np.isfinite(side).all() or (side < 0).any() for side in sides):
            raise refuse("a weight", "below 0 or no number", "give numbers from 0 on")
        if len(sides) == 2 and not any(side.any() for side in sides):
            raise refuse("every weight", 0, "give one above 0")

    def kernels(self, times: int, seasons_per_year: int) -> tuple[Weights, Weights]:
        """Weights (N,) of dates 0, 1, ... away, before and after the gap. That of the gap itself, the first, is 0."""
        plain = seasconv_kernel(times, seasons_per_year, season_db=self.season_db, span_db=self.span_db)
        sides = []
        for given in (self.past, self.future):
            side = plain.copy()
            if given is not None:
                side[:] = 0
                some = np.asarray(given, dtype=float)[: times - 1]
                side[1 : 1 + len(some)] = some
            side[0] = 0
            sides.append(side)
        return sides[0], sides[1]

    def closer(self, times: int, seasons_per_year: int, sample: Callable[[], tuple[Floats, Floats]]) -> Closer:
        past, future = self.kernels(times, seasons_per_year)
        reach = np.concatenate([[0.0], np.cumsum(past[1:])]) + np.concatenate([np.cumsum(future[1:])[::-1], [0.0]])
        scale = np.divide(100.0, reach, out=np.zeros_like(reach), where=reach > 0)
        *lags, fade = seasconv_kernel(
            seasons_per_year + 1, seasons_per_year, season_db=self.season_db, span_db=self.span_db, of=times
        )
        wave = np.array([*lags, *[0.0] * (-seasons_per_year % 3)])
        periodic = self.past is None and self.future is None and seasons_per_year < times

        def close(x: Floats, v: Floats, out: Floats, weight: Floats) -> None:
            kind = x.dtype
            if periodic:
                for source, target in ((x, out), (v, weight)):
                    _periodic(source, wave.astype(kind), kind.type(fade), seasons_per_year, target)
            else:
                for source, target in ((x, out), (v, weight)):
                    _direct(source, past.astype(kind), future.astype(kind), target)
            _normalise(scale.astype(kind), out, weight)

        return close


def seasconv_kernel(
    images: int, seasons_per_year: int, *, season_db: float = 60.0, span_db: float = 20.0, of: int | None = None
) -> Weights:
    """Weights of observations 0 .. images - 1 dates away, in a series of ``of`` dates (default: ``images``). Pure.

    >>> [f"{k:.3e}" for k in seasconv_kernel(8, 4)[:5]]
    ['1.000e+00', '5.623e-04', '3.162e-07', '1.778e-04', '1.000e-01']
    """
    lag = np.arange(images)
    season = 1 - np.abs(1 - 2 * (lag % seasons_per_year) / seasons_per_year)
    return np.asarray(10.0 ** (-season_db / 10 * season - span_db / 10 * lag / (of or images)))


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _periodic(x, wave, fade, period, out):  # type: ignore[no-untyped-def]
    """K x: ``wave`` weights of lags 0 .. S - 1 and noughts up to a multiple of three, ``fade`` that of lag S. x, out
    (time, pixel).
    """
    times, pixels = x.shape
    lags = wave.shape[0]
    sums = np.zeros((lags + times, LANE), dtype=x.dtype)  # Y, behind rows of nought
    total = np.zeros(LANE, dtype=x.dtype)
    for start in range(0, pixels, LANE):
        width = min(LANE, pixels - start)
        for back in range(2):
            for at in range(times):
                t = times - 1 - at if back else at
                some, mine = x[t, start : start + width], sums[lags + at]
                if at >= period:
                    older = sums[lags + at - period]
                    for i in range(width):
                        mine[i] = some[i] + fade * older[i]
                else:
                    for i in range(width):
                        mine[i] = some[i]
                total[:] = 0
                for m in range(0, lags, 3):
                    k0, k1, k2 = wave[m], wave[m + 1], wave[m + 2]
                    s0, s1, s2 = sums[lags + at - m], sums[lags + at - m - 1], sums[lags + at - m - 2]
                    for i in range(LANE):
                        total[i] += k0 * s0[i] + k1 * s1[i] + k2 * s2[i]
                target = out[t, start : start + width]
                if back:
                    for i in range(width):
                        target[i] += total[i]
                else:
                    for i in range(width):
                        target[i] = total[i]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _direct(x, past, future, out):  # type: ignore[no-untyped-def]
    """K x with any weights of dates before and after, (time,) each; x, out (time, pixel)."""
    times, pixels = x.shape
    for t in range(times):
        target = out[t]
        target[:] = 0
        for at in range(times):
            k = past[t - at] if at <= t else future[at - t]
            if k != 0:
                some = x[at]
                for i in range(pixels):
                    target[i] += k * some[i]


@numba.njit(cache=True, nogil=True, boundscheck=False, error_model="numpy")
def _normalise(scale, out, weight):  # type: ignore[no-untyped-def]
    """K x and K v to their ratio and the quality, (time, pixel); quality below 0 where K v is 0."""
    for t in range(out.shape[0]):
        top, low, share = out[t], weight[t], scale[t]
        for i in range(out.shape[1]):
            total = low[i]
            top[i] = top[i] / total if total > 0 else top[i]
            low[i] = total * share if total > 0 else total * 0 - 1
