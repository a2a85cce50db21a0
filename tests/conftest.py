"""Where real data and real tools are found. Absent: a skip with a reason, and a failure when CI is true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path

import hypothesis
import pytest

CI = os.environ.get("CI", "").lower() == "true"
ROOT = Path(__file__).resolve().parent.parent
Report = pytest.TestReport | pytest.CollectReport
OTHER_NAMES = {"chromium": ("chromium-browser", "google-chrome")}

hypothesis.settings.register_profile("odse", deadline=None, derandomize=CI, max_examples=60)
hypothesis.settings.load_profile("odse")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data: ODSE_TEST_DATA, by default ../shared/data beside the checkout."""
    folder = Path(os.environ.get("ODSE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data are not at {folder}; set ODSE_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """Path of a program by name, whatever the distribution calls it."""

    def find(name: str) -> str:
        path = next(filter(None, map(shutil.which, (name, *OTHER_NAMES.get(name, ())))), None)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Report, Report]:
    """With CI=true a skip is a failure: a test that did not run shows nothing."""
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Report, Report]:
    """The same for a module that skips itself as a whole."""
    return _no_skip((yield))


def _no_skip(report: Report) -> Report:
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.longrepr = f"skipped although CI=true: {report.longrepr}"
        report.outcome = "failed"
    return report
