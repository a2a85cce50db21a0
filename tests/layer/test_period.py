"""The interval calendar and the seasons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import PeriodError
from odse.layer.period import interval_id, interval_of_id, interval_period, season_of, seasons


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


def test_refused() -> None:
    with pytest.raises(PeriodError, match="cannot number an interval of 2019, because its place is 24; give 1 to 23"):
        interval_id(2019, 24)
