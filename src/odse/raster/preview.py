"""Previews: a layer as a small PNG, drawn from an overview with its own style. No-data is transparent."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from rasterio.enums import Resampling

from odse.layer.style import Style
from odse.raster.work import environment, reading

MAX_PX = 480


def read_small(path: Path, *, max_px: int = MAX_PX, resampling: Resampling = Resampling.nearest) -> npt.NDArray[Any]:
    """A layer (y, x) in stored values, at most ``max_px`` on its longer side, from the overview that fits.

    Raises StoreError for a missing file, UnreadableError for a damaged one.
    """
    with environment(), reading(path) as source:
        factor = max(1.0, max(source.height, source.width) / max_px)
        shape = (max(1, round(source.height / factor)), max(1, round(source.width / factor)))
        array: npt.NDArray[Any] = source.read(1, out_shape=shape, resampling=resampling)
        return array


Reach = tuple[float, float, float]


def png(rgba: npt.NDArray[np.uint8]) -> bytes:
    """RGBA (y, x, 4) as the bytes of a PNG; as a palette where at most 256 colours occur."""
    picture = Image.fromarray(rgba, "RGBA")
    colours = np.unique(rgba.reshape(-1, 4).view(np.uint32))
    if len(colours) <= 256:
        index = np.searchsorted(colours, rgba.reshape(-1, 4).view(np.uint32).ravel()).astype(np.uint8)
        table = colours.view(np.uint8).reshape(-1, 4)
        picture = Image.fromarray(index.reshape(rgba.shape[:2]), "P")
        picture.putpalette(table[:, :3].tobytes())
        picture.info["transparency"] = table[:, 3].tobytes()
    buffer = io.BytesIO()
    picture.save(
        buffer,
        "PNG",
        optimize=False,
        compress_level=9,
        **({"transparency": picture.info["transparency"]} if "transparency" in picture.info else {}),
    )
    return buffer.getvalue()


def preview(path: Path, style: Style, *, max_px: int = MAX_PX) -> bytes:
    """A layer drawn with its style, as a PNG of at most ``max_px`` a side. Raises as read_small does."""
    with environment(), reading(path) as source:
        nodata = source.nodata
    values = read_small(path, max_px=max_px)
    return png(style.colours(values, mask=values == nodata))


def preview_rgb(
    paths: tuple[Path, Path, Path], *, reach: Reach, floor: Reach = (0.0, 0.0, 0.0), max_px: int = MAX_PX
) -> bytes:
    """Red, green and blue layers as one picture (PNG), transparent where one of them has no data.

    Each is stretched from its ``floor`` to its ``reach`` in its unit, so that pictures of different years compare.
    """
    channels, known = [], None
    for path, low, top in zip(paths, floor, reach, strict=True):
        with environment(), reading(path) as source:
            nodata, scale, offset = source.nodata, source.scales[0], source.offsets[0]
        values = read_small(path, max_px=max_px, resampling=Resampling.average)
        valid = values != nodata
        known = valid if known is None else known & valid
        share = np.clip((values * scale + offset - low) / (top - low), 0.0, 1.0) ** 0.75
        channels.append(np.floor(share * 255 + 0.5).astype(np.uint8))
    assert known is not None
    rgba = np.dstack([*channels, np.where(known, 255, 0).astype(np.uint8)])
    rgba[~known] = 0
    return png(np.ascontiguousarray(rgba))
