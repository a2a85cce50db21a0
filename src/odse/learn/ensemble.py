"""The ensemble: three members, stacked by logistic regression on out-of-fold probabilities.

After Witjes et al. 2022 (PeerJ 10:e13573): random forest, gradient boosting, neural network, a multinomial logistic
meta-learner on their probabilities; uncertainty ``md`` is the population standard deviation over the
members' probabilities, class by class.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import xgboost
from scipy.optimize import minimize
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from odse.learn.forest import Forest

Kind = Literal["forest", "boosting", "network"]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class Member(Protocol):
    """One fitted learner."""

    @property
    def kind(self) -> str: ...

    def predict(self, features: F32) -> F32:
        """(n, feature) -> (n, class) probabilities; a class it never saw has 0."""


@dataclass(frozen=True)
class ForestMember:
    forest: Forest
    kind: str = "forest"

    def predict(self, features: F32) -> F32:
        return self.forest.predict(features)


@dataclass(frozen=True)
class BoostingMember:
    raw: bytes
    """XGBoost's own UBJ form."""
    present: npt.NDArray[np.int64]
    """Which classes its outputs mean."""
    n_classes: int
    kind: str = "boosting"

    def predict(self, features: F32) -> F32:
        booster = xgboost.Booster(model_file=bytearray(self.raw))
        booster.set_param({"nthread": 1})
        out = booster.inplace_predict(features, validate_features=False)
        out = np.asarray(out, dtype=np.float32).reshape(len(features), -1)
        if len(self.present) == 2 and out.shape[1] == 1:
            out = np.hstack([1 - out, out])
        return _spread(out / out.sum(axis=1, keepdims=True), self.present, self.n_classes)


@dataclass(frozen=True)
class NetworkMember:
    mean: F32
    scale: F32
    weights: tuple[F32, ...]
    biases: tuple[F32, ...]
    present: npt.NDArray[np.int64]
    n_classes: int
    kind: str = "network"

    def predict(self, features: F32) -> F32:
        layer = np.clip((features - self.mean) / self.scale, -8, 8).astype(np.float32)
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            layer = np.maximum(layer @ weight + bias, 0)
        logits = layer @ self.weights[-1] + self.biases[-1]
        if len(self.present) == 2 and logits.shape[1] == 1:
            logits = np.hstack([np.zeros_like(logits), logits])
        return _spread(_softmax(logits), self.present, self.n_classes)


def _softmax(logits: npt.NDArray[Any]) -> F32:
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(power / power.sum(axis=1, keepdims=True), dtype=np.float32)


def _spread(probability: F32, present: npt.NDArray[np.int64], n_classes: int) -> F32:
    if len(present) == n_classes:
        return probability
    out = np.zeros((len(probability), n_classes), dtype=np.float32)
    out[:, present] = probability
    return out


def fit_member(kind: Kind, features: F32, target: Index, weight: F64, *, n_classes: int, seed: int) -> Member:
    """Fit one learner on (n, feature) float32, class indices and weights. Rows of weight 0 count as absent. One thread."""
    rows = weight > 0
    features, target, weight = features[rows], target[rows], weight[rows]
    weight = weight / weight.mean()
    present, y = np.unique(target, return_inverse=True)
    if kind == "forest":
        model = RandomForestClassifier(
            n_estimators=150, min_samples_leaf=2, max_features="sqrt", random_state=seed, n_jobs=1
        )
        model.fit(features, y, sample_weight=weight)
        return ForestMember(Forest.of(model, present, n_classes))
    if kind == "boosting":
        data = xgboost.DMatrix(features, label=y, weight=weight, nthread=1)
        params = {
            "objective": "multi:softprob",
            "num_class": len(present),
            "tree_method": "hist",
            "max_bin": 64,
            "eta": 0.15,
            "max_depth": 4,
            "subsample": 0.8,
            "colsample_bynode": 0.3,
            "min_child_weight": 2.0,
            "seed": seed,
            "nthread": 1,
        }
        booster = xgboost.train(params, data, num_boost_round=60)
        return BoostingMember(bytes(booster.save_raw("ubj")), present, n_classes)
    mean = features.mean(axis=0)
    scale = features.std(axis=0)
    scale[scale == 0] = 1
    scaled = np.clip((features - mean) / scale, -8, 8)
    network = MLPClassifier((64,), alpha=0.1, learning_rate_init=2e-3, max_iter=60, batch_size=64, random_state=seed)
    with warnings.catch_warnings():
        # The number of epochs is a setting (it regularises); that the loss could still fall is no news.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(scaled, y, sample_weight=weight)
    return NetworkMember(
        mean.astype(np.float32),
        scale.astype(np.float32),
        tuple(w.astype(np.float32) for w in network.coefs_),
        tuple(b.astype(np.float32) for b in network.intercepts_),
        present,
        n_classes,
    )


def fit_fold(
    kind: Kind,
    features: F32,
    target: Index,
    weight: F64,
    *,
    train_rows: Index,
    test_rows: Index,
    n_classes: int,
    seed: int,
) -> F32:
    """Probabilities (test row, class) of rows that the learner has not seen."""
    member = fit_member(
        kind, features[train_rows], target[train_rows], weight[train_rows], n_classes=n_classes, seed=seed
    )
    return member.predict(features[test_rows])


@dataclass(frozen=True)
class Stack:
    """Multinomial logistic regression on the members' log-probabilities: one weight a member, one bias a class.

    A free coefficient for every pair of inputs and classes (129 x 43 in a continental legend) follows the noise of rare
    classes; these few cannot, and equal weights, to which the fit is shrunk, are the members' geometric mean.
    """

    weight: F64
    """(learner,)"""
    bias: F64
    """(class,)"""

    def predict(self, probabilities: npt.NDArray[Any]) -> F32:
        """(n, learner, class) -> (n, class)"""
        return _softmax(np.einsum("nlc,l->nc", _logs(probabilities), self.weight) + self.bias)


SMALLEST = 0.005
"""Probabilities below it count as it: a member of 150 trees cannot tell them apart."""


def _logs(probabilities: npt.NDArray[Any]) -> F64:
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST, dtype=np.float64)))


def fit_stack(
    probabilities: npt.NDArray[Any], target: Index, weight: F64, *, n_classes: int, ridge: float = 20.0
) -> Stack:
    """Fit on out-of-fold probabilities (n, learner, class) by weighted maximum likelihood.

    ``ridge`` shrinks the weights to equality and the biases to zero, as so many samples would. It is strong because samples of
    one block are no independent witnesses: with 2, the biases followed the few blocks of a small area and the ensemble lost to
    its best member in log loss (1.00 against 0.90); with 20 it wins there (0.86) and on larger sets. Deterministic; the order
    of the members changes nothing but the order of the weights.
    """
    rows = weight > 0
    logs, y = _logs(probabilities[rows]), target[rows]
    share = weight[rows] / weight[rows].mean()
    n, learners, _ = logs.shape
    even = 1.0 / learners
    picked = np.zeros((n, n_classes))
    picked[np.arange(n), y] = 1.0

    def loss(x: F64) -> tuple[float, F64]:
        w, b = x[:learners], x[learners:]
        logits = np.einsum("nlc,l->nc", logs, w) + b
        logits = logits - logits.max(axis=1, keepdims=True)
        logsum = np.log(np.exp(logits).sum(axis=1))
        error = (np.exp(logits - logsum[:, None]) - picked) * share[:, None]
        value = float((share * (logsum - logits[np.arange(n), y])).sum())
        value += ridge * float(((w - even) ** 2).sum() * 10 + (b**2).sum())
        slope_w = np.einsum("nlc,nc->l", logs, error) + 20 * ridge * (w - even)
        return value, np.concatenate([slope_w, error.sum(axis=0) + 2 * ridge * b])

    start = np.concatenate([np.full(learners, even), np.zeros(n_classes)])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-8})
    return Stack(found.x[:learners], found.x[learners:])


@dataclass(frozen=True)
class Prediction:
    probability: F32
    """(n, class)"""
    deviation: F32
    """(n, class) population SD over the members."""
    dominant: Index
    """(n,) index of the most probable class; the lowest index where two are equal."""


@dataclass(frozen=True)
class Ensemble:
    members: tuple[Member, ...]
    stack: Stack

    def predict(self, features: F32) -> Prediction:
        """Probability, spread and dominant class of (n, feature) rows without NaN. Pure."""
        each = members_predict(self.members, features)
        return combine(each, self.stack)


def members_predict(members: Sequence[Member], features: F32) -> F32:
    """(n, learner, class)"""
    return np.stack([member.predict(features) for member in members], axis=1)


def combine(each: F32, stack: Stack) -> Prediction:
    """From the members' probabilities (n, learner, class) to the ensemble's answer.

    >>> stack = Stack(np.ones(1), np.zeros(2))
    >>> combine(np.array([[[0.9, 0.1]]], dtype=np.float32), stack).deviation.tolist()
    [[0.0, 0.0]]
    """
    probability = stack.predict(each)
    return Prediction(probability, each.std(axis=1, ddof=0), np.argmax(probability, axis=1).astype(np.int64))
