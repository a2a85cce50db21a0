"""Receipts: what a finished task leaves behind, written last. The commit marker, the cache key and the provenance in one.

A receipt file is canonical JSON with two parts and a seal::

    {"receipt": {step, name, key, state, inputs, outputs, parameters, counts, statistics, notes, code},
     "measured": {seconds, read_s, compute_s, write_s, peak_mb, host, pid, ...},
     "seal": sha256 of both parts}

``measured`` differs from run to run and enters no key and no published byte. The file is read back byte for byte: any
flipped byte, in whichever part, makes it invalid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from odse.errors import ReceiptError
from odse.store.files import put_bytes, sha256_of

State = Literal["done", "unreadable", "outside"]


def canonical(value: object) -> bytes:
    """The one JSON form of a value: sorted keys, no spaces, UTF-8, no NaN.

    >>> canonical({"b": 1, "a": [1.5, "é"]})
    b'{"a":[1.5,"\\xc3\\xa9"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest(value: object) -> str:
    """sha256 (hex) of the canonical form of a value.

    >>> digest({})[:8]
    '44136fa3'
    """
    return hashlib.sha256(canonical(value)).hexdigest()


@dataclass(frozen=True)
class Output:
    """One file a task made."""

    path: str
    """Relative to the run's folder, with forward slashes."""
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Receipt:
    """What one task read, made and met."""

    step: str
    name: str
    key: str
    """Hash of everything that can change the answer; equal key and intact outputs mean: skip."""
    state: State = "done"
    """``unreadable``: the input exists and cannot be decoded (recorded, not fatal); ``outside``: nothing of it lies in the area."""
    outputs: tuple[Output, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Name of each input -> its sha256, or the key of the task that made it."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    statistics: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """Sentences a person should read: what was repaired, merged, left out, unreadable."""
    code: str = ""
    """Release of odse that did it; not part of the key."""
    measured: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def id(self) -> str:
        return f"{self.step}/{self.name}"

    def to_bytes(self) -> bytes:
        """The file's bytes: canonical, sealed."""
        record = asdict(self)
        measured = record.pop("measured")
        body = {"receipt": record, "measured": measured}
        return canonical({**body, "seal": digest(body)})

    @classmethod
    def from_bytes(cls, data: bytes, *, where: str = "receipt") -> Receipt:
        """The receipt again, or ReceiptError when a single byte differs from what was sealed."""
        damaged = ReceiptError.sentence("trust", where, "its seal", "broken", "run again: its task is done anew")
        try:
            whole = json.loads(data)
            record, measured, seal = whole["receipt"], whole["measured"], whole["seal"]
            if seal != digest({"receipt": record, "measured": measured}) or canonical(whole) != data:
                raise damaged
            outputs = tuple(Output(**output) for output in record.pop("outputs"))
            return cls(outputs=outputs, notes=tuple(record.pop("notes")), measured=measured, **record)
        except (ValueError, KeyError, TypeError) as error:
            raise damaged from error


def receipt_path(folder: Path, task_id: str) -> Path:
    """Where the receipt of a task stands.

    >>> receipt_path(Path("run"), "fill/x0001y0002").as_posix()
    'run/receipts/fill/x0001y0002.json'
    """
    return folder / "receipts" / f"{task_id}.json"


def write_receipt(folder: Path, receipt: Receipt) -> None:
    """Put the receipt in place, atomically. To be called after the outputs were re-opened and verified."""
    put_bytes(receipt_path(folder, receipt.id), receipt.to_bytes())


def read_receipt(folder: Path, task_id: str) -> Receipt | None:
    """The receipt of a task, or None where there is none. Raises ReceiptError for a damaged one."""
    path = receipt_path(folder, task_id)
    if not path.exists():
        return None
    return Receipt.from_bytes(path.read_bytes(), where=f"receipt {task_id}")


def iter_receipts(folder: Path) -> Iterator[tuple[str, Receipt | ReceiptError]]:
    """Every receipt of a run in the order of names; a damaged one comes as its error."""
    root = folder / "receipts"
    for path in sorted(root.rglob("[!.]*.json")):
        task_id = path.relative_to(root).as_posix().removesuffix(".json")
        try:
            yield task_id, Receipt.from_bytes(path.read_bytes(), where=f"receipt {task_id}")
        except ReceiptError as error:
            yield task_id, error


def damage(folder: Path, output: Output, *, hashed: bool) -> str | None:
    """What is wrong with an output: a word, or None. Reads the whole file when ``hashed``, else only its size."""
    path = folder / output.path
    if not path.exists():
        return "missing"
    if path.stat().st_size != output.bytes:
        return f"{path.stat().st_size} bytes instead of {output.bytes}"
    if hashed and sha256_of(path) != output.sha256:
        return "changed since it was verified"
    return None
