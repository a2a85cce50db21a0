"""Files are whole or not there, and what the system refuses becomes one sentence."""

from __future__ import annotations

import errno
import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from odse.errors import StoreError
from odse.store import files
from odse.store.files import check_room, put_bytes, replacing, sha256_of, store_error


@contextmanager
def file_size_limit(number: int) -> Iterator[None]:
    """No file of this process may grow beyond ``number`` bytes: a refusal by the real system, in
    mid-write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_bytes_come_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "x.bin"
    put_bytes(path, b"first")
    put_bytes(path, memoryview(b"second"))
    assert path.read_bytes() == b"second"
    assert names(path.parent) == ["x.bin"]


@pytest.mark.parametrize("data", [b"", b"abc", os.urandom(1 << 16)])
def test_sha256(tmp_path: Path, data: bytes) -> None:
    put_bytes(tmp_path / "x", data)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(data).hexdigest()


def test_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*x, because the file is missing; run again"):
        sha256_of(tmp_path / "x")


def test_a_write_refused_half_way_keeps_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "x.bin"
    put_bytes(path, b"earlier")
    with (
        pytest.raises(StoreError, match=r"cannot write .*x\.bin, because the file is larger than"),
        file_size_limit(1000),
    ):
        put_bytes(path, bytes(5000))
    assert path.read_bytes() == b"earlier"
    assert names(tmp_path) == ["x.bin"]


def test_no_room_is_found_out(tmp_path: Path) -> None:
    check_room(tmp_path)
    with pytest.raises(StoreError, match="because the file is larger"), file_size_limit(1000):
        check_room(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (errno.ENOSPC, "because the disk is full; free some space"),
        (errno.EACCES, "because its folder is not yours to write to; change its permissions"),
        (errno.EROFS, "because the file system is read-only; choose a folder"),
        (errno.EIO, "because the system's answer is 'Input/output error'; mend"),
    ],
)
def test_sentences(number: int, text: str) -> None:
    assert text in str(store_error(Path("a.tif"), OSError(number, os.strerror(number))))


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StoreError, match="because the disk is full"):
        put_bytes(tmp_path / "x", b"abc")
    assert names(tmp_path) == []


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot write .*b, because"):
        put_bytes(tmp_path / "a" / "b", b"abc")


def test_an_error_inside_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "x.tif") as temporary:
        temporary.write_bytes(b"half")
        Path(f"{temporary}.ovr.tmp").write_bytes(b"half")
        Path(f"{temporary}.aux.xml").write_bytes(b"half")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_temporary_names_keep_the_extension(tmp_path: Path) -> None:
    with replacing(tmp_path / "x.tif") as temporary:
        assert temporary.suffix == ".tif"
        assert temporary.name.startswith(".")
        temporary.write_bytes(b"")
