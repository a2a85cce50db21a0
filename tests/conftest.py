"""Where real data and real tools are found. Absent: a skip with a reason, and a failure when CI is true."""

from __future__ import annotations

import importlib.resources
import json
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource

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


def _core_registry() -> Registry:
    """The core schemas 1.1.0 as pystac ships them; whatever else is asked for fails, nothing is fetched."""
    registry: Registry = Registry()
    root = importlib.resources.files("pystac.validation.jsonschemas")
    for folder in (root / "stac-spec" / "v1.1.0", root / "geojson"):
        for file in folder.iterdir():
            content = json.loads(file.read_text(encoding="utf-8"))
            place = {"catalog.json": "catalog-spec", "collection.json": "collection-spec"}.get(file.name, "item-spec")
            uri = f"https://schemas.stacspec.org/v1.1.0/{place}/json-schema/{file.name}"
            if folder.name == "geojson":
                uri = f"https://geojson.org/schema/{file.name}"
            # By its place, not by its $id: that of common.json is misspelt in the specification.
            registry = registry.with_resource(uri, Resource.from_contents({**content, "$id": uri}))
    return registry


def _findings(schema: dict[str, Any], registry: Registry, document: dict[str, Any]) -> list[str]:
    validator = Draft7Validator(schema, registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)
    return [f"{'/'.join(map(str, error.path))}: {error.message[:200]}" for error in validator.iter_errors(document)]


@pytest.fixture(scope="session")
def core_faults() -> Callable[[dict[str, Any]], list[str]]:
    """What the core schemas of STAC 1.1 find in a document."""
    registry = _core_registry()
    kinds = {"Feature": "item", "Collection": "collection", "Catalog": "catalog"}

    def faults(document: dict[str, Any]) -> list[str]:
        kind = kinds[document["type"]]
        uri = f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"
        return _findings(registry.contents(uri), registry, document)

    return faults


@pytest.fixture(scope="session")
def extension_faults(data_dir: Path) -> Callable[[dict[str, Any]], list[str]]:
    """What the schemas of the extensions that a document names find in it. An extension without a schema is an error."""
    registry = _core_registry()
    schemas = {}
    for path in (data_dir / "18_schemas" / "stac-extensions").glob("*/schema.json"):
        schema = json.loads(path.read_bytes())
        schemas[schema["$id"].rstrip("#")] = schema

    def faults(document: dict[str, Any]) -> list[str]:
        return [
            fault
            for uri in document.get("stac_extensions", ())
            for fault in _findings(schemas[uri], registry, document)
        ]

    return faults


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
