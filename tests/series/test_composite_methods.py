"""The other definitions of a percentile, weights, means, imitations, Cubes."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from odse.cube import Flag, check_cube
from odse.errors import CubeError, SeriesError
from odse.quality import glad_mask
from odse.raster.encoding import encoding_
from odse.series.composite import clear_share, composite, composite_bands

KEEP = glad_mask("eumap")
WIDE = (0, 65535)
GOLDEN = [  # level 3, section 2: linear, higher, nearest
    ([10], (10, 10, 10), (10, 10, 10), None),
    ([10, 20], (12.5, 15, 17.5), (20, 20, 20), None),
    ([10, 20, 40], (15, 20, 30), (20, 20, 40), (10, 20, 40)),
    ([10, 20, 40, 80], (17.5, 30, 50), (20, 40, 80), (20, 40, 40)),
    ([10, 20, 40, 80, 160], (20, 40, 80), (20, 40, 80), (20, 40, 80)),
    ([10, 20, 40, 80, 160, 320], (25, 60, 140), (40, 80, 160), (20, 40, 160)),
]


def stack_of(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.uint16).reshape(-1, 1, 1)


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


def of_rank(values: list[int], percentile: int, method: str) -> int:
    """The definitions in fractions; 0 for no data."""
    x, k = sorted(values), Fraction((len(values) - 1) * percentile, 100)
    if method == "higher":
        return x[-int(-k // 1)] if x else 0
    return x[round(k)] if len(x) >= 3 else 0  # Python rounds halves of fractions to the even number


def of_weight(values: list[int], weights: list[int], percentile: int) -> int:
    """Akinshin 2023, equations of section 2 and 4, in fractions: differences of a distribution function at the summed weights."""
    known = sorted((v, w) for v, w in zip(values, weights, strict=True) if w)
    if not known:
        return 0
    total = sum(w for _, w in known)
    effective = Fraction(total**2, sum(w * w for _, w in known))
    h = Fraction(percentile, 100) * (effective - 1) + 1

    def distribution(t: Fraction) -> Fraction:
        return min(max(t * effective - (h - 1), Fraction(0)), Fraction(1))

    value, before = Fraction(0), Fraction(0)
    for x, w in known:
        after = before + Fraction(w, total)
        value += x * (distribution(after) - distribution(before))
        before = after
    return half_up(value)


def cases(weights: st.SearchStrategy[int], dates: int = 30) -> st.SearchStrategy:
    return st.tuples(st.integers(1, dates), st.integers(1, 2), st.integers(1, 4)).flatmap(
        lambda shape: st.tuples(
            hnp.arrays(np.uint16, shape, elements=st.one_of(st.integers(0, 65535), st.sampled_from([0, 1, 7, 65535]))),
            hnp.arrays(np.uint8, shape, elements=st.integers(0, 17)),
            hnp.arrays(np.uint8, shape, elements=weights),
        )
    )


quantiles = st.lists(st.integers(0, 100), min_size=1, max_size=4)


@pytest.mark.parametrize(("values", "linear", "higher", "nearest"), GOLDEN)
def test_goldens(values, linear, higher, nearest) -> None:
    for method, wanted in (("linear", linear), ("higher", higher), ("nearest", nearest or (0, 0, 0))):
        result = composite(stack_of(values), np.ones((len(values), 1, 1), np.uint8), keep=KEEP, method=method)
        assert result.percentiles.ravel().tolist() == [int(v + 0.5) for v in wanted]
        assert result.count.item() == len(values)


@given(cases(st.just(1)), quantiles, st.sampled_from(["higher", "nearest"]))
def test_ranks_equal_the_oracle(case, percentiles, method) -> None:
    values, quality, _ = case
    result = composite(values, quality, keep=KEEP, percentiles=percentiles, method=method, valid=(1, 40000))
    for y, x in np.ndindex(values.shape[1:]):
        clear = [int(v) for v, q in zip(values[:, y, x], quality[:, y, x], strict=True) if KEEP[q] and 1 <= v <= 40000]
        assert result.percentiles[:, y, x].tolist() == [of_rank(clear, p, method) for p in percentiles]
        assert result.count[y, x] == len(clear)


@pytest.mark.parametrize("method", ["linear", "higher", "nearest"])
@pytest.mark.parametrize("dates", [1, 3, 92, 254])
def test_many_dates_and_pixels_against_numpy(method: str, dates: int) -> None:
    rng = np.random.default_rng(dates)
    values = rng.integers(0, 50000, (dates, 5, 67)).astype(np.uint16)
    quality = rng.choice([1, 3], values.shape).astype(np.uint8)
    result = composite(values, quality, keep=KEEP, percentiles=(5, 50, 95), method=method).percentiles
    good = (quality == 1) & (values >= 1) & (values <= 40000)
    for y, x in np.ndindex(values.shape[1:]):
        clear = values[good[:, y, x], y, x]
        if len(clear) < (3 if method == "nearest" else 1):
            assert result[:, y, x].tolist() == [0, 0, 0]
        elif method == "linear":
            assert np.allclose(result[:, y, x], np.percentile(clear, [5, 50, 95]), atol=0.5001)
        else:
            assert result[:, y, x].tolist() == [of_rank(clear.tolist(), p, method) for p in (5, 50, 95)]


@given(cases(st.integers(0, 255)), quantiles)
def test_weighted_quantiles_equal_the_oracle(case, percentiles) -> None:
    values, quality, weights = case
    result = composite(values, quality, keep=KEEP, percentiles=percentiles, weights=weights, valid=WIDE)
    for y, x in np.ndindex(values.shape[1:]):
        used = np.where(KEEP[quality[:, y, x]] != 0, weights[:, y, x], 0).tolist()
        wanted = [of_weight(values[:, y, x].tolist(), used, p) for p in percentiles]
        assert result.percentiles[:, y, x].tolist() == wanted
        assert result.count[y, x] == sum(w != 0 for w in used)


@given(cases(st.sampled_from([0, 1])), quantiles, st.integers(1, 255))
def test_weights_of_none_and_one_are_no_weights(case, percentiles, times) -> None:
    values, quality, weights = case
    same = {"keep": KEEP, "percentiles": percentiles, "valid": WIDE}
    plain = composite(values, np.where(weights == 1, quality, 3).astype(np.uint8), **same)
    heavy = composite(values, quality, weights=weights * np.uint8(times), **same)
    assert np.array_equal(plain.percentiles, heavy.percentiles) and np.array_equal(plain.count, heavy.count)


@pytest.mark.parametrize("weight", [1, 255])
def test_equal_weights_at_the_limits(weight: int) -> None:
    """Every percentile of up to 254 dates, values at the ends of their range: the doubles of the kernel stay exact."""
    rng = np.random.default_rng(5)
    shape = (254, 1, 40)
    high, any_ = 65535 - rng.integers(0, 3, shape), rng.integers(0, 65536, shape)
    values = np.where(rng.random(shape) < 0.5, high, any_).astype(np.uint16)
    quality = np.where(np.arange(254)[:, None, None] < rng.integers(1, 255, 40), 1, 3).astype(np.uint8)
    every = list(range(101))
    plain = composite(values, quality, keep=KEEP, percentiles=every, valid=WIDE)
    same = composite(values, quality, keep=KEEP, percentiles=every, valid=WIDE, weights=np.full(254, weight, np.uint8))
    assert np.array_equal(plain.percentiles, same.percentiles)
    odd = rng.integers(0, 256, values.shape).astype(np.uint8)
    result = composite(values, quality, keep=KEEP, percentiles=(0, 37, 100), valid=WIDE, weights=odd).percentiles
    for x in range(0, 40, 7):
        used = np.where(quality[:, 0, x] == 1, odd[:, 0, x], 0).tolist()
        assert result[:, 0, x].tolist() == [of_weight(values[:, 0, x].tolist(), used, p) for p in (0, 37, 100)]


@given(cases(st.integers(0, 127)), quantiles)
def test_twice_the_weights_change_nothing(case, percentiles) -> None:
    values, quality, weights = case
    for method in ("linear", "mean"):
        chosen = percentiles if method == "linear" else None
        once, twice = (composite(values, quality, keep=KEEP, percentiles=chosen, method=method, weights=w, valid=WIDE)
                       for w in (weights, weights * np.uint8(2)))  # fmt: skip
        assert np.array_equal(once.percentiles, twice.percentiles)


def test_a_weight_of_two_is_not_a_second_observation() -> None:
    values, clear = stack_of([0, 100]), np.ones((2, 1, 1), np.uint8)
    heavier = composite(values, clear, keep=KEEP, percentiles=[25, 50], weights=np.array([2, 1], np.uint8), valid=WIDE)
    listed = composite(stack_of([0, 0, 100]), np.ones((3, 1, 1), np.uint8), keep=KEEP, percentiles=[25, 50], valid=WIDE)
    # S = 3, Q = 5: the window of the median is 2/3 .. 7/3 of a summed weight of 3, and 1/5 of it lies on the second value.
    assert heavier.percentiles.ravel().tolist() == [0, 20] and listed.percentiles.ravel().tolist() == [0, 0]


@given(cases(st.integers(0, 255)), st.booleans())
def test_means_equal_the_oracle(case, by_date) -> None:
    values, quality, weights = case
    given_weights = weights[:, 0, 0] if by_date else weights
    result, count = composite_bands(
        values[None], quality, keep=KEEP, method="mean", weights=given_weights, valid=[WIDE]
    )
    cut, _ = composite_bands(
        values[None], quality, keep=KEEP, method="mean", weights=given_weights, valid=[WIDE], floors=True
    )
    for y, x in np.ndindex(values.shape[1:]):
        column = weights[:, 0, 0] if by_date else weights[:, y, x]
        together = zip(values[:, y, x].tolist(), column.tolist(), quality[:, y, x], strict=True)
        used = [(v, w) for v, w, q in together if KEEP[q] and w]
        total = sum(w for _, w in used)
        exact = Fraction(sum(v * w for v, w in used), total) if used else Fraction(0)
        assert result[0, 0, y, x] == half_up(exact) and cut[0, 0, y, x] == int(exact)
        assert count[0, y, x] == len(used)


def test_mean_without_weights_and_of_many_dates() -> None:
    values = np.full((254, 2, 300), 65535, np.uint16)
    clear = np.ones(values.shape, np.uint8)
    full = np.full(254, 255, np.uint8)
    assert (composite(values, clear, keep=KEEP, method="mean", weights=full, valid=WIDE).percentiles == 65535).all()
    values[::2] = 65530
    assert (composite(values, clear, keep=KEEP, method="mean", valid=WIDE).percentiles == 65533).all()  # 65532.5


def test_the_bytes_of_the_bimonthly_composites() -> None:
    """Mean weighted by each image's clear share, cut to a byte: as one expression, and by composite and encoding in turn."""
    rng = np.random.default_rng(11)
    values = rng.integers(1, 40001, (4, 30, 31)).astype(np.uint16)
    quality = rng.choice([1, 3, 0], values.shape, p=[0.5, 0.3, 0.2]).astype(np.uint8)
    weights = clear_share(quality, keep=KEEP)
    assert weights.tolist() == [int(255 * (q == 1).sum() / (q != 0).sum() + 0.5) for q in quality]
    with pytest.warns(UserWarning, match="imitates ard2-bimonthly: means are cut, not rounded"):
        made = composite(values, quality, keep=KEEP, method="mean", weights=weights, compat="ard2-bimonthly")
    stored = encoding_("ard2-bimonthly").encode(made.percentiles[0], mask=made.count == 0)
    used = (quality == 1) * weights[:, None, None].astype(np.int64)
    total = used.sum(axis=0)
    wanted = np.where(total > 0, (used * values).sum(axis=0) * 250 // (40000 * np.maximum(total, 1)), 255)
    assert np.array_equal(stored, wanted)


def test_clear_share_of_nothing_and_of_little() -> None:
    quality = np.zeros((3, 40, 40), np.uint8)
    quality[1:] = 3
    quality[2, 0, 0] = 1
    assert clear_share(quality, keep=KEEP).tolist() == [0, 0, 1]


@pytest.mark.parametrize(("values", "linear", "higher", "nearest"), GOLDEN)
def test_goldens_of_eumap(values, linear, higher, nearest) -> None:
    stack, clear = stack_of(values), np.ones((len(values), 1, 1), np.uint8)
    with pytest.warns(UserWarning, match="composite imitates eumap-2022: percentiles are 16-bit floats"):
        old = composite(stack, clear, keep=KEEP, compat="eumap-2022")
    assert old.percentiles.dtype == np.float16 and old.percentiles.ravel().tolist() == list(linear)
    with pytest.warns(UserWarning, match="composite imitates eumap-2023: every percentile but the median is NaN"):
        newer = composite(stack, clear, keep=KEEP, compat="eumap-2023").percentiles.ravel()
    assert newer.dtype == np.float32
    if len(values) == 1:
        assert np.isnan(newer[[0, 2]]).all() and newer[1] == 10
    else:
        assert newer.tolist() == list(linear)


@pytest.mark.filterwarnings("ignore:composite imitates")
def test_steps_of_16_bit_floats() -> None:
    dn = stack_of([2049, 16385, 16392, 16400, 32767, 32784, 40000]).reshape(1, 1, 7)
    old = composite(dn, np.ones(dn.shape, np.uint8), keep=KEEP, percentiles=[50], compat="eumap-2022")
    # Halves go to the even step: 16392 lies between 16384 and 16400, 32784 between 32768 and 32800.
    assert old.percentiles.ravel().tolist() == [2048, 16384, 16384, 16400, 32768, 32768, 40000]
    masked = composite(dn, np.full(dn.shape, 3, np.uint8), keep=KEEP, compat="eumap-2022")
    assert np.isnan(masked.percentiles).all() and (masked.count == 0).all()


@pytest.mark.filterwarnings("ignore:composite imitates")
def test_eumap_gives_a_repeated_percentile_once() -> None:
    stack = stack_of([10, 20, 40])
    twice = composite(stack, np.ones((3, 1, 1), np.uint8), keep=KEEP, percentiles=[50, 25, 50], compat="eumap-2022")
    assert twice.percentiles.ravel().tolist() == [20, 15]


@pytest.mark.filterwarnings("ignore:composite imitates")
@given(cases(st.just(1), dates=9))
def test_eumap_is_ours_but_for_its_flaws(case) -> None:
    values, quality, _ = case
    ours = composite(values, quality, keep=KEEP)
    theirs = composite(values, quality, keep=KEEP, compat="eumap-2023")
    assert np.array_equal(ours.count, theirs.count)
    whole = ours.count > 1
    assert np.array_equal(np.floor(theirs.percentiles[:, whole] + 0.5), ours.percentiles[:, whole])
    assert np.isnan(theirs.percentiles[[0, 2]][:, ~whole]).all()


# ---- Cubes


def cube(*, by_band: bool = False) -> xr.Dataset:
    rng = np.random.default_rng(2)
    values = rng.integers(1, 40001, (5, 2, 3, 4)).astype(np.uint16)
    quality = rng.choice([1, 3], (5, 3, 4)).astype(np.uint8)
    quality[:, 0, 0] = 1
    quality[:, 0, 1] = 3
    quality[:, 0, 2] = 0
    quality[:, 2, 3] = [1, 1, 3, 3, 0]
    coords = {"y": [30, 20, 10], "x": [1, 2, 3, 4], "band": ["red", "nir"]}
    whole = xr.Dataset(
        {"value": (("time", "band", "y", "x"), values), "quality": (("time", "y", "x"), quality)}, coords=coords
    )
    if not by_band:
        return whole
    parts = {band: whole["value"].sel(band=band, drop=True) for band in ("red", "nir")}
    return xr.Dataset({**parts, "quality": whole["quality"]})


@pytest.mark.parametrize("by_band", [False, True])
@pytest.mark.parametrize("method", ["linear", "higher", "nearest", "mean"])
def test_cube_in_cube_out(by_band: bool, method: str) -> None:
    whole = cube(by_band=by_band)
    made = check_cube(composite(whole, keep=KEEP, method=method), dims=("band", "statistic", "y", "x"))
    assert made["value"].dims == ("band", "statistic", "y", "x")
    assert made["statistic"].values.tolist() == (["mean"] if method == "mean" else ["p25", "p50", "p75"])
    assert made["y"].values.tolist() == [30, 20, 10]
    for band in ("red", "nir"):
        values = cube()["value"].sel(band=band).to_numpy()
        one = composite(values, whole["quality"].to_numpy(), keep=KEEP, method=method)
        assert np.array_equal(made["value"].sel(band=band), one.percentiles)
        assert np.array_equal(made["count"].sel(band=band), one.count)
    flag = made["flag"].sel(band="red").to_numpy()
    assert flag[0, 0] == Flag.OBSERVED and flag[0, 1] == Flag.MASKED and flag[0, 2] == Flag.NODATA
    assert flag[2, 3] == (Flag.MASKED if method == "nearest" else Flag.OBSERVED)
    assert np.array_equal(flag == Flag.OBSERVED, made["value"].sel(band="red")[0] != 0)


def test_cube_says_what_could_not_be_read() -> None:
    whole = cube().assign(unreadable=("time", np.array([0, 1, 0, 0, 0], dtype=bool)))
    flag = composite(whole, keep=KEEP)["flag"].sel(band="nir").to_numpy()
    assert flag[0].tolist()[:3] == [Flag.OBSERVED, Flag.MASKED, Flag.UNREADABLE]


def test_cube_without_names_of_bands_and_with_ranges_by_band() -> None:
    bare = cube().drop_vars("band")
    assert composite(bare, keep=KEEP)["band"].values.tolist() == ["0", "1"]
    ranged = composite(cube(), keep=KEEP, valid={"red": (1, 40000), "nir": (20000, 40000)})
    assert (ranged["count"].sel(band="nir") <= composite(cube(), keep=KEEP)["count"].sel(band="nir")).all()
    assert ranged["value"].sel(band="nir").where(ranged["count"].sel(band="nir") > 0).min() >= 20000


def test_order_of_dimensions_of_arrays_is_free() -> None:
    whole = cube()
    stack = whole["value"].sel(band="red", drop=True).transpose("x", "y", "time")
    weights = xr.DataArray(np.arange(1, 6, dtype=np.uint8), dims="time")
    labelled = composite(stack, whole["quality"], keep=KEEP, weights=weights, method="mean")
    plain = composite(stack.transpose("time", "y", "x").to_numpy(), whole["quality"].to_numpy(), keep=KEEP,
                      weights=weights.to_numpy(), method="mean")  # fmt: skip
    assert labelled["mean"].dims == ("statistic", "y", "x") and np.array_equal(labelled["mean"], plain.percentiles)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"method": "median"}, "the method is 'median'; write one of linear, higher, nearest, mean"),
        ({"method": "mean", "percentiles": [50]}, "the method is mean, for which percentiles [50] mean nothing; leave them out"),
        ({"method": "higher", "weights": np.ones(2, np.uint8)}, "the method is higher, which has no weights; use linear or mean"),
        ({"weights": np.ones(2)}, "the type of their weights is float64; give whole numbers 0 to 255 as uint8"),
        ({"weights": np.ones(3, np.uint8)}, "the shape of their weights is (3,); give (time,) or (time, y, x)"),
        ({"compat": "eumap"}, "compat is 'eumap'; write one of eumap-2022, eumap-2023, ard2-bimonthly"),
        ({"compat": "eumap-2022", "method": "higher"}, "the method is higher, which eumap-2022 did not have; use linear"),
        ({"compat": "ard2-bimonthly"}, "the method is linear, which ard2-bimonthly did not have; use mean"),
        ({"compat": "eumap-2022", "weights": np.ones(2, np.uint8)}, "their weights is given; leave them out"),
        ({"quality": None}, "their quality is missing; give one code for every value (time, y, x)"),
        ({"valid": {"red": (1, 2)}}, "a range of valid values is {'red': (1, 2)}; give (least, greatest)"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:composite imitates")
def test_refused(changed, text) -> None:
    good = {"values": np.ones((2, 3, 3), np.uint16), "quality": np.ones((2, 3, 3), np.uint8), "keep": KEEP}
    with pytest.raises(SeriesError, match=re.escape(f"cannot composite the values, because {text}")):
        composite(**{**good, **changed})
    labelled = {name: xr.DataArray(good[name], dims=("time", "y", "x")) for name in ("values", "quality")}
    with pytest.raises(SeriesError, match=re.escape(f"cannot composite the values, because {text}")):
        composite(**{**labelled, "keep": KEEP, **changed})


def test_refused_cubes() -> None:
    with pytest.raises(SeriesError, match="their quality is missing; put it into the Cube as variable quality"):
        composite(cube().drop_vars("quality"), keep=KEEP)
    with pytest.raises(SeriesError, match="their quality is given twice; put it into the Cube"):
        composite(cube(), cube()["quality"], keep=KEEP)
    with pytest.raises(SeriesError, match="the number of bands is 0; give value"):
        composite(cube()[["quality"]], keep=KEEP)
    with pytest.raises(SeriesError, match="the range of valid values is missing for band nir; give one for every band"):
        composite(cube(), keep=KEEP, valid={"red": (1, 2)})
    with pytest.raises(SeriesError, match=re.escape("the dimensions of value is ('time', 'y', 'x')")):
        composite(cube().isel(band=0), keep=KEEP)
    with pytest.raises(CubeError, match="a dimension is 'when'; name it one of time"):
        composite(cube().rename(time="when"), keep=KEEP)
