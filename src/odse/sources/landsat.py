"""Landsat scenes as the USGS delivers them: one GeoTIFF a band, quality bits in one more, each scene on a grid of its own.

Names as ``LC08_L1TP_013032_20180131_20180207_01_T1_B4.TIF`` in one folder or in a folder a scene; short names without the
processing date, as in ``LC08_L1TP_013032_20180131_B4.TIF``, are read too. The raster's own place is trusted. A scene one of
whose files is missing or cannot be decoded is unreadable, which is not a gap and never becomes no-data.
"""

from __future__ import annotations

import datetime as dt
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from odse.errors import SourceError, UnreadableError
from odse.grid import Grid, Window
from odse.quality import product_
from odse.raster.work import environment
from odse.sources.scenes import Array, Observed, Place, Range, nearest_pixels, one_line, pick, valid_range

NAME = re.compile(
    r"(?P<sensor>L[A-Z]\d\d)_(?P<level>[A-Z0-9]{4})_(?P<path>\d{3})(?P<row>\d{3})_(?P<date>\d{8})"
    r"(_(?P<processed>\d{8})_(?P<collection>\d\d)_(?P<tier>[A-Z0-9]{2}))?_(?P<band>\w+)",
    re.IGNORECASE,
)
SUFFIXES = (".tif", ".tiff")
QUALITY_FILES = {"landsat-c1-bqa": "BQA", "landsat-c1": "pixel_qa", "landsat-c2": "QA_PIXEL"}
"""How the quality file of each product ends."""


@dataclass(frozen=True)
class LandsatScene:
    """One scene: a path, a row and a date."""

    date: dt.date
    name: str
    """LC08_L1TP_013032_20180131"""
    bands: tuple[str, ...]
    product: str
    valid: tuple[Range, ...]
    files: tuple[Path | None, ...]
    """One a band, then the quality; None where a file is missing."""
    keys: tuple[str, ...]
    """How the names of these files end."""

    @property
    def path_row(self) -> tuple[int, int]:
        """Orbit and image of the Worldwide Reference System 2.

        >>> scene = LandsatScene(dt.date(2018, 1, 31), "LC08_L1TP_013032_20180131", (), "landsat-c1-bqa", (), (), ())
        >>> scene.path_row
        (13, 32)
        """
        place = self.name.split("_")[2]
        return int(place[:3]), int(place[3:])

    def covers(self, grid: Grid) -> Window | None:
        """By the header of its quality, else of any of its files."""
        for path in reversed(self.files):
            try:
                with _opened(self.name, path) as source:
                    return _place(self.name, source).covers(grid)
            except UnreadableError:
                continue
        return None

    def read(self, grid: Grid, window: Window) -> Observed:
        """Values and quality by the nearest pixel of each file. Raises UnreadableError for any file of the scene."""
        nodata = product_(self.product).nodata_code
        outside = [*(0 for _ in self.bands), nodata]
        layers: list[Array] = []
        for path, key, beyond in zip(self.files, self.keys, outside, strict=True):
            with _opened(self.name, path, key) as source:
                kind = np.dtype(source.dtypes[0])
                if source.count != 1 or kind.kind not in "iu":
                    what = f"{source.count} bands of {kind}"
                    raise UnreadableError.sentence("read", f"scene {self.name}", f"its {key}", what, "fetch it again")
                place = _place(self.name, source)
                layers.append(pick(source, 1, nearest_pixels(grid, window, place), outside=beyond))
        values = np.stack(layers[:-1]) if self.bands else np.zeros((0, *layers[-1].shape), np.uint16)
        return Observed(values, layers[-1], {})


def scenes(
    root: str | Path,
    *,
    bands: Sequence[str] | Mapping[str, str],
    product: str = "landsat-c1-bqa",
    dates: tuple[dt.date, dt.date] | None = None,
    valid: Mapping[str, tuple[int, int]] | None = None,
) -> list[LandsatScene]:
    """The scenes below a folder that have a quality file of a product, by date and name. Lists folders, opens no file.

    ``bands`` are the ends of file names (``B4``, ``SR_B4``), or map them to the names the bands shall have; ``dates`` picks
    days, both ends included; ``valid`` overrides the range of a band. A scene without one of the bands is listed, and
    unreadable. Raises SourceError for a root that is no folder, for a product of other archives, for a folder without scenes,
    and for one scene that is there twice (as after reprocessing).
    """
    root = Path(root)
    if not root.is_dir():
        raise SourceError.sentence("list", f"archive {root.name}", "it", "no folder", "give the folder of the scenes")
    if product not in QUALITY_FILES:
        raise SourceError.sentence(
            "list", f"archive {root.name}", "its product", repr(product), f"write one of {', '.join(QUALITY_FILES)}"
        )
    names = dict(bands) if isinstance(bands, Mapping) else {band: band for band in bands}
    keys = (*names, QUALITY_FILES[product])
    ranges = tuple(_range(product, key, name, valid or {}) for key, name in names.items())
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(root.rglob("*")):
        match = NAME.fullmatch(path.stem)
        if path.suffix.lower() not in SUFFIXES or not match:
            continue
        name = "_".join(match[part] for part in ("sensor", "level")) + f"_{match['path']}{match['row']}_{match['date']}"
        other = found.setdefault(name.upper(), {}).setdefault(match["band"].upper(), path)
        if other != path:
            both = f"there twice ({other.name}, {path.name})"
            raise SourceError.sentence("use", f"scene {name}", f"its {match['band']}", both, "keep one")
    listed = []
    for name, files in found.items():
        day = dt.datetime.strptime(name.split("_")[3], "%Y%m%d").date()
        if (dates is None or dates[0] <= day <= dates[1]) and any(key.upper() in files for key in keys):
            parts = tuple(files.get(key.upper()) for key in keys)
            listed.append(LandsatScene(day, name, tuple(names.values()), product, ranges, parts, keys))
    if not found:
        raise SourceError.sentence(
            "list", f"archive {root.name}", "its scenes", "none", "give the folder above LC08_..._B4.TIF"
        )
    return sorted(listed, key=lambda scene: (scene.date, scene.name))


def _range(product: str, key: str, name: str, own: Mapping[str, tuple[int, int]]) -> Range:
    for given in (name, key):
        if given in own:
            return Range(*own[given])
    return valid_range(product, key)


@contextmanager
def _opened(name: str, path: Path | None, key: str = "file") -> Iterator[DatasetReader]:
    """A file of a scene; what GDAL raises while the block runs becomes UnreadableError."""
    if path is None or not path.exists():
        raise UnreadableError.sentence("read", f"scene {name}", f"its {key}", "missing", "fetch it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # _place says it, as an error
            with environment(), rasterio.open(path) as source:
                yield source
    except RasterioError as error:
        raise UnreadableError.sentence(
            "read", f"scene {name}", "GDAL's answer", one_line(error, path), "fetch it again"
        ) from error


def _place(name: str, source: DatasetReader) -> Place:
    if source.crs is None or source.transform.is_identity:
        raise UnreadableError.sentence("read", f"scene {name}", "its place", "missing", "fetch it again")
    return Place(_wkt(source.crs), source.transform, (int(source.height), int(source.width)))


@lru_cache(maxsize=64)
def _wkt(crs: rasterio.crs.CRS) -> str:
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())
