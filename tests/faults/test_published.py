"""What a run publishes: valid, reachable, without seams, the same whoever works."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pystac
import rasterio
from rio_cogeo import cog_validate
from sklearn.ensemble import RandomForestClassifier

from odse.sources.glad import BANDS

from .conftest import ODSE, Small, published

Faults = Callable[[dict[str, Any]], list[str]]


def test_the_catalogue_is_valid_and_every_href_resolves(
    small: Small, core_faults: Faults, extension_faults: Faults
) -> None:
    catalog = pystac.Catalog.from_file(str(small.folder / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert len(items) == 8 + 2, "one item a season and one a year"
    for path in (small.folder / "catalog.json", *(small.folder / "lcv_pilot_v0.1").rglob("*.json")):
        document = json.loads(path.read_bytes())
        assert core_faults(document) == [] and extension_faults(document) == [], path
    assets = 0
    for item in items:
        for key, asset in item.assets.items():
            path = Path(asset.get_absolute_href() or "")
            assert path.exists(), asset.href
            if path.suffix == ".tif":
                assets += 1
                assert path.stem.split("_")[1] == key.split("_")[0]
    assert assets == len(list((small.folder / "lcv_pilot_v0.1").rglob("*.tif")))


def test_every_layer_is_a_strict_cog_with_its_partner(small: Small) -> None:
    layers = sorted((small.folder / "lcv_pilot_v0.1").rglob("*.tif"))
    for path in layers[:: max(1, len(layers) // 40)]:
        assert cog_validate(str(path), strict=True)[0], path.name
    names = {path.stem for path in layers}
    for name in names:
        if "odse.eml_p_" in name and "hcl.prob" not in name:
            assert name.replace("odse.eml_p_", "odse.eml_md_") in names


def test_no_seam_between_work_tiles_or_source_tiles(small: Small) -> None:
    """The step across the border of tiles is like the steps beside it."""
    grid_x0, grid_y1 = 900000.0, 5460010.0
    checked = 0
    for name in ("lcv_nir_landsat.glad.ard_p50", "lcv_red_landsat.glad.ard_p50"):
        for path in sorted((small.folder / "lcv_pilot_v0.1").rglob(f"{name}*.tif")):
            with rasterio.open(path) as cog:
                values = cog.read(1).astype(float)
                values[values == cog.nodata] = np.nan
                column = round((4617120.0 - cog.bounds.left) / 30)
                row = round((cog.bounds.top - 2818090.0) / 30)
                assert (4617120.0 - grid_x0) / 30 % 512 == 0 and (grid_y1 - 2818090.0) / 30 % 512 == 0
            near = 13  # pixels to each side: all of them lie in the area
            across = np.nanmean(np.abs(np.diff(values[:, column - near : column + near], axis=1)), axis=0)
            down = np.nanmean(np.abs(np.diff(values[row - near : row + near], axis=0)), axis=1)
            for steps in (across, down):
                assert steps[near - 1] < np.delete(steps, near - 1).max() * 1.3, path.name
                checked += 1
    assert checked == 32


def dask(*words: str, cwd: Path) -> subprocess.Popen[bytes]:
    """`dask scheduler ...` or `dask worker ...`, as a user would start it."""
    code = f"import sys; from distributed.cli.dask_{words[0]} import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, *words[1:], "--no-dashboard"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd)


def test_status_of_a_finished_run_knows_two_states(small: Small) -> None:
    told = json.loads(
        subprocess.run([*ODSE, "status", str(small.folder), "--json"], capture_output=True, check=True).stdout
    )
    assert set(told["tasks"]) == {"done", "unreadable"} and told["tasks"]["unreadable"] == 1
    assert told["failures"] == told["damaged"] == [] and told["steps"]["catalog"] == {"done": 1}


def test_a_foreign_cluster_gives_the_same_bytes(small: Small, tmp_path: Path) -> None:
    """Scheduler and two workers, each a process of its own, whose libraries may use all the threads they like."""
    address = tmp_path / "scheduler.json"
    where = ["--scheduler-file", str(address)]
    processes = [dask("scheduler", "--host", "127.0.0.1", "--port", "0", *where, cwd=tmp_path)]
    try:
        end = time.monotonic() + 60
        while not address.exists() or not address.stat().st_size:
            assert time.monotonic() < end
            time.sleep(0.1)
        processes += [dask("worker", *where, "--nthreads", "1", "--no-nanny", cwd=tmp_path) for _ in range(2)]
        out = tmp_path / "out"
        words = [*small.arguments(out), "--scheduler", json.loads(address.read_bytes())["address"]]
        done = subprocess.run(words, capture_output=True, text=True, timeout=400, check=False)
        assert done.returncode == 0, done.stderr
        mine, theirs = published(small.folder), published(out)
        assert [name for name in mine.keys() | theirs.keys() if mine.get(name) != theirs.get(name)] == []
        pids = {json.loads(p.read_bytes())["measured"].get("pid") for p in (out / "receipts").rglob("*.json")} - {None}
        assert pids == {process.pid for process in processes[1:]}
    finally:
        for process in processes[::-1]:
            process.terminate()
            process.wait(timeout=30)


def test_the_ensemble_is_better_than_its_members(small: Small) -> None:
    accuracy = json.loads((small.folder / "model" / "accuracy.json").read_bytes())
    spatial, random = accuracy["designs"]["spatial"], accuracy["designs"]["random"]
    assert spatial["ensemble"]["log_loss"] < min(spatial[m]["log_loss"] for m in ("forest", "boosting", "network"))
    flattery = random["ensemble"]["levels"]["3"]["overall_accuracy"]
    assert flattery > spatial["ensemble"]["levels"]["3"]["overall_accuracy"]


def test_the_world_is_hard_and_the_chain_is_worth_it(small: Small) -> None:
    """Spatial folds, level 3: one summer composite and a forest reach 0.5 to 0.75, the whole chain 0.75 to 0.92."""
    model = small.folder / "model"
    samples, folds = pd.read_csv(model / "samples.csv", dtype={"target": str}), pd.read_csv(model / "folds.csv")
    names = json.loads((model / "landcover" / "model.json").read_bytes())["features"]
    summer = [i for i, name in enumerate(names) if name.endswith("_p50_summer") and name.split("_")[0] in BANDS]
    assert len(summer) == len(BANDS)
    features = np.full((len(samples), len(names)), np.nan, dtype=np.float32)
    for path in (small.folder / "work" / "overlay").glob("*.npz"):
        with np.load(path) as data:
            features[data["rows"]] = data["features"]
    target, fold = samples["target"].to_numpy(), folds["fold"].to_numpy()
    right = 0
    for one in np.unique(fold):
        forest = RandomForestClassifier(200, min_samples_leaf=2, random_state=0)
        forest.fit(features[fold != one][:, summer], target[fold != one])
        right += int((forest.predict(features[fold == one][:, summer]) == target[fold == one]).sum())
    assert 0.5 <= right / len(target) <= 0.75
    accuracy = json.loads((model / "accuracy.json").read_bytes())
    chain = accuracy["designs"]["spatial"]["ensemble"]["levels"]["3"]["overall_accuracy"]
    assert 0.75 <= chain <= 0.92
