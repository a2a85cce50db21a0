"""GLAD files: bounds are trusted, flags may be stored x 100, broken files are unreadable and never no-data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from odse.grid import GladTile, Tile, grid_
from odse.layer.period import interval_period, seasons
from odse.sources.archive import GladArchive
from odse.sources.glad import VALID, GladFile, ingest, scenes, windows
from odse.sources.ingested import IngestReport, Part, read_stack

GRID = grid_("odse-30m")
TILE = Tile(171, 241, 512, GRID)
"""A work tile west and north of the meridian of 14 degrees."""
FORTH = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
BACK = pyproj.Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)


def write_image(
    path: Path, west: float, north: float, *, shape: tuple[int, int] = (400, 500), times: int = 1, seed: int = 0
) -> Path:
    """An image in the archive's format whose values say where they are."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[: shape[0], : shape[1]]
    image = np.stack([(rows * 7 + cols * 3 + band * 100) % 30000 + 1 for band in range(7)]).astype(np.uint16)
    flag = rng.choice([0, 1, 2, 3, 6], shape).astype(np.uint16) * times
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        dtype="uint16",
        count=8,
        height=shape[0],
        width=shape[1],
        crs="EPSG:4326",
        transform=from_origin(west, north, 0.00025, 0.00025),
        compress="lzw",
        interleave="pixel",
    ) as target:
        target.write(np.concatenate([image, flag[None]]))
    return path


@pytest.fixture
def corner() -> tuple[float, float]:
    """Longitude and latitude of the middle of the work tile."""
    left, bottom, right, top = TILE.bounds
    return BACK.transform((left + right) / 2, (bottom + top) / 2)


def stacked(parts: list[Part]) -> tuple:
    return read_stack(parts, TILE, bands=7, seen=GladArchive(Path()).seen)


def take(path: Path, out: Path, tile_name: str = "013E_48N") -> IngestReport:
    return ingest(GladFile(path, tile_name, 909), out, grid=GRID, window=TILE.window)


def test_values_and_flag_come_from_the_pixel_that_holds_the_centre(tmp_path: Path, corner) -> None:
    """Against a loop over single pixels. The name of the tile is wrong on purpose: the raster's bounds decide."""
    lon, lat = corner
    path = write_image(tmp_path / "48N/099E_48N/909.tif", lon - 0.05, lat + 0.04)
    report = take(path, tmp_path / "out.tif", "099E_48N")
    assert report.state == "done" and report.notes == ()
    days, values, quality, seen, unreadable = stacked([Part(909, tmp_path / "out.tif", report.window)])
    assert days == [909] and not unreadable.any() and np.array_equal(seen, quality != 0)
    with rasterio.open(path) as source:
        image = source.read()
        for row, col in [(256, 256), (200, 300), (300, 220), (256, 255), (0, 0)]:
            x = TILE.bounds[0] + (col + 0.5) * 30
            y = TILE.bounds[3] - (row + 0.5) * 30
            r, c = source.index(*BACK.transform(x, y))
            inside = 0 <= r < source.height and 0 <= c < source.width and image[7, r, c] != 0
            assert quality[0, row, col] == (image[7, r, c] if inside else 0)
            assert values[:, 0, row, col].tolist() == (image[:7, r, c].tolist() if inside else [0] * 7)


def test_flags_times_a_hundred(tmp_path: Path, corner) -> None:
    lon, lat = corner
    plain = take(write_image(tmp_path / "a.tif", lon - 0.05, lat + 0.04), tmp_path / "plain.tif")
    times = take(write_image(tmp_path / "b.tif", lon - 0.05, lat + 0.04, times=100), tmp_path / "times.tif")
    assert "flags are stored x 100, divided" in times.notes[0] and plain.notes == ()
    assert (tmp_path / "plain.tif").read_bytes() == (tmp_path / "times.tif").read_bytes()


@pytest.mark.parametrize("how", ["cut", "header", "flip", "empty"])
def test_a_broken_file_is_unreadable_and_not_empty(tmp_path: Path, corner, how: str) -> None:
    lon, lat = corner
    path = write_image(tmp_path / "48N/013E_48N/909.tif", lon - 0.05, lat + 0.04)
    data = bytearray(path.read_bytes())
    if how == "flip":
        for at in range(len(data) // 2, len(data) // 2 + 4000):
            data[at] ^= 0xFF
    path.write_bytes({"cut": data[: len(data) * 2 // 3], "header": data[:100], "flip": data, "empty": b""}[how])
    report = take(path, tmp_path / "out.tif")
    assert report.state == "unreadable" and report.counts == {"unreadable": 1}
    assert "013E_48N/909: unreadable" in report.notes[0]
    assert not (tmp_path / "out.tif").exists() and report.window is not None
    _, values, quality, _, unreadable = stacked([Part(909, None, report.window)])
    assert unreadable.any() and not quality.any() and not values.any()


def test_two_source_tiles_meet_without_a_seam(tmp_path: Path, corner) -> None:
    """One image cut in two with two pixels of overlap gives what the whole gives."""
    lon, lat = corner
    west, north = lon - 0.05, lat + 0.04
    whole = take(write_image(tmp_path / "whole.tif", west, north), tmp_path / "w.tif")
    with rasterio.open(tmp_path / "whole.tif") as source:
        image, profile = source.read(), source.profile
    halves = []
    for name, part, start in (("e", image[:, :, :252], 0), ("f", image[:, :, 248:], 248)):
        profile.update(width=part.shape[2], transform=from_origin(west + start * 0.00025, north, 0.00025, 0.00025))
        with rasterio.open(tmp_path / f"{name}.tif", "w", **profile) as target:
            target.write(part)
        report = take(tmp_path / f"{name}.tif", tmp_path / f"{name}-out.tif")
        halves.append(Part(909, tmp_path / f"{name}-out.tif", report.window))
    once = stacked([Part(909, tmp_path / "w.tif", whole.window)])
    for order in (halves, halves[::-1]):
        twice = stacked(order)
        assert all(np.array_equal(a, b) for a, b in zip(once[1:], twice[1:], strict=True))


def test_outside_is_outside(tmp_path: Path) -> None:
    assert take(write_image(tmp_path / "far.tif", 5.0, 40.0), tmp_path / "out.tif").state == "outside"


def test_absent_intervals_are_absent_and_the_list_is_sorted(tmp_path: Path) -> None:
    for name in (
        "48N/013E_48N/910.tif",
        "48N/013E_48N/909.tif",
        "48N/014E_48N/909.tif",
        "48N/013E_48N/notes.tif",
        "48N/100E_48N/909.tif",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    area = shapely.box(13.9, 48.1, 14.1, 48.2)
    found = scenes(tmp_path, intervals=[909, 910, 911], area_lonlat=area)
    assert [(one.interval, one.tile_name) for one in found] == [(909, "013E_48N"), (909, "014E_48N"), (910, "013E_48N")]
    assert GladTile(13, 48).folder == "48N/013E_48N"


def test_where_the_images_of_a_tile_lie(tmp_path: Path, corner) -> None:
    """By the header of the first that has one; everywhere, where none has."""
    lon, lat = corner
    write_image(tmp_path / "48N/013E_48N/910.tif", lon - 0.05, lat + 0.04)
    (tmp_path / "48N/013E_48N/909.tif").write_bytes(b"broken")
    (tmp_path / "48N/014E_48N").mkdir()
    (tmp_path / "48N/014E_48N/909.tif").write_bytes(b"broken")
    names = (("013E_48N", 909), ("013E_48N", 910), ("014E_48N", 909))
    files = [GladFile(tmp_path / f"48N/{tile}/{i}.tif", tile, i) for tile, i in names]
    wide = (TILE.window[0] - 2048, TILE.window[1] - 2048, TILE.window[2] + 2048, TILE.window[3] + 2048)
    found = windows(files, grid=GRID, window=wide)
    assert found["014E_48N"] == wide
    covered = ingest(files[1], tmp_path / "out.tif", grid=GRID, window=wide).window
    assert found["013E_48N"] == covered != wide


def test_days_and_ranges() -> None:
    summer = seasons([2019])[2]
    days = [(interval_period(i).middle - summer.true_period.middle).days for i in summer.intervals]
    assert days == [-32, -16, 0, 16, 32]
    assert VALID[0] == (1, 40000) and VALID[6] == (1, 65000)
