"""Stackers against numpy.linalg.lstsq, textbook formulas, SLSQP, the published summary, and soil samples of the Meuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import fsolve, minimize
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import ElasticNet
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from odse.errors import LearnError
from odse.learn.depths import interval_mean
from odse.learn.folds import fold_ledger
from odse.learn.scores import scores, scores_by
from odse.learn.stack_regression import LinearStack, NonNegativeStack, fit_linear_stack, fit_nonnegative_stack
from odse.learn.transform import back, forward

Stacks = (fit_linear_stack, fit_nonnegative_stack)
Fit = Callable[..., Any]
NAMES = ("ranger", "xgboost", "cvglmnet")


def members(seed: int, n: int = 60) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y = rng.normal(2, 1, n)
    noise = rng.normal(0, rng.uniform(0.2, 2, 3), (n, 3)) + rng.normal(0, 0.3, (n, 1))
    return y[:, None] * rng.uniform(0.5, 1.2, 3) + noise + rng.normal(0, 0.3, 3), y, rng.integers(0, 4, n).astype(float)


@pytest.mark.parametrize("seed", range(5))
def test_linear_is_lstsq_and_the_textbook(seed: int) -> None:
    x, y, _ = members(seed)
    one = fit_linear_stack(x, y, members=NAMES)
    design = np.column_stack([np.ones(60), x])
    b, rss, *_ = np.linalg.lstsq(design, y)
    s = one.summary
    assert s.estimate == pytest.approx(b) and one.intercept == s.estimate[0] and one.weight == pytest.approx(b[1:])
    covariance = rss[0] / 56 * np.linalg.inv(design.T @ design)
    assert s.sigma == pytest.approx(np.sqrt(rss[0] / 56)) and s.df == 56 and s.f_df == (3, 56)
    assert s.standard_error == pytest.approx(np.sqrt(np.diag(covariance)))
    assert s.t == pytest.approx(b / np.sqrt(np.diag(covariance)))
    tss = ((y - y.mean()) ** 2).sum()
    assert s.r2 == pytest.approx(1 - rss[0] / tss) and s.r2 == pytest.approx(scores(y, one.predict(x)).r2)
    assert s.r2_adjusted == pytest.approx(1 - (rss[0] / 56) / (tss / 59))
    assert s.f == pytest.approx((tss - rss[0]) / 3 / (rss[0] / 56))
    assert s.residuals == pytest.approx(np.percentile(y - design @ b, [0, 25, 50, 75, 100]))
    assert s.fitted_sd == pytest.approx((design @ b).std())


def test_one_regressor_by_hand() -> None:
    # Sxx 5, Sxy 4.7, Syy 4.5: slope .94, RSS 4.5 - .94 * 4.7 = .082
    s = fit_linear_stack([[1], [2], [3], [4]], [1.1, 1.9, 3.2, 3.8], members=["m"]).summary
    assert s.estimate == pytest.approx((0.15, 0.94)) and s.sigma == pytest.approx(0.041**0.5)
    assert s.standard_error == pytest.approx(((0.041 * 30 / 20) ** 0.5, (0.041 / 5) ** 0.5))
    assert s.r2 == pytest.approx(4.418 / 4.5) and s.f == pytest.approx(4.418 / 0.041)
    assert s.p[1] == pytest.approx(s.f_p)  # with one regressor F = t²


def published() -> tuple[Any, Any]:
    """86 990 rows whose residuals have the published quartiles and spread, and whose fit has the published weights and R²."""
    n, q = 86_990, np.array([-4.2361, -0.3868, -0.0488, 0.3169, 5.0829])
    first = (n - 1) // 4  # quartiles lie between rows: both neighbours take the value
    u = [np.linspace(0, 1, first + 1) for _ in range(2)]

    def residual(shape: Any) -> Any:
        a, b = np.exp(shape)
        low = q[1] + (q[0] - q[1]) * (1 - u[0]) ** a
        high = q[3] + (q[4] - q[3]) * u[1] ** b
        middle = np.concatenate(
            [np.linspace(q[1], q[2], n // 2 - first - 1), np.linspace(q[2], q[3], n // 2 - first - 1)]
        )
        return np.concatenate([low, middle, high])

    def gap(shape: Any) -> list[float]:
        e = residual(shape)
        return [e.mean(), (e @ e) / 0.7085**2 / 86_986 - 1]

    e = residual(fsolve(gap, [1.0, 1.5]))
    weight = np.array([0.79829, 0.27624, -0.01951])
    x = np.random.default_rng(1).normal(size=(n, 1)) + 0.3 * np.random.default_rng(2).normal(size=(n, 3))
    unit = e / np.sqrt(e @ e)
    x = x - unit[:, None] * (unit @ x)
    x = x - x.mean(axis=0)
    x = x * np.sqrt(0.5618 / 0.4382) * e.std() / (x @ weight).std() + np.array([2.0, 2.1, 2.2])
    return x, -0.17625 + x @ weight + e


def test_the_published_summary_of_log_organic_carbon() -> None:
    stack = fit_linear_stack(*published(), members=NAMES)
    s = stack.summary
    assert s.estimate == pytest.approx((-0.17625, 0.79829, 0.27624, -0.01951), abs=1e-7)
    assert stack.weight.sum() == pytest.approx(1.055, abs=5e-4)
    assert (s.r2, s.sigma) == pytest.approx((0.5618, 0.7085), abs=1e-6) and s.fitted_sd == pytest.approx(
        0.802, abs=5e-4
    )
    assert s.f == pytest.approx(37_174, abs=1)
    assert s.residuals == pytest.approx((-4.2361, -0.3868, -0.0488, 0.3169, 5.0829), abs=1e-4)
    lines = s.to_text().splitlines()
    assert lines[1].split() == ["Min", "1Q", "Median", "3Q", "Max"]
    assert lines[2].split() == ["-4.2361", "-0.3868", "-0.0488", "0.3169", "5.0829"]
    assert lines[6].split()[:2] == ["(Intercept)", "-0.17625"] and lines[9].split()[:2] == ["cvglmnet", "-0.01951"]
    assert lines[11] == "Residual standard error: 0.7085 on 86986 degrees of freedom"
    assert lines[12] == "Multiple R-squared: 0.5618, Adjusted R-squared: 0.5618"
    assert lines[13] == "F-statistic: 3.717e+04 on 3 and 86986 DF, p-value: < 2.2e-16"
    assert s.to_dict()["f_df"] == (3, 86986)


def loss(x: Any, y: Any, w: Any, stack: Any) -> float:
    return float(w @ (y - stack.predict(x)) ** 2 / w.sum())


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_nonnegative_is_the_minimum_of_slsqp(seed: int) -> None:
    x, y, w = members(seed)
    one = fit_nonnegative_stack(x, y, members=NAMES, weight=w)
    assert (one.weight >= 0).all() and one.weight.sum() == pytest.approx(1)
    found = minimize(
        lambda v: w @ (y - x @ v[:3] - v[3]) ** 2 / w.sum(),
        [1 / 3, 1 / 3, 1 / 3, 0],
        method="SLSQP",
        bounds=[(0, 1)] * 3 + [(None, None)],
        constraints={"type": "eq", "fun": lambda v: v[:3].sum() - 1},
        options={"ftol": 1e-12, "maxiter": 200},
    )
    best = loss(x, y, w, one)
    assert best <= found.fun + 1e-8
    assert one.weight == pytest.approx(found.x[:3], abs=2e-3)
    for k in range(3):  # a corner of the simplex is a member with its bias removed: never better
        alone = NonNegativeStack(NAMES, float(w @ (y - x[:, k]) / w.sum()), np.eye(3)[k])
        assert best <= loss(x, y, w, alone) + 1e-9
    assert loss(x, y, w, fit_linear_stack(x, y, members=NAMES, weight=w)) <= best + 1e-12


@pytest.mark.parametrize("fit", Stacks)
@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_weight_zero_removes_and_whole_weights_repeat(fit: Fit, seed: int) -> None:
    x, y, w = members(seed)
    weighted = fit(x, y, members=NAMES, weight=w)
    times = w.astype(int)
    repeated = fit(np.repeat(x, times, axis=0), np.repeat(y, times), members=NAMES)
    removed = fit(x[w > 0], y[w > 0], members=NAMES, weight=w[w > 0])
    for other in (repeated, removed):
        assert weighted.weight == pytest.approx(other.weight, abs=1e-6)
        assert weighted.intercept == pytest.approx(other.intercept, abs=1e-6)
    if isinstance(weighted, LinearStack):
        assert weighted.summary == removed.summary


@pytest.mark.parametrize("fit", Stacks)
def test_order_of_members_and_repetition_change_nothing(fit: Fit) -> None:
    x, y, w = members(3)
    one, again = fit(x, y, members=NAMES, weight=w), fit(x, y, members=NAMES, weight=w)
    assert one.weight.tobytes() == again.weight.tobytes() and one.intercept == again.intercept
    turned = fit(x[:, ::-1], y, members=NAMES[::-1], weight=w)
    assert turned.weight[::-1] == pytest.approx(one.weight, abs=1e-6)


def test_members_that_agree_share_and_perfect_ones_win() -> None:
    x, y, _ = members(1)
    same = fit_nonnegative_stack(x[:, [0, 0, 0]], y, members=NAMES)
    assert same.weight == pytest.approx([1 / 3] * 3, abs=1e-6)
    best = fit_nonnegative_stack(np.column_stack([x[:, 0], y - 2]), y, members=["a", "b"])
    assert best.weight == pytest.approx([0, 1], abs=1e-6) and best.intercept == pytest.approx(2, abs=1e-6)
    assert fit_nonnegative_stack(y[:, None], y, members=["a"]).weight.tolist() == [1]
    exact = fit_linear_stack([[1.0], [2.0], [4.0]], [3.0, 3.0, 3.0], members=["a"])
    assert exact.weight == pytest.approx([0], abs=1e-12)


def test_a_stack_of_interval_means_is_the_interval_mean_of_stacks() -> None:
    each = np.random.default_rng(0).normal(size=(5, 4, 3))  # (n, depth, learner)
    stack = NonNegativeStack(NAMES, 0.4, np.array([0.5, 0.5, 0.0]))
    mean = interval_mean(np.swapaxes(each, 1, 2), (0, 100))
    assert stack.predict(mean) == pytest.approx(interval_mean(stack.predict(each), (0, 100)))


def test_refusals() -> None:
    x, y, _ = members(0)
    with pytest.raises(
        LearnError, match=r"what the earlier members leave of xgboost is nothing; leave that member out"
    ):
        fit_linear_stack(x[:, [0, 0, 1]], y, members=NAMES)
    with pytest.raises(LearnError, match=r"because the number of samples is 4; give more than 4$"):
        fit_linear_stack(x[:4], y[:4], members=NAMES)
    with pytest.raises(
        LearnError, match=r"^cannot stack a, b, because the shape of the predictions is \(60, 3\); give"
    ):
        fit_nonnegative_stack(x, y, members=["a", "b"])
    with pytest.raises(LearnError, match=r"the number of rows with NaN is 1; remove them first$"):
        fit_nonnegative_stack(x, np.append(y[:-1], np.nan), members=NAMES)
    with pytest.raises(LearnError, match=r"the number of members is 3; let the members be the last axis"):
        fit_nonnegative_stack(x, y, members=NAMES).predict(x[:, :2])


def test_zinc_of_the_meuse_in_spatial_blocks(data_dir: Path) -> None:
    table = pd.read_csv(data_dir / "05_soil_meuse" / "meuse_points_epsg28992.csv")
    features = table[["x", "y", "dist", "elev", "ffreq", "soil"]].to_numpy(dtype=float)
    y = forward(table["zinc"].to_numpy(), "log1p")
    quintile = pd.qcut(table["zinc"], 5, labels=False)
    ledger = fold_ledger(table.assign(id=range(len(table)), target=quintile), block_m=500, folds=5)
    fold = ledger["fold"].to_numpy()

    learners = {
        "forest": lambda: RandomForestRegressor(40, min_samples_leaf=2, random_state=0, n_jobs=1),
        "elasticnet": lambda: make_pipeline(StandardScaler(), ElasticNet(alpha=0.02, l1_ratio=0.5)),
    }
    each, mean = np.zeros((len(y), 2)), np.zeros(len(y))
    for k in range(5):
        held, rest = fold == k, fold != k
        mean[held] = y[rest].mean()
        for j, make in enumerate(learners.values()):
            each[held, j] = make().fit(features[rest], y[rest]).predict(features[held])
    result = {name: scores(y, each[:, j]) for j, name in enumerate(learners)}
    result["mean"] = scores(y, mean)
    for fit in Stacks:  # the stacker is scored on folds it was not fitted on; its members are not fitted anew for that
        out = np.zeros(len(y))
        for k in range(5):
            stack = fit(each[fold != k], y[fold != k], members=list(learners))
            out[fold == k] = stack.predict(each[fold == k])
        result[fit.__name__] = scores(y, out)
        result[fit.__name__ + " mg/kg"] = scores(table["zinc"], back(out, "log1p"))
        assert len(scores_by(y, out, group=fold)) == 5
        whole = fit(each, y, members=list(learners))
        print(fit.__name__, whole.intercept, whole.weight)
        if isinstance(whole, LinearStack):
            print(whole.summary.to_text())
    print(pd.DataFrame({name: one.to_dict() for name, one in result.items()}).T.round(4).to_string())
    worst = max(result["forest"].rmse, result["elasticnet"].rmse)
    for fit in Stacks:
        assert result[fit.__name__].rmse <= worst < result["mean"].rmse
        assert result[fit.__name__].ccc > 0.7
