"""From probabilities to what is stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def to_percent(share: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Shares (0-1) of any shape as whole percent, rounded half up. Pure.

    >>> to_percent(np.array([0.0, 0.005, 0.5, 1.0])).tolist()
    [0, 1, 50, 100]
    """
    return np.asarray(np.floor(np.clip(share, 0, 1).astype(np.float64) * 100 + 0.5), dtype=np.uint8)
