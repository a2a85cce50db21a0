"""The report of a Model: how good it proved to be, where it was asked, what it leans on. Text in, HTML text out.

Nothing here knows the moment: equal models give equal pages.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from odse.report.html import counted, kind_class, percent, render_template
from odse.report.svg import Ring, View, circle, element, line, north_arrow, number, picture, rect, text, ticks

MOST_POINTS = 4000
"""Samples drawn one by one on the map of folds; of more, only their blocks are drawn."""


@dataclass(frozen=True)
class ClassLine:
    """One class that the model tells apart."""

    code: str
    label: str
    color: str
    """#rrggbb"""
    n: int
    """Samples."""


@dataclass(frozen=True)
class FeatureLine:
    """One variable among the features."""

    variable: str
    unit: str
    origin: str
    """Seasonal series, derived, or static."""
    statistics: Sequence[str]
    seasons: Sequence[str]
    features: int


@dataclass(frozen=True)
class Block:
    """A square of ground that is held out as a whole."""

    x: float
    y: float
    """Its south-west corner, in metres."""
    fold: int
    n: int
    """Samples in it."""


@dataclass(frozen=True)
class FoldMap:
    """Where the samples lie and which fold holds them out."""

    area: Sequence[Ring]
    block_m: float
    blocks: Sequence[Block]
    points: Sequence[tuple[float, float]] = ()
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Code of a class -> its samples in fold 0, 1, ..."""


@dataclass(frozen=True)
class ModelPage:
    """All that the report shows."""

    title: str
    accuracy: Mapping[str, Any]
    """As ``model/accuracy.json`` has it."""
    classes: Sequence[ClassLine]
    folds: FoldMap
    features: Sequence[FeatureLine]
    merged: Sequence[Mapping[str, Any]] = ()
    """code, count, reason"""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Member -> its weight in the stack."""
    settings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    """Licence, digests and the like."""
    files: Mapping[str, str] = field(default_factory=dict)
    """File of the model -> sha256."""


def render_model(page: ModelPage) -> str:
    """The report as HTML. Everything that a person wrote is escaped. Pure."""
    designs = page.accuracy["designs"]
    groups = page.accuracy.get("importance", {}).get("groups", {})
    return render_template(
        "model.html.j2",
        page=page,
        headlines=headlines(page),
        candidates=candidates(designs),
        levels=[
            {
                "level": level,
                "groups": page.accuracy["levels"][level]["classes"],
                **heat(page.accuracy["levels"][level]),
            }
            for level in levels_of(page.accuracy)
        ],
        reliability=reliability_picture(page.accuracy["reliability"]),
        confused=largest_confusions(page.accuracy["levels"][levels_of(page.accuracy)[0]]),
        bins=bin_lines(page.accuracy["reliability"]),
        gap=stated_and_right(page.accuracy["reliability"]),
        importance=[
            {"grouping": grouping, "picture": importance_picture(grouping, groups[grouping])}
            for grouping in sorted(groups, key=list(GROUPINGS).index)
        ],
        fold_map=fold_picture(page.folds),
        fold_lines=fold_lines(page.folds),
        heaviest=max(page.weights.values(), default=1.0),
        largest=max((one.n for one in page.classes), default=1),
    )


# --- numbers ------------------------------------------------------------------------------------------------------------


def levels_of(accuracy: Mapping[str, Any]) -> list[str]:
    """The levels that accuracy is told at, the finest first: 3, 2, 1 for CORINE.

    >>> levels_of({"levels": {"1": {}, "2": {}}})
    ['2', '1']
    """
    return sorted(accuracy["levels"], reverse=True)


def headlines(page: ModelPage) -> list[dict[str, Any]]:
    """The numbers to know, each with what it means: name, value, words (shown value), meaning."""
    spatial, random = page.accuracy["designs"]["spatial"], page.accuracy["designs"]["random"]
    ensemble, constant = spatial["ensemble"], spatial["constant"]
    finest, *coarser = levels_of(page.accuracy)
    overall = ensemble["levels"][finest]["overall_accuracy"]
    chance = constant["levels"][finest]["overall_accuracy"]
    flattery = random["ensemble"]["levels"][finest]["overall_accuracy"] - overall
    given, given_constant = (math.exp(-one["log_loss"]) for one in (ensemble, constant))
    gap = stated_and_right(page.accuracy["reliability"])
    others = "".join(
        f"{', ' if i else '; '}{percent(ensemble['levels'][level]['overall_accuracy'], 1)} at level {level}"
        for i, level in enumerate(coarser)
    )
    return [
        {
            "name": "Overall accuracy",
            "value": overall,
            "words": percent(overall, 1),
            "meaning": f"of {counted(page.accuracy['n'], 'sample')} on held-out ground get the right one of "
            f"{len(page.accuracy['classes'])} classes{others}.",
        },
        {
            "name": "Beyond guessing",
            "value": overall - chance,
            "words": f"+{100 * (overall - chance):.1f} points",
            "meaning": f"over a map that says the commonest class everywhere, which is right for {percent(chance, 1)}.",
        },
        {
            "name": "Log loss",
            "value": ensemble["log_loss"],
            "words": f"{ensemble['log_loss']:.3f}",
            "meaning": f"The true class is given a probability of {percent(given)} (geometric mean); who knows only how "
            f"common each class is gives it {percent(given_constant)}. Less is better.",
        },
        {
            "name": "Stated against achieved",
            "value": gap,
            "words": f"±{100 * gap:.1f} points",
            "meaning": "lie between the probability of the dominant class and the share that was right, on average.",
        },
        {
            "name": "Flattery of random folds",
            "value": flattery,
            "words": f"{100 * flattery:+.1f} points",
            "meaning": "of accuracy would be claimed if neighbours were allowed to help. Quote the spatial numbers.",
        },
    ]


def stated_and_right(rows: Sequence[Mapping[str, float]]) -> float:
    """Mean distance between stated probability and share right, over all samples (expected calibration error, 0-1).

    >>> stated_and_right([{"stated": 0.9, "right": 0.8, "n": 3}, {"stated": 0.5, "right": 0.5, "n": 1}])
    0.075
    """
    total = sum(row["n"] for row in rows) or 1
    return round(sum(row["n"] * abs(row["stated"] - row["right"]) for row in rows) / total, 6)


def candidates(designs: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Ensemble, members from the best, constant: name, and the scores under spatial and random folds."""
    spatial = designs["spatial"]
    rank = {"ensemble": -1, "constant": 1}
    names = sorted(spatial, key=lambda name: (rank.get(name, 0), spatial[name]["log_loss"], name))
    return [{"name": name, "spatial": spatial[name], "random": designs["random"][name]} for name in names]


def heat(level: Mapping[str, Any]) -> dict[str, Any]:
    """A confusion matrix as rows of cells (count, strength 0-1 as the share of its row, kind), and its margins.

    >>> heat({"confusion": [[3, 1], [0, 2]]})["rows"][0]
    [{'n': 3, 'share': 0.75, 'kind': 'hit'}, {'n': 1, 'share': 0.25, 'kind': 'miss'}]
    """
    table = level["confusion"]
    rows = []
    for i, counts in enumerate(table):
        total = sum(counts) or 1
        rows.append(
            [
                {"n": n, "share": round(n / total, 4), "kind": ("hit" if i == j else "miss") if n else "none"}
                for j, n in enumerate(counts)
            ]
        )
    mapped = [sum(column) for column in zip(*table, strict=True)]
    right, total = sum(table[i][i] for i in range(len(table))), sum(mapped)
    return {"rows": rows, "mapped": mapped, "overall": round(right / max(total, 1), 4), "total": total}


def largest_confusions(level: Mapping[str, Any], most: int = 8) -> list[dict[str, Any]]:
    """The pairs most often taken for each other, by count: reference, mapped (code and label), n, share of the reference.

    >>> classes = [{"code": "1", "label": "a"}, {"code": "2", "label": "b"}]
    >>> largest_confusions({"classes": classes, "confusion": [[3, 1], [0, 2]]})
    [{'reference': '1 a', 'mapped': '2 b', 'n': 1, 'share': 0.25}]
    """
    names = [f"{one['code']} {one['label']}" for one in level["classes"]]
    pairs = [
        {"reference": names[i], "mapped": names[j], "n": n, "share": n / sum(counts)}
        for i, counts in enumerate(level["confusion"])
        for j, n in enumerate(counts)
        if i != j and n
    ]
    return sorted(pairs, key=lambda pair: (-pair["n"], pair["reference"], pair["mapped"]))[:most]


def wilson(right: float, n: float, z: float = 1.96) -> tuple[float, float]:
    """Interval of a share (Wilson 1927, doi 10.1080/01621459.1927.10502953), by default at 95 %.

    >>> [round(end, 3) for end in wilson(0.8, 50)]
    [0.67, 0.888]
    """
    middle = (right + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(right * (1 - right) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def bin_lines(rows: Sequence[Mapping[str, float]]) -> list[dict[str, float]]:
    """stated, right, low, high (shares 0-1; the interval of ``right``), n"""
    result = []
    for row in rows:
        low, high = wilson(row["right"], row["n"])
        result.append({"stated": row["stated"], "right": row["right"], "low": low, "high": high, "n": row["n"]})
    return result


def fold_lines(folds: FoldMap) -> list[dict[str, int]]:
    """fold, blocks, samples"""
    blocks: Counter[int] = Counter()
    samples: Counter[int] = Counter()
    for block in folds.blocks:
        blocks[block.fold] += 1
        samples[block.fold] += block.n
    return [{"fold": fold, "blocks": blocks[fold], "samples": samples[fold]} for fold in sorted(blocks)]


# --- pictures -----------------------------------------------------------------------------------------------------------


def reliability_picture(rows: Sequence[Mapping[str, float]]) -> Markup:
    """Stated probability against the share that was right, with 95 % intervals; below, how many samples each point has."""
    left, top, side, strip = 62.0, 12.0, 400.0, 76.0
    width, height = left + side + 26, top + side + 20 + strip + 44

    def x(share: float) -> float:
        return left + side * share

    def y(share: float) -> float:
        return top + side * (1 - share)

    parts: list[Markup] = []
    for at in ticks(0, 1, 6):
        parts += [
            line(x(0), y(at), x(1), y(at), class_="grid"),
            line(x(at), y(0), x(at), y(1), class_="grid"),
            text(x(0) - 7, y(at) + 4, percent(at), class_="tick", anchor="end"),
            text(x(at), height - 26, percent(at), class_="tick", anchor="middle"),
        ]
    parts.append(line(x(0), y(0), x(1), y(1), class_="ideal"))
    places = " ".join(f"{number(x(row['stated']))},{number(y(row['right']))}" for row in rows)
    parts.append(element("polyline", points=places, class_="path"))
    most = max((row["n"] for row in rows), default=1)
    base = top + side + 20 + strip
    for row in bin_lines(rows):
        low, high = row["low"], row["high"]
        words = (
            f"stated {percent(row['stated'])}, right {percent(row['right'])} of {counted(int(row['n']), 'sample')}"
            f" (95 % interval {percent(low)} to {percent(high)})"
        )
        tall = strip * row["n"] / most
        parts += [
            line(x(row["stated"]), y(low), x(row["stated"]), y(high), class_="whisker"),
            circle(x(row["stated"]), y(row["right"]), 5, class_="dot", title=words),
            rect(x(row["stated"]) - 11, base - tall, 22, tall, class_="count", title=words, round_=2),
            text(x(row["stated"]), base - tall - 4, f"{int(row['n'])}", class_="tick", anchor="middle"),
        ]
    parts += [
        line(x(0), base, x(1), base, class_="axis"),
        text(x(0.5), height - 6, "stated probability of the dominant class", class_="name", anchor="middle"),
        element(
            "text",
            "share that was right",
            class_="name",
            text_anchor="middle",
            transform=f"translate(14 {number(y(0.5))}) rotate(-90)",
        ),
        text(x(0) - 7, base - strip / 2 + 4, "samples", class_="tick", anchor="end"),
        text(x(0.02), y(0.95), "too modest", class_="region"),
        text(x(0.98), y(0.05), "too sure", class_="region", anchor="end"),
    ]
    told = "; ".join(f"{percent(row['stated'])} stated, {percent(row['right'])} right" for row in rows)
    return picture(width, height, *parts, title="Reliability", words=f"Reliability diagram: {told}", class_="tall")


GROUPINGS = {"variable": "by variable", "season": "by season", "kind": "by kind"}


def importance_picture(grouping: str, lines: Sequence[Mapping[str, Any]]) -> Markup:
    """Bars of the rise of the log loss, with the spread over the repeats; beside each, the points of accuracy lost."""
    left, bar, step, right = 112.0, 214.0, 26.0, 84.0
    most = max([float(one["log_loss"] + one["deviation"]) for one in lines] + [1e-3])
    least = min([float(one["log_loss"] - one["deviation"]) for one in lines] + [0.0])
    marks = ticks(0, most, 4)
    top = 26.0
    height = top + step * len(lines) + 40

    def x(value: float) -> float:
        return left + bar * (value - least) / (most - least)

    parts = [line(x(at), top - 6, x(at), height - 36, class_="grid") for at in marks]
    parts += [text(x(at), height - 22, number(at), class_="tick", anchor="middle") for at in marks]
    for i, one in enumerate(lines):
        y = top + i * step
        low, high = one["log_loss"] - one["deviation"], one["log_loss"] + one["deviation"]
        lost = f"{-100 * one['accuracy']:+.1f} points".replace("-", "−")
        words = (
            f"{one['name']} ({counted(one['features'], 'feature')}): log loss {one['log_loss']:+.3f} ± {one['deviation']:.3f},"
            f" accuracy {lost}"
        )
        start, end = sorted((x(0), x(one["log_loss"])))
        parts += [
            text(left - 8, y + 13, one["name"], class_="label", anchor="end"),
            rect(start, y, end - start, step - 10, class_="count", title=words, round_=2),
            line(x(low), y + step / 2 - 5, x(high), y + step / 2 - 5, class_="whisker"),
            text(left + bar + right, y + 13, lost, class_="tick", anchor="end"),
        ]
    parts += [
        line(x(0), top - 6, x(0), height - 36, class_="axis"),
        text(left + bar / 2, height - 4, "rise of the log loss", class_="name", anchor="middle"),
        text(left + bar + right, 12, "accuracy", class_="tick", anchor="end"),
    ]
    told = "; ".join(f"{one['name']} {one['log_loss']:.3f}" for one in lines)
    title = f"Importance {GROUPINGS.get(grouping, grouping)}"
    return picture(left + bar + right, height, *parts, title=title, words=f"{title}: {told}")


def fold_picture(folds: FoldMap) -> Markup:
    """Blocks in the colour and with the number of their fold, over the area's outline."""
    size = folds.block_m
    corners = [(one.x, one.y) for one in folds.blocks] + [(one.x + size, one.y + size) for one in folds.blocks]
    corners += [place for ring in folds.area for place in ring]
    xs, ys = zip(*corners, strict=True)
    view = View.fit((min(xs), min(ys), max(xs), max(ys)), width=720, highest=620, margin=26, below=16)
    parts = [view.outline(folds.area, class_="area")]
    for one in folds.blocks:
        words = f"fold {one.fold}, {counted(one.n, 'sample')}"
        parts.append(view.square(one.x, one.y, size, class_=f"block {kind_class(one.fold)}", title=words, gap=1.5))
    if len(folds.points) <= MOST_POINTS:
        places = "".join(f"M{number(view.x(x), 1)},{number(view.y(y), 1)}h0" for x, y in folds.points)
        parts.append(element("path", d=places, class_="sample"))
    if size * view.scale >= 16:
        for one in folds.blocks:
            place = view.x(one.x + size / 2), view.y(one.y + size / 2) + 4
            parts.append(text(*place, str(one.fold), class_="fold", anchor="middle"))
    parts += [view.outline(folds.area, class_="border"), view.scale_bar(), north_arrow(view)]
    words = "; ".join(
        f"fold {one['fold']}: {counted(one['blocks'], 'block')}, {counted(one['samples'], 'sample')}"
        for one in fold_lines(folds)
    )
    return picture(
        view.width, view.height, *parts, title="Map of folds", words=f"Map of validation blocks. {words}", class_="map"
    )
