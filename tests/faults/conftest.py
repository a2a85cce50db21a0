"""One small simulated area and one undisturbed run of it, shared by the tests that do harm to others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ODSE = [sys.executable, "-m", "odse.cli"]


@dataclass(frozen=True)
class Small:
    """A finished `odse demo --small`, and how to give its run command into another folder."""

    folder: Path

    def arguments(self, out: Path) -> list[str]:
        data = {"archive": "archive", "terrain": "terrain", "samples": "samples.csv", "truth": "truth"}
        pairs = [word for name, path in data.items() for word in ("--data", f"{name}={self.folder / 'input' / path}")]
        return [*ODSE, "run", str(self.folder / "recipe.yaml"), "--out", str(out), *pairs]

    def run(self, out: Path, **options: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.arguments(out), capture_output=True, text=True, timeout=300, check=False, **options)

    def copy(self, to: Path) -> Path:
        """The finished run in another folder, where it may be damaged."""
        shutil.copytree(self.folder, to, ignore=shutil.ignore_patterns("input"))
        shutil.copytree(self.folder / "input", to / "input", symlinks=True)
        return to


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    folder = tmp_path_factory.mktemp("small") / "demo"
    done = subprocess.run(
        [*ODSE, "demo", "--small", "--out", str(folder)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return Small(folder)


def published(folder: Path) -> dict[str, bytes]:
    """Every published byte of a run: layers, pictures, catalogue, model. Not receipts, not what was measured."""
    skip = ("work/", "receipts/", "input/", "measured.js", "run.html", "recipe.yaml")
    return {
        name: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (name := path.relative_to(folder).as_posix()).startswith(skip)
    }
