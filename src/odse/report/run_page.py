"""The report of a Run: where it stands, where its time went, what failed. Text in, HTML text out.

All of it is measured and differs from run to run: the page stands beside what is published and is no part of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

from odse.report.html import counted, kind_class, percent, render_template, seconds
from odse.report.svg import Ring, View, line, north_arrow, picture, rect, text, ticks

PAUSE_S = 60.0
"""A stretch without any task that is longer than this parts two sessions of a run."""

SESSIONS = 6
"""Sessions drawn, the latest."""

BARS = 12000
"""Bars drawn, about; of more tasks, short neighbours are drawn together."""

SLOWEST = 15
LISTED = 200


@dataclass(frozen=True)
class TaskLine:
    """One finished task, as its receipt measured it."""

    id: str
    step: str
    state: str
    worker: str
    """host:pid"""
    finished: float
    """Seconds since 1970."""
    seconds: float
    read_s: float = 0.0
    compute_s: float = 0.0
    write_s: float = 0.0
    peak_mb: float = 0.0
    """Of its process so far."""
    bytes: int = 0
    """Of the files it made."""

    @property
    def start(self) -> float:
        return self.finished - self.seconds


@dataclass(frozen=True)
class TileLine:
    """One tile of work."""

    name: str
    x: float
    y: float
    """South-west corner, in metres."""
    size_m: float
    done: int
    failed: int
    waiting: int
    seconds: float

    @property
    def state(self) -> str:
        return (
            "failed"
            if self.failed
            else "waiting"
            if self.waiting and not self.done
            else "partly"
            if self.waiting
            else "done"
        )


@dataclass(frozen=True)
class RunPage:
    """All that the report shows."""

    title: str
    planned: Mapping[str, str]
    """Id of every task of the plan -> its step."""
    tasks: Sequence[TaskLine]
    area: Sequence[Ring]
    tiles: Sequence[TileLine]
    failures: Sequence[Mapping[str, str]] = ()
    """key, class, sentence"""
    unreadable: Sequence[Mapping[str, str]] = ()
    """file, why"""
    notes: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    """Words -> page beside this one."""


def render_run(page: RunPage) -> str:
    """The report as HTML. Everything that a person wrote is escaped. Pure."""
    steps = step_lines(page)
    colours = {line["step"]: kind_class(i) for i, line in enumerate(steps)}
    parts = sessions(page.tasks)
    drawn = parts[-SESSIONS:]
    return render_template(
        "run.html.j2",
        page=page,
        headlines=headlines(page, parts),
        steps=steps,
        colours=colours,
        tile_map=tile_picture(page),
        tile_states=Counter(tile.state for tile in page.tiles),
        sessions=[{**session_facts(one), "picture": timeline(one, colours, most=BARS // len(drawn))} for one in drawn],
        earlier=max(0, len(parts) - SESSIONS),
        slowest=sorted(page.tasks, key=lambda task: (-task.seconds, task.id))[:SLOWEST],
        largest_mb=max([line["peak_mb"] for line in steps] + [1]),
        failed=[one for one in page.failures if one["class"] != "blocked"][:LISTED],
        blocked=Counter(one["sentence"] for one in page.failures if one["class"] == "blocked").most_common(LISTED),
        listed=LISTED,
    )


# --- numbers ------------------------------------------------------------------------------------------------------------


def headlines(page: RunPage, parts: Sequence[Sequence[TaskLine]]) -> list[dict[str, str]]:
    """The numbers to know, each with what it means: name, words, meaning."""
    done, planned = len(page.tasks), len(page.planned)
    failed = sum(one["class"] != "blocked" for one in page.failures)
    blocked = len(page.failures) - failed
    waiting = max(0, planned - done - len(page.failures))
    facts = [session_facts(one) for one in parts]
    wall, busy = sum(one["wall_s"] for one in facts), sum(task.seconds for task in page.tasks)
    offered = sum(one["wall_s"] * one["workers"] for one in facts)
    workers = max([one["workers"] for one in facts] + [0])
    peak = max(page.tasks, key=lambda task: task.peak_mb, default=None)
    rest = [f"{failed} failed" if failed else "", f"{blocked} could not begin" if blocked else ""]
    rest += [f"{waiting} still to do" if waiting else "", f"{len(page.unreadable)} met a file that cannot be read"]
    return [
        {
            "name": "Tasks done",
            "words": f"{done:,} of {planned:,}",
            "meaning": "; ".join(filter(None, rest[:3] + (rest[3:] if page.unreadable else []))) or "Nothing failed.",
        },
        {
            "name": "Time on the clock",
            "words": seconds(wall),
            "meaning": f"in {counted(len(parts), 'session')}, pauses left out."
            + (f" Begun {moment(facts[0]['begun'])}." if facts else ""),
        },
        {
            "name": "Work",
            "words": seconds(busy),
            "meaning": f"of tasks by {counted(workers, 'worker')} at most; they were at work for "
            f"{percent(busy / offered if offered else 0)} of the time they were there.",
        },
        {
            "name": "Largest memory",
            "words": f"{peak.peak_mb:,.0f} MB" if peak else "unknown",
            "meaning": f"of one worker, when it had finished {peak.id}." if peak else "",
        },
    ]


def moment(at: float) -> str:
    """A moment in words, in UTC.

    >>> moment(0)
    '1970-01-01 00:00 UTC'
    """
    return f"{datetime.fromtimestamp(at, tz=UTC):%Y-%m-%d %H:%M} UTC"


def step_lines(page: RunPage) -> list[dict[str, Any]]:
    """By step, in the order of the plan: tasks by state, seconds and their shares, largest memory, bytes made."""
    failed = {one["key"]: "blocked" if one["class"] == "blocked" else "failed" for one in page.failures}
    lines: dict[str, dict[str, Any]] = {}
    zero = {"done": 0, "unreadable": 0, "failed": 0, "waiting": 0, "seconds": 0.0, "peak_mb": 0.0, "bytes": 0}
    for step in [*page.planned.values(), *(task.step for task in page.tasks)]:
        lines.setdefault(step, {"step": step, **zero, "read": 0.0, "compute": 0.0, "write": 0.0})
    for task in page.tasks:
        one = lines[task.step]
        one["unreadable" if task.state == "unreadable" else "done"] += 1
        one["seconds"] += task.seconds
        one["bytes"] += task.bytes
        one["peak_mb"] = max(one["peak_mb"], task.peak_mb)
        for what in ("read", "compute", "write"):
            one[what] += getattr(task, f"{what}_s")
    finished = {task.id for task in page.tasks}
    for task_id, step in page.planned.items():
        if task_id not in finished:
            lines[step]["failed" if task_id in failed else "waiting"] += 1
    for one in lines.values():
        one["rest"] = max(0.0, one["seconds"] - one["read"] - one["compute"] - one["write"])
        total = one["read"] + one["compute"] + one["write"] + one["rest"] or 1.0
        one["shares"] = {what: one[what] / total for what in ("read", "compute", "write", "rest")}
    return list(lines.values())


def sessions(tasks: Sequence[TaskLine]) -> list[list[TaskLine]]:
    """The tasks in stretches of work, parted where none was done for longer than a pause; each in the order of time.

    >>> a, b = (TaskLine("fill/a", "fill", "done", "h:1", at, 1.0) for at in (10.0, 500.0))
    >>> [len(one) for one in sessions([b, a])]
    [1, 1]
    """
    parts: list[list[TaskLine]] = []
    end = float("-inf")
    for task in sorted(tasks, key=lambda task: (task.start, task.id)):
        if not parts or task.start - end > PAUSE_S:
            parts.append([])
        parts[-1].append(task)
        end = max(end, task.finished)
    return parts


def session_facts(tasks: Sequence[TaskLine]) -> dict[str, Any]:
    """begun, moment (in words), wall_s, workers, busy (share of the workers' time), tasks"""
    begun, ended = min(task.start for task in tasks), max(task.finished for task in tasks)
    workers = len({task.worker for task in tasks})
    wall = max(ended - begun, 1e-3)
    busy = sum(task.seconds for task in tasks) / (wall * workers)
    return {
        "begun": begun,
        "moment": moment(begun),
        "wall_s": wall,
        "workers": workers,
        "busy": busy,
        "tasks": len(tasks),
    }


def lanes(tasks: Sequence[TaskLine]) -> list[tuple[str, list[TaskLine]]]:
    """Worker after worker, the tasks it did one after another; a worker that did several at once has several lanes.

    >>> one, two = TaskLine("a/1", "a", "done", "h:1", 2, 2), TaskLine("a/2", "a", "done", "h:1", 3, 2)
    >>> [(worker, [task.id for task in line]) for worker, line in lanes([one, two])]
    [('h:1', ['a/1']), ('h:1', ['a/2'])]
    """
    found: dict[str, list[list[TaskLine]]] = {}
    for task in sorted(tasks, key=lambda task: (task.start, task.id)):
        rows = found.setdefault(task.worker, [])
        row = next((row for row in rows if row[-1].finished <= task.start + 0.01), None)
        if row is None:
            row = []
            rows.append(row)
        row.append(task)
    return [(worker, row) for worker, rows in found.items() for row in rows]


@dataclass(frozen=True)
class Bar:
    """What is drawn in one lane from start to end: one task, or several that are too short to be drawn alone."""

    start: float
    end: float
    step: str
    tasks: Sequence[TaskLine]

    @property
    def words(self) -> str:
        if len(self.tasks) > 1:
            counts = Counter(task.step for task in self.tasks).most_common()
            return ", ".join(f"{n} × {step}" for step, n in counts) + f": {seconds(self.end - self.start)}"
        (task,) = self.tasks
        return (
            f"{task.id}: {seconds(task.seconds)} (read {seconds(task.read_s)}, compute {seconds(task.compute_s)}, "
            f"write {seconds(task.write_s)})"
        )


def bars(tasks: Sequence[TaskLine], *, shortest_s: float) -> list[Bar]:
    """The bars of one lane: neighbours closer than ``shortest_s`` are joined until they are that long together.

    >>> line = [TaskLine(f"a/{i}", "a", "done", "h:1", i + 1.0, 1.0) for i in range(6)]
    >>> [len(bar.tasks) for bar in bars(line, shortest_s=3.0)]
    [3, 3]
    """
    result: list[Bar] = []
    for task in tasks:
        last = result[-1] if result else None
        short = last is not None and last.end - last.start < shortest_s
        if last is not None and short and task.start - last.end < shortest_s and task.seconds < shortest_s:
            together = [*last.tasks, task]
            weight: Counter[str] = Counter()
            for one in together:
                weight[one.step] += round(one.seconds * 1000)
            step = min(weight, key=lambda step: (-weight[step], step))
            result[-1] = replace(last, end=max(last.end, task.finished), step=step, tasks=together)
        else:
            result.append(Bar(task.start, task.finished, task.step, [task]))
    return result


# --- pictures -----------------------------------------------------------------------------------------------------------


def timeline(tasks: Sequence[TaskLine], colours: Mapping[str, str], *, most: int = BARS) -> Markup:
    """Worker by worker, what it did when: time runs to the right, the colour is the step."""
    rows = lanes(tasks)
    facts = session_facts(tasks)
    left, width, top = 84.0, 1240.0, 6.0
    step = max(3.0, min(34.0, 900.0 / len(rows)))
    height = top + step * len(rows) + 28
    begun, wall = float(facts["begun"]), float(facts["wall_s"])
    shortest = wall / max(40.0, min(1240.0, most / len(rows)))

    def x(at: float) -> float:
        return left + width * (at - begun) / wall

    unit, name = (1.0, "s") if wall < 300 else (60.0, "min") if wall < 3 * 3600 else (3600.0, "h")
    parts = []
    for at in ticks(0, wall / unit, 12):
        place = x(begun + at * unit)
        parts += [
            line(place, top, place, height - 24, class_="grid"),
            text(place, height - 8, f"{at:g} {name}", class_="tick", anchor="middle"),
        ]
    for i, (worker, row) in enumerate(rows):
        y = top + i * step
        if step >= 12:
            parts.append(text(left - 8, y + step / 2 + 4, f"worker {i + 1}", class_="tick", anchor="end"))
        for bar in bars(row, shortest_s=shortest):
            wide = x(bar.end) - x(bar.start)
            wide = max(wide - 0.5 if wide > 3 else wide, 0.5)
            thick = step - min(6.0, step / 4)
            words = f"{bar.words} ({worker})"
            parts.append(rect(x(bar.start), y, wide, thick, class_=colours[bar.step], title=words))
    words = (
        f"{counted(facts['tasks'], 'task')} by {counted(facts['workers'], 'worker')} in {seconds(facts['wall_s'])}, "
        f"at work {percent(facts['busy'])} of the time"
    )
    return picture(left + width + 16, height, *parts, title="Timeline", words=f"Timeline: {words}", class_="wide")


def tile_picture(page: RunPage) -> Markup:
    """The tiles of work in the colour of their state, over the area's outline."""
    corners = [(one.x, one.y) for one in page.tiles] + [(one.x + one.size_m, one.y + one.size_m) for one in page.tiles]
    corners += [place for ring in page.area for place in ring]
    if not corners:
        corners = [(0.0, 0.0), (1.0, 1.0)]
    xs, ys = zip(*corners, strict=True)
    view = View.fit((min(xs), min(ys), max(xs), max(ys)), width=560, highest=500, margin=26, below=16)
    parts = [view.outline(page.area, class_="area")]
    for tile in page.tiles:
        words = (
            f"{tile.name}: {counted(tile.done, 'task')} done, {tile.failed} failed, {tile.waiting} to do,"
            f" {seconds(tile.seconds)}"
        )
        parts.append(view.square(tile.x, tile.y, tile.size_m, class_=f"tile {tile.state}", title=words, gap=2))
    parts.append(view.outline(page.area, class_="border"))
    for tile in page.tiles:
        if tile.size_m * view.scale >= 90:
            x, y = view.x(tile.x + tile.size_m / 2), view.y(tile.y + tile.size_m / 2)
            counts = f"{tile.done} of {tile.done + tile.failed + tile.waiting} tasks"
            parts += [
                text(x, y - 8, tile.name, class_="fold", anchor="middle"),
                text(x, y + 9, counts, class_="tick", anchor="middle"),
                text(x, y + 25, seconds(tile.seconds), class_="tick", anchor="middle"),
            ]
    parts += [view.scale_bar(), north_arrow(view)]
    states = Counter(tile.state for tile in page.tiles)
    words = ", ".join(f"{n} {state}" for state, n in sorted(states.items()))
    return picture(
        view.width, view.height, *parts, title="Tiles of work", words=f"Map of the tiles of work: {words}", class_="map"
    )
