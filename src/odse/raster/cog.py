"""From work tiles to one cloud-optimised GeoTIFF per Layer: assembled, verified block by block, then put in place.

Memory does not grow with the area: the tiles are joined by a VRT and GDAL's COG driver walks it in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt
import rasterio
import rasterio.shutil
from rasterio.errors import RasterioError
from rasterio.features import geometry_mask
from rasterio.windows import Window as RasterWindow
from shapely.geometry.base import BaseGeometry

from odse.errors import RasterError
from odse.grid import Grid, Tile, Window
from odse.layer.layer import Layer
from odse.raster.encoding import Encoding
from odse.raster.work import environment, read_work
from odse.store.files import check_room, replacing, sha256_of

BLOCK = 512

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

    Raises RasterError when what was written is not what the parts hold, StoreError when the disk refuses.
    """
    height, width = window[3] - window[1], window[2] - window[0]
    with replacing(path) as beside, environment():
        vrt = beside.with_suffix(".vrt")
        try:
            vrt.write_text(_vrt(parts, window, grid, layer, encoding, tags), encoding="utf-8")
            rasterio.shutil.copy(
                vrt, beside, driver="COG", compress="ZSTD", level=9, predictor="YES", blocksize=BLOCK,
                overview_resampling=OVERVIEWS[layer.kind], overview_compress="ZSTD", overview_predictor="YES",
                bigtiff="IF_SAFER", num_threads="1", statistics="NO", geotiff_version="1.1",
            )
        except RasterioError as error:
            check_room(path.parent)
            raise RasterError.sentence("write", path.name, "GDAL's answer", str(error), "mend that and run again") from error
        finally:
            vrt.unlink(missing_ok=True)
        try:
            statistics = _verify(beside, parts, window, encoding)
        except (RasterioError, RasterError):
            check_room(path.parent)
            raise
        info = CogInfo(sha256_of(beside), beside.stat().st_size, (height, width), **statistics)
    return info


def _vrt(
    parts: Sequence[Part], window: Window, grid: Grid, layer: Layer, encoding: Encoding, tags: Mapping[str, str]
) -> str:
    """The parts side by side, as GDAL's virtual format; tags, scale and colours ride along into the COG."""
    transform = grid.transform_of(window)
    kind = {"uint8": "Byte", "uint16": "UInt16", "int16": "Int16", "int32": "Int32"}[encoding.dtype]
    size = f'rasterXSize="{window[2] - window[0]}" rasterYSize="{window[3] - window[1]}"'
    lines = [f"<VRTDataset {size}>", f"<SRS>{escape(grid.crs)}</SRS>",
             f"<GeoTransform>{', '.join(repr(float(v)) for v in transform.to_gdal())}</GeoTransform>", "<Metadata>"]
    for key, value in sorted({"name": str(layer.name), **tags, "title": layer.title}.items()):
        lines.append(f"<MDI key={quoteattr(key)}>{escape(value)}</MDI>")
    lines += ["</Metadata>", f'<VRTRasterBand dataType="{kind}" band="1">',
              f"<Description>{escape(layer.name.asset_key)}</Description>", f"<NoDataValue>{encoding.nodata}</NoDataValue>",
              f"<UnitType>{escape(layer.unit)}</UnitType>", f"<Offset>{encoding.offset!r}</Offset>",
              f"<Scale>{encoding.scale!r}</Scale>"]
    if layer.legend is not None:
        lines.append("<ColorInterp>Palette</ColorInterp><ColorTable>")
        colours = layer.style.colormap()
        for value in range(256):
            r, g, b, a = colours.get(value, (0, 0, 0, 0))
            lines.append(f'<Entry c1="{r}" c2="{g}" c3="{b}" c4="{a}"/>')
        lines.append("</ColorTable>")
    for part, source, target in _overlaps(parts, window):
        lines.append(
            f'<SimpleSource><SourceFilename relativeToVRT="0">{escape(str(part.path))}</SourceFilename>'
            f"<SourceBand>{part.band}</SourceBand>"
            f'<SrcRect xOff="{source[0]}" yOff="{source[1]}" xSize="{source[2] - source[0]}" ySize="{source[3] - source[1]}"/>'
            f'<DstRect xOff="{target[0]}" yOff="{target[1]}" xSize="{target[2] - target[0]}" ySize="{target[3] - target[1]}"/>'
            "</SimpleSource>"
        )
    return "\n".join([*lines, "</VRTRasterBand>", "</VRTDataset>"])


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


def _verify(path: Path, parts: Sequence[Part], window: Window, encoding: Encoding) -> dict[str, Any]:
    """Compare the file with its parts, strip by strip, and gather its statistics on the way."""
    counts = np.zeros(65536 if encoding.dtype == "uint16" else 256, dtype=np.int64)
    values: list[npt.NDArray[Any]] = []
    with rasterio.open(path) as cog:
        if cog.nodata != encoding.nodata or cog.dtypes[0] != encoding.dtype:
            raise RasterError.sentence("trust", str(path), "its no-data or type", f"{cog.nodata}, {cog.dtypes[0]}", "run again")
        covered = 0
        for part, source, target in _overlaps(parts, window):
            for row in range(0, source[3] - source[1], BLOCK):
                stop = min(row + BLOCK, source[3] - source[1])
                wanted = read_work(part.path, bands=[part.band],
                                   window=(source[0], source[1] + row, source[2], source[1] + stop))[0]
                found = cog.read(1, window=RasterWindow.from_slices(
                    (target[1] + row, target[1] + stop), (target[0], target[2])))
                if not np.array_equal(wanted, found):
                    raise RasterError.sentence(
                        "trust", str(path), f"its block at row {target[1] + row}, column {target[0]}",
                        f"not that of {part.path.name}", "look at the disk and run again",
                    )
                covered += found.size
                if found.dtype.kind == "u":
                    counts += np.bincount(found.ravel(), minlength=len(counts))
                else:
                    values.append(np.unique(found[found != encoding.nodata]))
        total = cog.width * cog.height
    return _statistics(counts, values, encoding, total)


def _statistics(
    counts: npt.NDArray[np.int64], values: list[npt.NDArray[Any]], encoding: Encoding, total: int
) -> dict[str, Any]:
    """Exact statistics from the histogram; for signed types only minimum and maximum are kept."""
    if values:
        seen = np.unique(np.concatenate(values))
        low, high = (float(seen[0]), float(seen[-1])) if len(seen) else (None, None)
        return {"minimum": low, "maximum": high, "mean": None, "stddev": None, "valid_percent": 0.0, "counts": {}}
    counts = counts.copy()
    counts[encoding.nodata] = 0
    n = int(counts.sum())
    if n == 0:
        return {"minimum": None, "maximum": None, "mean": None, "stddev": None, "valid_percent": 0.0, "counts": {}}
    numbers = np.arange(len(counts), dtype=np.float64)
    mean = float((counts * numbers).sum() / n)
    spread = float(np.sqrt((counts * (numbers - mean) ** 2).sum() / n))
    present = np.flatnonzero(counts)
    table = {str(v): int(counts[v]) for v in present} if encoding.name in ("class", "flag", "count") else {}
    return {
        "minimum": float(present[0]), "maximum": float(present[-1]), "mean": round(mean, 6), "stddev": round(spread, 6),
        "valid_percent": round(100.0 * n / total, 4), "counts": table,
    }
