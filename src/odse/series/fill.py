"""Filling the gaps of a series, by any of six methods behind one contract.

=============
================================================================================================================
method        what a gap takes =============
================================================================================================================ tmwm
temporal moving-window median: same season first, then seasons beside it, then all (:mod:`odse.series._tmwm`) seasconv
mean of all dates, weighted by season and distance (:mod:`odse.series._seasconv`) linear        straight line between
the neighbouring dates (:mod:`odse.series._linear`) harmonic      mean, trend, a wave a year and its overtone by least
squares (:mod:`odse.series._harmonic`) whittaker     smoothest series through the dates (:mod:`odse.series.whittaker`)
same-season   median of the same season in all years (:mod:`odse.series._same_season`) =============
================================================================================================================

Whatever the method: known values are never changed, donors are known values only, and every value says how it came to
be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args, overload

import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.cube import Flag, check_cube
from odse.series._filled import (
    Array,
    BlockSettings,
    Bytes,
    FillResult,
    Method,
    Settings,
    check_series,
    close_in_blocks,
    made,
    refuse,
)
from odse.series._harmonic import Harmonic
from odse.series._linear import Linear
from odse.series._same_season import SameSeason
from odse.series._seasconv import SeasConv, seasconv_kernel
from odse.series._tmwm import Tmwm, half_widths, moving_window_median
from odse.series._tmwm_2022 import eumap_2022
from odse.series.whittaker import Whittaker

__all__ = [
    "METHODS", "FillResult", "Harmonic", "Linear", "Method", "SameSeason", "SeasConv", "Tmwm", "Whittaker",
    "fill", "fill_many", "half_widths", "seasconv_kernel",
]  # fmt: skip
METHODS: tuple[Method, ...] = get_args(Method)
SETTINGS: dict[str, Callable[..., Settings]] = {
    "tmwm": Tmwm,
    "seasconv": SeasConv,
    "linear": Linear,
    "harmonic": Harmonic,
    "whittaker": Whittaker,
    "same-season": SameSeason,
}
DIMS = ("band", "statistic", "time", "y", "x")


@overload
def fill(
    values: xr.DataArray | xr.Dataset, *, nodata: float | None = ..., method: Method | Settings = ...,
    seasons_per_year: int = ..., **options: Any,
) -> xr.Dataset: ...  # fmt: skip


@overload
def fill(
    values: Array, *, nodata: float | None = ..., method: Method | Settings = ..., seasons_per_year: int = ...,
    **options: Any,
) -> FillResult: ...  # fmt: skip


def fill(
    values: Any,
    *,
    nodata: float | None = None,
    method: Method | Settings = "tmwm",
    seasons_per_year: int = 4,
    **options: Any,
) -> xr.Dataset | FillResult:
    """Fill the gaps of a series in the order of time, one date a season, absent seasons as all gaps.

    An array (time, y, x) of 8- or 16-bit integers or of floats gives a FillResult. A DataArray with dimensions among
    band, statistic, time, y and x, in any order, gives a Cube: a Dataset with ``value``, ``flag`` and the companions
    of the method. A Cube (Dataset with ``value`` and, if it has one, ``flag``: what is not observed is a gap) gives
    itself with its gaps filled; what stays open keeps its flag. The statistics of a band have their gaps in common,
    and one flag and one set of companions.

    ``nodata`` is the value of a gap; of floats, what is not finite is a gap too, and the only one if ``nodata`` is
    None. ``method`` is a name, its ``options`` are the fields of its settings: ``window_years``, ``direction`` and
    ``compat`` of tmwm (:class:`Tmwm`), ``season_db``, ``span_db``, ``past`` and ``future`` of seasconv
    (:class:`SeasConv`), ``dates_per_term`` of harmonic (:class:`Harmonic`), ``lambda_`` of whittaker
    (:class:`Whittaker`); or such settings themselves. Integers are rounded half up once and never to ``nodata``.

    Raises SeriesError for types, shapes and parameters that make no sense, CubeError for a Dataset that is no Cube.
    Pure. Sources: in the modules of the methods; of tmwm Witjes et al. 2023, PeerJ 15478, corrected
    (docs/why/fill.md).

    >>> import numpy as np
    >>> series = np.array([10, 20, 30, 40, 0, 22, 32, 42], dtype=np.uint16).reshape(8, 1, 1)
    >>> fill(series, nodata=0).values.ravel().tolist()
    [10, 20, 30, 40, 10, 22, 32, 42]
    >>> linear = fill(series, nodata=0, method="linear")
    >>> linear.values.ravel().tolist(), linear.weight.ravel().tolist()
    ([10, 20, 30, 40, 31, 22, 32, 42], [100, 100, 100, 100, 50, 100, 100, 100])
    """
    settings = settings_of(method, options)
    if isinstance(values, xr.DataArray):
        values = xr.Dataset({"value": values})
    if isinstance(values, xr.Dataset):
        return _fill_cube(values, nodata, settings, seasons_per_year)
    many = fill_many(values[None], nodata=nodata, method=settings, seasons_per_year=seasons_per_year)
    return FillResult(many.values[0], many.companions, many.method, many.how)


def fill_many(
    values: Array,
    *,
    nodata: float | None = None,
    method: Method | Settings = "tmwm",
    seasons_per_year: int = 4,
    **options: Any,
) -> FillResult:
    """Fill several statistics (statistic, time, y, x) of one variable that have their gaps in common.

    ``values`` of the result is (statistic, time, y, x), its companions (time, y, x): of the first statistic, and
    equal for all. Parameters and errors are those of :func:`fill`. Pure.
    """
    settings = settings_of(method, options)
    none = check_series(values, nodata, seasons_per_year)
    times = values.shape[1]
    flat = np.ascontiguousarray(values).reshape(len(values), times, -1)
    shape = values.shape[1:]
    filled = flat.copy()
    companions: dict[str, Bytes] = {}
    for s, series in enumerate(flat):
        told = _close(series, none, seasons_per_year, settings, filled[s])
        if s == 0:
            companions = {name: one.reshape(shape) for name, one in told.items()}
    how = None if isinstance(settings, Tmwm) else cast(BlockSettings, settings).flag
    return FillResult(filled.reshape(values.shape), companions, settings.method, how)


def settings_of(method: Method | Settings, options: dict[str, Any]) -> Settings:
    """Settings of a method by its name and options, or those given. Raises SeriesError for a name or an option that
    is none.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise refuse("the method", repr(method), f"use {', '.join(METHODS)}")
        return cast(Settings, made(SETTINGS[method], method, options))
    if options:
        raise refuse("an option", f"{next(iter(options))} beside settings", "give it to the settings")
    return method


def _close(flat: Array, nodata: float, seasons_per_year: int, settings: Settings, filled: Array) -> dict[str, Bytes]:
    """Fill one series (time, pixel): into ``filled``, which comes as its copy. Gives the companions."""
    if not isinstance(settings, Tmwm):
        return {"weight": close_in_blocks(flat, nodata, seasons_per_year, cast(BlockSettings, settings), filled)}
    told = np.zeros((3, *flat.shape), dtype=np.uint8)
    companions = {"phase": told[0], "span": told[1], "donors": told[2]}
    if settings.compat:
        flag = eumap_2022(flat, nodata, seasons_per_year, settings.window_years, filled=filled, told=told)
        return {**companions, "eumap_flag": flag}
    moving_window_median(flat, nodata, seasons_per_year, settings, filled=filled, told=told)
    return companions


def _fill_cube(cube: xr.Dataset, nodata: float | None, settings: Settings, seasons_per_year: int) -> xr.Dataset:
    """A Cube with its gaps filled, its other variables as they are."""
    if "value" not in cube:
        raise refuse("its variable `value`", "missing", "name the variable to fill `value`")
    value = cube["value"]
    foreign = [dim for dim in value.dims if dim not in DIMS]
    if foreign or not {"time", "y", "x"} <= set(value.dims):
        raise refuse(
            "the tuple of its dimensions", value.dims, "give time, y and x, and if you like band and statistic"
        )
    here = [dim for dim in DIMS if dim in value.dims]
    ordered = value.transpose(*here)
    array = ordered.to_numpy().reshape([value.sizes.get(dim, 1) for dim in DIMS])
    none = check_series(array[0], nodata, seasons_per_year)
    was = _flags(cube, ordered).reshape(array.shape) if "flag" in cube else None
    if was is not None:
        array = np.where(was == Flag.OBSERVED, array, array.dtype.type(none))
    known = np.isfinite(array) & (array != none)
    if (known != known[:, :1]).any():
        raise refuse("a gap", "in one statistic and not in another", "fill them one at a time")
    parts = [fill_many(band, nodata=none, method=settings, seasons_per_year=seasons_per_year) for band in array]
    flag = np.stack([part.flag for part in parts])
    if was is not None:
        flag = np.where((flag == Flag.NODATA) & (was[:, 0] != Flag.OBSERVED), was[:, 0], flag)
    result = cube.drop_vars("flag", errors="ignore")
    result["value"] = _labelled(np.stack([part.values for part in parts]).reshape(ordered.shape), here, value)
    told = [dim for dim in here if dim != "statistic"]
    companions = {name: np.stack([part.companions[name] for part in parts]) for name in parts[0].companions}
    for name, one in {"flag": flag, **companions}.items():
        result[name] = _labelled(one.reshape([value.sizes[dim] for dim in told]), told, value.drop_attrs())
    return check_cube(result)


def _flags(cube: xr.Dataset, ordered: xr.DataArray) -> npt.NDArray[np.uint8]:
    """The flag of every value. Raises SeriesError where it says that values were filled before, CubeError where it is
    no flag.
    """
    check_cube(
        cube[["flag"]].transpose(*(dim for dim in ("time", "band", "statistic", "y", "x") if dim in cube["flag"].dims))
    )
    codes = cube["flag"].broadcast_like(ordered).transpose(*ordered.dims).to_numpy()
    before = set(np.unique(codes).tolist()) & {Flag.FILLED_SEASON, Flag.FILLED_NEIGHBOUR, Flag.FILLED_ALL}
    if before:
        raise refuse("a flag", Flag(min(before)).name, "give the observed values, for what was filled must not fill")
    return np.asarray(codes, dtype=np.uint8)


def _labelled(array: Array, dims: list[str], like: xr.DataArray) -> xr.DataArray:
    """(band, statistic, time, y, x) words on an array, in the order of a Cube."""
    coords = {name: one for name, one in like.coords.items() if set(one.dims) <= set(dims)}
    labelled = xr.DataArray(array, dims=dims, coords=coords, attrs=like.attrs)
    return labelled.transpose(*(dim for dim in ("time", "band", "statistic", "y", "x") if dim in dims))
