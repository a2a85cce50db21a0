"""Trials: a part of the area, and the whole recipe on a coarse grid, against a whole run that nobody disturbed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st

import odse
from odse.errors import GridError, OdseError, RecipeError, RunError
from odse.grid import ODSE_30M, Grid, tiles_over
from odse.layer.name import LayerName
from odse.layer.period import seasons
from odse.raster.work import read_work, write_work
from odse.run import trial
from odse.run.closing import close_run
from odse.run.execute import _Shared, to_do
from odse.run.plan import Plan
from odse.run.steps import carry_out
from odse.run.trial import PREVIEW_PX, check_no_whole, factor_for
from odse.sources import glad
from odse.sources.layers import check_on_grid, read_window, scan
from odse.sources.simulate.archive import Simulation

RECIPE = """\
odse: 1
title: Trial
licence: CC-BY-4.0
attribution: me
area: {{file: "{area}"}}
tile_px: 512
years: 2019..2020
data:
  quarters: {{kind: layers}}
  terrain: {{kind: layers, static: true}}
  samples: {{kind: points, class: code, weight: confidence}}
  truth: {{kind: layers, role: truth}}
steps:
  train: {{learners: [forest, network], folds: 2, blocks_km: 0.5, min_per_class: 20}}
  predict: {{years: all}}
"""


def carry(plan: Plan) -> list[str]:
    """What ``execute`` does, in this process: the tasks that were done."""
    todo, shared = to_do(plan), _Shared(plan)
    for task in plan.tasks.values():
        if task.id in todo:
            carry_out(task, plan.place, shared.of(task))
    close_run(plan, [])
    return [task_id for task_id in plan.tasks if task_id in todo]


@pytest.fixture(scope="module")
def given_data(pilot: Simulation, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A recipe over ready seasons (NDVI with gaps, made of the true classes), and its data."""
    folder = tmp_path_factory.mktemp("trial")
    chance = np.random.default_rng(1)
    truth = {one.name.period.year: one for one in scan(pilot.truth) if one.name.period}
    for season in seasons([2019, 2020]):
        found = truth[season.year]
        with rasterio.open(found.path) as source:
            values = source.read(1)
        ndvi = np.clip(values.astype(float) * 3 + season.index * 20 + chance.normal(0, 6, values.shape), 1, 200)
        ndvi[chance.uniform(size=values.shape) < 0.3] = 255
        name = LayerName.v1("lcv", "ndvi", method="landsat.made", type="p50", resolution_m=30, period=season.period,
                            area="pilot", version="v0.1")  # fmt: skip
        place = rasterio.Affine(*found.transform)
        write_work(
            folder / "quarters" / f"{name}.tif", ndvi.astype(np.uint8), transform=place, crs="EPSG:3035", nodata=255
        )
    (folder / "recipe.yaml").write_text(RECIPE.format(area=pilot.area), encoding="utf-8")
    data = {"quarters": folder / "quarters", "terrain": pilot.terrain, "samples": pilot.samples, "truth": pilot.truth}
    return folder / "recipe.yaml", {name: str(path) for name, path in data.items()}


@pytest.fixture(scope="module")
def whole(given_data: tuple[Path, dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run of the whole area. Not to be changed."""
    out = tmp_path_factory.mktemp("whole") / "maps"
    carry(odse.plan(given_data[0], out=out, data=given_data[1]))
    return out


def published(folder: Path) -> dict[str, bytes]:
    """Every published byte of a run: not receipts, not work files, not what was measured."""
    return {
        name: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not (name := path.relative_to(folder).as_posix()).startswith(("work/", "receipts/", "measured", "run.html"))
    }


def layers(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(folder.glob("*_*_v*/*/*.tif"))}


def pixels(path: Path, bounds: Sequence[float]) -> np.ndarray[Any, Any]:
    """The pixels of a layer whose centres lie within bounds."""
    with rasterio.open(path) as source:
        values, (a, _, left, _, e, top) = source.read(1), tuple(source.transform)[:6]
    x, y = left + (np.arange(values.shape[1]) + 0.5) * a, top + (np.arange(values.shape[0]) + 0.5) * e
    return values[np.ix_((y > bounds[1]) & (y < bounds[3]), (x > bounds[0]) & (x < bounds[2]))]


def test_a_tile_first_then_the_whole_is_the_whole_to_the_byte(
    given_data: tuple[Path, dict[str, str]], whole: Path, tmp_path: Path
) -> None:
    recipe, data = given_data
    full = odse.plan(recipe, out=tmp_path, data=data)
    assert len(full.tiles) == 4
    tile = full.tiles[1]
    part = odse.plan(recipe, out=tmp_path, data=data, tile=tile)
    for task_id, task in part.tasks.items():
        if task.step != "publish":
            assert task.key == full.tasks[task_id].key, task_id
    assert {t.name for t in part.tasks.values() if t.step == "predict"} == {f"{tile}/2019", f"{tile}/2020"}
    assert set(carry(part)) == set(part.tasks)
    bounds = part.place.tile(tile).bounds
    assert layers(tmp_path).keys() == layers(whole).keys()
    for name, path in layers(tmp_path).items():
        with rasterio.open(path) as source:
            assert source.bounds.left >= bounds[0] and source.bounds.top <= bounds[3]
            assert np.array_equal(source.read(1), pixels(whole / path.relative_to(tmp_path), source.bounds)), name
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Part shown" in page and "Part shown" not in (whole / "index.html").read_text(encoding="utf-8")
    again = carry(odse.plan(recipe, out=tmp_path, data=data))
    others = {f"predict/{name}/{year}" for name in set(full.tiles) - {tile} for year in (2019, 2020)}
    assert {task_id for task_id in again if not task_id.startswith("publish/")} == others
    assert published(tmp_path) == published(whole)


def test_a_box_is_cut_out_of_the_same_maps(
    given_data: tuple[Path, dict[str, str]], whole: Path, tmp_path: Path
) -> None:
    recipe, data = given_data
    left, bottom, right, top = odse.plan(recipe, out=tmp_path, data=data).place.area.bounds
    x, y = (left + right) / 2 // 30 * 30, (bottom + top) / 2 // 30 * 30 + 10
    box = (x - 295, y - 295, x + 605, y + 905)
    part = odse.plan(recipe, out=tmp_path, data=data, bbox=box)
    assert part.place.part == ODSE_30M.snap(box)
    back = rasterio.warp.transform_bounds("EPSG:3035", "EPSG:4326", *box)
    degrees = odse.plan(recipe, out=tmp_path, data=data, bbox=back, bbox_crs="EPSG:4326").place.part
    assert degrees is not None
    a, b = np.array(part.place.part), np.array(degrees)
    assert (b[:2] <= a[:2]).all() and (b[2:] >= a[2:]).all() and np.abs(a - b).max() < 8  # a box around a turned box
    carry(part)
    for name, path in layers(tmp_path).items():
        with rasterio.open(path) as source:
            assert source.shape == (41, 31)
            assert np.array_equal(source.read(1), pixels(whole / path.relative_to(tmp_path), source.bounds)), name


def test_the_whole_is_not_replaced_by_a_part(given_data: tuple[Path, dict[str, str]], whole: Path) -> None:
    recipe, data = given_data
    tile = odse.plan(recipe, out=whole, data=data).tiles[0]
    with pytest.raises(RunError, match=r"because what its layers cover is the whole area \(.*\); take another --out"):
        odse.run(recipe, out=whole, data=data, tile=tile)
    check_no_whole(odse.plan(recipe, out=whole, data=data))
    bounds = odse.plan(recipe, out=whole, data=data).place.area.bounds
    assert odse.plan(recipe, out=whole, data=data, bbox=bounds).place.part is None, (
        "a box around all of it is all of it"
    )


@pytest.mark.parametrize(
    ("error", "words", "sentence"),
    [
        (GridError, {"tile": "x0001y0001"}, "because it is not among the tiles of the area; take one of x0"),
        (GridError, {"bbox": (0.0, 0.0, 9.0, 9.0)}, "because the part of the area in it is empty; give one within 46"),
        (GridError, {"bbox": (9.0, 0.0, 0.0, 9.0)}, "because its order is not left, bottom, right, top"),
        (GridError, {"bbox": (1.0, 1.0, 2.0, 2.0), "bbox_crs": "EPSG:1"}, "because it is no CRS"),
        (RecipeError, {"bbox_crs": "EPSG:4326"}, "because --bbox is missing; add --bbox"),
        (RecipeError, {"tile": "x0241y0171", "preview": True}, "said twice (--tile, --preview); give one of them"),
    ],
)
def test_what_cannot_be_tried_is_a_sentence(
    error: type[OdseError],
    words: dict[str, Any],
    sentence: str,
    given_data: tuple[Path, dict[str, str]],
    tmp_path: Path,
) -> None:
    with pytest.raises(error) as caught:
        odse.plan(given_data[0], out=tmp_path, data=given_data[1], **words)
    assert str(caught.value).startswith("cannot ") and sentence in str(caught.value)


def test_a_preview_is_the_whole_recipe_on_every_third_pixel(
    given_data: tuple[Path, dict[str, str]], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "PREVIEW_PX", 40)
    plan = odse.plan(given_data[0], out=tmp_path, data=given_data[1], preview=True)
    assert plan.place.folder == tmp_path / "preview" and plan.place.grid.resolution_m == 90
    carry(plan)
    preview = tmp_path / "preview"
    compared = 0
    for name, path in layers(preview).items():
        assert "_90m_" in name and name.endswith("_v0.1.preview")
        twin = layers(whole)[name.replace("_90m_", "_30m_").removesuffix(".preview")]
        with rasterio.open(path) as coarse, rasterio.open(twin) as fine:
            shown, values = (
                coarse.read(1),
                fine.read(1, window=fine.window(*coarse.bounds), boundless=True, fill_value=255),
            )
            assert shown.size < 40 * 40
        if "landcover" in name:  # learned anew: at the samples the centre of the coarse pixel is seen
            assert (shown != 255).mean() > 0.5
        else:
            assert np.array_equal(shown, values[1::3, 1::3]), name
            compared += 1
    assert compared > 8
    page, real = ((folder / "index.html").read_text(encoding="utf-8") for folder in (preview, whole))
    assert "<h1>Preview: Trial</h1>" in page and "one pixel of 3 x 3" in page and "Preview" not in real
    rows = re.compile(r'<div class="label"[^>]*><b>(.*?)</b>')
    assert rows.findall(page) == rows.findall(real), "the same page"
    assert (preview / "model" / "folds.csv").read_bytes() == (whole / "model" / "folds.csv").read_bytes()
    assert not list(tmp_path.glob("*_*_v*")) and not carry(plan)


@given(st.integers(1, 10**6))
def test_the_factor_is_odd_and_the_least(side: int) -> None:
    factor = factor_for(side)
    assert factor % 2 == 1 and side / factor <= PREVIEW_PX and (factor == 1 or side / (factor - 2) > PREVIEW_PX)


@given(st.integers(1, 40), st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 9), st.integers(1, 9))
def test_a_ready_layer_is_seen_at_the_centres(factor: int, col: int, row: int, width: int, height: int) -> None:
    path = _layer()
    (found,) = scan(path)
    window = (col, row, col + width, row + height)
    seen = read_window(found, window, ODSE_30M.coarser(factor))
    fine = read_window(found, (col * factor, row * factor, (col + width) * factor, (row + height) * factor), ODSE_30M)
    half = factor // 2
    assert np.array_equal(seen.filled(255), fine.filled(255)[half::factor, half::factor])
    assert check_on_grid(found, ODSE_30M.coarser(factor)) is None
    beside = Grid("beside", "EPSG:3035", 30.0, (900010.0, 5460010.0)).coarser(factor)
    assert "warp it to the grid" in str(check_on_grid(found, beside))


_FOLDER: list[Path] = []


def _layer() -> Path:
    if not _FOLDER:
        import tempfile

        _FOLDER.append(Path(tempfile.mkdtemp()) / "lcv_a_b_m_30m_0..0cm_2019_pilot_epsg3035_v0.1.tif")
        values = (np.arange(300 * 280).reshape(300, 280) * 7 % 255).astype(np.uint8)
        write_work(
            _FOLDER[0], values, transform=ODSE_30M.transform_of((-40, -50, 240, 250)), crs="EPSG:3035", nodata=255
        )
    return _FOLDER[0]


def test_an_image_is_seen_at_the_centres(pilot: Simulation, tmp_path: Path) -> None:
    path = sorted(pilot.archive.rglob("*.tif"))[5]
    file = glad.GladFile(path, path.parent.name, int(path.stem))
    area = shapely.from_geojson(pilot.area.read_text())
    left, bottom, right, top = rasterio.warp.transform_bounds("EPSG:4326", "EPSG:3035", *area.bounds)
    fine, coarse = ODSE_30M, ODSE_30M.coarser(3)
    reports = {}
    for name, grid in (("fine", fine), ("coarse", coarse)):
        reports[name] = glad.ingest(file, tmp_path / name, grid=grid, window=grid.snap((left, bottom, right, top)))
        assert reports[name].state == "done"
    tile = tiles_over(coarse, shapely.box(left, bottom, right, top), size_px=512)[0]
    window = reports["coarse"].window
    assert window is not None and reports["fine"].window is not None and tile.size_px == 512
    seen, all_of_it = read_work(tmp_path / "coarse"), read_work(tmp_path / "fine")
    rows = np.arange(window[1], window[3]) * 3 + 1 - reports["fine"].window[1]
    cols = np.arange(window[0], window[2]) * 3 + 1 - reports["fine"].window[0]
    good_rows, good_cols = (rows >= 0) & (rows < all_of_it.shape[1]), (cols >= 0) & (cols < all_of_it.shape[2])
    here = np.ix_(range(8), np.flatnonzero(good_rows), np.flatnonzero(good_cols))
    assert np.array_equal(seen[here], all_of_it[:, rows[good_rows]][:, :, cols[good_cols]]) and seen[7].any()


def test_a_grid_keeps_its_digest_and_a_coarse_one_has_another() -> None:
    other = Grid("own", "EPSG:3035", 90.0, ODSE_30M.origin_xy)
    assert ODSE_30M.coarser(1) is ODSE_30M
    assert ODSE_30M.coarser(3).digest not in (ODSE_30M.digest, other.digest)
    assert ODSE_30M.digest == "4877d6a5e880642095c45412258db7eefebe6349932e983a40614cdec446ec44"
