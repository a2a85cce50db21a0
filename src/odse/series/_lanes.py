"""Sorting without branches: rows of LANES contiguous pixels, compared and exchanged by a fixed list of pairs of rows.

The list is Batcher's odd-even merge network (Batcher 1968, doi 10.1145/1468075.1468121).
"""

from __future__ import annotations

from functools import lru_cache

import numba
import numpy as np
import numpy.typing as npt

LANES = 256
"""Pixels handled together: 24 dates of uint16 then fill a third of the smallest cache."""


@lru_cache(maxsize=256)
def network(n: int, wanted: int | None = None) -> npt.NDArray[np.int64]:
    """Pairs of rows (pair, 2) to exchange in turn, so that n rows are sorted; only the first ``wanted`` of them if given.

    >>> network(3).tolist()
    [[0, 1], [0, 2], [1, 2]]
    >>> network(3, 1).tolist()
    [[0, 1], [0, 2]]
    """
    size = 1
    while size < n:
        size *= 2
    pairs = []
    p = 1
    while p < size:
        k = p
        while k >= 1:
            for j in range(k % p, size - k, 2 * k):
                for i in range(min(k, size - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p) and i + j + k < n:  # wires from n on stay idle
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    kept, needed = [], set(range(n if wanted is None else wanted))
    for pair in reversed(pairs):
        if not needed.isdisjoint(pair):
            kept.append(pair)
            needed.update(pair)
    return np.array(kept[::-1], dtype=np.int64).reshape(-1, 2)


@numba.njit(cache=True, nogil=True, boundscheck=False, inline="always")
def exchange(upper, lower):  # type: ignore[no-untyped-def]
    """Smaller values up, larger ones down: two rows of LANES values. The fixed length lets the compiler use vectors."""
    for i in range(LANES):
        a, b = upper[i], lower[i]
        upper[i] = a if a < b else b
        lower[i] = b if a < b else a
