"""The first draft of a recipe, from what somebody has: an area, samples, folders of data. Every choice says why."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import shapely
import yaml
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from odse.errors import RecipeError, SamplesError
from odse.grid import ODSE_30M, Grid, block_ids, change_of
from odse.layer.legend import clc_legend
from odse.learn.samples import merge_rare
from odse.run.plan import read_area
from odse.run.recipe import Recipe, parse_recipe
from odse.run.recipe_schema import FILE, MODELINE, write_schema
from odse.run.samples import read_samples
from odse.run.survey import LONLAT, AreaFile, Found, choose_grid, look_at_area, look_at_data, moved
from odse.run.task import Place
from odse.sources.columns import Guess, guess_class, guess_date, guess_place, guess_weight, place_numbers
from odse.sources.points import PointsFile, open_points, read_points
from odse.store.files import put_bytes

SIZES_KM = (30.0, 20.0, 15.0, 10.0, 7.5, 5.0, 3.0, 2.0, 1.5, 1.0, 0.75, 0.5, 0.3, 0.2, 0.15, 0.1)
"""Sides of blocks that are tried, the largest first: 30 km is that of the continental maps."""
DESIGNS = ((5, 5), (5, 2), (3, 2), (2, 1))
"""(folds, blocks a fold) that are tried, the best first."""
SMALL_PX = 2048
"""Up to this side, areas are worked on in tiles of 512 pixels."""
GLAD_CREDIT = "Contains Landsat ARD of GLAD (University of Maryland)"
MASK = "mask: which quality codes are used; eumap those of clear land, water, hill shade and snow"
WIDTH = 116


@dataclass(frozen=True)
class Draft:
    """A recipe that was written, and what it rests on."""

    path: Path
    text: str
    recipe: Recipe
    guesses: tuple[Guess, ...]
    data: Mapping[str, str]
    """Name -> path, as the commands need them."""
    missing: tuple[str, ...]
    """Data of the recipe whose place is not known yet."""

    def command(self, verb: str = "run", *, out: str = "maps") -> str:
        """The next command, ready to give: ``odse run recipe.yaml --out maps --data ...``."""
        words = ["odse", verb, str(self.path), *(["--out", out] if verb == "run" else [])]
        for name, path in self.data.items():
            words += ["--data", f"{name}={path}"]
        for name in self.missing:
            words += ["--data", f"{name}=PATH"]
        return " ".join(shlex.quote(word) for word in words)

    def to_json(self) -> dict[str, Any]:
        return {
            "recipe": str(self.path),
            "schema": str(self.path.with_name(FILE)),
            "guesses": [vars(one) for one in self.guesses],
            "commands": [self.command("plan"), f"{self.command()} --preview", self.command()],
        }


def draft(
    area: str | Path,
    samples: str | Path,
    *,
    data: Mapping[str, str] | None = None,
    out: str | Path = "recipe.yaml",
    force: bool = False,
    class_: str | None = None,
    date: str | None = None,
    weight: str | None = None,
    crs: str | None = None,
) -> Draft:
    """Look at area, samples and data; write a recipe that runs as it is, and its schema beside it.

    Raises RecipeError, SamplesError or SourceError with one sentence where something is missing; then nothing is written.
    """
    out = Path(out)
    if out.exists() and not force:
        raise RecipeError.sentence(
            "write", f"recipe {out}", "the file", "there already", "give --force or another --out"
        )
    here = look_at_area(area)
    found = _look(dict(data or {}), here)
    grid, why_grid = choose_grid(found, here)
    polygon = moved(here.lonlat, LONLAT, grid.crs)
    columns, said = _columns(open_points(samples), here, grid, polygon, class_, date, weight, crs)
    table = _read(samples, columns, grid)
    _check_inside(table, polygon, grid, Path(samples), here)
    years, why_years = _years(table, found, Path(samples))
    inside = shapely.contains_xy(polygon, table["x"].to_numpy(), table["y"].to_numpy())
    used = table[inside & table["year"].isin(range(years[0], years[1] + 1)).to_numpy()].reset_index(drop=True)
    minimum = choose_min_per_class(len(used))
    kept, changed = merge_rare(used, clc_legend(), min_per_class=minimum)
    facts = _Facts(
        here, found, grid, why_grid, polygon, Path(samples), columns, used, kept, changed, minimum, len(table), years,
        why_years, out,
    )  # fmt: skip
    text, guesses = _write(facts)
    recipe = parse_recipe(text, where=out.name)
    anywhere = recipe.area.model_copy(update={"file": str(here.path.resolve())})
    geometry = read_area(recipe.model_copy(update={"area": anywhere}), Path.cwd(), grid)
    read_samples(Place(Path.cwd(), recipe, {"samples": str(samples)}, shapely.to_wkb(geometry)))
    put_bytes(out, text.encode())
    write_schema(out.with_name(FILE))
    paths = {one.name: one.path for one in found} | {"samples": str(samples)}
    missing = tuple(name for name in recipe.data if name not in paths)
    return Draft(out, text, recipe, (*said, *guesses), paths, missing)


def _look(data: dict[str, str], area: AreaFile) -> list[Found]:
    found = []
    for name, path in data.items():
        if name == "samples" or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            value = "the name of the samples" if name == "samples" else "no word of small letters, digits and _"
            raise RecipeError.sentence("use", f"--data {name}={path}", f"`{name}`", value, "take another name")
        found += look_at_data(name, path, area)
    archives = [one.name for one in found if one.kind == "glad"]
    if len(archives) > 1:
        raise RecipeError.sentence("use", "--data", "the number of archives", len(archives), "give one")
    return found


# --- samples ----------------------------------------------------------------------------------------------------------


def _columns(
    points: PointsFile,
    area: AreaFile,
    grid: Grid,
    polygon: BaseGeometry,
    class_: str | None,
    date: str | None,
    weight: str | None,
    crs: str | None,
) -> tuple[dict[str, str | None], tuple[Guess, ...]]:
    """Key of the recipe -> column, or CRS; and why."""
    guesses = []
    place = guess_place(points) if points.x is None else ()
    guesses += list(place)
    said = points.crs
    if said is None:
        guesses.append(_crs(points, place, area, grid, polygon, crs))
    taken = [str(one.value) for one in place]
    free = PointsFile(points.file, points.rows.drop(columns=taken), points.x, points.y, points.crs)
    guesses.append(guess_class(free, clc_legend(), given=class_))
    taken = [str(guesses[-1].value)]
    guesses.append(guess_date(free, given=date))
    taken.append(str(guesses[-1].value))
    guesses.append(guess_weight(free, given=weight, taken=taken))
    return {one.what: one.value for one in guesses}, tuple(guesses)


def _crs(
    points: PointsFile, place: Sequence[Guess], area: AreaFile, grid: Grid, polygon: BaseGeometry, given: str | None
) -> Guess:
    """The CRS of a place that does not say it: degrees are EPSG:4326; of metres, where most points lie in the area."""
    if given is not None:
        try:
            pyproj.CRS.from_user_input(given)
        except CRSError as error:
            raise SamplesError.sentence(
                "use", f"--crs {given}", "it", "no CRS", "give one such as EPSG:4326"
            ) from error
        return Guess("crs", given, "as said")
    if points.x is None or points.y is None:
        x, y = place_numbers(points, str(place[0].value), str(place[1].value))
    else:
        x, y = points.x, points.y
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    if len(x) and max(abs(x.min()), abs(x.max())) <= 180 and max(abs(y.min()), abs(y.max())) <= 90:
        return Guess("crs", LONLAT, "its numbers are degrees")
    for crs in dict.fromkeys((grid.crs, area.crs, ODSE_30M.crs)):
        try:
            px, py = change_of(crs, grid.crs).transform(x, y)
        except CRSError:
            continue
        if shapely.contains_xy(polygon, px, py).mean() > 0.5:
            return Guess("crs", crs, "read so, most points lie in the area")
    raise SamplesError.sentence(
        "use", f"points {points.file}", "the CRS of its places", "not said", "say it with --crs EPSG:CODE"
    )


def _read(samples: str | Path, columns: Mapping[str, str | None], grid: Grid) -> pd.DataFrame:
    return read_points(
        samples,
        crs_to=grid.crs,
        date=str(columns["date"]),
        class_=str(columns["class"]),
        weight=columns["weight"],
        legend=clc_legend(),
        x=columns.get("x"),
        y=columns.get("y"),
        crs=columns.get("crs") or LONLAT,
    )


def _check_inside(table: pd.DataFrame, polygon: BaseGeometry, grid: Grid, samples: Path, area: AreaFile) -> None:
    if shapely.contains_xy(polygon, table["x"].to_numpy(), table["y"].to_numpy()).any():
        return
    back = change_of(grid.crs, LONLAT)
    lon, lat = back.transform(table["x"].to_numpy(), table["y"].to_numpy())
    west, south, east, north = area.lonlat.bounds
    raise SamplesError.sentence(
        "use",
        f"points {samples.name}",
        "the number of them inside the area",
        f"0 of {len(table)} (they lie in {lon.min():.4g}..{lon.max():.4g}, {lat.min():.4g}..{lat.max():.4g}; "
        f"the area in {west:.4g}..{east:.4g}, {south:.4g}..{north:.4g} degrees east and north)",
        "check both files, and say --crs if their places are read wrongly",
    )


def _years(table: pd.DataFrame, found: Sequence[Found], samples: Path) -> tuple[tuple[int, int], str]:
    """First and last year: those of the samples that every series holds."""
    dated = sorted(set(table["year"].tolist()))
    series = [one for one in found if one.years]
    shared = [year for year in dated if all(min(one.years) <= year <= max(one.years) for one in series)]
    if not shared:
        held = "; ".join(f"`{one.name}` holds {_span(sorted(one.years))}" for one in series)
        raise SamplesError.sentence(
            "use", f"points {samples.name}", "their dates", f"{_span(dated)}, while {held}", "give data of these years"
        )
    why = f"the samples are of {_span(dated)}"
    for one in series:
        why += f", `{one.name}` holds {_span(sorted(one.years))}"
    lost = int((~table["year"].isin(range(shared[0], shared[-1] + 1))).sum())
    if lost:
        why += f"; {lost} samples of other years are not used"
    return (shared[0], shared[-1]), why


def _span(years: Sequence[int]) -> str:
    return str(years[0]) if years[0] == years[-1] else f"{years[0]} to {years[-1]}"


def choose_blocks(table: pd.DataFrame) -> tuple[float, int, int]:
    """Side of the blocks in kilometres, number of folds, number of blocks, for samples with x and y in metres. Pure.

    The largest side of SIZES_KM that leaves the samples in at least 5 blocks a fold, with 5 folds; where none does, 2 blocks a
    fold, then fewer folds. Raises SamplesError where all samples lie in one place.

    >>> table = pd.DataFrame({"x": np.arange(100) * 1000.0, "y": np.zeros(100)})
    >>> choose_blocks(table)
    (3.0, 5, 34)
    """
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    blocks = {size: len(np.unique(block_ids(x, y, size_m=size * 1000))) for size in SIZES_KM}
    for folds, each in DESIGNS:
        for size, count in blocks.items():
            if count >= folds * each:
                return size, folds, count
    raise SamplesError.sentence(
        "fold", f"{len(table)} samples", "the number of places they lie in", 1, "add samples from elsewhere in the area"
    )


def choose_min_per_class(count: int) -> int:
    """The smallest number of points a class may have: one in a hundred of all samples, at least 5 (a fold each), at most 10.

    >>> choose_min_per_class(179), choose_min_per_class(740), choose_min_per_class(90_000)
    (5, 7, 10)
    """
    return min(10, max(5, count // 100))


# --- the text ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Facts:
    area: AreaFile
    found: Sequence[Found]
    grid: Grid
    why_grid: str
    polygon: BaseGeometry
    samples: Path
    columns: Mapping[str, str | None]
    used: pd.DataFrame
    """Samples in the area and the years."""
    kept: pd.DataFrame
    """Those of classes that have enough, after merging."""
    changed: Sequence[Mapping[str, Any]]
    minimum: int
    read: int
    years: tuple[int, int]
    why_years: str
    out: Path


def _write(facts: _Facts) -> tuple[str, list[Guess]]:
    """The YAML, and the choices that are not columns."""
    blocks_km, folds, blocks = choose_blocks(facts.kept)
    minimum = facts.minimum
    window = facts.grid.snap(facts.polygon.bounds)
    side = max(window[2] - window[0], window[3] - window[1])
    tile_px = 512 if side <= SMALL_PX else 1024
    archive = next((one for one in facts.found if one.kind == "glad"), None)
    series = [one for one in facts.found if one.kind == "series"]
    years = f"{facts.years[0]}..{facts.years[1]}" if facts.years[0] < facts.years[1] else str(facts.years[0])
    blocks_why = (
        f"the largest side that leaves the samples in {blocks} blocks, {blocks // folds} for each of {folds} folds"
    )
    stem = re.sub(r"[^a-z]", "", facts.area.path.stem.lower()) or "pilot"
    title = f"Land cover of {_words(facts.area.path.stem)}"
    credit = GLAD_CREDIT if archive or not series else f"Contains {', '.join(one.name for one in series)}"
    derive = _derive(facts)
    lines = [
        MODELINE,
        f"# Written by `odse init` from {_words(facts.area.path.name)} and {_words(facts.samples.name)}. "
        "It runs as it is; every line may be changed.",
        "# Where the data lie is said when it runs: --data NAME=PATH. What each key may be: `odse schema`.",
        "",
        "odse: 1",
        *_key("title", title, "a few words for page and catalogue; they change no pixel"),
        *_key("licence", "CC-BY-4.0", "of your maps, as an SPDX identifier; some data ask for another"),
        *_key("attribution", credit, "whose data are in it, for every file; add those who made your samples"),
        f"area: {_flow(_area(facts))}  # {facts.area.polygons} polygon{'s' * (facts.area.polygons > 1)}, "
        f"{facts.polygon.area / 1e6:,.1f} km²; only what lies inside is mapped",
        f"grid: {_grid(facts.grid)}  # {facts.why_grid}",
        f"tile_px: {tile_px}  # pixels: side of a tile of work, a multiple of 512; the larger side of the area has {side}",
        *_comment(f"years: {facts.why_years}. More years before and after fill gaps better"),
        f"years: {years}",
        "",
        *_comment("Names of your choice. The commands need a --data NAME=PATH for each"),
        "data:",
        *_data(facts, archive),
        "",
        "steps:",
    ]
    if archive or not series:
        lines += [
            *_comment(
                "Of the clear observations of each season (four a year, winter from 2 December): these percentiles, 0 to 100",
                2,
            ),
            "  composite: {seasons: odse, percentiles: [25, 50, 75]}",
        ]
    lines += [
        *_comment("Gaps are closed by the median of the same season in up to window_years years (odd) around", 2),
        "  fill: {method: tmwm, window_years: 9}",
    ]
    if derive:
        lines += [*_comment("More covariates, from those above", 2), f"  derive: {_flow(derive)}"]
    lines += [
        "  train:",
        *_comment("Two or more: their spread is the uncertainty of the map", 4),
        "    learners: [forest, boosting, network]",
        *_comment(
            f"Kilometres: side of the squares of land that are held out together, so that the score is that of places without "
            f"samples. Here {blocks_why}. Make it larger than the distance over which your samples resemble each other; "
            "continental maps took 30",
            4,
        ),
        f"    blocks_km: {blocks_km:g}",
        f"    folds: {folds}  # each is held out once; between 2 and 20",
        *_comment(f"Points: a class with fewer is rare. {_classes_words(facts)}", 4),
        f"    min_per_class: {minimum}",
        "    rare: merge-up  # joins rare classes of one group of the legend; or drop, refuse",
        "    seed: 0  # of all chance: the same seed gives the same maps",
        "  predict: {years: all}  # or some of them: 2019, 2018..2020",
        *_comment(
            "Parts of every layer's name (theme_variable_method_type_resolution_depth_time_area_crs_version). byte-250 stores "
            "reflectance in steps of 0.004; uint16 keeps the archive's numbers in twice the space",
            2,
        ),
        f"  publish: {{theme: lcv, area: {_scalar(stem)}, version: v0.1, encoding: byte-250}}",
        "",
        *_comment(
            "The run stops when more than this share (0 to 1) of source files cannot be read; how often a task is tried"
        ),
        "limits: {unreadable_share: 0.05, attempts: 3}",
        "",
    ]
    guesses = [
        Guess("area", str(facts.area.path), f"{facts.polygon.area / 1e6:,.1f} km²"),
        Guess("grid", facts.grid.name if facts.grid == ODSE_30M else facts.grid.crs, facts.why_grid),
        Guess("years", years, facts.why_years),
        *(Guess(f"data {one.name}", _kind_words(one), one.why) for one in facts.found),
        Guess(
            "samples",
            str(len(facts.kept)),
            f"of {facts.read} points; {len(facts.used)} lie in the area and the years, "
            f"{len(facts.used) - len(facts.kept)} of these are of classes with too few",
        ),
        Guess("blocks_km", f"{blocks_km:g}", blocks_why),
        Guess("min_per_class", str(minimum), _classes_words(facts)),
    ]
    return "\n".join(lines), guesses


def _area(facts: _Facts) -> dict[str, object]:
    there = facts.area.path.parent.resolve() / facts.area.path.name
    try:
        path = Path(os.path.relpath(there, facts.out.parent.resolve())).as_posix()
    except ValueError:  # another drive
        path = str(there)
    return {"file": path} if facts.area.says_crs else {"file": path, "crs": facts.area.crs}


def _grid(grid: Grid) -> str:
    if grid == ODSE_30M:
        return "odse-30m"
    return _flow({"crs": grid.crs, "resolution_m": grid.resolution_m, "origin_xy": list(grid.origin_xy)})


def _data(facts: _Facts, archive: Found | None) -> list[str]:
    lines = []
    if archive is None and not any(one.kind == "series" for one in facts.found):
        lines += [
            *_comment(f"A mirror of GLAD Landsat ARD, such as 50N/014E_50N/909.tif. {MASK}", 2),
            "  archive: {kind: glad, mask: eumap}",
        ]
    for one in facts.found:
        entry: dict[str, object] = {"kind": "glad", "mask": "eumap"} if one.kind == "glad" else {"kind": "layers"}
        if one.kind == "static":
            entry["static"] = True
        if one.kind == "truth":
            entry["role"] = "truth"
        if one.variables is not None:
            entry["variables"] = list(one.variables)
        more = f". {MASK}" if one.kind == "glad" else ""
        lines += [*_comment(f"{one.why}{more}", 2), f"  {one.name}: {_flow(entry)}"]
    columns = facts.columns
    entry = {"kind": "points", "date": columns["date"], "class": columns["class"]}
    if columns["weight"] is not None:
        entry["weight"] = columns["weight"]
    entry["legend"] = "clc"
    for key in ("x", "y", "crs"):
        if columns.get(key) is not None:
            entry[key] = columns[key]
    words = (
        f"{len(facts.used)} of {facts.read} points lie in the area and the years; each is learned from at its own year. date, "
        "class (codes of CORINE Land Cover, or values of its legend)"
        + (", weight (0 or more)" if columns["weight"] is not None else "")
        + (", x, y" if "x" in columns else "")
        + " are columns"
    )
    return [*lines, *_comment(words, 2), f"  samples: {_flow(entry)}"]


def _derive(facts: _Facts) -> list[str]:
    archive = any(one.kind == "glad" for one in facts.found) or not any(one.kind == "series" for one in facts.found)
    static = [layer.name.variable for one in facts.found if one.kind == "static" for layer in one.layers]
    slope = any(one.startswith("elev") for one in static) and not any(one.startswith("slope") for one in static)
    return ["ndvi", "nbr"] * archive + ["slope"] * slope


def _classes_words(facts: _Facts) -> str:
    """How many points each class has, and what becomes of the rare ones."""
    legend, minimum = clc_legend(), facts.minimum
    counts = Counter(facts.used["target"].astype(str))
    common = [f"{code} {legend.by_code[code].label}: {n}" for code, n in counts.most_common() if n >= minimum]
    some = "; ".join(common[:6]) + ("; …" if len(common) > 6 else "")
    words = f"{len(common)} of {len(counts)} classes have {minimum} or more ({some})"
    merged = [f"{one['code']} into {one['became']}" for one in facts.changed if one["became"]]
    lost = [one["code"] for one in facts.changed if one["became"] is None]
    if merged:
        words += f"; merged: {', '.join(merged)}"
    if lost:
        words += f"; left out: {', '.join(lost)}"
    return words + f"; {facts.kept['target'].nunique()} are mapped"


def _kind_words(found: Found) -> str:
    return {"glad": "archive", "series": "series", "static": "static layers", "truth": "truth"}[found.kind]


def _key(name: str, value: str, words: str) -> list[str]:
    line = f"{name}: {_scalar(value)}  # {words}"
    return [line] if len(line) <= WIDTH else [*_comment(words), f"{name}: {_scalar(value)}"]


def _comment(words: str, indent: int = 0) -> list[str]:
    """Words as comment lines of a bearable length."""
    lines, line = [], ""
    for word in words.split():
        if line and indent + 2 + len(line) + 1 + len(word) > WIDTH:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [f"{' ' * indent}# {one}" for one in [*lines, line]]


def _words(text: str) -> str:
    return " ".join(text.replace("_", " ").split()) if "." not in text else " ".join(text.split())


def _flow(value: object) -> str:
    """A value in one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    """A string plain where it stays itself, quoted elsewhere; a number or truth value as YAML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.12g}"
    text = str(value)
    plain = re.fullmatch(r"[\w.]([\w ./-]|:(?=\S))*(?<! )", text)
    if plain and yaml.safe_load(f"{{a: {text}}}") == {"a": text}:
        return text
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10**6).strip()
