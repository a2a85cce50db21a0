"""The plan: every task of a Recipe with its key, before any pixel is read; and what it will cost.

Reading for a plan is cheap: names in folders, headers, hashes of source files (a tenth of what decoding them costs), and
the table of samples. Nothing is written.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.ops import transform

from odse.errors import GridError, RecipeError, RunError, SourceError
from odse.grid import Grid, Tile, Window, change_of, grid_, tiles_over
from odse.layer.legend import legend_from_csv, legend_from_qml, legend_to_csv
from odse.layer.period import Season
from odse.run.cost import Cost, Known, estimate, memory_there_is
from odse.run.publication import Publication, publications
from odse.run.recipe import ArchiveData, Recipe, SampleData, read_recipe
from odse.run.samples import SampleSet, read_samples
from odse.run.series import Features, archive_of, describe, read_series
from odse.run.task import Place, Task, make_task
from odse.run.trial import Trial, needed, place_of
from odse.sources.archive import Archive, Image, check_mask
from odse.store.files import sha256_of
from odse.store.receipts import digest


@dataclass(frozen=True)
class Plan:
    """All tasks of a Run in an order in which they can be done."""

    place: Place
    tasks: Mapping[str, Task]
    features: Features
    publications: tuple[Publication, ...]
    samples: SampleSet | None
    images: Mapping[str, tuple[int, str, Window]] = field(default_factory=dict)
    """Name of an image of the archive -> bytes of its files, its source, the pixels of the grid it covers."""
    bytes_to_read: int = 0
    """Of all source files."""

    @cached_property
    def cost(self) -> Cost:
        """What it costs on this machine: estimates. Takes half a second once a process, to see how fast the machine is."""
        return estimate(self._known())

    def cost_on(self, machine: float) -> Cost:
        """What it costs on a machine that does the probe in so many times the time of reference."""
        return estimate(self._known(), machine=machine)

    def _known(self) -> Known:
        archive = archive_of(self.place.recipe, self.place.data)
        return Known(
            place=self.place,
            features=self.features,
            tiles=[self.place.tile(name) for name in self.tiles],
            tasks=self.tasks,
            publications=self.publications,
            samples=self.samples,
            images=self.images,
            layers_bytes=self.bytes_to_read - sum(size for size, _, _ in self.images.values()),
            bands=len(archive.bands) if archive else 0,
        )

    @property
    def tiles(self) -> list[str]:
        """Names of the work tiles, from the north-west."""
        return list(dict.fromkeys(name.split("/")[1] for name in self.tasks if name.startswith("fill/")))

    @property
    def counts(self) -> dict[str, int]:
        """Number of tasks by step."""
        return dict(Counter(task.step for task in self.tasks.values()))

    def to_json(self, workers: int = 2) -> dict[str, Any]:
        return {
            "title": self.place.recipe.title,
            "tasks": self.counts,
            "tasks_total": len(self.tasks),
            "layers": len(self.publications),
            "tiles": self.tiles,
            "cost": self.cost.to_json(workers),
            "samples": self.samples.summary if self.samples else None,
        }


BAKEOFF_TILES = 4
"""Tiles, spread over the area, on which methods of filling are compared."""


def plan(
    recipe: str | Path | Recipe,
    *,
    out: str | Path,
    data: Mapping[str, str] | None = None,
    trial: Trial | None = None,
) -> Plan:
    """The plan of a recipe, or of a trial of it: what ``run`` would do.

    ``out`` is the run's folder (not written to), ``data`` says where each name of the recipe's ``data`` lies.
    Raises RecipeError, SourceError, SamplesError or GridError with a sentence when the recipe cannot be carried out.
    """
    if isinstance(recipe, Recipe):
        base, which = Path.cwd(), "the recipe"
    else:
        base, which = Path(recipe).resolve().parent, str(recipe)
        recipe = read_recipe(recipe)
    paths = _data_paths(recipe, dict(data or {}), which)
    grid = grid_(recipe.grid if isinstance(recipe.grid, str) else recipe.grid.model_dump())
    area = read_area(recipe, base, grid)
    place = Place(Path(out).resolve(), recipe, paths, shapely.to_wkb(area), _legend_text(recipe, base))
    made = _plan(place if trial is None else place_of(place, trial))
    return made if made.place.part is None else replace(made, tasks=needed(made.tasks))


def _data_paths(recipe: Recipe, data: dict[str, str], which: str) -> dict[str, str]:
    for name in data:
        if name not in recipe.data:
            raise RecipeError.sentence(
                "use",
                f"--data {name}=…",
                f"`{name}`",
                f"not among the data of {which} ({', '.join(recipe.data)})",
                "correct the name",
            )
    missing = [name for name in recipe.data if name not in data]
    if missing:
        words = " ".join(f"--data {name}=PATH" for name in missing)
        raise RecipeError.sentence("find", f"data `{missing[0]}`", "its place", "not said", f"add {words}")
    for name, path in data.items():
        if "://" not in path and not Path(path).exists():
            raise SourceError.sentence("read", f"data `{name}`", f"the path {path}", "not there", "check --data")
    return {name: path if "://" in path else str(Path(path).resolve()) for name, path in data.items()}


def _legend_text(recipe: Recipe, base: Path) -> str:
    """The content of the recipe's own legend file, once it is known to be a legend; empty for CORINE."""
    named = recipe.samples_
    if named is None or named[1].legend == "clc":
        return ""
    path = base / named[1].legend
    if not path.is_file():
        raise RecipeError.sentence(
            "read", f"legend {named[1].legend}", "the file", f"not at {path}", f"check `data.{named[0]}.legend`"
        )
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".qml":
        text = legend_to_csv(legend_from_qml(text))
    legend_from_csv(text)
    return text


def read_area(recipe: Recipe, base: Path, grid: Grid) -> BaseGeometry:
    """The area's polygon in the grid's CRS."""
    area = recipe.area
    if area.bounds is not None:
        geometry: BaseGeometry = shapely.box(*area.bounds)
        crs = area.crs
    else:
        assert area.file is not None
        path = base / area.file
        if not path.is_file():
            raise RecipeError.sentence("read", f"area {area.file}", "the file", f"not at {path}", "check `area.file`")
        try:
            meta, _, shapes, _ = pyogrio.raw.read(path, columns=[])
        except pyogrio.errors.DataSourceError as error:
            raise RecipeError.sentence(
                "read", f"area {area.file}", "its content", f"not a vector file ({error})", "give a polygon file"
            ) from error
        geometry = shapely.union_all(shapely.from_wkb(shapes))
        crs = meta["crs"] or area.crs
    if geometry.is_empty or geometry.area == 0:
        raise RecipeError.sentence("use", "the area", "its surface", 0, "give a polygon")
    change = change_of(crs, grid.crs)
    moved = transform(change.transform, shapely.segmentize(geometry, geometry.length / 400))
    if not moved.is_valid:
        moved = shapely.make_valid(moved)
    if not all(map(lambda v: abs(v) < 1e12, moved.bounds)):
        raise GridError.sentence(
            "use", "the area", f"its place in {grid.crs}", "outside that CRS", "choose another grid"
        )
    return moved


def _plan(place: Place) -> Plan:
    recipe = place.recipe
    wanted = recipe.seasons_
    tiles = tiles_over(place.grid, place.area, size_px=recipe.tile_px)
    series, static = read_series(recipe, place.data, place.grid)
    features = Features(series, wanted, static, recipe.steps.derive)
    tasks: dict[str, Task] = {}

    def add(task: Task) -> Task:
        tasks[task.id] = task
        return task

    geometry = {tile.name: _clip(place.area, tile) for tile in tiles}
    hashes = _hashes(place, features)
    composites: dict[tuple[str, int], Task] = {}
    bytes_to_read = sum(size for _, size in hashes.values())
    seen: dict[str, tuple[int, str, Window]] = {}
    if recipe.steps.composite is not None:
        archive, images = archive_of(recipe, place.data), archive_images(place)
        assert archive is not None
        check_mask(archive)
        ingests = _ingest_tasks(place, archive, images, hashes)
        covered = archive.windows(images, grid=place.grid, window=place.window)
        for task in ingests.values():
            add(task)
        for image in images:
            size = sum(hashes[str(path)][1] for path in image.files)
            seen[image.name] = (size, image.source, covered[image.source])
        for tile in tiles:
            for index, season in enumerate(wanted):
                needs = [
                    ingests[image.name]
                    for image in images
                    if season.true_period.contains(image.day) and _meet(covered[image.source], tile.window)
                ]
                composites[tile.name, index] = add(
                    make_task(
                        "composite",
                        f"{tile.name}/{_season_word(season)}",
                        needs=needs,
                        params={
                            "tile": tile.name,
                            "season": index,
                            "days": str(season.true_period),
                            "archive": archive.about(),
                            "percentiles": list(recipe.steps.composite.percentiles),
                            "method": recipe.steps.composite.method,
                        },
                        inputs={"grid": place.grid.digest, "area": geometry[tile.name], "px": recipe.tile_px},
                    )
                )
    if recipe.steps.fill.compare:
        some = tiles[:: max(1, len(tiles) // BAKEOFF_TILES)][:BAKEOFF_TILES]
        add(
            make_task(
                "bakeoff",
                "all",
                needs=[composites[tile.name, i] for tile in some for i in range(len(wanted))] if composites else [],
                params={"tiles": [tile.name for tile in some], "series": [describe(one) for one in series]},
                inputs={
                    "grid": place.grid.digest,
                    "area": [geometry[tile.name] for tile in some],
                    "layers": [[[f and hashes[str(f.path)][0] for f in row] for row in one.found] for one in series],
                },
            )
        )
    filled: dict[tuple[str, str], Task] = {}
    for tile in tiles:
        for one in series:
            needs = [composites[tile.name, i] for i in range(len(wanted))] if not one.found else []
            layers = [[found and hashes[str(found.path)][0] for found in row] for row in one.found]
            filled[tile.name, one.variable] = add(
                make_task(
                    "fill",
                    f"{tile.name}/{one.variable}",
                    needs=needs,
                    params={
                        "tile": tile.name,
                        "variable": one.variable,
                        "method": recipe.steps.fill.method,
                        "options": recipe.steps.fill.options,
                        "seasons": [_season_word(season) for season in wanted],
                        **describe(one),
                    },
                    inputs={
                        "grid": place.grid.digest,
                        "area": geometry[tile.name],
                        "px": recipe.tile_px,
                        "layers": layers,
                    },
                )
            )
    samples = _learning(place, features, tiles, filled, hashes, add) if recipe.steps.train else None
    published = publications(place, features, samples)
    for one_layer in published:
        parts = [tasks[f"{one_layer.step}/{tile.name}/{one_layer.part}"] for tile in tiles if place.shows(tile)]
        add(
            make_task(
                "publish",
                str(one_layer.layer.name),
                needs=parts,
                params={"part": one_layer.part, "band": one_layer.band, "step": one_layer.step, "file": one_layer.file},
                inputs={
                    "window": list(place.shown),
                    "licence": recipe.licence,
                    "attribution": recipe.attribution,
                    "href": one_layer.href,
                    "title": one_layer.layer.title,
                    "unit": one_layer.layer.unit,
                    "encoding": one_layer.encoding.name,
                },
            )
        )
    return Plan(place, tasks, features, tuple(published), samples, seen, bytes_to_read)


def _season_word(season: Season) -> str:
    return f"{season.year}-{season.name}"


def _clip(area: BaseGeometry, tile: Tile) -> str:
    """The part of the area in a tile, as text for a key: a change elsewhere leaves this tile's key alone."""
    return str(shapely.to_wkt(shapely.normalize(area & shapely.box(*tile.bounds)), rounding_precision=3))


def _hashes(place: Place, features: Features) -> dict[str, tuple[str, int]]:
    """sha256 and size of every source file that any task reads, two files at a time."""
    paths = [found.path for one in features.series for row in one.found for found in row if found]
    paths += [found.path for covariate in features.static for found in covariate.layers]
    for name, entry in place.recipe.data.items():
        if isinstance(entry, SampleData):
            paths.append(Path(place.data[name]))
        if isinstance(entry, ArchiveData):
            paths += [path for image in archive_images(place) for path in image.files]
    paths = sorted(set(paths))
    with ThreadPoolExecutor(2) as pool:
        return {
            str(path): (value, path.stat().st_size)
            for path, value in zip(paths, pool.map(sha256_of, paths), strict=True)
        }


def archive_images(place: Place) -> list[Image]:
    """The archive's images that the recipe needs, by name. Lists folders, reads headers."""
    archive, named = archive_of(place.recipe, place.data), place.recipe.archive_
    assert archive is not None and named is not None
    images = archive.images(place.recipe.seasons_, grid=place.grid, area=place.area)
    if not images:
        raise SourceError.sentence(
            "use",
            f"data `{named[0]}`",
            "the number of its files in the area and the years",
            0,
            "check --data, `area` and `years`",
        )
    return images


def _meet(one: Window, other: Window) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _ingest_tasks(
    place: Place, archive: Archive, images: Sequence[Image], hashes: Mapping[str, tuple[str, int]]
) -> dict[str, Task]:
    """Image -> its task. The mask does not enter: codes are kept as they are."""
    about = {key: value for key, value in archive.about().items() if key not in ("mask", "additional")}
    return {
        image.name: make_task(
            "ingest",
            image.name,
            params={"image": image.name, "day": image.day.isoformat(), "archive": about},
            inputs={
                "sha256": [hashes[str(path)][0] for path in image.files],
                "grid": place.grid.digest,
                "window": list(place.window),
            },
        )
        for image in images
    }


def _learning(
    place: Place,
    features: Features,
    tiles: list[Tile],
    filled: Mapping[tuple[str, str], Task],
    hashes: Mapping[str, tuple[str, int]],
    add: Any,
) -> SampleSet:
    """The tasks from samples to predicted tiles."""
    recipe = place.recipe
    train = recipe.steps.train
    assert train is not None
    samples = read_samples(place)
    static = {
        one.variable: {
            "layers": [[str(found.name.period), hashes[str(found.path)][0]] for found in one.layers],
            "resampling": one.resampling,
        }
        for one in features.static
    }
    names = list(features.names)
    table = add(
        make_task(
            "samples",
            "ledger",
            params={
                "min_per_class": train.min_per_class,
                "rare": train.rare,
                "blocks_km": train.blocks_km,
                "folds": train.folds,
                "seed": train.seed,
            },
            inputs={"table": samples.digest, "legend": digest(place.legend_csv)},
        )
    )
    overlays = []
    for tile in tiles:
        if len(samples.rows_in(tile)):
            overlays.append(
                add(
                    make_task(
                        "overlay",
                        tile.name,
                        needs=[table, *(filled[tile.name, one.variable] for one in features.series)],
                        params={"tile": tile.name, "features": names},
                        inputs={"static": static},
                    )
                )
            )
    common = {
        "classes": list(samples.classes),
        "seed": train.seed,
        "learners": list(train.learners),
        "features": names,
        "missing": train.missing,
    }
    fits = []
    for learner in train.learners:
        for design in ("spatial", "random"):
            for fold in range(train.folds):
                fits.append(
                    add(
                        make_task(
                            "fit",
                            f"{learner}/{design}-{fold}",
                            needs=[table, *overlays],
                            params={**common, "learner": learner, "design": design, "fold": fold},
                        )
                    )
                )
        fits.append(
            add(make_task("fit", f"{learner}/all", needs=[table, *overlays], params={**common, "learner": learner}))
        )
    model = add(make_task("train", "landcover", needs=[table, *overlays, *fits], params=common))
    predicted: dict[tuple[str, int], Task] = {}
    for tile in tiles:
        for year in recipe.predict_years_:
            predicted[tile.name, year] = add(
                make_task(
                    "predict",
                    f"{tile.name}/{year}",
                    needs=[model, *(filled[tile.name, one.variable] for one in features.series)],
                    params={"tile": tile.name, "year": year},
                    inputs={"static": static},
                )
            )
    _filtering(place, tiles, predicted, add, band=2 * len(samples.classes) + 1)
    return samples


def _filtering(
    place: Place, tiles: list[Tile], predicted: Mapping[tuple[str, int], Task], add: Any, *, band: int
) -> None:
    """The tasks that filter the dominant class, a ``band`` of what was predicted: each looks at its years and the tiles around."""
    post = place.recipe.steps.postprocess
    if post is None:
        return
    years, half = place.recipe.predict_years_, post.mode_years // 2
    at = {(tile.row, tile.col): tile for tile in tiles}
    reach = range(-1, 2) if post.minimum_px > 1 else range(1)
    for tile in tiles:
        around = [at[where] for y in reach for x in reach if (where := (tile.row + y, tile.col + x)) in at]
        for year in years:
            near = [one for one in years if abs(one - year) <= half]
            needs = [predicted[one.name, other] for one in around for other in near]
            params = {"tile": tile.name, "year": year, "years": near, "band": band, **post.model_dump()}
            add(make_task("post", f"{tile.name}/{year}", needs=needs, params=params))


def check_possible(plan: Plan, *, workers: int) -> None:
    """Refuse a plan that this machine cannot carry out. Looks at the memory and the disk. Raises RunError."""
    cost = plan.cost_on(1.0)  # bytes are the same on any machine
    memory = memory_there_is()
    need = cost.memory_per_worker_bytes * workers
    if need > memory:
        raise RunError.sentence(
            "run",
            "this plan",
            f"the memory it needs with {workers} workers",
            f"{need / 2**30:.1f} GiB of {memory / 2**30:.1f} GiB",
            "take fewer --workers or a smaller `tile_px`",
        )
    existing = plan.place.folder
    while not existing.exists():
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    need = cost.bytes_to_write + cost.work_bytes - _bytes_below(plan.place.folder)
    if need > free:
        raise RunError.sentence(
            "run",
            "this plan",
            "the disk space it needs",
            f"about {need / 2**30:.1f} GiB of {free / 2**30:.1f} GiB free in {existing}",
            "free some or take another --out",
        )


def _bytes_below(folder: Path) -> int:
    """What an earlier run left in a folder: it is not needed once more."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
