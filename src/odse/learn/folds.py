"""The fold ledger: which sample is held out when. One ledger serves out-of-fold stacking, scoring and all that follows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from odse.errors import LearnError
from odse.grid import block_ids


def fold_ledger(samples: pd.DataFrame, *, block_m: float, folds: int, seed: int = 0) -> pd.DataFrame:
    """The ledger of a table with columns id, x, y, target: id, block, fold, random_fold, row by row.

    A block is a square of ``block_m`` metres: all its points, in all years, are in one fold. Blocks are dealt to folds from
    the largest to the smallest, each to the fold where its classes are fewest so far (ties: seeded order). ``random_fold``
    ignores space, for comparison. Raises LearnError when there are fewer blocks than folds. Pure.

    >>> t = pd.DataFrame({"id": [0, 1, 2], "x": [0.0, 10.0, 500.0], "y": [0.0, 0.0, 0.0], "target": ["311", "211", "311"]})
    >>> fold_ledger(t, block_m=100, folds=2)["fold"].nunique()
    2
    """
    block = block_ids(samples["x"].to_numpy(), samples["y"].to_numpy(), size_m=block_m)
    unique, inverse = np.unique(block, return_inverse=True)
    if len(unique) < folds:
        raise LearnError.sentence(
            "fold",
            f"{len(samples)} samples",
            "the number of their blocks",
            f"{len(unique)} for {folds} folds",
            "take smaller `blocks_km` or fewer `folds`",
        )
    classes, target = np.unique(samples["target"].astype(str).to_numpy(), return_inverse=True)
    table = np.zeros((len(unique), len(classes)))
    np.add.at(table, (inverse, target), 1.0)
    share = table / table.sum(axis=0)
    chance = np.random.default_rng(seed)
    order = np.lexsort((chance.permutation(len(unique)), -table.sum(axis=1)))
    load = np.zeros((folds, len(classes)))
    fold_of = np.zeros(len(unique), dtype=np.int64)
    for one in order:
        cost = ((load + share[one]) ** 2).sum(axis=1) - (load**2).sum(axis=1)
        fold_of[one] = int(np.argmin(np.round(cost, 12)))
        load[fold_of[one]] += share[one]
    random_fold = np.zeros(len(samples), dtype=np.int64)
    for klass in range(len(classes)):
        rows = chance.permutation(np.flatnonzero(target == klass))
        random_fold[rows] = (np.arange(len(rows)) + chance.integers(folds)) % folds
    ledger = pd.DataFrame(
        {"id": samples["id"].to_numpy(), "block": block, "fold": fold_of[inverse], "random_fold": random_fold}
    )
    check_ledger(ledger)
    return ledger


def with_design(ledger: pd.DataFrame, design: str, *, fold: npt.NDArray[np.int64]) -> pd.DataFrame:
    """The ledger with one more design of folds, in a column ``<design>_fold``: such as those of :func:`odse.learn.knndm.knndm`.

    Blocks of another size are the column ``fold`` of a ledger of that size; whole years held out are the numbers of the years.

    ``fold`` (n,) numbers the fold of each row from 0. The other columns stay as they are. Raises LearnError when a row has
    no fold, a fold no row, there is one fold only, or the design is there already. Pure.

    >>> t = pd.DataFrame({"id": [0, 1], "x": [0.0, 500.0], "y": [0.0, 0.0], "target": ["311", "211"]})
    >>> designs(with_design(fold_ledger(t, block_m=100, folds=2), "knndm", fold=np.array([1, 0])))["knndm"].tolist()
    [1, 0]
    """
    if design == "spatial" or f"{design}_fold" in ledger.columns:
        raise LearnError.sentence("add", f"design {design}", "its name", "taken", "choose another name")
    numbers = np.asarray(fold)
    if numbers.shape != (len(ledger),) or numbers.dtype.kind not in "iu":
        raise LearnError.sentence(
            "add",
            f"design {design}",
            "its folds",
            f"{numbers.dtype} {numbers.shape} for {len(ledger)} rows",
            "give one whole number per row",
        )
    present = np.unique(numbers)
    if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
        raise LearnError.sentence(
            "add",
            f"design {design}",
            "the list of its folds",
            present.tolist(),
            "number two or more folds from 0 without gaps",
        )
    return ledger.assign(**{f"{design}_fold": numbers.astype(np.int64)})


def designs(ledger: pd.DataFrame) -> dict[str, npt.NDArray[np.int64]]:
    """Folds (n,) of every design in the ledger, by name: ``spatial``, ``random``, and what :func:`with_design` added. Pure."""
    extra = [str(column) for column in ledger.columns if str(column).endswith("_fold")]
    named = {"spatial": "fold"} | {column.removesuffix("_fold"): column for column in extra}
    return {design: ledger[column].to_numpy(dtype=np.int64) for design, column in named.items()}


def check_ledger(ledger: pd.DataFrame) -> None:
    """Raise LearnError when a block lies in two folds or a sample stands twice."""
    cut = ledger.groupby("block")["fold"].nunique()
    if (cut > 1).any():
        raise LearnError.sentence("trust", "the fold ledger", f"block {cut.idxmax()}", "in two folds", "draw it anew")
    if ledger["id"].duplicated().any():
        raise LearnError.sentence("trust", "the fold ledger", "a sample", "there twice", "draw it anew")
