"""Cubes in, Cubes out: the value, whether it is known, and why."""

from __future__ import annotations

import re

import numpy as np
import pytest
import xarray as xr

from odse.cube import Flag, check_cube
from odse.errors import CubeError, SeriesError
from odse.series.fill import METHODS, fill


def cube(dtype: type = np.uint16, nodata: float = 0, **sizes: int) -> xr.Dataset:
    """Eight quarters with gaps of several kinds, which the statistics have in common."""
    sizes = {"time": 8, "band": 2, "statistic": 3, "y": 4, "x": 5, **sizes}
    rng = np.random.default_rng(1)
    flag = rng.choice([Flag.OBSERVED, Flag.MASKED, Flag.UNREADABLE, Flag.NODATA], (8, 2, 4, 5), p=[0.6, 0.2, 0.1, 0.1])
    flag[:, 0, 0, 0] = Flag.UNREADABLE
    value = rng.integers(1, 100, tuple(sizes.values())).astype(dtype)
    empty = np.broadcast_to((flag == Flag.NODATA)[:, :, None], value.shape)
    value[empty] = nodata
    return xr.Dataset(
        {
            "value": (tuple(sizes), value, {"units": "1"}),
            "flag": (("time", "band", "y", "x"), flag.astype(np.uint8)),
            "seen": (("y", "x"), np.ones((4, 5), np.uint8)),
        },
        coords={
            "time": np.arange(8) + 2000,
            "band": ["red", "nir"],
            "statistic": ["p25", "p50", "p75"],
            "x": np.arange(5.0),
        },
        attrs={"title": "a cube"},
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_cube_stays_a_cube(method, dtype) -> None:
    nodata = 0 if dtype == np.uint16 else np.nan
    given = cube(dtype, nodata)
    before = given.copy(deep=True)
    result = check_cube(fill(given, nodata=0 if dtype == np.uint16 else None, method=method), dims=("time", "y", "x"))
    assert given.identical(before)
    assert result["value"].dims == given["value"].dims and result["value"].attrs == {"units": "1"}
    assert result.attrs == given.attrs and result["seen"].identical(given["seen"])
    observed = given["flag"] == Flag.OBSERVED
    assert bool((result["value"] == given["value"]).where(observed, True).all())
    assert bool(((result["flag"] == Flag.OBSERVED) == observed).all())
    open_ = result["flag"] >= Flag.MASKED
    assert bool((result["flag"] == given["flag"]).where(open_, True).all()), "what stays open keeps its reason"
    assert bool(open_.sel(band="red", x=0).isel(y=0).all())
    assert bool((result["value"].isnull() | (result["value"] == nodata)).where(open_, True).all())
    told = ("phase", "span", "donors") if method == "tmwm" else ("weight",)
    for name in told:
        assert result[name].dims == ("time", "band", "y", "x") and result[name].dtype == np.uint8
        assert bool(((result[name] == 255) == open_).all())
    for band in ("red", "nir"):  # as plain arrays are
        plain = given["value"].where(observed, nodata).astype(dtype).sel(band=band, statistic="p50").to_numpy()
        alone = fill(plain, nodata=0 if dtype == np.uint16 else None, method=method)
        assert np.array_equal(alone.values, result["value"].sel(band=band, statistic="p50"), equal_nan=True)
        assert np.array_equal(alone.companions[told[0]], result[told[0]].sel(band=band))


def test_dimensions_in_any_order() -> None:
    given = cube()
    one = given["value"].where(given["flag"] == Flag.OBSERVED, 0).astype(np.uint16)
    wanted = fill(one, nodata=0)
    turned = fill(one.transpose("x", "statistic", "y", "band", "time"), nodata=0)
    assert turned.identical(wanted)
    assert set(wanted.data_vars) == {"value", "flag", "phase", "span", "donors"}
    assert wanted["value"].dims == ("time", "band", "statistic", "y", "x")
    alone = fill(one.sel(band="nir", statistic="p25"), nodata=0)
    assert np.array_equal(alone["value"], wanted["value"].sel(band="nir", statistic="p25"))
    assert alone["flag"].dims == ("time", "y", "x") and alone["band"] == "nir"


def test_a_cube_without_flags_and_one_flag_for_all_bands() -> None:
    given = cube()
    shared = given.assign(flag=given["flag"].sel(band="nir", drop=True))
    result = fill(shared, nodata=0)
    assert result["flag"].dims == ("time", "band", "y", "x")
    bare = given.assign(value=given["value"].where(given["flag"] == Flag.OBSERVED, 0).astype(np.uint16)).drop_vars(
        "flag"
    )
    with_flag = fill(given, nodata=0)
    assert bool((fill(bare, nodata=0)["value"] == with_flag["value"]).all())


def filled_before(one: xr.Dataset) -> xr.Dataset:
    return one.assign(flag=one["flag"].where(one["flag"] != Flag.OBSERVED, int(Flag.FILLED_SEASON)).astype(np.uint8))


def other_gaps(one: xr.Dataset) -> xr.Dataset:
    value = one["value"].copy(deep=True)
    value[dict(statistic=1, time=3)] = 0
    return one.assign(value=value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c.rename(value="ndvi"), "its variable `value` is missing; name the variable to fill `value`"),
        (
            lambda c: c.rename(statistic="learner"),
            "the tuple of its dimensions is ('time', 'band', 'learner', 'y', 'x'); give time, y and x",
        ),
        (
            lambda c: c.isel(time=0),
            "the tuple of its dimensions is ('band', 'statistic', 'y', 'x'); give time, y and x",
        ),
        (filled_before, "a flag is FILLED_SEASON; give the observed values, for what was filled must not fill"),
        (other_gaps, "a gap is in one statistic and not in another; fill them one at a time"),
    ],
)
def test_refused(change, text) -> None:
    with pytest.raises(SeriesError, match=re.escape(f"cannot fill the series, because {text}")):
        fill(change(cube()), nodata=0)


def test_a_flag_that_is_none() -> None:
    with pytest.raises(CubeError, match="a flag is 7; use the values of Flag"):
        fill(cube().assign(flag=cube()["flag"] * 0 + 7), nodata=0)
