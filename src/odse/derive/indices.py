"""Spectral indices by their standard names, from reflectance (0-1).

Eight everyday indices are written here; the others come from the table of Awesome Spectral Indices (Montero et al. 2023, doi
10.1038/s41597-023-02096-0) as the package ``spyndex`` carries it. Only its data are read: formulas are parsed and walked, never
evaluated as code, and the package itself is not imported.
"""

from __future__ import annotations

import ast
import difflib
import importlib.metadata
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from odse.errors import DeriveError

Bands = Mapping[str, npt.NDArray[np.float32]]

LETTERS: dict[str, str] = {
    "coastal": "A",
    "blue": "B",
    "green": "G",
    "green1": "G1",
    "yellow": "Y",
    "red": "R",
    "rededge1": "RE1",
    "rededge2": "RE2",
    "rededge3": "RE3",
    "nir": "N",
    "nir08": "N2",
    "swir1": "S1",
    "swir2": "S2",
    "thermal": "T",
}
"""Our name of a band -> its letter in formulas. Sentinel-2: rededge1-3 are B05-B07, nir is B08, nir08 is B8A."""

BANDS: dict[str, str] = {letter: band for band, letter in LETTERS.items()} | {"T1": "thermal"}
"""The other way. T1 is the thermal band of 10.6-11.2 um, which is the one that Landsat 8 and 9 composites hold."""

REFLECTANCE_RANGE = (-1.0, 2.0)
"""Outside of it no surface reflects; glint and errors of the atmosphere's removal stay inside but for single pixels."""
KELVIN_RANGE = (150.0, 400.0)
STRAY_SHARE = 0.01
"""Share of an array's known pixels that may lie outside its range (glint) before the array is taken for other numbers."""

CONSTANTS: dict[str, dict[str, float | None]] = {
    **{name: {"L": 0.5} for name in ("SAVI", "GSAVI", "SARVI", "SAVIT", "SNDTI", "MNLI", "IBI")},
    "WC1": {"epsilon": 1e-10},
    "WC2": {"epsilon": 1e-10},
    "RWI": {"n": None},
}
"""Where one default does not suit all: L is 0.5 for the soil-adjusted indices (Huete 1988), 1 for the enhanced ones (Huete et
al. 2002). None: no default (RWI's n is a median of the whole picture, which would make neighbouring tiles disagree)."""

CORRECTED: dict[str, str] = {
    "ARVI": "(N - (R - gamma * (B - R))) / (N + (R - gamma * (B - R)))",
    "SARVI": "(1.0 + L) * (N - (R - (B - R))) / (N + (R - (B - R)) + L)",
}
"""Where the table (0.12) departs from its own reference, Kaufman & Tanré 1992 (doi 10.1109/36.134076): red is corrected by
*blue minus red*. With the table's signs both indices would lose the red band."""


@dataclass(frozen=True)
class SpectralIndex:
    """An index: its formula in letters of bands, and what it needs."""

    name: str
    formula: str
    long_name: str = ""
    domain: str = ""
    """vegetation, water, burn, snow, urban, soil, clouds, kernel"""
    reference: str = ""
    constants: Mapping[str, float | None] = field(default_factory=dict)
    """Name -> default; None where a number must be given."""

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands it needs, by our names, in the order of its formula."""
        return tuple(dict.fromkeys(BANDS[one] for one in _letters(self.formula) if one not in self.constants))


_EVERYDAY: tuple[tuple[str, str, str, str, str, dict[str, float | None]], ...] = (
    ("NDVI", "(N - R) / (N + R)", "Normalized Difference Vegetation Index", "vegetation", "Tucker 1979", {}),
    ("NBR", "(N - S2) / (N + S2)", "Normalized Burn Ratio", "burn", "Key & Benson 2006", {}),
    ("NBR2", "(S1 - S2) / (S1 + S2)", "Normalized Burn Ratio 2", "burn", "Key & Benson 2006", {}),
    ("NDWI", "(G - N) / (G + N)", "Normalized Difference Water Index", "water", "McFeeters 1996", {}),
    ("NDMI", "(N - S1) / (N + S1)", "Normalized Difference Moisture Index", "vegetation", "Gao 1996", {}),
    ("NDBI", "(S1 - N) / (S1 + N)", "Normalized Difference Built-Up Index", "urban", "Zha et al. 2003", {}),
    (
        "SAVI",
        "(1.0 + L) * (N - R) / (N + R + L)",
        "Soil-Adjusted Vegetation Index",
        "vegetation",
        "Huete 1988",
        {"L": 0.5},
    ),
    (
        "EVI",
        "g * (N - R) / (N + C1 * R - C2 * B + L)",
        "Enhanced Vegetation Index",
        "vegetation",
        "Huete et al. 2002",
        {"g": 2.5, "C1": 6.0, "C2": 7.5, "L": 1.0},
    ),
)

INDICES: dict[str, SpectralIndex] = {row[0].lower(): SpectralIndex(*row) for row in _EVERYDAY}
"""The everyday ones: their formulas do not change with the table."""


def find_index(name: str) -> SpectralIndex:
    """An index by its standard name, capitals or not. Reads the table on first use. Raises DeriveError.

    >>> find_index("mndwi").formula, find_index("MNDWI").bands
    ('(G - S1) / (G + S1)', ('green', 'swir1'))
    """
    if name.lower() in INDICES:
        return INDICES[name.lower()]
    usable, unusable = _table()
    named = {one for one in (*usable, *unusable) if one.lower() == name.lower()}
    exact = name if name in named else (next(iter(named)) if len(named) == 1 else None)
    if exact is None and named:
        both = " and ".join(f"`{one}`" for one in sorted(named))
        raise DeriveError.sentence("derive", f"`{name}`", "the index", f"one of {both}", "write one of them")
    if exact is None:
        known = {one.lower(): one.lower() if one.lower() in INDICES else one for one in (*INDICES, *usable)}
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0)[0]
        raise DeriveError.sentence("derive", f"`{name}`", "the index", "unknown", f"write `{known[near]}` or `slope`")
    if exact in unusable:
        what, value, remedy = unusable[exact]
        raise DeriveError.sentence("derive", f"`{name}`", what, value, remedy)
    return usable[exact]


def bands_of(name: str) -> tuple[str, ...]:
    """The bands an index needs. Raises DeriveError for an unknown index.

    >>> bands_of("ndvi")
    ('nir', 'red')
    """
    return find_index(name).bands


def indices_from(bands: Iterable[str]) -> tuple[str, ...]:
    """The standard names of all indices that some bands suffice for without giving a constant, sorted.

    >>> {"GNDVI", "NDWI"} <= set(indices_from(["green", "nir"])), "NDVI" in indices_from(["green", "nir"])
    (True, False)
    """
    have = set(bands)
    unknown = sorted(have - LETTERS.keys())
    if unknown:
        near = difflib.get_close_matches(unknown[0], LETTERS, n=1, cutoff=0)[0]
        raise DeriveError.sentence("list", "the indices", "a band", f"unknown (`{unknown[0]}`)", f"write `{near}`")
    everyday = {one.name: one for one in INDICES.values()}
    found = (everyday | {name: one for name, one in _table()[0].items() if name.lower() not in INDICES}).items()
    return tuple(
        sorted(name for name, one in found if have.issuperset(one.bands) and None not in one.constants.values())
    )


def index(name: str, bands: Bands, *, constants: Mapping[str, float] | None = None) -> npt.NDArray[np.float32]:
    """An index of arrays of any one shape; NaN where a band is or where it is not defined. Pure.

    Bands are reflectance (0-1), ``thermal`` is in kelvin; ``constants`` replaces defaults (``{"L": 0.25}``). Raises DeriveError
    for an unknown index, a missing band or constant, and for numbers that are no reflectance: more than one known pixel in a
    hundred above 2 or below -1 (thermal: outside 150-400 K).

    >>> index("ndvi", {"nir": np.float32([0.4]), "red": np.float32([0.1])}).round(2).tolist()
    [0.6000000238418579]
    """
    one = find_index(name)
    numbers = _numbers(one, constants or {})
    values: dict[str, Any] = {}
    for band in one.bands:
        if band not in bands:
            raise DeriveError.sentence("derive", f"`{name}`", "a band it needs", f"missing ({band})", f"give `{band}`")
        array = np.asarray(bands[band], dtype=np.float32)
        _check_unit(name, band, array)
        values |= {letter: array for letter in BANDS if BANDS[letter] == band}
    with np.errstate(all="ignore"):
        if "kNR" in one.formula:
            values |= _kernels(values["N"], values["R"])
        result = _value(ast.parse(one.formula, mode="eval").body, values | numbers)
    return np.where(np.isfinite(result), result, np.nan).astype(np.float32)


def _numbers(one: SpectralIndex, given: Mapping[str, float]) -> dict[str, float]:
    """The constants of an index, all of them numbers."""
    for name in given:
        if name not in one.constants:
            names = ", ".join(one.constants) or "none"
            raise DeriveError.sentence(
                "derive", f"`{one.name}`", f"constant `{name}`", "no part of it", f"its constants are: {names}"
            )
    numbers = {**one.constants, **given}
    for name, number in numbers.items():
        if number is None:
            raise DeriveError.sentence(
                "derive", f"`{one.name}`", f"its constant {name}", "without a default", f"give `{name}`"
            )
    return {name: float(number) for name, number in numbers.items() if number is not None}


def _check_unit(name: str, band: str, array: npt.NDArray[np.float32]) -> None:
    low, high = KELVIN_RANGE if band == "thermal" else REFLECTANCE_RANGE
    strays = np.count_nonzero(array > high) + np.count_nonzero(array < low)
    if strays <= STRAY_SHARE * (array.size - np.count_nonzero(np.isnan(array))):
        return
    least, most = float(np.nanmin(array)), float(np.nanmax(array))
    if band == "thermal":
        wanted, scalings = "kelvin", "GLAD x 0.01, Landsat Collection 2 x 0.00341802 + 149"
    else:
        wanted = "reflectance 0-1"
        scalings = (
            "byte-250 x 0.004, GLAD x 0.000025, Sentinel-2 and Landsat Collection 1 x 0.0001, "
            "Landsat Collection 2 x 0.0000275 - 0.2"
        )
    raise DeriveError.sentence(
        "derive", f"`{name}`", f"band {band}", f"{least:g} to {most:g}", f"scale it to {wanted} first ({scalings})"
    )


def _kernels(n: npt.NDArray[np.float32], r: npt.NDArray[np.float32]) -> dict[str, Any]:
    """k(N, N) and k(N, R) by the radial kernel whose width is the mean of both (Camps-Valls et al. 2021, kNDVI)."""
    width = np.float32(0.5) * (n + r)
    return {"kNN": np.float32(1.0), "kNR": np.exp(-((n - r) ** 2) / (2 * width**2))}


def _value(node: ast.AST, values: Mapping[str, Any]) -> Any:
    """The value of a parsed formula: numbers, names, + - * / ** and a sign, nothing else."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return values[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand, values)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _value(left, values), _value(right, values)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case ast.Pow():
                    return a**b
    raise ValueError(f"no part of a formula: {ast.dump(node)}")


@lru_cache(maxsize=512)
def _letters(formula: str) -> tuple[str, ...]:
    """The names in a formula from left to right, each once; kernels by the letters of their bands."""

    def names(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Name):
            yield from {"kNN": ("N",), "kNR": ("N", "R")}.get(node.id, (node.id,))
        for child in ast.iter_child_nodes(node):
            yield from names(child)

    return tuple(dict.fromkeys(names(ast.parse(formula, mode="eval"))))


def _kelvin(node: ast.AST) -> float:
    """The power of kelvin in a formula; T / 10000 counts as a number. Raises ValueError where kelvin and numbers are added."""
    match node:
        case ast.Name(id=name):
            return float(BANDS.get(name) == "thermal")
        case ast.UnaryOp(operand=operand):
            return _kelvin(operand)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = _kelvin(left), _kelvin(right)
            match op:
                case ast.Mult():
                    return a + b
                case ast.Div():
                    scaled = isinstance(right, ast.Constant) and right.value == 10000
                    return 0.0 if scaled and a == 1 else a - b
                case ast.Pow():
                    exponent = _value(right, {}) if isinstance(right, ast.Constant) else 0.0
                    return a * exponent
                case _ if a == b:
                    return a
            raise ValueError("kelvin beside reflectance")
    return 0.0


Reason = tuple[str, str, str]


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, SpectralIndex], dict[str, Reason]]:
    """The indices of the table that can be derived, and why the others cannot: what, value, remedy of the sentence."""
    entries, defaults = _data("spectral-indices-dict.json")["SpectralIndices"], _data("constants.json")
    usable: dict[str, SpectralIndex] = {}
    unusable: dict[str, Reason] = {}
    for name, entry in entries.items():
        formula = CORRECTED.get(name, entry["formula"])
        try:
            letters = _letters(formula)
            known = {letter: 1.0 for letter in letters} | {"kNN": 1.0, "kNR": 0.5}
            with np.errstate(all="ignore"):
                _value(ast.parse(formula, mode="eval").body, {k: np.float32(v) for k, v in known.items()})
        except (ValueError, SyntaxError, KeyError):
            unusable[name] = ("its formula", "more than arithmetic", "take another index")
            continue
        constants = {one: defaults[one]["default"] for one in letters if one in defaults and one not in BANDS}
        constants |= CONSTANTS.get(name, {})
        strange = [one for one in letters if one not in constants and one not in BANDS]
        if strange:
            what = "a kernel of other bands" if strange[0].startswith("k") else "no optical band"
            unusable[name] = ("its input", f"{strange[0]}, {what}", "take another index")
            continue
        try:
            _kelvin(ast.parse(formula, mode="eval").body)
        except ValueError:
            unusable[name] = (
                "its formula",
                f"{formula}, which adds kelvin to reflectance",
                "take another index, or give the bands to a learner as they are",
            )
            continue
        usable[name] = SpectralIndex(
            name, formula, entry["long_name"], entry["application_domain"], entry["reference"], constants
        )
    return usable, unusable


def _data(file: str) -> Any:
    """A data file of spyndex, without importing it (its import opens a network library)."""
    try:
        path = importlib.metadata.distribution("spyndex").locate_file(f"spyndex/data/{file}")
    except importlib.metadata.PackageNotFoundError:
        raise DeriveError.sentence(
            "find",
            "an index beyond the everyday ones",
            "spyndex, which holds their table,",
            "missing",
            "install spyndex",
        ) from None
    return json.loads(Path(str(path)).read_text(encoding="utf-8"))
