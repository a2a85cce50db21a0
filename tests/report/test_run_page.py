"""The report of a run adds up: no task is lost in a table, a lane or a session."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.report.run_page import (
    PAUSE_S,
    TaskLine,
    bars,
    headlines,
    lanes,
    render_run,
    session_facts,
    sessions,
    step_lines,
    timeline,
)

from .pages import EVIL, run_page, task

COLOURS = {"ingest": "k0", "fill": "k1", "publish": "k2"}
TASKS = st.lists(
    st.tuples(st.sampled_from(sorted(COLOURS)), st.floats(0, 2000), st.floats(0, 90), st.sampled_from(["h:1", "h:2"])),
    max_size=60,
).map(lambda rows: [task(step, str(i), at, s, worker=who) for i, (step, at, s, who) in enumerate(rows)])


def ids(tasks: list[TaskLine]) -> list[str]:
    return sorted(one.id for one in tasks)


@given(TASKS)
def test_sessions_hold_every_task_and_are_parted_by_pauses_only(tasks: list[TaskLine]) -> None:
    parts = sessions(tasks)
    assert ids([one for part in parts for one in part]) == ids(tasks)
    for before, after in zip(parts, parts[1:], strict=False):
        assert min(one.start for one in after) - max(one.finished for one in before) > PAUSE_S
    for part in parts:
        reached = part[0].finished
        for one in part:
            assert one.start - reached <= PAUSE_S
            reached = max(reached, one.finished)
        assert session_facts(part)["busy"] >= 0


@given(TASKS)
def test_a_lane_does_one_thing_at_a_time(tasks: list[TaskLine]) -> None:
    rows = lanes(tasks)
    assert ids([one for _, row in rows for one in row]) == ids(tasks)
    for worker, row in rows:
        assert {one.worker for one in row} == {worker}
        assert all(b.start >= a.finished - 0.01001 for a, b in zip(row, row[1:], strict=False))


@given(TASKS, st.floats(0.01, 200))
def test_bars_hold_every_task_and_stay_few(tasks: list[TaskLine], shortest_s: float) -> None:
    for _, row in lanes(tasks):
        drawn = bars(row, shortest_s=shortest_s)
        assert [one.id for bar in drawn for one in bar.tasks] == [one.id for one in row]
        assert all(bar.step in {one.step for one in bar.tasks} for bar in drawn)
        span = max(one.finished for one in row) - row[0].start
        assert len(drawn) <= 2 * span / shortest_s + 2


def test_of_many_short_tasks_the_picture_stays_small() -> None:
    many = [task("fill", str(i), 0.1 * i, 0.1, worker=f"h:{i % 4}") for i in range(40_000)]
    drawn = timeline(many, COLOURS, most=2000)
    assert 500 < drawn.count("<rect") <= 4200
    assert sum(int(n) for n in re.findall(r"(\d+) × fill", drawn)) + len(re.findall(r"fill/\d+:", drawn)) == len(many)


def test_bars_lie_where_their_task_was() -> None:
    part = sessions(run_page().tasks)[0]
    root = ElementTree.fromstring(timeline(part, COLOURS))
    ticks = {t.text: float(t.attrib["x"]) for t in root.iter("text") if re.fullmatch(r"\d+ s", t.text or "")}
    a_second = (ticks["10 s"] - ticks["0 s"]) / 10
    drawn = {one.find("title").text.split(":")[0]: one for one in root.iter("rect")}
    assert set(drawn) == {one.id for one in part}
    for one in part:
        x, width = (float(drawn[one.id].attrib[key]) for key in ("x", "width"))
        assert (x - ticks["0 s"]) / a_second == pytest.approx(one.start - 1000, abs=0.02)
        assert width / a_second == pytest.approx(one.seconds, abs=0.02)
        assert drawn[one.id].attrib["class"] == "k0"
    assert len({one.attrib["y"] for one in root.iter("rect")}) == 2, "a lane a worker"


def test_steps_add_up() -> None:
    page = run_page()
    lines = {line["step"]: line for line in step_lines(page)}
    assert list(lines) == ["ingest", "fill", "publish"], "in the order of the plan"
    counts = {
        step: tuple(line[what] for what in ("done", "unreadable", "failed", "waiting")) for step, line in lines.items()
    }
    assert counts == {"ingest": (10, 1, 0, 0), "fill": (4, 0, 1, 0), "publish": (0, 0, 1, 1)}
    assert sum(map(sum, counts.values())) == len(page.planned)
    for step, line in lines.items():
        of_step = [one for one in page.tasks if one.step == step]
        assert line["seconds"] == pytest.approx(sum(one.seconds for one in of_step))
        assert line["bytes"] == sum(one.bytes for one in of_step)
        if of_step:
            assert line["shares"] == pytest.approx({"read": 0.3, "compute": 0.5, "write": 0.1, "rest": 0.1})


def test_headlines_count() -> None:
    page = run_page()
    found = {one["name"]: one for one in headlines(page, sessions(page.tasks))}
    assert found["Tasks done"]["words"] == "15 of 18"
    for words in ("1 failed", "1 could not begin", "1 still to do", "1 met a file that cannot be read"):
        assert words in found["Tasks done"]["meaning"]
    assert "in 2 sessions" in found["Time on the clock"]["meaning"] and found["Largest memory"]["words"] == "300 MB"


def test_the_page_names_failures_tiles_and_slowest_tasks() -> None:
    text = render_run(run_page())
    assert text.count("bad input") == 1 and "1: it needs fill/x0001y0002/red, which was set aside" in text
    states = re.findall(r'class="tile (\w+)"', text)
    assert states == ["failed", "done", "waiting", "partly", "done", "partly", "waiting", "failed"], (
        "on the map, in its legend"
    )
    slowest = re.findall(r"fill/x0001y0002/b\d", text[text.index("Slowest tasks") :])
    assert len(slowest) == 4 and slowest == sorted(slowest)
    assert EVIL not in text
    assert render_run(run_page()) == text


def test_a_run_in_which_nothing_happened_has_a_report() -> None:
    text = render_run(run_page(tasks=[], planned={}, tiles=[], area=[], failures=[], unreadable=[], notes=[]))
    assert "No task failed" in text and "No task is done" in text
