"""Season schemes: which of the 23 sixteen-day intervals of a year make a season, and which dates its name carries.

A place counts intervals from the year's first, 1 to 23; 0 and below are those of the year before (0 is its 23rd, -1 its
22nd), so a winter that starts in December has places -1 to 5. A season belongs to the year of its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from odse.errors import PeriodError

INTERVALS_PER_YEAR = 23
MonthDay = tuple[int, int]
_LEAP, _COMMON = 2000, 2001


def interval_days(year: int, place: int) -> tuple[date, date]:
    """First and last day of an interval by its place in a year; places below 1 lie in the year before.

    >>> [day.isoformat() for day in interval_days(2019, -1)]
    ['2018-12-03', '2018-12-18']
    """
    back, i = divmod(place - 1, INTERVALS_PER_YEAR)
    start = date(year + back, 1, 1) + timedelta(days=16 * i)
    return start, date(year + back, 12, 31) if i == INTERVALS_PER_YEAR - 1 else start + timedelta(days=15)


@dataclass(frozen=True)
class SeasonRule:
    """One season of a scheme: its intervals by place, or its dates alone.

    Raises PeriodError for a name that is no word, for places that are not in a row from -22 to 23 or do not end in the year, and
    for dates that are no days or lie beside the intervals.
    """

    name: str
    places: tuple[int, ...] = ()
    """Empty: the intervals whose middle day lies between the dates, which are then true calendar dates."""
    dates: tuple[MonthDay, MonthDay] | None = None
    """(month, day) of the first and the last day as names carry them. None: those of the intervals in leap years."""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise self._refuse("its name", repr(self.name), "write small letters, digits and hyphens")
        if not self.places and self.dates is None:
            raise self._refuse("it", "without intervals and without dates", "give one of them, or both")
        if self.places:
            object.__setattr__(self, "places", tuple(self.places))
            self._check_places()
        if self.dates is None:
            first = interval_days(_LEAP, (self.places[0] - 1) % INTERVALS_PER_YEAR + 1)[0]
            last = interval_days(_LEAP, self.places[-1])[1]
            object.__setattr__(self, "dates", ((first.month, first.day), (last.month, last.day)))
        for month, day in self.dates or ():
            try:
                date(_LEAP, month, day)
            except ValueError:
                raise self._refuse("one of its dates", f"{month:02d}-{day:02d}", "write month and day") from None
        if not self.intervals(_COMMON):
            raise self._refuse("the number of its intervals", 0, "give dates with the middle of one between them")
        if self.places:
            (first, last), (start, end) = self.days(_COMMON), self.interval_span(_COMMON)
            if last < start or end < first:
                raise self._refuse(
                    "the span of its dates", f"{first} to {last}, beside its intervals", "give dates that overlap them"
                )

    def _check_places(self) -> None:
        first, last = self.places[0], self.places[-1]
        if self.places != tuple(range(first, last + 1)):
            raise self._refuse("its intervals", f"{list(self.places)}, not in a row", "write them as 1..8")
        if not (first > -INTERVALS_PER_YEAR and 1 <= last <= INTERVALS_PER_YEAR):
            raise self._refuse(
                "its intervals", f"{first} to {last}", "count from -22 (of the year before) to 23, ending in 1 to 23"
            )

    def _refuse(self, what: str, value: object, remedy: str) -> PeriodError:
        return PeriodError.sentence("use", f"season {self.name!r}", what, value, remedy)

    def days(self, year: int) -> tuple[date, date]:
        """The dates that names carry; from December to March starts in the year before. 29 February gives way in common years.

        >>> [day.isoformat() for day in SeasonRule("rest", dates=((11, 1), (2, 29))).days(2019)]
        ['2018-11-01', '2019-02-28']
        """
        assert self.dates is not None
        first, last = self.dates
        start, end = _day(year - (first > last), first), _day(year, last)
        return (start + timedelta(days=1) if first == (2, 29) and start.day == 28 else start), end

    def intervals(self, year: int) -> tuple[int, ...]:
        """Places of the intervals, ascending."""
        return self.places or _places_between(*self.days(year))

    def interval_span(self, year: int) -> tuple[date, date]:
        """The days that its intervals cover."""
        places = self.intervals(year)
        return interval_days(year, places[0])[0], interval_days(year, places[-1])[1]


@dataclass(frozen=True)
class SeasonScheme:
    """How a year is cut into seasons, in the order of time. Holds only text and numbers, so it travels to workers as it is.

    Raises PeriodError when a season stands twice or an interval of any year is in two seasons.
    """

    name: str
    rules: tuple[SeasonRule, ...]

    def __post_init__(self) -> None:
        if not self.rules:
            raise PeriodError.sentence(
                "use", f"scheme {self.name!r}", "the number of its seasons", 0, "give at least one"
            )
        object.__setattr__(self, "rules", tuple(sorted(self.rules, key=lambda rule: rule.interval_span(_COMMON))))
        names = [rule.name for rule in self.rules]
        for name in names:
            if names.count(name) > 1:
                raise PeriodError.sentence(
                    "use", f"scheme {self.name!r}", f"the number of its seasons {name!r}", names.count(name), "keep one"
                )
        owner: dict[int, tuple[str, int]] = {}
        for year in range(1996, 2006):  # common and leap years in every order
            for rule in self.rules:
                for place in rule.intervals(year):
                    one = owner.setdefault(year * INTERVALS_PER_YEAR + place, (rule.name, year))
                    if one != (rule.name, year):
                        i = (place - 1) % INTERVALS_PER_YEAR + 1
                        both = f"{one[0]!r} and {rule.name!r}" if one[0] != rule.name else f"{rule.name!r} of two years"
                        raise PeriodError.sentence(
                            "use",
                            f"scheme {self.name!r}",
                            f"the place of interval {i}",
                            f"in {both}",
                            "leave it in one",
                        )

    @property
    def names(self) -> tuple[str, ...]:
        """The seasons of a year in the order of time."""
        return tuple(rule.name for rule in self.rules)

    def rule(self, name: str) -> SeasonRule:
        """The season of this name. Raises PeriodError for an unknown one."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise PeriodError.sentence(
            "find", f"season {name!r}", f"it in scheme {self.name!r}", "missing", f"take one of {', '.join(self.names)}"
        )


def season_scheme(value: str | Mapping[str, Any] | SeasonScheme, *, name: str = "own") -> SeasonScheme:
    """The scheme of this name, or one's own from what a recipe holds.

    A mapping has one entry a season: two dates ``[MM-DD, MM-DD]``, and the intervals with their middle day between them are the
    season's; or ``{intervals: [...], dates: [...]}``, where intervals are places, also as ``1..8``, and dates, those that
    names carry, may be left out. ``name`` is what errors call it. Raises PeriodError.

    >>> season_scheme({"dry": {"intervals": "1..8"}, "wet": ["05-08", "12-31"]}).rule("wet").intervals(2019)
    (9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
    """
    if isinstance(value, SeasonScheme):
        return value
    if isinstance(value, str):
        if value not in SCHEMES:
            raise PeriodError.sentence(
                "use",
                "a season scheme",
                "its name",
                repr(value),
                f"write one of {', '.join(SCHEMES)}, or your own seasons",
            )
        return SCHEMES[value]
    return SeasonScheme(name, tuple(_rule(str(season), given) for season, given in value.items()))


def _rule(season: str, given: Any) -> SeasonRule:
    remedy = "write [MM-DD, MM-DD] or {intervals: [1..8], dates: [MM-DD, MM-DD]}"
    parts = given if isinstance(given, Mapping) else {"dates": given}
    if not parts or not set(parts) <= {"intervals", "dates"}:
        raise PeriodError.sentence("use", f"season {season!r}", "its content", repr(given), remedy)
    dates = parts.get("dates")
    if dates is not None:
        if not isinstance(dates, Sequence) or isinstance(dates, str) or len(dates) != 2:
            raise PeriodError.sentence(
                "use", f"season {season!r}", "its dates", repr(dates), "write two, [MM-DD, MM-DD]"
            )
        dates = tuple(_month_day(season, one) for one in dates)
    return SeasonRule(season, tuple(_places(season, parts.get("intervals"))), dates)


def _month_day(season: str, text: Any) -> MonthDay:
    match = re.fullmatch(r"([0-9]{2})-([0-9]{2})", text) if isinstance(text, str) else None
    if match is None:
        raise PeriodError.sentence("use", f"season {season!r}", "one of its dates", repr(text), "write it as '05-07'")
    return int(match[1]), int(match[2])


def _places(season: str, given: Any) -> Iterator[int]:
    if given is None:
        return
    for one in given if isinstance(given, Sequence) and not isinstance(given, str) else [given]:
        if isinstance(one, int) and not isinstance(one, bool):
            yield one
        elif isinstance(one, str) and (match := re.fullmatch(r"(-?[0-9]{1,2})\.\.(-?[0-9]{1,2})", one)):
            yield from range(int(match[1]), int(match[2]) + 1)
        else:
            raise PeriodError.sentence(
                "use", f"season {season!r}", "one of its intervals", repr(one), "write a whole number or 1..8"
            )


def _day(year: int, month_day: MonthDay) -> date:
    month, day = month_day
    try:
        return date(year, month, day)
    except ValueError:
        return date(year, month, 28)  # 29 February of a common year


@lru_cache(maxsize=4096)
def _places_between(start: date, end: date) -> tuple[int, ...]:
    """Places, in the year of the end, of the intervals whose middle day lies between two days."""
    found = []
    for place in range(1 - INTERVALS_PER_YEAR, INTERVALS_PER_YEAR + 1):
        first, last = interval_days(end.year, place)
        if start <= first + (last - first) // 2 <= end:
            found.append(place)
    return tuple(found)


_DATES = {
    "winter": ("12-02", "03-20"),
    "spring": ("03-21", "06-24"),
    "summer": ("06-25", "09-12"),
    "fall": ("09-13", "12-01"),
}
_BUILT_IN: dict[str, dict[str, Any]] = {
    "odse": {
        "winter": {"intervals": "-1..5"},
        "spring": {"intervals": "6..11"},
        "summer": {"intervals": "12..16"},
        "fall": {"intervals": "17..21"},
    },
    "calendar": _DATES,
    "slide": {
        "winter": {"intervals": "1..5"},
        "spring": {"intervals": "6..11"},
        "summer": {"intervals": "12..17"},
        "fall": {"intervals": "18..23"},
    },
    "bimonthly": {
        "0101-0228": {"intervals": "1..4", "dates": ("01-01", "02-28")},
        "0301-0430": {"intervals": "5..8", "dates": ("03-01", "04-30")},
        "0501-0630": {"intervals": "9..12", "dates": ("05-01", "06-30")},
        "0701-0831": {"intervals": "13..16", "dates": ("07-01", "08-31")},
        "0901-1031": {"intervals": "17..20", "dates": ("09-01", "10-31")},
        "1101-1231": {"intervals": "21..23", "dates": ("11-01", "12-31")},
    },
}
SCHEMES: dict[str, SeasonScheme] = {name: season_scheme(seasons, name=name) for name, seasons in _BUILT_IN.items()}
"""``odse``: the published seasons, dated as in leap years. ``calendar``: the same dates taken as true ones, for archives without
intervals. ``slide``: four seasons within one year, for comparison only. ``bimonthly``: the six composites of GLAD ARD2."""
