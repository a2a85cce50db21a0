"""Geometric median over time of all bands together, and how far the observations lie from it (Roberts et al. 2017, doi
10.1109/TGRS.2017.2723896; the deviations: Roberts, Dunn and Mueller 2018, doi 10.1109/IGARSS.2018.8518312).

The geometric median of a pixel is the spectrum whose summed Euclidean distance to its observations is least. Unlike medians
band by band it is one possible spectrum, so indices of it mean something; half of the observations may be clouds.

Weiszfeld's step (the mean weighted by 1 / distance) creeps where the observations lie along a line, as those of one surface under
changing light do. So each step is extrapolated by the change of the last one (Anderson 1965, doi 10.1145/321296.321305, of
depth 1), which saves half of the steps and more. An observation that is itself the median, where the weight has no value, is
found by the condition of Vardi and Zhang 2000 (doi 10.1073/pnas.97.4.1423). A result depends on its own pixel only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError
from odse.series import _spectra as kernels
from odse.series._lanes import network

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class GeomedianResult:
    """The median spectrum (band, y, x) float32, NaN without an observation; observations used (y, x); median distances.

    ``emad`` is the median Euclidean distance to the median spectrum, ``smad`` the median of one minus the cosine of the angle to it,
    ``bcmad`` the median Bray-Curtis dissimilarity: all (y, x) float32, or None.
    """

    values: Floats
    count: npt.NDArray[np.uint16]
    emad: Floats | None = None
    smad: Floats | None = None
    bcmad: Floats | None = None


@overload
def geomedian(
    values: xr.DataArray, mask: Any = ..., *, deviations: bool = ..., tolerance: float = ...
) -> xr.Dataset: ...


@overload
def geomedian(
    values: Array, mask: Array | None = ..., *, deviations: bool = ..., tolerance: float = ...
) -> GeomedianResult: ...


def geomedian(
    values: Any, mask: Any = None, *, deviations: bool = False, tolerance: float = 1e-6
) -> xr.Dataset | GeomedianResult:
    """The geometric median over time.

    ``values`` (time, band, y, x) float32, reflectance 0 to 1; an observation with a band that is not finite, or whose ``mask``
    (time, y, x) is True, is not used. ``deviations`` asks for the three median distances as well. A pixel is done when its step is
    below ``tolerance``, in the unit of the values; its error is then about as small. Of two observations the median
    is their mean. Arrays give a GeomedianResult, a DataArray gives a Dataset with ``value`` (band, y, x), ``count`` and the distances.
    Pure. Raises SeriesError for arrays that do not fit.

    >>> stack = np.array([[0.1, 0.2], [0.1, 0.2], [0.1, 0.2], [0.9, 0.9]], dtype=np.float32).reshape(4, 2, 1, 1)
    >>> [round(float(value), 3) for value in geomedian(stack).values.ravel()]
    [0.1, 0.2]
    """
    if isinstance(values, xr.DataArray):
        stack = values.transpose("time", "band", "y", "x")
        if isinstance(mask, xr.DataArray):
            mask = mask.transpose("time", "y", "x").to_numpy()
        plain = geomedian(stack.to_numpy(), mask, deviations=deviations, tolerance=tolerance)
        told: dict[str, Any] = {"value": (("band", "y", "x"), plain.values), "count": (("y", "x"), plain.count)}
        if deviations:
            told |= {name: (("y", "x"), getattr(plain, name)) for name in ("emad", "smad", "bcmad")}
        return xr.Dataset(told, coords={n: stack.coords[n] for n in ("band", "y", "x") if n in stack.coords})
    _check(values, mask, tolerance)
    times, bands, height, width = values.shape
    flat = np.ascontiguousarray(values).reshape(times, bands, height * width)
    hidden = np.zeros((times, 0), bool) if mask is None else np.ascontiguousarray(mask).astype(bool).reshape(times, -1)
    median = np.full((bands, height * width), np.nan, dtype=np.float32)
    count = np.zeros(height * width, dtype=np.uint16)
    distances = np.full((3, height * width), np.nan, dtype=np.float32)
    if times and median.size:
        kernels.medians(flat, hidden, np.float32(tolerance), median, count)
        if deviations:
            kernels.deviations(flat, hidden, median, count, network(times, times // 2 + 1), distances)
    shape = (height, width)
    rest = distances.reshape(3, *shape) if deviations else (None, None, None)
    return GeomedianResult(median.reshape(bands, *shape), count.reshape(shape), *rest)


def _check(values: Array, mask: Array | None, tolerance: float) -> None:
    def refuse(what: str, value: object, remedy: str) -> SeriesError:
        return SeriesError.sentence("take the median of", "the spectra", what, value, remedy)

    if values.dtype != np.float32:
        raise refuse("their type", values.dtype, "give reflectance as float32, NaN for gaps")
    if values.ndim != 4 or not values.shape[1]:
        raise refuse("their shape", values.shape, "give (time, band, y, x) with at least one band")
    if mask is not None and mask.shape != (len(values), *values.shape[2:]):
        raise refuse("the shape of their mask", mask.shape, "give (time, y, x)")
    if len(values) > 32767:
        raise refuse("the number of dates", len(values), "give at most 32767")
    if not 0 < tolerance < np.inf:
        raise refuse("the tolerance", tolerance, "give a number above 0")
