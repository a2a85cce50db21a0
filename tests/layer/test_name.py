"""Layer names: golden parses, round trips, partners, what the strict parser refuses."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LayerNameError
from odse.layer.codes import EXTENSIONS, RULES, THEMES
from odse.layer.convert import TOY_METHODS, to_v1, to_v2
from odse.layer.depth import Depth, parse_depth
from odse.layer.name import LayerName, format_layer_name, name_of_fields, parse_layer_name
from odse.layer.period import Period, Season, season_of, seasons

SURFACE = Depth()
GOLDEN = [  # number, name, convention and parser, theme, variable, method, type, metres, depth, start, end, area, EPSG, version
    (1, "lcv_green_landsat.glad.ard_p50_30m_0..0cm_2019.06.25..2019.09.12_eumap_epsg3035_v1.1",
     "v1 S", "lcv", "green", "landsat.glad.ard", "p50", 30, SURFACE, "2019-06-25", "2019-09-12", "eumap", 3035, "v1.1"),
    (2, "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_2014.12.02..2015.03.20_eumap_epsg3035_v1.1",
     "v1 S", "lcv", "ndvi", "landsat.glad.ard", "p50", 30, SURFACE, "2014-12-02", "2015-03-20", "eumap", 3035, "v1.1"),
    (3, "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0",
     "v1 S", "lcv", "ndvi", "landsat.glad.ard", "p50", 30, SURFACE, "2018-12-02", "2019-03-20", "eumap", 3035, "v1.0"),
    (4, "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_200806_eumap_epsg3035_v1.0",
     "v1 S", "lcv", "ndvi", "landsat.glad.ard", "p50", 30, SURFACE, "2008-03-21", "2008-06-24", "eumap", 3035, "v1.0"),
    (5, "lcv_rgb_landsat.glad.ard_p50_30m_0..0cm_2000_eumap_epsg3035_v1.0",
     "v1 S", "lcv", "rgb", "landsat.glad.ard", "p50", 30, SURFACE, "2000-01-01", "2000-12-31", "eumap", 3035, "v1.0"),
    (6, "lcv_qa_landsat.glad.ard_f_30m_0..0cm_2020.09.13..2020.12.01_eumap_epsg3035_v1.1",
     "v1 S", "lcv", "qa", "landsat.glad.ard", "f", 30, SURFACE, "2020-09-13", "2020-12-01", "eumap", 3035, "v1.1"),
    (7, "lcv_blue_sentinel.s2l2a_p25_30m_0..0cm_2017.12.02..2018.03.20_eumap_epsg3035_v1.0",
     "v1 S", "lcv", "blue", "sentinel.s2l2a", "p25", 30, SURFACE, "2017-12-02", "2018-03-20", "eumap", 3035, "v1.0"),
    (8, "lcv_landcover.311_lucas.corine.eml_p_30m_0..0cm_2020_eumap_epsg3035_v0.2",
     "v1 S", "lcv", "landcover.311", "lucas.corine.eml", "p", 30, SURFACE, "2020-01-01", "2020-12-31", "eumap", 3035, "v0.2"),
    (9, "lcv_landcover.hcl_lucas.corine.rf_p_30m_0..0cm_2000_eumap_epsg3035_v0.1",
     "v1 S", "lcv", "landcover.hcl", "lucas.corine.rf", "p", 30, SURFACE, "2000-01-01", "2000-12-31", "eumap", 3035, "v0.1"),
    (10, "lcv_landcover.hcl_lucas.corine.eml_f_30m_0..0cm_2019_eumap_epsg3035_v0.2",
     "v1 S", "lcv", "landcover.hcl", "lucas.corine.eml", "f", 30, SURFACE, "2019-01-01", "2019-12-31", "eumap", 3035, "v0.2"),
    (11, "lcv_landcover.hcl.change_lucas.corine.rf.t3_c_30m_0..0cm_2001..2018_eumap_epsg3035_v0.1",
     "v1 S", "lcv", "landcover.hcl.change", "lucas.corine.rf.t3", "c", 30, SURFACE, "2001-01-01", "2018-12-31", "eumap", 3035, "v0.1"),
    (12, "lcv_landcover.clc_corine_c_100m_0..0cm_2018_eumap_epsg3035_v2020",
     "v1 S", "lcv", "landcover.clc", "corine", "c", 100, SURFACE, "2018-01-01", "2018-12-31", "eumap", 3035, "v2020"),
    (13, "lcv_landcover.211_lucas.corine.ols_r2_30m_0..0cm_2000_eumap_epsg3035_v0.1",
     "v1 S", "lcv", "landcover.211", "lucas.corine.ols", "r2", 30, SURFACE, "2000-01-01", "2000-12-31", "eumap", 3035, "v0.1"),
    (14, "lcv_landcover.312_lucas.corine.slope_p_30m_0..0cm_2000_eumap_epsg3035_v0.1",
     "v1 S", "lcv", "landcover.312", "lucas.corine.slope", "p", 30, SURFACE, "2000-01-01", "2000-12-31", "eumap", 3035, "v0.1"),
    (15, "lcv_ndvi_landsat.glad.trend.slope_p50_30m_0..0cm_2000..2019_eumap_epsg3035_v1.0",
     "v1 S", "lcv", "ndvi", "landsat.glad.trend.slope", "p50", 30, SURFACE, "2000-01-01", "2019-12-31", "eumap", 3035, "v1.0"),
    (16, "lcv_ndvi_landsat.glad.trend.ols_r2_30m_0..0cm_2000..2019_eumap_epsg3035_v1.0",
     "v1 S", "lcv", "ndvi", "landsat.glad.trend.ols", "r2", 30, SURFACE, "2000-01-01", "2019-12-31", "eumap", 3035, "v1.0"),
    (17, "sol_log.oc_lucas.iso.10694_md_30m_s0..0cm_2020_eumap_epsg3035_v0.2",
     "v1 S", "sol", "log.oc", "lucas.iso.10694", "md", 30, Depth("below"), "2020-01-01", "2020-12-31", "eumap", 3035, "v0.2"),
    (18, "dtm_elev.lowestmode_gedi.eml_mf_30m_0..0cm_2000..2018_eumap_epsg3035_v0.3",
     "v1 S", "dtm", "elev.lowestmode", "gedi.eml", "mf", 30, SURFACE, "2000-01-01", "2018-12-31", "eumap", 3035, "v0.3"),
    (19, "dtm_vbf_gedi.saga.gis_m_100m_0..0cm_2000..2018_eumap_epsg3035_v0.2",
     "v1 S", "dtm", "vbf", "gedi.saga.gis", "m", 100, SURFACE, "2000-01-01", "2018-12-31", "eumap", 3035, "v0.2"),
    (20, "veg_fagus.sylvatica_anv.eml_p_120m_0..0cm_2000_eumap_epsg3035_v0.1",
     "v1 S", "veg", "fagus.sylvatica", "anv.eml", "p", 120, SURFACE, "2000-01-01", "2000-12-31", "eumap", 3035, "v0.1"),
    (21, "veg_fagus.sylvatica_anv.eml_p_30m_0..0cm_2000..2002_eumap_epsg3035_v0.2",
     "v1 S", "veg", "fagus.sylvatica", "anv.eml", "p", 30, SURFACE, "2000-01-01", "2002-12-31", "eumap", 3035, "v0.2"),
    (22, "veg_abies.alba_pnv.eml_p_120m_0..0cm_2019_eumap_epsg3035_v0.1",
     "v1 S", "veg", "abies.alba", "pnv.eml", "p", 120, SURFACE, "2019-01-01", "2019-12-31", "eumap", 3035, "v0.1"),
    (23, "veg_picea.abies_anv.eml_p_120m_0..0cm_*_eumap_epsg3035_v0.1",
     "v1 T", "veg", "picea.abies", "anv.eml", "p", 120, SURFACE, None, None, "eumap", 3035, "v0.1"),
    (24, "aq_pm25_et.eml_m_1km_na_201801_eumap_epsg3035_v0.1prebeta",
     "v1 S", "aq", "pm25", "et.eml", "m", 1000, Depth("na"), "2018-01-01", "2018-01-31", "eumap", 3035, "v0.1prebeta"),
    (25, "aq_pm25_pixel_count_1km_na_201801_eumap_epsg3035_v0.1prebeta",
     "v1 S", "aq", "pm25", "pixel", "count", 1000, Depth("na"), "2018-01-01", "2018-01-31", "eumap", 3035, "v0.1prebeta"),
    (26, "adm_county_nuts.osm_c_30m_0..0cm_2021_eumap_epsg3035_v0.1",
     "v1 S", "adm", "county", "nuts.osm", "c", 30, SURFACE, "2021-01-01", "2021-12-31", "eumap", 3035, "v0.1"),
    (27, "lcv_cemetery_osm_p_30m_0..0cm_2021_eumap_epsg3035_v0",
     "v1 S", "lcv", "cemetery", "osm", "p", 30, SURFACE, "2021-01-01", "2021-12-31", "eumap", 3035, "v0"),
    (28, "fire.disturbance_modis.mcd64a1_p_250m_0..0cm_*_eumap_epsg3035_v0.1",
     "v1 T", "unknown", "fire.disturbance", "modis.mcd64a1", "p", 250, SURFACE, None, None, "eumap", 3035, "v0.1"),
    (29, "sol.log.oc.lucas.iso.10694_md_30m_s0..0cm_2020.eumap.epsg3035_v0.2",
     "v1 T", "sol", "log.oc", "lucas.iso.10694", "md", 30, Depth("below"), "2020-01-01", "2020-12-31", "eumap", 3035, "v0.2"),
    (30, "lcv_landcover.hcl_lucas.corine.eml_f_30m_0..0cm_20170101_20171231_eumap_epsg3035_v0.2",
     "v1 T", "lcv", "landcover.hcl", "lucas.corine.eml", "f", 30, SURFACE, "2017-01-01", "2017-12-31", "eumap", 3035, "v0.2"),
    (31, "lclu_esacci.lc.l4_c_250m_s_20210101_20211231_go_epsg.4326_v20221015",
     "v2 S", None, "lclu", "esacci.lc.l4", "c", 250, SURFACE, "2021-01-01", "2021-12-31", "go", 4326, "v20221015"),
    (32, "lst.d_mod11a2v061.aug_m_1km_s_20200101_20211231_go_epsg.4326_v20221015",
     "v2 S", None, "lst.d", "mod11a2v061.aug", "m", 1000, SURFACE, "2020-01-01", "2021-12-31", "go", 4326, "v20221015"),
    (33, "blue_glad.SeasConv.ard2_m_30m_s_20000101_20000228_go_epsg.4326_v20230908",
     "v2 T", None, "blue", "glad.SeasConv.ard2", "m", 30, SURFACE, "2000-01-01", "2000-02-28", "go", 4326, "v20230908"),
    (34, "ndvi_landsat.ard1_p50_30m_s_20141202_20150320_nl_epsg.3035_v20230720",
     "v2 S", None, "ndvi", "landsat.ard1", "p50", 30, SURFACE, "2014-12-02", "2015-03-20", "nl", 3035, "v20230720"),
    (35, "clay.tot_iso.11277.2020.wpct_m_30m_b0cm..30cm_20000101_20051231_g_epsg.4326_v20250110",
     "v2 S", None, "clay.tot", "iso.11277.2020.wpct", "m", 30, Depth("below", 0, 30), "2000-01-01", "2005-12-31", "g",
     4326, "v20250110"),
    (36, "slope.percent_gedi.eml_m_30m_s_20000101_20181231_nl_epsg.3035_v0.3",
     "v2 T", None, "slope.percent", "gedi.eml", "m", 30, SURFACE, "2000-01-01", "2018-12-31", "nl", 3035, "v0.3"),
    (37, "lcv_landmask_esacci.lc.l4_c_250m_s0..0cm_2000..2015_v1.0",
     "old T", "lcv", "landmask", "esacci.lc.l4", "c", 250, SURFACE, "2000-01-01", "2015-12-31", None, None, "v1.0"),
]  # fmt: skip
TEXT = {row[0]: row[1] for row in GOLDEN}
STRICT = [row[1] for row in GOLDEN if row[2].endswith("S")]
REPAIRED = {  # number -> what the strict parser says, what the tolerant one mends
    23: ("its time is '*'; write 2019,", ("time *: any",)),
    28: ("the number of its fields is 9 (its theme is missing); write ten", ("theme missing: unknown", "time *: any")),
    29: ("the number of its fields is 6 (its theme ends with a dot); write ten",
         ("dots instead of underscores: split at known words",)),
    30: ("the number of its fields is 11 (its time is two fields); write ten", ("two dates in a v1 name: joined",)),
    33: ("its method is 'glad.SeasConv.ard2'; write small letters", ("method in mixed case: kept as printed",)),
    36: ("its version is 'v0.3'; write v and the day it was made", ("version is no date: kept as printed",)),
    37: ("the number of its fields is 8 (its area and CRS are missing); write ten",
         ("area and CRS missing: an old name of eight fields",)),
}  # fmt: skip


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: str(row[0]))
def test_golden_parses(row: tuple) -> None:
    number, text, how, theme, variable, method, type_, metres, depth, start, end, area, epsg, version = row
    name = parse_layer_name(f"some/folder/{text}.tif", tolerant=True)
    assert (name.convention, name.theme, name.variable, name.method) == (how.split()[0], theme, variable, method)
    assert (name.type, name.resolution_m, name.depth) == (type_, metres, depth)
    assert (name.area, name.epsg, name.version) == (area, epsg, version)
    wanted = None if start is None else Period(date.fromisoformat(start), date.fromisoformat(end))
    assert name.period == wanted
    if how.endswith("S"):
        strict = parse_layer_name(f"{text}.tif")
        assert strict == name and strict.repairs == name.repairs == ()
        assert str(strict) == text == format_layer_name(strict) == strict.format()
    else:
        sentence, repairs = REPAIRED[number]
        with pytest.raises(LayerNameError) as caught:
            parse_layer_name(f"{text}.tif")
        assert f"cannot parse layer name {text!r}, because {sentence}" in str(caught.value)
        assert name.repairs == repairs
        assert parse_layer_name(str(name), tolerant=True) == name  # printed, it is the same again


def test_all_are_there() -> None:
    assert [row[0] for row in GOLDEN] == list(range(1, 38))
    assert set(REPAIRED) == {row[0] for row in GOLDEN if row[2].endswith("T")} and len(STRICT) == 30


def test_what_a_name_alone_would_hide() -> None:
    noted = {number: parse_layer_name(text, tolerant=True).notes for number, text in TEXT.items()}
    assert {number: notes for number, notes in noted.items() if notes} == {
        9: ("classes, not per cent",),
        13: ("series 2000–2019",),
        14: ("series 2000–2019",),
        32: ("August of each year",),
    }
    assert season_of(parse_layer_name(TEXT[2]).period) == season_of(parse_layer_name(TEXT[34]).period)
    assert season_of(parse_layer_name(TEXT[2]).period) == Season("odse", "winter", 2015)


def test_classes_are_told_by_the_variable() -> None:
    classes = {number for number, text in TEXT.items() if parse_layer_name(text, tolerant=True).is_categorical}
    assert classes == {9, 10, 11, 12, 26, 30, 31, 37}
    for variable, type_ in (("landcover.hcl.prob", "p"), ("landcover.hcl", "md"), ("landcover.311", "p"), ("qa", "f")):
        assert not parse_layer_name(TEXT[8]).with_(variable=variable, type=type_).is_categorical


def test_partner_differs_in_one_field() -> None:
    names = {number: parse_layer_name(text, tolerant=True) for number, text in TEXT.items()}
    partners = {number: name.partner() for number, name in names.items()}
    assert {number for number, partner in partners.items() if partner is None} == {
        1, 2, 3, 4, 5, 6, 7, 12, 13, 15, 16, 25, 26, 27, 31, 34, 37,
    }  # fmt: skip
    assert "lucas.corine.eml_md_30m" in str(partners[8]) and partners[17] == names[17]
    assert names[17].with_(type="m").partner() == names[17]
    for number, partner in partners.items():
        if partner is not None:
            assert partner.partner() == partner
            before, after = names[number].fields, partner.fields
            assert [one for one in before if before[one] != after[one]] == ([] if number in (17, 29) else ["type"])
            assert "uncertainty" not in str(partner)
    for convention in ("v1", "v2"):  # fields 4 and 3, counted from one
        fields = list(names[8 if convention == "v1" else 32].fields)
        assert fields.index("type") == (3 if convention == "v1" else 2)


def test_asset_keys() -> None:
    keys = {number: parse_layer_name(TEXT[number], tolerant=True).asset_key for number in (1, 17, 31, 35, 37)}
    assert keys == {
        1: "green_p50_0..0cm",
        17: "log.oc_md_s0..0cm",
        31: "lclu_c_s",
        35: "clay.tot_m_b0cm..30cm",
        37: "landmask_c_s0..0cm",
    }
    assert parse_layer_name(TEXT[17]).with_(type="m").asset_key == "log.oc_m_s0..0cm"
    by_two_methods = [
        parse_layer_name(TEXT[8]).with_(method=method) for method in ("lucas.corine.eml", "lucas.corine.rf")
    ]
    assert by_two_methods[0] != by_two_methods[1] and by_two_methods[0].asset_key == by_two_methods[1].asset_key


# Layers of both conventions, drawn from everything their grammars can say.
words = st.lists(st.text("abcxyz019", min_size=1, max_size=5), min_size=1, max_size=3).map(".".join)
days = st.dates(date(1, 1, 1), date(9999, 12, 31))
epsgs = st.integers(1, 99999)
areas = st.text("abcdexyz", min_size=1, max_size=8)
metres = st.sampled_from([10, 30, 120, 250, 1000, 5000])
versions = words.map("v{}".format).filter(lambda text: not text.endswith(EXTENSIONS))
shared_types = st.sampled_from(["p", "p10", "p25", "p50", "p75", "m", "c", "md", "l.159", "u.841"])
v1_types = shared_types | st.sampled_from(["mf", "f", "r2", "count"])
v2_types = shared_types | st.sampled_from(["d", "q.10", "cd", "sd", "sd.2", "si", "sse", "pc", "td"])
points = st.integers(0, 300).map(lambda cm: Depth("below", cm, cm))
v1_depths = st.sampled_from([Depth(), Depth("na")]) | points


@st.composite
def v2_depths(draw: st.DrawFn) -> Depth:
    top, bottom = sorted(draw(st.tuples(st.integers(0, 300), st.integers(0, 300))))
    kind, spelling = draw(st.sampled_from(["below", "above"])), draw(st.sampled_from(["..", "t"]))
    return draw(st.sampled_from([Depth(), Depth(kind, top, bottom, ".." if top == bottom else spelling)]))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    first, last = sorted(draw(st.tuples(days, days)))
    years = Period(date(first.year, 1, 1), date(last.year, 12, 31))
    season = Season("odse", draw(st.sampled_from(["winter", "spring", "summer", "fall"])), max(first.year, 2))
    return draw(st.sampled_from([Period(first, last), years, Period.of_year(first.year), season.period]))


@st.composite
def v1_names(
    draw: st.DrawFn, *, types: st.SearchStrategy[str] = v1_types, depths: st.SearchStrategy[Depth] = v1_depths
):
    return LayerName.v1(
        draw(st.sampled_from(THEMES)),
        draw(words),
        method=draw(words),
        type=draw(types),
        resolution_m=draw(metres),
        depth=draw(depths).format("v1"),
        period=draw(periods()),
        area=draw(areas),
        epsg=draw(epsgs),
        version=draw(versions),
    )


@st.composite
def v2_names(
    draw: st.DrawFn, *, types: st.SearchStrategy[str] = v2_types, depths: st.SearchStrategy[Depth] | None = None
):
    return LayerName.v2(
        draw(words),
        method=draw(words),
        type=draw(types),
        resolution_m=draw(metres),
        depth=draw(depths or v2_depths()).format("v2"),
        period=draw(periods()),
        area=draw(areas),
        epsg=draw(epsgs),
        created=draw(days),
    )


@given(st.one_of(v1_names(), v2_names()), st.sampled_from(["", ".tif", ".tiff", ".gpkg", ".TIF"]), st.booleans())
def test_parse_is_the_inverse_of_format(name: LayerName, extension: str, tolerant: bool) -> None:
    again = parse_layer_name(f"a.b_c/d/{name}{extension}", tolerant=tolerant)
    assert again == name and again.repairs == () and str(again) == str(name)
    for field in ("period", "depth", "epsg", "version", "convention", "theme", "time"):
        assert getattr(again, field) == getattr(name, field)
    assert name_of_fields(name.fields) == name and "_".join(name.fields.values()) == str(name)


@given(st.one_of(st.tuples(v1_names(), v1_names()), st.tuples(v2_names(), v2_names())), st.integers(0, 9))
def test_names_are_equal_when_they_are_printed_alike(pair: tuple[LayerName, LayerName], place: int) -> None:
    one, other = pair
    field = list(one.fields)[place]
    try:
        mixed = name_of_fields(one.fields | {field: other.fields[field]})
    except LayerNameError:
        assert field in ("begin", "end", "time", "method")  # the one after the other; a month of another kind of method
        return
    assert (mixed == one) == (str(mixed) == str(one)) == (hash(mixed) == hash(one))
    assert (mixed == other) == (str(mixed) == str(other))


tokens = st.lists(
    st.sampled_from(
        [*(token for text in TEXT.values() for token in text.split("_")), "0999", "00m", "epsg03035", "s30..0cm",
         "s007..007cm", "20191301..", "2019.02.30..2019.03.01", "2001..2000", "2000..2000", "201913", "٢٠١٩", "v", "v1..0", "",
         "b5cm..5cm", "v20230231"]
    ),
    min_size=10, max_size=10,
)  # fmt: skip


@given(tokens, st.sampled_from(STRICT), st.integers(0, 9), st.text("abz019.*{}-+ ", max_size=6))
def test_what_the_strict_parser_takes_it_prints(drawn: list[str], text: str, place: int, token: str) -> None:
    fields = text.split("_")
    for stem in (
        "_".join(drawn),
        "_".join([*fields[:place], drawn[place], *fields[place + 1 :]]),
        "_".join([*fields[:place], token, *fields[place + 1 :]]),
    ):
        try:
            name = parse_layer_name(stem)
        except LayerNameError:
            continue
        assert str(name) == stem.strip() and name_of_fields(name.fields) == name


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"theme": "soil"}, "its theme is 'soil'; write one of lcv, veg, aq, dtm, adm, sol, clm, hyd, ldg, pnv"),
        ({"variable": "NDVI"}, "its variable is 'NDVI'; write small letters and digits, words joined by dots"),
        ({"method": "a..b"}, "its method is 'a..b'; write small letters and digits, words joined by dots"),
        ({"type": "sd"}, "its type is 'sd'; write one of m, mf, p, p50, c, f, md, l.159, u.841, r2, count"),
        ({"resolution": "30"}, "its resolution is '30'; write a number and m or km, as 30m"),
        ({"depth": "s"}, "its depth is 's'; write 0..0cm, s30..30cm or na"),
        ({"depth": "s0..30cm"}, "its depth is 's0..30cm'; write 0..0cm, s30..30cm or na"),
        ({"time": "2019.02.30..2019.03.01"}, "its time is '2019.02.30..2019.03.01'; write days of the calendar, the earlier first"),
        ({"time": "2019.03.01..2019.02.01"}, "its time is '2019.03.01..2019.02.01'; write days of the calendar, the earlier first"),
        ({"time": "201904"}, "its time is '201904'; end it with the month its season ends in, 03, 06, 09 or 12"),
        ({"time": "201913", "method": "et.eml"}, "its time is '201913'; write days of the calendar, the earlier first"),
        ({"time": "20190625"}, "its time is '20190625'; write 2019, 201903 (a month, or the one a season ends in), 2000..2019 or "
         "2019.06.25..2019.09.12"),
        ({"area": "eu.map"}, "its area is 'eu.map'; write small letters, as eumap"),
        ({"crs": "3035"}, "its crs is '3035'; write the EPSG code without a dot, as epsg3035"),
        ({"version": "1.0"}, "its version is '1.0'; write v and a token, as v0.1"),
        ({"version": "v1.0.tif.tif"}, "its version is 'v1.0.tif'; write v and a token, as v0.1"),
    ],
)  # fmt: skip
def test_a_v1_name_says_which_field_breaks_which_rule(changed: dict[str, str], sentence: str) -> None:
    stem = "_".join((parse_layer_name(TEXT[1]).fields | changed).values())
    with pytest.raises(LayerNameError) as caught:
        parse_layer_name(stem)
    assert str(caught.value) == f"cannot parse layer name {stem.removesuffix('.tif')!r}, because {sentence}"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"type": "f"}, "its type is 'f'; write one of m, d, p, p50, q.10, c, cd, md, sd, l.159, u.841, si, sse, pc, td"),
        ({"depth": "0..0cm"}, "its depth is '0..0cm'; write s, b30cm, b0cm..30cm, b30t60cm or a200cm"),
        ({"depth": "b30cm..30cm"}, "its depth is 'b30cm..30cm'; write s, b30cm, b0cm..30cm, b30t60cm or a200cm"),
        ({"end": "2021"}, "its end is '2021'; write a day as 20190912"),
        ({"end": "20210230"}, "its time is 20210101 to 20210230; write days of the calendar, the earlier first"),
        ({"crs": "epsg4326"}, "its crs is 'epsg4326'; write the EPSG code with a dot, as epsg.4326"),
        ({"version": "v20221315"}, "its version is 'v20221315'; write v and the day it was made, as v20221015"),
        ({"method": "a" * 250}, "its length is 305; stay within 256 characters"),
    ],
)  # fmt: skip
def test_a_v2_name_says_which_field_breaks_which_rule(changed: dict[str, str], sentence: str) -> None:
    stem = "_".join((parse_layer_name(TEXT[31]).fields | changed).values())
    with pytest.raises(LayerNameError) as caught:
        parse_layer_name(stem)
    assert str(caught.value) == f"cannot parse layer name {stem!r}, because {sentence}"


def test_every_rule_has_a_remedy_and_every_example_keeps_its_rule() -> None:
    for convention in ("v1", "v2"):
        for text in STRICT:
            if parse_layer_name(text).convention == convention:
                assert set(parse_layer_name(text).fields) == set(RULES[convention])


def test_extension_and_folder_are_no_part() -> None:
    for text in (
        f"{TEXT[1]}.tif",
        f"s3://maps/lcv/{TEXT[1]}.tif",
        f"C:\\maps\\{TEXT[1]}.TIFF",
        f" {TEXT[1]}.gpkg\n",
        TEXT[1],
    ):
        name = parse_layer_name(text)
        assert (name.version, str(name)) == ("v1.1", TEXT[1])


def test_capitals_make_no_other_layer() -> None:
    given_ = parse_layer_name(TEXT[33], tolerant=True)
    small = parse_layer_name(TEXT[33].lower())
    assert given_ == small and hash(given_) == hash(small) and len({given_, small}) == 1
    assert str(given_) == TEXT[33] and str(small) == TEXT[33].lower() and small != "a string"


def test_a_changed_period_leaves_its_old_spelling() -> None:
    name = parse_layer_name(TEXT[3])
    assert name.time == "201903"
    assert str(name.with_(period=Period.of_year(2020))) == TEXT[3].replace("201903", "2020")
    assert str(name.with_(type="p25")) == TEXT[3].replace("p50", "p25")


def test_builders_check() -> None:
    given_ = {"method": "odse.eml", "type": "m", "resolution_m": 30, "period": Period.of_year(2020), "area": "pilot"}
    with pytest.raises(LayerNameError, match="its variable is 'a_b'; write small letters and digits"):
        LayerName.v1("lcv", "a_b", version="v0.1", **given_)
    with pytest.raises(LayerNameError, match="its version is 'v1.tif'; write v and a token"):
        LayerName.v1("lcv", "a", version="v1.tif", **given_)
    with pytest.raises(LayerNameError, match="its type is 'count'; write one of"):
        LayerName.v2("a", created=date(2020, 1, 1), **given_ | {"type": "count"})
    with pytest.raises(LayerNameError, match="cannot format a name of v1, because its area is missing; give one"):
        name_of_fields({one: token for one, token in parse_layer_name(TEXT[1]).fields.items() if one != "area"})
    with pytest.raises(LayerNameError, match="one of its fields is 'procedure'; use variable, method, type"):
        name_of_fields(parse_layer_name(TEXT[31]).fields | {"procedure": "a"})
    with pytest.raises(LayerNameError, match="cannot format the name of 'ndvi', because its area is missing; give one"):
        str(parse_layer_name(TEXT[3]).with_(area=None))


def test_depths() -> None:
    assert [Depth("below", 30, 60, one).format("v2") for one in ("..", "t")] == ["b30cm..60cm", "b30t60cm"]
    assert [parse_depth(one, "v2") for one in ("a200cm", "b0t30cm")] == [
        Depth("above", 200, 200),
        Depth("below", 0, 30, "t"),
    ]
    assert parse_depth("s0..0cm", "v1") == Depth("below") != parse_depth("s", "v2")  # the same letter, another meaning
    with pytest.raises(LayerNameError, match="its span is 60 to 30 cm; write the smaller number first"):
        Depth("below", 60, 30)
    with pytest.raises(LayerNameError, match="its span at 'surface' is 0 to 30 cm; leave it out"):
        Depth("surface", 0, 30)
    with pytest.raises(LayerNameError, match="above ground, which v1 cannot say; use convention v2"):
        Depth("above", 200, 200).format("v1")


def test_a_name_is_a_function_of_the_layer_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    name = parse_layer_name(TEXT[2])
    monkeypatch.chdir("/")
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    assert str(parse_layer_name(TEXT[2])) == str(name) == TEXT[2]
    shifted = name.with_(period=Period(name.period.start + timedelta(days=1), name.period.end))
    assert str(shifted) == TEXT[2].replace("2014.12.02", "2014.12.03")


def test_json_says_what_the_name_says() -> None:
    told = parse_layer_name(TEXT[14]).to_json()
    assert told["fields"]["time"] == "2000" and told["period"] == ["2000-01-01", "2000-12-31"]
    assert (told["asset_key"], told["resolution_m"], told["epsg"]) == ("landcover.312_p_0..0cm", 30, 3035)
    assert told["notes"] == ["series 2000–2019"] and told["meaning"].startswith("probability")
    assert told["partner"] == TEXT[14].replace("_p_", "_md_") and name_of_fields(told["fields"]) == parse_layer_name(
        TEXT[14]
    )
    assert parse_layer_name(TEXT[35]).to_json()["depth"] == {"kind": "below", "top_cm": 0, "bottom_cm": 30}
    assert parse_layer_name(TEXT[37], tolerant=True).to_json()["epsg"] is None


def test_names_of_the_published_catalogue_and_of_real_files(data_dir: Path) -> None:
    published = set()
    for path in (data_dir / "11_stac" / "odse_real").rglob("*.json"):
        published |= set(re.findall(r"[^/\"]+_epsg3035_v[0-9.]+[0-9](?=\.tif)", path.read_text(encoding="utf-8")))
    assert published
    for text in published:
        name = parse_layer_name(f"{text}.tif")
        assert str(name) == text and name.partner() is None
        assert name.period is not None and season_of(name.period) == Season("odse", "winter", 2000)
    series = sorted((data_dir / "01_odse_toy_tile_nl" / "ndvi_gappy").glob("*.tif"))
    names = [parse_layer_name(path.name) for path in series]
    found = [season_of(name.period) for name in names if name.period is not None]
    assert found == [s for s in seasons(range(2015, 2021))][: len(found)] and len(found) == 24
    for name in names:
        back = to_v1(name, theme="lcv", version="v1.1", area="eumap", methods=TOY_METHODS)
        assert to_v2(back, created=date(2023, 7, 20), area="nl", methods=TOY_METHODS) == name
    for path in (data_dir / "01_odse_toy_tile_nl" / "static").glob("*.tif"):
        assert parse_layer_name(path.name, tolerant=True).version == "v0.3"
