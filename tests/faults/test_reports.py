"""The reports of a real run: reachable, true to its receipts, and there even when nothing could be published."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from odse.learn.accuracy import stacked_out_of_fold
from odse.run.closing import close_run
from odse.run.plan import plan

from .conftest import Small


def hrefs(page: Path) -> list[str]:
    return re.findall(r'href="([^"]+)"', page.read_text(encoding="utf-8"))


def test_every_page_leads_to_the_others(small: Small) -> None:
    pages = {name: small.folder / name for name in ("index.html", "run.html", "model/report.html")}
    assert {"run.html", "model/report.html"} <= set(hrefs(pages["index.html"]))
    assert "index.html" in hrefs(pages["run.html"]) and "../index.html" in hrefs(pages["model/report.html"])
    for page in pages.values():
        assert [href for href in hrefs(page) if not (page.parent / href).exists()] == []


def test_the_run_report_counts_every_receipt_and_names_the_broken_file(small: Small) -> None:
    text = (small.folder / "run.html").read_text(encoding="utf-8")
    receipts = [json.loads(path.read_bytes()) for path in (small.folder / "receipts").rglob("[!.]*.json")]
    done = sum("finished" in one["measured"] for one in receipts)
    assert f"<b>{done:,} of {done:,}</b>" in text and "No task failed" in text
    (broken,) = (one["receipt"] for one in receipts if one["receipt"]["state"] == "unreadable")
    assert f'<th scope="row">{broken["name"]}</th>' in text


def test_the_model_report_shows_the_file_of_accuracy(small: Small) -> None:
    text = (small.folder / "model" / "report.html").read_text(encoding="utf-8")
    told = json.loads((small.folder / "model" / "accuracy.json").read_bytes())
    for design in told["designs"].values():
        for scores in design.values():
            for level in scores["levels"].values():
                assert f'<data value="{level["overall_accuracy"]:.12g}">' in text
    samples = pd.read_csv(small.folder / "model" / "samples.csv", dtype={"target": str})
    folds = pd.read_csv(small.folder / "model" / "folds.csv")
    assert text.count('class="block k') == folds["block"].nunique()
    for code, n in samples["target"].value_counts().items():
        assert re.search(rf"</i>{code} [^<]+</th><td>{n}</td>", text), code
    importance = told["importance"]
    assert importance["rows"] == (folds["fold"] == importance["fold"]).sum() == folds["fold"].value_counts().max()
    assert {line["name"] for line in importance["groups"]["season"]} == {
        "winter",
        "spring",
        "summer",
        "fall",
        "all year",
    }
    names = json.loads((small.folder / "model" / "landcover" / "model.json").read_bytes())["features"]
    for lines in importance["groups"].values():
        assert sum(line["features"] for line in lines) == len(names)
    assert importance["groups"]["variable"][0]["log_loss"] > 0.1


def test_what_stands_unshuffled_is_the_out_of_fold_score(small: Small) -> None:
    """The members fitted anew for importance are those of the fit tasks: the held-out fold scores the same."""
    told = json.loads((small.folder / "model" / "accuracy.json").read_bytes())
    fold = pd.read_csv(small.folder / "model" / "folds.csv")["fold"].to_numpy()
    samples = pd.read_csv(small.folder / "model" / "samples.csv", dtype={"target": str})
    target = samples["target"].map({code: i for i, code in enumerate(told["classes"])}).to_numpy()
    oof = np.zeros((len(target), 3, len(told["classes"])), dtype=np.float32)
    for i, learner in enumerate(("forest", "boosting", "network")):
        for path in (small.folder / "work" / "fit" / learner).glob("spatial-*.npz"):
            with np.load(path) as data:
                oof[data["rows"], i] = data["probability"]
    probability = stacked_out_of_fold(oof, target, samples["weight"].to_numpy(), fold, len(told["classes"]))
    held = fold == told["importance"]["fold"]
    loss = -np.log(np.clip(probability[held, target[held]], 1e-6, 1)).mean()
    assert told["importance"]["log_loss"] == pytest.approx(loss, abs=1e-4)


def test_a_run_that_published_nothing_has_its_report(small: Small, tmp_path: Path) -> None:
    words = small.arguments(tmp_path)
    data = dict(word.split("=", 1) for word in words if "=" in word)
    made = plan(small.folder / "recipe.yaml", out=tmp_path, data=data)
    first = next(iter(made.tasks))
    close_run(made, [{"key": first, "class": "bad input", "sentence": "cannot <read>"}])
    assert [path.name for path in tmp_path.iterdir()] == ["run.html"]
    text = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert f"<b>0 of {len(made.tasks):,}</b>" in text and "cannot &lt;read&gt;" in text
    assert not hrefs(tmp_path / "run.html")
