"""The command line: help with examples, quick, errors in one sentence and with the right exit code."""

from __future__ import annotations

import json
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


NDVI = "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0"
IN_V2 = "ndvi_landsat.glad.ard_p50_30m_s_20181202_20190320_eu_epsg.3035_v20230720"
SLOPE = "slope.percent_gedi.eml_m_30m_s_20000101_20181231_nl_epsg.3035_v0.3"


def name(*words: object, given: str = "") -> tuple[int, str, str]:
    """Exit code, answer and complaints of `odse name`."""
    done = subprocess.run([*ODSE, "name", *map(str, words)], input=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("verb", ["parse", "format", "convert"])
def test_every_verb_of_names_shows_an_example(verb: str) -> None:
    code, out, _ = name(verb, "--help")
    assert code == 0 and "Example:\n" in out and f"odse name {verb} " in out.partition("Example:")[2]


def test_names_are_read() -> None:
    code, out, err = name("parse", f"maps/{NDVI}.tif")
    assert (code, err) == (0, "") and out.startswith(f"{NDVI}\n")
    assert "  period       2018-12-02 to 2019-03-20\n" in out and "  asset key    ndvi_p50_0..0cm\n" in out
    code, out, err = name("parse", "--tolerant", SLOPE)
    assert (code, err) == (0, "") and "  mended       version is no date: kept as printed\n" in out


def test_a_bad_name_is_one_sentence_and_the_others_are_done() -> None:
    code, out, err = name("parse", "--json", NDVI, SLOPE, IN_V2)
    sentence = f"cannot parse layer name {SLOPE!r}, because its version is 'v0.3'; write v and the day it was made, as v20221015"
    assert code == 1 and err == f"odse: {sentence}\n"
    told = json.loads(out)
    assert [one["name"] for one in told] == [NDVI, SLOPE, IN_V2] and told[1] == {"name": SLOPE, "error": sentence}
    assert told[0]["fields"]["time"] == "201903" and told[2]["convention"] == "v2"


def test_names_come_from_standard_input() -> None:
    code, out, err = name(
        "convert", "--to", "v2", "--created", "2023-07-20", "-", given=f"maps/{NDVI}.tif\n\n{IN_V2}\n"
    )
    assert (code, out, err) == (0, f"{IN_V2}\n{IN_V2}\n", "")
    _, told, _ = name("parse", "--json", "-", given=f"{NDVI}\n{IN_V2}\n")
    assert name("format", "-", given=told) == (0, f"{NDVI}\n{IN_V2}\n", "")
    code, out, err = name("format", "-", given='[{"name": "a"}, 3]')
    assert code == 1 and err.count("because its `fields` is missing; give what `odse name parse --json` prints\n") == 2
    code, out, err = name("format", "-", given='["a')
    assert code == 1 and err.startswith("odse: cannot read standard input, because it is no JSON")


def test_names_are_printed_from_fields() -> None:
    assert name("format", NDVI, "type=p25", "time=2019") == (
        0, NDVI.replace("p50", "p25").replace("201903", "2019") + "\n", "",
    )  # fmt: skip
    fields = ("theme", "variable", "method", "type", "resolution", "depth", "time", "area", "crs", "version")
    words = [f"{field}={code}" for field, code in zip(fields, NDVI.split("_"), strict=True)]
    assert name("format", *words) == (0, f"{NDVI}\n", "")
    code, out, err = name("format", *words[:-1])
    assert (code, out) == (
        1,
        "",
    ) and err == "odse: cannot format a name of v1, because its version is missing; give one\n"
    code, out, err = name("format", NDVI, "type=mean")
    assert (code, out) == (1, "") and "because its type is 'mean'; write one of m, mf, p," in err


def test_names_are_converted_when_all_is_known() -> None:
    back = ("convert", "--to", "v1", "--theme", "lcv", "--version", "v1.0", "--time", "month")
    assert name(*back, IN_V2) == (0, f"{NDVI}\n", "")
    code, out, err = name("convert", "--to", "v2", NDVI)
    assert (code, out) == (1, "") and err.endswith("the day its version was made is unknown; give `created`\n")
    toy = IN_V2.replace("landsat.glad.ard", "landsat.ard1").replace("_eu_", "_nl_")
    given = ("--created", "2023-07-20", "--toy-methods", "--area", "nl", "--json")
    code, out, _ = name("convert", "--to", "v2", *given, NDVI)
    assert code == 0 and [one["name"] for one in json.loads(out)] == [toy]
    assert name("convert", "--to", "v3", NDVI)[0] == 2 == name("parse")[0]
