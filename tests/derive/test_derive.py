"""Indices and slope against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from odse.derive.indices import INDICES, bands_of, index
from odse.derive.terrain import slope
from odse.errors import DeriveError


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("ndvi", 0.6),
        ("nbr", 0.4 - 0.1),
        ("savi", 1.5 * 0.3 / 1.0),
        ("evi", 2.5 * 0.3 / (0.4 + 0.6 - 0.375 + 1)),
        ("ndwi", -0.6),
    ],
)
def test_by_hand(name: str, wanted: float) -> None:
    bands = {"blue": 0.05, "green": 0.1, "red": 0.1, "nir": 0.4, "swir1": 0.2, "swir2": 0.4 * (1 - 0.3) / 1.3}
    assert index(name, {k: np.float32([v]) for k, v in bands.items()}).item() == pytest.approx(wanted, abs=1e-5)


def test_undefined_is_nan_and_nan_stays() -> None:
    bands = {"nir": np.float32([0, np.nan, 0.4]), "red": np.float32([0, 0.1, 0.1])}
    assert np.isnan(index("ndvi", bands)).tolist() == [True, True, False]
    assert set(INDICES) >= {"ndvi", "nbr", "ndwi", "savi", "evi"}


def test_an_unknown_index_names_the_nearest() -> None:
    with pytest.raises(DeriveError, match="cannot derive `ndvii`, because the index is unknown; write `ndvi`"):
        bands_of("ndvii")


def test_slope_of_planes_and_across_tiles() -> None:
    y, x = np.mgrid[:40, :50] * 30.0
    plane = 0.03 * x + 0.04 * y
    assert slope(plane, pixel_m=30)[1:-1, 1:-1] == pytest.approx(5.0, abs=1e-4)
    rough = np.random.default_rng(0).normal(size=(40, 50)) * 10
    whole = slope(rough, pixel_m=30)
    part = slope(rough[:, 19:41], pixel_m=30)[:, 1:-1]
    assert np.array_equal(part, whole[:, 20:40])
