"""Which way of filling is best here: values that are known are withheld in the shape of real gaps, filled, and
compared.

In round k the gaps of every date are laid on the date k years later (cyclic), so each pair of dates of one season is
used once and nothing is drawn by chance. Errors are in the unit of the values. Methods differ in how many gaps they
close, and those that leave out the hard ones look better: so errors are told of all that a method filled, and of what
all methods filled. The winner has the least root mean square error of the second kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from odse.errors import SeriesError
from odse.series._filled import Method, Settings, check_series
from odse.series.fill import METHODS, fill

Array = npt.NDArray[Any]
LENGTHS = ("1", "2", "3", "4+")
"""Withheld dates are counted by how many dates in a row the gap has that they lie in."""
ALL = "all"


@dataclass(frozen=True)
class BakeOff:
    """``rows``: one a method, band, season and gap length, of each of which ``all`` is one; ``winner``: the best
    method, the next one, and by how many percent its error is larger. Plain numbers and words throughout.
    """

    rows: list[dict[str, float | int | str | None]]
    winner: dict[str, float | str | None]
    rounds: int

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)

    def row(
        self, method: str, *, band: str = ALL, season: str = ALL, gap: str = ALL
    ) -> dict[str, float | int | str | None]:
        """One row of the table. Raises SeriesError if there is none."""
        key = (method, band, season, gap)
        for one in self.rows:
            if (one["method"], one["band"], one["season"], one["gap"]) == key:
                return one
        raise SeriesError.sentence("tell", "how well gaps were filled", "the row", key, "ask for one of the table")


def bake_off(
    values: Array | xr.DataArray | Mapping[str, Any],
    *,
    nodata: float | None = None,
    seasons_per_year: int = 4,
    methods: Sequence[Method] | Mapping[str, Method | Settings] = METHODS,
    seasons: Sequence[str] | None = None,
    most_rounds: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BakeOff:
    """Fill known values that are withheld, by several methods, and say how far off each is.

    ``values`` (time, y, x) of one band, or such arrays by the name of the band; ``nodata`` as for
    :func:`odse.series.fill.fill`. ``methods`` are names, or methods or settings by a name of your own. ``seasons``
    names the seasons of a year (default: 1, 2, ...). A round fills every band once by every method, and there is one
    less than there are years, or ``most_rounds``. Raises SeriesError for series of one year, of no gap, and for what
    cannot be filled. Pure.

    >>> import numpy as np
    >>> quarters = np.tile(np.array([10, 20, 40, 30], dtype=np.uint8), 6).reshape(24, 1, 1)
    >>> quarters[5] = quarters[18] = 0
    >>> found = bake_off(quarters, nodata=0, methods=("linear", "tmwm"))
    >>> found.winner["method"], found.row("tmwm")["rmse"], found.row("linear")["rmse"]
    ('tmwm', 0.0, 11.393)
    """
    bands = _bands(values)
    chosen: dict[str, Method | Settings] = (
        dict(methods) if isinstance(methods, Mapping) else {str(name): name for name in methods}
    )
    if not chosen:
        raise _refuse("the list of methods", "empty", "name one")
    names = [str(name) for name in seasons] if seasons else [str(s + 1) for s in range(seasons_per_year)]
    if len(names) != seasons_per_year:
        raise _refuse("the number of names of seasons", len(names), f"give {seasons_per_year}")
    times = len(next(iter(bands.values())))
    shifts = list(range(seasons_per_year, times, seasons_per_year))[:most_rounds]
    if not shifts:
        raise _refuse("its length", f"{times} dates", f"give more than a year of {seasons_per_year}")
    # for each method, band, season and gap length: how many, and the sums of the error, its size and its square
    shape = (len(chosen), len(bands), seasons_per_year, len(LENGTHS))
    sums, shared = np.zeros((*shape, 4)), np.zeros((*shape, 4))
    withheld = np.zeros(shape[1:], dtype=np.int64)
    for b, band in enumerate(bands.values()):
        none = check_series(band[None], nodata, seasons_per_year)
        known = np.isfinite(band) & (band != band.dtype.type(none))
        for done, shift in enumerate(shifts):
            covered = np.roll(~known, shift, axis=0)
            hidden = known & covered
            where = _cells(hidden, known & ~covered, seasons_per_year)
            withheld[b] += np.bincount(where, minlength=withheld[b].size).reshape(withheld[b].shape)
            spoilt = np.where(covered, band.dtype.type(none), band)
            errors = [_errors(spoilt, band, hidden, none, seasons_per_year, one) for one in chosen.values()]
            by_all = np.isfinite(errors).all(axis=0)
            for m, error in enumerate(errors):
                for total, some in ((sums, np.isfinite(error)), (shared, by_all)):
                    total[m, b] += _totals(where[some], error[some], withheld[b].size).reshape(total[m, b].shape)
            if progress:
                progress(b * len(shifts) + done + 1, len(bands) * len(shifts))
    if not withheld.any():
        raise _refuse("the number of values that a gap can cover", 0, "give a series with gaps and with values")
    rows = _table(list(chosen), list(bands), names, sums, shared, withheld)
    return BakeOff(rows, _winner(rows), len(shifts))


def _refuse(what: str, value: object, remedy: str) -> SeriesError:
    return SeriesError.sentence("compare", "ways of filling the series", what, value, remedy)


def _bands(values: Array | xr.DataArray | Mapping[str, Any]) -> dict[str, Array]:
    """Arrays (time, y, x) of equal length by name."""
    given: dict[str, Any]
    if isinstance(values, Mapping):
        given = dict(values)
    elif isinstance(values, xr.DataArray) and "band" in values.dims:
        given = {str(name): values.sel(band=name) for name in values["band"].values.tolist()}
    else:
        given = {"1": values}
    bands: dict[str, Array] = {
        name: one.transpose("time", "y", "x").to_numpy() if isinstance(one, xr.DataArray) else one
        for name, one in given.items()
    }
    lengths = {one.shape[:1] for one in bands.values()}
    if len(lengths) != 1:
        raise _refuse("the number of dates", sorted(lengths), "give all bands the same dates, and at least one band")
    return bands


def _cells(hidden: npt.NDArray[np.bool_], left: npt.NDArray[np.bool_], seasons_per_year: int) -> npt.NDArray[np.int64]:
    """The cell (season, gap length) of every hidden value, in the order in which a mask takes them; ``left`` are
    known still.
    """
    times = len(left)
    run = np.zeros(left.shape, dtype=np.int16)
    for t in range(times):
        run[t] = np.where(left[t], 0, (run[t - 1] if t else 0) + 1)
    for t in range(times - 2, -1, -1):
        run[t] = np.where((run[t] > 0) & (run[t + 1] > 0), run[t + 1], run[t])
    season = np.broadcast_to((np.arange(times) % seasons_per_year)[:, None, None], left.shape)
    length = np.minimum(run, len(LENGTHS)) - 1
    return np.asarray(season[hidden] * len(LENGTHS) + length[hidden], dtype=np.int64)


def _errors(
    spoilt: Array,
    truth: Array,
    hidden: npt.NDArray[np.bool_],
    none: float,
    seasons_per_year: int,
    method: Method | Settings,
) -> npt.NDArray[np.float64]:
    """Filled less true values where hidden, NaN where unfilled."""
    filled = fill(spoilt, nodata=none, method=method, seasons_per_year=seasons_per_year)
    first = next(iter(filled.companions.values()))
    error = filled.values[hidden].astype(np.float64) - truth[hidden]
    error[first[hidden] == 255] = np.nan
    return error


def _totals(where: npt.NDArray[np.int64], error: npt.NDArray[np.float64], cells: int) -> npt.NDArray[np.float64]:
    parts = (np.ones_like(error), error, np.abs(error), error**2)
    return np.stack([np.bincount(where, part, minlength=cells) for part in parts], axis=-1)


def _table(
    methods: list[str],
    bands: list[str],
    seasons: list[str],
    sums: npt.NDArray[np.float64],
    shared: npt.NDArray[np.float64],
    withheld: npt.NDArray[np.int64],
) -> list[dict[str, float | int | str | None]]:
    """A row for every method and every choice of band, season and gap length, ``all`` among them; those without
    values left out.
    """
    rows: list[dict[str, float | int | str | None]] = []
    for m, method in enumerate(methods):
        for band, b in _choices(bands):
            for season, s in _choices(seasons):
                for gap, g in _choices(LENGTHS):
                    count = int(withheld[b, s, g].sum())
                    if count:
                        mine = sums[m, b, s, g].reshape(-1, 4).sum(axis=0)
                        ours = shared[m, b, s, g].reshape(-1, 4).sum(axis=0)
                        rows.append(
                            {
                                "method": method,
                                "band": band,
                                "season": season,
                                "gap": gap,
                                "withheld": count,
                                "filled_percent": round(100 * mine[0] / count, 2),
                                **_measures(mine),
                                **{f"{name}_where_all_fill": one for name, one in _measures(ours).items()},
                            }
                        )
    return rows


def _choices(names: Sequence[str]) -> list[tuple[str, slice]]:
    """All together, then one by one where there are several."""
    single = [(name, slice(k, k + 1)) for k, name in enumerate(names)]
    return [(ALL, slice(None)), *(single if len(names) > 1 else [])]


def _measures(sums: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """Root mean square, mean absolute and mean error; None without values."""
    n, error, size, square = sums.tolist()
    if not n:
        return {"rmse": None, "mae": None, "bias": None}
    return {"rmse": round((square / n) ** 0.5, 3), "mae": round(size / n, 3), "bias": round(error / n, 3)}


def _winner(rows: list[dict[str, float | int | str | None]]) -> dict[str, float | str | None]:
    """Least error where all fill; the first named of equal ones."""
    whole = [row for row in rows if row["band"] == row["season"] == row["gap"] == ALL]
    known = [
        (float(row["rmse_where_all_fill"] or 0), str(row["method"]))
        for row in whole
        if row["rmse_where_all_fill"] is not None
    ]
    if not known:
        raise _refuse("the number of values that all methods fill", 0, "compare fewer methods")
    known.sort(key=lambda one: one[0])
    (best, method), *others = known
    margin = round(100 * (others[0][0] / best - 1), 2) if others and best > 0 else None
    return {
        "method": method,
        "rmse_where_all_fill": best,
        "runner_up": others[0][1] if others else None,
        "margin_percent": margin,
    }
