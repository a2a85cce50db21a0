"""Depth in layer names. The letter ``s`` means "soil, below surface" in convention v1 and "surface" in v2."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from odse.errors import LayerNameError

Kind = Literal["surface", "below", "above", "na"]


@dataclass(frozen=True)
class Depth:
    """Where in the vertical a layer is: the surface, a depth or an interval in cm, or not applicable."""

    kind: Kind = "surface"
    top_cm: int = 0
    bottom_cm: int = 0
    spelling: Literal["..", "t"] = ".."
    """v2 writes intervals as ``b0cm..30cm`` or ``b30t60cm``; kept so that printing gives back what was read."""

    def format(self, convention: Literal["v1", "v2"]) -> str:
        """The code in a convention.

        >>> Depth("below", 30, 30).format("v1"), Depth("below", 30, 30).format("v2"), Depth().format("v1")
        ('s30..30cm', 'b30cm', '0..0cm')
        """
        if self.kind == "surface":
            return "0..0cm" if convention == "v1" else "s"
        if convention == "v1":
            if self.kind == "na":
                return "na"
            if self.kind == "above":
                raise LayerNameError.sentence(
                    "format", "a depth", "its place", "above ground, which v1 cannot say", "use convention v2"
                )
            return f"s{self.top_cm}..{self.bottom_cm}cm"
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


def parse_depth(text: str, convention: Literal["v1", "v2"]) -> Depth:
    """The depth a code means in a convention. Raises LayerNameError.

    >>> parse_depth("b0cm..30cm", "v2")
    Depth(kind='below', top_cm=0, bottom_cm=30, spelling='..')
    """
    if convention == "v1":
        if text == "0..0cm":
            return Depth()
        if text == "na":
            return Depth("na")
        if match := re.fullmatch(r"s(\d+)\.\.(\d+)cm", text):
            return Depth("below", int(match[1]), int(match[2]))
    else:
        if text == "s":
            return Depth()
        if match := re.fullmatch(r"([ab])(\d+)cm", text):
            return Depth("below" if match[1] == "b" else "above", int(match[2]), int(match[2]))
        if match := re.fullmatch(r"([ab])(\d+)(?:cm(\.\.)|(t))(\d+)cm", text):
            spelling: Literal["..", "t"] = ".." if match[3] else "t"
            return Depth("below" if match[1] == "b" else "above", int(match[2]), int(match[5]), spelling)
    raise LayerNameError.sentence(
        "parse", f"depth {text!r}", f"its form in {convention}", "unknown", "see names, depth codes"
    )
