"""The CORINE legend, against the published table."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from odse.errors import LegendError
from odse.layer.legend import clc_legend


def test_codes_values_and_colours_are_the_published_ones(data_dir: Path) -> None:
    with open(data_dir / "10_styles_legends" / "clc_legend_44.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ours = clc_legend(3)
    assert len(ours.classes) == 44
    for row in rows:
        value = int(row["grid_code"])
        if value <= 43:
            one = ours.by_value[value]
            assert (one.code, one.color) == (row["clc_code"], row["color_hex"].lower())
            assert one.rgb == (int(row["r"]), int(row["g"]), int(row["b"]))


def test_levels() -> None:
    every = clc_legend()
    assert [len(clc_legend(level).classes) for level in (1, 2, 3)] == [5, 15, 44]
    assert len({one.value for one in every.classes}) == 64 and max(every.by_value) < 255
    assert every.by_code["31"].color == every.by_code["311"].color and every.parent("311", 2) == "31"


def test_the_sea_of_odse() -> None:
    assert clc_legend().value_to_code(48) == "523" == clc_legend().value_to_code(44)
    with pytest.raises(LegendError, match="cannot find value 99, because the legend CORINE Land Cover is without it"):
        clc_legend().value_to_code(99)
