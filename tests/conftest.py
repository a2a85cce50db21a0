"""Where real data and real tools are found. Absent: a skip with a reason, and a failure when CI is true."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

CI = os.environ.get("CI", "").lower() == "true"
ROOT = Path(__file__).resolve().parent.parent

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
    """Path of a program by name."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return find


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """With CI=true a skip is a failure: a test that did not run shows nothing."""
    outcome = yield
    report = outcome.get_result()
    if CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI=true: {report.longrepr}"
