"""Drawing primitives: shapes as SVG text that stands inline in a page. Colours come from the page's style by class.

Everything returns markup that needs no escaping; whatever text is handed in is escaped. Numbers have a fixed form, so
equal input gives equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

Ring = Sequence[tuple[float, float]]
"""Places (x, y) in metres along a closed line."""


def number(value: float, digits: int = 2) -> str:
    """A number with at most so many digits after the point, without trailing zeros.

    >>> number(2.50), number(-0.001), number(1e6)
    ('2.5', '0', '1000000')
    """
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def element(name: str, *content: str, **attributes: str | float | None) -> Markup:
    """One element. ``class_`` and ``stroke_width`` become class and stroke-width; an attribute of None is left out.

    >>> print(element("text", "a < b", x=1.0, class_="soft", dy=None))
    <text x="1" class="soft">a &lt; b</text>
    """
    words = [name]
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else number(value)
            words.append(f'{key.rstrip("_").replace("_", "-")}="{escape(text)}"')
    inside = Markup("").join(escape(part) for part in content)
    return Markup(f"<{' '.join(words)}>{inside}</{name}>")


def picture(width: float, height: float, *content: str, title: str, words: str, class_: str | None = None) -> Markup:
    """A picture of so many CSS pixels that shrinks with its column. ``words`` say in a sentence what it shows."""
    return element(
        "svg",
        element("title", title),
        *content,
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=words,
        class_=class_,
    )


def text(x: float, y: float, words: str, *, class_: str | None = None, anchor: str | None = None) -> Markup:
    """Words at a place; ``anchor`` is start, middle or end."""
    return element("text", words, x=x, y=y, class_=class_, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, *, class_: str | None = None) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rect(
    x: float, y: float, width: float, height: float, *, class_: str | None = None, title: str = "", round_: float = 0
) -> Markup:
    """A rectangle; ``title`` is shown when one points at it."""
    inside = (element("title", title),) if title else ()
    return element(
        "rect", *inside, x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), rx=round_ or None, class_=class_
    )


def circle(x: float, y: float, radius: float, *, class_: str | None = None, title: str = "") -> Markup:
    """A disc; ``title`` is shown when one points at it."""
    inside = (element("title", title),) if title else ()
    return element("circle", *inside, cx=x, cy=y, r=radius, class_=class_)


def nice(value: float) -> float:
    """The largest of 1, 2, 5 times a power of ten that is not above a positive value.

    >>> nice(730), nice(0.03), nice(5)
    (500.0, 0.02, 5.0)
    """
    power = 10.0 ** math.floor(math.log10(value))
    return float(f"{max(m for m in (1, 2, 5) if m * power <= value * (1 + 1e-9)) * power:.12g}")


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """At most so many evenly spaced nice numbers from low to high.

    >>> ticks(0, 88, 5), ticks(0.0, 1.0, 6)
    ([0.0, 20.0, 40.0, 60.0, 80.0], [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    """
    if not high > low:
        return [low]
    step = nice((high - low) / most)
    while True:
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
        step = nice(step * 2.5)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


@dataclass(frozen=True)
class View:
    """How places in metres become places in a picture: one scale for both axes, north up."""

    left: float
    top: float
    """The place of the picture's corner, in metres."""
    scale: float
    """CSS pixels a metre."""
    width: float
    height: float
    """Of the picture, in CSS pixels."""

    @classmethod
    def fit(
        cls,
        bounds: tuple[float, float, float, float],
        *,
        width: float,
        highest: float,
        margin: float = 12,
        below: float = 0,
    ) -> View:
        """The view of bounds (left, bottom, right, top): as wide as ``width`` or as high as ``highest``, whichever binds.

        ``margin`` pixels stay free on each side, and ``below`` more at the foot.

        >>> view = View.fit((0, 0, 100, 50), width=220, highest=500, margin=10)
        >>> view.scale, view.height, view.x(100), view.y(0)
        (2.0, 120.0, 210.0, 110.0)
        """
        left, bottom, right, top = bounds
        wide, high = max(right - left, 1e-9), max(top - bottom, 1e-9)
        scale = min((width - 2 * margin) / wide, (highest - 2 * margin - below) / high)
        corner = left - margin / scale, top + margin / scale
        return cls(*corner, scale, wide * scale + 2 * margin, high * scale + 2 * margin + below)

    def x(self, east: float) -> float:
        return (east - self.left) * self.scale

    def y(self, north: float) -> float:
        return (self.top - north) * self.scale

    def square(
        self, x: float, y: float, size: float, *, class_: str | None = None, title: str = "", gap: float = 0.0
    ) -> Markup:
        """The square of ``size`` metres whose south-west corner is (x, y), drawn smaller by ``gap`` pixels."""
        side = size * self.scale - gap
        return rect(
            self.x(x) + gap / 2,
            self.y(y + size) + gap / 2,
            side,
            side,
            class_=class_,
            title=title,
            round_=min(3, side / 8),
        )

    def outline(self, rings: Sequence[Ring], *, class_: str) -> Markup:
        """Closed lines; a ring within a ring is a hole."""
        parts = []
        for ring in rings:
            places = " ".join(f"{number(self.x(x), 1)},{number(self.y(y), 1)}" for x, y in ring)
            parts.append(f"M{places}Z")
        return element("path", d="".join(parts), class_=class_, fill_rule="evenodd")

    def scale_bar(self) -> Markup:
        """A bar of a round number of metres, at the lower left."""
        metres = nice(max(self.width * 0.3 / self.scale, 1e-6))
        words = f"{number(metres / 1000)} km" if metres >= 1000 else f"{number(metres)} m"
        y, length = self.height - 8, metres * self.scale
        return element(
            "g",
            element(
                "path", d=f"M8,{number(y - 5)}V{number(y)}H{number(8 + length)}V{number(y - 5)}", class_="bar-line"
            ),
            text(12, y - 5, words, class_="tick"),
            class_="scale-bar",
        )


def north_arrow(view: View) -> Markup:
    """Grid north, at the upper right."""
    x = view.width - 14
    return element(
        "g",
        element("path", d=f"M{number(x)},6l5,14l-5,-3l-5,3z", class_="north"),
        text(x, 32, "N", class_="tick", anchor="middle"),
    )
