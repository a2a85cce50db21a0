"""Stated probabilities against what came true, and corrections that never make log loss worse."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from odse.errors import LearnError
from odse.learn.calibration import (
    ClassCalibration,
    calibrated_out_of_fold,
    expected_calibration_error,
    fit_class_calibration,
    log_loss,
    reliability_table,
)

CODES = ["311", "312", "321"]


def drawn(seed, n, *, classes=3, power=1.0):
    """Truth drawn from probabilities; what is stated is them to a power: above 1 too sure."""
    chance = np.random.default_rng(seed)
    p = chance.dirichlet([0.8] * classes, n)
    target = (p.cumsum(axis=1) < chance.random((n, 1))).sum(axis=1).clip(max=classes - 1)
    stated = p**power
    return stated / stated.sum(axis=1, keepdims=True), target, p


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 4), st.integers(5, 80), st.sampled_from(["temperature", "isotonic"]))
def test_log_loss_never_gets_worse_on_its_own_samples(seed, power, n, kind) -> None:
    p, target, _ = drawn(seed, n, power=power)
    c = fit_class_calibration(p, target, kind=kind)
    q = c.apply(p)
    assert log_loss(q, target) <= log_loss(p, target) + 1e-12
    np.testing.assert_allclose(q.sum(axis=1), 1)
    order = np.random.default_rng(seed).permutation(n)
    assert c == fit_class_calibration(p[order], target[order], kind=kind)
    assert ClassCalibration.from_dict(json.loads(json.dumps(c.to_dict()))) == c


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_temperature_finds_the_power(power) -> None:
    p, target, true = drawn(1, 20_000, power=power)
    c = fit_class_calibration(p, target)
    assert c.temperature_ == pytest.approx(power, rel=0.06)
    assert np.abs(c.apply(p) - true).mean() < 0.015


@pytest.mark.parametrize("kind", ["temperature", "isotonic"])
def test_too_sure_is_corrected_on_held_out_samples(kind) -> None:
    p, target, true = drawn(2, 6000, power=2.5)
    better = calibrated_out_of_fold(p, target, np.arange(6000) % 5, kind=kind)
    before, after = expected_calibration_error(p, target), expected_calibration_error(better, target)
    print(kind, before, after, log_loss(p, target), log_loss(better, target), log_loss(true, target))
    assert log_loss(better, target) < log_loss(p, target) - 0.05
    assert after["dominant"] < before["dominant"] / 3 and after["classwise"] < before["classwise"] / 2


def test_only_curves_correct_one_class_apart() -> None:
    """One class is overstated: a temperature, which is one for all, cannot mend it."""
    p, target, _ = drawn(3, 6000)
    p = p * [3.0, 1.0, 1.0]
    p /= p.sum(axis=1, keepdims=True)
    fold = np.arange(6000) % 5
    error = {
        k: expected_calibration_error(calibrated_out_of_fold(p, target, fold, kind=k), target)["classwise"]
        for k in ("temperature", "isotonic")
    }
    assert error["isotonic"] < error["temperature"] / 2


def test_what_is_calibrated_stays() -> None:
    p, target, _ = drawn(4, 6000)
    assert expected_calibration_error(p, target)["dominant"] < 0.02
    assert fit_class_calibration(p, target).temperature_ == pytest.approx(1, abs=0.06)
    assert np.abs(fit_class_calibration(p, target, kind="isotonic").apply(p) - p).mean() < 0.04


def test_what_cannot_be_better_is_left_alone() -> None:
    even, target = np.full((30, 3), 1 / 3), np.arange(30) % 3
    assert fit_class_calibration(even, target).temperature_ == 1
    curves = fit_class_calibration(even, target, kind="isotonic")
    assert curves.blend_ == 0
    np.testing.assert_array_equal(curves.apply(even), even)


def test_curves_of_few_samples_are_trusted_little() -> None:
    """All curve would be the best on the samples of the fit; on others it is worse than what it corrects, and the blend is not."""
    few, target, _ = drawn(9, 60, classes=6)
    many, truth, _ = drawn(10, 4000, classes=6)
    c = fit_class_calibration(few, target, kind="isotonic")
    curve = replace(c, blend_=1.0)
    assert log_loss(curve.apply(few), target) < log_loss(c.apply(few), target) <= log_loss(few, target)
    assert c.blend_ < 0.6
    assert log_loss(curve.apply(many), truth) > log_loss(many, truth) + 0.1
    assert log_loss(c.apply(many), truth) < log_loss(many, truth) + 0.05
    assert fit_class_calibration(many**2, truth, kind="isotonic").blend_ > 0.8


@given(st.integers(0, 2**32 - 1))
def test_full_curves_are_never_worse_on_the_samples_of_their_fit(seed) -> None:
    p, target, _ = drawn(seed, 40, classes=4, power=0.7)
    p = np.round(p, 2) + 0.01
    p /= p.sum(axis=1, keepdims=True)
    full = replace(fit_class_calibration(p, target, kind="isotonic"), blend_=1.0)
    assert log_loss(full.apply(p), target) <= log_loss(p, target) + 1e-12


def test_table_against_loops() -> None:
    p, target, _ = drawn(5, 400, power=2)
    p[0] = [1, 0, 0]
    table = reliability_table(p, target, classes=CODES, bins=5)
    for c, one in enumerate(table):
        assert one["code"] == CODES[c] and one["n"] == (target == c).sum()
        rows, error = [], 0.0
        for k in range(5):
            here = [i for i in range(400) if min(int(p[i, c] * 5), 4) == k]
            if here:
                stated, seen = np.mean([p[i, c] for i in here]), np.mean([target[i] == c for i in here])
                rows.append((round(stated, 4), round(seen, 4), len(here)))
                error += abs(stated - seen) * len(here) / 400
        assert [(r["stated"], r["observed"], r["n"]) for r in one["bins"]] == rows
        assert one["error"] == pytest.approx(error, abs=6e-5)
        assert all(r["low"] <= r["observed"] <= r["high"] for r in one["bins"])
    assert expected_calibration_error(p, target, bins=5)["classwise"] == pytest.approx(
        np.mean([one["error"] for one in table]), abs=1e-4
    )
    json.dumps(table)


def test_unknown_rows_stay_unknown_and_certain_ones_finite() -> None:
    p, target, _ = drawn(6, 300, power=2)
    for kind in ("temperature", "isotonic"):
        q = fit_class_calibration(p, target, kind=kind).apply(
            np.array([[np.nan, 0.5, 0.5], [1, 0, 0], [0, 0, 1]], "f4")
        )
        assert np.isnan(q[0]).all() and np.isfinite(q[1:]).all()
        np.testing.assert_allclose(q[1:].sum(axis=1), 1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p, y: (p[1:], y), "their shape is (9, 3) for 10 samples; give one row a sample"),
        (lambda p, y: (np.where(p == p[0, 0], np.nan, p), y), "the number of rows with a value that is none is 1; leave them out"),
        (lambda p, y: (p, y + 3), "the number of samples of a class without column is 10; leave them out"),
    ],
)  # fmt: skip
def test_refusals(change, text) -> None:
    p, target, _ = drawn(7, 10)
    for what in (fit_class_calibration, expected_calibration_error):
        with pytest.raises(LearnError) as refused:
            what(*change(p, target))
        assert str(refused.value) == "cannot calibrate probabilities, because " + text


def test_broken_calibrations_are_refused() -> None:
    p, target, _ = drawn(8, 100)
    plain = fit_class_calibration(p, target, kind="isotonic").to_dict()
    for broken in (
        plain | {"method": 1},
        plain | {"kind": "magic"},
        plain | {"temperature": 0},
        plain | {"temperature": float("nan")},
        plain | {"blend": 1.5},
        plain | {"knots": plain["knots"][1:]},
        plain | {"knots": [[[0.5, 0.1], [0.1, 0.5]]] * 3},
        plain | {"knots": [[[0.1, 0.5], [0.5, 0.1]]] * 3},
        plain | {"knots": "none"},
    ):
        with pytest.raises(LearnError, match="^cannot .*, because .*; "):
            ClassCalibration.from_dict(broken)
