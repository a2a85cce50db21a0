"""Depth in layer names. The letter ``s`` means "soil, below surface" in convention v1 and "surface" in v2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from odse.errors import LayerNameError
from odse.layer.codes import Convention

Kind = Literal["surface", "below", "above", "na", "any"]
_CM = "(0|[1-9][0-9]*)"


@dataclass(frozen=True)
class Depth:
    """Where in the vertical a layer is: the surface, a depth or an interval in cm, not applicable, or any (in a pattern of names).

    Raises LayerNameError for a bottom above the top, and for centimetres of what has none.
    """

    kind: Kind = "surface"
    top_cm: int = 0
    bottom_cm: int = 0
    spelling: Literal["..", "t"] = ".."
    """v2 writes intervals as ``b0cm..30cm`` or ``b30t60cm``; kept so that printing gives back what was read."""

    def __post_init__(self) -> None:
        span = f"{self.top_cm} to {self.bottom_cm} cm"
        if not 0 <= self.top_cm <= self.bottom_cm:
            raise LayerNameError.sentence("make", "a depth", "its span", span, "write the smaller number first")
        if self.kind not in ("below", "above") and self.bottom_cm:
            raise LayerNameError.sentence("make", "a depth", f"its span at {self.kind!r}", span, "leave it out")
        if self.spelling == "t" and self.top_cm == self.bottom_cm:
            raise LayerNameError.sentence("make", "a depth", "its spelling", "'t' without an interval", "leave it out")

    def format(self, convention: Convention) -> str:
        """The code in a convention. Raises LayerNameError where it has none.

        >>> Depth("below", 30, 30).format("v1"), Depth("below", 30, 30).format("v2"), Depth().format("v1")
        ('s30..30cm', 'b30cm', '0..0cm')
        """
        if self.kind == "any":
            return "*"
        if self.kind == "surface":
            return {"v1": "0..0cm", "v2": "s", "old": "s0..0cm"}[convention]
        if convention != "v2":
            if self.kind == "na":
                return "na"
            if self.kind == "above":
                raise LayerNameError.sentence(
                    "format",
                    "a depth",
                    "its place",
                    f"above ground, which {convention} cannot say",
                    "use convention v2",
                )
            return f"{'s' if convention == 'v1' else 'b'}{self.top_cm}..{self.bottom_cm}cm"
        if self.kind == "na":
            raise LayerNameError.sentence(
                "format", "a depth", "it", "`na`, which v2 cannot say", "write the surface, `s`"
            )
        letter = "b" if self.kind == "below" else "a"
        if self.top_cm == self.bottom_cm:
            return f"{letter}{self.top_cm}cm"
        if self.spelling == "t":
            return f"{letter}{self.top_cm}t{self.bottom_cm}cm"
        return f"{letter}{self.top_cm}cm..{self.bottom_cm}cm"


def parse_depth(text: str, convention: Convention) -> Depth:
    """The depth a code means in a convention. Raises LayerNameError.

    >>> parse_depth("b0cm..30cm", "v2")
    Depth(kind='below', top_cm=0, bottom_cm=30, spelling='..')
    """
    if convention == "v2":
        if text == "s":
            return Depth()
        if match := re.fullmatch(rf"([ab]){_CM}(?:(cm\.\.|t){_CM})?cm", text):
            top, bottom = int(match[2]), int(match[4] or match[2])
            if match[4] is None or top < bottom:
                return Depth("below" if match[1] == "b" else "above", top, bottom, "t" if match[3] == "t" else "..")
    elif convention == "v1":
        if text == "0..0cm":
            return Depth()
        if text == "na":
            return Depth("na")
        if match := re.fullmatch(rf"s{_CM}\.\.{_CM}cm", text):
            return Depth("below", int(match[1]), int(match[2]))
    else:  # in the old names s is the surface and b is below it
        if text == "s0..0cm":
            return Depth()
        if match := re.fullmatch(rf"b{_CM}\.\.{_CM}cm", text):
            return Depth("below", int(match[1]), int(match[2]))
    raise LayerNameError.sentence(
        "parse", f"depth {text!r}", f"its form in {convention}", "unknown", "see names, depth codes"
    )
