"""The state of a run as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def status_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Steps and their tasks by state, aligned. Pure.

    >>> print(status_table([{"step": "fill", "done": 3}]))
    step  done
    fill     3
    """
    states = sorted({state for row in rows for state in row if state != "step"})
    cells = [["step", *states], *[[row["step"], *[str(row.get(state, 0)) for state in states]] for row in rows]]
    return _aligned(cells)


def failures_table(failures: Sequence[Mapping[str, str]]) -> str:
    """What was set aside, and why. Pure."""
    return _aligned(
        [["set aside", "class", "why"], *[[f["key"], f["class"], f["sentence"]] for f in failures]], right=False
    )


def _aligned(cells: Sequence[Sequence[str]], *, right: bool = True) -> str:
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    lines = []
    for line in cells:
        words = [line[0].ljust(widths[0])]
        words += [c.rjust(w) if right else c.ljust(w) for c, w in zip(line[1:], widths[1:], strict=True)]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)
