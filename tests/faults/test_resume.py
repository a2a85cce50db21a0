"""Kill it, damage it, fill its disk: nothing is lost, nothing is torn, and the next run carries on."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import ODSE, Small, published


def status(folder: Path, *words: str) -> dict:
    done = subprocess.run([*ODSE, "status", str(folder), "--json", *words], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def receipts(folder: Path) -> dict[str, tuple[bytes, float]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted((folder / "receipts").rglob("[!.]*.json"))
    }


def start(small: Small, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        small.arguments(out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for(out: Path, enough: int, process: subprocess.Popen[str]) -> None:
    """Until so many tasks have a receipt."""
    end = time.monotonic() + 240
    while len(list((out / "receipts").rglob("[!.]*.json"))) < enough:
        assert time.monotonic() < end and process.poll() is None, "the run ended before it could be disturbed"
        time.sleep(0.02)


def test_kill_minus_nine_and_run_again_gives_the_same_bytes(small: Small, tmp_path: Path) -> None:
    """SIGKILL to the whole group, to the client alone, to a worker; then to the end: bytes as undisturbed, no task twice."""
    out = tmp_path / "killed"
    chance = random.Random(4)
    for enough, whom in zip(sorted(chance.sample(range(5, 400), 3)), ("worker", "client", "group"), strict=True):
        with start(small, out) as process:
            wait_for(out, enough, process)
            if whom == "worker":  # the pool replaces it, the run goes on
                newest = max((out / "receipts").rglob("[!.]*.json"), key=lambda path: path.stat().st_mtime_ns)
                os.kill(json.loads(newest.read_bytes())["measured"]["pid"], signal.SIGKILL)
                wait_for(out, enough + 20, process)
            if whom == "client":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    before = receipts(out)
    done = small.run(out)
    assert done.returncode == 0, done.stderr
    after = receipts(out)
    assert {name: after[name] for name in before} == before, "a task with a valid receipt was done again"
    assert published(out) == published(small.folder)
    assert not [path for path in out.rglob("*") if ".tmp" in path.name or path.name.endswith("~")]


def test_two_worker_processes_did_the_tasks(small: Small) -> None:
    pids = {json.loads(data)["measured"].get("pid") for data, _ in receipts(small.folder).values()}
    assert len(pids - {None}) >= 2


def test_a_flipped_byte_is_named_and_exactly_that_is_remade(small: Small, tmp_path: Path) -> None:
    folder = small.copy(tmp_path / "copy")
    whole = published(folder)
    cog = sorted((folder / "lcv_pilot_v0.1" / "2020").glob("*landcover.hcl*.tif"))[0]
    flip(cog)
    broken = next(iter(sorted((folder / "receipts" / "fill").rglob("[!.]*.json"))))
    flip(broken)
    told = status(folder, "--verify")
    assert {one["key"] for one in told["damaged"]} == {
        cog.relative_to(folder).as_posix(),
        broken.relative_to(folder).as_posix(),
    }
    before = receipts(folder)
    done = small.run(folder)
    assert done.returncode == 0, done.stderr
    after = receipts(folder)
    changed = {name for name in after if after[name][1] != before[name][1]}
    assert changed == {f"receipts/publish/{cog.stem}.json", broken.relative_to(folder).as_posix()}
    assert published(folder) == whole
    assert status(folder, "--verify")["damaged"] == []


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(bytes(data))


def test_nothing_is_done_twice(small: Small, tmp_path: Path) -> None:
    folder = small.copy(tmp_path / "copy")
    before = receipts(folder)
    done = small.run(folder)
    assert done.returncode == 0 and done.stdout.startswith("0 tasks done"), done.stdout + done.stderr
    assert receipts(folder) == before


def test_lost_work_files_do_not_matter_when_nothing_needs_them(small: Small, tmp_path: Path) -> None:
    folder = small.copy(tmp_path / "copy")
    shutil.rmtree(folder / "work")
    done = small.run(folder)
    assert done.returncode == 0 and done.stdout.startswith("0 tasks done"), done.stdout + done.stderr


def test_ctrl_c_is_one_sentence_and_resumes(small: Small, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with start(small, out) as process:
        wait_for(out, 20, process)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "cannot finish the run in" in errors and "give the same command again to carry on" in errors
    assert "Traceback" not in errors
    done = small.run(out)
    assert done.returncode == 0, done.stderr
    assert published(out) == published(small.folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_full_disk_is_one_sentence_and_resumes(small: Small, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], check=True)
    try:
        done = small.run(disk / "out")
        assert done.returncode == 1
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("odse: cannot ") and "disk" in last and "Traceback" not in done.stderr, done.stderr
        subprocess.run(["mount", "-o", "remount,size=900m", str(disk)], check=True)
        done = small.run(disk / "out")
        assert done.returncode == 0, done.stderr
        assert published(disk / "out") == published(small.folder)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_no_permission_is_one_sentence(small: Small, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=900m,ro", "tmpfs", str(disk)], check=True)
    try:
        done = small.run(disk / "out")
        assert done.returncode == 1
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "odse: cannot write" in done.stderr
    finally:
        subprocess.run(["umount", str(disk)], check=True)
