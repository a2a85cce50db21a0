"""Print docs/reference/command-line.md from the commands themselves: `make docs`; a test compares."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.testing import CliRunner

from odse.cli import cli

HEAD = """# Commands

Answers go to standard output, progress and errors to standard error. The exit code is 0 only when all of it worked; 1 when something
failed or is damaged; 2 for words the command does not know; 130 after Ctrl-C. What `--help` prints (this page is made by `make docs`):
"""


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, those of groups before what is in them."""
    yield words
    for verb, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, verb))
        else:
            yield (*words, verb)


def page() -> str:
    """The whole page as Markdown."""
    parts = [HEAD]
    for words in commands(cli):
        shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="odse", terminal_width=100).output
        parts.append(f"## {' '.join(['odse', *words])}\n\n```text\n{shown.strip()}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(page(), end="")
