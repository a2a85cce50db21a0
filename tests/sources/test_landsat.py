"""Scenes of the USGS: names, grids that differ, neighbours of one day, damage."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from odse.cube import Flag
from odse.errors import SourceError, UnreadableError
from odse.grid import Grid
from odse.sources.landsat import LandsatScene, scenes
from odse.sources.scenes import by_date, for_composite, read_cube

GRID = Grid("own", "EPSG:32618", 3000.0, (380000.0, 4760000.0))
WINDOW = (0, 0, 130, 140)


def image(
    path: Path, values: np.ndarray, *, left: float = 500000.0, top: float = 4500000.0, size: float = 30.0
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype,
        "count": 1,
        "height": height,
        "width": width,
        "compress": "deflate",
    }
    place = {"crs": "EPSG:32618", "transform": from_origin(left, top, size, size)}
    with rasterio.open(path, "w", **profile, **place) as target:
        target.write(values, 1)
    return path


def scene(folder: Path, row: str, *, top: float, seed: int, day: str = "20180428") -> str:
    """A scene of two bands, its northern third fill; 40 x 40 pixels."""
    rng = np.random.default_rng(seed)
    name = f"LC08_L1TP_014{row}_{day}"
    codes = rng.choice([2720, 2800, 2976], (40, 40)).astype(np.uint16)
    codes[:13] = 1
    for band in ("B4", "B5"):
        values = np.where(codes == 1, 0, rng.integers(1, 60000, (40, 40))).astype(np.uint16)
        image(folder / f"{name}_20180502_01_T1_{band}.TIF", values, top=top)
    image(folder / f"{name}_20180502_01_T1_BQA.TIF", codes, top=top)
    return name


SMALL = Grid("own", "EPSG:32618", 30.0, (500000.0, 4500000.0))


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as source:
        return source.read(1)


def test_neighbours_of_a_day_are_merged_whatever_their_order(tmp_path: Path) -> None:
    """The second scene starts 20 pixels further south: the first wins where it has data, the second fills the rest."""
    one, two = (
        scene(tmp_path, "031", top=4500000.0, seed=1),
        scene(tmp_path, "032", top=4500000.0 - 600, seed=2),
    )
    some = scenes(tmp_path, bands={"B5": "nir", "B4": "red"})
    assert [each.name for each in some] == [one, two] and some[0].path_row == (14, 31)
    ends = ("B5", "B4", "BQA")
    north, south = ([read(tmp_path / f"{n}_20180502_01_T1_{end}.TIF") for end in ends] for n in (one, two))
    wanted = np.zeros((3, 60, 40), np.uint16)
    wanted[2] = 1
    wanted[:, 20:] = south
    wanted[:, 13:40] = np.array(north)[:, 13:]
    for order in (some, some[::-1]):
        cube = read_cube(order, SMALL, (0, 0, 40, 60))
        assert cube["time"].to_numpy().astype("datetime64[D]").tolist() == [dt.date(2018, 4, 28)]
        assert np.array_equal(cube["value"][0], wanted[:2]) and np.array_equal(cube["quality"][0], wanted[2])
        assert np.array_equal(cube["flag"][0] == Flag.NODATA, wanted[2] == 1)
        assert list(cube["band"].to_numpy()) == ["nir", "red"]


@pytest.mark.parametrize("how", ["cut", "header", "empty", "missing", "band missing", "no place", "float"])
def test_a_broken_scene_is_unreadable_where_it_would_lie(tmp_path: Path, how: str) -> None:
    one = scene(tmp_path, "031", top=4500000.0, seed=1)
    two = scene(tmp_path, "032", top=4500000.0 - 600, seed=2)
    whole = read_cube(scenes(tmp_path, bands=["B4"]), SMALL, (0, 0, 50, 70))
    path = tmp_path / f"{two}_20180502_01_T1_{'B4' if how == 'band missing' else 'BQA'}.TIF"
    data = path.read_bytes()
    if how in ("missing", "band missing"):
        path.unlink()
    elif how == "no place":
        with (
            pytest.warns(rasterio.errors.NotGeoreferencedWarning),
            rasterio.open(path, "w", driver="GTiff", dtype="uint16", count=1, height=40, width=40) as target,
        ):
            target.write(np.zeros((1, 40, 40), np.uint16))
    elif how == "float":
        image(path, np.ones((40, 40), np.float32), top=4500000.0 - 600)
    else:
        path.write_bytes({"cut": data[: len(data) * 2 // 3], "header": data[:60], "empty": b""}[how])
    some = scenes(tmp_path, bands=["B4"])
    assert len(some) == 2
    with pytest.raises(UnreadableError, match=f"cannot read scene {two}, because "):
        some[1].read(SMALL, (0, 0, 50, 70))
    cube = read_cube(some, SMALL, (0, 0, 50, 70))
    assert cube.attrs["counts"]["unreadable"] == 1 and cube.attrs["counts"]["scenes"] == 2
    assert cube.attrs["notes"][0].startswith(f"{two}: unreadable (") and str(tmp_path) not in cube.attrs["notes"][0]
    flag = cube["flag"][0].to_numpy()
    assert np.array_equal(flag[:40, :40] == Flag.OBSERVED, read(tmp_path / f"{one}_20180502_01_T1_BQA.TIF") != 1)
    assert (flag[40:60, :40] == Flag.UNREADABLE).all() and (flag[20:60, :40] != Flag.NODATA).all()
    assert (flag[:13] == Flag.NODATA).all() and (flag[60:] == Flag.NODATA).all() and (flag[:, 40:] == Flag.NODATA).all()
    made = for_composite(cube)
    assert not made.quality[made.unreadable].any() and made.unreadable.sum() == (flag == Flag.UNREADABLE).sum()
    assert (whole["flag"][0, 40:60, :40] == Flag.OBSERVED).all()


def test_nothing_says_where_it_lies(tmp_path: Path) -> None:
    """No file of the scene opens: it may be missed anywhere."""
    name = scene(tmp_path, "031", top=4500000.0, seed=1)
    for path in tmp_path.glob("*.TIF"):
        path.write_bytes(b"")
    some = scenes(tmp_path, bands=["B4"])
    assert some[0].covers(SMALL) is None and some[0].name == name
    assert (read_cube(some, SMALL, (0, 0, 5, 5))["flag"] == Flag.UNREADABLE).all()


def test_a_scene_that_misses_the_window_is_not_read(tmp_path: Path) -> None:
    scene(tmp_path, "031", top=4500000.0, seed=1)
    cube = read_cube(scenes(tmp_path, bands=["B4"]), SMALL, (100, 0, 110, 10))
    assert cube.sizes["time"] == 0 and cube.attrs["counts"]["scenes"] == 0
    made = for_composite(cube)
    assert made.values.shape == (1, 0, 10, 10) and made.quality.shape == (0, 10, 10)


def test_refusals(tmp_path: Path) -> None:
    name = scene(tmp_path, "031", top=4500000.0, seed=1)
    with pytest.raises(SourceError, match="cannot list archive none, because it is no folder; give the folder of the"):
        scenes(tmp_path / "none", bands=["B4"])
    with pytest.raises(
        SourceError, match="because its product is 'hls'; write one of landsat-c1-bqa, landsat-c1, land"
    ):
        scenes(tmp_path, bands=["B4"], product="hls")
    (tmp_path / "void").mkdir()
    with pytest.raises(
        SourceError, match="cannot list archive void, because its scenes is none; give the folder above"
    ):
        scenes(tmp_path / "void", bands=["B4"])
    with pytest.raises(
        SourceError, match="cannot stack scenes, because their kind is none; give scenes of one product"
    ):
        read_cube([], SMALL, (0, 0, 5, 5))
    some = scenes(tmp_path, bands=["B4"])
    with pytest.raises(SourceError, match=f"cannot use scene {name}, because it is there twice; keep one"):
        by_date([*some, *some])
    other = scenes(tmp_path, bands=["B5"])
    with pytest.raises(SourceError, match=r"is landsat-c1-bqa \(B4\) and landsat-c1-bqa \(B5\); give scenes of one"):
        read_cube([*some, *other], SMALL, (0, 0, 5, 5))
    again = f"{name}_20190502_01_T1_BQA.TIF"
    shutil.copy(tmp_path / f"{name}_20180502_01_T1_BQA.TIF", tmp_path / again)
    with pytest.raises(SourceError, match=f"cannot use scene {name}, because its BQA is there twice "):
        scenes(tmp_path, bands=["B4"])


def test_collection_2_by_its_names(tmp_path: Path) -> None:
    base = "LC09_L2SP_193025_20220412_20220414_02_T1"
    rng = np.random.default_rng(4)
    codes = rng.choice([1, 21824, 22280, 21826], (20, 20)).astype(np.uint16)
    values = rng.integers(0, 65535, (20, 20)).astype(np.uint16)
    for end, pixels in (("SR_B4", values), ("ST_B10", values), ("QA_PIXEL", codes)):
        image(tmp_path / base / f"{base}_{end}.TIF", pixels)
    (one,) = scenes(tmp_path, bands=["SR_B4", "ST_B10"], product="landsat-c2")
    assert isinstance(one, LandsatScene) and (one.date, one.path_row) == (dt.date(2022, 4, 12), (193, 25))
    cube = read_cube([one], SMALL, (0, 0, 20, 20))
    made = for_composite(cube, mask="landsat-c2-default")
    assert np.array_equal(made.quality[0], np.where(codes == 1, 0, np.where(codes == 21824, 1, 2)))
    assert np.array_equal(made.values[0, 0], np.where((values >= 7273) & (values <= 43636), values, 0))
    assert np.array_equal(made.values[1, 0], np.where(values >= 293, values, 0))


def test_the_scenes_of_new_york(data_dir: Path) -> None:
    """19 scenes of three path/rows on 17 days; against a loop over single pixels of single files."""
    root = data_dir / "02_landsat8_c1_bqa_newyork"
    some = scenes(root, bands=["B4", "B5", "B8"])
    assert len(some) == 19 and len(by_date(some)) == 17
    assert {one.path_row for one in some} == {(13, 32), (14, 31), (14, 32)}
    assert {day for day, those in by_date(some).items() if len(those) == 2} == {
        dt.date(2018, 4, 28),
        dt.date(2018, 9, 3),
    }
    assert len(scenes(root, bands=["B4"], dates=(dt.date(2018, 4, 28), dt.date(2018, 5, 30)))) == 3
    cube = read_cube(some, GRID, WINDOW)
    assert cube.attrs["counts"]["scenes"] == 19 and cube.attrs["counts"]["unreadable"] == 0
    rng = np.random.default_rng(0)
    checked = 0
    days = list(by_date(some).items())
    sources = {}
    for _ in range(600):
        t, row, col = int(rng.integers(17)), int(rng.integers(140)), int(rng.integers(130))
        x, y = 380000 + (col + 0.5) * 3000, 4760000 - (row + 0.5) * 3000
        wanted = [0, 0, 0, 1]
        for one in days[t][1]:
            found = []
            for path in one.files:
                if path not in sources:
                    with rasterio.open(path) as source:
                        sources[path] = source.read(1), source.transform
                pixels, place = sources[path]
                c, r = int((x - place.c) // place.a), int((place.f - y) // -place.e)
                found.append(int(pixels[r, c]) if 0 <= r < pixels.shape[0] and 0 <= c < pixels.shape[1] else None)
            if found[3] is not None and found[3] != 1:
                wanted = [value or 0 for value in found]
                break
        if wanted[3] != 1:
            assert [*cube["value"][t, :, row, col].to_numpy().tolist(), int(cube["quality"][t, row, col])] == wanted
            checked += 1
        else:
            assert cube["quality"][t, row, col] == 1 and cube["flag"][t, row, col] == Flag.NODATA
    assert checked > 140
