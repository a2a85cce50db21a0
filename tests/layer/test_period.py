"""The interval calendar, the season schemes and one's own."""

from __future__ import annotations

import pickle
from calendar import isleap
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import PeriodError
from odse.layer.period import (
    Period,
    Season,
    format_time,
    interval_id,
    interval_ids,
    interval_of_id,
    interval_period,
    season_of,
    season_of_interval,
    seasons,
)
from odse.layer.scheme import SCHEMES, SeasonRule, SeasonScheme, season_scheme

DRY_WET = {"dry": {"intervals": ["1..8"], "dates": ["01-01", "05-07"]}, "wet": ["05-08", "12-31"]}


@pytest.mark.parametrize(
    ("year", "i", "number", "span"),
    [
        (1997, 1, 392, "1997.01.01..1997.01.16"), (2019, 4, 901, "2019.02.18..2019.03.05"),
        (2020, 4, 924, "2020.02.18..2020.03.04"), (2019, 12, 909, "2019.06.26..2019.07.11"),
        (2020, 12, 932, "2020.06.25..2020.07.10"), (2019, 23, 920, "2019.12.19..2019.12.31"),
        (2020, 23, 943, "2020.12.18..2020.12.31"), (2023, 1, 990, "2023.01.01..2023.01.16"),
    ],
)  # fmt: skip
def test_calendar(year: int, i: int, number: int, span: str) -> None:
    assert interval_id(year, i) == number
    assert interval_of_id(number) == (year, i)
    assert str(interval_period(number)) == span


@given(st.integers(1, 3000))
def test_intervals_follow_each_other_without_gap(number: int) -> None:
    assert (interval_period(number + 1).start - interval_period(number).end).days == 1


def test_every_interval_is_in_exactly_one_season() -> None:
    every = [i for season in seasons(range(2000, 2021)) for i in season.intervals]
    assert every == list(range(interval_id(1999, 22), interval_id(2020, 21) + 1))
    assert [len(s.intervals) for s in seasons([2019])] == [7, 6, 5, 5]


def test_name_dates_are_those_of_a_leap_year_and_true_dates_are_true() -> None:
    winter, _, summer, _ = seasons([2019])
    assert str(winter.period) == "2018.12.02..2019.03.20" and str(winter.true_period) == "2018.12.03..2019.03.21"
    assert str(summer.period) == "2019.06.25..2019.09.12" and str(summer.true_period) == "2019.06.26..2019.09.13"
    assert season_of(summer.period) == summer == season_of(summer.true_period)


@pytest.mark.parametrize(
    ("name", "year", "true"),
    [  # level3.md, section 1: a winter depends on both years
        ("winter", 2019, "2018.12.03..2019.03.21"), ("winter", 2020, "2019.12.03..2020.03.20"),
        ("winter", 2021, "2020.12.02..2021.03.21"), ("winter", 1900, "1899.12.03..1900.03.21"),
        ("spring", 2020, "2020.03.21..2020.06.24"), ("spring", 2019, "2019.03.22..2019.06.25"),
        ("summer", 2020, "2020.06.25..2020.09.12"), ("summer", 2019, "2019.06.26..2019.09.13"),
        ("fall", 2020, "2020.09.13..2020.12.01"), ("fall", 2019, "2019.09.14..2019.12.02"),
    ],
)  # fmt: skip
def test_true_dates_of_the_published_seasons(name: str, year: int, true: str) -> None:
    assert str(Season("odse", name, year).true_period) == true


def test_name_dates_advance_as_they_are_generated_by_the_original() -> None:
    starts = [season.period.start for season in seasons([2019])]
    starts.append(Season("odse", "winter", 2020).period.start)
    assert [(b - a).days for a, b in zip(starts[:-1], starts[1:], strict=True)] == [109, 96, 80, 80]
    for season in seasons(range(1984, 2060)):
        leap = Season("odse", season.name, 2020).period
        ends = [(day.month, day.day) for day in (season.period.start, season.period.end)]
        assert ends == [(day.month, day.day) for day in (leap.start, leap.end)] and season.period.year == season.year


def test_seasons_of_true_dates_hold_the_same_intervals() -> None:
    """The calendar's seasons differ from the published ones in their days, not in their intervals."""
    for ours, true in zip(seasons(range(1990, 2031)), seasons(range(1990, 2031), scheme="calendar"), strict=True):
        assert (ours.name, ours.year, ours.intervals) == (true.name, true.year, true.intervals)
        assert true.period == true.true_period == ours.period
    days = Counter(
        day.start + timedelta(days=i)
        for day in (season.true_period for season in seasons(range(2000, 2009), scheme="calendar"))
        for i in range(day.days)
    )
    assert set(days.values()) == {1} and len(days) == (max(days) - min(days)).days + 1


def test_the_slide_reads_one_year() -> None:
    parts = [s.intervals for s in seasons([2019], scheme="slide")]
    assert [(interval_of_id(p[0]), interval_of_id(p[-1])) for p in parts] == [
        ((2019, first), (2019, last)) for first, last in ((1, 5), (6, 11), (12, 17), (18, 23))
    ]
    assert str(Season("slide", "fall", 2019).true_period) == "2019.09.30..2019.12.31"


@pytest.mark.parametrize(
    ("name", "true_common", "true_leap"),
    [
        ("0101-0228", ("01.01", "03.05"), ("01.01", "03.04")), ("0301-0430", ("03.06", "05.08"), ("03.05", "05.07")),
        ("0501-0630", ("05.09", "07.11"), ("05.08", "07.10")), ("0701-0831", ("07.12", "09.13"), ("07.11", "09.12")),
        ("0901-1031", ("09.14", "11.16"), ("09.13", "11.15")), ("1101-1231", ("11.17", "12.31"), ("11.16", "12.31")),
    ],
)  # fmt: skip
def test_bimonthly_names_and_true_dates(name: str, true_common: tuple[str, str], true_leap: tuple[str, str]) -> None:
    for year, (start, end) in ((2019, true_common), (2020, true_leap)):
        season = Season("bimonthly", name, year)
        assert str(season.true_period) == f"{year}.{start}..{year}.{end}"
        assert f"{season.period.start:%m%d}-{season.period.end:%m%d}" == name and season.period.start.year == year
        assert season_of(season.period, scheme="bimonthly") == season


@pytest.mark.parametrize("scheme", [*SCHEMES, season_scheme(DRY_WET)], ids=lambda one: getattr(one, "name", one))
def test_no_interval_is_in_two_seasons(scheme: str | SeasonScheme) -> None:
    several = seasons(range(1950, 2060), scheme=scheme)
    counts = Counter(number for season in several for number in season.intervals)
    assert set(counts.values()) == {1}
    assert [season.intervals for season in several] == sorted(season.intervals for season in several)
    every = set(range(interval_id(1951, 1), interval_id(2059, 1)))
    assert every <= set(counts)  # these schemes leave nothing out
    for number in range(interval_id(1999, 1), interval_id(2005, 1)):
        season = season_of_interval(number, scheme=scheme)
        assert season is not None and number in season.intervals
    assert all(season_of(p, scheme=scheme) == s for s in several for p in (s.period, s.true_period))


def random_dates(draw: st.DrawFn) -> dict[str, list[str]]:
    """Seasons that follow each other within a year, of 17 days or more, so that each holds the middle of an interval."""
    cuts, shift = (
        sorted(draw(st.lists(st.integers(0, 20), min_size=2, max_size=8, unique=True))),
        draw(st.integers(0, 16)),
    )
    days = [date(2000, 1, 1) + timedelta(days=17 * cut + shift) for cut in cuts]
    pairs = [(a, b - timedelta(days=1)) for a, b in zip(days[:-1], days[1:], strict=True)]
    if draw(st.booleans()):
        pairs.append((days[-1], days[0] - timedelta(days=1)))  # over New Year, or the year's rest
    return {f"s{i}": [f"{a:%m-%d}", f"{b:%m-%d}"] for i, (a, b) in enumerate(pairs)}


@given(st.data())
def test_an_interval_goes_by_its_middle_day(data: st.DataObject) -> None:
    scheme = season_scheme(data.draw(st.composite(random_dates)()), name="drawn")
    several = [(season, season.intervals, season.period) for season in seasons(range(1995, 2006), scheme=scheme)]
    for number in range(interval_id(1998, 1), interval_id(2003, 1)):
        middle = interval_period(number).middle
        holders = [season for season, intervals, _ in several if number in intervals]
        assert len(holders) <= 1
        assert holders == [season for season, _, period in several if period.contains(middle)]
        if number % 5 == 0:
            assert season_of_interval(number, scheme=scheme) == (holders[0] if holders else None)


def test_ones_own_scheme_travels() -> None:
    dry, wet = seasons([2019], scheme=season_scheme(DRY_WET, name="two"))
    assert (dry.name, wet.name, dry.index, wet.index) == ("dry", "wet", 0, 1)
    assert str(dry.period) == "2019.01.01..2019.05.07" and str(dry.true_period) == "2019.01.01..2019.05.08"
    assert wet.intervals == tuple(range(interval_id(2019, 9), interval_id(2019, 23) + 1))
    assert str(wet.period) == str(wet.true_period) == "2019.05.08..2019.12.31"
    back = pickle.loads(pickle.dumps(dry))
    assert back == dry and hash(back) == hash(dry) and back.intervals == dry.intervals and len({back, dry, wet}) == 2
    assert season_of(wet.period, scheme=wet.scheme) == wet and season_of(wet.period) is None


def test_equal_seasons_are_equal_however_their_scheme_was_given() -> None:
    assert Season("odse", "winter", 2019) == Season(SCHEMES["odse"], "winter", 2019)
    assert hash(Season(SCHEMES["slide"], "fall", 2019)) == hash(Season("slide", "fall", 2019))
    assert Season("odse", "winter", 2019) != Season("calendar", "winter", 2019)
    renamed = season_scheme(DRY_WET, name="odse")
    assert Season(renamed, "dry", 2019).scheme == renamed != SCHEMES["odse"]


def test_seasons_are_in_the_order_of_time_however_they_are_written() -> None:
    written = {"wet": ["05-08", "12-01"], "dry": ["12-02", "05-07"]}
    scheme = season_scheme(written)
    assert scheme.names == ("dry", "wet")
    dry = Season(scheme, "dry", 2019)
    assert (dry.period.start, dry.year, dry.intervals[0]) == (date(2018, 12, 2), 2019, interval_id(2018, 22))


def test_intervals_alone_take_the_dates_of_leap_years() -> None:
    scheme = season_scheme({"rest": {"intervals": [-1, 0, "1..5"]}, "growth": {"intervals": "6..21"}})
    assert Season(scheme, "rest", 2019).period == Season("odse", "winter", 2019).period
    assert Season(scheme, "growth", 2019).period == Period(date(2019, 3, 21), date(2019, 12, 1))


def test_the_last_of_february() -> None:
    scheme = season_scheme({"a": ["01-01", "02-29"], "b": ["03-01", "12-31"]})
    assert [Season(scheme, "a", year).period.end.day for year in (2019, 2020)] == [28, 29]
    assert SeasonRule("day", dates=((1, 8), (1, 8))).days(2019) == (date(2019, 1, 8), date(2019, 1, 8))
    late = SeasonRule("late", dates=((2, 29), (6, 30)))
    assert [late.days(year)[0].isoformat() for year in (2019, 2020)] == ["2019-03-01", "2020-02-29"]


@pytest.mark.parametrize(
    ("given_", "sentence"),
    [
        ({}, "cannot use scheme 'own', because the number of its seasons is 0; give at least one"),
        ({"a": {"intervals": "1..8"}, "b": {"intervals": "8..12"}},
         "cannot use scheme 'own', because the place of interval 8 is in 'a' and 'b'; leave it in one"),
        ({"a": ["11-01", "03-31"], "b": ["03-01", "06-30"]},
         "cannot use scheme 'own', because the place of interval 5 is in 'a' and 'b'; leave it in one"),
        ({"a": {"intervals": "-1..22"}},
         "cannot use scheme 'own', because the place of interval 22 is in 'a' of two years; leave it in one"),
        ({"a": {"intervals": [1, 3]}},
         "cannot use season 'a', because its intervals is [1, 3], not in a row; write them as 1..8"),
        ({"a": {"intervals": "20..25"}},
         "cannot use season 'a', because its intervals is 20 to 25; count from -22 (of the year before) to 23, ending in 1 to 23"),
        ({"a": {"intervals": "-3..0"}},
         "cannot use season 'a', because its intervals is -3 to 0; count from -22 (of the year before) to 23, ending in 1 to 23"),
        ({"a": {"intervals": True}},
         "cannot use season 'a', because one of its intervals is True; write a whole number or 1..8"),
        ({"a": ["01-01"]}, "cannot use season 'a', because its dates is ['01-01']; write two, [MM-DD, MM-DD]"),
        ({"a": ["1 May", "06-01"]}, "cannot use season 'a', because one of its dates is '1 May'; write it as '05-07'"),
        ({"a": ["02-30", "06-01"]}, "cannot use season 'a', because one of its dates is 02-30; write month and day"),
        ({"a": ["01-01", "01-05"]}, "cannot use season 'a', because the number of its intervals is 0; "
         "give dates with the middle of one between them"),
        ({"a": {"intervals": "1..4", "dates": ["09-01", "10-31"]}}, "cannot use season 'a', because the span of its dates is "
         "2001-09-01 to 2001-10-31, beside its intervals; give dates that overlap them"),
        ({"a": {"interval": "1..8"}}, "cannot use season 'a', because its content is {'interval': '1..8'}; "
         "write [MM-DD, MM-DD] or {intervals: [1..8], dates: [MM-DD, MM-DD]}"),
        ({"A B": ["01-01", "05-07"]}, "cannot use season 'A B', because its name is 'A B'; "
         "write small letters, digits and hyphens"),
    ],
)  # fmt: skip
def test_bad_schemes_are_refused(given_: dict[str, object], sentence: str) -> None:
    with pytest.raises(PeriodError) as caught:
        season_scheme(given_)
    assert str(caught.value) == sentence


def test_refused() -> None:
    with pytest.raises(PeriodError, match="cannot number an interval of 2019, because its place is 24; give 1 to 23"):
        interval_id(2019, 24)
    with pytest.raises(
        PeriodError, match="its name is 'monthly'; write one of odse, calendar, slide, bimonthly, or your own"
    ):
        seasons([2019], scheme="monthly")
    missing = (
        "cannot find season 'autumn', because it in scheme 'odse' is missing; take one of winter, spring, summer, fall"
    )
    with pytest.raises(PeriodError, match=missing):
        Season("odse", "autumn", 2019)
    with pytest.raises(PeriodError, match="the number of its seasons 'a' is 2; keep one"):
        SeasonScheme("twice", (SeasonRule("a", (1, 2)), SeasonRule("a", (3, 4))))


@given(st.dates(), st.dates())
def test_a_period_is_printed_with_four_figures_of_the_year(one: date, other: date) -> None:
    period = Period(min(one, other), max(one, other))
    text = format_time(period)
    days = text.split("..")
    if len(text) in (4, 10) and all(len(day) == 4 for day in days):
        assert period == Period(date(int(days[0]), 1, 1), date(int(days[-1]), 12, 31))
    else:
        assert [date(*map(int, day.split("."))) for day in days] == [period.start, period.end] and len(text) == 22


def test_intervals_of_a_period() -> None:
    assert interval_ids(Period.of_year(2019)) == list(range(interval_id(2019, 1), interval_id(2019, 23) + 1))
    assert isleap(2020) and interval_ids(Season("odse", "winter", 2020).true_period) == [919, 920, *range(921, 926)]


INTERVALS = """
1 1 1 Jan 16 Jan 1 Jan 16 Jan
2 17 17 Jan 1 Feb 17 Jan 1 Feb
3 33 2 Feb 17 Feb 2 Feb 17 Feb
4 49 18 Feb 4 Mar 18 Feb 5 Mar
5 65 5 Mar 20 Mar 6 Mar 21 Mar
6 81 21 Mar 5 Apr 22 Mar 6 Apr
7 97 6 Apr 21 Apr 7 Apr 22 Apr
8 113 22 Apr 7 May 23 Apr 8 May
9 129 8 May 23 May 9 May 24 May
10 145 24 May 8 Jun 25 May 9 Jun
11 161 9 Jun 24 Jun 10 Jun 25 Jun
12 177 25 Jun 10 Jul 26 Jun 11 Jul
13 193 11 Jul 26 Jul 12 Jul 27 Jul
14 209 27 Jul 11 Aug 28 Jul 12 Aug
15 225 12 Aug 27 Aug 13 Aug 28 Aug
16 241 28 Aug 12 Sep 29 Aug 13 Sep
17 257 13 Sep 28 Sep 14 Sep 29 Sep
18 273 29 Sep 14 Oct 30 Sep 15 Oct
19 289 15 Oct 30 Oct 16 Oct 31 Oct
20 305 31 Oct 15 Nov 1 Nov 16 Nov
21 321 16 Nov 1 Dec 17 Nov 2 Dec
22 337 2 Dec 17 Dec 3 Dec 18 Dec
23 353 18 Dec 31 Dec 19 Dec 31 Dec
"""
"""Place, first day of the year, first and last day in leap years, then in common years: GLAD's own calendar."""


def test_the_calendar_of_the_archive() -> None:
    rows = [line.split() for line in INTERVALS.strip().splitlines()]
    assert len(rows) == 23
    for place, first, *words in rows:
        days = [f"{day} {month}" for day, month in zip(words[::2], words[1::2], strict=True)]
        for year, known in ((2020, days[:2]), (2019, days[2:])):
            number = interval_id(year, int(place))
            period = interval_period(number)
            assert [f"{d.day} {d:%b}" for d in (period.start, period.end)] == known
            assert period.start.timetuple().tm_yday == int(first)
            assert interval_of_id(number) == (year, int(place))
    anchors = {
        (1997, 1): 392,
        (2018, 1): 875,
        (2018, 23): 897,
        (2019, 12): 909,
        (2020, 23): 943,
        (2021, 1): 944,
        (2023, 23): 1012,
    }
    assert {key: interval_id(*key) for key in anchors} == anchors
