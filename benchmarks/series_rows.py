"""Rows of `make bench` for the geometric median, the other definition of a percentile and the metrics, beside their peers."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.run import KEEP, odc_percentiles, pair, record, same
from odse.series.composite import composite
from odse.series.geomedian import GeomedianResult, geomedian
from odse.series.metrics import metrics

BANDS = 6


def spectra(times: int, side: int) -> np.ndarray:
    """(time, band, y, x) float32: reflectance under changing light, with noise, unmasked clouds (15 %) and gaps (50 %)."""
    rng = np.random.default_rng(times)
    one = (times, 1, side, side)
    values = rng.uniform(0.02, 0.5, (1, BANDS, side, side)) * (1 + rng.normal(0, 0.1, one))
    values += rng.normal(0, 0.015, values.shape)
    values = np.where(rng.random(one) < 0.15, values + rng.uniform(0.1, 0.6, one), values)
    return np.where(rng.random(one) < 0.5, np.nan, values).astype(np.float32)


def geomedian_rows(times: int) -> list[dict[str, Any]]:
    """Beside geomad on one thread, in the layout it likes best: as it is set, set as fine as ours, and with the deviations."""
    import geomad

    side = 128
    values = spectra(times, side)
    theirs_in = np.ascontiguousarray(values.transpose(2, 3, 1, 0))

    def ours() -> GeomedianResult:
        return geomedian(values)

    def ours_with_deviations() -> GeomedianResult:
        return geomedian(values, deviations=True)

    def theirs(eps: float = 1e-4) -> np.ndarray:
        return geomad.nangeomedian_pcm(theirs_in, num_threads=1, nocheck=True, eps=eps)

    def deviations_of(median: np.ndarray) -> list[np.ndarray]:
        return [peer(theirs_in, median, num_threads=1) for peer in (geomad.emad_pcm, geomad.smad_pcm, geomad.bcmad_pcm)]

    exact = theirs(1e-8)
    mine = ours_with_deviations()
    same(np.nan_to_num(mine.values), np.nan_to_num(exact.transpose(2, 0, 1)), "geomad", within=1e-4)
    for found, wanted in zip((mine.emad, mine.smad, mine.bcmad), deviations_of(exact), strict=True):
        same(np.nan_to_num(found), np.nan_to_num(wanted), "geomad's deviations", within=5e-4)

    def error(median: np.ndarray) -> float:
        return float(np.nanquantile(np.abs(median - exact), 0.99))

    usual, fine = error(theirs()), error(theirs(1e-6))
    own = error(mine.values.transpose(1, 2, 0))
    if not own < fine < usual:
        raise SystemExit(
            f"cannot compare with geomad, because the errors are {own}, {fine} and {usual}; correct the settings"
        )
    what = f"geomedian, {BANDS} bands, float32, {times} dates, half masked"
    megapixels = side * side / 1e6
    rows = []
    for beside, mine_, peer, target in (
        (f"geomad, error {usual:.0e} (ours {own:.0e})", ours, theirs, 3),
        (f"geomad, eps 1e-6, error {fine:.0e} (ours {own:.0e})", ours, lambda: theirs(1e-6), 3),
        ("geomad, with emad, smad, bcmad", ours_with_deviations, lambda: deviations_of(theirs()), 3),
    ):
        a, b, ratio = pair(mine_, peer, scale=1)
        rows.append(record(what, beside, "Mpx per CPU second", megapixels / a, megapixels / b, ratio, target))
    return rows


def nearest_rows(times: int) -> list[dict[str, Any]]:
    """The definition of odc-algo: to the bit the same answer."""
    rng = np.random.default_rng(times)
    shape = (times, 256, 512)
    values = rng.integers(1, 40001, shape).astype(np.uint16)
    quality = np.where(rng.random(shape) < 0.5, 1, 3).astype(np.uint8)

    def ours() -> np.ndarray:
        return composite(values, quality, keep=KEEP, method="nearest").percentiles

    def theirs() -> np.ndarray:
        return odc_percentiles(np.where(KEEP[quality] != 0, values, 0))

    same(ours(), theirs(), "odc-algo")
    a, b, ratio = pair(ours, theirs, scale=1)
    megapixels = shape[1] * shape[2] / 1e6
    what = f"p25/p50/p75 `nearest` + mask, uint16, {times} dates, half masked"
    return [record(what, "odc-algo", "Mpx per CPU second", megapixels / a, megapixels / b, ratio, 4)]


def metrics_rows(times: int) -> list[dict[str, Any]]:
    """Seven metrics from one pass, beside numpy's functions for them, on an eighth of the pixels."""
    rng = np.random.default_rng(times)
    shape = (times, 256, 512)
    values = rng.integers(1, 40001, shape).astype(np.uint16)
    quality = np.where(rng.random(shape) < 0.5, 1, 3).astype(np.uint8)
    quality[:2] = 1
    few, few_quality = np.ascontiguousarray(values[:, :32]), np.ascontiguousarray(quality[:, :32])

    def ours() -> dict[str, np.ndarray]:
        return metrics(values, quality, keep=KEEP)

    def theirs() -> dict[str, np.ndarray]:
        known = np.where(KEEP[few_quality] != 0, few, np.nan)
        low, high = np.nanmin(known, axis=0), np.nanmax(known, axis=0)
        lower, upper = np.nanpercentile(known, (25, 75), axis=0)
        return {"min": low, "max": high, "range": high - low, "mean": np.nanmean(known, axis=0),
                "sd": np.nanstd(known, axis=0, ddof=1), "iqr": upper - lower}  # fmt: skip

    mine = ours()
    for name, peer in theirs().items():
        within = {"sd": 1e-2}.get(name, 0.51)
        same(mine[name][:32], peer, f"numpy's {name}", within=within)
    a, b, ratio = pair(ours, theirs, scale=8)
    megapixels = shape[1] * shape[2] / 1e6
    what = f"count, min, max, range, mean, sd, iqr, {times} dates, half masked"
    return [record(what, "numpy.nan*", "Mpx per CPU second", megapixels / a, megapixels / b, ratio, 50)]


def rows() -> list[dict[str, Any]]:
    """All rows of this file."""
    return [*geomedian_rows(24), *geomedian_rows(72), *nearest_rows(24), *metrics_rows(24)]


if __name__ == "__main__":
    for row in rows():
        met = {True: "met", False: "MISSED", None: ""}[row["met"]]
        print(
            f"{row['what']:<66} {row['beside']:<52} {row['ours']:>9.3f} {row['theirs']:>9.4f} {row['ratio']:>8.1f} {met}"
        )
