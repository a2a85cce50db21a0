"""What all pages share: how templates are filled in, and how numbers are written in them."""

from __future__ import annotations

from typing import Any

import jinja2
from markupsafe import Markup

LIGHT = (
    "#2f6fb0", "#d9822b", "#2b8a5b", "#b8433f", "#7b5ea7", "#159a9c", "#c05c94", "#8f8b1f", "#8b6244", "#64748b", "#e2b93b",
    "#273c75",
)  # fmt: skip
"""Twelve colours to tell kinds of things apart, on white."""

DARK = (
    "#6aa6e0", "#f0a04b", "#5cc08d", "#e57f76", "#ab93d6", "#4fc9c9", "#e294bf", "#c9c45a", "#c29b7c", "#9aa9b8", "#f3d97a",
    "#8f9fe6",
)  # fmt: skip
"""The same on a dark page."""


def render_template(name: str, **values: Any) -> str:
    """A template filled in. Everything that a person wrote is escaped; a value that is missing is an error. Pure."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("odse.report", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": percent,
        "exact": exact,
        "seconds": seconds,
        "megabytes": megabytes,
        "counted": counted,
    }
    environment.globals |= {"light": LIGHT, "dark": DARK, "kind_class": kind_class}
    return environment.get_template(name).render(**values)


def percent(share: float, digits: int = 0) -> str:
    """A share (0-1) in per cent.

    >>> percent(0.7814), percent(0.7814, 1)
    ('78 %', '78.1 %')
    """
    return f"{100 * share:.{digits}f} %"


def exact(value: float, words: str) -> Markup:
    """A number as a reader sees it, with the exact one for whoever reads the page by machine.

    >>> print(exact(0.7814, percent(0.7814)))
    <data value="0.7814">78 %</data>
    """
    return Markup('<data value="{}">{}</data>').format(f"{value:.12g}", words)


def seconds(value: float) -> str:
    """A length of time.

    >>> seconds(0.84), seconds(96.2), seconds(5000), seconds(200000)
    ('0.84 s', '96 s', '1 h 23 min', '55 h 33 min')
    """
    if value < 10:
        return f"{value:.2f} s"
    if value < 120:
        return f"{value:.0f} s"
    minutes = round(value / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def megabytes(count: float) -> str:
    """A number of bytes.

    >>> megabytes(900), megabytes(2_500_000), megabytes(3.2e10)
    ('0.00 MB', '2.5 MB', '32.0 GB')
    """
    if count < 1e6:
        return f"{count / 1e6:.2f} MB"
    return f"{count / 1e6:.1f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"


def kind_class(place: int) -> str:
    """The class of the colour at a place, from 0; the colours come round.

    >>> kind_class(1), kind_class(13)
    ('k1', 'k1')
    """
    return f"k{place % len(LIGHT)}"


def counted(count: int, noun: str) -> str:
    """A number with its noun.

    >>> counted(1, "point"), counted(1702, "point")
    ('1 point', '1,702 points')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
