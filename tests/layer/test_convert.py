"""From one convention to the other: there and back the same, or a sentence that says what to give."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LayerNameError
from odse.layer.convert import TOY_METHODS, to_v1, to_v2
from odse.layer.depth import Depth
from odse.layer.name import LayerName, parse_layer_name
from odse.layer.period import Period, Season, interval_period

CREATED = date(2023, 7, 20)
WINTER = "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_2014.12.02..2015.03.20_eumap_epsg3035_v1.1"
BACK = [  # golden names that table 7 calls invertible, the form of their time, and how v2 writes them
    (WINTER, "short", "ndvi_landsat.glad.ard_p50_30m_s_20141202_20150320_eu_epsg.3035_v20230720"),
    ("lcv_green_landsat.glad.ard_p50_30m_0..0cm_2019.06.25..2019.09.12_eumap_epsg3035_v1.1", "short",
     "green_landsat.glad.ard_p50_30m_s_20190625_20190912_eu_epsg.3035_v20230720"),
    ("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0", "month",
     "ndvi_landsat.glad.ard_p50_30m_s_20181202_20190320_eu_epsg.3035_v20230720"),
    ("lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_200806_eumap_epsg3035_v1.0", "month",
     "ndvi_landsat.glad.ard_p50_30m_s_20080321_20080624_eu_epsg.3035_v20230720"),
    ("lcv_rgb_landsat.glad.ard_p50_30m_0..0cm_2000_eumap_epsg3035_v1.0", "short",
     "rgb_landsat.glad.ard_p50_30m_s_20000101_20001231_eu_epsg.3035_v20230720"),
    ("lcv_landcover.311_lucas.corine.eml_p_30m_0..0cm_2020_eumap_epsg3035_v0.2", "short",
     "landcover.311_lucas.corine.eml_p_30m_s_20200101_20201231_eu_epsg.3035_v20230720"),
    ("lcv_landcover.hcl.change_lucas.corine.rf.t3_c_30m_0..0cm_2001..2018_eumap_epsg3035_v0.1", "short",
     "landcover.hcl.change_lucas.corine.rf.t3_c_30m_s_20010101_20181231_eu_epsg.3035_v20230720"),
    ("sol_log.oc_lucas.iso.10694_md_30m_s0..0cm_2020_eumap_epsg3035_v0.2", "short",
     "log.oc_lucas.iso.10694_md_30m_b0cm_20200101_20201231_eu_epsg.3035_v20230720"),
    ("dtm_vbf_gedi.saga.gis_m_100m_0..0cm_2000..2018_eumap_epsg3035_v0.2", "short",
     "vbf_gedi.saga.gis_m_100m_s_20000101_20181231_eu_epsg.3035_v20230720"),
]  # fmt: skip


def refused(convert, name: str, **given_: object) -> str:
    with pytest.raises(LayerNameError) as caught:
        convert(parse_layer_name(name, tolerant=True), **given_)
    assert str(caught.value).startswith(f"cannot convert layer name {name!r} to {convert.__name__[3:]}, because ")
    return str(caught.value).partition(", because ")[2]


@pytest.mark.parametrize(("v1", "time", "v2"), BACK)
def test_there_and_back(v1: str, time: str, v2: str) -> None:
    name = parse_layer_name(v1)
    there = to_v2(name, created=CREATED)
    assert str(there) == v2 and parse_layer_name(v2) == there and there.period == name.period
    back = to_v1(there, theme=name.theme, version=name.version, time=time)
    assert back == name and str(back) == v1


@st.composite
def pairs(draw: st.DrawFn) -> tuple[LayerName, str]:
    """A v1 name of what both conventions can say, and the form of its time."""
    words = st.lists(st.text("abcz09", min_size=1, max_size=4), min_size=1, max_size=3).map(".".join)
    first, last = sorted(draw(st.tuples(st.dates(date(1900, 1, 1)), st.dates(date(1900, 1, 1)))))
    season = Season("odse", draw(st.sampled_from(["winter", "spring", "summer", "fall"])), max(first.year, 1901))
    month = date(first.year + (first.month == 12), first.month % 12 + 1, 1) if first.year < 9999 else date(1900, 2, 1)
    form = draw(st.sampled_from(["short", "dates", "season", "month"]))
    method, period, time = draw(words), Period(first, last), ""
    if form == "season":
        method, period = "landsat.glad.ard", season.period
        time = f"{season.year}{ {'winter': '03', 'spring': '06', 'summer': '09', 'fall': '12'}[season.name] }"
    elif form == "month":
        method, period = "et.eml", Period(month, _end_of_month(month))
        time = f"{month:%Y%m}"
    elif form == "dates":
        time = f"{first:%Y.%m.%d}..{last:%Y.%m.%d}"
    elif draw(st.booleans()):
        period = Period(date(first.year, 1, 1), date(last.year, 12, 31))
    name = LayerName(
        draw(words),
        method,
        draw(st.sampled_from(["p", "p25", "p50", "p75", "m", "c", "md", "l.159", "u.841"])),
        draw(st.sampled_from(["10m", "30m", "1km"])),
        draw(st.sampled_from([Depth(), *(Depth("below", cm, cm) for cm in (0, 30, 100))])),
        period,
        "eumap",
        draw(st.sampled_from([3035, 4326, 32631])),
        draw(st.sampled_from(["v0", "v0.1prebeta", "v1.1", "v2020"])),
        draw(st.sampled_from(["lcv", "sol", "pnv"])),
        time=time,
    )
    return parse_layer_name(str(name)), "month" if form == "season" else form


def _end_of_month(first: date) -> date:
    following = date(first.year + (first.month == 12), first.month % 12 + 1, 1) if first < date(9999, 12, 1) else None
    return date.fromordinal(following.toordinal() - 1) if following else date(9999, 12, 31)


@given(pairs(), st.dates(date(1990, 1, 1)))
def test_the_identity_on_what_both_can_say(pair: tuple[LayerName, str], created: date) -> None:
    name, time = pair
    there = to_v2(name, created=created)
    assert (there.convention, there.theme, there.version) == ("v2", None, f"v{created:%Y%m%d}")
    assert (there.variable, there.method, there.type, there.depth) == (
        name.variable,
        name.method,
        name.type,
        name.depth,
    )
    assert (there.period, there.epsg, there.area) == (name.period, name.epsg, "eu")
    back = to_v1(there, theme=name.theme, version=name.version, time=time)
    assert back == name and str(back) == str(name)
    assert to_v2(back, created=created) == there  # and the other way round


def test_what_is_already_there_stays() -> None:
    name = parse_layer_name(WINTER)
    assert to_v1(name) is name
    there = to_v2(name, created=CREATED)
    assert to_v2(there) is there


def test_methods_are_renamed_on_request_only() -> None:
    name = parse_layer_name(WINTER)
    assert to_v2(name, created=CREATED).method == "landsat.glad.ard"
    toy = to_v2(name, created=CREATED, methods=TOY_METHODS, area="nl")
    assert str(toy) == "ndvi_landsat.ard1_p50_30m_s_20141202_20150320_nl_epsg.3035_v20230720"
    assert to_v1(toy, theme="lcv", version="v1.1", area="eumap", methods=TOY_METHODS) == name
    kept = to_v1(toy, theme="lcv", version="v1.1", area="eumap")
    assert kept.method == "landsat.ard1"


@pytest.mark.parametrize(
    ("name", "given_", "sentence"),
    [
        (WINTER, {}, "the day its version was made is unknown; give `created`"),
        (WINTER.replace("v1.1", "v20230720"), {}, "the day its version was made is unknown; give `created`"),
        (WINTER.replace("_p50_", "_f_"), {"created": CREATED},
         "its type is 'f', which v2 lacks; give `type`, c if it has a legend, else m, and keep f in its metadata"),
        (WINTER.replace("_p50_", "_mf_"), {"created": CREATED},
         "its type is 'mf', which v2 lacks; give `type`, c if it has a legend, else m, and keep mf in its metadata"),
        (WINTER.replace("_p50_", "_count_"), {"created": CREATED},
         "its type is 'count', which v2 lacks; give `type`, one of m, p, p50, c, md, l.159, u.841"),
        (WINTER.replace("0..0cm", "na"), {"created": CREATED}, "its depth is 'na', which v2 lacks; give `depth`, as s"),
        (WINTER.replace("eumap", "pilot"), {"created": CREATED}, "its area is 'pilot', which v2 lacks; give `area`"),
        (WINTER.replace("2014.12.02..2015.03.20", "*"), {"created": CREATED},
         "its time is a placeholder; put a value in its place"),
        (WINTER.replace("_p50_", "_{type}_"), {"created": CREATED}, "its type is a placeholder; put a value in its place"),
        (WINTER.replace("_30m_", "_*_"), {"created": CREATED}, "its resolution is a placeholder; put a value in its place"),
        ("lcv_landmask_esacci.lc.l4_c_250m_s0..0cm_2000..2015_v1.0", {"created": CREATED},
         "its form is that of old names, without area and CRS; rename it by hand"),
    ],
)  # fmt: skip
def test_v2_is_not_guessed(name: str, given_: dict[str, object], sentence: str) -> None:
    assert refused(to_v2, name, **given_) == sentence


V2 = "ndvi_landsat.ard1_p50_30m_s_20141202_20150320_eu_epsg.3035_v20230720"
BOTH = {"theme": "lcv", "version": "v1.1"}


@pytest.mark.parametrize(
    ("name", "given_", "sentence"),
    [
        (V2, {"version": "v1.1"}, "its theme is unknown; give `theme`"),
        (V2, {"theme": "lcv"}, "its version is unknown; give `version`"),
        (V2.replace("_p50_", "_d_"), BOTH,
         "its type is 'd', which v1 lacks; give `type`, one of m, p, p50, c, md, l.159, u.841"),
        (V2.replace("_s_", "_b0cm..30cm_"), BOTH, "its depth is 'b0cm..30cm', which v1 lacks; give `depth`, as s30..30cm"),
        (V2.replace("_s_", "_a200cm_"), BOTH, "its depth is 'a200cm', which v1 lacks; give `depth`, as s30..30cm"),
        (V2.replace("_eu_", "_go_"), BOTH, "its area is 'go', which v1 lacks; give `area`"),
        (V2.replace("20150320", "20150321"), BOTH | {"time": "month"},
         "its period is 2014.12.02..2015.03.21, no season or month of landsat.ard1; give `time` 'short'"),
        (V2.replace("_eu_epsg.3035_v20230720", "_tile.12_x"), BOTH, "it is that of a tile; convert the name of the whole layer"),
        (V2.replace("20141202_20150320", "*_*"), BOTH, "its time is a placeholder; put a value in its place"),
    ],
)  # fmt: skip
def test_v1_is_not_guessed(name: str, given_: dict[str, object], sentence: str) -> None:
    assert refused(to_v1, name, **given_) == sentence


def test_what_is_given_is_taken_and_checked() -> None:
    qa = parse_layer_name(WINTER.replace("_p50_", "_f_").replace("0..0cm", "na").replace("eumap", "pilot"))
    assert str(to_v2(qa, created=CREATED, type="c", depth="s", area="nl")) == (
        "ndvi_landsat.glad.ard_c_30m_s_20141202_20150320_nl_epsg.3035_v20230720"
    )
    with pytest.raises(LayerNameError, match="its type is 'f'; write one of"):
        to_v2(qa, created=CREATED, type="f", depth="s", area="nl")
    with pytest.raises(LayerNameError, match="its theme is 'land'; write one of"):
        to_v1(parse_layer_name(V2), theme="land", version="v1.1")
    mixed = parse_layer_name("blue_glad.SeasConv.ard2_m_30m_s_20000101_20000228_eu_epsg.4326_v20230908", tolerant=True)
    with pytest.raises(LayerNameError, match=r"its method is 'glad\.SeasConv\.ard2'; write small letters"):
        to_v1(mixed, **BOTH)


def test_true_dates_of_a_season_are_no_month_code() -> None:
    """201903 means the dates that names carry, so the true ones of a common year are not written with it."""
    summer = Season("odse", "summer", 2019)
    true = Period(interval_period(summer.intervals[0]).start, interval_period(summer.intervals[-1]).end)
    assert true == summer.true_period != summer.period
    name = parse_layer_name(V2).with_(period=true)
    with pytest.raises(LayerNameError, match=r"its period is 2019\.06\.26\.\.2019\.09\.13, no season or month"):
        to_v1(name, time="month", **BOTH)
