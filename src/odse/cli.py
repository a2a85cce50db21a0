"""The command line: one command per verb. Answers go to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import odse
from odse.errors import InterruptedRunError, OdseError

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


class _Verb(click.Command):
    """A command whose example keeps its line breaks in ``--help``."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write_paragraph()
            formatter.write("Example:\n" + "".join(f"  {line}\n" for line in self.epilog.splitlines()))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(odse.__version__, prog_name="odse")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens to stderr.")
def cli(verbose: bool) -> None:
    """Maps that say how sure they are: from satellite archives and field samples to cloud-optimised GeoTIFFs in a
    STAC catalogue.

    Start with `odse demo` and look at the page it makes; then let `odse init` write a recipe for your own area and points."""
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")


def _data(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not equals or not name or not path:
            raise click.BadParameter(f"{value!r} is not NAME=PATH")
        pairs[name] = path
    return pairs


data_option = click.option(
    "--data",
    multiple=True,
    callback=_data,
    metavar="NAME=PATH",
    help="Where a data set of the recipe lies; repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
workers_option = click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(1), help="Local worker processes, one thread each."
)


_TRIALS = (
    click.option("--tile", metavar="ID", help="Map one work tile of the area only; `odse plan --json` names them."),
    click.option("--bbox", nargs=4, type=float, metavar="LEFT BOTTOM RIGHT TOP", help="Map this box of the area only."),
    click.option("--bbox-crs", metavar="CRS", help="CRS of --bbox, e.g. EPSG:4326.  [default: the grid's]"),
    click.option("--preview", is_flag=True, help="The whole recipe on a coarse grid, in seconds, into OUT/preview."),
)


def _trial_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_TRIALS):
        command = option(command)
    return command


def _say(text: str) -> None:
    click.echo(text)


def _json(value: Any) -> None:
    click.echo(json.dumps(value, indent=1, ensure_ascii=False))


@cli.command(cls=_Verb, epilog="odse demo --out demo")
@click.option("--out", default="demo", show_default=True, type=click.Path(path_type=Path), help="Folder to make.")
@workers_option
@click.option("--small", is_flag=True, help="A smaller area and fewer years: a minute instead of a few.")
@json_option
def demo(out: Path, workers: int, small: bool, as_json: bool) -> None:
    """Simulate a pilot area in the real archive's format and make its maps.

    Writes DIR/input (archive, terrain, samples, truth), DIR/recipe.yaml and the maps themselves: DIR/catalog.json,
    DIR/index.html."""
    done = odse.demo(out=out, workers=workers, small=small, progress=True)
    _finish(done, as_json)


@cli.command(
    cls=_Verb,
    epilog="odse init --area area.gpkg --samples points.csv --data archive=glad/ --data terrain=dtm/\n"
    "odse init --area area.gpkg --samples points.gpkg --class klasse --out valley/recipe.yaml",
)
@click.option("--area", required=True, type=click.Path(path_type=Path), help="Polygons: any vector file.")
@click.option("--samples", required=True, type=click.Path(path_type=Path), help="Points: a CSV or any vector file.")
@data_option
@click.option("--out", default="recipe.yaml", show_default=True, type=click.Path(path_type=Path), help="File to write.")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--class", "class_", metavar="COLUMN", help="Column of the class, if the guess is wrong.")
@click.option("--date", metavar="COLUMN", help="Column of the year or date, if the guess is wrong.")
@click.option("--weight", metavar="COLUMN", help="Column of the weight, if the guess is wrong.")
@click.option("--crs", metavar="CRS", help="CRS of the samples' places, if the file does not say it.")
@json_option
def init(area: Path, samples: Path, as_json: bool, **words: Any) -> None:
    """Write a commented recipe that runs, from your area, samples and data.

    Looks at the columns of the samples and into the folders, says what it takes each for and why, and prints the next
    commands. Writes the recipe, and recipe.schema.json beside it for editors."""
    made = odse.init(area, samples, **words)
    if as_json:
        _json(made.to_json())
        return
    for one in made.guesses:
        _say(f"{one.what:<14} {one.value or '-':<16} {one.why}")
    _say(f"\nrecipe         {made.path}\n\nNext, in this order:")
    for command in made.to_json()["commands"]:
        _say(f"  {command}")


@cli.command(
    cls=_Verb, epilog="odse plan recipe.yaml --data archive=glad/ --data terrain=dtm/ --data samples=points.csv"
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--out", default="out", type=click.Path(path_type=Path), help="Folder the run would write to.")
@data_option
@_trial_options
@json_option
def plan(recipe: Path, out: Path, data: dict[str, str], as_json: bool, **trial: Any) -> None:
    """Say what a recipe would do: tasks, layers, bytes, memory, time. Writes nothing."""
    made = odse.plan(recipe, out=out, data=data, **trial).to_json()
    if as_json:
        _json(made)
        return
    cost = made["cost"]
    _say(f"{made['title']}: {made['layers']} layers by {made['tasks_total']} tasks")
    names = made["tiles"]
    _say(f"{len(names)} tiles: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}")
    for step, count in made["tasks"].items():
        _say(f"  {step:<10} {count:>7}")
    _say(f"read {cost['bytes_to_read'] / 2**20:,.0f} MiB, write about {cost['bytes_to_write'] / 2**20:,.0f} MiB")
    _say(
        f"memory about {cost['memory_per_worker_bytes'] / 2**20:,.0f} MiB a worker, {cost['cpu_seconds']:,.0f} CPU seconds"
    )


@cli.command(
    cls=_Verb,
    epilog="odse run recipe.yaml --out maps --data archive=glad/ --data terrain=dtm/ --data samples=points.csv\n"
    "odse run recipe.yaml --out maps --data archive=glad/ --data terrain=dtm/ --data samples=points.csv --preview\n"
    "odse run recipe.yaml --out trial --data archive=glad/ --data terrain=dtm/ --data samples=points.csv \\\n"
    "  --bbox 14.00 48.38 14.05 48.42 --bbox-crs EPSG:4326",
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the layers, catalogue and page."
)
@data_option
@workers_option
@click.option("--scheduler", metavar="ADDRESS", help="Use the Dask cluster at this address, e.g. tcp://host:8786.")
@_trial_options
@json_option
def run(
    recipe: Path, out: Path, data: dict[str, str], workers: int, scheduler: str | None, as_json: bool, **trial: Any
) -> None:
    """Carry out a recipe. What has a valid receipt is not done again, so the same command resumes.

    A trial first: --preview draws the same page from one pixel of many. --tile and --bbox map a part of the area; samples
    are learned from wherever they lie, and a later run of the whole into the same OUT does again only the layers."""
    made = odse.run(recipe, out=out, data=data, workers=workers, scheduler=scheduler, progress=True, **trial)
    _finish(made, as_json)


def _finish(done: Any, as_json: bool) -> None:
    if as_json:
        _json(done.to_json())
        return
    _say(
        f"{done.done} tasks done, {done.skipped} already had a receipt, {len(done.unreadable)} source files unreadable"
    )
    _say(f"catalogue  {done.catalog}")
    _say(f"page       {done.page}")


@cli.command(cls=_Verb, epilog="odse schema --out recipe.schema.json")
@click.option("--out", type=click.Path(path_type=Path), help="File to write instead.")
def schema(out: Path | None) -> None:
    """Print the JSON Schema of a recipe, for editors.

    With it beside a recipe, and `# yaml-language-server: $schema=recipe.schema.json` as the recipe's first line, an
    editor completes keys, shows what they mean and marks those that are wrong. `odse init` writes both."""
    made = odse.schema(out=out)
    if out is None:
        _json(made)


@cli.command(cls=_Verb, epilog="odse status maps --verify")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--verify", is_flag=True, help="Hash every file that was made.")
@json_option
def status(folder: Path, verify: bool, as_json: bool) -> None:
    """Say what is done, waiting, failed and damaged. Exits with 1 when something is failed or damaged."""
    told = odse.status(folder, verify=verify)
    if as_json:
        _json(told)
    else:
        from odse.report.run import failures_table, status_table

        _say(status_table([{"step": step, **counts} for step, counts in told["steps"].items()]))
        _say(f"{len(told['layers'])} layers")
        if told["failures"]:
            _say(failures_table(told["failures"]))
        for one in told["damaged"]:
            _say(f"damaged: {one['key']}: {one['what']}")
    if told["failures"] or told["damaged"]:
        sys.exit(EXIT_FAILED)


def main() -> None:
    """Entry point: an OdseError is one line on stderr and exit code 1; Ctrl-C is 130."""
    try:
        cli(standalone_mode=False)
    except InterruptedRunError as error:
        click.echo(f"odse: {error}", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except OdseError as error:
        click.echo(f"odse: {error}", err=True)
        sys.exit(EXIT_FAILED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("odse: cannot go on, because the command is interrupted; give it again to carry on", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
