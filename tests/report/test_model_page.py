"""The report of a model shows the numbers of accuracy.json, and nothing that anyone could smuggle in."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest

from odse.report.model import candidates, headlines, render_model, wilson

from .pages import CLASSES, EVIL, LEARNERS, accuracy, model_page, run_page

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Reader(HTMLParser):
    """Elements as a tree of dicts; complains of tags that do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root: dict[str, Any] = {"tag": "", "of": {}, "in": []}
        self.open = [self.root]
        self.feed(page)
        self.close()
        assert self.open == [self.root], f"<{self.open[-1]['tag']}> is never closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node: dict[str, Any] = {"tag": tag, "of": dict(attrs), "in": []}
        self.open[-1]["in"].append(node)
        if tag not in VOID:
            self.open.append(node)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1]["tag"] == tag, f"</{tag}> closes <{self.open[-1]['tag']}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1]["in"].append(data)


def every(node: dict[str, Any], tag: str, **attributes: str) -> list[dict[str, Any]]:
    found = []
    for one in node["in"]:
        if isinstance(one, dict):
            if one["tag"] == tag and all(
                one["of"].get(k.rstrip("_").replace("_", "-")) == v for k, v in attributes.items()
            ):
                found.append(one)
            found += every(one, tag, **attributes)
    return found


def words(node: dict[str, Any]) -> str:
    return "".join(one if isinstance(one, str) else words(one) for one in node["in"]).strip()


def values(node: dict[str, Any]) -> list[float]:
    return [float(one["of"]["value"]) for one in every(node, "data")]


@cache
def page() -> str:
    return render_model(model_page())


@cache
def tree() -> dict[str, Any]:
    return Reader(page()).root


def pictures(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_scores_of_every_candidate_design_and_level_are_those_of_the_file() -> None:
    told = accuracy()["designs"]
    for measure in ("overall_accuracy", "weighted_f1"):
        (table,) = every(tree(), "table", data_measure=measure)
        rows = every(every(table, "tbody")[0], "tr")
        assert {words(every(row, "th")[0]) for row in rows} == {"ensemble", "constant", *LEARNERS}
        for row in rows:
            name = words(every(row, "th")[0])
            expected = [told[d][name]["levels"][level][measure] for level in "321" for d in ("spatial", "random")]
            assert values(row) == expected
            assert [words(one) for one in every(row, "data")] == [f"{100 * value:.1f} %" for value in expected]
            widths = [
                float(re.search(r"width:([\d.]+)px", one["of"]["style"])[1])
                for one in every(row, "span")
                if "style" in one["of"]
            ]
            assert widths == pytest.approx([110 * value for value in expected], abs=0.06), "bars as long as the numbers"
    (table,) = every(tree(), "table", data_measure="log_loss")
    for row in every(every(table, "tbody")[0], "tr"):
        name = words(every(row, "th")[0])
        assert values(row) == [told["spatial"][name]["log_loss"], told["random"][name]["log_loss"]]


def test_confusion_matrices_and_margins_are_those_of_the_file() -> None:
    for level, told in accuracy()["levels"].items():
        (table,) = every(tree(), "table", data_level=level)
        rows = every(every(table, "tbody")[0], "tr")
        n = len(told["classes"])
        for row, counts, group in zip(rows[:n], told["confusion"], told["classes"], strict=True):
            cells = every(row, "td")
            assert [int(words(cell)) for cell in cells[:n]] == counts
            assert int(words(cells[n])) == group["n"] == sum(counts)
            assert values(row) == [group["producers"], group["f1"]]
            strengths = [float(cell["of"]["style"].removeprefix("--v:")) for cell in cells[:n]]
            assert strengths == pytest.approx([count / sum(counts) for count in counts], abs=1e-4)
        assert [int(words(cell)) for cell in every(rows[n], "td")[:n]] == [
            sum(c) for c in zip(*told["confusion"], strict=True)
        ]
        overall = accuracy()["designs"]["spatial"]["ensemble"]["levels"][level]["overall_accuracy"]
        assert values(rows[n + 1]) == pytest.approx([*(group["users"] for group in told["classes"]), overall], abs=1e-4)


def test_headlines_are_the_file_in_words() -> None:
    told = accuracy()
    spatial, random = told["designs"]["spatial"], told["designs"]["random"]
    best = spatial["ensemble"]["levels"]["3"]["overall_accuracy"]
    found = {one["name"]: one for one in headlines(model_page())}
    assert (
        found["Overall accuracy"]["value"] == best and f"of {told['n']} samples" in found["Overall accuracy"]["meaning"]
    )
    assert found["Beyond guessing"]["value"] == best - spatial["constant"]["levels"]["3"]["overall_accuracy"]
    assert (
        found["Flattery of random folds"]["value"] == random["ensemble"]["levels"]["3"]["overall_accuracy"] - best > 0
    )
    assert f"{100 * math.exp(-spatial['ensemble']['log_loss']):.0f} %" in found["Log loss"]["meaning"]
    total = sum(row["n"] * abs(row["stated"] - row["right"]) for row in told["reliability"]) / told["n"]
    assert found["Stated against achieved"]["value"] == pytest.approx(total, abs=1e-6)
    (shown,) = every(tree(), "div", class_="headlines")
    assert values(shown) == pytest.approx([one["value"] for one in headlines(model_page())])


def test_the_ensemble_comes_first_and_the_constant_last() -> None:
    order = [one["name"] for one in candidates(accuracy()["designs"])]
    assert order[0] == "ensemble" and order[-1] == "constant"
    losses = [accuracy()["designs"]["spatial"][name]["log_loss"] for name in order[1:-1]]
    assert losses == sorted(losses)


def by_title(page: str, title: str) -> ElementTree.Element:
    return next(one for one in pictures(page) if one.find("title").text == title)


def test_dots_of_the_reliability_diagram_stand_where_their_numbers_say() -> None:
    drawn = by_title(page(), "Reliability")
    ideal = next(one for one in drawn.iter("line") if one.attrib.get("class") == "ideal")
    x0, y0, x1, y1 = (float(ideal.attrib[key]) for key in ("x1", "y1", "x2", "y2"))
    dots = [one for one in drawn.iter("circle") if one.attrib["class"] == "dot"]
    told = accuracy()["reliability"]
    assert len(dots) == len(told) >= 5
    for dot, row in zip(dots, told, strict=True):
        assert (float(dot.attrib["cx"]) - x0) / (x1 - x0) == pytest.approx(row["stated"], abs=1e-3)
        assert (float(dot.attrib["cy"]) - y0) / (y1 - y0) == pytest.approx(row["right"], abs=1e-3)
    bars = [one for one in drawn.iter("rect") if one.attrib["class"] == "count"]
    heights = [float(one.attrib["height"]) for one in bars]
    most = max(row["n"] for row in told)
    assert [round(h / max(heights), 2) for h in heights] == [round(row["n"] / most, 2) for row in told]


def test_wilson_covers_as_it_says() -> None:
    """Exact coverage by the binomial distribution, averaged over the true share."""
    n, covered = 40, []
    for true in [i / 100 for i in range(3, 98)]:
        chance = 0.0
        for k in range(n + 1):
            low, high = wilson(k / n, n)
            if low <= true <= high:
                chance += math.comb(n, k) * true**k * (1 - true) ** (n - k)
        covered.append(chance)
    assert 0.94 < sum(covered) / len(covered) < 0.965


def test_bars_of_importance_are_as_long_as_their_numbers_and_ordered_by_grouping() -> None:
    titles = [one.find("title").text for one in pictures(page())]
    assert [t for t in titles if t.startswith("Importance")] == [
        "Importance by variable", "Importance by season", "Importance by kind"]  # fmt: skip
    drawn = by_title(page(), "Importance by variable")
    lines = accuracy()["importance"]["groups"]["variable"]
    widths = [float(one.attrib["width"]) for one in drawn.iter("rect")]
    assert [w / widths[0] for w in widths] == pytest.approx([abs(line["log_loss"]) / 0.5 for line in lines], abs=1e-3)
    axis = next(float(one.attrib["x1"]) for one in drawn.iter("line") if one.attrib.get("class") == "axis")
    starts = [float(one.attrib["x"]) for one in drawn.iter("rect")]
    assert starts[:2] == [axis, axis] and starts[2] < axis, "what does harm points to the left"
    assert "−18.0 points" in ElementTree.tostring(drawn, encoding="unicode")


def test_every_block_is_on_the_map_in_its_fold() -> None:
    drawn, folds = by_title(page(), "Map of folds"), model_page().folds
    squares = [one for one in drawn.iter("rect") if one.attrib["class"].startswith("block")]
    assert [one.attrib["class"] for one in squares] == [f"block k{block.fold}" for block in folds.blocks]
    xs = {block.x: float(square.attrib["x"]) for block, square in zip(folds.blocks, squares, strict=True)}
    ys = {block.y: float(square.attrib["y"]) for block, square in zip(folds.blocks, squares, strict=True)}
    assert sorted(xs.values()) == [xs[x] for x in sorted(xs)] and sorted(ys.values()) == [
        ys[y] for y in sorted(ys, reverse=True)
    ]
    assert len(every(tree(), "td", class_="absent")) == len(CLASSES), "a class that is missing in a fold is marked"


def test_many_samples_are_not_drawn_one_by_one() -> None:
    folds = model_page().folds
    crowd = type(folds)(folds.area, folds.block_m, folds.blocks, [(float(i), 0.0) for i in range(50_000)], folds.counts)
    assert len(render_model(model_page(folds=crowd))) < len(page()) + 1000


@pytest.mark.parametrize("which", ["model", "run"])
def test_what_people_write_is_escaped_and_nothing_comes_from_a_network(which: str) -> None:
    from odse.report.run_page import render_run

    text = page() if which == "model" else render_run(run_page())
    assert EVIL not in text and "<script" not in text and "alert(" in text
    assert "http:" not in text and "https:" not in text and "//" not in text.replace("</", "") and "url(" not in text
    root = Reader(text).root
    hrefs = [one["of"]["href"] for one in every(root, "a")]
    assert hrefs == [href for href in hrefs if href in ("../index.html", "index.html", "model/report.html")]
    assert not [one for one in every(root, "svg") if not one["of"].get("aria-label")]
    assert len(pictures(text)) == len(every(root, "svg")) >= 2, "each is well-formed XML by itself"
    for node in every(root, "svg"):
        assert "onload" not in node["of"]


def test_equal_models_give_equal_bytes_whatever_the_order_of_the_file() -> None:
    again = json.loads(json.dumps(accuracy(), sort_keys=True))
    assert render_model(model_page(accuracy=again)) == page() == render_model(model_page())


def test_a_model_without_importance_or_weights_has_a_report() -> None:
    bare = {key: value for key, value in accuracy().items() if key != "importance"}
    text = render_model(model_page(accuracy=bare, weights={}, merged=[], files={}))
    assert "What it leans on" not in text and "How the members become one" not in text
    Reader(text)
