"""The command line: help with examples, quick, errors in one sentence and with the right exit code."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from odse.cli import cli
from odse.sources.simulate import simulate

ODSE = [sys.executable, "-m", "odse.cli"]


def odse(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*ODSE, *map(str, words)], capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.parametrize("verb", sorted(cli.commands))
def test_every_verb_shows_an_example(verb: str) -> None:
    done = odse(verb, "--help")
    assert done.returncode == 0 and f"Example:\n  odse {verb}" in done.stdout


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    start = time.perf_counter()
    assert "odse demo" in odse("--help").stdout
    assert time.perf_counter() - start < 5
    code = "import sys, odse, odse.cli; print([m for m in ('numpy', 'rasterio', 'sklearn', 'distributed') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    simulate(folder / "input", years=[2020], size_px=64, samples=200, seed=2)
    import importlib.resources

    text = importlib.resources.files("odse.recipes").joinpath("landcover.yaml").read_text(encoding="utf-8")
    (folder / "recipe.yaml").write_text(text.replace("2017..2020", "2020"), encoding="utf-8")
    return folder


def data(folder: Path, **changes: object) -> list[str]:
    places = {"archive": "archive", "terrain": "terrain", "samples": "samples.csv", "truth": "truth"}
    given = {name: folder / "input" / path for name, path in places.items()} | changes
    return [word for name, path in given.items() for word in ("--data", f"{name}={path}")]


def refused(*words: object) -> str:
    done = odse(*words)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("odse: cannot ") and "; " in lines[0], done.stderr
    return lines[0]


def test_plan_says_what_it_would_do(inputs: Path, tmp_path: Path) -> None:
    done = odse("plan", inputs / "recipe.yaml", *data(inputs))
    assert done.returncode == 0 and "layers by" in done.stdout and "CPU seconds" in done.stdout
    assert not (tmp_path / "out").exists()


def test_bad_input_is_one_sentence(inputs: Path, tmp_path: Path) -> None:
    recipe = inputs / "recipe.yaml"
    out = tmp_path / "out"
    run = ("run", recipe, "--out", out)
    assert "the path /none is not there; check --data" in refused(*run, *data(inputs, archive="/none"))
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "the number of its files in the area and the years is 0" in refused(*run, *data(inputs, archive=empty))
    assert "without a layer of the wanted variables" in refused(*run, *data(inputs, terrain=empty))
    points = tmp_path / "points.csv"
    points.write_text("lon,lat,year,code,confidence\n2.0,45.0,2020,311,1\n")
    assert "the number of its points inside the area is 0 of 1" in refused(*run, *data(inputs, samples=points))
    lines = (inputs / "input" / "samples.csv").read_text().splitlines()
    code = Counter(line.split(",")[3] for line in lines[1:]).most_common(1)[0][0]
    one = [lines[0], *(line for line in lines if line.split(",")[3] == code)]
    points.write_text("\n".join(one) + "\n")
    assert f"the number of its classes with enough points is 1 ({code})" in refused(*run, *data(inputs, samples=points))
    points.write_text("lon,lat,jear,code,confidence\n14.0,48.4,2020,311,1\n")
    assert "column 'year' is missing; write 'jear'" in refused(*run, *data(inputs, samples=points))
    points.write_text("lon,lat,year,code,confidence\n14.0,48.4,soon,311,1\n")
    assert "cannot use line 2 of points.csv, because its year is 'soon'" in refused(*run, *data(inputs, samples=points))
    points.write_text("lon,lat,year,code,confidence\n14.0,48.4,2020,999,1\n")
    assert "its code is '999', no code of" in refused(*run, *data(inputs, samples=points))
    other = tmp_path / "other.yaml"
    grid = "grid: {crs: EPSG:3035, resolution_m: 30, origin_xy: [900000, 5460000]}"
    text = recipe.read_text().replace("grid: odse-30m", grid)
    other.write_text(text.replace("input/area.geojson", str(inputs / "input" / "area.geojson")))
    assert "warp it to the grid" in refused("run", other, "--out", out, *data(inputs))
    assert "`archives` is not among the data of" in refused(*run, *data(inputs), "--data", "archives=/tmp")
    assert not (out / "catalog.json").exists()


def test_status_of_nothing(tmp_path: Path) -> None:
    assert "the number of receipts in it is 0" in refused("status", tmp_path)
