"""Drawing primitives: fixed numbers, nothing unescaped, places that come back."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.report.svg import View, element, nice, north_arrow, number, picture, rect, text, ticks

NUMBERS = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False)


@given(NUMBERS)
def test_a_number_has_one_plain_form(value: float) -> None:
    shown = number(value)
    assert re.fullmatch(r"-?\d+(\.\d{0,1}[1-9])?", shown) and shown != "-0"
    assert float(shown) == pytest.approx(value, abs=0.005001)


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C",))))
def test_words_come_out_as_they_went_in(words: str) -> None:
    drawn = picture(10, 10, text(1, 2, words), rect(0, 0, 1, 1, title=words), title=words, words=words)
    root = ElementTree.fromstring(drawn)
    assert root.attrib["aria-label"] == words and root.attrib["role"] == "img"
    assert [node.text or "" for node in root.iter("title")] == ([words, words] if words else [""])
    assert (root.find("text").text or "") == words


def test_attributes() -> None:
    assert (
        element("rect", x=1.0, stroke_width=0.5, class_="a", rx=None)
        == '<rect x="1" stroke-width="0.5" class="a"></rect>'
    )
    assert 'width="0"' in rect(0, 0, -3, 1), "no browser draws a negative width"


@given(st.floats(1e-6, 1e9))
def test_a_nice_number_is_1_2_or_5_and_not_far_below(value: float) -> None:
    found = nice(value)
    assert value * 0.4 - 1e-12 < found <= value * (1 + 1e-9)
    assert f"{found:e}"[0] in "125" and float(f"{found:.0e}") == found


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_few_even_and_inside(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert len(found) <= most
    assert all(low - 1e-6 * span <= one <= low + span * (1 + 1e-6) for one in found)
    steps = {round((b - a) / span, 6) for a, b in zip(found, found[1:], strict=False)}
    assert len(steps) <= 2, "one step, and what rounding makes of it"
    if most >= 5:
        assert len(found) >= 2


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(100, 1e6), st.floats(100, 1e6))
def test_a_view_holds_its_bounds_with_north_up(left: float, bottom: float, wide: float, high: float) -> None:
    view = View.fit((left, bottom, left + wide, bottom + high), width=600, highest=400, margin=20, below=10)
    assert view.width <= 600 + 1e-6 and view.height <= 400 + 1e-6
    assert view.x(left) == pytest.approx(20, abs=1e-3) and view.x(left + wide) == pytest.approx(
        view.width - 20, abs=1e-3
    )
    assert view.y(bottom + high) == pytest.approx(20, abs=1e-3) and view.y(bottom) == pytest.approx(
        view.height - 30, abs=1e-3
    )
    assert view.x(left + 1) - view.x(left) == pytest.approx(view.y(bottom) - view.y(bottom + 1), abs=1e-3)


def test_an_outline_with_a_hole_and_a_scale_bar_that_is_true() -> None:
    view = View.fit((0, 0, 10_000, 10_000), width=520, highest=900, margin=10)
    ring, hole = [(0, 0), (10_000, 0), (0, 10_000), (0, 0)], [(100, 100), (200, 100), (100, 200), (100, 100)]
    path = ElementTree.fromstring(view.outline([ring, hole], class_="area"))
    assert path.attrib["d"].count("M") == path.attrib["d"].count("Z") == 2 and path.attrib["fill-rule"] == "evenodd"
    assert path.attrib["d"].startswith("M10,510 510,510 10,10 ")
    bar = ElementTree.fromstring(view.scale_bar())
    start, end = (float(x) for x in re.match(r"M([\d.]+),.*H([\d.]+)V", bar.find("path").attrib["d"]).groups())
    assert bar.find("text").text == "2 km" and (end - start) / view.scale == pytest.approx(2000, rel=1e-3)
    ElementTree.fromstring(north_arrow(view))
