"""The documents against what they describe: commands, recipe keys, public names, links. Their examples run as doctests."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

import odse
from odse.cli import cli
from odse.derive.indices import INDICES
from odse.run.recipe import Recipe, parse_recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
TEXT = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}


def blocks(language: str) -> list[tuple[str, str]]:
    """(page, content) of every fenced block of a language; '' for plain ones."""
    fence = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [(name, found) for name, text in TEXT.items() for found in fence.findall(text)]


def commands() -> list[tuple[str, str]]:
    """(page, line) of every command that a page tells to give."""
    found = {(name, line.split("#")[0].strip()) for name, text in blocks("") for line in text.splitlines()}
    return sorted((name, line) for name, line in found if line.startswith(("odse ", "make ")))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def recipe_keys(schema: dict[str, Any]) -> set[str]:
    """Every key a recipe may have, at any depth."""
    parts = [schema, *schema["$defs"].values()]
    return {key for part in parts for key in part.get("properties", {})}


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_on_pages_are_commands(page: str, line: str) -> None:
    words = shlex.split(line)
    if words[0] == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[1] in targets
    else:
        above = click.Context(cli, info_name="odse", **cli.context_settings)
        command: click.Command = cli
        while isinstance(command, click.Group):
            command = command.commands[words[1]]
            above = command.make_context(words[1], words[2:], parent=above)  # reads the words, does nothing
            words = words[1:]


def test_the_page_of_commands_is_what_help_prints() -> None:
    spec = importlib.util.spec_from_file_location("help_pages", ROOT / "tools" / "help_pages.py")
    assert spec and spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert TEXT["docs/reference/command-line.md"] == tool.page(), "write it anew: make docs"


def test_every_key_of_a_recipe_is_explained() -> None:
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", TEXT["docs/reference/recipe.md"])
    told = {word for span in spans for word in re.findall(r"\w+", span)}
    assert recipe_keys(Recipe.model_json_schema(by_alias=True)) | set(INDICES) <= told


@pytest.mark.parametrize("text", [text for _, text in blocks("yaml") if text.startswith("odse:")])
def test_recipes_on_pages_are_recipes(text: str) -> None:
    assert parse_recipe(text).years_


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_are_recipes(path: Path) -> None:
    assert parse_recipe(path.read_text(encoding="utf-8")).title
    assert path.name in TEXT["examples/README.md"]


def test_every_public_name_is_explained() -> None:
    told = set(re.findall(r"`(\w+)[`(]", TEXT["docs/reference/python.md"]))
    assert set(odse.__all__) <= told


def test_every_room_is_explained() -> None:
    told = re.findall(r"`(\w+)`", TEXT["docs/reference/house.md"])
    rooms = {p.stem for p in (ROOT / "src" / "odse").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert rooms - {"__init__"} <= set(told)


def test_links_resolve() -> None:
    for name, text in TEXT.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in link:
                continue
            path, _, anchor = link.partition("#")
            target = (ROOT / name).parent / path if path else ROOT / name
            assert target.exists(), f"{name}: {link}"
            assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), f"{name}: {link}"


def test_every_page_can_be_reached_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w/.-]+\.md)", TEXT["docs/index.md"]))
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {"index.md"} == linked
