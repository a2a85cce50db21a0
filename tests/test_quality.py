"""Quality codes, exhaustively."""

from __future__ import annotations

import numpy as np
import pytest

from odse.errors import QualityError
from odse.quality import Quality, decode_glad, glad_mask

KEPT = {
    "ardglad": {1, 2, 15},
    "eumap": {1, 2, 5, 6},
    "skmap-production": {1, 2, 5, 6, 11, 12, 13, 14, 15, 16, 17},
}


@pytest.mark.parametrize("preset", KEPT)
def test_presets_over_all_codes(preset: str) -> None:
    assert set(np.flatnonzero(glad_mask(preset)).tolist()) == KEPT[preset]


def test_additional() -> None:
    assert set(np.flatnonzero(glad_mask("eumap", additional=True)).tolist()) == KEPT["eumap"] | set(range(11, 18))


def test_every_code_has_words() -> None:
    words = decode_glad(np.arange(256, dtype=np.uint8))
    assert (words[18:] == Quality.UNDEFINED).all() and words[0] == Quality.NODATA
    assert words[12] == Quality.CLOUD_ADJACENT | Quality.WATER and words[10] == Quality.SHADOW


def test_unknown_preset() -> None:
    with pytest.raises(QualityError, match="cannot mask GLAD pixels, because the preset is 'eumpa'; write 'eumap'"):
        glad_mask("eumpa")
