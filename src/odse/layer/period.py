"""Periods, the 23 sixteen-day intervals of a year, and the seasons made of them.

Interval ids follow GLAD Landsat ARD (Potapov et al. 2020, doi 10.3390/rs12030426): ``id = (year - 1980) * 23 + i`` with
i = 1..23, starting on day-of-year ``16 (i - 1) + 1``; interval 23 ends with the year.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from odse.errors import PeriodError

INTERVALS_PER_YEAR = 23


@dataclass(frozen=True, order=True)
class Period:
    """A closed span of days."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise PeriodError.sentence("make", "a period", "its end", f"{self.end}, before {self.start}", "swap them")

    @classmethod
    def of_year(cls, year: int) -> Period:
        """The whole year.

        >>> Period.of_year(2019).days
        365
        """
        return cls(date(year, 1, 1), date(year, 12, 31))

    @property
    def days(self) -> int:
        """Number of days, both ends counted."""
        return (self.end - self.start).days + 1

    @property
    def year(self) -> int:
        """The year it belongs to: that of its end."""
        return self.end.year

    @property
    def middle(self) -> date:
        return self.start + timedelta(days=(self.days - 1) // 2)

    def contains(self, day: date) -> bool:
        return self.start <= day <= self.end

    def overlaps(self, other: Period) -> bool:
        return self.start <= other.end and other.start <= self.end

    def __str__(self) -> str:
        return format_time(self)


def format_time(period: Period) -> str:
    """The period as ODSE names write it.

    >>> format_time(Period.of_year(2019)), format_time(Period(date(2000, 1, 1), date(2019, 12, 31)))
    ('2019', '2000..2019')
    >>> format_time(Period(date(2019, 6, 25), date(2019, 9, 12)))
    '2019.06.25..2019.09.12'
    """
    start, end = period.start, period.end
    if (start.month, start.day, end.month, end.day) == (1, 1, 12, 31):
        return f"{start.year}" if start.year == end.year else f"{start.year}..{end.year}"
    return f"{start:%Y.%m.%d}..{end:%Y.%m.%d}"


def interval_id(year: int, i: int) -> int:
    """Id of the i-th interval of a year.

    >>> interval_id(1997, 1), interval_id(2019, 12)
    (392, 909)
    """
    if not 1 <= i <= INTERVALS_PER_YEAR:
        raise PeriodError.sentence("number", f"an interval of {year}", "its place", i, "give 1 to 23")
    return (year - 1980) * INTERVALS_PER_YEAR + i


def interval_of_id(number: int) -> tuple[int, int]:
    """Year and place (1..23) of an interval id; the inverse of :func:`interval_id`."""
    year, i = divmod(number - 1, INTERVALS_PER_YEAR)
    return year + 1980, i + 1


def interval_period(number: int) -> Period:
    """True calendar days of an interval.

    >>> str(interval_period(909)), str(interval_period(932))
    ('2019.06.26..2019.07.11', '2020.06.25..2020.07.10')
    """
    year, i = interval_of_id(number)
    start = date(year, 1, 1) + timedelta(days=16 * (i - 1))
    end = date(year, 12, 31) if i == INTERVALS_PER_YEAR else start + timedelta(days=15)
    return Period(start, end)


def interval_ids(period: Period) -> list[int]:
    """Ids of the intervals whose middle day lies in a period."""
    first, last = interval_id(period.start.year, 1), interval_id(period.end.year, INTERVALS_PER_YEAR)
    return [number for number in range(first, last + 1) if period.contains(interval_period(number).middle)]


_ODSE: dict[str, tuple[tuple[int, ...], tuple[int, int, int], tuple[int, int, int]]] = {
    "winter": ((-1, 0, 1, 2, 3, 4, 5), (-1, 12, 2), (0, 3, 20)),
    "spring": ((6, 7, 8, 9, 10, 11), (0, 3, 21), (0, 6, 24)),
    "summer": ((12, 13, 14, 15, 16), (0, 6, 25), (0, 9, 12)),
    "fall": ((17, 18, 19, 20, 21), (0, 9, 13), (0, 12, 1)),
}
"""Season -> intervals counted from the year's first (-1 and 0 are 22 and 23 of the year before), name dates."""


@dataclass(frozen=True)
class Season:
    """One season of a scheme in a year; a winter belongs to the year of its end."""

    scheme: str
    name: str
    year: int

    @property
    def index(self) -> int:
        """Place in the scheme's year."""
        return list(_ODSE).index(self.name)

    @property
    def intervals(self) -> tuple[int, ...]:
        """Interval ids, ascending.

        >>> Season("odse", "winter", 2019).intervals
        (896, 897, 898, 899, 900, 901, 902)
        """
        return tuple(interval_id(self.year, 1) + place - 1 for place in _ODSE[self.name][0])

    @property
    def period(self) -> Period:
        """The dates that names carry: those of a leap year, in every year.

        >>> str(Season("odse", "winter", 2019).period)
        '2018.12.02..2019.03.20'
        """
        _, (dy0, m0, d0), (dy1, m1, d1) = _ODSE[self.name]
        return Period(date(self.year + dy0, m0, d0), date(self.year + dy1, m1, d1))

    @property
    def true_period(self) -> Period:
        """The days its intervals really cover."""
        return Period(interval_period(self.intervals[0]).start, interval_period(self.intervals[-1]).end)


def seasons(years: Iterable[int], *, scheme: str = "odse") -> list[Season]:
    """The seasons of some years in the order of time.

    >>> [(s.name, s.year) for s in seasons([2019])]
    [('winter', 2019), ('spring', 2019), ('summer', 2019), ('fall', 2019)]
    """
    _check_scheme(scheme)
    return [Season(scheme, name, year) for year in sorted(set(years)) for name in _ODSE]


def season_of(period: Period, *, scheme: str = "odse") -> Season | None:
    """The season with these dates (name dates or true ones), or None."""
    _check_scheme(scheme)
    for name in _ODSE:
        season = Season(scheme, name, period.end.year)
        if period in (season.period, season.true_period):
            return season
    return None


def _check_scheme(scheme: str) -> None:
    if scheme != "odse":
        raise PeriodError.sentence("use", "a season scheme", "its name", repr(scheme), "write 'odse'")
