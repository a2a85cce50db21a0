"""Our verdict on COGs is that of the reference checker, and damage is found."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rio_cogeo.cogeo import cog_validate

from odse.raster.cog import write_cog
from odse.raster.encoding import encoding_
from odse.raster.verify import verify_cog, verify_hash
from odse.raster.work import write_work

PLACE = {"transform": Affine(30, 0, 4000000, 0, -30, 3000000), "crs": "EPSG:3035"}


def test_the_real_vectors(data_dir: Path) -> None:
    folder = data_dir / "13_cog"
    with open(folder / "expected_validity.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["valid_cog"] for row in rows} == {"True", "False"}
    for row in rows:
        problems = verify_cog(folder / row["file"])
        assert (problems == []) == (row["valid_cog"] == "True"), (row["file"], problems)
        # One sentence for each finding of the reference checker.
        assert len(problems) == len([one for one in row["errors"].split("; ") if one]), (
            row["file"],
            problems,
        )


def test_a_recommendation_counts_only_when_strict(data_dir: Path) -> None:
    path = data_dir / "13_cog" / "image_2000px.tif"
    assert len(verify_cog(path, strict=True)) == len(verify_cog(path)) + 1


@pytest.mark.parametrize("size", [(100, 100), (513, 100), (1500, 1300)])
def test_a_plain_tiled_file_agrees_with_the_reference(tmp_path: Path, size: tuple[int, int]) -> None:
    array = np.random.default_rng(0).integers(0, 250, size).astype(np.uint8)
    write_work(tmp_path / "t.tif", array, nodata=255, **PLACE)
    for factors in ([], [2, 4]):
        if factors:
            with rasterio.open(tmp_path / "t.tif", "r+") as target:
                target.build_overviews(factors)
        valid, errors, warnings = cog_validate(str(tmp_path / "t.tif"), quiet=True)
        assert len(verify_cog(tmp_path / "t.tif")) == len(errors)
        assert len(verify_cog(tmp_path / "t.tif", strict=True)) == len(errors) + len(warnings)


@pytest.fixture
def good(tmp_path: Path, pilot: Any) -> Path:
    parts, _ = pilot.parts(tiles=[(3, 4), (4, 4)])
    window = (parts[0].window[0], parts[0].window[1], parts[1].window[2], parts[1].window[3])
    write_cog(
        tmp_path / "o.tif", parts, window=window, grid=pilot.grid, layer=pilot.layer(), encoding=encoding_("class"),
        tags={},
    )  # fmt: skip
    return tmp_path / "o.tif"


def test_damage_is_found(good: Path) -> None:
    assert verify_cog(good, strict=True, pixels=True) == []
    data = bytearray(good.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 200] = bytes(200)
    good.write_bytes(data)
    problems = verify_cog(good, pixels=True)
    assert problems
    assert all("cannot be decoded" in one for one in problems)


def test_a_truncated_file_is_found(good: Path) -> None:
    good.write_bytes(good.read_bytes()[:-400])
    assert any("cannot be decoded" in one or "cannot be opened" in one for one in verify_cog(good, pixels=True))


def test_a_change_after_writing_is_found(good: Path) -> None:
    with rasterio.open(good, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as target:
        target.write(np.full((1, 512, 1024), 3, dtype=np.uint8))
        target.update_tags(added="x" * 5000)
    assert any("changed after it was made" in one for one in verify_cog(good))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_is_no_raster(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(b"no raster")
    assert verify_cog(tmp_path / "b.tif") == ["b.tif does not exist"]
    assert len(verify_cog(tmp_path / "a.tif")) == 1
    with rasterio.open(tmp_path / "c.png", "w", driver="PNG", width=4, height=4, count=1, dtype="uint8"):
        pass
    assert verify_cog(tmp_path / "c.png") == ["c.png is of format PNG, not GeoTIFF"]


def test_hash(good: Path, tmp_path: Path) -> None:
    import hashlib

    sha = hashlib.sha256(good.read_bytes()).hexdigest()
    assert verify_hash(good, sha) == []
    shutil.copy(good, tmp_path / "copy.tif")
    (tmp_path / "copy.tif").write_bytes(good.read_bytes() + b"x")
    assert len(verify_hash(tmp_path / "copy.tif", sha)) == 1
