"""Receipts: sealed, canonical, every flipped byte noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from odse.errors import ReceiptError
from odse.store.receipts import Output, Receipt, damage, iter_receipts, read_receipt, write_receipt

RECEIPT = Receipt(
    "fill",
    "x0001y0002/green",
    "ab" * 32,
    outputs=(Output("work/fill/a.tif", "cd" * 32, 12),),
    counts={"pixels": 7},
    notes=("naïve",),
    measured={"seconds": 1.5, "pid": 1},
)


def test_round_trip() -> None:
    assert Receipt.from_bytes(RECEIPT.to_bytes()) == RECEIPT
    assert Receipt.from_bytes(RECEIPT.to_bytes()).measured == RECEIPT.measured


@given(st.integers(0, len(RECEIPT.to_bytes()) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_noticed(position: int, change: int) -> None:
    data = bytearray(RECEIPT.to_bytes())
    data[position] ^= change
    with pytest.raises(ReceiptError, match="cannot trust receipt, because its seal is broken; run again"):
        Receipt.from_bytes(bytes(data))


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"null", RECEIPT.to_bytes()[:-1], RECEIPT.to_bytes() + b" "])
def test_foreign_or_torn_bytes_are_noticed(data: bytes) -> None:
    with pytest.raises(ReceiptError):
        Receipt.from_bytes(data)


def test_on_disk(tmp_path) -> None:
    assert read_receipt(tmp_path, RECEIPT.id) is None
    write_receipt(tmp_path, RECEIPT)
    assert read_receipt(tmp_path, RECEIPT.id) == RECEIPT
    assert [task_id for task_id, _ in iter_receipts(tmp_path)] == ["fill/x0001y0002/green"]


def test_damage(tmp_path) -> None:
    path = tmp_path / "a.bin"
    output = Output("a.bin", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", 5)
    assert damage(tmp_path, output, hashed=False) == "missing"
    path.write_bytes(b"hell")
    assert damage(tmp_path, output, hashed=False) == "4 bytes instead of 5"
    path.write_bytes(b"hellp")
    assert damage(tmp_path, output, hashed=False) is None
    assert damage(tmp_path, output, hashed=True) == "changed since it was verified"
    path.write_bytes(b"hello")
    assert damage(tmp_path, output, hashed=True) is None
