"""Irregular names: each kind that the reference lists, and what becomes of it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LayerNameError
from odse.layer.depth import Depth
from odse.layer.name import LayerName, parse_layer_name
from odse.layer.period import Period

NDVI = "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_2019.06.25..2019.09.12_eumap_epsg3035_v1.1"
CLAY = "clay.tot_iso.11277.2020.wpct_m_30m_b0cm..20cm_20000101_20051231_g_epsg.4326_v20250110"
TILE = "clay.tot_iso.11277.2020.wpct_m_30m_b0cm..20cm_20000101_20051231_tile."


def mended(text: str) -> LayerName:
    """What the tolerant parser reads, after the strict one refused; printed, it is read as the same again."""
    with pytest.raises(
        LayerNameError, match=r"^cannot parse layer name '.*', because its? .*|the number of its fields is"
    ):
        parse_layer_name(text)
    name = parse_layer_name(text, tolerant=True)
    assert name.repairs and parse_layer_name(str(name), tolerant=True) == name
    return name


def test_a_missing_theme_is_not_guessed() -> None:
    name = mended("fire.disturbance_copernicus.ems_p_30m_0..0cm_*_eumap_epsg3035_v0.1.tif")
    assert (name.theme, name.variable, name.method, name.period) == (
        "unknown",
        "fire.disturbance",
        "copernicus.ems",
        None,
    )
    assert name.repairs == ("theme missing: unknown", "time *: any")
    assert str(name) == "unknown_fire.disturbance_copernicus.ems_p_30m_0..0cm_*_eumap_epsg3035_v0.1"
    assert mended(str(name)).repairs == ("time *: any", "theme unknown")
    assert mended(NDVI.removeprefix("lcv_")).theme == "unknown"


def test_a_theme_off_the_list_is_kept() -> None:
    name = mended(NDVI.replace("lcv_", "occ_"))
    assert name.theme == "occ" and name.repairs == ("theme occ is not on the list: kept as printed",)
    assert str(name) == NDVI.replace("lcv_", "occ_")


def test_dots_instead_of_underscores() -> None:
    regular = parse_layer_name("sol_log.oc_lucas.iso.10694_md_30m_s0..0cm_2020_eumap_epsg3035_v0.2")
    for text in (
        "sol.log.oc.lucas.iso.10694_md_30m_s0..0cm_2020.eumap.epsg3035_v0.2",
        "sol.log.oc_lucas.iso.10694_md_30m_s0..0cm_2020_eumap_epsg3035_v0.2",
        "sol_log.oc.lucas.iso.10694.md.30m.s0..0cm.2020.eumap.epsg3035.v0.2",
        "sol_log.oc_lucas.iso.10694_md_30m_s0..0cm_2020_eumap_epsg3035.v0.2",
    ):
        name = mended(text)
        assert name == regular and name.repairs == ("dots instead of underscores: split at known words",)
    assert mended(NDVI.replace("_", ".")) == parse_layer_name(NDVI)
    assert mended("lcv.landcover.311.lucas.corine.rf_p_30m_0..0cm_2000_eumap_epsg3035_v0.1").method == "lucas.corine.rf"


def test_where_a_variable_ends_is_not_guessed() -> None:
    name = mended("lcv.corine.area.lucas.iso_m_30m_0..0cm_2020.eumap.epsg3035_v0.2")
    assert (name.variable, name.method) == ("corine.area", "lucas.iso")  # a variable has one word at least
    with pytest.raises(LayerNameError, match="the number of its fields is 6; write ten fields joined by _"):
        parse_layer_name("sol.log.oc.somebody.new_md_30m_s0..0cm_2020.eumap.epsg3035_v0.2", tolerant=True)


@pytest.mark.parametrize(
    ("dates", "printed"),
    [
        ("20170101_20171231", "2017"),
        ("20000101_20191231", "2000..2019"),
        ("20181202_20190320", "2018.12.02..2019.03.20"),
    ],
)
def test_a_split_date_pair_is_joined(dates: str, printed: str) -> None:
    name = mended(f"lcv_landcover.hcl_lucas.corine.eml_f_30m_0..0cm_{dates}_eumap_epsg3035_v0.2")
    assert str(name) == f"lcv_landcover.hcl_lucas.corine.eml_f_30m_0..0cm_{printed}_eumap_epsg3035_v0.2"
    assert name.repairs == ("two dates in a v1 name: joined",) and parse_layer_name(str(name)) == name
    both = mended(f"landcover.hcl_lucas.corine.eml_f_30m_0..0cm_{dates}_eumap_epsg3035_v0.2")
    assert both == name.with_(theme="unknown") and len(both.repairs) == 2


def test_versions_are_opaque() -> None:
    for version in ("v2020", "v0", "v0.1prebeta", "v20230720"):
        assert parse_layer_name(NDVI.replace("v1.1", version)).version == version
    name = mended("elev.lowestmode_gedi.eml_mf_30m_s_20000101_20181231_nl_epsg.3035_v0.3")
    assert (name.version, name.type) == ("v0.3", "mf")
    assert name.repairs == ("type mf is not of v2: kept as printed", "version is no date: kept as printed")


def test_type_words_stand_where_the_type_is() -> None:
    name = parse_layer_name("aq_pm25_pixel_count_1km_na_201801_eumap_epsg3035_v0.1prebeta")
    assert (name.method, name.type, name.period) == ("pixel", "count", Period(date(2018, 1, 1), date(2018, 1, 31)))
    assert name.partner() is None


def test_capitals_are_kept_in_words_and_small_in_codes() -> None:
    name = mended("blue_glad.SeasConv.ard2_M_30M_S_20000101_20000228_GO_EPSG.4326_v20230908")
    assert str(name) == "blue_glad.SeasConv.ard2_m_30m_s_20000101_20000228_GO_epsg.4326_v20230908"
    assert name == parse_layer_name(str(name).lower())
    assert name.repairs == (
        "method in mixed case: kept as printed",
        "type in capitals: read in small letters",
        "resolution in capitals: read in small letters",
        "depth in capitals: read in small letters",
        "area in mixed case: kept as printed",
        "crs in capitals: read in small letters",
    )


def test_intervals_of_depth_in_v1() -> None:
    name = mended("sol_log.oc_lucas.iso.10694_m_30m_s0..30cm_2020_eumap_epsg3035_v0.2")
    assert name.depth == Depth("below", 0, 30) and name.repairs == ("an interval of depths in v1: kept as printed",)
    with pytest.raises(LayerNameError, match=r"its depth is 's30\.\.0cm'; write 0\.\.0cm, s30\.\.30cm or na"):
        parse_layer_name("sol_log.oc_lucas.iso.10694_m_30m_s30..0cm_2020_eumap_epsg3035_v0.2", tolerant=True)


@pytest.mark.parametrize("suffix", ["_test.run", "_uncertainty_1", ""])
def test_a_tile_of_a_prediction(suffix: str) -> None:
    name = mended(f"{TILE}0123{suffix}.tif")
    whole = parse_layer_name(CLAY)
    assert dict(name.attributes) == {"tile": "0123"} | ({"suffix": suffix[1:]} if suffix else {})
    assert (name.area, name.epsg, name.version) == (None, None, None)
    assert (name.variable, name.method, name.type) == (whole.variable, whole.method, whole.type)
    assert (name.depth, name.period) == (whole.depth, whole.period) == (Depth("below", 0, 20), name.period)
    assert name.repairs == ("tile 0123: kept as an attribute", "area, CRS and version missing: a tile")
    assert str(name) == f"{TILE}0123{suffix}" and name != mended(f"{TILE}0124{suffix}")


def test_a_tile_with_all_fields() -> None:
    text = CLAY.replace("_g_", "_tile.0123_g_")
    name = mended(text)
    assert name.with_(attributes=()) == parse_layer_name(CLAY) and str(name) == text
    assert name.repairs == ("tile 0123: kept as an attribute",)


def test_geoserver() -> None:
    name = mended("gh:lcv-ndvi-landsatXgladXard-p50-30m-0XX0cm--eumap-epsg3035-v1X0")
    assert str(name) == "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_*_eumap_epsg3035_v1.0" and name.period is None
    assert name.repairs == ("GeoServer spelling: - read as _, X as a dot", "time empty: any")
    assert mended("lcv-ndvi-landsatXgladXard-p50-30m-0XX0cm--eumap-epsg3035-v1X0") == name
    assert mended("gh:lcv-ndvi-landsatXgladXard-p50-30m-0XX0cm-2019-eumap-epsg3035-v1X0").period == Period.of_year(2019)
    newer = mended("gh:ndvi-landsatXard1-p50-30m-s---nl-epsgX3035-v20230720")
    assert (newer.convention, newer.period, newer.area) == ("v2", None, "nl")


def test_placeholders_are_no_values() -> None:
    text = "lcv_landcover.{class}_lucas.corine.eml_{estimation_type}_30m_{depth}_{year}_eumap_epsg3035_v0.2"
    name = mended(text)
    assert (name.variable, name.type, name.depth, name.period) == ("*", "*", Depth("any"), None)
    assert dict(name.placeholders) == {
        "variable": "landcover.{class}",
        "type": "{estimation_type}",
        "depth": "{depth}",
        "time": "{year}",
    }
    assert str(name) == text and name.partner() is None and name.asset_key == "*_*_*"
    filled = name.with_(variable="landcover.311", type="p", depth=Depth(), period=Period.of_year(2020))
    assert filled.placeholders == () and parse_layer_name(str(filled)) == filled
    assert filled.with_(period=Period.of_year(2019)) != name.with_(period=Period.of_year(2019))
    assert mended(NDVI.replace("_30m_", "_*_")).resolution == "*"
    assert mended(NDVI.replace("epsg3035", "{crs}")).epsg is mended(NDVI.replace("epsg3035", "*")).epsg is None
    half = mended(CLAY.replace("20051231", "{end}"))
    assert half.period is None and str(half) == CLAY.replace("20051231", "{end}")
    assert str(mended(CLAY.replace("20000101_20051231", "{begin}_{end}"))) == CLAY.replace(
        "20000101_20051231", "{begin}_{end}"
    )
    with pytest.raises(
        LayerNameError, match=r"cannot measure layer .*, because its resolution is \*; put a value in its place"
    ):
        _ = mended(NDVI.replace("_30m_", "_*_")).resolution_m


def test_old_names() -> None:
    name = mended("lcv_landmask_esacci.lc.l4_c_250m_s0..0cm_2000..2015_v1.0.tif")
    assert name.convention == "old" and name.depth == Depth() and name.area is name.epsg is None
    assert str(name) == "lcv_landmask_esacci.lc.l4_c_250m_s0..0cm_2000..2015_v1.0"
    soil = mended("sol_clay_usda.3a1a1a_m_250m_b30..30cm_1950..2017_v0.2")
    assert soil.depth == Depth("below", 30, 30) and soil.asset_key == "clay_m_b30..30cm"
    assert mended("occ_banana_faostat_p_250m_s0..0cm_2010_v0.1").theme == "occ"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ndvi.tif", "the number of its fields is 1; write ten fields joined by _"),
        ("", "the number of its fields is 1; write ten fields joined by _"),
        ("_".join("abcdefghijkl"), "the number of its fields is 12; write ten fields joined by _"),
        (NDVI.replace("_p50_", "_mean_"), "its type is 'mean'; write one of m, mf, p,"),
        (NDVI.replace("0..0cm", "s"), "its depth is 's'; write 0..0cm, s30..30cm or na"),
        (NDVI.replace("2019.09.12", "2019.09.31"), "write days of the calendar, the earlier first"),
        (NDVI.replace("_ndvi_", "_NDVI-a_"), "its variable is 'NDVI-a'; write small letters and digits"),
        (CLAY.replace("b0cm..20cm", "0..0cm"), "its depth is '0..0cm'; write s, b30cm, b0cm..30cm"),
        (CLAY.replace("v20250110", "20250110"), "its version is '20250110'; write v and the day it was made"),
        (CLAY.replace("20051231", "20051331"), "its time is 20000101 to 20051331; write days of the calendar"),
    ],
)
def test_what_nobody_can_read_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(LayerNameError) as caught:
        parse_layer_name(text, tolerant=True)
    assert sentence in str(caught.value) and str(caught.value).startswith("cannot parse layer name ")


pieces = st.sampled_from(
    [*NDVI.split("_"), *CLAY.split("_"), "*", "{year}", "tile.7", "", "gh:lcv", "SeasConv", "s0..30cm", "unknown", "20190101", "-X"]
)  # fmt: skip


@given(st.lists(pieces, max_size=12), st.integers(0, 9), pieces)
def test_the_tolerant_parser_reads_what_it_prints_or_refuses(drawn: list[str], place: int, token: str) -> None:
    for fields in (NDVI.split("_"), CLAY.split("_")):
        for stem in ("_".join(drawn), "_".join([*fields[:place], token, *fields[place + 1 :]])):
            try:
                name = parse_layer_name(stem, tolerant=True)
            except LayerNameError:
                continue
            assert parse_layer_name(str(name), tolerant=True) == name
            if not name.repairs:
                assert parse_layer_name(stem) == name
