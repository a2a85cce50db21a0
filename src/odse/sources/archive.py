"""One face for every archive: images with a day, ingested one by one, their quality codes masked by name.

A composite asks an archive four things only: which images it has for some seasons, where they lie, to keep one of them on the
grid, and which of their codes are usable.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

from odse.errors import EncodingError, QualityError, SourceError, UnreadableError
from odse.grid import Grid, Window, change_of
from odse.layer.period import Season, interval_period
from odse.quality import Mask, Quality, decode, glad_mask, keep
from odse.raster.encoding import Encoding, encoding_, source_encoding
from odse.raster.work import write_work
from odse.sources import glad, landsat, netcdf
from odse.sources.ingested import IngestReport, block_of, snapped
from odse.sources.scenes import Range, Scene

Codes = npt.NDArray[np.bool_]
EVERYTHING = np.arange(65536, dtype=np.uint16)


@dataclass(frozen=True)
class Image:
    """One image of an archive: what one ingest decodes."""

    name: str
    """Unique within the archive; the name of its task."""
    day: dt.date
    """Decides its season: of an image of many days, the middle one."""
    source: str
    """Images of one source lie alike."""
    files: tuple[Path, ...]
    """What is read for it."""
    item: glad.GladFile | Scene
    """What the archive's own room knows it as."""


class Archive(Protocol):
    """Every archive, whatever its form."""

    @property
    def bands(self) -> tuple[str, ...]: ...

    @property
    def valid(self) -> tuple[tuple[int, int], ...]:
        """The range of values that are data, one a band, both ends included."""

    @property
    def method(self) -> str:
        """Third field of the names of its layers."""

    @property
    def seen(self) -> Codes:
        """(65536,): which quality codes are not no-data."""

    @property
    def usable(self) -> Codes:
        """(65536,): which quality codes its mask keeps."""

    def about(self) -> dict[str, Any]:
        """What of it can change an answer; JSON-able, without paths."""

    def encoding(self, band: str, name: str) -> Encoding:
        """The encoding of a name for the numbers of a band. Raises EncodingError."""

    def images(self, wanted: Sequence[Season], *, grid: Grid, area: BaseGeometry) -> list[Image]:
        """Its images of some seasons that may touch an area (in the grid's CRS), in the order of names. Lists folders."""

    def windows(self, images: Iterable[Image], *, grid: Grid, window: Window) -> dict[str, Window]:
        """Source -> the pixels of ``window`` that its images cover; all of it where nothing says."""

    def ingest(self, image: Image, out: Path, *, grid: Grid, window: Window) -> IngestReport:
        """Decode an image once and keep it on the grid. Never raises for a broken one: that is its report."""


@dataclass(frozen=True)
class GladArchive:
    """A mirror of GLAD Landsat ARD."""

    root: Path
    mask: str = "eumap"
    additional: bool = False
    bands: tuple[str, ...] = glad.BANDS
    valid: tuple[tuple[int, int], ...] = glad.VALID
    method: str = "landsat.glad.ard"

    @property
    def seen(self) -> Codes:
        return np.asarray(EVERYTHING != 0)

    @cached_property
    def usable(self) -> Codes:
        kept = np.zeros(65536, dtype=bool)
        kept[:256] = glad_mask(self.mask, additional=self.additional) != 0
        return kept

    def about(self) -> dict[str, Any]:
        return {"kind": "glad", "mask": self.mask, "additional": self.additional}

    def encoding(self, band: str, name: str) -> Encoding:
        return encoding_(name, kind="thermal" if band == "thermal" else "reflectance")

    def images(self, wanted: Sequence[Season], *, grid: Grid, area: BaseGeometry) -> list[Image]:
        intervals = sorted({number for season in wanted for number in season.intervals})
        change = change_of(grid.crs, "EPSG:4326")
        files = glad.scenes(self.root, intervals=intervals, area_lonlat=transform(change.transform, area))
        return [
            Image(
                f"{file.tile_name}-{file.interval}",
                interval_period(file.interval).middle,
                file.tile_name,
                (file.path,),
                file,
            )
            for file in files
        ]

    def windows(self, images: Iterable[Image], *, grid: Grid, window: Window) -> dict[str, Window]:
        files = [image.item for image in images if isinstance(image.item, glad.GladFile)]
        return glad.windows(files, grid=grid, window=window)

    def ingest(self, image: Image, out: Path, *, grid: Grid, window: Window) -> IngestReport:
        assert isinstance(image.item, glad.GladFile)
        return glad.ingest(image.item, out, grid=grid, window=window)


@dataclass(frozen=True)
class SceneArchive:
    """Scenes with a date each: a cube in netCDF, or Landsat scenes in a folder."""

    kind: Literal["netcdf", "landsat"]
    root: Path
    """A file, or the folder of the files."""
    names: tuple[tuple[str, str], ...]
    """(our name of a band, the archive's)."""
    product: str
    method: str
    mask: str | tuple[str, ...] = "clear"
    files: tuple[str, ...] = ("*.nc",)
    """Which files of the folder are one cube."""
    quality: str = ""
    """The quality variable of a cube."""

    @property
    def bands(self) -> tuple[str, ...]:
        return tuple(ours for ours, _ in self.names)

    @cached_property
    def _scenes(self) -> tuple[Scene, ...]:
        theirs = {archive: ours for ours, archive in self.names}
        if self.kind == "landsat":
            return tuple(landsat.scenes(self.root, bands=theirs, product=self.product))
        paths = [self.root]
        if self.root.is_dir():
            paths = sorted({path for pattern in self.files for path in self.root.glob(pattern)})
            if not paths:
                wanted = ", ".join(self.files)
                raise SourceError.sentence(
                    "read", f"the cube in {self.root}", "the number of its files", f"0 (of {wanted})", "correct `files`"
                )
        return netcdf.open_cube(paths, variables=theirs, quality=self.quality, product=self.product).scenes

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        return self._scenes[0].valid

    @property
    def valid(self) -> tuple[tuple[int, int], ...]:
        return tuple((one.low, one.high) for one in self.ranges)

    @cached_property
    def seen(self) -> Codes:
        seen: Codes = (decode(EVERYTHING, product=self.product) & Quality.NODATA) == 0
        return seen

    @cached_property
    def usable(self) -> Codes:
        return np.asarray(keep(product=self.product, mask=_mask(self.mask)) != 0)

    def about(self) -> dict[str, Any]:
        mask = self.mask if isinstance(self.mask, str) else list(self.mask)
        return {
            "kind": self.kind,
            "bands": [list(pair) for pair in self.names],
            "product": self.product,
            "quality": self.quality,
            "mask": mask,
            "valid": [list(pair) for pair in self.valid],
        }

    def encoding(self, band: str, name: str) -> Encoding:
        known = self.ranges[self.bands.index(band)]
        if known.scale == 1.0 and name != "uint16":
            raise EncodingError.sentence(
                "encode", f"band {band} as {name}", "its unit", "numbers of level 1", "write `encoding: uint16`"
            )
        kind: Literal["thermal", "reflectance"] = "thermal" if band.startswith("thermal") else "reflectance"
        return source_encoding(name, kind=kind, scale=known.scale, offset=known.offset)

    def images(self, wanted: Sequence[Season], *, grid: Grid, area: BaseGeometry) -> list[Image]:
        periods = [season.true_period for season in wanted]
        box = grid.snap(area.bounds)
        found = []
        for scene in self._scenes:
            covered = scene.covers(grid)
            in_time = any(period.contains(scene.date) for period in periods)
            if in_time and (covered is None or snapped(covered, box, block=block_of(grid)) is not None):
                name = f"{scene.date:%Y%m%d}-{_word(scene.name)}"
                found.append(Image(name, scene.date, name, _files(scene), scene))
        return sorted(found, key=lambda image: image.name)

    def windows(self, images: Iterable[Image], *, grid: Grid, window: Window) -> dict[str, Window]:
        result = {}
        for image in images:
            assert not isinstance(image.item, glad.GladFile)
            covered = image.item.covers(grid)
            result[image.source] = (
                window if covered is None else snapped(covered, window, block=block_of(grid)) or (0, 0, 0, 0)
            )
        return result

    def ingest(self, image: Image, out: Path, *, grid: Grid, window: Window) -> IngestReport:
        scene = image.item
        assert not isinstance(scene, glad.GladFile)
        covered = scene.covers(grid)
        part = snapped(covered or window, window, block=block_of(grid))
        if part is None:
            return IngestReport("outside")
        try:
            values, quality, met = scene.read(grid, part)
        except UnreadableError as error:
            note = f"{scene.name}: unreadable ({error})"
            return IngestReport("unreadable", part, {"unreadable": 1}, (note,))
        image_array = np.zeros((len(values) + 1, *quality.shape), dtype=np.uint16)
        image_array[-1] = quality
        seen = self.seen[image_array[-1]]
        counts = {"pixels_seen": int(seen.sum()), "values_out_of_range": 0, **met}
        for band, name, stored, (low, high) in zip(image_array[:-1], self.bands, values, self.valid, strict=True):
            good = (stored >= low) & (stored <= high)
            np.copyto(band, stored, casting="unsafe", where=good)
            strange = int((seen & ~good).sum())
            if strange:
                counts["values_out_of_range"] += strange
                counts[f"out_of_range_{name}"] = strange
        write_work(
            out,
            image_array,
            transform=grid.transform_of(part),
            crs=grid.crs,
            nodata=None,  # a code of 0 may be clear: what is no-data, the product's table says
            band_names=[*self.bands, "quality"],
        )
        return IngestReport("done", part, counts)


def _mask(mask: str | tuple[str, ...]) -> Mask:
    return mask if isinstance(mask, str) else list(mask)


def _word(name: str) -> str:
    """A scene's name as a part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name)


def _files(scene: Scene) -> tuple[Path, ...]:
    if isinstance(scene, netcdf.NetcdfScene):
        return tuple(sorted({one.path for one in (scene.quality, *scene.variables)}))
    assert isinstance(scene, landsat.LandsatScene)
    return tuple(path for path in scene.files if path is not None)


def check_mask(archive: Archive) -> None:
    """Raise QualityError when the archive's mask is unknown or keeps nothing."""
    if not archive.usable.any():
        raise QualityError.sentence("use", "the mask", "the number of codes it keeps", 0, "reject fewer words")
