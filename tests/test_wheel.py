"""The wheel, installed into an empty environment, runs the demo."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_runs_the_demo(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)],
                   check=True, capture_output=True)  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q"]
    subprocess.run(
        [*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt")], check=True, capture_output=True
    )
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True, capture_output=True)
    done = subprocess.run([str(tmp_path / "env" / "bin" / "odse"), "demo", "--small", "--out", str(tmp_path / "demo")],
                          cwd=tmp_path, capture_output=True, text=True, timeout=400, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "catalog.json").exists() and (tmp_path / "demo" / "index.html").exists()
