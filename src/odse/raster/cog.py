"""From work tiles to one cloud-optimised GeoTIFF per Layer: assembled, verified block by block, then put in
place.

Memory does not grow with the area beyond what is small: the tiles are joined by a VRT and GDAL's COG driver walks it in blocks.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.io import DatasetReader, MemoryFile
from shapely.geometry.base import BaseGeometry

from odse.errors import RasterError
from odse.grid import Grid, Tile, Window
from odse.layer.layer import Layer
from odse.raster.encoding import Encoding
from odse.raster.work import crc32, environment, reading, window_of
from odse.store.files import check_room, replacing, sha256_of

BLOCK = 512

LEVEL = 1
"""Of ZSTD: 9 takes a third more time and saves 5 % on classes, nothing on reflectance."""

IN_MEMORY_PX = 2**24
"""COGs of up to so many pixels are assembled in memory: 22 MB of bytes with their overviews."""

OVERVIEWS = {"continuous": "AVERAGE", "class": "MODE", "count": "NEAREST", "flag": "NEAREST"}


@dataclass(frozen=True)
class Part:
    """One work tile's share of a Layer."""

    path: Path
    band: int
    """Counted from 1."""
    window: Window
    """Its place on the grid."""


@dataclass(frozen=True)
class CogInfo:
    """What a verified COG holds. Statistics are of stored values, over valid pixels."""

    sha256: str
    bytes: int
    shape: tuple[int, int]
    """(y, x)"""
    minimum: float | None
    maximum: float | None
    mean: float | None
    stddev: float | None
    valid_percent: float
    """Of all pixels of the file."""
    counts: Mapping[str, int]
    """For classes and flags: number of pixels by stored value."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> CogInfo:
        return cls(**{**record, "shape": tuple(record["shape"])})


def area_mask(area: BaseGeometry, tile: Tile) -> npt.NDArray[np.bool_]:
    """(y, x), True where a pixel's centre lies inside the area."""
    mask: npt.NDArray[np.bool_] = geometry_mask([area], out_shape=tile.shape, transform=tile.transform, invert=True)
    return mask


def write_cog(
    path: Path,
    parts: Sequence[Part],
    *,
    window: Window,
    grid: Grid,
    layer: Layer,
    encoding: Encoding,
    tags: Mapping[str, str],
) -> CogInfo:
    """Assemble the parts into one COG over ``window`` and verify it. Writes ``path`` and nothing else.

    Pixels of the window where no part lies become no-data. Every pixel is compared with the parts, and the
    parts with what their tasks wrote, before the file takes its name. Raises RasterError when a part lies
    elsewhere, parts overlap, or pixels differ; UnreadableError for a damaged part; StoreError for a missing
    one and when the disk refuses.
    """
    path = Path(path)
    height, width = window[3] - window[1], window[2] - window[0]
    # What a failed write may have wanted: GDAL only logs a full disk, then frees its files before one looks.
    room_mb = 4 + height * width * np.dtype(encoding.dtype).itemsize * 4 // 3 // 2**20
    with environment():
        cover = _cover(parts, window)
        for part in parts:
            _check_part(part, grid, encoding)
        with replacing(path) as beside:
            vrt = beside.with_suffix(".vrt")
            try:
                vrt.write_text(_vrt(parts, window, grid, layer, encoding, tags), encoding="utf-8")
                _assemble(vrt, beside, OVERVIEWS[layer.kind], in_memory=height * width <= IN_MEMORY_PX)
            except (RasterioError, CPLE_BaseError) as error:
                _check_crcs(parts)
                check_room(path.parent, mb=room_mb)
                raise RasterError.sentence(
                    "write",
                    path.name,
                    "GDAL's answer",
                    " ".join(str(error).split()),
                    "mend that and run again",
                ) from error
            finally:
                vrt.unlink(missing_ok=True)
            try:
                statistics = _verify(beside, parts, window, encoding, cover)
            except (RasterioError, _Different) as error:
                check_room(path.parent, mb=room_mb)
                raise RasterError.sentence(
                    "trust",
                    path.name,
                    "what was written",
                    " ".join(str(error).split()),
                    "look at the disk and run again",
                ) from error
            info = CogInfo(sha256_of(beside), beside.stat().st_size, (height, width), **statistics)
    return info


def _assemble(vrt: Path, path: Path, resampling: str, *, in_memory: bool) -> None:
    """The joined parts as a COG; the same bytes either way.

    In memory the parts are decoded once and the overviews come from plain pixels. Else GDAL's driver walks the parts once for
    the overviews, which it keeps in a file beside the COG, and once more for the pixels.
    """
    options = {
        "driver": "COG",
        "compress": "ZSTD",
        "level": LEVEL,
        "predictor": "YES",
        "blocksize": BLOCK,
        "overview_compress": "ZSTD",
        "overview_predictor": "YES",
        "bigtiff": "IF_SAFER",
        "num_threads": "1",
        "statistics": "NO",
        "geotiff_version": "1.1",
    }
    if not in_memory:
        rasterio.shutil.copy(vrt, path, overview_resampling=resampling, **options)
        return
    with MemoryFile() as memory:
        plain = {"driver": "GTiff", "tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "bigtiff": "IF_SAFER"}
        rasterio.shutil.copy(vrt, memory.name, **plain)
        with rasterio.open(memory.name, "r+") as joined:
            longer = max(joined.width, joined.height)
            levels = [2**k for k in range(1, 32) if longer >> (k - 1) > BLOCK]
            own = bool(levels) and not (joined.width % levels[-1] or joined.height % levels[-1])
            if own:  # an odd side is cut by GDAL's COG driver, rounded up by its overviews: there the driver makes them
                joined.build_overviews(levels, Resampling[resampling.lower()])
        made = {"overviews": "FORCE_USE_EXISTING"} if own else {"overview_resampling": resampling}
        rasterio.shutil.copy(memory.name, path, **options, **made)


class _Different(Exception):
    """The file does not hold what it should."""


def _vrt(
    parts: Sequence[Part],
    window: Window,
    grid: Grid,
    layer: Layer,
    encoding: Encoding,
    tags: Mapping[str, str],
) -> str:
    """The parts side by side, as GDAL's virtual format; tags, scale and colours ride along into the COG."""
    transform = grid.transform_of(window)
    kind = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "int32": "Int32"}[encoding.dtype]
    size = f'rasterXSize="{window[2] - window[0]}" rasterYSize="{window[3] - window[1]}"'
    lines = [
        f"<VRTDataset {size}>",
        f"<SRS>{escape(grid.crs)}</SRS>",
        f"<GeoTransform>{', '.join(repr(float(v)) for v in transform.to_gdal())}</GeoTransform>",
        "<Metadata>",
    ]
    for key, value in sorted({"name": str(layer.name), **tags, "title": layer.title}.items()):
        lines.append(f"<MDI key={quoteattr(key)}>{escape(value)}</MDI>")
    lines += [
        "</Metadata>",
        f'<VRTRasterBand dataType="{kind}" band="1">',
        f"<Description>{escape(layer.name.asset_key)}</Description>",
        f"<NoDataValue>{encoding.nodata}</NoDataValue>",
        f"<UnitType>{escape(layer.unit)}</UnitType>",
        f"<Offset>{encoding.offset!r}</Offset>",
        f"<Scale>{encoding.scale!r}</Scale>",
    ]
    if layer.legend is not None:
        lines.append("<ColorInterp>Palette</ColorInterp><ColorTable>")
        colours = layer.style.colormap()
        for entry in range(256):
            r, g, b, a = colours.get(entry, (0, 0, 0, 0))
            lines.append(f'<Entry c1="{r}" c2="{g}" c3="{b}" c4="{a}"/>')
        lines.append("</ColorTable>")
    for part, source, target in _overlaps(parts, window):
        lines.append(
            f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(str(part.path))}</SourceFilename>'
            f"<SourceBand>{part.band}</SourceBand>"
            f"<SrcRect {_rectangle(source)}/><DstRect {_rectangle(target)}/>"
            "</SimpleSource>"
        )
    return "\n".join([*lines, "</VRTRasterBand>", "</VRTDataset>"])


def _rectangle(window: Window) -> str:
    left, top, right, bottom = window
    return f'xOff="{left}" yOff="{top}" xSize="{right - left}" ySize="{bottom - top}"'


def _overlaps(parts: Sequence[Part], window: Window) -> Iterator[tuple[Part, Window, Window]]:
    """Each part with the piece it gives (in its own pixels) and where that lies in the COG."""
    for part in sorted(parts, key=lambda p: (p.window[1], p.window[0])):
        col0, row0 = max(part.window[0], window[0]), max(part.window[1], window[1])
        col1, row1 = min(part.window[2], window[2]), min(part.window[3], window[3])
        if col0 < col1 and row0 < row1:
            left, top = part.window[0], part.window[1]
            yield (
                part,
                (col0 - left, row0 - top, col1 - left, row1 - top),
                (col0 - window[0], row0 - window[1], col1 - window[0], row1 - window[1]),
            )


def _cover(parts: Sequence[Part], window: Window) -> dict[tuple[int, int], list[Window]]:
    """Block (row, column) of the COG -> the rectangles of it that parts give. Raises RasterError when two
    overlap."""
    cover: dict[tuple[int, int], list[Window]] = {}
    for part, _, (left, top, right, bottom) in _overlaps(parts, window):
        for row, col in itertools.product(
            range(top // BLOCK, -(-bottom // BLOCK)), range(left // BLOCK, -(-right // BLOCK))
        ):
            here = (
                max(left, col * BLOCK),
                max(top, row * BLOCK),
                min(right, (col + 1) * BLOCK),
                min(bottom, (row + 1) * BLOCK),
            )
            for other in cover.setdefault((row, col), []):
                if here[0] < other[2] and other[0] < here[2] and here[1] < other[3] and other[1] < here[3]:
                    raise RasterError.sentence(
                        "assemble",
                        "the parts of a layer",
                        f"the place of {part.path.name}",
                        "one where parts overlap",
                        "give each tile once",
                    )
            cover[row, col].append(here)
    return cover


def _check_part(part: Part, grid: Grid, encoding: Encoding) -> None:
    """Refuse a work tile that does not fit its place or the encoding; reads its header."""
    col0, row0, col1, row1 = part.window
    with reading(part.path) as source:
        if part.band > source.count:
            raise RasterError.sentence(
                "assemble",
                part.path.name,
                "the wanted band",
                f"{part.band} of {source.count}",
                "make the tile anew",
            )
        place: Affine = grid.transform_of(part.window)
        if source.shape != (row1 - row0, col1 - col0) or not place.almost_equals(source.transform, 1e-6):
            raise RasterError.sentence(
                "assemble",
                part.path.name,
                "its place",
                f"{source.width} x {source.height} px from ({source.transform.c:g}, {source.transform.f:g}), "
                f"not {col1 - col0} x {row1 - row0} px from ({place.c:g}, {place.f:g})",
                "make the tile anew",
            )
        found = (source.dtypes[part.band - 1], source.nodata)
        if found != (encoding.dtype, encoding.nodata):
            raise RasterError.sentence(
                "assemble",
                part.path.name,
                "its type and no-data",
                f"{found[0]}, {found[1]}",
                f"store it as {encoding.dtype}, {encoding.nodata}",
            )


def _strips(source: DatasetReader, part: Part) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """The rows of a part in strips of one block, each with its first row; at the end its CRC is compared.

    Raises RasterError when the pixels are others than those that its task had in its hands.
    """
    crc = 0
    for row in range(0, source.height, BLOCK):
        strip = source.read(part.band, window=window_of((0, row, source.width, min(row + BLOCK, source.height))))
        crc = crc32(strip, crc)
        yield row, strip
    written = source.tags(part.band).get("CRC32")
    if written is not None and written != f"{crc:08x}":
        raise RasterError.sentence(
            "assemble",
            part.path.name,
            f"the pixels of its band {part.band}",
            "not those that its task wrote",
            "look at the disk and make the tile anew",
        )


def _check_crcs(parts: Sequence[Part]) -> None:
    """Read every part; raises UnreadableError or RasterError for the first that is damaged."""
    for part in parts:
        with reading(part.path) as source:
            for _ in _strips(source, part):
                pass


def _verify(
    path: Path,
    parts: Sequence[Part],
    window: Window,
    encoding: Encoding,
    cover: Mapping[tuple[int, int], list[Window]],
) -> dict[str, Any]:
    """Compare every pixel of the file with its parts, strip by strip, and gather its statistics on the way.

    Raises _Different where the file differs, RasterError or UnreadableError where a part is not what it was.
    """
    counts: Counter[int] = Counter()
    with rasterio.open(path) as cog:
        if cog.nodata != encoding.nodata or cog.dtypes[0] != encoding.dtype:
            raise _Different(f"of type {cog.dtypes[0]} with no-data {cog.nodata}")
        for part, source_window, target in _overlaps(parts, window):
            left, top, right, bottom = source_window
            with reading(part.path) as source:
                for row, strip in _strips(source, part):
                    first, last = max(row, top), min(row + len(strip), bottom)
                    if first >= last:
                        continue
                    wanted = strip[first - row : last - row, left:right]
                    here = (target[0], target[1] + first - top, target[2], target[1] + last - top)
                    found = cog.read(1, window=window_of(here))
                    if not np.array_equal(wanted, found):
                        raise _Different(
                            f"at its block at row {here[1]}, column {here[0]} not that of {part.path.name}"
                        )
                    _count(found, counts)
        for row, col in itertools.product(range(-(-cog.height // BLOCK)), range(-(-cog.width // BLOCK))):
            block = (
                col * BLOCK,
                row * BLOCK,
                min((col + 1) * BLOCK, cog.width),
                min((row + 1) * BLOCK, cog.height),
            )
            given = cover.get((row, col), [])
            if sum(_area(one) for one in given) < _area(block):
                found = cog.read(1, window=window_of(block))
                for one in given:
                    found[one[1] - block[1] : one[3] - block[1], one[0] - block[0] : one[2] - block[0]] = (
                        encoding.nodata
                    )
                if (found != encoding.nodata).any():
                    raise _Different(f"at its block at row {block[1]}, column {block[0]} a value where no part lies")
        total = cog.width * cog.height
    del counts[encoding.nodata]
    return _statistics(counts, encoding, total)


def _area(window: Window) -> int:
    return (window[2] - window[0]) * (window[3] - window[1])


def _count(values: npt.NDArray[Any], counts: Counter[int]) -> None:
    """Add the histogram of integers to ``counts``."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        tally = np.bincount(values.ravel())
        present = np.flatnonzero(tally)
        counts.update(dict(zip(present.tolist(), tally[present].tolist(), strict=True)))
    else:
        numbers, tally = np.unique(values, return_counts=True)
        counts.update(dict(zip(numbers.tolist(), tally.tolist(), strict=True)))


def _statistics(counts: Mapping[int, int], encoding: Encoding, total: int) -> dict[str, Any]:
    """Statistics from a histogram: they do not depend on the order in which pixels were read."""
    n = sum(counts.values())
    if n == 0:
        return {
            "minimum": None,
            "maximum": None,
            "mean": None,
            "stddev": None,
            "valid_percent": 0.0,
            "counts": {},
        }
    mean = Fraction(sum(value * count for value, count in counts.items()), n)
    square = Fraction(sum(value * value * count for value, count in counts.items()), n)
    table = (
        {str(value): counts[value] for value in sorted(counts)} if encoding.name in ("class", "flag", "count") else {}
    )
    return {
        "minimum": float(min(counts)),
        "maximum": float(max(counts)),
        "mean": round(float(mean), 6),
        "stddev": round(math.sqrt(square - mean * mean), 6),
        "valid_percent": round(100.0 * n / total, 4),
        "counts": table,
    }
