"""Layer names: golden parses, round trips, partners."""

from __future__ import annotations

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LayerNameError
from odse.layer.name import LayerName, parse_layer_name
from odse.layer.period import Period

STRICT = [
    (
        "lcv_green_landsat.glad.ard_p50_30m_0..0cm_2019.06.25..2019.09.12_eumap_epsg3035_v1.1",
        "2019-06-25",
        "2019-09-12",
    ),
    ("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_2014.12.02..2015.03.20_eumap_epsg3035_v1.1", "2014-12-02", "2015-03-20"),
    ("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0", "2018-12-02", "2019-03-20"),
    ("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_200806_eumap_epsg3035_v1.0", "2008-03-21", "2008-06-24"),
    ("lcv_rgb_landsat.glad.ard_p50_30m_0..0cm_2000_eumap_epsg3035_v1.0", "2000-01-01", "2000-12-31"),
    ("lcv_qa_landsat.glad.ard_f_30m_0..0cm_2020.09.13..2020.12.01_eumap_epsg3035_v1.1", "2020-09-13", "2020-12-01"),
    ("lcv_blue_sentinel.s2l2a_p25_30m_0..0cm_2017.12.02..2018.03.20_eumap_epsg3035_v1.0", "2017-12-02", "2018-03-20"),
    ("lcv_landcover.311_lucas.corine.eml_p_30m_0..0cm_2020_eumap_epsg3035_v0.2", "2020-01-01", "2020-12-31"),
    ("lcv_landcover.hcl_lucas.corine.rf_p_30m_0..0cm_2000_eumap_epsg3035_v0.1", "2000-01-01", "2000-12-31"),
    ("lcv_landcover.hcl_lucas.corine.eml_f_30m_0..0cm_2019_eumap_epsg3035_v0.2", "2019-01-01", "2019-12-31"),
    (
        "lcv_landcover.hcl.change_lucas.corine.rf.t3_c_30m_0..0cm_2001..2018_eumap_epsg3035_v0.1",
        "2001-01-01",
        "2018-12-31",
    ),
    ("lcv_landcover.clc_corine_c_100m_0..0cm_2018_eumap_epsg3035_v2020", "2018-01-01", "2018-12-31"),
    ("lcv_landcover.211_lucas.corine.ols_r2_30m_0..0cm_2000_eumap_epsg3035_v0.1", "2000-01-01", "2000-12-31"),
    ("lcv_landcover.312_lucas.corine.slope_p_30m_0..0cm_2000_eumap_epsg3035_v0.1", "2000-01-01", "2000-12-31"),
    ("lcv_ndvi_landsat.glad.trend.slope_p50_30m_0..0cm_2000..2019_eumap_epsg3035_v1.0", "2000-01-01", "2019-12-31"),
    ("lcv_ndvi_landsat.glad.trend.ols_r2_30m_0..0cm_2000..2019_eumap_epsg3035_v1.0", "2000-01-01", "2019-12-31"),
    ("sol_log.oc_lucas.iso.10694_md_30m_s0..0cm_2020_eumap_epsg3035_v0.2", "2020-01-01", "2020-12-31"),
    ("dtm_elev.lowestmode_gedi.eml_mf_30m_0..0cm_2000..2018_eumap_epsg3035_v0.3", "2000-01-01", "2018-12-31"),
    ("dtm_vbf_gedi.saga.gis_m_100m_0..0cm_2000..2018_eumap_epsg3035_v0.2", "2000-01-01", "2018-12-31"),
    ("veg_fagus.sylvatica_anv.eml_p_120m_0..0cm_2000_eumap_epsg3035_v0.1", "2000-01-01", "2000-12-31"),
    ("veg_fagus.sylvatica_anv.eml_p_30m_0..0cm_2000..2002_eumap_epsg3035_v0.2", "2000-01-01", "2002-12-31"),
    ("veg_abies.alba_pnv.eml_p_120m_0..0cm_2019_eumap_epsg3035_v0.1", "2019-01-01", "2019-12-31"),
    ("aq_pm25_et.eml_m_1km_na_201801_eumap_epsg3035_v0.1prebeta", "2018-01-01", "2018-01-31"),
    ("aq_pm25_pixel_count_1km_na_201801_eumap_epsg3035_v0.1prebeta", "2018-01-01", "2018-01-31"),
    ("adm_county_nuts.osm_c_30m_0..0cm_2021_eumap_epsg3035_v0.1", "2021-01-01", "2021-12-31"),
    ("lcv_cemetery_osm_p_30m_0..0cm_2021_eumap_epsg3035_v0", "2021-01-01", "2021-12-31"),
    ("lclu_esacci.lc.l4_c_250m_s_20210101_20211231_go_epsg.4326_v20221015", "2021-01-01", "2021-12-31"),
    ("lst.d_mod11a2v061.aug_m_1km_s_20200101_20211231_go_epsg.4326_v20221015", "2020-01-01", "2021-12-31"),
    ("ndvi_landsat.ard1_p50_30m_s_20141202_20150320_nl_epsg.3035_v20230720", "2014-12-02", "2015-03-20"),
    (
        "clay.tot_iso.11277.2020.wpct_m_30m_b0cm..30cm_20000101_20051231_g_epsg.4326_v20250110",
        "2000-01-01",
        "2005-12-31",
    ),
]
TOLERANT = [
    ("veg_picea.abies_anv.eml_p_120m_0..0cm_*_eumap_epsg3035_v0.1", "veg", "picea.abies", "anv.eml", None),
    ("fire.disturbance_modis.mcd64a1_p_250m_0..0cm_*_eumap_epsg3035_v0.1", "unknown", "fire.disturbance", "modis.mcd64a1", None),
    ("sol.log.oc.lucas.iso.10694_md_30m_s0..0cm_2020.eumap.epsg3035_v0.2", "sol", "log.oc", "lucas.iso.10694", 2020),
    ("lcv_landcover.hcl_lucas.corine.eml_f_30m_0..0cm_20170101_20171231_eumap_epsg3035_v0.2", "lcv", "landcover.hcl",
     "lucas.corine.eml", 2017),
    ("blue_glad.SeasConv.ard2_m_30m_s_20000101_20000228_go_epsg.4326_v20230908", None, "blue", "glad.SeasConv.ard2", 2000),
    ("slope.percent_gedi.eml_m_30m_s_20000101_20181231_nl_epsg.3035_v0.3", None, "slope.percent", "gedi.eml", 2018),
    ("lcv_landmask_esacci.lc.l4_c_250m_s0..0cm_2000..2015_v1.0", "lcv", "landmask", "esacci.lc.l4", 2015),
]  # fmt: skip


@pytest.mark.parametrize(("text", "start", "end"), STRICT)
def test_golden_names_are_read_and_printed(text: str, start: str, end: str) -> None:
    name = parse_layer_name(f"some/folder/{text}.tif")
    assert str(name) == text
    assert name.period == Period(date.fromisoformat(start), date.fromisoformat(end))
    assert name.repairs == ()


@pytest.mark.parametrize(("text", "theme", "variable", "method", "year"), TOLERANT)
def test_irregular_names(text: str, theme: str | None, variable: str, method: str, year: int | None) -> None:
    with pytest.raises(LayerNameError, match=r"^cannot parse layer name .*, because .* is .*; "):
        parse_layer_name(text)
    name = parse_layer_name(text, tolerant=True)
    assert (name.theme, name.variable, name.method) == (theme, variable, method)
    assert (name.period.year if name.period else None) == year
    assert name.repairs


def test_partner_and_asset_key() -> None:
    by_number = {
        n: parse_layer_name(text)
        for n, (text, _, _) in zip((1, 8, 12, 17), [STRICT[0], STRICT[7], STRICT[11], STRICT[16]], strict=True)
    }
    partner = by_number[8].partner()
    assert "lucas.corine.eml_md_30m" in str(partner) and partner.partner() == partner
    assert by_number[1].partner() is None and by_number[12].partner() is None
    assert by_number[17].partner() == by_number[17]
    assert parse_layer_name(STRICT[23][0]).partner() is None
    assert by_number[1].asset_key == "green_p50_0..0cm"
    assert by_number[17].asset_key == "log.oc_md_s0..0cm"
    assert parse_layer_name(STRICT[26][0]).asset_key == "lclu_c_s"
    assert parse_layer_name(STRICT[29][0]).asset_key == "clay.tot_m_b0cm..30cm"


words = st.lists(st.text("abcxyz019", min_size=1, max_size=5), min_size=1, max_size=3).map(".".join)
days = st.dates(date(1984, 1, 1), date(2050, 12, 31))


@given(
    words,
    words,
    st.sampled_from(["p", "p50", "md", "c", "f", "m", "count"]),
    st.tuples(days, days).map(sorted),
    st.sampled_from([10, 30, 250, 1000]),
    st.from_regex(r"v[0-9]\.[0-9]", fullmatch=True),
)
def test_parse_is_the_inverse_of_format(variable, method, type_, span, resolution_m, version) -> None:
    name = LayerName.v1(
        "lcv",
        variable,
        method=method,
        type=type_,
        resolution_m=resolution_m,
        period=Period(*span),
        area="pilot",
        version=version,
    )
    assert parse_layer_name(str(name)) == name
    assert name.resolution_m == resolution_m
    assert re.fullmatch(r"[a-z0-9._]+", str(name))
