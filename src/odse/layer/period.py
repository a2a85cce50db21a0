"""Periods, the 23 sixteen-day intervals of a year, and the seasons that a scheme makes of them.

Interval ids follow GLAD Landsat ARD (Potapov et al. 2020, doi 10.3390/rs12030426): ``id = (year - 1980) * 23 + i`` with
i = 1..23, starting on day-of-year ``16 (i - 1) + 1``; interval 23 ends with the year.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from odse.errors import PeriodError
from odse.layer.scheme import INTERVALS_PER_YEAR, SCHEMES, SeasonRule, SeasonScheme, interval_days, season_scheme


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
        return f"{start.year:04d}" if start.year == end.year else f"{start.year:04d}..{end.year:04d}"
    return f"{start.isoformat()}..{end.isoformat()}".replace("-", ".")


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
    return Period(*interval_days(*interval_of_id(number)))


def interval_ids(period: Period) -> list[int]:
    """Ids of the intervals whose middle day lies in a period."""
    first, last = interval_id(period.start.year, 1), interval_id(period.end.year, INTERVALS_PER_YEAR)
    return [number for number in range(first, last + 1) if period.contains(interval_period(number).middle)]


@dataclass(frozen=True)
class Season:
    """One season of a scheme in a year; a winter belongs to the year of its end.

    The scheme is a name of ``SCHEMES`` or one's own SeasonScheme, which then travels with the season. Raises PeriodError for a
    scheme or a season that is not there.
    """

    scheme: str | SeasonScheme
    name: str
    year: int

    def __post_init__(self) -> None:
        scheme = season_scheme(self.scheme)
        known = SCHEMES.get(scheme.name) == scheme  # one spelling, so that equal seasons are equal
        object.__setattr__(self, "scheme", scheme.name if known else scheme)
        scheme.rule(self.name)

    @property
    def rule(self) -> SeasonRule:
        """What the scheme says about it."""
        return season_scheme(self.scheme).rule(self.name)

    @property
    def index(self) -> int:
        """Place in the scheme's year."""
        return season_scheme(self.scheme).names.index(self.name)

    @property
    def intervals(self) -> tuple[int, ...]:
        """Interval ids, ascending.

        >>> Season("odse", "winter", 2019).intervals
        (896, 897, 898, 899, 900, 901, 902)
        """
        before = interval_id(self.year, 1) - 1
        return tuple(before + place for place in self.rule.intervals(self.year))

    @property
    def period(self) -> Period:
        """The dates that names carry: for seasons of intervals those of a leap year, in every year.

        >>> str(Season("odse", "winter", 2019).period)
        '2018.12.02..2019.03.20'
        """
        return Period(*self.rule.days(self.year))

    @property
    def true_period(self) -> Period:
        """The days it really covers: those of its intervals; of a season given by dates alone, these dates."""
        rule = self.rule
        return Period(*rule.interval_span(self.year)) if rule.places else self.period


def seasons(years: Iterable[int], *, scheme: str | SeasonScheme = "odse") -> list[Season]:
    """The seasons of some years in the order of time.

    >>> [(s.name, s.year) for s in seasons([2019])]
    [('winter', 2019), ('spring', 2019), ('summer', 2019), ('fall', 2019)]
    """
    names = season_scheme(scheme).names
    return [Season(scheme, name, year) for year in sorted(set(years)) for name in names]


def season_of(period: Period, *, scheme: str | SeasonScheme = "odse") -> Season | None:
    """The season with these dates (name dates or true ones), or None.

    >>> season_of(Period(date(2000, 1, 1), date(2000, 2, 28)), scheme="bimonthly")
    Season(scheme='bimonthly', name='0101-0228', year=2000)
    """
    for season in seasons([period.end.year], scheme=scheme):
        if period in (season.period, season.true_period):
            return season
    return None


def season_of_interval(number: int, *, scheme: str | SeasonScheme = "odse") -> Season | None:
    """The season an interval belongs to, or None where the scheme leaves it out.

    >>> season_of_interval(interval_id(2018, 22))
    Season(scheme='odse', name='winter', year=2019)
    """
    year, _ = interval_of_id(number)
    return next((season for season in seasons([year, year + 1], scheme=scheme) if number in season.intervals), None)
