"""Which Layers a Recipe publishes: their names, encodings, and the band of the work files each one is made of."""

from __future__ import annotations

from dataclasses import dataclass

from odse.layer.layer import Layer
from odse.layer.legend import Legend
from odse.layer.name import LayerName
from odse.layer.period import Period, Season, format_time
from odse.layer.style import default_style
from odse.raster.encoding import Encoding, encoding_
from odse.run.samples import SampleSet
from odse.run.series import Features
from odse.run.task import Place

SUPPORT = ("clear", "seen", "unreadable", "days.to.clear")
"""Bands of the support file that a composite task writes, in order."""


@dataclass(frozen=True)
class Publication:
    """One Layer to be, and where its pixels are."""

    layer: Layer
    encoding: Encoding
    true_period: Period
    step: str
    """The step that makes its tiles."""
    part: str
    """The part of a tile's task name after the tile: variable, season or year."""
    file: str
    """Folder of the work files below ``work/``."""
    band: int
    """Band of the work file, counted from 1."""

    @property
    def href(self) -> str:
        """Where the COG stands, relative to the run's folder."""
        period = self.layer.name.period
        assert period is not None
        return f"{collection_id(self.layer.name)}/{format_time(period)}/{self.layer.name}.tif"


def collection_id(name: LayerName) -> str:
    """One collection per product: theme, area and version.

    >>> from odse.layer.name import parse_layer_name
    >>> text = "lcv_green_landsat.glad.ard_p50_30m_0..0cm_2019.06.25..2019.09.12_eumap_epsg3035_v1.1"
    >>> collection_id(parse_layer_name(text))
    'lcv_eumap_v1.1'
    """
    return f"{name.theme}_{name.area}_{name.version}"


def publications(place: Place, features: Features, samples: SampleSet | None) -> list[Publication]:
    """Every Layer of a Run in the order of its names; of a preview those that its page draws."""
    result = _seasonal(place, features)
    if samples is not None:
        result += _yearly(place, samples)
    if place.coarse:
        result = [one for one in result if _is_drawn(one, features)]
    return sorted(result, key=lambda one: str(one.layer.name))


def _is_drawn(one: Publication, features: Features) -> bool:
    """Whether the page draws a layer: all of the years, of the seasons the pictures of summer and where there was a gap."""
    name = one.layer.name
    if one.step == "predict" or name.variable == f"fill.phase.{features.series[0].variable}":
        return True
    in_summer = name.period in {season.period for season in features.seasons if season.name == "summer"}
    return in_summer and (
        (name.type == "p50" and name.variable in ("red", "green", "blue", "ndvi")) or name.variable == "clear"
    )


def _name(place: Place, variable: str, method: str, type_: str, period: Period) -> LayerName:
    publish = place.recipe.steps.publish
    return LayerName.v1(
        publish.theme,
        variable,
        method=method,
        type=type_,
        resolution_m=round(place.grid.resolution_m),
        period=period,
        area=publish.area,
        epsg=place.grid.epsg,
        version=publish.version,
    )


def _seasonal(place: Place, features: Features) -> list[Publication]:
    result = []
    count, flag = encoding_("count"), encoding_("flag")
    filling = place.recipe.steps.fill
    for index, season in enumerate(features.seasons):
        for one in features.series:
            for which, statistic in enumerate(one.statistics):
                name = _name(place, one.variable, one.method, statistic, season.period)
                layer = Layer(
                    name,
                    f"{_words(one.variable)}, {statistic} of {_season(season)}",
                    one.encoding.unit,
                    "continuous",
                    default_style(name, scale=one.encoding.scale, offset=one.encoding.offset),
                )
                band = one.band(index, which)
                result.append(Publication(layer, one.encoding, season.true_period, "fill", one.variable, "fill", band))
            for which, companion in enumerate(filling.companions):
                method = filling.method.replace("-", ".")
                name = _name(place, f"fill.{companion}.{one.variable}", method, "f", season.period)
                unit = {"phase": "phase", "span": "year", "donors": "observation", "weight": "%"}[companion]
                layer = Layer(
                    name,
                    f"Gap filling of {_words(one.variable)}, {companion}, {_season(season)}",
                    unit,
                    "flag",
                    default_style(name),
                )
                band = which * len(features.seasons) + index + 1
                result.append(Publication(layer, flag, season.true_period, "fill", one.variable, "companions", band))
        if place.recipe.steps.composite is not None:
            for which, variable in enumerate(SUPPORT):
                name = _name(place, variable, features.series[0].method, "count", season.period)
                unit = "day" if variable == "days.to.clear" else "observation"
                layer = Layer(name, f"{_words(variable)}, {_season(season)}", unit, "count", default_style(name))
                part = f"{season.year}-{season.name}"
                result.append(Publication(layer, count, season.true_period, "composite", part, "support", which + 1))
    return result


def _yearly(place: Place, samples: SampleSet) -> list[Publication]:
    percent, klass = encoding_("percent"), encoding_("class")
    method = place.recipe.steps.publish.method
    legend: Legend = samples.legend
    result = []
    for year in place.recipe.predict_years_:
        period = Period.of_year(year)
        specs: list[tuple[str, str, str, Encoding, str]] = []
        for code in samples.classes:
            label = legend.by_code[code].label
            specs.append((f"landcover.{code}", "p", f"Probability of {code} {label}", percent, "%"))
            specs.append((f"landcover.{code}", "md", f"Uncertainty of {code} {label}", percent, "%"))
        specs += [
            ("landcover.hcl", "c", "Dominant land cover", klass, "class"),
            ("landcover.hcl", "md", "Uncertainty of the dominant land cover", percent, "%"),
            ("landcover.hcl.prob", "p", "Probability of the dominant land cover", percent, "%"),
        ]
        result += _filtered(place, legend, year)
        for band, (variable, type_, title, encoding, unit) in enumerate(specs, start=1):
            name = _name(place, variable, method, type_, period)
            is_class = type_ == "c"
            layer = Layer(
                name,
                f"{title}, {year}",
                unit,
                "class" if is_class else "continuous",
                default_style(name, legend if is_class else None),
                legend if is_class else None,
            )
            result.append(Publication(layer, encoding, period, "predict", str(year), "predict", band))
    return result


def _filtered(place: Place, legend: Legend, year: int) -> list[Publication]:
    """The filtered map of the dominant class, where the recipe asks for one."""
    post = place.recipe.steps.postprocess
    if post is None:
        return []
    period = Period.of_year(year)
    name = _name(place, "landcover.hcl", place.recipe.steps.publish.method, "f", period)
    title = f"Dominant land cover, filtered ({post.words(place.grid.resolution_m)}), {year}"
    layer = Layer(name, title, "class", "class", default_style(name, legend), legend)
    return [Publication(layer, encoding_("class"), period, "post", str(year), "post", 1)]


def _words(variable: str) -> str:
    return {
        "clear": "Clear observations",
        "seen": "Observations seen",
        "unreadable": "Unreadable observations",
        "days.to.clear": "Days to the nearest clear observation",
        "nir": "Near infrared",
        "swir1": "Short-wave infrared 1",
        "swir2": "Short-wave infrared 2",
        "ndvi": "NDVI",
    }.get(variable, variable.replace(".", " ").capitalize())


def _season(season: Season) -> str:
    return f"{season.name} {season.year}"
