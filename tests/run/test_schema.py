"""The JSON Schema of a recipe says what the reader of recipes says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

import odse
from odse.errors import RecipeError
from odse.run.recipe import parse_recipe

ROOT = Path(__file__).parents[2]
SHIPPED = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "src" / "odse" / "recipes").glob("*.yaml"))]
SCHEMA = odse.schema()
VALIDATOR = Draft202012Validator(SCHEMA)
GOOD = """\
odse: 1
title: Land cover of my valley
licence: CC-BY-4.0
attribution: me
area: {file: area.geojson}
years: 2017..2020
data:
  archive: {kind: glad}
  samples: {kind: points, date: year, class: code}
steps:
  composite: {}
  fill: {window_years: 9}
  derive: [ndvi]
  train: {learners: [forest, network]}
  predict: {years: all}
"""


def faults(text: str) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(yaml.safe_load(text))]


def test_it_is_a_schema_of_2020_12_with_a_title_and_examples_that_are_recipes() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema" and "odse" in SCHEMA["title"]
    assert SCHEMA["examples"] and not [f for one in SCHEMA["examples"] for f in VALIDATOR.iter_errors(one)]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_recipes_pass(path: Path) -> None:
    assert not faults(path.read_text(encoding="utf-8"))


def test_every_key_is_explained() -> None:
    parts: dict[str, Any] = {"Recipe": SCHEMA, **SCHEMA["$defs"]}
    silent = [f"{n}.{k}" for n, p in parts.items() for k, v in p["properties"].items() if not v.get("description")]
    assert not silent
    assert not [name for name, part in parts.items() if not part.get("description")]
    assert "``" not in json.dumps(SCHEMA)


def test_defaults_are_those_of_the_reader() -> None:
    train = SCHEMA["$defs"]["Train"]["properties"]
    steps = parse_recipe(GOOD).steps
    assert steps.train is not None
    assert train["blocks_km"]["default"] == steps.train.blocks_km and train["rare"]["default"] == steps.train.rare


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("years: 2017..2020", "years: 2017..2020"),
        ("years: 2017..2020", "years: 2019"),
        ("{file: area.geojson}", "{bounds: [1, 2, 3, 4], crs: EPSG:3035}"),
        ("years: all", "years: 2018..2019"),
        ("odse: 1", "odse: 1\ngrid: {crs: EPSG:32631, resolution_m: 10, origin_xy: [600000, 5700000]}"),
        ("odse: 1", "odse: 1\ngrid: odse-30m\ntile_px: 512\nlimits: {attempts: 1}"),
    ],
)
def test_both_accept(old: str, new: str) -> None:
    text = GOOD.replace(old, new)
    assert old in GOOD and not faults(text) and parse_recipe(text).title


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("odse: 1", "odse: 2", "$.odse"),
        ("title: Land", "tilte: Land", "$:"),
        ("licence: CC-BY-4.0\n", "", "$:"),
        ("years: 2017..2020", "years: soon", "$.years"),
        ("years: 2017..2020", "years: 1900", "$.years"),
        ("{file: area.geojson}", "{}", "$.area"),
        ("{file: area.geojson}", "{file: a.geojson, bounds: [1, 2, 3, 4]}", "$.area"),
        ("{file: area.geojson}", "{bounds: [1, 2, 3]}", "$.area"),
        ("kind: glad", "kind: glda", "$.data.archive"),
        ("kind: glad", "kind: glad, maks: eumap", "$.data.archive"),
        ("  archive:", "  Archive:", "$.data"),
        ("window_years: 9", "window_years: 8", "$.steps.fill.window_years"),
        ("[forest, network]", "[forest]", "$.steps.train.learners"),
        ("[forest, network]", "[forest, forest]", "$.steps.train.learners"),
        ("[forest, network]", "[forest, oracle]", "$.steps.train.learners"),
        ("  predict: {years: all}\n", "", "$.steps"),
        ("  train: {learners: [forest, network]}\n  predict: {years: all}\n", "", "$.steps"),
        ("odse: 1", "odse: 1\ntile_px: 1000", "$.tile_px"),
        ("odse: 1", "odse: 1\nlimits: {unreadable_share: 2}", "$.limits.unreadable_share"),
    ],
)
def test_both_refuse(old: str, new: str, where: str) -> None:
    text = GOOD.replace(old, new)
    assert old in GOOD
    with pytest.raises(RecipeError):
        parse_recipe(text)
    assert any(fault.startswith(where) for fault in faults(text)), faults(text)


def test_the_command_prints_it(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "odse.cli", "schema"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == SCHEMA
    out = tmp_path / "recipe.schema.json"
    subprocess.run([sys.executable, "-m", "odse.cli", "schema", "--out", str(out)], check=True)
    assert out.read_text(encoding="utf-8") == done.stdout
