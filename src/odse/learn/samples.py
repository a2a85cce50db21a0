"""What a learner is given: samples with classes that have enough points."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from odse.errors import LearnError
from odse.layer.legend import Legend

Rare = Literal["merge-up", "drop", "refuse"]


def merge_rare(
    samples: pd.DataFrame, legend: Legend, *, min_per_class: int, rare: Rare = "merge-up"
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Samples without classes of fewer than ``min_per_class`` points, and one record per class that changed.

    ``merge-up``: rare classes of one group become the group (the rare ones only: code 31 then means "other forests"), first at
    level 2, then at level 1; what is still too rare is left out. ``drop`` leaves out, ``refuse`` raises LearnError. The
    table needs a column ``target``; rows are kept in order. Records hold code, count, became (or None), reason. Pure.
    """
    target = samples["target"].astype(str)
    original = target.copy()
    counts: dict[str, int] = {str(c): int(n) for c, n in target.value_counts().items()}
    few = sorted(code for code, count in counts.items() if count < min_per_class)
    if few and rare == "refuse":
        raise LearnError.sentence(
            "learn",
            f"class {few[0]}",
            "the number of its points",
            f"{counts[few[0]]} (of {min_per_class} needed)",
            "add points, lower `min_per_class` or set `rare: merge-up`",
        )
    if few and rare == "merge-up":
        legend.check_levels()
    for level in range(legend.levels - 1, 0, -1) if rare == "merge-up" else ():
        counts = {str(c): int(n) for c, n in target.value_counts().items()}
        few = sorted(code for code, count in counts.items() if count < min_per_class)
        parents = {code: legend.parent(code, level) for code in few if legend.level_of(code) > level}
        target = target.map(lambda code, to=parents: to.get(code, code))
    counts = {str(c): int(n) for c, n in target.value_counts().items()}
    left_out = {code for code, count in counts.items() if count < min_per_class}
    records = []
    for code, count in sorted(original.value_counts().items()):
        now = target[original == code].iloc[0]
        if now in left_out:
            reason = (
                f"left out: fewer than {min_per_class} points, also together with its rare neighbours in the legend"
            )
            records.append({"code": code, "count": int(count), "became": None, "reason": reason})
        elif now != code:
            reason = f"merged with other rare classes into {now} {legend.by_code[now].label}: fewer than {min_per_class} points"
            records.append({"code": code, "count": int(count), "became": now, "reason": reason})
    kept = ~target.isin(left_out)
    return samples.assign(target=target)[kept], records
