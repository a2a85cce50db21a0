"""What an ingest leaves, and how a work tile reads it: images on the grid, each decoded once, stacked by their days.

An ingested image is a work file of the archive's bands, then its quality codes, all uint16, over its own window of the grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from odse.grid import Grid, Tile, Window
from odse.raster.work import read_work

BLOCK = 512
State = Literal["done", "unreadable", "outside"]


@dataclass(frozen=True)
class IngestReport:
    """What became of one image."""

    state: State
    window: Window | None = None
    """Pixels of the grid it covers; for an unreadable one those that it would cover as far as anything says."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """pixels_seen, values_out_of_range (and out_of_range_<band>), flags_unknown; or unreadable."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """One ingested image for a stack; ``path`` is None when it was unreadable."""

    time: int
    """Images of the same number are one date."""
    path: Path | None
    window: Window | None


def block_of(grid: Grid) -> int:
    """Side of the blocks that images are kept in. A preview is small: half a block of 512 may be half an image."""
    return BLOCK if grid.factor == 1 else 16


def snapped(covered: Window, window: Window, *, block: int = BLOCK) -> Window | None:
    """The overlap of two windows of the grid, snapped outward to its blocks; None where they do not meet.

    >>> snapped((10, 10, 600, 20), (0, 0, 2000, 2000))
    (0, 0, 1024, 512)
    """
    left, top = max(covered[0], window[0]), max(covered[1], window[1])
    right, bottom = min(covered[2], window[2]), min(covered[3], window[3])
    if right <= left or bottom <= top:
        return None
    return left // block * block, top // block * block, -(-right // block) * block, -(-bottom // block) * block


def read_stack(
    parts: Sequence[Part], tile: Tile, *, bands: int, seen: npt.NDArray[np.bool_]
) -> tuple[list[int], npt.NDArray[np.uint16], npt.NDArray[np.uint16], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The ingested images of a work tile, one date a time.

    ``seen`` (65536,) says which quality codes are not no-data. Gives the times, values (band, time, y, x) uint16, quality codes
    (time, y, x) uint16, where anything was seen, and where an image was unreadable (time, y, x). Where several images of one
    time meet, the first that saw something wins, in the order of their paths. Reads the work files.
    """
    times = sorted({part.time for part in parts})
    values = np.zeros((bands, len(times), *tile.shape), dtype=np.uint16)
    quality = np.zeros((len(times), *tile.shape), dtype=np.uint16)
    known = np.zeros((len(times), *tile.shape), dtype=bool)
    unreadable = np.zeros((len(times), *tile.shape), dtype=bool)
    left, top, right, bottom = tile.window
    for part in sorted(parts, key=lambda one: (one.time, str(one.path))):
        if part.window is None:
            continue
        col0, row0 = max(part.window[0], left), max(part.window[1], top)
        col1, row1 = min(part.window[2], right), min(part.window[3], bottom)
        if col0 >= col1 or row0 >= row1:
            continue
        t = times.index(part.time)
        here = (slice(row0 - top, row1 - top), slice(col0 - left, col1 - left))
        if part.path is None:
            unreadable[t][here] = True
            continue
        window = (col0 - part.window[0], row0 - part.window[1], col1 - part.window[0], row1 - part.window[1])
        image = read_work(part.path, window=window)
        new = ~known[t][here] & seen[image[bands]]
        known[t][here] |= new
        np.copyto(quality[t][here], image[bands], where=new)
        np.copyto(values[:, t][:, *here], image[:bands], where=new)
    unreadable &= ~known
    return times, values, quality, known, unreadable
