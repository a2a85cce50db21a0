"""Features as a learner takes them: classes as columns of their own, missing values by a stated rule.

Both are made once, of the samples, and kept with the Model (``to_dict``), so that pixels are treated as the samples were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from odse.errors import LearnError

Matrix = npt.NDArray[np.float32]
Rule = Literal["median", "drop"]


@dataclass(frozen=True)
class Categories:
    """A layer of classes and which of them become columns.

    >>> geology = Categories("geology", (1, 3, 8))
    >>> geology.columns
    ('geology_1', 'geology_3', 'geology_8')
    >>> geology.one_hot(np.array([3, 5, np.nan])).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [nan, nan, nan]]
    """

    name: str
    classes: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.classes or list(self.classes) != sorted(set(self.classes)):
            listed = ", ".join(map(str, self.classes)) or "empty"
            raise LearnError.sentence(
                "make",
                f"columns of `{self.name}`",
                "its list of classes",
                listed,
                "give each class once, in ascending order",
            )

    @classmethod
    def of(cls, name: str, values: npt.ArrayLike, *, at_most: int = 100) -> Categories:
        """The classes that occur in some values (NaN: missing). Raises LearnError for fractions, and for more than ``at_most``
        classes, which are rather numbers."""
        numbers = np.asarray(values, dtype=np.float64)
        found = np.unique(numbers[~np.isnan(numbers)])
        odd = found[found != np.floor(found)]
        if odd.size:
            raise LearnError.sentence(
                "make", f"columns of `{name}`", "one of its values", f"{odd[0]:g}, no class", "take it as a number"
            )
        if found.size > at_most:
            raise LearnError.sentence(
                "make",
                f"columns of `{name}`",
                "the number of its classes",
                f"{found.size} (of {at_most} at most)",
                "take it as a number, or list the classes that matter",
            )
        return cls(name, tuple(int(one) for one in found))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns: ``name_class``."""
        return tuple(f"{self.name}_{one}" for one in self.classes)

    def one_hot(self, values: npt.ArrayLike) -> Matrix:
        """(value, class) of values of any shape, row by row: 1 in the column of its class, 0 elsewhere. Pure.

        A class without a column is 0 in all of them (:meth:`unseen` counts such); a missing value is NaN in all.
        """
        numbers = np.asarray(values, dtype=np.float64).reshape(-1)
        matrix: Matrix = np.equal(numbers[:, None], np.array(self.classes, dtype=np.float64)).astype(np.float32)
        matrix[np.isnan(numbers)] = np.nan
        return matrix

    def unseen(self, values: npt.ArrayLike) -> dict[int, int]:
        """Class -> how often it occurs, of the classes without a column: what a learner has never met. Pure.

        >>> Categories("geology", (1, 3, 8)).unseen([3, 5, 5, np.nan])
        {5: 2}
        """
        numbers = np.asarray(values, dtype=np.float64).reshape(-1)
        found, counts = np.unique(numbers[~np.isnan(numbers)], return_counts=True)
        return {int(one): int(n) for one, n in zip(found, counts, strict=True) if int(one) not in self.classes}

    def to_dict(self) -> dict[str, Any]:
        """For the Model's card; :meth:`from_dict` is the way back."""
        return {"name": self.name, "classes": list(self.classes)}

    @classmethod
    def from_dict(cls, card: Mapping[str, Any]) -> Categories:
        """The categories again. Raises LearnError for a foreign card."""
        name, classes = card.get("name"), card.get("classes")
        if not isinstance(name, str) or not isinstance(classes, list) or not all(type(one) is int for one in classes):
            raise _foreign("list of classes")
        return cls(name, tuple(classes))


@dataclass(frozen=True)
class Missing:
    """What is done where a feature is missing (NaN).

    ``median``: the median of the samples stands in for it; a row without any feature stays unknown. ``drop``: the row is unknown.
    Unknown rows are left out of training, and their pixels are no-data.
    """

    rule: Rule
    features: tuple[str, ...]
    medians_: tuple[float, ...] = ()
    """Of each feature, for ``median``."""

    @classmethod
    def fit(cls, matrix: npt.NDArray[np.floating], features: Sequence[str], *, rule: Rule) -> Missing:
        """The rule with the medians of samples (row, feature). Raises LearnError for an unknown rule and for a feature that is
        missing in every row; a one-hot column's median is 0 or 1, thus a missing class is mostly none of them.

        >>> Missing.fit(np.array([[1.0, 5.0], [3.0, np.nan], [8.0, 6.0]]), ["a", "b"], rule="median").medians_
        (3.0, 5.5)
        """
        if rule not in get_args(Rule):
            raise LearnError.sentence("treat", "missing values", "the rule", repr(rule), "write median or drop")
        if matrix.ndim != 2 or matrix.shape[1] != len(features):
            raise _other_shape(matrix.shape, len(features))
        empty = np.isnan(matrix).all(axis=0)
        if empty.any():
            raise LearnError.sentence(
                "treat",
                f"missing values of `{features[int(empty.argmax())]}`",
                "the number of samples that have it",
                0,
                "take it out, or check that its layer covers the samples",
            )
        if rule == "drop":
            return cls(rule, tuple(features))
        medians = np.nanmedian(matrix.astype(np.float64), axis=0).astype(np.float32)
        return cls(rule, tuple(features), tuple(float(one) for one in medians))

    def apply(self, matrix: npt.NDArray[np.floating]) -> tuple[Matrix, npt.NDArray[np.bool_]]:
        """(row, feature) as a learner takes it, and which rows are known; unknown rows are left as they are. Pure.

        >>> rule = Missing("median", ("a", "b"), (3.0, 5.5))
        >>> matrix, known = rule.apply(np.array([[1.0, np.nan], [np.nan, np.nan]]))
        >>> matrix.tolist(), known.tolist()
        ([[1.0, 5.5], [nan, nan]], [True, False])
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.features):
            raise _other_shape(matrix.shape, len(self.features))
        missing = np.isnan(matrix)
        if self.rule == "drop":
            return matrix.astype(np.float32), ~missing.any(axis=1)
        known = ~missing.all(axis=1)
        medians = np.array(self.medians_, dtype=np.float32)
        return np.where(missing & known[:, None], medians, matrix).astype(np.float32), known

    def count(self, matrix: npt.NDArray[np.floating]) -> dict[str, int]:
        """Feature -> in how many rows it is missing; features that never are are left out. Pure."""
        counts = np.isnan(matrix).sum(axis=0)
        return {name: int(n) for name, n in zip(self.features, counts, strict=True) if n}

    def to_dict(self) -> dict[str, Any]:
        """For the Model's card; :meth:`from_dict` is the way back."""
        return {"rule": self.rule, "features": list(self.features), "medians": list(self.medians_)}

    @classmethod
    def from_dict(cls, card: Mapping[str, Any]) -> Missing:
        """The rule again. Raises LearnError for a foreign card."""
        rule, features, medians = card.get("rule"), card.get("features"), card.get("medians")
        sound = (
            isinstance(rule, str)
            and rule in get_args(Rule)
            and isinstance(features, list)
            and all(isinstance(one, str) for one in features)
            and isinstance(medians, list)
            and all(isinstance(one, int | float) and math.isfinite(one) for one in medians)
            and len(medians) == (len(features) if rule == "median" else 0)
        )
        if not sound:
            raise _foreign("rule for missing values")
        return cls(rule, tuple(features or ()), tuple(float(one) for one in medians or ()))  # type: ignore[arg-type]


def _other_shape(shape: tuple[int, ...], count: int) -> LearnError:
    return LearnError.sentence(
        "treat", "missing values", "the shape of the features", shape, f"give (row, feature) of {count} features"
    )


def _foreign(what: str) -> LearnError:
    return LearnError.sentence("open", "the model", f"its {what}", "foreign", "train it again")
