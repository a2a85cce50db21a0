"""Files that are there whole or not at all: temporary name, fsync, rename, fsync of the folder.

A reader never sees half a file, and a name that exists names bytes that were written to their end. What is
left after a crash are files whose names begin with a dot and end in ``.tmp`` or ``.tmp.*``.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from odse.errors import StoreError

_CAUSES: dict[int | None, tuple[str, str, str]] = {
    errno.ENOSPC: (
        "the disk",
        "full",
        "free some space or write to another disk, then give the same command again",
    ),
    errno.EDQUOT: ("the quota of the disk", "used up", "free some space, then give the same command again"),
    errno.EFBIG: (
        "the file",
        "larger than this system lets a file be",
        "raise the limit (`ulimit -f`) or use another disk",
    ),
    errno.EACCES: ("its folder", "not yours to write to", "change its permissions or choose another folder"),
    errno.EPERM: ("its folder", "not yours to write to", "change its permissions or choose another folder"),
    errno.EROFS: ("the file system", "read-only", "choose a folder on a writable disk"),
    errno.ENOTDIR: (
        "a part of its path",
        "a file and not a folder",
        "move that file away or choose another folder",
    ),
    errno.EISDIR: ("that name", "already a folder", "move that folder away or choose another name"),
    errno.ENAMETOOLONG: ("its name", "too long for this file system", "shorten the names in the recipe"),
}


def store_error(path: Path, error: OSError, *, verb: str = "write") -> StoreError:
    """The sentence for what the system said of a path."""
    what, value, remedy = _CAUSES.get(
        error.errno, ("the system's answer", repr(error.strerror or str(error)), "mend that and try again")
    )
    return StoreError.sentence(verb, str(path), what, value, remedy)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``; when the block ends without an error, its file takes the place of
    ``path``.

    Makes the folder. Whatever happens, no temporary file stays behind, also none that a library made beside
    it with the same beginning. An OSError becomes a StoreError; every other error passes. Touches the disk.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a" / "b.txt"
    >>> with replacing(target) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> target.read_text(), [p.name for p in target.parent.iterdir()]
    ('whole', ['b.txt'])
    """
    path = Path(path)
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise store_error(path, error) from error
    finally:
        _remove_all(temporary)


def put_bytes(path: Path, data: bytes | bytearray | memoryview) -> None:
    """Write a file so that it is there whole or not at all, and is on the disk when this returns.

    Raises StoreError (full disk, no permission, read-only, ...); the earlier file of that name then stays as
    it was.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.bin"
    >>> put_bytes(path, b"abc")
    >>> path.read_bytes()
    b'abc'
    """
    with replacing(path) as temporary, open(temporary, "wb", buffering=0) as file:
        _write_all(file, data)


def sha256_of(path: Path) -> str:
    """sha256 (hex) of a file's bytes, read in pieces. Raises StoreError when it cannot be read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "x.bin"
    >>> put_bytes(path, b"")
    >>> sha256_of(path)[:8]
    'e3b0c442'
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise StoreError.sentence("read", str(path), "the file", "missing", "run again: it is made anew") from None
    except OSError as error:
        raise store_error(Path(path), error, verb="read") from error


def check_room(folder: Path, *, mb: int = 4) -> None:
    """Raise StoreError when ``folder`` cannot take another ``mb`` megabytes.

    For use after a library failed to write: some of them only log a full disk. Touches the disk, leaves
    nothing.
    """
    probe = _temporary(folder / "room")
    try:
        with open(probe, "wb", buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, mb << 20)
    except OSError as error:
        raise store_error(folder, error) from error
    finally:
        _remove_all(probe)


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.stem}.{os.getpid()}-{os.urandom(4).hex()}.tmp{path.suffix}"


def _write_all(file: io.FileIO, data: bytes | bytearray | memoryview) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[file.write(rest) :]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_all(temporary: Path) -> None:
    """Remove a temporary file and those a library put beside it (GDAL: ``.ovr.tmp``, ``.aux.xml``)."""
    if temporary.parent.is_dir():
        for left in os.scandir(temporary.parent):
            if left.name.startswith(temporary.name):
                Path(left.path).unlink(missing_ok=True)
