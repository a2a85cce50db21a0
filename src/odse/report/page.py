"""The page of a finished run: text in, HTML text out. Pictures are relative files; nothing comes from a network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from odse.report.html import render_template


@dataclass(frozen=True)
class Picture:
    """One picture and, where it shows a layer, the layer's file."""

    href: str
    title: str
    layer_href: str | None


@dataclass(frozen=True)
class Column:
    year: int
    picture: Picture


@dataclass(frozen=True)
class Scale:
    """How a row's colours are read: evenly spaced colours from the lowest number to the highest, each with its unit."""

    colors: Sequence[str]
    """#rrggbb"""
    low: str
    high: str


@dataclass(frozen=True)
class Row:
    """One thing shown for each year."""

    id: str
    title: str
    words: str
    columns: Sequence[Column]
    code: str | None = None
    """Class it belongs to: shown when that class is chosen."""
    scale: Scale | None = None


@dataclass(frozen=True)
class Page:
    """All that the page shows."""

    title: str
    description: str
    facts: Mapping[str, str]
    years: Sequence[int]
    rows: Sequence[Row]
    classes: Sequence[Mapping[str, Any]] = ()
    """code, label, color, value, n"""
    seasons: Sequence[Mapping[str, Any]] = ()
    """season, year, observed, filled, unfilled (shares 0-1)"""
    accuracy: Mapping[str, Any] | None = None
    truth: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    merged: Sequence[Mapping[str, Any]] = ()
    set_aside: Sequence[Mapping[str, str]] = ()
    notes: Sequence[str] = ()
    unreadable: int = 0
    files: int = 0
    fillers: Sequence[Mapping[str, Any]] = ()
    """method, filled_percent, rmse, mae, bias and the same where all fill; the first is the best"""
    recipe: str = ""
    reports: Mapping[str, str] = field(default_factory=dict)
    """Words -> page beside this one."""


def render(page: Page) -> str:
    """The page as HTML. Everything that a person wrote is escaped. Pure."""
    return render_template("page.html.j2", page=page)


def render_measured(steps: Sequence[Mapping[str, Any]], workers: Sequence[str]) -> str:
    """``measured.js``: what was measured, for the page to show. It differs from run to run, the page does not. Pure."""
    text = json.dumps({"steps": list(steps), "workers": list(workers)}, indent=1, ensure_ascii=True)
    return f"window.odseMeasured = {text.replace('<', chr(92) + 'u003c')};\n"


def page_record(page: Page) -> dict[str, Any]:
    """The page's content as plain data."""
    return asdict(page)
