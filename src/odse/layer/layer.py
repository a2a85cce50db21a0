"""The Layer: one published map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from odse.layer.legend import Legend
from odse.layer.name import LayerName
from odse.layer.style import Style

Kind = Literal["continuous", "class", "count", "flag"]


@dataclass(frozen=True)
class Layer:
    """One published map: one COG over the whole area of a Recipe."""

    name: LayerName
    title: str
    """For people: what it shows and when."""
    unit: str
    kind: Kind
    """Decides how overviews are made: average, mode, or nearest."""
    style: Style
    legend: Legend | None = None
    """The classes, for kind ``class``."""
