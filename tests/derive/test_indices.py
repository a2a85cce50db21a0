"""Spectral indices against their definitions, against the formulas that stood here before, and against spyndex itself."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import numpy.typing as npt
import pytest

from odse.derive import indices
from odse.derive.indices import INDICES, LETTERS, bands_of, find_index, index, indices_from
from odse.errors import DeriveError

LANDSAT = ("blue", "green", "red", "nir", "swir1", "swir2", "thermal")
EARLIER = {
    "ndvi": lambda b: (b["nir"] - b["red"]) / (b["nir"] + b["red"]),
    "nbr": lambda b: (b["nir"] - b["swir2"]) / (b["nir"] + b["swir2"]),
    "nbr2": lambda b: (b["swir1"] - b["swir2"]) / (b["swir1"] + b["swir2"]),
    "ndwi": lambda b: (b["green"] - b["nir"]) / (b["green"] + b["nir"]),
    "ndmi": lambda b: (b["nir"] - b["swir1"]) / (b["nir"] + b["swir1"]),
    "ndbi": lambda b: (b["swir1"] - b["nir"]) / (b["swir1"] + b["nir"]),
    "savi": lambda b: 1.5 * (b["nir"] - b["red"]) / (b["nir"] + b["red"] + 0.5),
    "evi": lambda b: 2.5 * (b["nir"] - b["red"]) / (b["nir"] + 6.0 * b["red"] - 7.5 * b["blue"] + 1.0),
}
"""The functions of release 0.1, written out: what they gave, bit by bit, is what is given."""


def pixels(n: int = 500, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """Plausible reflectance of every band; thermal in kelvin."""
    draw = np.random.default_rng(seed)
    bands = {band: draw.uniform(0.01, 0.7, n).astype(np.float32) for band in LETTERS}
    return bands | {"thermal": draw.uniform(260, 320, n).astype(np.float32)}


@pytest.mark.parametrize("name", EARLIER)
@hypothesis.given(data=st.data())
@hypothesis.settings(max_examples=20)
def test_the_everyday_ones_are_what_they_were_bit_by_bit(name: str, data: st.DataObject) -> None:
    reflectance = hnp.arrays(np.float32, 7, elements=st.floats(-1, 2, width=32) | st.just(np.nan))
    bands = {band: data.draw(reflectance) for band in bands_of(name)}
    with np.errstate(all="ignore"):
        before = EARLIER[name](bands)
    before = np.where(np.isfinite(before), before, np.nan).astype(np.float32)
    assert index(name, bands).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("MNDWI", (0.1 - 0.2) / (0.1 + 0.2)),
        ("NDSI", (0.1 - 0.2) / (0.1 + 0.2)),
        ("OSAVI", (0.4 - 0.08) / (0.4 + 0.08 + 0.16)),
        ("GNDVI", (0.4 - 0.1) / (0.4 + 0.1)),
        ("MSAVI", 0.5 * (2 * 0.4 + 1 - ((2 * 0.4 + 1) ** 2 - 8 * (0.4 - 0.08)) ** 0.5)),
        ("EVI2", 2.5 * (0.4 - 0.08) / (0.4 + 2.4 * 0.08 + 1)),
        ("BAI", 1 / ((0.1 - 0.08) ** 2 + (0.06 - 0.4) ** 2)),
        ("NDREI", None),
        ("kNDVI", np.tanh(((0.4 - 0.08) / (0.4 + 0.08)) ** 2)),
        ("ARVI", (0.4 - (2 * 0.08 - 0.05)) / (0.4 + (2 * 0.08 - 0.05))),
        ("SARVI", 1.5 * (0.4 - (2 * 0.08 - 0.05)) / (0.4 + (2 * 0.08 - 0.05) + 0.5)),
        ("MNLI", 1.5 * (0.4**2 - 0.08) / (0.4**2 + 0.08 + 0.5)),
        ("NBRT1", (0.4 - 0.15 * 0.03) / (0.4 + 0.15 * 0.03)),
        ("AWEInsh", 4 * (0.1 - 0.2) - 0.25 * 0.4 + 2.75 * 0.15),
    ],
)
def test_by_hand(name: str, wanted: float | None) -> None:
    bands = {"blue": 0.05, "green": 0.1, "red": 0.08, "nir": 0.4, "swir1": 0.2, "swir2": 0.15, "rededge1": 0.2}
    given = {k: np.float32([v]) for k, v in (bands | {"thermal": 300.0}).items()}
    if wanted is None:
        assert bands_of(name) == ("nir", "rededge1")
    else:
        assert index(name, given).item() == pytest.approx(wanted, rel=2e-5)


def test_every_index_of_the_table_is_what_spyndex_makes_of_it() -> None:
    """An evaluator that mistakes an operator, its place or a default differs from Python's own on some of 250 formulas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spyndex = pytest.importorskip("spyndex")
    bands = pixels()
    names = indices_from(LETTERS)
    assert len(names) > 230 and len(indices_from(LANDSAT)) > 180
    for name in sorted(set(names) - indices.CORRECTED.keys()):
        one = find_index(name)
        letters: dict[str, Any] = {letter: bands[band].astype(np.float64) for letter, band in indices.BANDS.items()}
        n, r = letters["N"], letters["R"]
        kernels = {"kNN": 1.0, "kNR": np.exp(-((n - r) ** 2) / (2 * (0.5 * (n + r)) ** 2))}
        with np.errstate(all="ignore"):
            wanted = spyndex.computeIndex(name, params=letters | kernels | dict(one.constants))
        wanted = np.where(np.isfinite(wanted), wanted, np.nan)
        np.testing.assert_allclose(
            index(name, bands), wanted, rtol=2e-3, atol=2e-4 * (1 + np.nanmax(abs(wanted))), err_msg=name
        )


def test_constants_have_the_standard_defaults_and_can_be_given() -> None:
    bands = {"nir": np.float32([0.4]), "red": np.float32([0.1])}
    assert find_index("savi").constants == {"L": 0.5} and find_index("EVI2").constants["L"] == 1.0
    assert index("savi", bands, constants={"L": 0.25}).item() == pytest.approx(1.25 * 0.3 / 0.75)
    with pytest.raises(
        DeriveError, match="cannot derive `SAVI`, because constant `l` is no part of it; its constants are: L"
    ):
        index("savi", bands, constants={"l": 1})
    with pytest.raises(
        DeriveError, match="cannot derive `NIRvP`, because its constant PAR is without a default; give `PAR`"
    ):
        index("NIRvP", bands)
    assert index("NIRvP", bands, constants={"PAR": 2.0}).item() == pytest.approx(2 * 0.4 * 0.6)
    assert "NIRvP" not in indices_from(LANDSAT) and "RWI" not in indices_from(LANDSAT)


def test_names_are_found_in_any_case_and_near_misses_are_named() -> None:
    assert find_index("mNdWi").name == "MNDWI" and find_index("NDVI") is INDICES["ndvi"]
    assert find_index("MNDVI").bands == ("nir", "swir2")
    with pytest.raises(
        DeriveError, match="cannot derive `gndvii`, because the index is unknown; write `GNDVI` or `slope`"
    ):
        bands_of("gndvii")
    with pytest.raises(DeriveError, match="cannot list the indices, because a band is unknown .`nirr`.; write `nir`"):
        indices_from(["nirr"])


def test_one_spelling_for_two_indices_is_refused() -> None:
    usable, _ = indices._table()
    lower = [name.lower() for name in usable]
    twice = {name for name in lower if lower.count(name) > 1 and name not in INDICES}
    assert twice
    for name in twice - usable.keys():
        with pytest.raises(DeriveError, match="because the index is one of `.*` and `.*`; write one of them"):
            find_index(name)
    for name in usable:
        assert find_index(name).name == name


@pytest.mark.parametrize("name", ["NDBaI", "EBBI", "DBI", "NSTv2"])
def test_kelvin_is_not_added_to_reflectance(name: str) -> None:
    with pytest.raises(
        DeriveError, match=f"cannot derive `{name}`, because its formula is .*, which adds kelvin to reflectance"
    ):
        index(name, pixels())


def test_radar_and_kernels_of_other_bands_say_so() -> None:
    with pytest.raises(DeriveError, match="cannot derive `RFDI`, because its input is HH, no optical band"):
        bands_of("RFDI")
    with pytest.raises(DeriveError, match="because its input is kGG, a kernel of other bands; take another index"):
        bands_of("kVARI")


@pytest.mark.parametrize("scale", [250.0, 10_000.0, 40_000.0])
def test_stored_numbers_are_refused(scale: float) -> None:
    bands = {band: values * np.float32(scale) for band, values in pixels().items()}
    with pytest.raises(
        DeriveError, match=r"cannot derive `ndvi`, because band nir is [\d.]+ to [\d.e+]+; scale it to reflectance 0-1 "
    ):
        index("ndvi", bands)


def test_glint_and_gaps_are_no_stored_numbers() -> None:
    bands = {band: pixels(400)[band] for band in ("nir", "red")}
    bands["nir"][:3] = 3.0
    bands["red"][5:] = np.nan
    bands["red"][:1] = np.nan
    assert np.isfinite(index("ndvi", bands)[1:5]).all()
    bands["nir"][:6] = 3.0
    with pytest.raises(DeriveError, match="because band nir is"):
        index("ndvi", bands)
    few = {"nir": np.float32([np.nan, 4000.0]), "red": np.float32([np.nan, 900.0])}
    with pytest.raises(DeriveError, match="4000 to 4000"):
        index("ndvi", few)
    nothing = np.full(4, np.nan, np.float32)
    assert np.isnan(index("ndvi", {"nir": nothing, "red": nothing})).all()
    assert index("ndvi", {"nir": nothing[:0], "red": nothing[:0]}).shape == (0,)


def test_thermal_is_kelvin() -> None:
    bands = pixels()
    with pytest.raises(DeriveError, match="band thermal is .* to .*; scale it to kelvin first .GLAD x 0.01, "):
        index("NBRT1", bands | {"thermal": bands["thermal"] - np.float32(273.15)})
    with pytest.raises(DeriveError, match="band thermal is"):
        index("NBRT1", bands | {"thermal": bands["thermal"] * 100})


def test_what_is_corrected_is_still_wrong_in_the_table() -> None:
    """Fails when the table mends it: then the correction can go."""
    entries = indices._data("spectral-indices-dict.json")["SpectralIndices"]
    values = {"N": 0.4, "R": 0.1, "B": 0.05, "gamma": 1.0, "L": 0.5}
    for name, formula in indices.CORRECTED.items():
        theirs, ours = (
            indices._value(indices.ast.parse(f, mode="eval").body, values) for f in (entries[name]["formula"], formula)
        )
        assert abs(theirs - ours) > 0.01


def test_a_missing_band_is_named() -> None:
    with pytest.raises(
        DeriveError, match="cannot derive `mndwi`, because a band it needs is missing .swir1.; give `swir1`"
    ):
        index("mndwi", {"green": np.float32([0.1])})


@pytest.mark.parametrize(
    "formula", ["__import__('os')", "N.real", "N if R else G", "[N]", "N and R", "N % R", "'a' * 9"]
)
def test_formulas_are_never_run_as_code(formula: str) -> None:
    node = indices.ast.parse(formula, mode="eval").body
    with pytest.raises((ValueError, KeyError)):
        indices._value(node, {"N": np.float32(1), "R": np.float32(1), "G": np.float32(1)})


def test_the_table_is_read_late_and_without_the_network_library() -> None:
    code = (
        "import sys; from odse.derive import indices; indices.index('ndvi', {'nir': [0.4], 'red': [0.1]}); "
        "assert indices._table.cache_info().currsize == 0; indices.bands_of('MNDWI'); "
        "assert not {'spyndex', 'requests', 'box'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
