"""What a plan costs before it is carried out: CPU seconds by step, memory of a worker, bytes read and written.

CPU time of a task is linear in what a plan knows of it, its *drivers*: pixels of arrays, values written, bytes of source
files, samples times features. The coefficients were fitted on runs of simulated archives (``benchmarks/plan_fit.py``) and
are in CPU seconds of a machine that does the probe in ``REFERENCE_S``; :func:`probe_s` times the same small job here, so
that a slower machine's plan says more. Memory is no fit: it is the arrays that a step holds at once, counted in its code,
on top of what a worker holds before it begins. ``benchmarks/plan_truth.py`` checks both on runs not used for the fit.
"""

from __future__ import annotations

import json
import math
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import shapely
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile
from threadpoolctl import threadpool_limits

from odse.grid import Tile, Window
from odse.learn.importance import MOST_ROWS, REPEATS, feature_groups
from odse.learn.postprocess import halo_px
from odse.raster.preview import MAX_PX
from odse.raster.work import environment
from odse.run.publication import Publication
from odse.run.samples import SampleSet
from odse.run.series import BAKEOFF_PIXELS, Features
from odse.run.task import Place, Task
from odse.series._lanes import network
from odse.series.fill import half_widths

MB = 2**20


@dataclass(frozen=True)
class Load:
    """What one task asks of a worker."""

    drivers: Mapping[str, float]
    """Name -> number; its CPU seconds are linear in these."""
    memory: float = 0.0
    """Bytes of the arrays it holds at once."""
    reads: float = 0.0
    """Bytes of source files."""
    work: float = 0.0
    """Bytes it writes below ``work/``."""
    writes: float = 0.0
    """Bytes of what it publishes or keeps."""


@dataclass(frozen=True)
class Cost:
    """What a plan costs."""

    task_seconds: Mapping[str, float]
    """Step -> CPU seconds of all its tasks."""
    around_s: float
    """CPU seconds of planning, handing out tasks, the catalogue and the page."""
    worker_start_s: float
    """CPU seconds until one worker is ready."""
    longest_s: float
    """CPU seconds of the longest way through the tasks: no number of workers is faster."""
    memory_per_worker_bytes: float
    """The most that a worker holds at once, with its libraries."""
    bytes_to_read: float
    """Of source files."""
    bytes_to_write: float
    """Of what is published."""
    work_bytes: float
    """Disk that ``work/`` takes until it is deleted."""

    def cpu_seconds(self, workers: int) -> float:
        """CPU seconds of everything, in all processes."""
        return sum(self.task_seconds.values()) + self.around_s + self.worker_start_s * workers

    def wall_seconds(self, workers: int) -> float:
        """Seconds from the command to its end with so many workers, each with a core of its own."""
        tasks = max(sum(self.task_seconds.values()) / workers, self.longest_s)
        return tasks + self.around_s + self.worker_start_s

    def to_json(self, workers: int) -> dict[str, Any]:
        return {
            "workers": workers,
            "bytes_to_read": round(self.bytes_to_read),
            "bytes_to_write": round(self.bytes_to_write),
            "work_bytes": round(self.work_bytes),
            "memory_per_worker_bytes": round(self.memory_per_worker_bytes),
            "cpu_seconds": round(self.cpu_seconds(workers), 1),
            "wall_seconds": round(self.wall_seconds(workers), 1),
            "cpu_seconds_by_step": {
                **{step: round(value, 1) for step, value in self.task_seconds.items()},
                "around": round(self.around_s + self.worker_start_s * workers, 1),
            },
        }


@dataclass(frozen=True)
class Known:
    """What is known before anything is read but headers: a plan without its cost."""

    place: Place
    features: Features
    tiles: Sequence[Tile]
    tasks: Mapping[str, Task]
    publications: Sequence[Publication]
    samples: SampleSet | None
    images: Mapping[str, tuple[int, str, Window]] = field(default_factory=dict)
    """Name of an image -> bytes of its files, its source, the pixels of the grid it covers."""
    layers_bytes: int = 0
    """Of ready layers and samples that are read."""
    bands: int = 0
    """Of the archive."""


def loads(known: Known) -> dict[str, Load]:
    """Task id -> what it asks. Pure arithmetic: a few microseconds a task."""
    place, recipe = known.place, known.place.recipe
    tiles = {tile.name: tile for tile in known.tiles}
    inside = {name: _inside(place, tile) for name, tile in tiles.items()}
    of_samples = _Samples(known)
    published = {str(one.layer.name): one for one in known.publications}
    sources: dict[str, int] = {}
    result: dict[str, Load] = {}
    for task_id, task in known.tasks.items():
        match task.step:
            case "ingest":
                size, source, window = known.images[task.name]
                sources[source] = sources.get(source, 0) + 1
                many = len({one[1] for one in known.images.values()}) > 2  # places are kept for two sources at a time
                result[task_id] = _ingest(size, _area(window), known.bands, anew=many or sources[source] == 1)
            case "composite":
                tile = tiles[task.params["tile"]]
                windows = [known.images[need.split("/", 1)[1]][2] for need in task.needs]
                days = len({known.tasks[need].params["day"] for need in task.needs})
                statistics_ = len(recipe.steps.composite.statistics) if recipe.steps.composite else 0
                result[task_id] = _composite(
                    tile, windows, inside[tile.name], days=days, bands=known.bands, statistics=statistics_
                )
            case "fill":
                result[task_id] = _fill(known, task, inside[task.params["tile"]])
            case "overlay":
                result[task_id] = of_samples.overlay(tiles[task.params["tile"]])
            case "samples" | "fit" | "train":
                result[task_id] = of_samples.learning(task)
            case "predict":
                result[task_id] = of_samples.predict(tiles[task.params["tile"]], inside[task.params["tile"]])
            case "post":
                result[task_id] = _filter(tiles[task.params["tile"]], task)
            case "bakeoff":
                result[task_id] = _bakeoff(known, task, inside)
            case _:
                one = published[task.name]
                parts = [inside[need.split("/")[1]] for need in task.needs]
                result[task_id] = _publish(place, one, sum(parts), len(parts))
    return result


def _area(window: Window) -> int:
    return max(0, window[2] - window[0]) * max(0, window[3] - window[1])


def _inside(place: Place, tile: Tile) -> float:
    """Pixels of the area in a tile."""
    return float((place.area & shapely.box(*tile.bounds)).area / place.grid.resolution_m**2)


HUGE_PAGE = 2**20
"""Values of two bytes in what the system hands out of a large array at once."""


def _rows_met(tile: Tile, windows: Sequence[Window]) -> int:
    """Rows of a tile that some window meets: memory that is never written to is never taken."""
    left, top, right, bottom = tile.window
    met = [w for w in windows if w[0] < right and left < w[2] and w[1] < bottom and top < w[3]]
    if not met:
        return 0
    return min(bottom, max(w[3] for w in met)) - max(top, min(w[1] for w in met))


def _ingest(size: int, pixels: int, bands: int, *, anew: bool) -> Load:
    """Decode, look up, write. The places of the nearest pixels are found once by a worker for each of two sources."""
    kept = pixels * (bands + 1)
    packed = 0.75 * 2 * kept
    return Load(
        {"tasks": 1, "source_mb": size / MB, "kept_mpx": kept / 1e6, "placed_mpx": pixels / 1e6 if anew else 0.0},
        memory=pixels * 4 * 2 + 2 * kept + 1.5 * packed + min(size * 2, 34 * MB) + 6 * pixels,
        reads=size,
        work=0.4 * size,
    )


def _composite(tile: Tile, windows: Sequence[Window], inside: float, *, days: int, bands: int, statistics: int) -> Load:
    pixels = tile.size_px**2
    rows = _rows_met(tile, windows)
    stack = pixels * days * bands
    touched = min(pixels, rows * tile.size_px + (HUGE_PAGE if rows else 0)) * days
    covered = sum(_area(_meet(window, tile.window)) for window in windows) * (bands + 1)
    made = bands * statistics
    packed = 2 * inside * made * 0.75
    judging = touched * (2 * bands + 3) + pixels * days * (1 + 3)  # masks and codes of one byte
    writing = touched * (2 * bands + 3) + pixels * (days + 4 + 3 * made) + 1.5 * packed
    return Load(
        {
            "tasks": 1,
            "read_mpx": covered / 1e6,
            "stack_mpx": stack / 1e6,
            "made_mpx": inside * made / 1e6,
            "blank_mpx": (pixels - inside) * made / 1e6,
        },
        memory=max(judging, writing) if days else pixels * 3 * made,
        work=packed + inside * 1.5,
    )


def _meet(one: Window, other: Window) -> Window:
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


SWAPS = {"seasconv": 20, "linear": 23, "harmonic": 29, "whittaker": 38, "same-season": 24}
"""What other ways of filling cost, in exchanges of a moving-window median's sort (25 of them with 9 years)."""


def _fill(known: Known, task: Task, inside: float) -> Load:
    recipe = known.place.recipe
    series = next(one for one in known.features.series if one.variable == task.params["variable"])
    times, pixels = len(known.features.seasons), recipe.tile_px**2
    count = len(series.statistics) * times
    size = np.dtype(series.encoding.dtype).itemsize
    told = len(recipe.steps.fill.companions)
    method, width = recipe.steps.fill.method, int(recipe.steps.fill.options.get("window_years", 9))
    years = -(-times // len(recipe.scheme_.names))
    rows = 2 * half_widths(years, width)[0] + 1
    swaps = len(network(rows, rows // 2 + 1)) if method == "tmwm" else SWAPS[method]
    packed = inside * (count * size * 0.4 + times * told * 0.12)
    stored = pixels * count
    given = size if series.found else 2
    filling = stored * 2 * given + pixels * times * 3 * 2
    # values, filled, the mask, the stored numbers, and two masks to compare them
    encoding = 0 if series.found else stored * (2 + 2 + 1 + size + 2) + pixels * times * 3
    writing = stored * (2 * given + 2 * size) + pixels * times * (3 + told) + 1.5 * packed
    return Load(
        {
            "tasks": 1,
            "values_mpx": inside * count / 1e6,
            "blank_mpx": (pixels - inside) * count / 1e6,
            "sorted_mpx": stored * swaps / 1e6,
        },
        memory=max(filling, encoding, writing),
        work=packed,
    )


def _filter(tile: Tile, task: Task) -> Load:
    """The years of a tile with its halo, the patches of one of them numbered by eight bytes, and who touches whom."""
    pixels = (tile.size_px + 2 * halo_px(task.params["minimum_px"])) ** 2
    years = len(task.params["years"])
    return Load(
        {"tasks": 1, "years_mpx": pixels * years / 1e6, "judged_mpx": pixels / 1e6},
        memory=pixels * (3 * years + 90),
        work=0.15 * tile.size_px**2,
    )


def _bakeoff(known: Known, task: Task, inside: Mapping[str, float]) -> Load:
    """Every method fills every variable once a year less one, on the pixels that are compared."""
    recipe, seasons = known.place.recipe, len(known.features.seasons)
    pixels = sum(min(inside[name], 2 * BAKEOFF_PIXELS) for name in task.params["tiles"])
    rounds = max(0, len(recipe.years_) - 1)
    widest = max(len(one.statistics) for one in known.features.series)
    return Load(
        {"tasks": 1, "filled_mpx": pixels * seasons * len(known.features.series) * rounds * 6 / 1e6},
        memory=recipe.tile_px**2 * seasons * widest * 2 + pixels * seasons * (4 * len(known.features.series) + 120),
    )


def _publish(place: Place, one: Publication, inside: float, parts: int) -> Load:
    window = _area(place.shown)
    left, top, right, bottom = place.shown
    factor = max(1.0, max(right - left, bottom - top) / MAX_PX)
    size = np.dtype(one.encoding.dtype).itemsize
    share = min(1.0, inside / max(1, window))
    seen = window / factor**2
    return Load(
        {
            "tasks": 1,
            "parts": parts,
            "window_mpx": window / 1e6,
            "smooth_mpx": inside / 1e6 if one.layer.kind == "continuous" else 0.0,
            "drawn_mpx": seen * share / 1e6,
        },
        memory=min(window, 512 * max(right - left, 512)) * size * 4 + seen * 60,
        writes=inside * size * PACKED[one.layer.kind] * 4 / 3 + seen * share * DRAWN[one.layer.kind],
    )


PACKED = {"continuous": 0.42, "class": 0.25, "count": 0.07, "flag": 0.03}
"""Bytes of a COG for a byte of its pixels inside the area."""
DRAWN = {"continuous": 0.3, "class": 0.1, "count": 0.03, "flag": 0.02}
"""Bytes of its picture for a pixel."""


class _Samples:
    """Loads of the tasks that learn and predict."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self.features = len(known.features.names)
        train = known.place.recipe.steps.train
        self.train = train
        if known.samples is not None and train is not None:
            self.n = len(known.samples.table)
            self.classes = len(known.samples.classes)
            self.learners: tuple[str, ...] = tuple(train.learners)

    def of_rows(self, pixels: float) -> float:
        """Bytes that reading the features of some pixels takes."""
        return pixels * self.features * 4 * 2 + pixels * 8

    def extent(self, tile: Tile) -> tuple[float, float]:
        """Rows and columns of a tile that the area meets."""
        left, bottom, right, top = (self.known.place.area & shapely.box(*tile.bounds)).bounds
        size = self.known.place.grid.resolution_m
        return float(top - bottom) / size, float(right - left) / size

    def overlay(self, tile: Tile) -> Load:
        assert self.known.samples is not None
        table = self.known.samples.table.iloc[self.known.samples.rows_in(tile)]
        top = tile.bounds[3]
        strip = np.floor((top - table["y"].to_numpy()) / self.known.place.grid.resolution_m).astype(int) // 512
        reads = len(set(zip(strip.tolist(), table["year"].tolist(), strict=True)))
        pixels = min(512, tile.size_px) * tile.size_px
        return Load(
            {
                "tasks": 1,
                "samples_k": self.n / 1e3,
                "features_mpx": reads * pixels * self.features / 1e6,
            },
            memory=self.of_rows(pixels) + (reads > 1) * pixels * self.features * 4,  # the last one is still there
            work=len(table) * (self.features * 4 + 8),
        )

    def fitting(self, learner: str, n: float) -> dict[str, float]:
        """Drivers of fitting one learner on n rows."""
        f, c = self.features, self.classes
        return {
            f"fits_{learner}": 1,
            f"{learner}_size": {
                "forest": n * math.log2(max(n, 2)) * math.sqrt(f) / 1e6,
                "boosting": c * (n + 1500) * f / 1e6,
                "network": n * (f + c + 60) / 1e6,
            }[learner],
        }

    def answering(self, learner: str, n: float) -> dict[str, float]:
        """Drivers of predicting n rows with one learner."""
        return {
            f"{learner}_rows": {
                "forest": n * (self.classes + 30) * math.log2(max(self.n, 2)) / 1e7,  # deeper trees
                "boosting": n * self.classes / 1e6,
                "network": n * (self.features + self.classes + 30) / 1e6,
            }[learner]
        }

    def learning(self, task: Task) -> Load:
        assert self.train is not None
        n, f, c, folds = self.n, self.features, self.classes, self.train.folds
        table = n * f * 4 * 4
        drivers: dict[str, float] = {"tasks": 1, "samples_k": n / 1e3}
        if task.step == "samples":
            return Load(drivers, memory=n * 1000, writes=n * 100)
        if task.step == "fit":
            learner = str(task.params["learner"])
            rows = n if "fold" not in task.params else n * (1 - 1 / folds)
            drivers |= self.fitting(learner, rows)
            return Load(drivers, memory=table + n * f * 8 + n * c * 8, work=n * c * 4)
        held = min(n / folds, MOST_ROWS)
        train_ = self.known.place.recipe
        groups = feature_groups(self.known.features.names, derived=train_.steps.derive, seasons=train_.scheme_.names)
        asked = held * REPEATS * sum(len(one) for one in groups.values())
        for learner in self.learners:
            drivers |= self.fitting(learner, n * (1 - 1 / folds))
            drivers |= self.answering(learner, asked)
        drivers["stacking"] = (2 * folds + 2) * n * c * (len(self.learners) + 2) / 1e6
        drivers["combined_mpx"] = asked * c * len(self.learners) / 1e6
        memory = table + held * REPEATS * (f * 4 * 3 + c * len(self.learners) * 24) + n * c * len(self.learners) * 40
        return Load(drivers, memory=memory, writes=n * 500.0)

    def predict(self, tile: Tile, inside: float) -> Load:
        c, m = self.classes, len(self.learners)
        strip = min(128, tile.size_px) * tile.size_px
        rows, columns = self.extent(tile)
        pixels, bands = tile.size_px**2, 2 * c + 3
        drivers = {
            "tasks": 1,
            "features_mpx": rows * tile.size_px * self.features / 1e6,
            "written_mpx": inside * bands / 1e6,
            "blank_mpx": (pixels - inside) * bands / 1e6,
            "combined_mpx": inside * c * m / 1e6,
        }
        for learner in self.learners:
            drivers |= self.answering(learner, inside)
        known = min(strip, columns * min(128, tile.size_px), inside)
        memory = pixels * bands + max(
            self.of_rows(strip) + known * self.features * 4,
            known * self.features * 4 * 4 + known * c * (m * (4 + 8 + 8 + 8) + 24),
            inside * bands * 0.5 * 1.5,
        )
        return Load(drivers, memory=memory, work=inside * bands * 0.37)


# --- from loads to seconds ------------------------------------------------------------------------------------------------

REFERENCE_S = 0.05
"""CPU seconds of the probe on the machine of the coefficients."""
COEFFICIENTS: dict[str, dict[str, float]] = {
    "ingest": {
        "kept_mpx": 0.00871,
        "placed_mpx": 0.0629,
        "source_mb": 0.00518,
        "tasks": 0.00955,
    },
    "composite": {
        "read_mpx": 0.00611,
        "stack_mpx": 0.00486,
        "tasks": 0.0442,
    },
    "fill": {
        "blank_mpx": 0.0116,
        "sorted_mpx": 0.00161,
        "tasks": 0.0584,
        "values_mpx": 0.00576,
    },
    "samples": {
        "samples_k": 0.000713,
        "tasks": 0.0573,
    },
    "overlay": {
        "features_mpx": 0.00532,
        "tasks": 0.156,
    },
    "fit": {
        "boosting_size": 0.0669,
        "fits_forest": 0.161,
        "fits_network": 0.0559,
        "forest_size": 3.25,
        "network_size": 1.21,
        "tasks": 0.00215,
    },
    "train": {
        "forest_rows": 0.133,
        "boosting_rows": 0.265,
        "network_rows": 0.0037,
        "combined_mpx": 0.0096,
        "boosting_size": 0.0669,
        "fits_forest": 0.161,
        "fits_network": 0.0559,
        "forest_size": 3.25,
        "network_size": 1.21,
        "stacking": 0.243,
    },
    "predict": {
        "forest_rows": 0.133,
        "boosting_rows": 0.265,
        "network_rows": 0.0037,
        "combined_mpx": 0.0096,
        "blank_mpx": 0.000128,
        "features_mpx": 0.0185,
    },
    "post": {
        "judged_mpx": 0.55,
        "tasks": 0.03,
        "years_mpx": 0.03,
    },
    "bakeoff": {
        "filled_mpx": 0.15,
        "tasks": 1.0,
    },
    "publish": {
        "parts": 0.00125,
        "smooth_mpx": 0.0874,
        "tasks": 0.00704,
        "window_mpx": 0.104,
    },
}
"""Step -> driver -> CPU seconds of a unit of it on that machine."""
WORKER_BYTES = 436 * MB
"""What a worker holds before its first task: Python, its libraries and compiled kernels."""
CACHE_BYTES = 64 * MB
"""Blocks that GDAL keeps."""
WORKER_START_S = 5.8
"""CPU seconds that a worker takes once: its imports, and what the first task of each step loads."""
WORKER_PAGES = 1.36
"""How much longer steps of arrays take in a worker than in the process of the fit: dask has its workers give freed memory
back at once (MALLOC_TRIM_THRESHOLD_ of 65536), so that each array is paid for in page faults. Measured by the probe, run
both ways."""
OF_ARRAYS = ("ingest", "composite", "fill", "overlay", "predict", "publish")
SCHEDULING_S = 0.006
"""CPU seconds around a task: keys, hand-over, its receipt read again."""
PLANNING_S, CLOSING_S = 3.0, 0.009
"""CPU seconds of imports, the plan and the page; and of catalogue and page for each layer."""


def seconds_of(step: str, drivers: Mapping[str, float], *, machine: float = 1.0, in_worker: bool = True) -> float:
    """CPU seconds of a task with these drivers. ``machine``: how much longer the probe takes than at REFERENCE_S.
    ``in_worker``: in one of dask's, or in a process of one's own.

    >>> seconds_of("publish", {"tasks": 2.0}) == 2 * seconds_of("publish", {"tasks": 1.0})
    True
    """
    slowed = machine * (WORKER_PAGES if in_worker and step in OF_ARRAYS else 1.0)
    return slowed * sum(COEFFICIENTS[step].get(name, 0.0) * value for name, value in drivers.items())


def estimate(known: Known, *, machine: float | None = None) -> Cost:
    """The cost of a plan on this machine, or on one that is ``machine`` times as slow as that of the coefficients."""
    speed = probe_s() / REFERENCE_S if machine is None else machine
    asked = loads(known)
    seconds = {name: seconds_of(known.tasks[name].step, load.drivers, machine=speed) for name, load in asked.items()}
    by_step: dict[str, float] = {}
    ends: dict[str, float] = {}
    for name, task in known.tasks.items():  # in an order in which they can be done
        by_step[task.step] = by_step.get(task.step, 0.0) + seconds[name]
        ends[name] = seconds[name] + max((ends.get(need, 0.0) for need in task.needs), default=0.0)
    layers = sum(task.step == "publish" for task in known.tasks.values())
    return Cost(
        task_seconds=by_step,
        around_s=speed * (PLANNING_S + SCHEDULING_S * len(known.tasks) + CLOSING_S * layers),
        worker_start_s=speed * WORKER_START_S,
        longest_s=max(ends.values(), default=0.0),
        memory_per_worker_bytes=WORKER_BYTES + CACHE_BYTES + max((one.memory for one in asked.values()), default=0.0),
        bytes_to_read=known.layers_bytes + sum(one.reads for one in asked.values()),
        bytes_to_write=sum(one.writes for one in asked.values()),
        work_bytes=sum(one.work for one in asked.values()),
    )


# --- the probe ------------------------------------------------------------------------------------------------------------

SIDE = 256
ROUNDS = 5


@lru_cache(maxsize=1)
def probe_s() -> float:
    """CPU seconds that a fixed small job takes on this machine, now. Takes half a second; measured once a process.

    The job is what a run is made of, without its compiled kernels, which might have to be compiled first: sorting, matrix
    products, walking a table, LZW decoded, ZSTD written and read back, text. Each part counts by the median of its rounds.
    """
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        rounds = [_round() for _ in range(ROUNDS + 1)][1:]
    return math.fsum(statistics.median(parts) for parts in zip(*rounds, strict=True))


def _round() -> list[float]:
    rng = np.random.default_rng(1)
    smooth = np.cumsum(rng.integers(-40, 41, (8, SIDE, SIDE)), axis=2) + 12000
    stack = (smooth + rng.integers(0, 300, smooth.shape)).astype(np.uint16)
    weight = rng.standard_normal((96, 64), dtype=np.float32)
    rows = rng.standard_normal((SIDE * SIDE // 4, 96), dtype=np.float32)
    places = rng.integers(0, 2**19, 2**18)
    table = np.arange(2**19, dtype=np.int64)[::-1].copy()

    def sort() -> None:
        for _ in range(4):
            np.sort(stack.reshape(8, -1), axis=0)

    def product() -> None:
        np.exp(-np.abs(rows @ weight))

    def walk() -> None:
        at = places
        for _ in range(6):
            at = table[at]

    def lzw() -> None:
        _pack(stack, {"compress": "lzw"}, reads=2)

    def zstd() -> None:
        for _ in range(3):
            _pack(stack, {"compress": "zstd", "zstd_level": 1, "predictor": 2}, reads=1)

    def text() -> None:
        json.loads(json.dumps([{str(i): i} for i in range(12_000)]))

    return [_cpu(work) for work in (sort, product, walk, lzw, zstd, text)]


def _pack(stack: np.ndarray, options: Mapping[str, object], *, reads: int) -> None:
    bands, height, width = stack.shape
    shape = {"dtype": "uint16", "count": bands, "height": height, "width": width}
    with environment(), MemoryFile() as memory:
        with memory.open(driver="GTiff", tiled=True, blockxsize=SIDE, blockysize=SIDE, **shape, **options) as target:
            target.write(stack)
        for _ in range(reads):
            with memory.open() as back:
                back.read()


def _cpu(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


# --- what there is --------------------------------------------------------------------------------------------------------

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_there_is() -> int:
    """Bytes that a run may use: of the machine, or of its container where that is less. Reads a file."""
    total = int(psutil.virtual_memory().total)
    for path in _LIMITS:
        try:
            return min(total, int(path.read_text(encoding="ascii")))
        except (OSError, ValueError):  # no container, or `max`
            continue
    return total
