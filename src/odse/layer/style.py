"""Styles: how a layer's values become colour and words. Pictures, colour tables and legends are printed from one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from odse.errors import StyleError
from odse.layer.legend import Legend
from odse.layer.name import LayerName

RAMPS: dict[str, tuple[str, ...]] = {
    "viridis": ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725"),
    "magma": ("#000004", "#51127c", "#b73779", "#fc8961", "#fcfdbf"),
    "greens": ("#f7fcf5", "#c7e9c0", "#74c476", "#238b45", "#00441b"),
    "blues": ("#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"),
    "oranges": ("#fff5eb", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704"),
    "grey": ("#000000", "#ffffff"),
    "ndvi": ("#a6611a", "#dfc27d", "#f5f5dc", "#80cd8a", "#1a7d37"),
    "terrain": ("#2f7d32", "#a8c66c", "#f2e394", "#b07d4f", "#ffffff"),
    "thermal": ("#313695", "#74add1", "#ffffbf", "#f46d43", "#a50026"),
}
"""Named ramps as evenly spaced anchors; viridis and magma after matplotlib (CC0), greens to oranges after ColorBrewer."""


@dataclass(frozen=True)
class Style:
    """``classes``: one colour per stored value. ``ramp``: colours between two numbers in the layer's unit."""

    kind: Literal["classes", "ramp"]
    name: str
    vmin: float = 0.0
    vmax: float = 1.0
    legend: Legend | None = None
    scale: float = 1.0
    offset: float = 0.0
    """Stored value x scale + offset = number in the unit."""

    @classmethod
    def of_legend(cls, legend: Legend) -> Style:
        return cls("classes", legend.name, legend=legend)

    @classmethod
    def ramp(cls, name: str, vmin: float, vmax: float, *, scale: float = 1.0, offset: float = 0.0) -> Style:
        """A ramp by name. Raises StyleError for an unknown one or an empty range."""
        if name.lower() not in RAMPS:
            raise StyleError.sentence(
                "draw", f"ramp {name!r}", "its name", "unknown", f"take one of {', '.join(RAMPS)}"
            )
        if not vmin < vmax:
            raise StyleError.sentence("draw", f"ramp {name!r}", "its range", f"{vmin} to {vmax}", "give vmin < vmax")
        return cls("ramp", name.lower(), vmin, vmax, None, scale, offset)

    def table(self) -> npt.NDArray[np.uint8]:
        """(256, 4) RGBA: of every stored byte for classes, along the ramp otherwise."""
        table = np.zeros((256, 4), dtype=np.uint8)
        if self.kind == "classes":
            assert self.legend is not None
            for one in self.legend.classes:
                table[one.value] = (*one.rgb, 255)
            return table
        anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in RAMPS[self.name]], dtype=float)
        at = np.linspace(0, len(anchors) - 1, 256)
        for channel in range(3):
            table[:, channel] = np.floor(np.interp(at, np.arange(len(anchors)), anchors[:, channel]) + 0.5)
        table[:, 3] = 255
        return table

    def colours(self, values: npt.NDArray[Any], *, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        """RGBA (y, x, 4) of stored values (y, x); transparent where ``mask`` is True.

        >>> Style.ramp("grey", 0, 100).colours(np.array([[0, 100]]), mask=np.array([[False, True]]))[0].tolist()
        [[0, 0, 0, 255], [0, 0, 0, 0]]
        """
        if self.kind == "classes":
            picture = self.table()[values.astype(np.uint8)]
        else:
            numbers = (values.astype(np.float32) * self.scale + self.offset - self.vmin) / (self.vmax - self.vmin)
            picture = self.table()[np.clip(np.floor(numbers * 255 + 0.5), 0, 255).astype(np.uint8)]
        picture[mask] = 0
        return picture

    def colormap(self) -> dict[int, tuple[int, int, int, int]]:
        """GDAL colour table of a class style: the legend's values only."""
        if self.legend is None:
            return {}
        return {one.value: (*one.rgb, 255) for one in self.legend.classes}


def default_style(name: LayerName, legend: Legend | None = None, *, scale: float = 1.0, offset: float = 0.0) -> Style:
    """How a layer is drawn when nobody says otherwise, from its name alone."""
    if legend is not None:
        return Style.of_legend(legend)
    ramp, vmin, vmax = _ramp_of(name)
    return Style.ramp(ramp, vmin, vmax, scale=scale, offset=offset)


def _ramp_of(name: LayerName) -> tuple[str, float, float]:
    words = name.variable.split(".")
    if name.type == "md":
        return "magma", 0.0, 40.0
    if words[0] == "landcover":
        return "viridis", 0.0, 100.0
    if words[0] == "fill":
        return {
            "phase": ("oranges", 0.0, 3.0),
            "span": ("oranges", 0.0, 9.0),
            "donors": ("blues", 0.0, 12.0),
            "weight": ("blues", 0.0, 100.0),
        }[words[1]]
    if name.type == "count":
        return {"days.to.clear": ("oranges", 0.0, 60.0), "unreadable": ("oranges", 0.0, 2.0)}.get(
            name.variable, ("blues", 0.0, 7.0)
        )
    if words[0] in ("ndvi", "savi", "evi"):
        return "ndvi", 0.0, 100.0
    if words[0] == "thermal":
        return "thermal", 260.0, 310.0
    reach = {"blue": 0.15, "green": 0.2, "red": 0.25, "nir": 0.5, "swir1": 0.4, "swir2": 0.35}
    return "grey", 0.0, reach.get(words[0], 1.0)
