"""Legends: classes with values, codes, labels and colours; the CORINE Land Cover legend at its three levels.

Codes are hierarchical: level 2 is the first two digits, level 1 the first. Level-3 values are the official CLC grid codes
1..44; a group's value is 100 + its code (31 -> 131, 3 -> 103), so that all levels fit one byte without collision.
"""

from __future__ import annotations

import csv
import importlib.resources
from dataclasses import dataclass
from functools import cached_property, lru_cache

from odse.errors import LegendError

ODSE_SEA = 48
"""ODSE stores 48 for class 523, whose official grid code is 44: read as 523, never written."""


@dataclass(frozen=True)
class LegendClass:
    value: int
    """The number stored in rasters."""
    code: str
    label: str
    color: str
    """#rrggbb"""

    @property
    def rgb(self) -> tuple[int, int, int]:
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)


@dataclass(frozen=True)
class Legend:
    name: str
    classes: tuple[LegendClass, ...]

    @cached_property
    def by_code(self) -> dict[str, LegendClass]:
        return {one.code: one for one in self.classes}

    @cached_property
    def by_value(self) -> dict[int, LegendClass]:
        return {one.value: one for one in self.classes}

    def parent(self, code: str, level: int) -> str:
        """The group of a code at a level; the code itself where it is that coarse already.

        >>> clc_legend(3).parent("311", 1)
        '3'
        """
        return code[:level]

    def level_of(self, code: str) -> int:
        """1 to 3: the number of digits."""
        return len(code)

    def at_level(self, level: int) -> Legend:
        """The classes of one level."""
        return Legend(f"{self.name}, level {level}", tuple(c for c in self.classes if len(c.code) == level))

    def value_to_code(self, value: int) -> str:
        """The code of a stored value. Raises LegendError.

        >>> clc_legend().value_to_code(48), clc_legend().value_to_code(18)
        ('523', '231')
        """
        if value == ODSE_SEA:
            return "523"
        try:
            return self.by_value[value].code
        except KeyError:
            raise LegendError.sentence(
                "find", f"value {value}", f"the legend {self.name}", "without it", "check the column or the legend"
            ) from None


_GROUPS = {
    "1": "Artificial surfaces",
    "2": "Agricultural areas",
    "3": "Forest and semi-natural areas",
    "4": "Wetlands",
    "5": "Water bodies",
    "11": "Urban fabric",
    "12": "Industrial, commercial and transport units",
    "13": "Mine, dump and construction sites",
    "14": "Artificial, non-agricultural vegetated areas",
    "21": "Arable land",
    "22": "Permanent crops",
    "23": "Pastures",
    "24": "Heterogeneous agricultural areas",
    "31": "Forests",
    "32": "Scrub and/or herbaceous vegetation associations",
    "33": "Open spaces with little or no vegetation",
    "41": "Inland wetlands",
    "42": "Maritime wetlands",
    "51": "Inland waters",
    "52": "Marine waters",
}


@lru_cache(maxsize=4)
def clc_legend(level: int | None = None) -> Legend:
    """CORINE Land Cover (EEA colours) at level 1, 2 or 3, or all three in one legend.

    >>> clc_legend(3).by_code["311"].color, clc_legend().by_code["31"].value
    ('#80ff00', 131)
    """
    text = importlib.resources.files("odse.layer").joinpath("clc.csv").read_text(encoding="utf-8")
    leaves = [
        LegendClass(int(row["value"]), row["code"], row["label"], row["color"].lower())
        for row in csv.DictReader(text.splitlines())
    ]
    first = {code: next(c.color for c in leaves if c.code.startswith(code)) for code in _GROUPS}
    groups = [LegendClass(100 + int(code), code, label, first[code]) for code, label in _GROUPS.items()]
    everything = Legend("CORINE Land Cover", tuple(sorted([*leaves, *groups], key=lambda c: c.value)))
    return everything if level is None else everything.at_level(level)
