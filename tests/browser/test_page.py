"""The page in a real browser, from the disk."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from odse.report.page import Column, Page, Picture, Row, render, render_measured

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync",
         "--disable-component-update", "--virtual-time-budget=4000"]  # fmt: skip


def page(**changes: object) -> Page:
    picture = Column(2020, Picture("a.png", "a picture", "a.tif"))
    rows = [Row("class", "Dominant class", "words", [picture]), Row("p-311", "Probability", "of", [picture], "311"),
            Row("p-511", "Probability", "of", [picture], "511")]  # fmt: skip
    classes = [{"code": c, "label": c, "color": "#123456", "value": 1, "n": 4} for c in ("311", "511")]
    return Page(**{"title": "<script>alert(1)</script> & co", "description": "", "facts": {"Area": "1 km²"}, "years": [2020],
                   "rows": rows, "classes": classes, **changes})  # fmt: skip


def dump(folder: Path, chromium: str) -> str:
    done = subprocess.run([chromium, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", (folder / "index.html").as_uri()],
                          capture_output=True, text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_works_from_the_disk(tmp_path: Path, tool: Callable[[str], str]) -> None:
    (tmp_path / "index.html").write_text(render(page()), encoding="utf-8")
    (tmp_path / "measured.js").write_text(
        render_measured(
            [
                {
                    "step": "fill",
                    "tasks": 3,
                    "read_s": 1.0,
                    "compute_s": 2.0,
                    "write_s": 1.0,
                    "seconds": 4.0,
                    "peak_mb": 77,
                }
            ],
            ["h:1"],
        )
    )
    seen = dump(tmp_path, tool("chromium"))
    assert "77 MB" in seen and "1 worker processes" in seen, "the script ran and measured.js was read"
    assert 'data-code="511" hidden' in seen and 'data-code="311" hidden' not in seen, "one class is shown at a time"


def test_what_people_write_is_escaped_and_nothing_comes_from_a_network() -> None:
    text = render(page(description="<b>", set_aside=[{"key": "<i>", "class": "bug", "sentence": "<u>"}]))
    assert "<script>alert(1)" not in text and "&lt;script&gt;alert(1)" in text
    assert "http:" not in text and "https:" not in text and "//" not in text.replace("</", "")
    assert "&lt;i&gt;" in text and "&lt;u&gt;" in text


def test_equal_content_gives_equal_bytes() -> None:
    assert render(page()) == render(page())
