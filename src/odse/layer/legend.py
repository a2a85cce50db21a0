"""Legends: classes with values, codes, labels and colours; the CORINE Land Cover legend at its three levels, and own ones.

An own legend is a CSV table or a QGIS style (QML). Classes may have groups, which are classes too: rare classes can then be merged
into them, and accuracy be told at every level. CORINE's codes are hierarchical: level 2 is the first two digits, level 1 the first;
its level-3 values are the official CLC grid codes 1..44, a group's value is 100 + its code (31 -> 131, 3 -> 103), so that all
levels fit one byte without collision.
"""

from __future__ import annotations

import csv
import importlib.resources
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from xml.parsers import expat

from odse.errors import LegendError

ODSE_SEA = 48
"""ODSE stores 48 for class 523, whose official grid code is 44: read as 523, never written."""

HEADINGS: dict[str, tuple[str, ...]] = {
    "value": ("value", "grid_code"),
    "code": ("code", "clc_code"),
    "label": ("label", "name"),
    "color": ("color", "colour", "color_hex"),
    "parent": ("parent", "group"),
}
"""Column -> the headings under which it is found, capitals or not."""

LARGEST_VALUE = 65_535
LARGEST_TEXT = 8_000_000
"""Characters of a style file; QGIS writes a thousandth of it."""


@dataclass(frozen=True)
class LegendClass:
    value: int
    """The number stored in rasters."""
    code: str
    label: str
    color: str
    """#rrggbb"""
    groups: tuple[str, ...] = ()
    """Codes of the groups it belongs to, the coarsest first."""

    @property
    def rgb(self) -> tuple[int, int, int]:
        return int(self.color[1:3], 16), int(self.color[3:5], 16), int(self.color[5:7], 16)


@dataclass(frozen=True)
class Legend:
    name: str
    classes: tuple[LegendClass, ...]
    aliases: tuple[tuple[int, str], ...] = ()
    """(value, code): other values that are read as a code, never written."""

    @cached_property
    def by_code(self) -> dict[str, LegendClass]:
        return {one.code: one for one in self.classes}

    @cached_property
    def by_value(self) -> dict[int, LegendClass]:
        return {one.value: one for one in self.classes}

    @cached_property
    def _ways(self) -> dict[str, tuple[str, ...]]:
        """Code -> its groups from the coarsest down and itself, also of groups that are no class here."""
        ways: dict[str, tuple[str, ...]] = {}
        for one in self.classes:
            way = (*one.groups, one.code)
            ways |= {code: way[: place + 1] for place, code in enumerate(way)}
        return ways

    @cached_property
    def levels(self) -> int:
        """How many levels it has; 1: no class has a group.

        >>> clc_legend().levels
        3
        """
        return max((len(way) for way in self._ways.values()), default=1)

    def check_levels(self) -> None:
        """Nothing if classes can be merged into groups. Raises LegendError for a legend of one level."""
        if self.levels == 1:
            raise LegendError.sentence(
                "merge",
                f"classes of legend {self.name}",
                "the number of its levels",
                1,
                "give it a column `parent` with the code of each class's group, or set `rare: drop`",
            )

    def parent(self, code: str, level: int) -> str:
        """The group of a code at a level; the code itself where it is that coarse already. Raises LegendError.

        >>> clc_legend(3).parent("311", 1)
        '3'
        """
        way = self._way(code)
        return way[min(max(level, 1), len(way)) - 1]

    def level_of(self, code: str) -> int:
        """1 for the coarsest. Raises LegendError for a code that is neither class nor group.

        >>> clc_legend().level_of("31")
        2
        """
        return len(self._way(code))

    def _way(self, code: str) -> tuple[str, ...]:
        if code not in self._ways:
            raise LegendError.sentence(
                "find", f"code {code}", f"the legend {self.name}", "without it", "check the column or the legend"
            )
        return self._ways[code]

    def at_level(self, level: int) -> Legend:
        """The classes of one level, and the coarser ones that are not divided further."""
        divided = {code for one in self.classes for code in one.groups}
        kept = tuple(
            one
            for one in self.classes
            if len(one.groups) == level - 1 or (len(one.groups) < level - 1 and one.code not in divided)
        )
        codes = {one.code for one in kept}
        return Legend(f"{self.name}, level {level}", kept, tuple(a for a in self.aliases if a[1] in codes))

    def value_to_code(self, value: int) -> str:
        """The code of a stored value. Raises LegendError.

        >>> clc_legend().value_to_code(48), clc_legend().value_to_code(18)
        ('523', '231')
        """
        known = self.by_value.get(value)
        code = known.code if known else dict(self.aliases).get(value)
        if code is None:
            raise LegendError.sentence(
                "find", f"value {value}", f"the legend {self.name}", "without it", "check the column or the legend"
            )
        return code


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
        LegendClass(
            int(row["value"]), row["code"], row["label"], row["color"].lower(), (row["code"][:1], row["code"][:2])
        )
        for row in csv.DictReader(text.splitlines())
    ]
    first = {code: next(c.color for c in leaves if c.code.startswith(code)) for code in _GROUPS}
    groups = [
        LegendClass(100 + int(code), code, label, first[code], (code[0],) if len(code) == 2 else ())
        for code, label in _GROUPS.items()
    ]
    classes = tuple(sorted([*leaves, *groups], key=lambda c: c.value))
    everything = Legend("CORINE Land Cover", classes, ((ODSE_SEA, "523"),))
    return everything if level is None else everything.at_level(level)


def legend_from_csv(text: str, *, name: str = "own", columns: Mapping[str, str] | None = None) -> Legend:
    """A legend from a table: columns value, code, label, color and, for groups, parent. Pure.

    ``code`` may be left out (it is the value then), so may ``parent``; :data:`HEADINGS` lists other headings that are understood,
    ``columns`` names them where they are others still (``{"value": "DN"}``). The separator is a comma, a semicolon or a tab.
    Colours are written #rrggbb or r-g-b. A class's ``parent`` is the code of another row, its group. Without that column codes make
    the levels where they can mean nothing else: all digits, every code a digit longer than the code of its group, every group
    divided; otherwise there is one level. Raises LegendError that names the line.

    >>> legend = legend_from_csv("value,label,color,parent\\n1,Oak,#206020,9\\n2,Pine,#004000,9\\n9,Forest,#00a000,\\n")
    >>> legend.parent("2", 1), legend.levels
    ('9', 2)
    """
    text = text.removeprefix("\ufeff")
    header = text.split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    headings = {str(one).strip().lower(): one for one in rows.fieldnames or ()}
    where = _columns(name, headings, columns or {})
    drafts: list[_Draft] = []
    try:
        for row in rows:
            if None in row:
                more = "longer than the first line"
                raise _unread(name, f"line {rows.line_num}", more, "put labels with a separator in them in quotes")
            cells = {column: (row.get(heading) or "").strip() for column, heading in where.items()}
            if any(cells.values()):
                code = cells.get("code") or cells["value"]
                drafts.append(
                    _Draft(
                        f"line {rows.line_num}",
                        cells["value"],
                        code,
                        cells["label"],
                        cells["color"],
                        cells.get("parent", ""),
                    )
                )
    except csv.Error as error:
        raise _unread(name, f"line {rows.line_num}", f"broken ({error})", "save it as CSV again") from error
    return _legend(name, drafts, "parent" in where)


def legend_to_csv(legend: Legend) -> str:
    """The table of a legend, columns value, code, label, color, parent; :func:`legend_from_csv` reads it back as it was. Pure.

    >>> print(legend_to_csv(clc_legend(1)).splitlines()[1])
    101,1,Artificial surfaces,#e6004d,
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["value", "code", "label", "color", "parent"])
    for one in legend.classes:
        parent = one.groups[-1] if one.groups and one.groups[-1] in legend.by_code else ""
        writer.writerow([one.value, one.code, one.label, one.color, parent])
    return out.getvalue()


def legend_from_qml(text: str, *, name: str = "own") -> Legend:
    """The classes of a QGIS style: a paletted renderer, or the items of a colour ramp that stand for classes. Pure.

    A class's code is its value. A ramp is taken for classes where all its items are whole numbers and have names, not numbers
    or ranges, for labels; items called NODATA are passed over. XML is read without entities or external files. Raises
    LegendError for a style of other things.

    >>> legend_from_qml('<qgis><pipe><rasterrenderer type="paletted"><colorPalette>'
    ...     '<paletteEntry value="7" color="#ff0000" label="Fire"/></colorPalette></rasterrenderer></pipe></qgis>').by_code["7"].label
    'Fire'
    """
    palette, ramp, kind = _qml_items(name, text)
    items = palette or ramp
    if not items:
        raise _unread(name, "its renderer", kind or "missing", "style the layer by paletted / unique values")
    items = [one for one in items if re.sub(r"[\W_]", "", one.get("label", "")).lower() != "nodata"]
    if not palette:
        unnamed = not any(_is_name(one.get("label", "")) for one in items)
        strange = next((v for v in (one.get("value", "") for one in items) if not re.fullmatch(r"\d+", v)), None)
        if strange is not None or unnamed or kind == "DISCRETE":
            what = f"with an item at {strange}" if strange is not None else f"a ramp of numbers ({kind.lower()})"
            raise _unread(name, "its colour ramp", what, "style the layer by paletted / unique values")
    drafts = [
        _Draft(f"item {place + 1}", value, value, one.get("label", "").strip(), one.get("color", ""), "")
        for place, one in enumerate(items)
        for value in [one.get("value", "").strip()]
    ]
    return _legend(name, drafts, False)


def _is_name(label: str) -> bool:
    """Whether a label says more than a number, a range or a number with its unit."""
    number = re.match(r"[\s<>≤≥=-]*(\d|$)", label)
    return not number or bool(re.search(r"[^\W\d_]{4}", label))


@dataclass(frozen=True)
class _Draft:
    """A row as it was read."""

    place: str
    value: str
    code: str
    label: str
    color: str
    parent: str


def _unread(name: str, what: str, value: str, remedy: str) -> LegendError:
    return LegendError.sentence("read", f"legend {name}", what, value, remedy)


def _columns(name: str, headings: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """Column -> its heading in the table."""
    where = {}
    for column, heading in given.items():
        if column not in HEADINGS:
            raise _unread(name, f"column `{column}`", "unknown", f"the columns are {', '.join(HEADINGS)}")
        if heading.strip().lower() not in headings:
            raise _unread(name, f"its column `{heading}`", "missing", f"it has {', '.join(headings) or 'none'}")
        where[column] = headings[heading.strip().lower()]
    for column, known in HEADINGS.items():
        found = [headings[one] for one in known if one in headings]
        if found and column not in where:
            where[column] = found[0]
    for column in ("value", "label", "color"):
        if column not in where:
            raise _unread(
                name,
                f"its column `{column}`",
                "missing",
                f"add it, or name it in `columns`; it has {', '.join(headings) or 'none'}",
            )
    return where


def _legend(name: str, drafts: Sequence[_Draft], has_parents: bool) -> Legend:
    """A checked legend of rows."""
    if not drafts:
        raise _unread(name, "the number of its classes", "0", "give it a row for each class")
    values: dict[int, str] = {}
    codes: dict[str, str] = {}
    for one in drafts:
        if not re.fullmatch(r"\d{1,5}", one.value) or int(one.value) > LARGEST_VALUE:
            raise _unread(
                name, f"the value of {one.place}", repr(one.value), f"write a whole number, 0 to {LARGEST_VALUE}"
            )
        for what, key, seen in (("value", int(one.value), values), ("code", one.code, codes)):
            if key in seen:
                raise _unread(name, f"the {what} of {one.place}", f"{key}, that of {seen[key]} too", "keep one of them")  # type: ignore[index]
            seen[key] = one.place  # type: ignore[index]
    parents = {one.code: one.parent for one in drafts if one.parent}
    for one in drafts:
        if one.parent and one.parent not in codes:
            raise _unread(
                name, f"the parent of {one.place}", f"{one.parent}, no code of it", f"add a row of code {one.parent}"
            )
    if not has_parents:
        parents = _parents_of_digits(codes)
    classes = []
    for one in drafts:
        groups: list[str] = []
        code = one.code
        while code in parents:
            code = parents[code]
            if code == one.code or code in groups:
                raise _unread(
                    name, f"the parent of {one.place}", f"{one.parent}, a circle", "let it end in a code without parent"
                )
            groups.insert(0, code)
        classes.append(LegendClass(int(one.value), one.code, one.label or one.code, _color(name, one), tuple(groups)))
    return Legend(name, tuple(sorted(classes, key=lambda c: c.value)))


def _parents_of_digits(codes: Iterable[str]) -> dict[str, str]:
    """Code -> group by falling length (311 -> 31 -> 3), or nothing where the codes may be mere numbers.

    1, 2, ... 12 are no levels, although 12 begins with 1: 2 to 9 would be groups of nothing.
    """
    known = set(codes)
    lengths = sorted({len(code) for code in known})
    if not all(re.fullmatch(r"[0-9]+", code) for code in known) or lengths != list(range(lengths[0], lengths[-1] + 1)):
        return {}
    children = {code: code[:-1] for code in known if len(code) > lengths[0]}
    divided = set(children.values())
    coarse = {code for code in known if len(code) < lengths[-1]}
    return children if children and divided == coarse and not any(code.endswith("0") for code in children) else {}


def _color(name: str, one: _Draft) -> str:
    if re.fullmatch(r"#[0-9a-fA-F]{6}", one.color):
        return one.color.lower()
    if match := re.fullmatch(r"(\d{1,3})\s*[-, ]\s*(\d{1,3})\s*[-, ]\s*(\d{1,3})", one.color):
        numbers = [int(part) for part in match.groups()]
        if max(numbers) <= 255:
            return "#" + "".join(f"{number:02x}" for number in numbers)
    raise _unread(name, f"the colour of {one.place}", repr(one.color), "write it as #rrggbb")


_Items = list[dict[str, str]]


def _qml_items(name: str, text: str) -> tuple[_Items, _Items, str]:
    """The palette entries and the ramp items of a style, and the kind of its ramp or renderer.

    QGIS writes a document type that names an external file: it is allowed and never fetched. Declarations inside of it (entities)
    are refused.
    """
    if len(text) > LARGEST_TEXT:
        raise _unread(name, "the style", f"{len(text)} characters long", "export the layer's symbology only")
    palette: _Items = []
    ramp: _Items = []
    kinds: list[str] = []
    inside: list[str] = []

    def start(tag: str, attributes: dict[str, str]) -> None:
        if tag == "rasterrenderer":
            kinds.append(attributes.get("type", "unknown"))
        if "rasterrenderer" in inside:
            if tag == "colorrampshader":
                kinds.append(attributes.get("colorRampType", "INTERPOLATED"))
            elif tag == "paletteEntry":
                palette.append(attributes)
            elif tag == "item" and inside[-1] == "colorrampshader":
                ramp.append(attributes)
        inside.append(tag)

    def refuse(*_: object) -> None:
        raise _unread(name, "the style", "one with XML declarations of its own", "export it from QGIS again")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _tag: inside.pop()
    parser.StartDoctypeDeclHandler = lambda _name, _system, _public, has_internal: refuse() if has_internal else None
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.removeprefix("\ufeff"), True)
    except expat.ExpatError as error:
        raise _unread(name, "the style", f"no XML ({error})", "export it from QGIS again") from error
    return palette, ramp, kinds[-1] if kinds else ""
