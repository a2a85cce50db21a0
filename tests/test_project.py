"""The project as a whole: what no single room can see."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import odse

ROOT = Path(__file__).resolve().parent.parent


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    return [ROOT / name for name in listed if name]


def texts() -> dict[str, str]:
    kinds = {".py", ".md", ".toml", ".yaml", ".txt", ".sh", ".cff", ".j2", ".cpp", ""}
    return {
        p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8")
        for p in tracked()
        if p.suffix in kinds and p.exists()
    }


def test_no_registry_host_and_no_path_of_one_machine() -> None:
    registries = [
        a + b for a, b in (("pypi.", "org"), ("pythonhosted.", "org"), ("npmjs.", "org"), ("deb.debian.", "org"))
    ]
    machine = re.compile(r"(?<![\w.:/])/(" + "|".join(("wo" + "rk", "ro" + "ot", "ho" + "me")) + r")/[A-Za-z.]")
    for name, text in texts().items():
        assert not any(host in text for host in registries), name
        assert not machine.search(text), name


def test_locks_have_hashes_and_name_no_host() -> None:
    for name in ("run", "test", "bench"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        assert text.count("--hash=sha256:") > 100 and "://" not in text and "--index" not in text


def test_names_of_modules_say_what_they_hold() -> None:
    modules = [path for path in tracked() if path.suffix == ".py" and "src" in path.parts]
    assert not {path.stem for path in modules} & {"utils", "misc", "common", "helpers", "base"}
    for path in modules:
        assert path.read_text(encoding="utf-8").lstrip().startswith('"""'), f"{path} says not what it is"


def test_one_version_everywhere() -> None:
    assert f"version: {odse.__version__}\n" in (ROOT / "CITATION.cff").read_text()


def test_links_of_the_documents_resolve() -> None:
    for path in tracked():
        if path.suffix == ".md":
            for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
                assert (path.parent / link).exists(), f"{path.name}: {link}"
