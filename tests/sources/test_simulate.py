"""The simulated area: in the archive's format, the same every time, without seams, with weather as asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from odse.errors import SourceError
from odse.layer.period import seasons
from odse.sources.simulate import Simulation, simulate
from odse.sources.simulate.archive import window_of, write_interval
from odse.sources.simulate.weather import is_missing, sky
from odse.sources.simulate.world import CLASSES, make_world

YEARS = (2019, 2020)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(tmp_path_factory.mktemp("sim"), years=YEARS, size_px=120, samples=300, seed=7)


def test_the_same_arguments_give_the_same_bytes(made: Simulation, tmp_path: Path) -> None:
    simulate(tmp_path, years=YEARS, size_px=120, samples=300, seed=7, workers=2)
    root = made.archive.parent
    ours = {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    theirs = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert ours == theirs


def test_files_are_as_the_archive_writes_them(made: Simulation) -> None:
    paths = sorted(made.archive.rglob("*.tif"))
    assert {path.parent.name for path in paths} == {"013E_48N", "014E_48N"}
    assert {path.parent.parent.name for path in paths} == {"48N"}
    broken = 0
    for path in paths:
        try:
            with rasterio.open(path) as image:
                assert image.count == 8 and set(image.dtypes) == {"uint16"} and image.crs.to_epsg() == 4326
                assert image.compression.name == "lzw" and image.interleaving.name == "pixel"
                assert image.res == pytest.approx((0.00025, 0.00025))
                flag = image.read(8)
                assert set(np.unique(flag // (100 if flag.max() > 17 else 1))) <= set(range(18))
        except rasterio.errors.RasterioIOError:
            broken += 1
    assert broken == 1, "one download failed half-way"


def test_the_two_tiles_agree_where_they_overlap(made: Simulation) -> None:
    shared = {p.name for p in (made.archive / "48N/013E_48N").glob("*.tif")} & {
        p.name for p in (made.archive / "48N/014E_48N").glob("*.tif")}  # fmt: skip
    compared = 0
    for name in sorted(shared)[:12]:
        try:
            with (
                rasterio.open(made.archive / "48N/013E_48N" / name) as a,
                rasterio.open(made.archive / "48N/014E_48N" / name) as b,
            ):
                west, east = a.read(), b.read()
                assert a.bounds.right - b.bounds.left == pytest.approx(4 * 0.00025)
                assert np.array_equal(west[:, :, -4:], east[:, :, :4])
                compared += 1
        except rasterio.errors.RasterioIOError:
            continue
    assert compared >= 8


def test_truth_has_classes_and_changes(made: Simulation) -> None:
    maps = {}
    for path in sorted(made.truth.glob("*.tif")):
        with rasterio.open(path) as source:
            maps[int(path.stem.split("_")[6])] = source.read(1)
    assert set(maps) >= set(YEARS)
    assert len(np.unique(maps[2020])) >= 10
    assert 0.001 < (maps[2019] != maps[2020]).mean() < 0.2
    world = make_world((500, 500), range(2016, 2021), 1)
    assert len(CLASSES) >= 12 and len(np.unique(world.land[2020])) >= 12


def test_weather() -> None:
    """Worse in winter, 20 to 70 % of the pixels of a season lost, 3 to 8 % of the cloudy ones called clear."""
    world = make_world((300, 300), range(2016, 2021), 1)
    water = np.zeros((300, 300), bool)
    lost: dict[str, list[float]] = {}
    missed = cloudy = 0
    for season in seasons(range(2017, 2021)):
        for interval in season.intervals:
            if is_missing(interval, 1):
                lost.setdefault(season.name, []).append(1.0)
                continue
            above = sky(world, interval, 1, water)
            lost.setdefault(season.name, []).append(float((~np.isin(above.flag, [1, 2, 5, 6])).mean()))
            seen = above.cloud & (above.flag != 0)
            missed, cloudy = missed + int((seen & np.isin(above.flag, [1, 2])).sum()), cloudy + int(seen.sum())
    share = {name: float(np.mean(values)) for name, values in lost.items()}
    assert share["winter"] > share["summer"]
    assert all(0.2 <= value <= 0.7 for value in share.values()), share
    assert 0.03 <= missed / cloudy <= 0.08


def test_samples_are_dated_points_with_classes(made: Simulation) -> None:
    table = pd.read_csv(made.samples, dtype={"code": str})
    assert set(table.columns) == {"lon", "lat", "year", "code", "confidence"}
    assert set(table["year"]) == set(YEARS) and table["confidence"].between(0.2, 1).all()
    assert 200 < len(table) < 400


def test_a_whole_tile_can_be_asked_for(tmp_path: Path) -> None:
    """One image of an area wider than a GLAD tile: the middle tile is 4004 pixels wide."""
    window = window_of(2700, (4617120.0 + 37000, 2818090.0))
    assert write_interval(910, tmp_path, window, (2019,), 3) >= 2
    with rasterio.open(tmp_path / "48N/014E_48N/910.tif") as image:
        assert image.width == 4004


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match="cannot simulate an area, because its size is 4 pixels, 1 years; take 32 or more"
    ):
        simulate(tmp_path, years=[2019], size_px=4)
