"""Composites of labelled arrays: a DataArray of one band, or a Cube of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.cube import Flag, check_cube
from odse.series._inputs import QUARTILES, refusal
from odse.series.composite import composite_any

Array = npt.NDArray[Any]


def composite_labelled(
    values: xr.DataArray | xr.Dataset, quality: Any, *, percentiles: Sequence[int] | None, valid: Any, method: str,
    weights: Any, compat: str | None, **rest: Any,
) -> xr.Dataset:  # fmt: skip
    """See :func:`odse.series.composite.composite`."""
    same: dict[str, Any] = {
        "percentiles": percentiles,
        "method": method,
        "weights": _plain(weights),
        "compat": compat,
        **rest,
    }
    wanted = QUARTILES if percentiles is None else tuple(percentiles)
    names = ["mean"] if method == "mean" else [f"p{p}" for p in (wanted if compat is None else dict.fromkeys(wanted))]
    if isinstance(values, xr.DataArray):
        if isinstance(valid, Mapping):
            raise refusal("a range of valid values", dict(valid), "give (least, greatest): one band has no name here")
        if quality is None:
            raise refusal("their quality", "missing", "give one code for every value (time, y, x)")
        stack = values.transpose("time", "y", "x")
        result, count = composite_any(stack.to_numpy()[None], _plain(xr.DataArray(quality)), valid=[valid], **same)
        name = "mean" if method == "mean" else "percentile"
        return xr.Dataset(
            {name: (("statistic", "y", "x"), result[0]), "count": (("y", "x"), count[0])},
            coords={**_coords(values, "y", "x"), "statistic": names},
        )
    if quality is not None:
        raise refusal("their quality", "given twice", "put it into the Cube as variable quality")
    stack, codes = bands_of(values)
    bands = [str(band) for band in stack.coords["band"].to_numpy()]
    ranges = [_range(valid, band) for band in bands]
    result, count = composite_any(
        stack.transpose("band", "time", "y", "x").to_numpy(), codes.to_numpy(), valid=ranges, **same
    )
    known = count >= (3 if method == "nearest" else 1)
    made = xr.Dataset(
        {
            "value": (("band", "statistic", "y", "x"), result),
            "count": (("band", "y", "x"), count),
            "flag": (("band", "y", "x"), _flags(known, values, codes)),
        },
        coords={**_coords(stack, "band", "y", "x", "spatial_ref"), "statistic": names},
    )
    return check_cube(made, dims=("band", "statistic", "y", "x"))


def bands_of(cube: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Values with dimensions time, band, y, x, and their quality (time, y, x). Raises SeriesError where the Cube lacks them."""
    check_cube(cube, dims=("time", "y", "x"))
    if "quality" not in cube:
        raise refusal("their quality", "missing", "put it into the Cube as variable quality (time, y, x)")
    codes = cube["quality"].transpose("time", "y", "x")
    if "value" in cube:
        stack = cube["value"]
        if set(stack.dims) != {"time", "band", "y", "x"}:
            raise refusal("the dimensions of value", stack.dims, "give time, band, y, x")
        if "band" not in stack.coords:
            stack = stack.assign_coords(band=[str(i) for i in range(stack.sizes["band"])])
        return stack.transpose("time", "band", "y", "x"), codes
    names = [
        name
        for name, variable in cube.data_vars.items()
        if name not in ("quality", "unreadable", "flag") and set(variable.dims) == {"time", "y", "x"}
    ]
    if not names:
        raise refusal(
            "the number of bands", 0, "give value (time, band, y, x), or a variable (time, y, x) for every band"
        )
    stack = xr.concat([cube[name].rename("value") for name in names], dim="band").assign_coords(
        band=[str(name) for name in names]
    )
    return stack.transpose("time", "band", "y", "x"), codes


def _flags(known: Array, cube: xr.Dataset, codes: xr.DataArray) -> npt.NDArray[np.uint8]:
    """(band, y, x): observed; else masked where any date was seen; else unreadable where a file was; else no data."""
    seen = (codes.to_numpy() != 0).any(axis=0)
    flags = np.where(seen, Flag.MASKED, Flag.NODATA)
    if "unreadable" in cube:
        broken = cube["unreadable"].astype(bool).any(dim="time")
        flags = np.where(~seen & broken.to_numpy(), Flag.UNREADABLE, flags)
    return np.where(known, Flag.OBSERVED, flags).astype(np.uint8)


def _range(valid: Any, band: str) -> tuple[int, int]:
    if not isinstance(valid, Mapping):
        low, high = valid
        return int(low), int(high)
    if band not in valid:
        raise refusal("the range of valid values", f"missing for band {band}", "give one for every band")
    low, high = valid[band]
    return int(low), int(high)


def _plain(labelled: Any) -> Any:
    """A numpy array with dimensions in the order time, y, x."""
    if not isinstance(labelled, xr.DataArray):
        return labelled
    order = [dim for dim in ("time", "y", "x") if dim in labelled.dims]
    return labelled.transpose(*order).to_numpy() if len(order) == labelled.ndim else labelled.to_numpy()


def _coords(labelled: xr.DataArray, *names: str) -> dict[str, Any]:
    return {name: labelled.coords[name] for name in names if name in labelled.coords}
