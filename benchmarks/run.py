"""`make bench`: ours beside the peers, interleaved in one process on one thread, the same answer asserted before timing.

Prints a table and writes benchmarks/results/latest.json: one record per row and peer. A ratio above 1 means: better than the peer.
"""

from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import argparse  # noqa: E402
import ctypes  # noqa: E402
import importlib.metadata  # noqa: E402
import json  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import subprocess  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import rasterio  # noqa: E402

from benchmarks.peers.tmwm_original import tmwm  # noqa: E402
from odse.quality import glad_mask  # noqa: E402
from odse.series.composite import composite  # noqa: E402
from odse.series.fill import fill  # noqa: E402

HERE = Path(__file__).resolve().parent
ROUNDS = 7
KEEP = glad_mask("eumap")
Work = Callable[[], Any]


def cpu(work: Work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def pair(ours: Work, theirs: Work, *, scale: float) -> tuple[float, float, float]:
    """Median CPU seconds of both, a round of each in turn, and the median of the ratios; ``scale``: how much smaller their job is."""
    ours(), theirs()
    rounds = [(cpu(ours), cpu(theirs) * scale) for _ in range(ROUNDS)]
    return (
        statistics.median(a for a, _ in rounds),
        statistics.median(b for _, b in rounds),
        statistics.median(b / a for a, b in rounds),
    )


def compiled() -> Callable[..., np.ndarray]:
    """The per-pixel sort, compiled for this machine."""
    folder = Path(tempfile.mkdtemp())
    library = folder / "sort_per_pixel.so"
    source = HERE / "peers" / "sort_per_pixel.cpp"
    subprocess.run(["g++", "-O3", "-march=native", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    function = ctypes.CDLL(str(library)).percentiles

    def percentiles(values: np.ndarray, quality: np.ndarray) -> np.ndarray:
        times, pixels = values.shape[0], values[0].size
        q = np.array([25, 50, 75], dtype=np.int64)
        out = np.empty((3, *values.shape[1:]), dtype=np.uint16)
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (values, quality, KEEP)]
        function(*pointers, ctypes.c_int64(times), ctypes.c_int64(pixels), q.ctypes.data_as(ctypes.c_void_p),
                 ctypes.c_int64(3), ctypes.c_uint16(1), ctypes.c_uint16(40000), out.ctypes.data_as(ctypes.c_void_p))  # fmt: skip
        return out

    return percentiles


def composite_rows(times: int) -> list[dict[str, Any]]:
    """Percentiles with mask, half of the values masked."""
    import numbagg

    rng = np.random.default_rng(times)
    shape = (times, 512, 512)
    values = rng.integers(1, 40001, shape).astype(np.uint16)
    quality = np.where(rng.random(shape) < 0.5, 1, 3).astype(np.uint8)
    sort_per_pixel = compiled()

    def ours() -> np.ndarray:
        return composite(values, quality, keep=KEEP).percentiles

    def cut(n: int) -> tuple[np.ndarray, np.ndarray]:
        return np.ascontiguousarray(values[:, :n]), np.ascontiguousarray(quality[:, :n])

    def as_float(v: np.ndarray, q: np.ndarray) -> np.ndarray:
        return np.where(KEEP[q] != 0, v.astype(np.float32), np.float32(np.nan))

    few, few_quality = cut(8)
    some, some_quality = cut(64)

    def with_numpy() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.nanpercentile(as_float(few, few_quality).astype(np.float64), (25, 50, 75), axis=0)

    def with_numbagg() -> np.ndarray:
        return numbagg.nanquantile(as_float(some, some_quality), [0.25, 0.5, 0.75], axis=0)

    def with_sort() -> np.ndarray:
        return sort_per_pixel(values, quality)

    def with_numpy_sort() -> np.ndarray:
        return sort_and_take(some, some_quality)

    def with_odc() -> np.ndarray:
        return odc_percentiles(np.where(KEEP[some_quality] != 0, some, 0))

    answer = ours()
    same(answer, with_sort(), "std::sort per pixel")
    same(answer[:, :64], with_numpy_sort(), "np.sort")
    same(with_odc(), by_rank(some, some_quality), "odc-algo")  # another definition: its own answer must be that one
    for theirs, n in ((with_numpy, 8), (with_numbagg, 64)):
        rounded = np.floor(theirs() + 0.5)
        rounded[np.isnan(rounded)] = 0
        same(answer[:, :n], rounded, theirs.__name__, within=0 if n == 8 else 1)  # numbagg: 32-bit floats
    what = f"p25/p50/p75 + mask, uint16, {times} dates, half masked"
    long = times == 24
    best = 5 if long else 4
    rows = []
    for beside, theirs, scale, target in (
        ("numpy.nanpercentile", with_numpy, 64, 500 if long else None),
        ("numbagg.nanquantile", with_numbagg, 8, 60 if long else None),
        ("odc-algo (its own definition)", with_odc, 8, best),
        ("np.sort along time, two rows taken", with_numpy_sort, 8, best),
        ("std::sort per pixel, g++ -O3 -march=native", with_sort, 1, best),
    ):
        a, b, ratio = pair(ours, theirs, scale=scale)
        megapixels = shape[1] * shape[2] / 1e6
        rows.append(record(what, beside, "Mpx per CPU second", megapixels / a, megapixels / b, ratio, target))
    if long:
        for beside, theirs, n in (("numpy.nanpercentile", with_numpy, 8), ("numbagg.nanquantile", with_numbagg, 64)):
            cut_values, cut_quality = cut(n)
            mine = peak(lambda v=cut_values, q=cut_quality: composite(v, q, keep=KEEP))
            a, b = mine / (n * shape[2]), peak(theirs) / (n * shape[2])
            rows.append(record(what, beside, "peak memory of the call, bytes per pixel", a, b, b / a, None))
    return rows


def same(ours: np.ndarray, theirs: np.ndarray, who: str, *, within: float = 0) -> None:
    """Nothing is timed that gives another answer."""
    apart = np.abs(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float)).max()
    if apart > within:
        raise SystemExit(
            f"cannot compare with {who}, because its answer is {apart} away from ours; correct one of the two"
        )


def peak(work: Work) -> int:
    """Most bytes that one call holds beyond its input, as numpy reports its allocations."""
    work()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def sort_and_take(values: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """All of it in numpy: what is masked sorts last, the number of valid values says which two rows to take."""
    good = (KEEP[quality] != 0) & (values >= 1) & (values <= 40000)
    n = good.sum(axis=0)
    ordered = np.sort(np.where(good, values, np.uint16(65535)), axis=0)
    out = np.empty((3, *values.shape[1:]), dtype=np.uint16)
    for s, q in enumerate((25, 50, 75)):
        k = np.maximum(n - 1, 0) * q
        at, part = k // 100, k % 100
        low, high = (
            np.take_along_axis(ordered, np.minimum(at + i, len(values) - 1)[None], axis=0)[0].astype(np.int64)
            for i in (0, 1)
        )
        out[s] = np.where(n > 0, ((100 - part) * low + part * high + 50) // 100, 0)
    return out


def odc_percentiles(stack: np.ndarray) -> np.ndarray:
    from odc.algo._percentile import np_percentile

    return np.stack([np_percentile(stack, q, 0) for q in (0.25, 0.5, 0.75)])


def by_rank(values: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The definition of odc-algo: the value at rank round((n - 1) q), half to even; no-data below three values."""
    good = KEEP[quality] != 0
    n = good.sum(axis=0)
    ordered = np.sort(np.where(good, values, np.uint16(65535)), axis=0)
    at = [np.round(np.maximum(n - 1, 0) * q).astype(np.int64) for q in (0.25, 0.5, 0.75)]
    return np.stack([np.where(n >= 3, np.take_along_axis(ordered, a[None], axis=0)[0], 0) for a in at])


def fill_rows(gaps: float, target: float | None) -> list[dict[str, Any]]:
    """Gap filling of 21 years of quarters."""
    rng = np.random.default_rng(1)
    values = rng.integers(1, 40001, (84, 128, 128)).astype(np.uint16)
    values[rng.random(values.shape) < gaps] = 0
    small = np.ascontiguousarray(values[:, :16])
    as_float = np.ascontiguousarray(np.moveaxis(np.where(small == 0, np.nan, small).astype(np.float32), 0, -1))

    def ours() -> Any:
        return fill(values, nodata=0)

    def theirs() -> np.ndarray:
        return tmwm(as_float)

    mine, peer = fill(small, nodata=0), np.moveaxis(theirs(), -1, 0)
    alike = (mine.phase == 1) & (mine.span <= 8) | (
        mine.phase == 0
    )  # the windows that the original tries: 9 and 18 years
    same(mine.values[alike], np.floor(peer[alike] + 0.5), "the original's phase 1")
    if (mine.values == 0).any():
        raise SystemExit("cannot time the filler, because its result is incomplete; see tests/series")
    a, b, ratio = pair(ours, theirs, scale=8)
    series = 128 * 128 / 1e6
    return [record(f"TMWM, uint16, 84 dates, {gaps:.0%} gaps", "the original's algorithm with bottleneck",
                   "million series per CPU second", series / a, series / b, ratio, target)]  # fmt: skip


def record(
    what: str, beside: str, metric: str, ours: float, theirs: float | None, ratio: float | None, target: float | None
) -> dict[str, Any]:
    met = None if target is None or ratio is None else ratio >= target
    return {"what": what, "beside": beside, "metric": metric, "ours": ours, "theirs": theirs, "ratio": ratio,
            "target": target, "met": met}  # fmt: skip


def versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "machine": platform.processor() or platform.machine()}
    for name in ("numpy", "numba", "numbagg", "bottleneck", "xarray", "scipy", "geomad", "rasterio", "odc-algo", "odc-stac",
                 "odc-geo"):  # fmt: skip
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "absent"
    found["gdal"] = rasterio.__gdal_version__
    found["g++"] = subprocess.run(
        ["g++", "-dumpfullversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    return found


def composites() -> list[dict[str, Any]]:
    return [*composite_rows(24), *composite_rows(6)]


def medians_of_windows() -> list[dict[str, Any]]:
    return [*fill_rows(0.3, 20), *fill_rows(0.6, None)]


def series() -> list[dict[str, Any]]:
    from benchmarks import series_rows

    return series_rows.rows()


def smoothers() -> list[dict[str, Any]]:
    from benchmarks import fill_rows as other_fillers

    return other_fillers.rows()


def tile_year() -> list[dict[str, Any]]:
    from benchmarks import tile_year as end_to_end

    return end_to_end.rows()


def forests() -> list[dict[str, Any]]:
    from benchmarks import learn_rows

    return learn_rows.rows()


GROUPS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "composite": composites,
    "tmwm": medians_of_windows,
    "series": series,
    "fill": smoothers,
    "forest": forests,
    "tile-year": tile_year,
}


def show(rows: list[dict[str, Any]]) -> None:
    """The table."""
    print(f"{'what':<86} {'beside':<52} {'metric':<40} {'ours':>9} {'theirs':>9} {'ratio':>8} {'target':>7}")
    for row in rows:
        theirs, ratio, target = (
            "" if row[name] is None else format(row[name], form)
            for name, form in (("theirs", ".4f"), ("ratio", ".1f"), ("target", "g"))
        )
        met = {True: "met", False: "MISSED", None: ""}[row["met"]]
        print(
            f"{row['what']:<86} {row['beside']:<52} {row['metric']:<40} "
            f"{row['ours']:>9.3f} {theirs:>9} {ratio:>8} {target:>7} {met}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the rows, print the table, write the file. With --only the other groups' rows in the file stay as they are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Time odse against its peers.")
    parser.add_argument("--only", choices=list(GROUPS), action="append", help="this group of rows; may be given again")
    wanted = parser.parse_args(arguments).only or list(GROUPS)
    out = HERE / "results" / "latest.json"
    kept = [] if set(wanted) == set(GROUPS) or not out.exists() else json.loads(out.read_text())
    known, rows, everything = versions(), [], []
    for name, work in GROUPS.items():
        if name not in wanted:
            everything += [row for row in kept if row.get("group") == name]
            continue
        start = time.perf_counter()
        made = [{**row, "group": name, "versions": known} for row in work()]
        print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
        rows += made
        everything += made
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(everything, indent=1) + "\n")
    show(rows)


if __name__ == "__main__":
    main()
