"""A Model that can be kept: arrays and text, nothing that runs when it is opened, every array checked."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import LearnError
from odse.learn.ensemble import BoostingMember, Ensemble, ForestMember, Member, NetworkMember, Stack
from odse.learn.forest import Forest

SCHEMA = 2
FOREST = {
    "shape": "i",
    "nodes": "i",
    "child": "u",
    "feature": "u",
    "threshold": "f",
    "length": "u",
    "class": "u",
    "weight": "u",
}
"""Arrays of a forest, and the kind of their numbers."""


@dataclass(frozen=True)
class Model:
    """A fitted Ensemble, its classes, and the ordered features it wants."""

    ensemble: Ensemble
    classes: tuple[str, ...]
    features: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    """Where it comes from; JSON-able."""

    def to_files(self) -> dict[str, bytes]:
        """Name -> bytes: one npz a member, one for the stack, and model.json with the digests of all. Deterministic."""
        files = {}
        names = []
        for place, member in enumerate(self.ensemble.members):
            for name, data in member_to_files(member).items():
                files[f"{place}-{name}"] = data
                names.append(f"{place}-{name}")
        files["stack.npz"] = _npz({"weight": self.ensemble.stack.weight, "bias": self.ensemble.stack.bias})
        card = {
            "schema": SCHEMA,
            "classes": list(self.classes),
            "features": list(self.features),
            "members": names,
            "about": dict(self.about),
            "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
        }
        files["model.json"] = (json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
        return files

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> Model:
        """The model again. Raises LearnError when a file is missing, foreign, cut or changed."""
        card = _card(files)
        for name, expected in card["sha256"].items():
            if name not in files:
                raise _broken(name, "missing")
            if hashlib.sha256(files[name]).hexdigest() != expected:
                raise _broken(name, "not what was saved")
        n = len(card["classes"])
        members = tuple(_member(name, files[name], n, len(card["features"])) for name in card["members"])
        arrays = _arrays("stack.npz", files["stack.npz"])
        weight = _need("stack.npz", arrays, "weight", 1, "f")
        bias = _need("stack.npz", arrays, "bias", 1, "f")
        if weight.shape != (len(members),) or bias.shape != (n,):
            raise _broken("stack.npz", "of another shape")
        return cls(
            Ensemble(members, Stack(weight, bias)), tuple(card["classes"]), tuple(card["features"]), card["about"]
        )


def _broken(name: str, value: str) -> LearnError:
    return LearnError.sentence("open", "the model", f"its file {name}", value, "train it again")


def _card(files: Mapping[str, bytes]) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(files["model.json"])
        if card["schema"] != SCHEMA:
            raise _broken("model.json", f"of version {card['schema']}, where this release reads {SCHEMA}")
        if not {"classes", "features", "members", "sha256", "about"} <= card.keys():
            raise _broken("model.json", "incomplete")
        return card
    except (KeyError, ValueError, TypeError) as error:
        raise _broken("model.json", "missing or foreign") from error


def member_to_files(member: Member) -> dict[str, bytes]:
    """One npz of a member: ``<kind>.npz``."""
    if isinstance(member, ForestMember):
        arrays: dict[str, npt.NDArray[Any]] = member.forest.to_arrays()
    elif isinstance(member, BoostingMember):
        arrays = {
            "raw": np.frombuffer(member.raw, dtype=np.uint8),
            "present": member.present,
            "n_classes": np.array(member.n_classes),
        }
    elif isinstance(member, NetworkMember):
        arrays = {
            "mean": member.mean,
            "scale": member.scale,
            "present": member.present,
            "n_classes": np.array(member.n_classes),
        }
        for i, (weight, bias) in enumerate(zip(member.weights, member.biases, strict=True)):
            arrays[f"weight{i}"], arrays[f"bias{i}"] = weight, bias
    else:
        raise LearnError.sentence("save", "a member", "its kind", member.kind, "use forest, boosting or network")
    return {f"{member.kind}.npz": _npz(arrays)}


def member_from_files(files: Mapping[str, bytes]) -> Member:
    """The member of :func:`member_to_files`."""
    ((name, data),) = files.items()
    return _member(name, data, None, None)


def _member(name: str, data: bytes, n_classes: int | None, n_features: int | None) -> Member:
    arrays = _arrays(name, data)
    kind = name.rsplit("-", maxsplit=1)[-1].removesuffix(".npz")
    if kind == "forest":
        sound = {key: _need(name, arrays, key, 1, kind) for key, kind in FOREST.items()}
        try:
            forest = Forest.from_arrays(sound)
        except ValueError as error:
            raise _broken(name, f"with {error}") from error
        if forest.n_classes != (forest.n_classes if n_classes is None else n_classes) or (
            forest.n_features != (forest.n_features if n_features is None else n_features)
        ):
            raise _broken(name, "for other classes or features")
        return ForestMember(forest)
    present = _need(name, arrays, "present", 1, "i")
    count = int(_need(name, arrays, "n_classes", 0, "i"))
    if (
        len(present) == 0
        or present.min() < 0
        or present.max() >= count
        or (n_classes is not None and count != n_classes)
    ):
        raise _broken(name, "with classes out of bounds")
    if kind == "boosting":
        return BoostingMember(_need(name, arrays, "raw", 1, "u").tobytes(), present, count)
    if kind == "network":
        depth = sum(key.startswith("weight") for key in arrays)
        weights = tuple(_need(name, arrays, f"weight{i}", 2, "f") for i in range(depth))
        biases = tuple(_need(name, arrays, f"bias{i}", 1, "f") for i in range(depth))
        mean, scale = _need(name, arrays, "mean", 1, "f"), _need(name, arrays, "scale", 1, "f")
        widths = [len(mean), *(w.shape[1] for w in weights)]
        if not weights or any(w.shape != (a, len(b)) for w, a, b in zip(weights, widths, biases, strict=False)):
            raise _broken(name, "with layers that do not fit")
        return NetworkMember(mean, scale, weights, biases, present, count)
    raise _broken(name, "of an unknown kind")


def _arrays(name: str, data: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise _broken(name, "cut or foreign") from error


def _need(name: str, arrays: Mapping[str, npt.NDArray[Any]], key: str, dims: int, kind: str) -> npt.NDArray[Any]:
    array = arrays.get(key)
    if (
        array is None
        or array.ndim != dims
        or array.dtype.kind != kind
        or (kind == "f" and not np.isfinite(array).all())
    ):
        raise _broken(name, f"without a sound array {key!r}")
    return array


def _npz(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """npz bytes; numpy writes a fixed date, so equal arrays give equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
