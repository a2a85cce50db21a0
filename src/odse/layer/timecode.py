"""Time codes in layer names: 2019, 201903, 2000..2019, two days."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date

from odse.errors import PeriodError
from odse.layer.codes import ANY
from odse.layer.period import Period, Season, format_time, season_of

SEASON_BY_MONTH = {"03": "winter", "06": "spring", "09": "summer", "12": "fall"}
"""The month in which a season ends, as the original writes it; its old viewer called the same codes spring to winter, in error."""


def is_seasonal(method: str) -> bool:
    """Whether YYYYMM means the season that ends in that month (composites of satellite images), not the month.

    >>> is_seasonal("landsat.glad.ard"), is_seasonal("et.eml")
    (True, False)
    """
    return method.lower().split(".", maxsplit=1)[0] in ("landsat", "sentinel")


def parse_time(text: str, *, method: str) -> tuple[Period | None, str]:
    """The period of a v1 time code, and the code itself where the period's own form differs from it; None for any.

    Raises PeriodError for what is no time.

    >>> period, printed = parse_time("201903", method="landsat.glad.ard")
    >>> str(period), printed
    ('2018.12.02..2019.03.20', '201903')
    """
    if text == ANY:
        return None, ""
    if re.fullmatch("[0-9]{6}", text) and is_seasonal(method) and text[4:] not in SEASON_BY_MONTH:
        months = "03, 06, 09 or 12"
        raise PeriodError.sentence(
            "read", "a time", "it", repr(text), f"end it with the month its season ends in, {months}"
        )
    try:
        if re.fullmatch("[0-9]{6}", text):
            return _of_month(int(text[:4]), text[4:], is_seasonal(method)), text
        first, _, last = text.partition("..")
        if len(first) == 4:
            period = Period(date(int(first), 1, 1), date(int(last or first), 12, 31))
        else:
            period = Period(*(date(*map(int, part.split("."))) for part in (first, last)))
    except (ValueError, PeriodError):
        raise PeriodError.sentence(
            "read", "a time", "it", repr(text), "write days of the calendar, the earlier first"
        ) from None
    return period, "" if format_time(period) == text else text


def parse_days(begin: str, end: str) -> Period | None:
    """The period of the two days of a v2 name; None for any. Raises PeriodError for what are no days.

    >>> str(parse_days("20141202", "20150320"))
    '2014.12.02..2015.03.20'
    """
    if ANY in (begin, end):
        return None
    try:
        return Period(*(date(int(day[:4]), int(day[4:6]), int(day[6:])) for day in (begin, end)))
    except (ValueError, PeriodError):
        raise PeriodError.sentence(
            "read", "a time", "it", f"{begin} to {end}", "write days of the calendar, the earlier first"
        ) from None


def format_day(day: date) -> str:
    """A day as v2 names write it.

    >>> format_day(date(2019, 6, 25))
    '20190625'
    """
    return day.isoformat().replace("-", "")


def format_month(period: Period, *, method: str) -> str | None:
    """YYYYMM of a season (by its name dates) or a month, whichever the method's products have; None where it is neither.

    >>> format_month(Period(date(2018, 12, 2), date(2019, 3, 20)), method="landsat.glad.ard")
    '201903'
    """
    if is_seasonal(method):
        season = season_of(period)
        if season is None or season.period != period:
            return None
        month = next(code for code, name in SEASON_BY_MONTH.items() if name == season.name)
        return f"{season.year:04d}{month}"
    code = format_day(period.start)[:6]
    return code if period == _of_month(period.start.year, code[4:], False) else None


def _of_month(year: int, month: str, seasonal: bool) -> Period:
    if not seasonal:
        return Period(date(year, int(month), 1), date(year, int(month), monthrange(year, int(month))[1]))
    return Season("odse", SEASON_BY_MONTH[month], year).period
