"""The Recipe: what to make, validated before anything runs. No pixels, no clock, no path of a machine.

A recipe is one YAML file. An unknown key, or one without effect, is an error that names key, line and the nearest known
key. Step keys come from :meth:`Recipe.resolved`, in which every default is filled in and the words that change no
pixel (title, description) are left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from odse.errors import PeriodError, RecipeError
from odse.layer.period import Season, seasons
from odse.layer.scheme import SeasonScheme, season_scheme

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Area(_Part):
    """Where: a vector file beside the recipe, or a box. Only the polygon's inside is worked on and published."""

    file: str | None = None
    """A vector file of polygons, beside the recipe."""
    bounds: tuple[float, float, float, float] | None = None
    """left, bottom, right, top in `crs`, instead of a file."""
    crs: str = "EPSG:3035"
    """Of `bounds`, and of a file that does not say."""

    @model_validator(mode="after")
    def _one_of(self) -> Area:
        if (self.file is None) == (self.bounds is None):
            raise ValueError("an area is either `file` or `bounds`, and not both")
        if self.bounds and not (self.bounds[0] < self.bounds[2] and self.bounds[1] < self.bounds[3]):
            raise ValueError("`bounds` are left, bottom, right, top")
        return self


class GridSpec(_Part):
    """A grid of one's own."""

    crs: str
    """With an EPSG code, which stands in the names of the layers."""
    resolution_m: Annotated[float, Field(gt=0)]
    """Side of a pixel, in metres."""
    origin_xy: tuple[float, float]
    """Upper-left corner of pixel (0, 0), in metres; tiles and windows are counted from it."""


class GladData(_Part):
    """A mirror of GLAD Landsat ARD: ``<lat>/<tile>/<interval>.tif``."""

    kind: Literal["glad"]
    """A mirror of GLAD Landsat ARD."""
    mask: Literal["ardglad", "eumap", "skmap-production"] = "eumap"
    """Quality codes that are used: ardglad 1, 2, 15; eumap 1, 2, 5, 6; skmap-production those of eumap and 11 to 17."""
    additional: bool = False
    """With mask ``eumap``: keep the codes 11 to 17 too."""


Bands = Annotated[dict[Name, str], Field(min_length=1)]
"""Our name of a band (blue, green, red, nir, swir1, swir2, thermal, ...) -> the archive's."""
MaskWords = str | tuple[str, ...]
"""The name of a mask, or the quality words to reject."""
Method = Annotated[str, Field(pattern=r"^[a-z0-9.]+$")]


class NetcdfData(_Part):
    """A CF cube in netCDF with a quality variable: one file, or the files of a folder that make one cube."""

    kind: Literal["netcdf"]
    """A cube in netCDF."""
    bands: Bands
    """Our name of each band and its variable."""
    quality: str
    """The quality variable."""
    product: Literal["scl", "landsat-c1", "landsat-c2", "hls", "force"]
    """Whose codes the quality variable has."""
    mask: MaskWords = "clear"
    """Name of a mask, or the quality words to reject."""
    files: tuple[str, ...] = ("*.nc",)
    """Patterns of the files of a folder that make one cube."""
    method: Method
    """Third field of the names of its layers."""


class LandsatData(_Part):
    """Landsat scenes as the USGS delivers them, each on a grid of its own."""

    kind: Literal["landsat"]
    """A folder of Landsat scenes."""
    bands: Bands
    """Our name of each band and how its file ends."""
    product: Literal["landsat-c1-bqa", "landsat-c1", "landsat-c2"]
    """Whose codes the quality files have."""
    mask: MaskWords = "clear"
    """Name of a mask, or the quality words to reject."""
    method: Method
    """Third field of the names of its layers."""


class LayersData(_Part):
    """A folder of GeoTIFFs named by either convention."""

    kind: Literal["layers"]
    """A folder of GeoTIFFs named as layers."""
    static: bool = False
    """True: one layer for all years (terrain), or one a year. False: a series of seasons."""
    resampling: Literal["nearest", "mode", "bilinear", "average"] | None = None
    """How a layer on another grid is brought to the recipe's; without it such a layer is refused."""
    categories: tuple[str, ...] = ()
    """Variables whose numbers are classes: each class becomes a covariate of its own."""
    variables: tuple[str, ...] | None = None
    """Which variables of the folder; without it all."""
    role: Literal["covariate", "truth"] = "covariate"
    """``truth``: known class maps, shown beside the result and scored against it; never seen by a learner."""


class PointsData(_Part):
    """Samples: any vector file or CSV."""

    kind: Literal["points"]
    """Samples: a CSV or any vector file of points."""
    date: str = "year"
    """Column with the year or a date; a date means its year."""
    class_: str = Field(default="class", alias="class")
    """Column with the class: its code, or its value in the legend."""
    weight: str | None = None
    """Column with a weight of 0 or more; without it all weigh 1."""
    legend: str = "clc"
    """`clc`, or a CSV file beside the recipe (value, code, label, color)."""
    x: str | None = None
    """Column of a CSV with the longitude or easting, in `crs`."""
    y: str | None = None
    """Column of a CSV with the latitude or northing, in `crs`."""
    crs: str = "EPSG:4326"
    """Of the columns `x` and `y`, and of a vector file that does not say."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class LabelsData(_Part):
    """Samples from a raster of class values: every labelled pixel is one."""

    kind: Literal["labels"]
    """Samples: a raster of class values."""
    year: int
    """The year that the labels describe."""
    variable: str | None = None
    """Of a netCDF file: the variable with the classes."""
    unlabelled: tuple[int, ...] = ()
    """Values that mean: nothing is known here."""
    legend: str = "clc"
    """`clc`, or a CSV file beside the recipe (value, code, label, color)."""
    every: Annotated[int, Field(ge=1)] = 1
    """Take every n-th pixel in both directions."""


Data = Annotated[
    GladData | NetcdfData | LandsatData | LayersData | PointsData | LabelsData, Field(discriminator="kind")
]
ArchiveData = GladData | NetcdfData | LandsatData
SampleData = PointsData | LabelsData


class Composite(_Part):
    """What is made of the clear observations of a season."""

    seasons: str | dict[str, Any] = "odse"
    """A scheme (odse, calendar, slide, bimonthly), or one's own: name -> [MM-DD, MM-DD] or {intervals, dates}."""
    percentiles: tuple[Annotated[int, Field(ge=0, le=100)], ...] = (25, 50, 75)
    """0 to 100."""
    method: Literal["linear", "higher", "nearest", "mean"] = "linear"
    """How a percentile is defined; or the mean instead of percentiles."""

    @model_validator(mode="after")
    def _mean_has_no_percentiles(self) -> Composite:
        if self.method == "mean" and "percentiles" in self.model_fields_set:
            raise ValueError("`percentiles` have no effect with method `mean`")
        return self

    @property
    def statistics(self) -> tuple[str, ...]:
        """Type codes of what it makes of a band."""
        return ("m",) if self.method == "mean" else tuple(f"p{percentile}" for percentile in self.percentiles)

    @field_validator("seasons")
    @classmethod
    def _known(cls, value: str | dict[str, Any]) -> str | dict[str, Any]:
        try:
            season_scheme(value)
        except PeriodError as error:
            raise ValueError(str(error)) from None
        return value


FillMethod = Literal["tmwm", "seasconv", "linear", "harmonic", "whittaker", "same-season"]
FILL_OPTIONS: dict[str, tuple[str, Any]] = {
    "window_years": ("tmwm", 9),
    "direction": ("tmwm", "both"),
    "season_db": ("seasconv", 60.0),
    "span_db": ("seasconv", 20.0),
    "dates_per_term": ("harmonic", 2.0),
    "smoothness": ("whittaker", 100.0),
}
"""Option of the fill -> the method it belongs to, its default there."""


class Fill(_Part):
    """How gaps of a series are closed; observed values stay."""

    method: FillMethod = "tmwm"
    """tmwm: moving-window median, corrected; the others: see `odse.fill`."""
    window_years: Annotated[int | None, Field(ge=1)] = None
    """tmwm: width of the first window, odd."""
    direction: Literal["both", "past", "future"] | None = None
    """tmwm: where donors may lie."""
    season_db: Annotated[float | None, Field(ge=0)] = None
    """seasconv: how much a date half a year away counts less, in decibel."""
    span_db: Annotated[float | None, Field(ge=0)] = None
    """seasconv: how much a date a whole series away counts less, in decibel."""
    dates_per_term: Annotated[float | None, Field(ge=1)] = None
    """harmonic: dates that each term of the curve needs."""
    smoothness: Annotated[float | None, Field(gt=0)] = None
    """whittaker: weight of smoothness against nearness (lambda)."""

    compare: bool = False
    """Withhold known values in the shape of real gaps and publish how far off every method is: fill.json."""

    @model_validator(mode="after")
    def _of_the_method(self) -> Fill:
        for option, (method, default) in FILL_OPTIONS.items():
            if getattr(self, option) is not None and method != self.method:
                raise ValueError(f"`{option}` has no effect with method `{self.method}`; it is of `{method}`")
            if getattr(self, option) is None and method == self.method:
                object.__setattr__(self, option, default)
        if self.window_years is not None and self.window_years % 2 == 0:
            raise ValueError("`window_years` is odd, so that as many years lie before as after")
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What :func:`odse.fill` is told beside the method."""
        given = {option: getattr(self, option) for option in FILL_OPTIONS if getattr(self, option) is not None}
        if "smoothness" in given:
            given["lambda_"] = given.pop("smoothness")
        return given

    @property
    def companions(self) -> tuple[str, ...]:
        """What is published about every filled value."""
        return ("phase", "span", "donors") if self.method == "tmwm" else ("weight",)


class Train(_Part):
    """How the ensemble learns from the samples, and how it is scored."""

    target: Literal["landcover"] = "landcover"
    """What is learned."""
    learners: tuple[Literal["forest", "boosting", "network"], ...] = ("forest", "boosting", "network")
    """Two or more: their spread is the uncertainty."""
    stack: Literal["logistic"] = "logistic"
    """How their probabilities become one."""
    blocks_km: Annotated[float, Field(gt=0)] = 30.0
    """Side of the squares of land that are held out together, in kilometres."""
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    """Number of parts the blocks are dealt to; each is held out once."""
    min_per_class: Annotated[int, Field(ge=2)] = 10
    """A class with fewer points is rare."""
    rare: Literal["merge-up", "drop", "refuse"] = "merge-up"
    """What becomes of a rare class: merge-up joins it with others of its group in the legend, drop leaves it out."""
    missing: Literal["drop", "median"] = "drop"
    """Where a covariate has no value: leave sample and pixel out, or let the samples' median stand in."""
    seed: int = 0
    """Of all chance: the same seed gives the same maps."""

    @field_validator("learners")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value) or len(value) < 2:
            raise ValueError("an ensemble needs at least two different `learners`: `md` is their spread")
        return value


class Predict(_Part):
    """What is mapped."""

    years: Literal["all"] | int | str = "all"
    """all, 2019 or 2018..2020: a part of the recipe's years."""


class Postprocess(_Part):
    """A second map of the dominant class, filtered; the probabilities and the unfiltered map stay beside it."""

    mode_years: Annotated[int, Field(ge=1)] = 1
    """The most frequent class of so many years around each; odd, 1 leaves years alone."""
    minimum_px: Annotated[int, Field(ge=1, le=256)] = 1
    """Patches of fewer pixels take the class around them; 1 leaves all."""

    @model_validator(mode="after")
    def _does_something(self) -> Postprocess:
        if self.mode_years % 2 == 0:
            raise ValueError("`mode_years` is odd, so that as many years lie before as after")
        if self.mode_years == 1 and self.minimum_px == 1:
            raise ValueError("`postprocess` has no effect without `mode_years` or `minimum_px` above 1")
        return self

    def words(self, resolution_m: float) -> str:
        """What was done, for titles and tags."""
        mode = f"most frequent class of {self.mode_years} years" if self.mode_years > 1 else ""
        hectares = self.minimum_px * resolution_m**2 / 1e4
        unit = f"patches of at least {self.minimum_px} pixels ({hectares:g} ha)" if self.minimum_px > 1 else ""
        return ", then ".join(filter(None, (mode, unit)))


class Publish(_Part):
    """Names and encodings of the layers."""

    theme: Literal["lcv", "veg", "sol", "dtm", "clm", "hyd", "aq", "adm", "ldg", "pnv"] = "lcv"
    """First field of every layer's name."""
    area: Annotated[str, Field(pattern=r"^[a-z]+$")] = "pilot"
    """Field of every layer's name: a word of small letters."""
    version: Annotated[str, Field(pattern=r"^v[0-9a-z.]+$")] = "v0.1"
    """Last field of every layer's name."""
    encoding: Literal["byte-250", "odse-v1", "uint16"] = "byte-250"
    """How composites are stored: byte-250 in steps of 0.004 of reflectance, uint16 in the archive's own numbers."""
    method: Annotated[str, Field(pattern=r"^[a-z0-9.]+$")] = "odse.eml"
    """Third field of the names of predicted layers."""


class Steps(_Part):
    """What is done, in this order."""

    composite: Composite | None = None
    """Seasons of an archive; needs one in `data`."""
    fill: Fill = Fill()
    """Close the gaps of every series."""
    derive: tuple[str, ...] = ()
    """Further covariates, such as ndvi, nbr, slope."""
    train: Train | None = None
    """Learn from samples; needs `predict` and samples in `data`."""
    predict: Predict | None = None
    """Map what was learned; needs `train`."""
    postprocess: Postprocess | None = None
    """A second, filtered map of the dominant class; needs `predict`."""
    publish: Publish = Publish()
    """Give the layers their names."""


class Limits(_Part):
    """When a run gives up."""

    unreadable_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The run stops when more than this share of source files (0 to 1) cannot be read."""
    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    """How often a task is tried before it is set aside."""


class Recipe(_Part):
    """A description of what to make. Read one with :func:`read_recipe`."""

    odse: Literal[1]
    """Version of this form."""
    title: str
    """A few words; they change no pixel."""
    description: str = ""
    """More words; they change no pixel."""
    licence: str
    """Of what is made: an SPDX identifier, carried into every GeoTIFF and the catalogue."""
    attribution: str
    """Whose data are in it, carried into every GeoTIFF and the catalogue."""
    area: Area
    """What is mapped."""
    grid: Literal["odse-30m"] | GridSpec = "odse-30m"
    """odse-30m (EPSG:3035, pixels of 30 m), or a grid of one's own."""
    tile_px: Annotated[int, Field(ge=512, multiple_of=512)] = 1024
    """Side of a work tile in pixels, a multiple of 512; less needs less memory."""
    years: int | str
    """Years of the series: 2019 or 2017..2020."""
    data: dict[Name, Data]
    """Names of one's choice; where they lie is said when it runs: --data NAME=PATH."""
    steps: Steps
    """What is done."""
    limits: Limits = Limits()
    """How much may go wrong."""

    @field_validator("years")
    @classmethod
    def _years(cls, value: int | str) -> int | str:
        parse_years(value)
        return value

    @model_validator(mode="after")
    def _every_key_has_effect(self) -> Recipe:
        """Refuse what would be ignored."""
        steps = self.steps
        archives = [n for n, d in self.data.items() if isinstance(d, ArchiveData)]
        points = [n for n, d in self.data.items() if isinstance(d, SampleData)]
        layers = [d for d in self.data.values() if isinstance(d, LayersData)]
        if len(archives) > 1 or len(points) > 1:
            raise ValueError("`data` may hold one archive and one set of points")
        if archives and steps.composite is None:
            raise ValueError(f"`data.{archives[0]}` has no effect without `steps.composite`")
        if steps.composite is not None and not archives:
            raise ValueError(
                "`steps.composite` has no effect without an archive (`kind: glad`, `netcdf` or `landsat`) in `data`"
            )
        if not archives and not any(not d.static and d.role == "covariate" for d in layers):
            raise ValueError("`data` holds no series: give an archive, or `layers` that are not static")
        if points and steps.train is None:
            raise ValueError(f"`data.{points[0]}` has no effect without `steps.train`")
        if steps.train is not None and not points:
            raise ValueError("`steps.train` has no effect without samples (`kind: points` or `labels`) in `data`")
        if steps.predict is not None and steps.train is None:
            raise ValueError("`steps.predict` has no effect without `steps.train`")
        if steps.train is not None and steps.predict is None:
            raise ValueError("`steps.train` has no effect without `steps.predict`")
        if steps.postprocess is not None and steps.predict is None:
            raise ValueError("`steps.postprocess` has no effect without `steps.predict`")
        if steps.derive and steps.train is None:
            raise ValueError("`steps.derive` has no effect without `steps.train`")
        for data in layers:
            if data.categories and not data.static:
                raise ValueError("`categories` are of static `layers`: a series of seasons holds numbers")
            if data.static and steps.train is None and data.role == "covariate":
                raise ValueError("static `layers` have no effect without `steps.train`")
        return self

    @property
    def years_(self) -> tuple[int, ...]:
        return parse_years(self.years)

    @cached_property
    def scheme_(self) -> SeasonScheme:
        """How its years are cut into seasons."""
        return season_scheme(self.steps.composite.seasons if self.steps.composite else "odse")

    @property
    def seasons_(self) -> tuple[Season, ...]:
        """Its seasons in the order of time."""
        return tuple(seasons(self.years_, scheme=self.scheme_))

    @property
    def archive_(self) -> tuple[str, ArchiveData] | None:
        """Name and description of its archive."""
        return next(((n, d) for n, d in self.data.items() if isinstance(d, ArchiveData)), None)

    @property
    def samples_(self) -> tuple[str, SampleData] | None:
        """Name and description of its samples."""
        return next(((n, d) for n, d in self.data.items() if isinstance(d, SampleData)), None)

    @property
    def predict_years_(self) -> tuple[int, ...]:
        if self.steps.predict is None:
            return ()
        years = self.steps.predict.years
        return self.years_ if years == "all" else parse_years(years)

    def resolved(self) -> dict[str, Any]:
        """The recipe with defaults filled in and without the words that change no pixel; JSON-able."""
        return self.model_dump(mode="json", by_alias=True, exclude={"title", "description"})


def parse_years(value: int | str) -> tuple[int, ...]:
    """Years as written in a recipe.

    >>> parse_years("2017..2020"), parse_years(2019)
    ((2017, 2018, 2019, 2020), (2019,))
    """
    first, _, last = str(value).partition("..")
    try:
        start, end = int(first), int(last or first)
    except ValueError:
        raise ValueError(f"`years` is {value!r}; write 2019 or 2017..2020") from None
    if not 1980 <= start <= end <= 2200:
        raise ValueError(f"`years` is {value!r}; write the first year, two dots, the last year")
    return tuple(range(start, end + 1))


def read_recipe(path: str | Path) -> Recipe:
    """Read and check a recipe file. Raises RecipeError with the key, its line and what to write instead."""
    path = Path(path)
    if not path.is_file():
        raise RecipeError.sentence("read", f"recipe {path}", "the file", "not there", "check the path")
    return parse_recipe(path.read_text(encoding="utf-8"), where=path.name)


def parse_recipe(text: str, *, where: str = "recipe") -> Recipe:
    """A recipe from its YAML text.

    >>> parse_recipe("odse: 1\\ntilte: x\\n")
    Traceback (most recent call last):
    ...
    odse.errors.RecipeError: cannot read recipe, because key `tilte` in line 2 is unknown; write `title`
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}" if mark else "its text"
        raise RecipeError.sentence(
            "read", where, line, f"no YAML ({getattr(error, 'problem', error)})", "correct it"
        ) from error
    if not isinstance(values, Mapping):
        raise RecipeError.sentence("read", where, "its content", "not a list of keys", "see `odse demo` for an example")
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise _sentence(error, node, where) from error


def _sentence(error: ValidationError, node: yaml.Node | None, where: str) -> RecipeError:
    """The first fault of a validation, unknown keys before all others, as our sentence."""
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    words = [str(word) for word in fault["loc"]]
    found = [word for word in words if word not in _TAGS]
    key = ".".join(found) or "the recipe"
    line = _line_of(node, found)
    place = f"key `{key}` in line {line}" if line else f"key `{key}`"
    if fault["type"] == "extra_forbidden":
        known = _known_keys(words[:-1])
        near = difflib.get_close_matches(words[-1], known, n=1, cutoff=0.5)
        remedy = f"write `{near[0]}`" if near else f"known keys are {', '.join(sorted(known))}"
        return RecipeError.sentence("read", where, place, "unknown", remedy)
    if fault["type"] == "missing":
        parent = _line_of(node, found[:-1])
        beside = f" (in the part that starts in line {parent})" if parent and len(found) > 1 else ""
        return RecipeError.sentence("read", where, f"key `{key}`{beside}", "missing", "add it")
    message = fault["msg"].removeprefix("Value error, ")
    value = "" if isinstance(fault["input"], Mapping) else f"{fault['input']!r}: "
    return RecipeError.sentence("read", where, place, f"refused ({value}{message})", "correct it")


_TAGS = {
    "glad",
    "netcdf",
    "landsat",
    "layers",
    "points",
    "labels",
    "constrained-int",
    "constrained-str",
    "GridSpec",
    "literal['odse-30m']",
    "literal['all']",
}


_KINDS: dict[str, type[BaseModel]] = {
    "glad": GladData,
    "netcdf": NetcdfData,
    "landsat": LandsatData,
    "layers": LayersData,
    "points": PointsData,
    "labels": LabelsData,
}


def _known_keys(words: list[str]) -> list[str]:
    """The keys allowed at a place in the recipe."""
    model: Any = Recipe
    for word in words:
        if model is Recipe and word == "data":
            model = "data"
        elif model == "data":
            model = "kind"
        elif model == "kind":
            model = _KINDS[word]
        elif word == "GridSpec":
            model = GridSpec
        elif word in model.model_fields:
            kinds = [k for k in _models_in(model.model_fields[word].annotation)]
            if kinds:
                model = kinds[0]
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]


def _line_of(node: yaml.Node | None, words: list[str]) -> int | None:
    """The line of a key, counted from 1."""
    line: int | None = None
    for word in words:
        if isinstance(node, yaml.SequenceNode) and word.isdigit() and int(word) < len(node.value):
            node = node.value[int(word)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, yaml.MappingNode):
            break
        pair = next(((k, v) for k, v in node.value if k.value == word), None)
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line
