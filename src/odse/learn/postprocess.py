"""Post-processing of class maps: a moving mode over years, then a minimum mapping unit. The probabilities stay as they are.

Both say of a pixel only what its years, or its near neighbours, say: so tiles agree where they meet, if they are read with the halo
that :func:`halo_px` tells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label

from odse.errors import LearnError

Classes = npt.NDArray[np.uint8]


def halo_px(minimum_px: int) -> int:
    """Pixels beyond a tile that :func:`sieve` must see: a patch that is too small is never longer than that.

    >>> halo_px(1), halo_px(5)
    (0, 5)
    """
    return 0 if minimum_px <= 1 else minimum_px


def moving_mode(classes: Classes, *, width: int, nodata: int = 255) -> Classes:
    """(time, y, x): the most frequent class of the years around each, ``width`` (odd) of them, fewer at the ends of the series.

    Where two are as frequent, the year's own class stays if it is one of them, else the lower value. No-data takes no part and
    stays. Pure. Raises LearnError for an even width.

    >>> years = np.array([5, 5, 9, 5, 5], dtype=np.uint8).reshape(5, 1, 1)
    >>> moving_mode(years, width=3).ravel().tolist()
    [5, 5, 5, 5, 5]
    """
    if width < 1 or width % 2 == 0:
        raise LearnError.sentence("filter", "the class maps", "the width", f"{width} years", "give an odd number")
    result = classes.copy()
    half = width // 2
    for t in range(len(classes)):
        window = classes[max(0, t - half) : t + half + 1]
        best = (window == classes[t]).sum(axis=0)  # its own class first: it stays where none is more frequent
        for other in np.unique(window):
            if other == nodata:
                continue
            votes = (window == other).sum(axis=0)
            more = (votes > best) & (classes[t] != nodata)
            best = np.where(more, votes, best)
            result[t][more] = other
    return result


def sieve(classes: Classes, *, minimum_px: int, nodata: int = 255) -> Classes:
    """(y, x): patches of fewer than ``minimum_px`` pixels of one class take the class that touches them along most edges.

    Pixels touch at edges, not at corners; where two classes touch a patch equally, the lower value wins; a patch that touches no
    data only stays. All patches are judged on the map as it came, so the order of work changes nothing. Pure. Raises LearnError.

    >>> field = np.full((5, 5), 3, dtype=np.uint8); field[2, 2] = 7
    >>> np.unique(sieve(field, minimum_px=2)).tolist()
    [3]
    """
    if minimum_px < 1:
        raise LearnError.sentence("filter", "the class map", "the minimum", f"{minimum_px} pixels", "give at least 1")
    patch, small = _small_patches(classes, minimum_px, nodata)
    if not small.any():
        return classes.copy()
    edges = [
        (patch[:, :-1], classes[:, 1:]),
        (patch[:, 1:], classes[:, :-1]),
        (patch[:-1], classes[1:]),
        (patch[1:], classes[:-1]),
    ]
    own = np.zeros(len(small), dtype=np.int64)
    own[patch.ravel()] = classes.ravel()
    numbers = np.concatenate([number.ravel() for number, _ in edges]).astype(np.int64)
    beside = np.concatenate([value.ravel() for _, value in edges]).astype(np.int64)
    use = small[numbers] & (beside != nodata) & (beside != own[numbers])
    pairs, votes = np.unique(numbers[use] * 256 + beside[use], return_counts=True)
    order = np.lexsort((-(pairs % 256), votes, pairs // 256))  # the last of a patch: most votes, then the lower class
    owner = pairs[order] // 256
    last = np.flatnonzero(np.append(owner[1:] != owner[:-1], True)) if len(owner) else np.zeros(0, dtype=np.int64)
    new = own.copy()
    new[owner[last]] = pairs[order][last] % 256
    result: Classes = np.where(classes == nodata, classes, new[patch]).astype(np.uint8)
    return result


def _small_patches(
    classes: Classes, minimum_px: int, nodata: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The number of the patch of each pixel, and whether each patch is too small. No-data is patch 0 and never too small."""
    patch = np.zeros(classes.shape, dtype=np.int64)
    count = 0
    for one in np.unique(classes):
        if one == nodata:
            continue
        found, n = _label(classes == one)
        here = found > 0
        patch[here] = found[here] + count
        count += n
    small: npt.NDArray[np.bool_] = np.bincount(patch.ravel(), minlength=count + 1) < minimum_px
    small[0] = False
    return patch, small


def _label(mask: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[Any], int]:
    found, n = label(mask)
    return found, int(n)
