"""The end of a run: the catalogue, the page and the reports, from the receipts of what was done.

Nothing of the moment enters what is published, the report of the model among it; what was measured goes to ``measured.js``
and ``run.html`` beside it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from odse import __version__
from odse.catalog.stac import LayerRecord, catalog_files, write_catalog
from odse.errors import ReceiptError
from odse.layer.style import RAMPS, Style
from odse.raster.cog import CogInfo
from odse.raster.preview import Reach, png, preview_rgb, read_small
from odse.report.model import ClassLine, ModelPage, render_model
from odse.report.page import Column, Page, Picture, Row, Scale, render, render_measured
from odse.report.run_page import RunPage, render_run
from odse.run import facts
from odse.run.plan import Plan
from odse.run.publication import Publication, collection_id
from odse.run.task import ALGORITHM
from odse.run.trial import facts_of
from odse.sources.layers import read_window
from odse.store.files import put_bytes, sha256_of
from odse.store.receipts import Output, Receipt, damage, digest, read_receipt, write_receipt

Failures = Sequence[Mapping[str, str]]
REPORT = "model/report.html"


def close_run(plan: Plan, failures: Failures) -> None:
    """Write what was measured, and catalogue, page and report unless they stand there for exactly these layers."""
    receipts = _receipts(plan)
    published = [one for one in plan.publications if f"publish/{one.layer.name}" in receipts]
    folder = plan.place.folder
    if published:
        measured = render_measured(facts.time_facts(receipts), facts.workers_of(receipts))
        put_bytes(folder / "measured.js", measured.encode())
        _publish(plan, published, receipts, failures)
    put_bytes(folder / "run.html", render_run(_run_page(plan, receipts, failures)).encode())


def _publish(plan: Plan, published: Sequence[Publication], receipts: Mapping[str, Receipt], failures: Failures) -> None:
    """Catalogue, page, report of the model, and their receipt."""
    folder = plan.place.folder
    key = digest(
        {
            "algorithm": ALGORITHM["catalog"],
            "layers": {t: [o.sha256 for o in r.outputs] for t, r in receipts.items() if t.startswith("publish/")},
            "model": {t: [o.sha256 for o in r.outputs] for t, r in receipts.items() if r.step in ("samples", "train")},
            "tasks": {t: [r.state, *r.notes] for t, r in receipts.items()},
            "recipe": plan.place.recipe.model_dump(mode="json", by_alias=True),
            "failures": [dict(failure) for failure in failures],
            "release": __version__,
        }
    )
    try:
        earlier = read_receipt(folder, "catalog/all")
    except ReceiptError:
        earlier = None
    if earlier and earlier.key == key and not any(damage(folder, output, hashed=True) for output in earlier.outputs):
        return
    paths = [*_catalogue(plan, published, receipts), *_page(plan, published, receipts, failures)]
    paths += _model_report(plan, receipts)
    outputs = tuple(Output(path.relative_to(folder).as_posix(), sha256_of(path), path.stat().st_size) for path in paths)
    write_receipt(
        folder, Receipt("catalog", "all", key, outputs=outputs, code=__version__, counts={"layers": len(published)})
    )


def _receipts(plan: Plan) -> dict[str, Receipt]:
    """The sealed receipts of the plan's tasks with their present keys."""
    found = {}
    for task_id, task in plan.tasks.items():
        try:
            receipt = read_receipt(plan.place.folder, task_id)
        except ReceiptError:
            continue
        if receipt is not None and receipt.key == task.key:
            found[task_id] = receipt
    return found


def _catalogue(plan: Plan, published: Sequence[Publication], receipts: Mapping[str, Receipt]) -> list[Path]:
    recipe, place = plan.place.recipe, plan.place
    records = []
    for one in published:
        receipt = receipts[f"publish/{one.layer.name}"]
        records.append(
            LayerRecord(
                layer=one.layer,
                href=one.href,
                preview_href=one.href.removesuffix(".tif") + ".png",
                info=CogInfo.from_json(receipt.statistics),
                encoding=one.encoding,
                window=place.shown,
                grid=place.grid,
                true_period=one.true_period,
            )
        )
    words: dict[str, Any] = {
        "id": collection_id(published[0].layer.name),
        "title": recipe.title,
        "description": recipe.description or recipe.title,
        "licence": recipe.licence,
        "attribution": recipe.attribution,
    }
    write_catalog(place.folder, records=records, **words)
    return [place.folder / name for name in catalog_files(records=records, **words)]


# --- the page -----------------------------------------------------------------------------------------------------------


def _page(
    plan: Plan, published: Sequence[Publication], receipts: Mapping[str, Receipt], failures: Failures
) -> list[Path]:
    """The pictures that no layer has by itself, and index.html."""
    by_key = {(one.layer.name.variable, one.layer.name.type, one.layer.name.period): one for one in published}
    made: list[Path] = []
    rows = _rows(plan, by_key, made, receipts)
    accuracy_file = plan.place.folder / "model" / "accuracy.json"
    accuracy = json.loads(accuracy_file.read_bytes()) if accuracy_file.exists() else None
    dominant = {
        one.layer.name.period.year: plan.place.folder / one.href
        for one in published
        if one.layer.name.variable == "landcover.hcl" and one.layer.name.type == "c" and one.layer.name.period
    }
    notes = [note for receipt in receipts.values() for note in receipt.notes if receipt.step == "ingest"]
    place = plan.place
    page = Page(
        title=place.recipe.title,
        description=place.recipe.description,
        facts={
            **facts_of(place),
            "Area": f"{place.area.area / 1e6:,.1f} km²",
            "Grid": f"{place.grid.name}, {place.grid.crs}, {place.grid.resolution_m:g} m",
            "Years": str(place.recipe.years),
            "Layers": str(len(published)),
            "Licence": place.recipe.licence,
            "Attribution": place.recipe.attribution,
            "Made with": f"odse {__version__}",
        },
        years=list(place.recipe.years_),
        rows=rows,
        classes=_classes(plan),
        seasons=[vars(one) for one in facts.season_facts(plan, receipts)],
        accuracy=accuracy,
        truth=facts.agreement(plan, dominant, facts.truth_layers(plan)),
        fillers=_fillers(plan),
        merged=list(plan.samples.merged) if plan.samples else [],
        set_aside=[dict(failure) for failure in failures],
        notes=notes,
        unreadable=sum(receipt.state == "unreadable" for receipt in receipts.values()),
        files=sum(receipt.step == "ingest" for receipt in receipts.values()),
        reports={**({"model": REPORT} if _trained(receipts) else {}), "run": "run.html"},
        recipe=json.dumps(place.recipe.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False),
    )
    index = place.folder / "index.html"
    put_bytes(index, render(page).encode())
    return [*made, index]


# --- the reports --------------------------------------------------------------------------------------------------------


def _trained(receipts: Mapping[str, Receipt]) -> Receipt | None:
    """The receipt of the model, where there is one."""
    return next((receipt for receipt in receipts.values() if receipt.step == "train"), None)


def _model_report(plan: Plan, receipts: Mapping[str, Receipt]) -> list[Path]:
    """``model/report.html``, where there is a model."""
    trained, recipe, samples = _trained(receipts), plan.place.recipe, plan.samples
    train = recipe.steps.train
    if trained is None or samples is None or train is None:
        return []
    model = plan.place.folder / "model"
    accuracy = json.loads((model / "accuracy.json").read_bytes())
    with np.load(model / "landcover" / "stack.npz", allow_pickle=False) as stack:
        weights: dict[str, float] = {
            name: float(weight) for name, weight in zip(train.learners, stack["weight"], strict=True)
        }
    made = [
        output for receipt in receipts.values() if receipt.step in ("samples", "train") for output in receipt.outputs
    ]
    page = ModelPage(
        title=recipe.title,
        accuracy=accuracy,
        classes=[ClassLine(one["code"], one["label"], one["color"], one["n"]) for one in _classes(plan)],
        folds=facts.fold_map(plan),
        features=facts.feature_lines(plan),
        merged=samples.merged,
        weights=weights,
        settings={
            "Samples used": f"{accuracy['n']:,}",
            "Outside area or years": f"{samples.outside:,}",
            "With a feature unknown": f"{accuracy['samples']['without_features']:,}",
            "Learners": ", ".join(train.learners),
            "Stacked by": train.stack,
            "Blocks": f"{train.blocks_km:g} km",
            "Folds": str(train.folds),
            "Fewest samples of a class": str(train.min_per_class),
            "Seed": str(train.seed),
        },
        facts={
            "Years": str(recipe.years),
            "Grid": f"{plan.place.grid.name}, {plan.place.grid.crs}, {plan.place.grid.resolution_m:g} m",
            "Licence": recipe.licence,
            "Attribution": recipe.attribution,
            "Made with": f"odse {__version__}",
            "Digest of the samples (sha256)": samples.digest,
            "Key of the model": trained.key,
        },
        files={output.path: output.sha256 for output in made},
    )
    put_bytes(plan.place.folder / REPORT, render_model(page).encode())
    return [plan.place.folder / REPORT]


def _run_page(plan: Plan, receipts: Mapping[str, Receipt], failures: Failures) -> RunPage:
    """What is known of the run at this moment."""
    place = plan.place
    met = [receipt for receipt in receipts.values() if receipt.step == "ingest" and receipt.notes]
    pages = {"← maps": "index.html", "model": REPORT}
    return RunPage(
        title=place.recipe.title,
        planned={task_id: task.step for task_id, task in plan.tasks.items()},
        tasks=facts.task_lines(receipts),
        area=facts.outline(plan),
        tiles=facts.tile_lines(plan, receipts, failures),
        failures=[dict(failure) for failure in failures],
        unreadable=[{"file": one.name, "why": "; ".join(one.notes)} for one in met if one.state == "unreadable"],
        notes=[note for one in met if one.state != "unreadable" for note in one.notes],
        facts={
            "Area": f"{place.area.area / 1e6:,.1f} km²",
            "Grid": f"{place.grid.name}, {place.grid.crs}, {place.grid.resolution_m:g} m",
            "Tiles": f"{place.recipe.tile_px} × {place.recipe.tile_px} pixels",
            "Years": str(place.recipe.years),
            "Made with": f"odse {__version__}",
        },
        links={words: href for words, href in pages.items() if (place.folder / href).exists()},
    )


# --- the page's rows ----------------------------------------------------------------------------------------------------


def _fillers(plan: Plan) -> list[dict[str, Any]]:
    """How the ways of filling compare, over all variables and seasons, the best first."""
    path = plan.place.folder / "fill.json"
    if not plan.place.recipe.steps.fill.compare or not path.exists():
        return []
    rows = json.loads(path.read_bytes())["rows"]
    overall = [one for one in rows if one["band"] == one["season"] == one["gap"] == "all" and one["rmse"] is not None]
    return sorted(overall, key=lambda one: (one["rmse_where_all_fill"] is None, one["rmse_where_all_fill"]))


def _classes(plan: Plan) -> list[dict[str, Any]]:
    """The legend of the mapped classes."""
    if plan.samples is None:
        return []
    known = plan.samples.legend.by_code
    counts = plan.samples.table["target"].value_counts()
    return [
        {
            "code": code,
            "label": known[code].label,
            "color": known[code].color,
            "value": known[code].value,
            "n": int(counts[code]),
        }
        for code in plan.samples.classes
    ]


def _stretch(trio: Sequence[Publication], receipts: Mapping[str, Receipt]) -> tuple[Reach, Reach]:
    """From where to where red, green and blue are drawn: fixed for reflectance, so that years compare; by what occurs for
    numbers of level 1."""
    if trio[0].encoding.unit != "DN":
        return (0.0, 0.0, 0.0), (0.25, 0.22, 0.18)
    lows, highs = [], []
    for one in trio:
        info = receipts[f"publish/{one.layer.name}"].statistics
        mean, spread = info["mean"] or 0.0, max(info["stddev"] or 0.0, 1.0)
        lows.append(mean - 1.5 * spread)
        highs.append(mean + 2.5 * spread)
    return (lows[0], lows[1], lows[2]), (highs[0], highs[1], highs[2])


def high_season(names: Sequence[str]) -> str:
    """The season that stands for a year in pictures: summer, or the middle one."""
    return "summer" if "summer" in names else names[len(names) // 2]


def _rows(
    plan: Plan, by_key: Mapping[Any, Publication], made: list[Path], receipts: Mapping[str, Receipt]
) -> list[Row]:
    """What is shown, row by row, each with one picture a year."""
    rows = []
    classes = plan.samples.classes if plan.samples else ()
    season = high_season(plan.place.recipe.scheme_.names)
    summer = {s.year: s.period for s in plan.features.seasons if s.name == season}
    bands = ("red", "green", "blue")
    if all((band, "p50", period) in by_key for band in bands for period in summer.values()):
        columns = []
        for year, period in summer.items():
            trio = [by_key[band, "p50", period] for band in bands]
            out = plan.place.folder / "pictures" / f"rgb-{year}.png"
            paths = tuple(plan.place.folder / one.href for one in trio)
            floor, reach = _stretch(trio, receipts)
            put_bytes(out, preview_rgb((paths[0], paths[1], paths[2]), reach=reach, floor=floor))
            made.append(out)
            columns.append(Column(year, Picture(f"pictures/{out.name}", f"True colour, {season} {year}", trio[0].href)))
        rows.append(Row("rgb", "True colour", f"Median of red, green and blue in {season}", columns))
    elif any(key[0] == "ndvi" for key in by_key):
        rows.append(_row("ndvi", "NDVI", f"Median of {season}, filled", by_key, "ndvi", "p50", summer))
    if ("clear", "count", next(iter(summer.values()))) in by_key:
        rows.append(
            _row(
                "clear",
                "Clear observations",
                f"Number used in {season}",
                by_key,
                "clear",
                "count",
                summer,
            )
        )
    filled = _filled_row(plan, by_key, made)
    if filled:
        rows.append(filled)
    years = {
        one.layer.name.period.year: one.layer.name.period
        for one in by_key.values()
        if one.layer.name.variable == "landcover.hcl" and one.layer.name.period
    }
    if years:
        rows.append(_row("class", "Dominant class", "The most probable class", by_key, "landcover.hcl", "c", years))
        post = plan.place.recipe.steps.postprocess
        if post is not None:
            words = post.words(plan.place.grid.resolution_m).capitalize()
            rows.append(_row("filtered", "The same, filtered", words, by_key, "landcover.hcl", "f", years))
        truth = _truth_row(plan, made)
        if truth:
            rows.append(truth)
        rows.append(
            _row(
                "probability",
                "Its probability",
                "Of the dominant class",
                by_key,
                "landcover.hcl.prob",
                "p",
                years,
            )
        )
        rows.append(
            _row(
                "deviation",
                "Its uncertainty",
                "Spread of the learners",
                by_key,
                "landcover.hcl",
                "md",
                years,
            )
        )
    for code in classes:
        for type_, title in (("p", "Probability"), ("md", "Uncertainty")):
            rows.append(
                _row(
                    f"{type_}-{code}",
                    title,
                    "of the chosen class",
                    by_key,
                    f"landcover.{code}",
                    type_,
                    years,
                    code,
                )
            )
    return rows


def _row(
    id_: str,
    title: str,
    words: str,
    by_key: Mapping[Any, Publication],
    variable: str,
    type_: str,
    periods: Mapping[int, Any],
    code: str | None = None,
) -> Row:
    columns = []
    for year, period in sorted(periods.items()):
        one = by_key.get((variable, type_, period))
        if one is not None:
            columns.append(Column(year, Picture(one.href.removesuffix(".tif") + ".png", one.layer.title, one.href)))
    shown = [by_key[key] for key in ((variable, type_, period) for period in periods.values()) if key in by_key]
    scale = _scale(shown[0].layer.style, shown[0].layer.unit) if shown and shown[0].layer.style.kind == "ramp" else None
    return Row(id_, title, words, columns, code, scale)


def _scale(style: Style, unit: str) -> Scale:
    """The ends of a ramp, with their unit."""
    words = f"{unit}s" if unit.isalpha() else "" if unit == "1" else unit
    return Scale(RAMPS[style.name], f"{style.vmin:g}", f"{style.vmax:g} {words}".strip())


def _filled_row(plan: Plan, by_key: Mapping[Any, Publication], made: list[Path]) -> Row | None:
    """Share of a year's seasons in which a pixel was filled, of the first variable."""
    variable = plan.features.series[0].variable
    told = plan.place.recipe.steps.fill.companions[0]
    companion, observed = f"fill.{told}.{variable}", 0 if told == "phase" else 100
    style = Style.ramp("oranges", 0.0, 100.0)
    columns = []
    for year in plan.place.recipe.years_:
        phases = [
            read_small(plan.place.folder / by_key[companion, "f", season.period].href)
            for season in plan.features.seasons
            if season.year == year and (companion, "f", season.period) in by_key
        ]
        if not phases:
            return None
        stack = np.stack(phases)
        known = stack != 255
        share = 100.0 * ((stack != observed) & known).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        out = plan.place.folder / "pictures" / f"filled-{year}.png"
        put_bytes(out, png(style.colours(share, mask=~known.any(axis=0))))
        made.append(out)
        columns.append(Column(year, Picture(f"pictures/{out.name}", f"Filled share, {year}", None)))
    return Row("filled", "Filled share", f"Of the year's seasons, {variable}", columns, scale=_scale(style, "%"))


def _truth_row(plan: Plan, made: list[Path]) -> Row | None:
    """Known class maps, drawn as ours are."""
    layers = facts.truth_layers(plan)
    style = Style.of_legend(plan.place.legend)
    left, top, right, bottom = plan.place.shown
    step = max(1, max(right - left, bottom - top) // 480)
    columns = []
    for year in plan.place.recipe.years_:
        if year not in layers:
            continue
        lines = [
            read_window(layers[year], (left, row, right, row + 1), plan.place.grid)[:, ::step]
            for row in range(top, bottom, step)
        ]
        values = np.ma.concatenate(lines)  # type: ignore[no-untyped-call]
        x0, _, _, y1 = plan.place.grid.bounds_of(plan.place.shown)
        size = plan.place.grid.resolution_m
        y, x = np.mgrid[: values.shape[0], : values.shape[1]] * step + 0.5
        values[~shapely.contains_xy(plan.place.area, x0 + x * size, y1 - y * size)] = np.ma.masked
        out = plan.place.folder / "pictures" / f"truth-{year}.png"
        put_bytes(out, png(style.colours(values.data, mask=np.ma.getmaskarray(values))))
        made.append(out)
        columns.append(Column(year, Picture(f"pictures/{out.name}", f"Known land cover, {year}", None)))
    return Row("truth", "Known truth", "What is really there: only a simulation knows", columns) if columns else None
