"""Carry out a plan: skip what has a valid receipt, hand the rest to a pool of workers, never lose what is done.

The pool is ``dask.distributed``: one submitted call per task, no graph of pixels. Its memory is disposable: what is done
is what has a receipt. A laptop uses a local pool through the same interface as a cluster.
"""

from __future__ import annotations

import json
import logging
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from distributed import Client, Future, KilledWorker, LocalCluster, as_completed
from tqdm import tqdm

from odse.errors import InterruptedRunError, OdseError, ReceiptError, RunError, StoreError
from odse.run.closing import close_run
from odse.run.plan import Plan, archive_images, check_possible
from odse.run.steps import carry_out
from odse.run.task import Task
from odse.run.trial import check_no_whole
from odse.store.files import put_bytes
from odse.store.receipts import Receipt, canonical, damage, read_receipt

logger = logging.getLogger(__name__)

Class = Literal["bad input", "out of memory", "lost worker", "transient", "bug", "blocked"]


@dataclass(frozen=True)
class Failure:
    """A task that was set aside."""

    key: str
    """Id of the task."""
    failure: Class
    sentence: str
    traceback: str = ""


@dataclass
class Run:
    """What a run did."""

    folder: Path
    done: int = 0
    skipped: int = 0
    failures: list[Failure] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)

    @property
    def catalog(self) -> Path:
        return self.folder / "catalog.json"

    @property
    def page(self) -> Path:
        return self.folder / "index.html"

    def to_json(self) -> dict[str, Any]:
        return {
            "folder": str(self.folder),
            "catalog": str(self.catalog),
            "page": str(self.page),
            "done": self.done,
            "skipped": self.skipped,
            "unreadable": self.unreadable,
            "failures": [failure_record(one) for one in self.failures],
        }


def failure_record(failure: Failure) -> dict[str, str]:
    """A failure as the forms show it."""
    return {"key": failure.key, "class": failure.failure, "sentence": failure.sentence}


def execute(plan: Plan, *, workers: int = 2, scheduler: str | None = None, progress: bool = True) -> Run:
    """Do every task of a plan that has no valid receipt, then the catalogue and the page.

    Raises RunError when tasks were set aside (after all others were done), InterruptedRunError on Ctrl-C, StoreError when
    the disk is full or not writable; in each case the same call later carries on.
    """
    folder = plan.place.folder
    check_no_whole(plan)
    check_possible(plan, workers=workers)
    _sweep(folder)
    put_bytes(folder / "work" / "plan.json", canonical({task.id: task.key for task in plan.tasks.values()}))
    run = Run(folder)
    todo = to_do(plan)
    run.skipped = len(plan.tasks) - len(todo)
    try:
        if todo:
            with _pool(workers, scheduler, folder) as client:
                _work_off(plan, todo, run, client, progress=progress)
        close_run(plan, [failure_record(one) for one in run.failures])
    except KeyboardInterrupt:
        raise InterruptedRunError.sentence(
            "finish", f"the run in {folder}", "it", "interrupted", "give the same command again to carry on"
        ) from None
    finally:
        put_bytes(folder / "work" / "failures.json", json.dumps([asdict(f) for f in run.failures], indent=1).encode())
    if run.failures:
        first = run.failures[0]
        raise RunError.sentence(
            "finish",
            f"the run in {folder}",
            "the number of tasks set aside",
            f"{len(run.failures)} of {len(plan.tasks)} (first: {first.key}: {first.sentence})",
            f"see `odse status {folder}`, mend the cause and give the same command again",
        )
    return run


def _sweep(folder: Path) -> None:
    """Remove what a killed run had not finished writing: hidden files that were never given their name."""
    for left in (path for place in ("work", "receipts", "model", "pictures", "*_*_v*") for path in folder.glob(place)):
        for beside in left.rglob(".*.tmp*"):
            beside.unlink(missing_ok=True)


def to_do(plan: Plan) -> set[str]:
    """Ids of the tasks to carry out.

    A task is done when it has a sealed receipt of the same key and its outputs are intact. Published files are hashed;
    work files are only measured, and a lost one counts only when a task still to do reads it.
    """
    todo: set[str] = set()
    lost: set[str] = set()
    for task_id, task in plan.tasks.items():
        try:
            receipt = read_receipt(plan.place.folder, task_id)
        except ReceiptError:
            receipt = None
        if receipt is None or receipt.key != task.key:
            todo.add(task_id)
            continue
        for output in receipt.outputs:
            is_work = output.path.startswith("work/")
            if damage(plan.place.folder, output, hashed=not is_work) is not None:
                (lost if is_work else todo).add(task_id)
    stack = list(todo)
    while stack:
        for need in plan.tasks[stack.pop()].needs:
            if need in lost and need not in todo:
                todo.add(need)
                stack.append(need)
    return todo


@contextmanager
def _pool(workers: int, scheduler: str | None, folder: Path) -> Iterator[Client]:
    if scheduler:
        client = Client(scheduler, timeout="20s", set_as_default=False)
        try:
            yield client
        finally:
            client.close()
        return
    quiet = logging.getLogger("distributed")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)
    # Ctrl-C reaches the whole process group; workers started while it is ignored leave it to the client.
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if _in_main_thread() else None
    cluster = LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        memory_limit=0,
        silence_logs=logging.CRITICAL,
        local_directory=str(folder / "work" / "dask"),
    )
    client = Client(cluster, set_as_default=False)
    if handler is not None:
        signal.signal(signal.SIGINT, handler)
    try:
        yield client
    finally:
        client.close()
        cluster.close()
        quiet.setLevel(level)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _work_off(plan: Plan, todo: set[str], run: Run, client: Client, *, progress: bool) -> None:
    """Keep the pool busy until nothing that can be done is left."""
    tasks, place = plan.tasks, plan.place
    waiting = {task_id: {need for need in tasks[task_id].needs if need in todo} for task_id in tasks if task_id in todo}
    users: dict[str, list[str]] = {}
    for task_id, needs in waiting.items():
        for need in needs:
            users.setdefault(need, []).append(task_id)
    ready = [task_id for task_id, needs in waiting.items() if not needs]
    attempts: Counter[str] = Counter()
    shared = _Shared(plan)
    limit = place.recipe.limits
    ingests = sum(task.step == "ingest" for task in tasks.values())
    remote_place = client.scatter(place, broadcast=True, hash=False)
    flying = as_completed(loop=client.loop)
    in_flight: dict[str, str] = {}
    window = 2 * max(1, len(client.scheduler_info()["workers"])) + 2
    with tqdm(total=len(todo), unit="task", disable=None if progress else True, dynamic_ncols=True) as bar:

        def submit_more() -> None:
            while ready and len(in_flight) < window:
                task_id = ready.pop(0)
                task = tasks[task_id]
                attempts[task_id] += 1
                future = client.submit(
                    carry_out,
                    task,
                    remote_place,
                    shared.of(task),
                    pure=False,
                    retries=0,
                    key=f"{task.id}#{attempts[task_id]}-{time.monotonic_ns()}",
                )
                in_flight[future.key] = task_id
                flying.add(future)

        submit_more()
        while in_flight:
            future = next(flying)
            task_id = in_flight.pop(future.key)
            outcome = _outcome(future)
            if isinstance(outcome, Receipt):
                run.done += 1
                for what in ("read_s", "compute_s", "write_s"):
                    run.seconds[what] += outcome.measured[what]
                if outcome.state == "unreadable":
                    run.unreadable.append(task_id)
                    if len(run.unreadable) > limit.unreadable_share * ingests:
                        raise RunError.sentence(
                            "go on with",
                            f"the run in {run.folder}",
                            "the share of unreadable files",
                            f"above limits.unreadable_share ({len(run.unreadable)} of {ingests}, limit "
                            f"{limit.unreadable_share:.0%})",
                            "mend the archive or raise the limit",
                        )
                for user in users.get(task_id, ()):
                    waiting[user].discard(task_id)
                    if not waiting[user]:
                        ready.append(user)
            elif (
                outcome.failure in ("transient", "out of memory", "lost worker") and attempts[task_id] < limit.attempts
            ):
                time.sleep(min(0.2 * 2 ** attempts[task_id], 5.0))
                ready.insert(0, task_id)
            else:
                failure = Failure(task_id, outcome.failure, outcome.sentence, outcome.traceback)
                run.failures.append(failure)
                run.failures += _block(task_id, users, waiting)
                logger.warning("%s set aside: %s", task_id, failure.sentence)
            bar.n = run.done + len(run.failures)
            bar.set_postfix_str(_shares(run.seconds), refresh=False)
            bar.refresh()
            submit_more()


class _Shared:
    """What a worker must be handed beside the task: the place of a file on this machine, the Layer to publish."""

    def __init__(self, plan: Plan) -> None:
        self._publications = {str(one.layer.name): one for one in plan.publications}
        archive = any(task.step == "ingest" for task in plan.tasks.values())
        self._images = {image.name: image for image in archive_images(plan.place)} if archive else {}

    def of(self, task: Task) -> dict[str, Any]:
        if task.step == "publish":
            return {"publication": self._publications[task.name]}
        if task.step == "ingest":
            return {"image": self._images[task.params["image"]]}
        return {}


def _outcome(future: Future) -> Receipt | Failure:
    """The receipt of a finished call, or what class of failure it was. A full disk ends the run at once."""
    try:
        result: Receipt = future.result()
        return result
    except StoreError:
        raise
    except OdseError as error:
        return Failure("", "bad input", str(error))
    except MemoryError as error:
        return Failure("", "out of memory", f"the worker ran out of memory ({error})")
    except KilledWorker as error:
        return Failure("", "lost worker", f"the worker died while doing it ({error})")
    except (ConnectionError, TimeoutError, InterruptedError) as error:
        return Failure("", "transient", f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - the border of the pool: whatever a task raises is a bug, kept whole
        return Failure("", "bug", f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error)))


def _block(task_id: str, users: Mapping[str, list[str]], waiting: dict[str, set[str]]) -> list[Failure]:
    """Everything that can no longer be done because a task was set aside."""
    blocked: dict[str, Failure] = {}
    stack = [task_id]
    while stack:
        cause = stack.pop()
        for user in users.get(cause, ()):
            if user not in blocked:
                blocked[user] = Failure(user, "blocked", f"it needs {task_id}, which was set aside")
                waiting[user].add(task_id)
                stack.append(user)
    return list(blocked.values())


def _shares(seconds: Mapping[str, float]) -> str:
    total = sum(seconds.values()) or 1.0
    return " ".join(f"{what} {seconds.get(f'{what}_s', 0) / total:.0%}" for what in ("read", "compute", "write"))
