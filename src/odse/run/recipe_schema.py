"""The JSON Schema of a recipe, for editors that complete and check YAML while it is written.

It is made from the model that reads recipes, so it cannot say another thing. What it leaves to ``odse plan`` is whether data
and steps fit each other, and whatever needs the data.
"""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path
from typing import Any

import yaml

from odse.run.recipe import Recipe
from odse.store.files import put_bytes

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FILE = "recipe.schema.json"
"""Name of the schema beside a recipe."""
MODELINE = f"# yaml-language-server: $schema={FILE}"
"""First line of a recipe beside which the schema lies."""
YEARS = r"^[0-9]{4}(\.\.[0-9]{4})?$"

Json = dict[str, Any]


def schema() -> Json:
    """The schema, in JSON Schema 2020-12; keys as they are written in YAML. Reads the example.

    >>> made = schema()
    >>> made["properties"]["tile_px"]["description"]
    'Side of a work tile in pixels, a multiple of 512; less needs less memory.'
    """
    made = _plain(Recipe.model_json_schema(by_alias=True))
    parts = made["$defs"]
    _years(made["properties"]["years"])
    _years(parts["Predict"]["properties"]["years"])
    made["properties"]["data"]["additionalProperties"] = False
    parts["Area"]["oneOf"] = [{"required": ["file"]}, {"required": ["bounds"]}]
    parts["Fill"]["properties"]["window_years"]["not"] = {"multipleOf": 2}
    parts["Train"]["properties"]["learners"] |= {"minItems": 2, "uniqueItems": True}
    parts["Steps"]["dependentRequired"] = {"train": ["predict"], "predict": ["train"]}
    parts["Steps"]["if"] = {"properties": {"derive": {"minItems": 1}}, "required": ["derive"]}
    parts["Steps"]["then"] = {"required": ["train"]}
    example = importlib.resources.files("odse.recipes").joinpath("landcover.yaml").read_text(encoding="utf-8")
    head = {
        "$schema": DIALECT,
        "title": "Recipe of odse, version 1",
        "description": "What to make: maps of an area and some years, from data, by steps.",
        "examples": [yaml.safe_load(example)],
    }
    return head | {key: value for key, value in made.items() if key not in head}


def write_schema(path: str | Path) -> None:
    """Write the schema to a file. Raises StoreError where the disk refuses."""
    put_bytes(Path(path), (json.dumps(schema(), indent=1, ensure_ascii=False) + "\n").encode())


def _years(where: Json) -> None:
    """A year, or the first and the last with two dots between."""
    for one in where["anyOf"]:
        if one.get("type") == "integer":
            one |= {"minimum": 1980, "maximum": 2200}
        elif one.get("type") == "string" and "const" not in one:
            one["pattern"] = YEARS


def _plain(part: Any, *, names: bool = False) -> Any:
    """Without the titles that a machine made of names and the nulls (a key that is not wanted is left out), and with the code
    of docstrings as Markdown has it.

    ``names``: the keys of this part are names of properties, not words of the schema.
    """
    if isinstance(part, dict):
        if not names and {"type": "null"} in part.get("anyOf", ()):
            (only,) = (one for one in part["anyOf"] if one != {"type": "null"})
            part = {**{k: v for k, v in part.items() if k not in ("anyOf", "default")}, **only}
        kept = {k: v for k, v in part.items() if names or k not in ("title", "discriminator")}
        return {
            k: _words(v)
            if k == "description" and not names and isinstance(v, str)
            else _plain(v, names=k in ("properties", "$defs"))
            for k, v in kept.items()
        }
    return [_plain(one) for one in part] if isinstance(part, list) else part


def _words(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
