"""Recipes: what is accepted, what is refused and in which words."""

from __future__ import annotations

import pytest

from odse.errors import RecipeError
from odse.run.recipe import parse_recipe, parse_years, read_recipe

RECIPE = """\
odse: 1                                  # version of this form
title: Land cover of the pilot area
licence: CC-BY-4.0
attribution: "Contains ..."
area: {file: area.geojson}
grid: odse-30m
tile_px: 1024
years: 2017..2020
data:
  archive:  {kind: glad, mask: eumap}
  terrain:  {kind: layers, static: true}
  samples:  {kind: points, date: year, class: code, weight: confidence, legend: clc}
steps:
  composite: {seasons: odse, percentiles: [25, 50, 75], method: linear}
  fill:      {method: tmwm, window_years: 9}
  derive:    [ndvi, nbr, slope]
  train:     {target: landcover, learners: [forest, boosting, network], stack: logistic, blocks_km: 30, folds: 5}
  predict:   {years: all}
  publish:   {theme: lcv, area: pilot, version: v0.1, encoding: byte-250}
limits: {unreadable_share: 0.05, attempts: 3}
"""


def test_defaults_are_filled_in_and_words_are_left_out() -> None:
    recipe = parse_recipe(RECIPE)
    resolved = recipe.resolved()
    assert recipe.years_ == (2017, 2018, 2019, 2020) == recipe.predict_years_
    assert resolved["steps"]["train"]["min_per_class"] == 10
    assert "title" not in resolved
    assert parse_recipe(RECIPE.replace("pilot area", "other area")).resolved() == resolved


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "window_years: 9",
            "windw_years: 9",
            "key `steps.fill.windw_years` in line 15 is unknown; write `window_years`",
        ),
        ("mask: eumap", "maks: eumap", "key `data.archive.maks` in line 10 is unknown; write `mask`"),
        ("class: code", "klass: code", "key `data.samples.klass` in line 12 is unknown; write `class`"),
        ("steps:", "stpes:", "key `stpes` in line 13 is unknown; write `steps`"),
        ("licence: CC-BY-4.0\n", "", "key `licence` is missing; add it"),
        ("years: 2017..2020", "years: soon", "key `years` in line 8 is refused"),
        ("tile_px: 1024", "tile_px: 1000", "should be a multiple of 512"),
        ("window_years: 9", "window_years: 8", "`window_years` is odd"),
        ("[forest, boosting, network]", "[forest]", "at least two different `learners`"),
        ("  predict:   {years: all}\n", "", "`steps.train` has no effect without `steps.predict`"),
        ("  archive:  {kind: glad, mask: eumap}\n", "", "`steps.composite` has no effect without an archive"),
        ("  samples:  {kind: points", "  samples2: {kind: pionts", "key `data.samples2` in line 12 is refused"),
        ("odse: 1 ", "odse: [", "no YAML"),
    ],
)
def test_refused_in_one_sentence(old: str, new: str, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_recipe(RECIPE.replace(old, new))
    text = str(caught.value)
    assert sentence in text
    assert text.startswith("cannot ") and "; " in text and "\n" not in text


def test_missing_file_is_a_sentence(tmp_path) -> None:
    with pytest.raises(
        RecipeError, match=r"cannot read recipe .*none\.yaml, because the file is not there; check the path"
    ):
        read_recipe(tmp_path / "none.yaml")


def test_years() -> None:
    assert parse_years("2000..2002") == (2000, 2001, 2002)
    with pytest.raises(ValueError, match="2019 or 2017..2020"):
        parse_years("2017-2020")
