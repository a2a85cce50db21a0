"""First drafts: what is guessed and why, a recipe that runs as it is, and one sentence where something is missing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyogrio
import pyproj
import pytest
import shapely
import yaml
from jsonschema import Draft202012Validator

import odse
from odse.errors import OdseError, RecipeError, SamplesError, SourceError
from odse.grid import block_ids
from odse.layer.legend import clc_legend
from odse.run.draft import SIZES_KM, _scalar, choose_blocks
from odse.run.recipe import parse_recipe
from odse.sources.simulate.archive import Simulation

TOOL = [sys.executable, "-m", "odse.cli"]
NAMES = {"lon": "Longitude", "lat": "Latitude", "code": "Land Cover", "confidence": "conf"}


@pytest.fixture(scope="module")
def table(pilot: Simulation) -> pd.DataFrame:
    """The pilot's samples as somebody else would write them: other names, whole dates, more columns."""
    made = pd.read_csv(pilot.samples)
    chance = np.random.default_rng(0)
    made["Survey date"] = [
        f"{year}-06-{day:02d}" for year, day in zip(made["year"], chance.integers(1, 31, len(made)), strict=True)
    ]
    made["id"], made["month"] = np.arange(len(made)), chance.integers(1, 13, len(made))
    return made.drop(columns="year").rename(columns=NAMES)[["id", "Survey date", "month", *NAMES.values()]]


@pytest.fixture
def write(table: pd.DataFrame, tmp_path: Path) -> Callable[..., Path]:
    """A CSV of the samples, after a change."""

    def made(change: Callable[[pd.DataFrame], pd.DataFrame] = lambda one: one) -> Path:
        path = tmp_path / "my points.csv"
        change(table.copy()).to_csv(path, index=False)
        return path

    return made


def data(pilot: Simulation) -> dict[str, str]:
    return {"archive": str(pilot.archive), "terrain": str(pilot.terrain), "truth": str(pilot.truth)}


def why(draft: Any) -> dict[str, tuple[str | None, str]]:
    return {one.what: (one.value, one.why) for one in draft.guesses}


def test_columns_years_and_folders_are_guessed_and_the_plan_accepts_them(
    pilot: Simulation, write: Callable[..., Path], tmp_path: Path
) -> None:
    words = [f"{name}={path}" for name, path in data(pilot).items()]
    pairs = [word for pair in words for word in ("--data", pair)]
    done = subprocess.run(
        [*TOOL, "init", "--area", str(pilot.area), "--samples", str(write()), *pairs, "--out", str(tmp_path / "r.yaml"), "--json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    guesses = {one["what"]: (one["value"], one["why"]) for one in told["guesses"]}
    assert guesses["class"][0] == "Land Cover" and "codes of CORINE Land Cover" in guesses["class"][1]
    assert guesses["date"][0] == "Survey date" and "it holds dates, 2019 to 2020" in guesses["date"][1]
    assert (guesses["x"][0], guesses["y"][0], guesses["crs"][0]) == ("Longitude", "Latitude", "EPSG:4326")
    assert guesses["weight"][0] == "conf" and guesses["years"][0] == "2019..2020"
    assert "a mirror of GLAD Landsat ARD" in guesses["data archive"][1] and guesses["grid"][0] == "odse-30m"
    recipe = parse_recipe((tmp_path / "r.yaml").read_text(encoding="utf-8"))
    kinds = {
        name: (one.kind, getattr(one, "static", None), getattr(one, "role", None)) for name, one in recipe.data.items()
    }
    assert kinds == {
        "archive": ("glad", None, None), "terrain": ("layers", True, "covariate"), "truth": ("layers", False, "truth"),
        "samples": ("points", None, None),
    }  # fmt: skip
    planned = subprocess.run(
        [*TOOL, *shlex.split(told["commands"][0])[1:], "--json"], capture_output=True, text=True, check=False
    )
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["samples"]["used"] == int(guesses["samples"][0])


def test_the_draft_runs_as_it_is(pilot: Simulation, write: Callable[..., Path], tmp_path: Path) -> None:
    """The second of the commands that are printed: a preview, which of so small an area is all of it."""
    one_year = write(lambda one: one[one["Survey date"].str.startswith("2020")])
    draft = odse.init(pilot.area, one_year, data={"archive": str(pilot.archive)}, out=tmp_path / "r.yaml")
    command = shlex.split(draft.to_json()["commands"][1].replace("--out maps", f"--out {tmp_path / 'maps'}"))
    assert command[0] == "odse" and command[-1] == "--preview"
    done = subprocess.run([*TOOL, *command[1:]], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "maps" / "preview" / "index.html").read_text(encoding="utf-8")
    assert "Preview: Land cover of area" in page and "Dominant class" in page


def test_every_line_says_what_it_is(pilot: Simulation, write: Callable[..., Path], tmp_path: Path) -> None:
    draft = odse.init(pilot.area, write(), data=data(pilot), out=tmp_path / "sub" / "r.yaml")
    text = draft.path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0] == "# yaml-language-server: $schema=recipe.schema.json"
    schema = json.loads((tmp_path / "sub" / "recipe.schema.json").read_bytes())
    assert schema == odse.schema() and not list(Draft202012Validator(schema).iter_errors(yaml.safe_load(text)))
    assert max(map(len, lines)) <= 140
    for word in ("Kilometres", "pixels", "Points:", "0 to 1", "km²", "years:"):
        assert any("#" in line and word in line for line in lines), word
    above = ["", *lines]
    silent = [
        line
        for before, line in zip(above, lines, strict=False)
        if line.strip() and "#" not in line and not before.lstrip().startswith("#")
    ]
    assert silent == ["odse: 1", "steps:", "  train:"], "whatever can be chosen has its words"
    assert str(pilot.archive) not in text, "no path of a machine"
    assert draft.recipe == parse_recipe(text)


def test_blocks_leave_enough_of_them_and_are_the_largest(
    pilot: Simulation, write: Callable[..., Path], tmp_path: Path
) -> None:
    draft = odse.init(pilot.area, write(), data=data(pilot), out=tmp_path / "r.yaml")
    used = odse.plan(draft.path, data=draft.data).samples
    assert used is not None and draft.recipe.steps.train is not None
    train = draft.recipe.steps.train
    x, y = used.table["x"].to_numpy(), used.table["y"].to_numpy()
    counts = {size: len(set(block_ids(x, y, size_m=size * 1000).tolist())) for size in SIZES_KM}
    assert counts[train.blocks_km] >= 5 * train.folds
    assert all(counts[size] < 5 * train.folds for size in SIZES_KM if size > train.blocks_km)


def test_few_places_get_fewer_folds_and_one_place_is_refused() -> None:
    def at(n: int) -> pd.DataFrame:
        return pd.DataFrame({"x": np.arange(n) * 40_000.0, "y": np.zeros(n)})

    assert choose_blocks(at(25))[:2] == (30.0, 5) and choose_blocks(at(24))[:2] == (30.0, 5)
    assert choose_blocks(at(7))[1] == 3 and choose_blocks(at(2))[1] == 2
    with pytest.raises(SamplesError, match="the number of places they lie in is 1"):
        choose_blocks(at(1))


def test_values_of_the_legend_a_vector_file_and_metres(pilot: Simulation, table: pd.DataFrame, tmp_path: Path) -> None:
    legend = clc_legend()
    value = [legend.by_code[str(code)].value for code in table["Land Cover"]]
    there = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
    x, y = there.transform(table["Longitude"].to_numpy(), table["Latitude"].to_numpy())
    path = tmp_path / "points.gpkg"
    fields = [np.array(value), pd.to_datetime(table["Survey date"]).to_numpy(), table["month"].to_numpy()]
    pyogrio.raw.write(
        path, shapely.to_wkb(shapely.points(x, y)), field_data=fields, fields=["class_id", "when", "month"],
        crs="EPSG:3035", geometry_type="Point",
    )  # fmt: skip
    told = why(odse.init(pilot.area, path, out=tmp_path / "a.yaml"))
    assert told["class"][0] == "class_id" and "values of CORINE Land Cover" in told["class"][1]
    assert told["date"][0] == "when" and told["weight"][0] is None and "x" not in told
    metres = pd.DataFrame({"class_id": value, "year": 2020, "easting": x, "northing": y})
    metres.to_csv(tmp_path / "metres.csv", index=False)
    draft = odse.init(pilot.area, tmp_path / "metres.csv", out=tmp_path / "b.yaml")
    assert why(draft)["crs"] == ("EPSG:3035", "read so, most points lie in the area")
    assert draft.missing == ("archive",) and "--data archive=PATH" in draft.command()
    assert draft.recipe.years == 2020


def test_years_are_those_of_samples_and_archive(pilot: Simulation, write: Callable[..., Path], tmp_path: Path) -> None:
    def older(one: pd.DataFrame) -> pd.DataFrame:
        one.loc[one.index[:30], "Survey date"] = "2015-05-05"
        return one

    told = why(odse.init(pilot.area, write(older), data={"archive": str(pilot.archive)}, out=tmp_path / "r.yaml"))
    assert told["years"][0] == "2019..2020" and "30 samples of other years are not used" in told["years"][1]


def test_other_continents_get_a_grid_of_their_own(tmp_path: Path) -> None:
    area = shapely.box(-56.2, -12.3, -56.0, -12.1)
    (tmp_path / "mato_grosso.geojson").write_text(
        json.dumps({"type": "Feature", "properties": {}, "geometry": json.loads(shapely.to_geojson(area))})
    )
    chance = np.random.default_rng(2)
    rows = pd.DataFrame({"x": chance.uniform(-56.2, -56, 200), "y": chance.uniform(-12.3, -12.1, 200)})
    rows["year"], rows["clc"] = 2019, chance.choice([211, 311, 321], 200)
    rows.to_csv(tmp_path / "points.csv", index=False)
    draft = odse.init(tmp_path / "mato_grosso.geojson", tmp_path / "points.csv", out=tmp_path / "r.yaml")
    assert draft.recipe.grid != "odse-30m" and draft.recipe.grid.crs == "EPSG:32721"
    assert draft.recipe.steps.publish.area == "matogrosso" and draft.recipe.title == "Land cover of mato grosso"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda one: one.assign(**{"Land Cover": "land " + one["Land Cover"].astype(str).str[0]}),
            "because the number of its columns that hold codes of CORINE Land Cover is 0; write a code such as 311 into each row, or "
            "name the column of codes or values with --class; candidates are",
        ),
        (lambda one: one.drop(columns="Survey date"), "hold years or dates is 0; add a column `year`"),
        (lambda one: one.assign(Longitude=one["Longitude"] + 9), "the number of them inside the area is 0 of "),
        (lambda one: one.drop(columns="Latitude"), "named like lon and lat, or x and y is 0; rename two of its columns of numbers"),
        (lambda one: one.assign(**{"Survey date": "1999-01-01"}), "because their dates is 1999, while `archive` holds 2019 to 2020"),
        (lambda one: one.head(0), "the number of its rows is 0"),
        (lambda one: one[one["Land Cover"] == one["Land Cover"].mode()[0]], "hold codes of CORINE Land Cover is 0"),
        (
            lambda one: one.assign(**{"Land Cover": ["?", *one["Land Cover"].astype(str)[1:]]}),
            "cannot use line 2 of my points.csv, because its Land Cover is '?', no code of CORINE Land Cover",
        ),
    ],
)  # fmt: skip
def test_bad_samples_are_one_sentence(
    change: Any, sentence: str, pilot: Simulation, write: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(OdseError) as caught:
        odse.init(pilot.area, write(change), data={"archive": str(pilot.archive)}, out=tmp_path / "r.yaml")
    text = str(caught.value)
    assert text.startswith("cannot ") and sentence in text and "\n" not in text, text
    assert not (tmp_path / "r.yaml").exists() and not (tmp_path / "recipe.schema.json").exists()


def test_the_candidates_are_named_and_one_can_be_said(
    pilot: Simulation, write: Callable[..., Path], tmp_path: Path
) -> None:
    def two(one: pd.DataFrame) -> pd.DataFrame:
        value = {code: clc_legend().by_code[str(code)].value for code in set(one["Land Cover"])}
        return one.assign(k18=one["Land Cover"].map(value)).drop(columns="Land Cover")

    with pytest.raises(SamplesError, match=r"candidates are .*k18 \(\d+, "):
        odse.init(pilot.area, write(two), out=tmp_path / "r.yaml")
    told = why(odse.init(pilot.area, write(two), out=tmp_path / "r.yaml", class_="k18"))
    assert told["class"][0] == "k18" and told["class"][1].startswith("as said")
    with pytest.raises(SamplesError, match="column 'k19' is missing; its columns are"):
        odse.init(pilot.area, write(two), out=tmp_path / "q.yaml", class_="k19")


def test_nothing_is_overwritten_unless_told(pilot: Simulation, write: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "r.yaml"
    out.write_text("mine")
    with pytest.raises(RecipeError, match="because the file is there already; give --force or another --out"):
        odse.init(pilot.area, write(), out=out)
    assert out.read_text() == "mine"
    odse.init(pilot.area, write(), out=out, force=True)
    assert parse_recipe(out.read_text(encoding="utf-8")).title


def test_bad_areas_and_folders_are_one_sentence(pilot: Simulation, write: Callable[..., Path], tmp_path: Path) -> None:
    def refused(error: type[OdseError], sentence: str, area: Path = pilot.area, **folders: Path) -> None:
        with pytest.raises(error) as caught:
            odse.init(area, write(), data={k: str(v) for k, v in folders.items()}, out=tmp_path / "r.yaml")
        assert sentence in str(caught.value) and "\n" not in str(caught.value), str(caught.value)

    refused(RecipeError, "the file is not there; check --area", tmp_path / "none.gpkg")
    refused(RecipeError, "the number of its layers with a shape is 0; give a file with one", write())
    text = tmp_path / "area.txt"
    text.write_text("here and there")
    refused(RecipeError, "no vector file", text)
    line = tmp_path / "line.geojson"
    line.write_text('{"type": "LineString", "coordinates": [[14, 48], [15, 49]]}')
    refused(RecipeError, "its content is 1 LineString; give polygons", line)
    refused(SourceError, "the path /none is not there; check --data", archive=Path("/none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(SourceError, "is without a GeoTIFF (empty)", archive=empty)
    refused(
        SourceError,
        f"is inside a mirror of GLAD Landsat ARD; give --data archive={pilot.archive}",
        archive=pilot.archive / "48N",
    )
    far = tmp_path / "far.geojson"
    far.write_text(shapely.to_geojson(shapely.box(20, 50, 20.1, 50.1)))
    refused(SourceError, "the number of its images over the area is 0", far, archive=pilot.archive)
    refused(RecipeError, "`samples` is the name of the samples", samples=pilot.archive)
    refused(RecipeError, "the number of archives is 2; give one", one=pilot.archive, two=pilot.archive)


def test_a_folder_of_seasons_and_others_becomes_two_entries(
    pilot: Simulation, table: pd.DataFrame, data_dir: Path, tmp_path: Path
) -> None:
    tile = data_dir / "01_odse_toy_tile_nl"
    box = tmp_path / "box.geojson"
    back = pyproj.Transformer.from_crs("EPSG:3035", "EPSG:4326", always_xy=True)
    corners = [
        back.transform(x, y)
        for x, y in ((4020600, 3210130), (4028280, 3210130), (4028280, 3217810), (4020600, 3217810))
    ]
    box.write_text(shapely.to_geojson(shapely.Polygon(corners)))
    draft = odse.init(box, tile / "samples" / "samples_train.gpkg", data={"all": str(tile)}, out=tmp_path / "r.yaml")
    entries = {name: (getattr(one, "static", None), one.kind) for name, one in draft.recipe.data.items()}
    assert entries["all"] == (False, "layers") and entries["all_static"] == (True, "layers")
    assert draft.recipe.steps.composite is None and draft.recipe.years == "2015..2020"
    assert odse.plan(draft.path, data=draft.data).samples is not None


NAMES_OF_COLUMNS = [
    "a",
    "no",
    "12",
    "1e3",
    "A: b",
    "x # y",
    "Länd cover",
    "a,b",
    "{x}",
    " a ",
    "it's",
    "",
    "null",
    "~",
    'q"',
]


@pytest.mark.parametrize("text", NAMES_OF_COLUMNS)
def test_any_name_is_itself_in_yaml(text: str) -> None:
    assert yaml.safe_load(f"{{a: {_scalar(text)}, b: 1}}") == {"a": text, "b": 1}
