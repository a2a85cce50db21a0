"""The steps: what a worker does with a Task. Each reads what its task needs, makes files, and says what it met.

Inside a step: plain arrays of one Tile and one thread. A step never decides whether it has to be done (that is
``execute``) and never writes its own receipt (that is :func:`carry_out`).
"""

from __future__ import annotations

import io
import json
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import ThreadpoolController

from odse import __version__
from odse.grid import Tile
from odse.learn.accuracy import accuracy_report
from odse.learn.ensemble import Ensemble, fit_fold, fit_member, fit_stack
from odse.learn.features import Missing
from odse.learn.importance import held_out_importance
from odse.learn.model import Model, member_from_files, member_to_files
from odse.learn.postprocess import halo_px, moving_mode, sieve
from odse.learn.predict import to_percent
from odse.raster.cog import Part as LayerPart
from odse.raster.cog import area_mask, write_cog
from odse.raster.preview import preview
from odse.raster.work import read_work, write_work
from odse.run.covariates import at_points, of_rows
from odse.run.publication import SUPPORT, Publication
from odse.run.samples import SampleSet, read_samples
from odse.run.series import BAKEOFF_PIXELS, Features, Series, archive_of, read_series
from odse.run.task import Place, Task
from odse.series.bakeoff import bake_off
from odse.series.composite import composite_bands, support
from odse.series.fill import fill_many
from odse.sources.archive import Archive, Image
from odse.sources.ingested import Part, read_stack
from odse.sources.layers import read_window
from odse.sources.scenes import MASKED, USABLE
from odse.store.files import put_bytes, sha256_of
from odse.store.receipts import Output, Receipt, State, read_receipt, write_receipt

Array = npt.NDArray[Any]
T = TypeVar("T")


@dataclass
class Clock:
    """Where the time of a task goes. Measured, never part of an answer."""

    seconds: dict[str, float] = field(default_factory=lambda: {"read": 0.0, "compute": 0.0, "write": 0.0})

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[what] += time.perf_counter() - start


@dataclass(frozen=True)
class Made:
    """What a step did."""

    outputs: tuple[Path, ...] = ()
    state: State = "done"
    counts: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """The libraries with threads of their own that this process has loaded; looking for them takes milliseconds."""
    return ThreadpoolController()


def carry_out(task: Task, place: Place, shared: Mapping[str, Any]) -> Receipt:
    """Do a task, verify that its outputs are on disk, write its receipt, return it. Runs on a worker."""
    clock, start, used = Clock(), time.perf_counter(), time.process_time()
    with _libraries().limit(limits=1):  # more threads would sum in another order: other last bits on another machine
        made = STEPS[task.step](task, place, clock, shared)
    outputs = tuple(
        Output(path.relative_to(place.folder).as_posix(), sha256_of(path), path.stat().st_size) for path in made.outputs
    )
    receipt = Receipt(
        step=task.step,
        name=task.name,
        key=task.key,
        state=made.state,
        outputs=outputs,
        inputs={**dict.fromkeys(task.needs, "task"), **made.inputs},
        parameters={**task.params, "grid": place.grid.digest},
        counts=made.counts,
        statistics=made.statistics,
        notes=made.notes,
        code=__version__,
        measured={
            "seconds": round(time.perf_counter() - start, 3),
            "cpu_s": round(time.process_time() - used, 3),
            **{f"{what}_s": round(value, 3) for what, value in clock.seconds.items()},
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "finished": time.time(),
        },
    )
    write_receipt(place.folder, receipt)
    return receipt


def ingest(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """Decode a source file once and keep it on the target grid."""
    image: Image = shared["image"]
    out = place.work("ingest", f"{task.name}.tif")
    with clock.of("read"):
        report = archive_at(place).ingest(image, out, grid=place.grid, window=place.window)
    return Made(
        outputs=(out,) if report.state == "done" else (),
        state=report.state,
        counts=dict(report.counts),
        statistics={"window": list(report.window) if report.window else None},
        inputs={path.name: sha256_of(path) for path in image.files},
        notes=report.notes,
    )


def composite(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """One Tile and season: the percentiles of every band, and what supports them."""
    tile, archive = place.tile(task.params["tile"]), archive_at(place)
    season = place.recipe.seasons_[task.params["season"]]
    parts = []
    for need in task.needs:
        receipt = read_receipt(place.folder, need)
        assert receipt is not None, need
        if receipt.state == "outside":
            continue
        path = place.folder / receipt.outputs[0].path if receipt.outputs else None
        window = receipt.statistics["window"]
        day = date.fromisoformat(receipt.parameters["day"]).toordinal()
        parts.append(Part(day, path, tuple(window) if window else None))
    step = place.recipe.steps.composite
    assert step is not None
    with clock.of("read"):
        days_seen, values, codes, seen, unreadable = read_stack(
            parts, tile, bands=len(archive.bands), seen=archive.seen
        )
    with clock.of("compute"):
        outside = ~area_mask(place.area, tile)
        seen[:, outside] = False
        unreadable[:, outside] = False
        quality = np.array([MASKED, USABLE], dtype=np.uint8)[archive.usable[codes].view(np.uint8)]
        quality[~seen] = 0
        keep = np.zeros(256, dtype=np.uint8)
        keep[USABLE] = 1
        result, _ = composite_bands(
            values,
            quality,
            keep=keep,
            percentiles=None if step.method == "mean" else step.percentiles,
            valid=archive.valid,
            method=step.method,
        )
        middle = season.true_period.middle.toordinal()
        days = np.array([day - middle for day in days_seen], dtype=np.int16)
        supports = support(quality, days, keep=keep, unreadable=unreadable)
        layers = np.stack([supports[name.replace(".", "_")] for name in SUPPORT])
        layers[:, outside] = 255
    out, out_support = place.work("composite", f"{task.name}.tif"), place.work("support", f"{task.name}.tif")
    names = [f"{band}_{statistic}" for band in archive.bands for statistic in step.statistics]
    with clock.of("write"):
        write_work(
            out,
            result.reshape(-1, *tile.shape),
            transform=tile.transform,
            crs=place.grid.crs,
            nodata=0,
            band_names=names,
        )
        write_work(
            out_support,
            layers,
            transform=tile.transform,
            crs=place.grid.crs,
            nodata=255,
            band_names=SUPPORT,
        )
    inside = int((~outside).sum())
    clear = int((layers[0][~outside] > 0).sum())
    return Made(
        outputs=(out, out_support),
        counts={
            "pixels": inside,
            "pixels_with_clear": clear,
            "images": len(days_seen),
            "unreadable": sum(part.path is None for part in parts),
        },
    )


def fill(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """One Tile and variable: the whole series without gaps, and how each value came to be."""
    tile, series = place.tile(task.params["tile"]), _series(place, task.params["variable"])
    wanted = place.recipe.seasons_
    outside = ~area_mask(place.area, tile)
    with clock.of("read"):
        values, nodata = _gappy(place, tile, series)
    values[:, :, outside] = nodata
    with clock.of("compute"):
        filled = fill_many(
            values,
            nodata=nodata,
            seasons_per_year=len(place.recipe.scheme_.names),
            method=task.params["method"],
            **task.params["options"],
        )
        if series.found:
            stored = filled.values
        else:
            stored = series.encoding.encode(filled.values, mask=filled.values == nodata)
        told = place.recipe.steps.fill.companions
        companions = np.concatenate([filled.companions[name] for name in told])
        companions[:, outside] = 255
    out, out_companions = place.work("fill", f"{task.name}.tif"), place.work("companions", f"{task.name}.tif")
    names = [f"{series.variable}_{s}_{one.year}-{one.name}" for one in wanted for s in series.statistics]
    with clock.of("write"):
        write_work(
            out,
            np.ascontiguousarray(stored.swapaxes(0, 1)).reshape(-1, *tile.shape),
            transform=tile.transform,
            crs=place.grid.crs,
            nodata=series.encoding.nodata,
            band_names=names,
        )
        write_work(
            out_companions,
            companions,
            transform=tile.transform,
            crs=place.grid.crs,
            nodata=255,
            band_names=[f"{c}_{one.year}-{one.name}" for c in told for one in wanted],
        )
    flags = filled.flag[:, ~outside]
    shares = {f"{one.year}-{one.name}": _counts(flags[i]) for i, one in enumerate(wanted)}
    return Made(outputs=(out, out_companions), statistics={"flag": shares})


def bakeoff(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """How far off every way of filling is, on values withheld in some Tiles; in standard deviations of each variable."""
    bands: dict[str, Array] = {}
    spread: dict[str, float] = {}
    for series in features_of(place).series:
        parts = []
        for name in task.params["tiles"]:
            tile = place.tile(name)
            with clock.of("read"):
                values, nodata = _gappy(place, tile, series)
            inside = np.flatnonzero(area_mask(place.area, tile))
            inside = inside[:: max(1, len(inside) // BAKEOFF_PIXELS)]
            middle = values[len(values) // 2].reshape(values.shape[1], -1)[:, inside]
            parts.append(np.where(middle == nodata, np.nan, middle).astype(np.float32))
        pixels = np.concatenate(parts, axis=1)[:, :, np.newaxis]
        deviation = float(np.nanstd(pixels, dtype=np.float64)) or 1.0
        bands[series.variable] = (pixels / np.float32(deviation)).astype(np.float32)
        spread[series.variable] = round(deviation, 3)
    names = place.recipe.scheme_.names
    with clock.of("compute"):
        found = bake_off(bands, seasons_per_year=len(names), seasons=names)
    count = int(next(iter(bands.values())).shape[1])
    about = {"unit": "standard deviation of the variable", "standard_deviation": spread, "pixels": count}
    out = place.folder / "fill.json"
    put_bytes(out, _pretty({**found.to_dict(), **about, "tiles": list(task.params["tiles"])}))
    return Made(outputs=(out,), counts={"pixels": count})


def _counts(flags: Array) -> dict[str, int]:
    """How often each flag occurs: observed, filled in some way, or no-data."""
    values, counts = np.unique(flags, return_counts=True)
    return {str(value): int(count) for value, count in zip(values, counts, strict=True)}


def _gappy(place: Place, tile: Tile, series: Series) -> tuple[Array, int]:
    """(statistic, time, y, x) of a variable as it was composited or delivered, and its no-data value."""
    wanted = place.recipe.seasons_
    shape = (len(series.statistics), len(wanted), *tile.shape)
    if not series.found:
        values = np.zeros(shape, dtype=np.uint16)
        first = archive_at(place).bands.index(series.variable) * len(series.statistics)
        for t, season in enumerate(wanted):
            path = place.work("composite", tile.name, f"{season.year}-{season.name}.tif")
            values[:, t] = read_work(path, bands=[first + s + 1 for s in range(len(series.statistics))])
        return values, 0
    nodata = series.encoding.nodata
    values = np.full(shape, nodata, dtype=series.encoding.dtype)
    for t, row in enumerate(series.found):
        for s, found in enumerate(row):
            if found is not None:
                layer = read_window(found, tile.window, place.grid, resampling=series.resampling)
                if layer.dtype.kind == "f":
                    layer = np.ma.floor(layer + 0.5)
                values[s, t] = layer.filled(nodata)
    return values, nodata


def _series(place: Place, variable: str) -> Series:
    return next(one for one in features_of(place).series if one.variable == variable)


_KEPT: dict[tuple[str, ...], Any] = {}


def _once(what: str, place: Place, make: Callable[[], T]) -> T:
    """What depends on a place's recipe and data alone, made once a process, for it reads headers."""
    key = (what, place.recipe.model_dump_json(), *sorted(place.data.values()))
    if key not in _KEPT:
        _KEPT[key] = make()
    kept: T = _KEPT[key]
    return kept


def archive_at(place: Place) -> Archive:
    """The archive of a place's recipe."""
    archive = _once("archive", place, lambda: archive_of(place.recipe, place.data))
    assert archive is not None
    return archive


def features_of(place: Place) -> Features:
    """The features of a place's recipe."""

    def make() -> Features:
        series, static = read_series(place.recipe, place.data, place.grid)
        return Features(series, place.recipe.seasons_, static, place.recipe.steps.derive)

    return _once("features", place, make)


def samples(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """The table of samples as used, and the one fold ledger."""
    with clock.of("read"):
        chosen = read_samples(place)
    ledger = chosen.ledger(place)
    table, book = place.folder / "model" / "samples.csv", place.folder / "model" / "folds.csv"
    with clock.of("write"):
        put_bytes(table, chosen.table.to_csv(index=False, lineterminator="\n").encode())
        put_bytes(book, ledger.to_csv(index=False, lineterminator="\n").encode())
    summary = chosen.summary
    notes = tuple(f"class {m['code']} ({m['count']} points): {m['reason']}" for m in chosen.merged)
    return Made(outputs=(table, book), statistics=summary, notes=notes)


def overlay(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """The features of the samples in one Tile: each block of each work file is read once."""
    chosen, tile = read_samples(place), place.tile(task.params["tile"])
    rows = chosen.rows_in(tile)
    with clock.of("read"):
        matrix = at_points(features_of(place), place, tile, chosen.table.iloc[rows])
    out = place.work("overlay", f"{task.name}.npz")
    with clock.of("write"):
        put_bytes(out, npz({"rows": rows.astype(np.int64), "features": matrix}))
    known = int(np.isfinite(matrix).all(axis=1).sum())
    return Made(outputs=(out,), counts={"points": len(rows), "points_with_all_features": known})


@dataclass(frozen=True)
class Table:
    """Samples with features: what a learner sees."""

    samples: SampleSet
    features: npt.NDArray[np.float32]
    """(n, feature)"""
    target: npt.NDArray[np.int64]
    """Index into the classes."""
    weight: npt.NDArray[np.float64]
    ledger: pd.DataFrame
    known: npt.NDArray[np.bool_]
    """Rows of the sample table whose features are known, by the rule; the other fields hold only these."""
    missing: Missing
    """What is done where a feature has no value."""


def read_table(place: Place, needs: tuple[str, ...]) -> Table:
    """Put the overlays of all tiles together."""
    chosen, names, train = read_samples(place), features_of(place).names, place.recipe.steps.train
    assert train is not None
    matrix = np.full((len(chosen.table), len(names)), np.nan, dtype=np.float32)
    for need in needs:
        if need.startswith("overlay/"):
            with np.load(place.work("overlay", f"{need.removeprefix('overlay/')}.npz"), allow_pickle=False) as data:
                matrix[data["rows"]] = data["features"]
    missing = Missing.fit(matrix, names, rule=train.missing)
    matrix, known = missing.apply(matrix)
    index = {code: i for i, code in enumerate(chosen.classes)}
    target = chosen.table["target"].map(index).to_numpy().astype(np.int64)
    weight = chosen.table["weight"].to_numpy(dtype=np.float64)
    ledger = chosen.ledger(place)
    book = ledger.loc[known].reset_index(drop=True)
    return Table(chosen, matrix[known], np.asarray(target[known]), weight[known], book, known, missing)


def fit(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """One learner on the rows outside one fold (its out-of-fold probabilities), or on all rows (the member itself)."""
    with clock.of("read"):
        table = read_table(place, task.needs)
    classes, seed, kind = task.params["classes"], task.params["seed"], task.params["learner"]
    if "fold" not in task.params:
        with clock.of("compute"):
            member = fit_member(kind, table.features, table.target, table.weight, n_classes=len(classes), seed=seed)
        paths = []
        for name, data in member_to_files(member).items():
            paths.append(place.work("fit", f"{task.name}", name))
            put_bytes(paths[-1], data)
        return Made(outputs=tuple(paths), counts={"rows": len(table.target)})
    column = "fold" if task.params["design"] == "spatial" else "random_fold"
    held = (table.ledger[column] == task.params["fold"]).to_numpy()
    test, train = np.flatnonzero(held), np.flatnonzero(~held)
    with clock.of("compute"):
        probability = fit_fold(
            kind,
            table.features,
            table.target,
            table.weight,
            train_rows=train,
            test_rows=test,
            n_classes=len(classes),
            seed=seed,
        )
    out = place.work("fit", f"{task.name}.npz")
    put_bytes(out, npz({"rows": test.astype(np.int64), "probability": probability.astype(np.float32)}))
    return Made(outputs=(out,), counts={"rows_fitted": len(train), "rows_held_out": len(test)})


def train(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """Stack the members on their out-of-fold probabilities, keep the Model, say how good it is."""
    with clock.of("read"):
        table = read_table(place, task.needs)
    learners, classes = task.params["learners"], task.params["classes"]
    oof = {}
    for design in ("spatial", "random"):
        stack = np.zeros((len(table.target), len(learners), len(classes)), dtype=np.float32)
        for which, learner in enumerate(learners):
            for need in task.needs:
                if need.startswith(f"fit/{learner}/{design}-"):
                    with np.load(place.work(f"{need}.npz"), allow_pickle=False) as data:
                        stack[data["rows"], which] = data["probability"]
        oof[design] = stack
    members = [member_from_files(_files(place.work("fit", learner, "all"))) for learner in learners]
    with clock.of("compute"):
        final = fit_stack(oof["spatial"], table.target, table.weight, n_classes=len(classes))
        report = accuracy_report(
            oof,
            table.target,
            table.weight,
            folds={"spatial": table.ledger["fold"].to_numpy(), "random": table.ledger["random_fold"].to_numpy()},
            learners=learners,
            classes=classes,
            legend=table.samples.legend,
        )
        report["importance"] = held_out_importance(
            table.features,
            table.target,
            table.weight,
            oof=oof["spatial"],
            fold=table.ledger["fold"].to_numpy(),
            learners=learners,
            n_classes=len(classes),
            names=task.params["features"],
            derived=place.recipe.steps.derive,
            seasons=place.recipe.scheme_.names,
            seed=task.params["seed"],
        )
    model = Model(
        Ensemble(tuple(members), final),
        classes=tuple(classes),
        features=tuple(task.params["features"]),
        about={
            "samples": table.samples.digest,
            "title": place.recipe.title,
            "missing": table.missing.to_dict(),
            "categories": [one.categories.to_dict() for one in features_of(place).static if one.categories],
        },
    )
    folder = place.folder / "model"
    paths = []
    report = {**report, "samples": {**table.samples.summary, "without_features": int((~table.known).sum())}}
    files = {f"landcover/{name}": data for name, data in model.to_files().items()}
    for name, data in {**files, "accuracy.json": _pretty(report)}.items():
        paths.append(folder / name)
        put_bytes(paths[-1], data)
    return Made(outputs=tuple(paths), counts={"rows": len(table.target)})


def predict(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """One Tile and year: probability and spread of every class, and the dominant class, in strips of rows."""
    tile, year, features = place.tile(task.params["tile"]), task.params["year"], features_of(place)
    model = Model.from_files(_files(place.folder / "model" / "landcover"))
    chosen_legend = read_samples(place).legend
    codes = np.array([chosen_legend.by_code[code].value for code in model.classes], dtype=np.uint8)
    missing = Missing.from_dict(model.about["missing"])
    n = len(model.classes)
    out_bands = np.full((2 * n + 3, *tile.shape), 255, dtype=np.uint8)
    inside = area_mask(place.area, tile)
    known_pixels = 0
    for row in range(0, tile.shape[0], 128):
        strip = slice(row, min(row + 128, tile.shape[0]))
        if not inside[strip].any():
            continue
        with clock.of("read"):
            matrix = of_rows(features, place, tile, year, strip)
        with clock.of("compute"):
            matrix, known = missing.apply(matrix)
            known &= inside[strip].ravel()
            known_pixels += int(known.sum())
            if not known.any():
                continue
            result = model.ensemble.predict(matrix[known])
            pick = np.arange(len(result.dominant))
            bands = np.empty((len(out_bands), len(pick)), dtype=np.uint8)
            bands[0 : 2 * n : 2] = to_percent(result.probability).T
            bands[1 : 2 * n : 2] = to_percent(result.deviation).T
            bands[2 * n] = codes[result.dominant]
            bands[2 * n + 1] = to_percent(result.deviation[pick, result.dominant])
            bands[2 * n + 2] = to_percent(result.probability[pick, result.dominant])
            flat = out_bands[:, strip].reshape(len(out_bands), -1)
            flat[:, known] = bands
            out_bands[:, strip] = flat.reshape(len(out_bands), -1, tile.shape[1])
    out = place.work("predict", f"{task.name}.tif")
    names = [f"{kind}_{code}" for code in model.classes for kind in ("p", "md")] + ["hcl_c", "hcl_md", "hcl_p"]
    with clock.of("write"):
        write_work(out, out_bands, transform=tile.transform, crs=place.grid.crs, nodata=255, band_names=names)
    return Made(outputs=(out,), counts={"pixels": int(inside.sum()), "pixels_known": known_pixels})


def post(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """One Tile and year: the dominant class by its years, then without small patches, as seen with the tiles around."""
    tile, params = place.tile(task.params["tile"]), task.params
    halo, size = halo_px(params["minimum_px"]), tile.size_px
    stack = np.full((len(params["years"]), size + 2 * halo, size + 2 * halo), 255, dtype=np.uint8)
    with clock.of("read"):
        for need in task.needs:
            _, name, year = need.split("/")
            other = place.tile(name)
            # Where the other tile lies in the stack, whose first pixel is the tile's less the halo.
            left, top = (other.col - tile.col) * size + halo, (other.row - tile.row) * size + halo
            x0, y0, x1, y1 = (
                max(left, 0),
                max(top, 0),
                min(left + size, stack.shape[2]),
                min(top + size, stack.shape[1]),
            )
            window = (x0 - left, y0 - top, x1 - left, y1 - top)
            if x0 < x1 and y0 < y1:
                part = read_work(place.work("predict", name, f"{year}.tif"), bands=[params["band"]], window=window)
                stack[params["years"].index(int(year)), y0:y1, x0:x1] = part[0]
    with clock.of("compute"):
        own = params["years"].index(params["year"])
        filtered = sieve(moving_mode(stack, width=params["mode_years"])[own], minimum_px=params["minimum_px"])
        filtered = filtered[halo : halo + size, halo : halo + size]
        before = stack[own, halo : halo + size, halo : halo + size]
    out = place.work("post", f"{task.name}.tif")
    with clock.of("write"):
        write_work(out, filtered, transform=tile.transform, crs=place.grid.crs, nodata=255, band_names=["hcl_f"])
    return Made(outputs=(out,), counts={"pixels_changed": int((filtered != before).sum())})


def publish(task: Task, place: Place, clock: Clock, shared: Mapping[str, Any]) -> Made:
    """One Layer: its tiles as one verified COG over the area, and a preview."""
    one: Publication = shared["publication"]
    parts = []
    for need in task.needs:
        tile = place.tile(need.split("/")[1])
        parts.append(LayerPart(place.work(one.file, tile.name, f"{one.part}.tif"), one.band, tile.window))
    out = place.folder / one.href
    recipe = place.recipe
    post = recipe.steps.postprocess
    filtered = {"postprocessing": post.words(place.grid.resolution_m)} if post and one.step == "post" else {}
    with clock.of("write"):
        info = write_cog(
            out,
            parts,
            window=place.shown,
            grid=place.grid,
            layer=one.layer,
            encoding=one.encoding,
            tags={
                "licence": recipe.licence,
                "attribution": recipe.attribution,
                "title": recipe.title,
                "software": "odse",
                **filtered,
            },
        )
    with clock.of("compute"):
        picture = out.with_suffix(".png")
        style = one.layer.style
        if one.encoding.unit == "DN" and info.mean is not None:  # what numbers of level 1 reach, no table knows
            spread = 2 * max(info.stddev or 0.0, 1.0)
            style = replace(style, vmin=info.mean - spread, vmax=info.mean + spread)
        put_bytes(picture, preview(out, style))
    return Made(outputs=(out, picture), statistics=info.to_json())


STEPS: dict[str, Callable[[Task, Place, Clock, Mapping[str, Any]], Made]] = {
    "ingest": ingest,
    "composite": composite,
    "fill": fill,
    "bakeoff": bakeoff,
    "samples": samples,
    "overlay": overlay,
    "fit": fit,
    "train": train,
    "predict": predict,
    "post": post,
    "publish": publish,
}


def npz(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as the bytes of an npz file; numpy writes a fixed date into it, so equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def _pretty(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
