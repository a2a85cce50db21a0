"""The CORINE legend against the published table; own legends from tables and QGIS styles, real and broken ones."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import hypothesis
import hypothesis.strategies as st
import pandas as pd
import pytest

from odse.errors import LegendError
from odse.layer.legend import (
    Legend,
    LegendClass,
    clc_legend,
    legend_from_csv,
    legend_from_qml,
    legend_to_csv,
)
from odse.learn.samples import merge_rare

STYLES = "10_styles_legends/openlandmap_qml_sld"
FOREST = "value,code,label,color,parent\n1,oak,Oak,#206020,leaf\n2,birch,Birch,#60a060,leaf\n3,leaf,Leaf,#40c040,wood\n"
FOREST += "4,pine,Pine,#004000,wood\n5,wood,Wood,#00a000,\n6,lake,Lake,#0000ff,\n"


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
    for legend in (every, clc_legend(3)):
        assert legend.levels == 3 and legend.check_levels() is None
        for one in clc_legend(3).classes:
            assert [legend.parent(one.code, level) for level in (1, 2, 3)] == [one.code[:1], one.code[:2], one.code]
            assert [legend.level_of(one.code[:n]) for n in (1, 2, 3)] == [1, 2, 3]
    with pytest.raises(LegendError, match="cannot find code 999, because the legend CORINE Land Cover is without it"):
        every.level_of("999")


def test_the_sea_of_odse() -> None:
    assert clc_legend().value_to_code(48) == "523" == clc_legend().value_to_code(44)
    assert clc_legend(3).value_to_code(48) == "523"
    with pytest.raises(LegendError, match="cannot find value 99, because the legend CORINE Land Cover is without it"):
        clc_legend().value_to_code(99)
    with pytest.raises(LegendError, match="cannot find value 48, because the legend own is without it"):
        legend_from_csv(FOREST).value_to_code(48)


def test_the_real_table_is_read_as_it_is(data_dir: Path) -> None:
    legend = legend_from_csv(
        (data_dir / "10_styles_legends" / "clc_legend_44.csv").read_text(encoding="utf-8"), name="clc"
    )
    assert len(legend.classes) == 44 and legend.by_code["523"].value == 44
    assert all(one.color == clc_legend(3).by_code[one.code].color for one in legend.classes)
    assert legend.levels == 1 and legend.parent("311", 1) == "311"
    with pytest.raises(
        LegendError,
        match="cannot merge classes of legend clc, because the number of its levels is 1; give it a column `parent`",
    ):
        legend.check_levels()


def test_the_corine_legend_survives_its_table() -> None:
    again = legend_from_csv(legend_to_csv(clc_legend()), name="CORINE Land Cover")
    assert again.classes == clc_legend().classes and again.levels == 3
    without_parents = "\n".join(line.rsplit(",", 1)[0] for line in legend_to_csv(clc_legend()).splitlines())
    assert legend_from_csv(without_parents).classes == clc_legend().classes


def test_groups_by_a_column() -> None:
    legend = legend_from_csv(FOREST)
    assert legend.levels == 3 and legend.by_code["oak"].groups == ("wood", "leaf")
    assert [legend.parent("oak", level) for level in (1, 2, 3)] == ["wood", "leaf", "oak"]
    assert [legend.parent("pine", level) for level in (1, 2, 3)] == ["wood", "pine", "pine"]
    assert [[one.code for one in legend.at_level(level).classes] for level in (1, 2, 3)] == [
        ["wood", "lake"],
        ["leaf", "pine", "lake"],
        ["oak", "birch", "pine", "lake"],
    ]


def test_rare_classes_go_up_an_own_legend() -> None:
    samples = pd.DataFrame({"target": ["oak"] * 3 + ["birch"] * 4 + ["pine"] * 20 + ["lake"] * 9})
    merged, records = merge_rare(samples, legend_from_csv(FOREST), min_per_class=5)
    assert merged["target"].value_counts().to_dict() == {"pine": 20, "lake": 9, "leaf": 7}
    assert [(one["code"], one["became"]) for one in records] == [("birch", "leaf"), ("oak", "leaf")]


@pytest.mark.parametrize(
    ("codes", "levels"),
    [
        (["1", "11", "12", "2", "21"], 2),
        (["10", "101", "102", "11", "111"], 2),
        (["11", "12", "13"], 1),
        ([str(i) for i in range(1, 13)], 1),
        ([str(i) for i in range(1, 100)], 1),
        (["1", "11", "2"], 1),
        (["11", "12", "2", "21"], 1),
        (["1", "111", "112"], 1),
        (["1", "1a", "1b"], 1),
        (["10", "20", "100"], 1),
        (["1", "10", "11"], 1),
    ],
)
def test_levels_by_digits_only_where_they_can_be_nothing_else(codes: list[str], levels: int) -> None:
    text = "value,code,label,color\n" + "".join(f"{i + 1},{code},x,#000000\n" for i, code in enumerate(codes))
    assert legend_from_csv(text).levels == levels
    silenced = "\n".join(
        line + tail for line, tail in zip(text.splitlines(), [",parent", *[","] * len(codes)], strict=True)
    )
    assert legend_from_csv(silenced).levels == 1


def test_other_headings_separators_and_colours() -> None:
    wanted = (LegendClass(1, "a", "Fir, old", "#0a0b0c"), LegendClass(300, "b", "b", "#ffffff"))
    for text, columns in [
        ("\ufeffVALUE;Code;Label;Colour\r\n300;b;;255-255-255\r\n\r\n1;a;Fir, old;#0A0B0C\r\n", None),
        ("DN\tcode\tname\tcolor\n1\ta\tFir, old\t10,11,12\n300\tb\tb\t#ffffff\n", {"value": "dn"}),
        ('value, code, label, color\n1, a, "Fir, old", #0a0b0c\n300, b, , 255 255 255\n', {}),
    ]:
        assert legend_from_csv(text, columns=columns).classes == wanted


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "its column `value` is missing; add it, or name it in `columns`; it has none"),
        ("value,label\n1,a\n", "its column `color` is missing; add it, or name it in `columns`; it has value, label"),
        ("value,label,color\n", "the number of its classes is 0; give it a row for each class"),
        (
            "value,label,color\n1,a,#000000\nx,b,#000000\n",
            "the value of line 3 is 'x'; write a whole number, 0 to 65535",
        ),
        ("value,label,color\n70000,a,#000000\n", "the value of line 2 is '70000'; write a whole number"),
        ("value,label,color\n-1,a,#000000\n", "the value of line 2 is '-1'; write a whole number"),
        (
            "value,label,color\n1,a,#000000\n1,b,#000000\n",
            "the value of line 3 is 1, that of line 2 too; keep one of them",
        ),
        ("value,code,label,color\n1,a,a,#000000\n2,a,b,#000000\n", "the code of line 3 is a, that of line 2 too"),
        ("value,label,color\n1,a,red\n", "the colour of line 2 is 'red'; write it as #rrggbb"),
        ("value,label,color\n1,a,256-0-0\n", "the colour of line 2 is '256-0-0'; write it as #rrggbb"),
        ("value,label,color,parent\n1,a,#000000,9\n", "the parent of line 2 is 9, no code of it; add a row of code 9"),
        ("value,label,color,parent\n1,a,#000000,2\n2,b,#000000,1\n", "the parent of line 2 is 2, a circle"),
        (
            "value,label,color,parent\n1,a,#000000,2\n2,b,#000000,3\n3,c,#000000,2\n",
            "the parent of line 2 is 2, a circle",
        ),
        ("value,label,color,parent\n1,a,#000000,1\n", "the parent of line 2 is 1, a circle"),
        (
            "value,label,color\n1,a, b,#000000\n",
            "line 2 is longer than the first line; put labels with a separator in them in quotes",
        ),
    ],
)
def test_broken_tables_name_their_line(text: str, told: str) -> None:
    with pytest.raises(LegendError, match=re.escape(f"cannot read legend mine, because {told}")):
        legend_from_csv(text, name="mine")


def test_columns_must_be_there() -> None:
    with pytest.raises(LegendError, match="because its column `DN` is missing; it has value, label, color"):
        legend_from_csv("value,label,color\n1,a,#000000\n", columns={"value": "DN"})
    with pytest.raises(
        LegendError, match="because column `colr` is unknown; the columns are value, code, label, color, parent"
    ):
        legend_from_csv("value,label,color\n1,a,#000000\n", columns={"colr": "color"})


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1).map(str.strip).filter(bool)


@st.composite
def legends(draw: st.DrawFn) -> Legend:
    codes = draw(st.lists(words, min_size=1, max_size=12, unique=True))
    values = draw(st.lists(st.integers(0, 65535), min_size=len(codes), max_size=len(codes), unique=True))
    classes: list[LegendClass] = []
    for code, value in zip(codes, values, strict=True):
        above = draw(st.sampled_from([None, *classes]))
        groups = (*above.groups, above.code) if above else ()
        color = f"#{draw(st.integers(0, 0xFFFFFF)):06x}"
        classes.append(LegendClass(value, code, draw(words), color, groups))
    return Legend("drawn", tuple(sorted(classes, key=lambda one: one.value)))


@hypothesis.given(legends())
def test_every_legend_survives_its_table(legend: Legend) -> None:
    assert legend_from_csv(legend_to_csv(legend), name="drawn") == legend


@hypothesis.given(legends())
def test_merging_up_step_by_step_is_merging_up_at_once(legend: Legend) -> None:
    for one in legend.classes:
        assert legend.level_of(one.code) == len(one.groups) + 1
        for level in range(1, legend.levels + 1):
            group = legend.parent(one.code, level)
            assert legend.level_of(group) == min(level, legend.level_of(one.code))
            assert all(
                legend.parent(group, coarser) == legend.parent(one.code, coarser) for coarser in range(1, level + 1)
            )
            assert group in legend.at_level(level).by_code or one.code in {g for c in legend.classes for g in c.groups}


def elements(path: Path, tag: str) -> list[dict[str, Any]]:
    """Attributes by another reader; the document type is cut off for it."""
    text = re.sub(r"<!DOCTYPE[^>]*>", "", path.read_text(encoding="utf-8"))
    return [one.attrib for one in ElementTree.fromstring(text).iter(tag)]


@pytest.mark.parametrize(
    ("file", "count", "first"),
    [
        ("lcv_land.cover_esacci.lc.l4_c.qml", 37, (10, "Cropland rainfed", "#ffff64")),
        ("pnv_biome.type_biome00k_c.qml", 20, (1, "tropical evergreen broadleaf forest", "#1c5510")),
        ("sol_texture.class_usda.tt_m.qml", 12, (1, "Cl", "#d5c36b")),
        ("dtm_landform_usgs.ecotapestry_c.qml", 7, (1, "usgs.ecotapestry.breaks.foothills", "#7d2ddf")),
    ],
)
def test_real_ramps_of_classes(data_dir: Path, file: str, count: int, first: tuple[int, str, str]) -> None:
    legend = legend_from_qml((data_dir / STYLES / file).read_text(encoding="utf-8"), name=file)
    assert len(legend.classes) == count and legend.levels == 1
    one = legend.classes[0]
    assert (one.value, one.label, one.color) == first and one.code == str(one.value)
    theirs = {
        int(e["value"]): (e["label"].strip(), e["color"])
        for e in elements(data_dir / STYLES / file, "item")
        if "value" in e
    }
    theirs = {value: found for value, found in theirs.items() if found[0] != "NODATA"}
    assert {c.value: (c.label, c.color) for c in legend.classes} == theirs


def test_the_real_palette(data_dir: Path) -> None:
    path = data_dir / STYLES / "pnv_potential.landcover_probav.lc100_c.qml"
    legend = legend_from_qml(path.read_text(encoding="utf-8"))
    theirs = {int(e["value"]): e["color"] for e in elements(path, "paletteEntry")}
    assert {one.value: one.color for one in legend.classes} == theirs and legend.by_value[20].color == "#ffbb22"
    again = legend_from_csv(legend_to_csv(legend))
    assert again.classes == legend.classes and again.levels == 1


def test_every_real_ramp_of_numbers_is_refused(data_dir: Path) -> None:
    classes = {"lcv_land.cover_esacci", "pnv_biome.type", "sol_texture.class", "dtm_landform", "pnv_potential"}
    temperature = data_dir / "04_modis_lst_croatia_2006" / "MDTEMP_2006-08.qml"
    files = [*sorted((data_dir / STYLES).glob("*.qml")), temperature]
    numbers = [path for path in files if not path.name.startswith(tuple(classes))]
    assert len(numbers) == 12
    for path in numbers:
        with pytest.raises(
            LegendError, match="cannot read legend own, because its colour ramp is (with an item at|a ramp of numbers)"
        ):
            legend_from_qml(path.read_text(encoding="utf-8"))


PALETTE = '<pipe><rasterrenderer type="paletted"><colorPalette>{}</colorPalette></rasterrenderer></pipe>'
ENTRY = '<paletteEntry value="1" color="#ff0000" label="Fire"/>'


def test_the_document_type_of_qgis_is_passed_over_and_entities_are_not() -> None:
    qgis = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    assert len(legend_from_qml(qgis + f"<qgis>{PALETTE.format(ENTRY)}</qgis>").classes) == 1
    laughs = '<!DOCTYPE q [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    external = '<!DOCTYPE q [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    for declared in (laughs, external, "<!DOCTYPE q []>"):
        entry = '<paletteEntry value="1" color="#ff0000" label="&a;"/>'
        with pytest.raises(
            LegendError, match="cannot read legend own, because the style is one with XML declarations of its own"
        ):
            legend_from_qml(f"{declared}<q>{PALETTE.format(entry)}</q>")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<qgis/>", "its renderer is missing; style the layer by paletted / unique values"),
        ('<qgis><rasterrenderer type="hillshade"/></qgis>', "its renderer is hillshade; style the layer by paletted"),
        (f"<qgis>{ENTRY}</qgis>", "its renderer is missing"),
        ("<qgis>", "the style is no XML (no element found: line 1, column 6)"),
        (f"<qgis>{PALETTE.format(ENTRY + ENTRY)}</qgis>", "the value of item 2 is 1, that of item 1 too"),
        (
            f"<qgis>{PALETTE.format(ENTRY.replace('#ff0000', '#f00'))}</qgis>",
            "the colour of item 1 is '#f00'; write it as #rrggbb",
        ),
        (" " * 8_000_001, "the style is 8000001 characters long"),
    ],
)
def test_broken_styles(text: str, told: str) -> None:
    with pytest.raises(LegendError, match=re.escape(f"cannot read legend own, because {told}")):
        legend_from_qml(text)
