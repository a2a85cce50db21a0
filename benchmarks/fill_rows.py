"""Rows of the benchmark for the smoother and the convolution, beside what their users have today.

Called by `make bench`; alone: ``python -m benchmarks.fill_rows``. The moving-window median has its rows in
:mod:`benchmarks.run`.
"""

from __future__ import annotations

from typing import Any

from benchmarks.run import pair, record, same  # first: it sets the number of threads

import numpy as np  # isort: skip
from scipy.fft import irfft, rfft
from scipy.linalg import solveh_banded, toeplitz

from odse.series.fill import fill, seasconv_kernel
from odse.series.whittaker import smooth


def gappy(times: int, height: int, width: int, gaps: float) -> np.ndarray:
    """Random uint16 with 0 for gaps."""
    rng = np.random.default_rng(times)
    series = rng.integers(1, 20001, (times, height, width)).astype(np.uint16)
    series[rng.random(series.shape) < gaps] = 0
    return series


def whittaker_rows(times: int, target: float | None) -> list[dict[str, Any]]:
    """One banded solve a series, as scipy's users write it, on a 64th of the pixels."""
    lambda_ = 10.0
    series = gappy(times, 256, 256, 0.4)
    few = np.ascontiguousarray(series[:, :4])
    difference = np.diff(np.eye(times), 2, axis=0)
    full = lambda_ * difference.T @ difference
    bands = np.zeros((3, times))
    for k in range(3):
        bands[2 - k, k:] = np.diagonal(full, k)

    def ours() -> np.ndarray:
        return smooth(series, nodata=0, lambda_=lambda_).values

    def theirs() -> np.ndarray:
        out = np.empty(few.shape)
        for y, x in np.ndindex(few.shape[1:]):
            one = few[:, y, x]
            matrix = bands.copy()
            matrix[2] += one > 0
            out[:, y, x] = solveh_banded(matrix, one.astype(float), check_finite=False)
        return out

    same(ours()[:, :4], theirs(), "scipy.linalg.solveh_banded", within=2e-6 * 20000)
    a, b, ratio = pair(ours, theirs, scale=64)
    n = series[0].size / 1e6
    what = f"weighted Whittaker, uint16, {times} dates, 40% gaps"
    return [
        record(
            what, "scipy.linalg.solveh_banded per series", "million series per CPU second", n / a, n / b, ratio, target
        )
    ]


def seasconv_rows(times: int, seasons: int, targets: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    """The whole job: uint16 with gaps in, uint16 without and a quality byte out. Matrices and FFT as the original has
    them.
    """
    series = gappy(times, 128, 256, 0.4)
    kernel = seasconv_kernel(times, seasons).astype(np.float32)
    matrix = toeplitz(kernel).astype(np.float32)
    np.fill_diagonal(matrix, 0)
    reach = matrix.sum(axis=1, dtype=np.float64).astype(np.float32)
    circle = rfft(np.concatenate([[0], kernel[1:], [0], kernel[:0:-1]]).astype(np.float64))

    def ours() -> np.ndarray:
        return fill(series, nodata=0, method="seasconv", seasons_per_year=seasons).values

    def finished(flat: np.ndarray, known: np.ndarray, top: np.ndarray, low: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            filled = np.where(known, flat, np.floor(top / low + np.float32(0.5))).astype(np.uint16)
        quality = np.where(known, 100, 100 * low / reach[:, None]).astype(np.uint8)
        assert quality.shape == filled.shape
        return filled.reshape(series.shape)

    def with_matrices() -> np.ndarray:
        flat = series.reshape(times, -1)
        known = flat > 0
        return finished(flat, known, matrix @ flat.astype(np.float32), matrix @ known.astype(np.float32))

    def with_fft() -> np.ndarray:
        """In 64 bits: in 32 its rounding would drown the small weights."""
        flat = series.reshape(times, -1)
        known = flat > 0
        both = [
            irfft(rfft(part, 2 * times, axis=0) * circle[:, None], 2 * times, axis=0)[:times]
            for part in (flat.astype(np.float64), known.astype(np.float64))
        ]
        return finished(flat, known, *both)

    rows = []
    answer = ours()
    n = series[0].size / 1e6
    what = f"SeasConv, uint16, {times} dates, 40% gaps"
    for beside, theirs, target in (
        ("numpy: two products with the matrix, 32 bits", with_matrices, targets[0]),
        ("scipy: two convolutions by FFT, 64 bits", with_fft, targets[1]),
    ):
        same(answer, theirs(), beside, within=1)  # a half may be rounded to either side
        a, b, ratio = pair(ours, theirs, scale=1)
        rows.append(record(what, beside, "million series per CPU second", n / a, n / b, ratio, target))
    return rows


def rows() -> list[dict[str, Any]]:
    """All of them."""
    return [
        *whittaker_rows(24, 100),
        *whittaker_rows(84, None),
        *seasconv_rows(84, 4, (None, None)),
        *seasconv_rows(156, 6, (5, 5)),
    ]


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row['what']:<50} {row['beside']:<46} {row['ours']:>8.3f} {row['theirs']:>9.4f} {row['ratio']:>8.1f} {row['target']}"
        )
