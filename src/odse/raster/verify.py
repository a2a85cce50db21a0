"""Is this file a cloud-optimised GeoTIFF, and is it the one that was made?

The layout rules are those of the OGC standard 21-026 (Cloud Optimized GeoTIFF), as GDAL's own checker reads
them: directories first and in order, then the data of the smallest overview up to that of the full image;
tiled; overviews inside.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import rasterio
from rasterio.errors import RasterioIOError
from rasterio.io import DatasetReader

from odse.raster.work import environment
from odse.store.files import sha256_of

SMALL_PX = 512
"""Up to this width and height a file needs neither tiles nor overviews."""

FIRST_DIRECTORY_BYTES = 300
"""The main directory begins within these first bytes (GDAL's structural header is shorter)."""


def verify_cog(path: Path, *, strict: bool = False, pixels: bool = False) -> list[str]:
    """What is wrong with a file as a COG: sentences; none for a valid one. Reads the file, changes nothing.

    ``strict`` adds what is only recommended (overviews); ``pixels`` decodes every block of image and
    overviews, which finds truncated and damaged files. A file that is missing or no raster gives a sentence
    as well, never an exception.
    """
    path = Path(path)
    if not path.exists():
        return [f"{path.name} does not exist"]
    problems: list[str] = []
    # Side files have to be seen here, so the folder is listed, other than elsewhere in this room.
    with environment(), rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="FALSE"):
        try:
            with rasterio.open(path) as source:
                if source.driver != "GTiff":
                    return [f"{path.name} is of format {source.driver}, not GeoTIFF"]
                if any(Path(one).suffix.lower() == ".ovr" for one in source.files):
                    problems.append(f"{path.name} has its overviews in an .ovr file beside it, not inside")
                problems += _layout(source, strict=strict)
                levels = len(source.overviews(1))
            for level in range(levels):
                with rasterio.open(path, OVERVIEW_LEVEL=level) as overview:
                    if _large(overview) and not _tiled(overview):
                        problems.append(f"overview {level} is larger than {SMALL_PX} px and not tiled")
            if pixels:
                problems += _undecodable(path, levels)
        except RasterioIOError as error:
            problems.append(f"{path.name} cannot be opened: {' '.join(str(error).split())}")
    return problems


def verify_hash(path: Path, sha256: str) -> list[str]:
    """What is wrong with a file's bytes: a sentence when they differ from those whose sha256 is given. Reads
    the file.

    >>> verify_hash(Path("nowhere.tif"), "00")
    ['nowhere.tif does not exist']
    """
    path = Path(path)
    if not path.exists():
        return [f"{path.name} does not exist"]
    found = sha256_of(path)
    return (
        []
        if found == sha256
        else [f"{path.name} has sha256 {found[:12]}..., not {sha256[:12]}... as when it was verified"]
    )


def _large(source: DatasetReader) -> bool:
    return bool(source.width > SMALL_PX or source.height > SMALL_PX)


def _tiled(source: DatasetReader) -> bool:
    """Whether blocks are tiles: strips are as wide as the image."""
    return bool(source.block_shapes[0][1] != source.width)


def _layout(source: DatasetReader, *, strict: bool) -> Iterator[str]:
    factors = source.overviews(1)
    if _large(source) and not _tiled(source):
        yield f"the image is larger than {SMALL_PX} px and not tiled"
    if strict and _large(source) and not factors:
        yield f"the image is larger than {SMALL_PX} px and has no overviews"
    header = source.get_tag_item("GDAL_STRUCTURAL_METADATA", "TIFF") or ""
    if "KNOWN_INCOMPATIBLE_EDITION=YES" in header:
        yield "the file was changed after it was made, which broke its layout"
    if factors != sorted(factors):
        yield f"its overviews are not in the order of their size ({factors})"
    for factor in factors:
        if factor <= 1:
            yield f"an overview has the decimation {factor}, so it is no smaller than the image"

    names = ["the image", *(f"overview {level}" for level in range(len(factors)))]
    levels = [None, *range(len(factors))]
    directories = [int(_tag(source, "IFD_OFFSET", level) or 0) for level in levels]
    if directories[0] > FIRST_DIRECTORY_BYTES:
        yield f"the image's directory begins at byte {directories[0]}, beyond {FIRST_DIRECTORY_BYTES}"
    for (name, first), (other, second) in itertools.pairwise(zip(names, directories, strict=True)):
        if second < first:
            yield f"the directory of {other} (byte {second}) comes before that of {name} (byte {first})"

    data = [
        (name, _first_data(source, level, factor))
        for name, level, factor in zip(names, levels, [1, *factors], strict=True)
    ]
    present = [(name, offset) for name, offset in data if offset]
    if present and present[-1][1] < directories[-1]:
        name, offset = present[-1]
        yield f"the data of {name} (byte {offset}) come before its directory (byte {directories[-1]})"
    for (name, first), (other, second) in itertools.pairwise(present):
        if first < second:
            yield f"the data of {name} (byte {first}) come before those of {other} (byte {second})"


def _tag(source: DatasetReader, key: str, level: int | None) -> str | None:
    value: str | None = source.get_tag_item(key, "TIFF", bidx=1, ovr=level)
    return value


def _first_data(source: DatasetReader, level: int | None, factor: int) -> int:
    """Where the first block that is stored begins; 0 where every block is left out (sparse)."""
    rows, cols = source.block_shapes[0]
    down = -(-max(1, source.height // factor) // rows)
    across = -(-max(1, source.width // factor) // cols)
    for y, x in itertools.product(range(down), range(across)):
        offset = int(_tag(source, f"BLOCK_OFFSET_{x}_{y}", level) or 0)
        if offset:
            return offset
    return 0


def _undecodable(path: Path, levels: int) -> Iterator[str]:
    for level in (None, *range(levels)):
        options = {} if level is None else {"OVERVIEW_LEVEL": level}
        with rasterio.open(path, **options) as source:
            for band in source.indexes:
                for (row, col), window in source.block_windows(band):
                    try:
                        source.read(band, window=window)
                    except RasterioIOError:
                        where = "the image" if level is None else f"overview {level}"
                        yield f"block (row {row}, column {col}) of band {band} of {where} cannot be decoded"
