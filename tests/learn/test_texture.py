"""Closure against the published formulas written out, and the property that they must have."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.texture import Ratio, Texture, close_texture, texture_of_ratios, texture_ratios, whole_percent


def of(*parts: float) -> Texture:
    return Texture(*(np.array([float(one)]) for one in parts))


def triple(texture: Texture) -> list[float]:
    return [float(one[0]) for one in (texture.sand, texture.silt, texture.clay)]


@st.composite
def soils(draw: st.DrawFn, least: float = 0.0) -> Texture:
    parts = np.array([draw(st.floats(least, 1)) for _ in range(3)]) + 1e-6
    return of(*(parts / parts.sum() * 100))


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(0, 0.05))
def test_the_published_formulas_in_fractions(t1: float, t2: float, k: float) -> None:
    x1, x2 = 2**t1, 2**t2
    clay = (1 - (x1 + x2 - 2) * k) / (x1 + x2 + 1)
    raw = np.array([x1 * clay + x1 * k - k, x2 * clay + x2 * k - k, clay])
    assert raw.sum() == pytest.approx(1)
    expected = np.maximum(raw, 0) / np.maximum(raw, 0).sum() * 100
    found = texture_of_ratios((np.array([t1]), np.array([t2])), "log2", offset_percent=100 * k)
    assert triple(found) == pytest.approx(expected.tolist(), abs=1e-9)


def test_by_hand() -> None:
    # k = 1 %: sand 59, silt 29, clay 12 -> (60 / 13, 30 / 13)
    t1, t2 = texture_ratios(of(59, 29, 12), offset_percent=1.0)
    assert 2 ** t1[0] == pytest.approx(60 / 13) and 2 ** t2[0] == pytest.approx(30 / 13)
    # log1p: sand 60, silt 20, clay 20 -> ln 4, ln 2
    l1, l2 = texture_ratios(of(60, 20, 20), "log1p")
    assert (l1[0], l2[0]) == pytest.approx((np.log(4), np.log(2)))
    assert triple(texture_of_ratios((l1, l2), "log1p")) == pytest.approx([60, 20, 20])


@given(soils(), st.floats(0.01, 5))
def test_round_trip_with_offset(soil: Texture, k: float) -> None:
    back = texture_of_ratios(texture_ratios(soil, "log2", offset_percent=k), "log2", offset_percent=k)
    assert triple(back) == pytest.approx(triple(soil), abs=1e-7)


@given(soils(least=0.001))
def test_round_trip_of_log1p_ratios(soil: Texture) -> None:
    assert triple(texture_of_ratios(texture_ratios(soil, "log1p"), "log1p")) == pytest.approx(triple(soil), abs=1e-7)


def test_soils_without_a_component_come_back() -> None:
    for soil in (of(100, 0, 0), of(0, 100, 0), of(0, 0, 100), of(70, 30, 0)):
        assert triple(texture_of_ratios(texture_ratios(soil))) == pytest.approx(triple(soil), abs=1e-9)
    assert triple(texture_of_ratios(texture_ratios(of(0, 0, 100), "log1p"), "log1p")) == [0, 0, 100]


@given(st.sampled_from(["log2", "log1p"]), st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(0, 5))
def test_whatever_is_predicted_closes(method: Ratio, t1: float, t2: float, k: float) -> None:
    found = texture_of_ratios((np.array([t1]), np.array([t2])), method, offset_percent=k)
    assert min(triple(found)) >= 0 and found.total[0] == pytest.approx(100)
    whole = whole_percent(found).astype(int)
    assert whole.sum() == 100 and np.abs(whole[:, 0] - triple(found)).max() < 1


def test_impossible_predictions_are_clipped() -> None:
    # far more sand than clay + k allows: clay would be negative
    found = triple(texture_of_ratios((np.array([12.0]), np.array([-12.0])), offset_percent=1.0))
    assert found == pytest.approx([100, 0, 0], abs=1e-9)


def test_unknown_stays_unknown() -> None:
    found = texture_of_ratios((np.array([np.nan, 0.0]), np.array([0.0, 0.0])))
    assert np.isnan(found.sand[0]) and np.isnan(found.clay[0]) and found.total[1] == pytest.approx(100)
    assert whole_percent(found).tolist() == [[255, 34], [255, 33], [255, 33]]
    assert np.isnan(close_texture(of(0, 0, -1)).total[0])
    assert np.isnan(texture_ratios(of(np.nan, 20, 20))[0][0])


@pytest.mark.parametrize(
    ("soil", "method", "offset", "text"),
    [
        (of(60, 50, -10), "log2", 1.0, "a component is -10 %; remove that sample"),
        (of(60, 30, 5), "log2", 1.0, "the sum of sand, silt and clay is 95 %; scale it by close_texture"),
        (of(60, 40, 0), "log1p", 1.0, "clay is 0 %; use the method log2, whose offset allows it"),
        (of(60, 40, 0), "log2", 0.0, "the offset is 0 % with a component of 0 %; give more than 0"),
    ],
)
def test_refusals(soil: Texture, method: Ratio, offset: float, text: str) -> None:
    with pytest.raises(LearnError) as caught:
        texture_ratios(soil, method, offset_percent=offset)
    assert str(caught.value) == f"cannot take log-ratios of a texture, because {text}"
