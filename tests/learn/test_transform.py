"""Golden numbers of the Open Soil Data Cube for Europe (level-4 reference, section 2) and exact inverses."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.transform import TRANSFORMS, Transform, back, back_interval, check_transform, forward

GOLDEN_G_KG = {15: 3.482, 20: 6.389, 25: 11.182, 30: 19.086, 35: 32.115, 40: 53.598, 45: 89.017, 50: 147.413}
GOLDEN_PERCENT = {15: 0.35, 20: 0.64, 25: 1.12, 30: 1.91, 35: 3.21, 40: 5.36, 45: 8.90, 50: 14.74}


@pytest.mark.parametrize("x", GOLDEN_G_KG)
def test_stored_organic_carbon_in_g_per_kg_and_percent(x: int) -> None:
    assert back(x, "log10x") == pytest.approx(GOLDEN_G_KG[x], abs=5e-4)
    assert back(x, "log10x") / 10 == pytest.approx(GOLDEN_PERCENT[x], abs=5e-3)
    assert forward(GOLDEN_G_KG[x], "log10x") == pytest.approx(x, abs=2e-3)


@pytest.mark.parametrize(
    ("s", "carbon", "lower", "upper"),
    [
        (0.70, 15, 6.945, 31.220),
        (0.70, 40, 19.360, 81.564),
        (0.7085, 15, 6.878, 31.495),
        (0.7085, 40, 19.188, 82.269),
    ],
)
def test_interval_goldens_on_both_log_scales(s: float, carbon: float, lower: float, upper: float) -> None:
    assert back_interval(forward(carbon, "log1p"), s, transform="log1p") == pytest.approx((lower, upper), abs=1e-3)
    stored = back_interval(forward(carbon, "log10x"), 10 * s, transform="log10x")
    assert stored == pytest.approx((lower, upper), abs=1e-3)


@pytest.mark.parametrize(("carbon", "slide"), [(15, (0.7, 3.1)), (40, (2.0, 8.1))])
def test_the_slides_to_a_tenth_of_a_percent(carbon: float, slide: tuple[float, float]) -> None:
    lower, upper = back_interval(forward(carbon, "log1p"), 0.70, transform="log1p")
    assert (lower / 10, upper / 10) == pytest.approx(slide, abs=0.1)


@given(st.sampled_from(TRANSFORMS), st.floats(-0.99, 1e6))
def test_back_undoes_forward(transform: Transform, value: float) -> None:
    assert back(forward(value, transform), transform) == pytest.approx(value, rel=1e-12, abs=1e-12)


@given(st.sampled_from(TRANSFORMS), st.floats(0, 1e3), st.floats(0, 2))
def test_an_interval_holds_its_middle(transform: Transform, value: float, s: float) -> None:
    lower, upper = back_interval(forward(value, transform), s, transform=transform)
    assert lower - 1e-9 <= value <= upper + 1e-9 * (1 + value)


def test_none_copies_nan_stays_and_shape_stays() -> None:
    values = np.array([[6.5, np.nan]])
    same = forward(values, "none")
    same[0, 0] = 0
    assert values[0, 0] == 6.5
    assert np.isnan(forward(values, "log10x")[0, 1]) and np.isnan(back(values, "log1p")[0, 1])
    assert back(np.zeros((2, 3)), "log10x").shape == (2, 3)
    assert get_args(Transform) == ("none", "log1p", "log10x")


def test_what_cannot_be_transformed_is_refused() -> None:
    with pytest.raises(LearnError, match=r"^cannot transform the target by log1p, because its smallest value is -1; "):
        forward([3.0, -1.0], "log1p")
    with pytest.raises(LearnError, match=r"the transform is 'log10'; use none, log1p, log10x$"):
        check_transform("log10")
    with pytest.raises(LearnError, match=r"its half width is -0.1; give 0 or more$"):
        back_interval(1.0, -0.1, transform="none")
