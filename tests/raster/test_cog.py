"""One COG per layer holds exactly the pixels of its work tiles, or is not there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from rio_cogeo.cogeo import cog_validate

from odse.errors import RasterError, StoreError, UnreadableError
from odse.grid import Tile, grid_
from odse.raster.cog import CogInfo, Part, area_mask, write_cog
from odse.raster.encoding import encoding_
from odse.raster.verify import verify_cog
from odse.raster.work import read_work, write_work

GRID = grid_("odse-30m")
TILES = [(10, 20), (11, 20), (10, 21)]
WINDOW = (10 * 512 + 100, 20 * 512 + 30, 12 * 512 - 7, 22 * 512 - 200)
"""Not a multiple of a block, and with a corner (11, 21) that no tile covers."""
TAGS = {"licence": "CC-BY-4.0", "attribution": "Contains <modified> Landsat & more", "software": "odse"}


def whole(pixels: dict[tuple[int, int], Any], nodata: int) -> np.ndarray:
    """The mosaic of the tiles, cut to the window."""
    left, top = 10 * 512, 20 * 512
    mosaic = np.full((1024, 1024), nodata, dtype=next(iter(pixels.values())).dtype)
    for (col, row), array in pixels.items():
        mosaic[row * 512 - top : row * 512 - top + 512, col * 512 - left : col * 512 - left + 512] = array
    return mosaic[WINDOW[1] - top : WINDOW[3] - top, WINDOW[0] - left : WINDOW[2] - left]


def write(pilot: Any, parts: list[Part], name: str = "out.tif", **changes: Any) -> CogInfo:
    given = {
        "window": WINDOW,
        "grid": GRID,
        "layer": pilot.layer(),
        "encoding": encoding_("class"),
        "tags": TAGS,
    }
    return write_cog(pilot.folder / name, parts, **{**given, **changes})


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "work")


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [
        ("class", ()),
        ("byte-250", ("red", "p50", "1")),
        ("uint16", ("red", "p50", "1")),
        ("count", ("clear", "count", "observation")),
        ("flag", ("fill.phase.red", "f", "phase")),
    ],
)
def test_pixels_and_meaning_are_in_the_file(tmp_path: Path, pilot: Any, encoding: str, wanted: Any) -> None:
    layer = pilot.layer(*wanted[:2], unit=wanted[2]) if wanted else pilot.layer()
    parts, pixels = pilot.parts(encoding, tiles=TILES)
    code = encoding_(encoding)
    info = write(pilot, parts, layer=layer, encoding=code)
    expected = whole(pixels, code.nodata)
    with rasterio.open(tmp_path / "out.tif") as cog:
        stored = cog.read(1)
        assert np.array_equal(stored, expected)
        assert cog.transform == GRID.transform_of(WINDOW)
        assert cog.crs.to_epsg() == 3035
        assert (cog.nodata, cog.dtypes[0], cog.units[0]) == (code.nodata, code.dtype, layer.unit)
        assert (cog.scales[0], cog.offsets[0]) == (code.scale, code.offset)
        assert (cog.compression.name, cog.block_shapes[0]) == ("zstd", (512, 512))
        tags = cog.tags()
        assert {key: tags[key] for key in TAGS} == TAGS
        assert (tags["name"], tags["title"]) == (str(layer.name), layer.title)
        assert "PREDICTOR" not in tags or tags["PREDICTOR"] == "2"
        if layer.legend is not None:
            table = cog.colormap(1)
            assert all(table[one.value] == (*one.rgb, 255) for one in layer.legend.classes)
    valid = expected[expected != code.nodata].astype(np.float64)
    assert info.shape == expected.shape
    assert (info.minimum, info.maximum) == (valid.min(), valid.max())
    assert (info.mean, info.stddev) == (
        pytest.approx(valid.mean(), abs=1e-5),
        pytest.approx(valid.std(), abs=1e-5),
    )
    assert info.valid_percent == pytest.approx(100 * valid.size / expected.size, abs=1e-3)
    data = (tmp_path / "out.tif").read_bytes()
    assert (info.sha256, info.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert cog_validate(str(tmp_path / "out.tif"), strict=True, quiet=True) == (True, [], [])
    assert verify_cog(tmp_path / "out.tif", strict=True, pixels=True) == []
    assert left_over(tmp_path) == ["out.tif"]
    assert CogInfo.from_json(info.to_json()) == info


def test_class_counts(tmp_path: Path, pilot: Any) -> None:
    parts, pixels = pilot.parts(tiles=TILES)
    info = write(pilot, parts)
    values, counts = np.unique(whole(pixels, 255), return_counts=True)
    wanted = {str(v): int(c) for v, c in zip(values, counts, strict=True) if v != 255}
    assert dict(info.counts) == wanted


def test_overviews_follow_the_kind(tmp_path: Path, pilot: Any) -> None:
    tile = Tile(20, 10, 1024, GRID)
    block = np.array([[3, 3], [3, 9]], dtype=np.uint8)
    write_work(
        tmp_path / "work" / "t.tif",
        np.tile(block, (1, 512, 512)),
        transform=tile.transform,
        crs=GRID.crs,
        nodata=255,
    )
    part = Part(tmp_path / "work" / "t.tif", 1, tile.window)
    seen = {}
    for layer, encoding in [
        (pilot.layer("red", "p50", unit="1"), "byte-250"),
        (pilot.layer(), "class"),
        (pilot.layer("fill.phase.red", "f", unit="phase"), "flag"),
    ]:
        write(pilot, [part], layer=layer, encoding=encoding_(encoding), window=tile.window)
        with rasterio.open(tmp_path / "out.tif", OVERVIEW_LEVEL=0) as overview:
            assert overview.shape == (512, 512)
            seen[layer.kind] = set(np.unique(overview.read(1)).tolist())
    # Mean of 3, 3, 3, 9 is 4.5; its rounding is GDAL's.
    assert seen["continuous"] <= {4, 5}
    assert seen["class"] == {3}
    assert seen["flag"] <= {3, 9}


def test_equal_parts_give_equal_bytes_in_any_order(tmp_path: Path, pilot: Any) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    assert write(pilot, parts, "a.tif") == write(pilot, parts[::-1], "b.tif")


def test_moved_tiles_give_equal_bytes(tmp_path: Path, pilot: Any) -> None:
    one, _ = pilot.parts(tiles=TILES, folder=tmp_path / "work" / "one")
    two, _ = pilot.parts(tiles=TILES, folder=tmp_path / "work" / "two" / "deeper")
    assert write(pilot, one, "a.tif").sha256 == write(pilot, two, "b.tif").sha256


def test_an_empty_layer_has_no_statistics(tmp_path: Path, pilot: Any) -> None:
    info = write(pilot, [])
    assert (info.minimum, info.mean, info.valid_percent) == (None, None, 0.0)
    with rasterio.open(tmp_path / "out.tif") as cog:
        assert (cog.read(1) == 255).all()


def _rewrite(path: Path, change: Callable[[np.ndarray], np.ndarray], *, tags: bool) -> None:
    """Change a work file's pixels; ``tags`` writes it with tags that fit the new pixels, as a lying task
    would."""
    array = change(read_work(path))
    if tags:
        with rasterio.open(path) as source:
            place = {"transform": source.transform, "crs": "EPSG:3035", "nodata": source.nodata}
        write_work(path, array, **place)
        return
    with rasterio.open(path, "r+") as target:
        target.write(array)


def _permuted(array: np.ndarray) -> np.ndarray:
    """The 256-pixel quarters in another order: the same values, other places."""
    a, b, c, d = array[:, :256, :256], array[:, :256, 256:], array[:, 256:, :256], array[:, 256:, 256:]
    return (
        np.block([[[d, a]], [[b, c]]])
        if array.ndim == 2
        else np.concatenate([np.concatenate([d, a], axis=2), np.concatenate([b, c], axis=2)], axis=1)
    )


def test_permuted_blocks_in_a_part_are_found(tmp_path: Path, pilot: Any) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    _rewrite(parts[1].path, _permuted, tags=False)
    with pytest.raises(RasterError, match="not those that its task wrote"):
        write(pilot, parts)
    assert left_over(tmp_path) == []


def test_a_swapped_part_is_found(tmp_path: Path, pilot: Any) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    swapped = [Part(parts[1].path, 2, parts[0].window), Part(parts[0].path, 2, parts[1].window), parts[2]]
    with pytest.raises(RasterError, match="its place"):
        write(pilot, swapped)
    assert left_over(tmp_path) == []


def test_permuted_blocks_in_the_cog_are_found(tmp_path: Path, pilot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """GDAL is made to write from a part with exchanged blocks; the check reads the true part."""
    parts, _ = pilot.parts(tiles=TILES)
    liar = tmp_path / "work" / "liar.tif"
    liar.write_bytes(parts[0].path.read_bytes())
    _rewrite(liar, _permuted, tags=False)
    from odse.raster import cog as room

    honest = room._vrt

    def lying(given: Any, *rest: Any) -> str:
        return honest([Part(liar, 2, one.window) if one.path == parts[0].path else one for one in given], *rest)

    monkeypatch.setattr(room, "_vrt", lying)
    with pytest.raises(RasterError, match="block"):
        write(pilot, parts)
    assert left_over(tmp_path) == []


def test_pixels_where_no_part_lies_are_found(tmp_path: Path, pilot: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    parts, _ = pilot.parts(tiles=[*TILES, (11, 21)])
    from odse.raster import cog as room

    honest = room._vrt
    monkeypatch.setattr(room, "_vrt", lambda given, *rest: honest(parts, *rest))
    with pytest.raises(RasterError, match="no part"):
        write(pilot, parts[:3])
    assert left_over(tmp_path) == []


def test_overlapping_parts_are_refused(tmp_path: Path, pilot: Any) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    with pytest.raises(RasterError, match="overlap"):
        write(pilot, [*parts, parts[0]])


def test_a_damaged_part_is_named(tmp_path: Path, pilot: Any) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    data = parts[2].path.read_bytes()
    parts[2].path.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(UnreadableError, match=parts[2].path.name):
        write(pilot, parts)
    assert left_over(tmp_path) == []


def test_a_missing_part_is_named(tmp_path: Path, pilot: Any) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    parts[2].path.unlink()
    with pytest.raises(StoreError, match=parts[2].path.name):
        write(pilot, parts)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("limit", [300, 3000, 20000])
def test_a_full_disk_is_a_store_error_and_leaves_the_earlier_file(
    tmp_path: Path, pilot: Any, limit: int, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    parts, _ = pilot.parts(tiles=TILES)
    before = write(pilot, parts)
    again, _ = pilot.parts(tiles=TILES, seed=1, folder=tmp_path / "work" / "again")
    with pytest.raises(StoreError, match=r"cannot write .*because"), file_size_limit(limit):
        write(pilot, again)
    assert hashlib.sha256((tmp_path / "out.tif").read_bytes()).hexdigest() == before.sha256
    assert left_over(tmp_path) == ["out.tif"]


def test_the_mask_is_true_where_a_pixel_centre_lies_inside() -> None:
    tile = Tile(20, 10, 512, GRID)
    left, bottom, right, top = tile.bounds
    inside = area_mask(shapely.box(left + 40, bottom, right, top - 20), tile)
    assert inside.shape == (512, 512)
    # 40 m from the edge lie in column 1 (30..60 m), whose centre is at 45 m; 20 m lie beyond the centre of row 0 (15 m).
    assert not inside[:, 0].any()
    assert inside[1:, 1:].all()
    assert not inside[0].any()


@pytest.mark.parametrize(
    ("encoding", "wanted"),
    [
        ("class", ()),
        ("byte-250", ("red", "p50", "1")),
        ("uint16", ("red", "p50", "1")),
        ("flag", ("fill.phase.red", "f", "phase")),
    ],
)
@pytest.mark.parametrize(
    "window", [WINDOW, (5120, 10240, 7169, 10540), (5120, 10240, 7168, 11264), (5120, 10240, 5400, 10500)]
)
def test_in_memory_or_not_the_bytes_are_the_same(
    tmp_path: Path, pilot: Any, monkeypatch: pytest.MonkeyPatch, encoding: str, wanted: Any, window: Any
) -> None:
    layer = pilot.layer(*wanted[:2], unit=wanted[2]) if wanted else pilot.layer()
    parts, _ = pilot.parts(encoding, tiles=[*TILES, (13, 20)])
    from odse.raster import cog as room

    given = {"window": window, "layer": layer, "encoding": encoding_(encoding)}
    in_memory = write(pilot, parts, **given)
    monkeypatch.setattr(room, "IN_MEMORY_PX", 0)
    walked = write(pilot, parts, "walked.tif", **given)
    assert in_memory == walked
    with rasterio.open(tmp_path / "out.tif") as cog:
        longer = max(cog.shape)
        assert cog.overviews(1) == [2 ** (k + 1) for k in range(8) if longer // 2**k > 512]
