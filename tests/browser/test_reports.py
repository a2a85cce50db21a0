"""Both reports in a real browser, from the disk: what is drawn can be seen, no word is cut off, and it fits the window."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from odse.report.model import render_model
from odse.report.run_page import render_run

from ..report.pages import model_page, run_page

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync",
         "--disable-component-update", "--virtual-time-budget=4000"]  # fmt: skip

LOOK = """<script>
const told = {pictures: [], cut: []};
told.wide = document.documentElement.scrollWidth - innerWidth;
told.requests = performance.getEntriesByType("resource").length;
for (const svg of document.querySelectorAll("svg")) {
  const box = svg.getBoundingClientRect();
  told.pictures.push([svg.querySelector("title").textContent, box.width, box.height]);
  for (const text of svg.querySelectorAll("text")) {
    const b = text.getBoundingClientRect();
    const inside = b.left > box.left - 1 && b.right < box.right + 1 && b.top > box.top - 1 && b.bottom < box.bottom + 1;
    if (!inside) told.cut.push(text.textContent);
  }
}
const shade = (word, element) => getComputedStyle(element)[word];
told.hit = [...document.querySelectorAll("td.hit")].map(cell => shade("backgroundColor", cell));
told.block = [...document.querySelectorAll("rect.block, rect.tile")].map(one => shade("fill", one));
const pre = document.createElement("pre"); pre.id = "told"; pre.textContent = JSON.stringify(told); document.body.append(pre);
</script>"""


@pytest.mark.parametrize("width", [1400, 520])
@pytest.mark.parametrize("which", ["model", "run"])
def test_the_report_can_be_read(which: str, width: int, tmp_path: Path, tool: Callable[[str], str]) -> None:
    text = render_model(model_page()) if which == "model" else render_run(run_page())
    page = tmp_path / "page.html"
    page.write_text(text.replace("</body>", LOOK + "</body>"), encoding="utf-8")
    command = [
        tool("chromium"),
        *FLAGS,
        f"--window-size={width},1000",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
    ]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(re.search(r'<pre id="told">(.*?)</pre>', done.stdout)[1])
    titles = [title for title, _, _ in told["pictures"]]
    if which == "model":
        assert titles == [
            "Reliability",
            "Importance by variable",
            "Importance by season",
            "Importance by kind",
            "Map of folds",
        ]
        assert len(set(told["hit"])) > 1, "the diagonal is shaded by its share"
        assert len(set(told["block"])) == 5, "a colour a fold"
    else:
        assert titles == ["Timeline", "Timeline", "Tiles of work"]
        assert len(set(told["block"])) == 4, "a colour a state"
    assert "rgb(0, 0, 0)" not in told["block"]
    assert all(width > 200 and height > 35 for _, width, height in told["pictures"])
    assert told["cut"] == []
    assert told["wide"] <= 0, "nothing makes the page wider than the window"
    assert told["requests"] == 0, "it stands alone"
