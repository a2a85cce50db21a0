"""The project as a whole: what no single room can see."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import tomllib
from functools import cache
from pathlib import Path

import pytest

import odse

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("run", "test", "bench", "build")


def tracked() -> list[Path]:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in done.stdout.split("\0") if name and (path := ROOT / name).exists()]


def texts() -> dict[str, str]:
    kinds = {".py", ".md", ".toml", ".yaml", ".txt", ".sh", ".cff", ".j2", ".cpp", ".csv", ".json", ""}
    return {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in tracked() if p.suffix in kinds}


@cache
def pins(lock: str) -> dict[str, tuple[str, str]]:
    """Name -> version, the rest of its entry. A package may stand twice, for two kinds of machines."""
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    entries = [entry for entry in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE) if entry[:1] not in ("", "#")]
    return {entry.split("==")[0]: (entry.split("==")[1].split()[0], entry) for entry in entries}


def test_no_registry_host_and_no_path_of_one_machine() -> None:
    registries = [
        a + b for a, b in (("pypi.", "org"), ("pythonhosted.", "org"), ("npmjs.", "org"), ("deb.debian.", "org"))
    ]
    machine = re.compile(r"(?<![\w.:/])/(" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me")) + r")/[A-Za-z.]")
    for name, text in texts().items():
        assert not any(host in text for host in registries), name
        assert not machine.search(text), name


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_have_hashes_and_name_no_host(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text and "--extra-index" not in text
    assert pins(lock) and all("--hash=sha256:" in rest for _, rest in pins(lock).values())


def test_locks_agree_and_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {"run": project["dependencies"], **project["optional-dependencies"]}
    for lock, wanted in asked.items():
        assert {re.split(r"[><=\[]", one)[0].lower().replace("_", "-") for one in wanted} <= set(pins(lock)), lock
    for one in LOCKS:
        for other in LOCKS:
            both = set(pins(one)) & set(pins(other))
            assert {n: pins(one)[n][0] for n in both} == {n: pins(other)[n][0] for n in both}, f"{one}, {other}"


def test_modules_say_what_they_hold() -> None:
    modules = sorted((ROOT / "src").rglob("*.py"))
    assert not {name for path in modules for name in path.relative_to(ROOT / "src").with_suffix("").parts} & {
        "utils", "util", "misc", "common", "helpers", "base",
    }  # fmt: skip
    for path in modules:
        assert path.read_text(encoding="utf-8").lstrip().startswith('"""'), f"{path} says not what it is"


def test_one_version_everywhere() -> None:
    assert f"version: {odse.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^## (Unreleased|" + re.escape(odse.__version__) + ")", texts()["CHANGELOG.md"], re.MULTILINE)


def test_help_answers_in_half_a_second() -> None:
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "odse.cli", "--help"], check=True, capture_output=True)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.5, "three times the promise, for machines that do other things as well"
