"""The command line: one command per verb. Answers go to stdout, progress and errors to stderr."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

import odse
from odse.errors import InterruptedRunError, LayerNameError, OdseError

if TYPE_CHECKING:
    from odse.layer.convert import TimeForm
    from odse.layer.name import LayerName

EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


class _Example(click.Command):
    """Keeps the line breaks of an example in ``--help``."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write_paragraph()
            formatter.write("Example:\n" + "".join(f"  {line}\n" for line in self.epilog.splitlines()))


class _Verb(_Example):
    """A command with an example."""


class _Verbs(_Example, click.Group):
    """A command with an example and commands of its own."""


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
@workers_option
@_trial_options
@json_option
def plan(recipe: Path, out: Path, data: dict[str, str], workers: int, as_json: bool, **trial: Any) -> None:
    """Say what a recipe would do and cost: tasks, layers, time, memory, bytes. Writes nothing.

    Times this machine for half a second to tell CPU seconds, the wall time with --workers, and the memory of each."""
    made = odse.plan(recipe, out=out, data=data, **trial).to_json(workers)
    if as_json:
        _json(made)
        return
    cost = made["cost"]
    _say(f"{made['title']}: {made['layers']} layers by {made['tasks_total']} tasks")
    names = made["tiles"]
    _say(f"{len(names)} tiles: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}")
    seconds = cost["cpu_seconds_by_step"]
    _say(f"  {'step':<10} {'tasks':>7} {'CPU seconds':>12}")
    for step, count in made["tasks"].items():
        _say(f"  {step:<10} {count:>7} {seconds[step]:>12,.1f}")
    _say(f"  {'around':<10} {'':>7} {seconds['around']:>12,.1f}  (plan, workers, catalogue, page)")
    _say(f"  {'in all':<10} {made['tasks_total']:>7} {cost['cpu_seconds']:>12,.1f}")
    _say(f"time      about {_duration(cost['wall_seconds'])} with {workers} worker{'s' * (workers > 1)}")
    _say(f"memory    about {cost['memory_per_worker_bytes'] / 2**20:,.0f} MiB a worker")
    _say(f"read      {cost['bytes_to_read'] / 2**20:,.0f} MiB of source files")
    _say(f"write     about {cost['bytes_to_write'] / 2**20:,.0f} MiB of layers")
    _say(f"disk      about {cost['work_bytes'] / 2**20:,.0f} MiB for work/, which may be deleted afterwards")


def _duration(seconds: float) -> str:
    """As a person says it: 40 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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


@cli.group(
    "name", cls=_Verbs, epilog="odse name parse lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0.tif"
)
def name_() -> None:
    """Read, print and convert names of layers.

    Each takes several names, paths or file names; `-` reads them from standard input, one a line or as `--json` prints them. A
    name that cannot be used is one sentence on standard error; the others are done, and the exit code is 1."""


names_argument = click.argument("names", nargs=-1, required=True, metavar="NAME...")
tolerant_option = click.option("--tolerant", is_flag=True, help="Mend irregular names and say how.")


@name_.command(cls=_Verb, epilog="ls maps/*.tif | odse name parse --tolerant --json -")
@names_argument
@tolerant_option
@json_option
def parse(names: Sequence[str], tolerant: bool, as_json: bool) -> None:
    """Say what names mean, field by field."""
    _each_name(names, tolerant, as_json, lambda name: name, _show)


@name_.command(
    "format",
    cls=_Verb,
    epilog="odse name format lcv_landcover.311_odse.eml_p_30m_0..0cm_2020_pilot_epsg3035_v0.1 type=md version=v0.2",
)
@click.argument("words", nargs=-1, required=True, metavar="[NAME|FIELD=CODE]...")
@tolerant_option
@json_option
def format_(words: Sequence[str], tolerant: bool, as_json: bool) -> None:
    """Print names with some fields changed, or one name from its fields alone.

    Fields are theme, variable, method, type, resolution, depth, time, area, crs and version, or, for OpenLandMap's convention,
    begin and end instead of theme and time. The answer keeps every rule, or is refused."""
    from odse.layer.name import name_of_fields

    changes = dict(word.split("=", 1) for word in words if _is_field(word))
    names = [word for word in words if not _is_field(word)]
    if names:
        _each_name(
            names, tolerant, as_json, lambda name: name_of_fields(name.fields | changes) if changes else name, _say_name
        )
        return
    made = name_of_fields(changes)
    if as_json:
        _json([made.to_json()])
    else:
        _say_name(made)


@name_.command(
    cls=_Verb,
    epilog="odse name convert --to v2 --created 2023-07-20 "
    "lcv_ndvi_landsat.glad.ard_p50_30m_0..0cm_201903_eumap_epsg3035_v1.0",
)
@names_argument
@click.option("--to", required=True, type=click.Choice(["v1", "v2"]), help="v1: ODSE. v2: OpenLandMap from 2022.")
@click.option("--created", type=click.DateTime(["%Y-%m-%d"]), metavar="DAY", help="v2: when the version was made.")
@click.option("--theme", help="v1: the theme, as lcv.")
@click.option("--version", help="v1: the version, as v0.1.")
@click.option("--type", "type_", metavar="CODE", help="Type where the convention lacks the old one.")
@click.option("--depth", metavar="CODE", help="Depth where the convention lacks the old one.")
@click.option("--area", metavar="CODE", help="Area where it is not eumap or eu.")
@click.option(
    "--time",
    default="short",
    show_default=True,
    type=click.Choice(["short", "dates", "month"]),
    help="v1: years where they are whole; two dates always; or 201903.",
)
@click.option("--toy-methods", is_flag=True, help="Rename landsat.glad.ard to landsat.ard1 in v2, and back in v1.")
@tolerant_option
@json_option
def convert(
    names: Sequence[str],
    to: Literal["v1", "v2"],
    created: datetime | None,
    theme: str | None,
    version: str | None,
    type_: str | None,
    depth: str | None,
    area: str | None,
    time: TimeForm,
    toy_methods: bool,
    tolerant: bool,
    as_json: bool,
) -> None:
    """Print names in the other convention. What the old name does not say is asked for, never guessed."""
    from odse.layer.convert import TOY_METHODS, to_v1, to_v2

    methods = TOY_METHODS if toy_methods else None

    def make(name: LayerName) -> LayerName:
        if to == "v1":
            return to_v1(
                name, theme=theme, version=version, type=type_, depth=depth, area=area, time=time, methods=methods
            )
        day = created.date() if created else None
        return to_v2(name, created=day, type=type_, depth=depth, area=area, methods=methods)

    _each_name(names, tolerant, as_json, make, _say_name)


def _is_field(word: str) -> bool:
    return re.fullmatch("[a-z]+=[^/]*", word) is not None


def _each_name(
    words: Sequence[str],
    tolerant: bool,
    as_json: bool,
    make: Callable[[LayerName], LayerName],
    show: Callable[[LayerName], None],
) -> None:
    """Do one thing with every name; what fails is told, the rest is done, and the command ends with 1."""
    answers: list[dict[str, Any]] = []
    for one in _given(words):
        try:
            made = make(_name_of(one, tolerant))
            answers.append(made.to_json())
        except LayerNameError as error:
            click.echo(f"odse: {error}", err=True)
            answers.append({"name": one, "error": str(error)})
            continue
        if not as_json:
            show(made)
    if as_json:
        _json(answers)
    if any("error" in one for one in answers):
        sys.exit(EXIT_FAILED)


def _given(words: Sequence[str]) -> Iterator[Any]:
    """Names as text, or, from standard input, what ``--json`` printed."""
    for word in words:
        if word != "-":
            yield word
            continue
        text = sys.stdin.read()
        if text.lstrip()[:1] in ("[", "{"):
            try:
                told = json.loads(text)
            except json.JSONDecodeError as error:
                raise LayerNameError.sentence(
                    "read", "standard input", "it", f"no JSON ({error})", "give names, one a line"
                ) from None
            yield from told if isinstance(told, list) else [told]
        else:
            yield from (line.strip() for line in text.splitlines() if line.strip())


def _name_of(one: Any, tolerant: bool) -> LayerName:
    from odse.layer.name import name_of_fields, parse_layer_name

    if isinstance(one, str):
        return parse_layer_name(one, tolerant=tolerant)
    fields = one.get("fields") if isinstance(one, dict) else None
    if not isinstance(fields, dict) or not all(isinstance(token, str) for token in fields.values()):
        raise LayerNameError.sentence(
            "read", "a name from JSON", "its `fields`", "missing", "give what `odse name parse --json` prints"
        )
    return name_of_fields(fields)


def _say_name(name: LayerName) -> None:
    _say(str(name))


def _show(name: LayerName) -> None:
    told = name.to_json()
    period = " to ".join(told["period"]) if told["period"] else "any"
    shown = {
        "convention": told["convention"],
        **told["fields"],
        "type": f"{name.type}  ({told['meaning'] or 'unknown'})",
        "period": period,
        "asset key": told["asset_key"],
        "uncertainty": told["partner"] or "none",
    }
    _say(told["name"])
    for field, value in shown.items():
        _say(f"  {field:<11}  {value}")
    for kind, texts in (("note", told["notes"]), ("mended", told["repairs"])):
        for text in texts:
            _say(f"  {kind:<11}  {text}")


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
