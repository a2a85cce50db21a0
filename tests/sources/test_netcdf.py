"""Cubes in netCDF: against another reader, on real files, and what is refused."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from pyproj import CRS
from scipy.io import netcdf_file

from odse.cube import Flag
from odse.errors import SourceError, UnreadableError
from odse.grid import Grid
from odse.quality import Quality, decode
from odse.sources.netcdf import NetcdfCube, open_cube, scenes
from odse.sources.scenes import Range, for_composite, read_cube

UTM = CRS.from_epsg(32631).to_wkt("WKT1_GDAL")


def write(
    path: Path,
    variables: dict[str, np.ndarray],
    *,
    size: float = 10.0,
    left: float = 501360.0,
    top: float = 5629680.0,
    south_up: bool = False,
    times: Any = (0.0, 5.0, 10.0),
    units: str | None = "days since 2018-03-30 12:00:00",
    calendar: str = "standard",
    record: bool = False,
    crs: str | None = UTM,
    attrs: dict[str, dict[str, Any]] | None = None,
    shift: float = 0.0,
    order: tuple[str, ...] = ("time", "y", "x"),
) -> Path:
    """A classic netCDF file of (time, y, x) variables by scipy's writer; ``left`` and ``top`` are edges."""
    rows, cols = next(iter(variables.values())).shape[-2:]
    y = top - (np.arange(rows) + 0.5) * size
    x = left + (np.arange(cols) + 0.5) * size
    x[-1] += shift
    with netcdf_file(path, "w") as file:
        file.createDimension("time", None if record else len(times))
        file.createDimension("y", rows)
        file.createDimension("x", cols)
        for name, centres in (("y", y[::-1] if south_up else y), ("x", x)):
            file.createVariable(name, "f8", (name,))[:] = centres
        time = file.createVariable("time", "f8", ("time",))
        time[:] = np.array(times)
        if units:
            time.units, time.calendar = units, calendar
        if crs:
            file.createDimension("one", 1)  # scipy writes no valid file of a scalar beside records
            mapping = file.createVariable("crs", "i4", ("one",))
            mapping[:] = 0
            mapping.crs_wkt = crs
        for name, values in variables.items():
            made = file.createVariable(name, values.dtype.str[1:], order)
            made[:] = (values[:, ::-1] if south_up else values).transpose([("time", "y", "x").index(d) for d in order])
            made.grid_mapping = "crs"
            for key, value in (attrs or {}).get(name, {}).items():
                setattr(made, key, value)
    return path


@pytest.fixture
def pixels() -> dict[str, np.ndarray]:
    """Three times of 6 x 8 pixels; every pixel of a band differs from its neighbours."""
    rng = np.random.default_rng(5)
    return {
        "A": (np.arange(3 * 6 * 8).reshape(3, 6, 8) * 7 % 5000 + 1).astype(np.int16),
        "B": rng.integers(-200, 12000, (3, 6, 8)).astype(np.int16),
        "QA": rng.integers(0, 12, (3, 6, 8)).astype(np.int16),
    }


def opened(path: Path | list[Path], *, bands: Any = ("A", "B"), product: str = "scl", **keywords: Any) -> NetcdfCube:
    return open_cube(path, variables=bands, quality="QA", product=product, **keywords)


@pytest.mark.parametrize("south_up", [False, True])
@pytest.mark.parametrize("record", [False, True])
def test_against_another_reader(tmp_path: Path, pixels: dict[str, np.ndarray], south_up: bool, record: bool) -> None:
    """The cube has what xarray reads through scipy, north up, in the stored type, with centres where xarray has them."""
    path = write(tmp_path / "a b.nc", pixels, south_up=south_up, record=record)
    made = opened(path, bands={"B": "nir", "A": "red"})
    cube = made.read()
    with xr.open_dataset(path, engine="scipy", mask_and_scale=False) as file:
        other = file.sortby("y", ascending=False).load()
    assert cube["value"].dtype == cube["quality"].dtype == np.int16
    for band, name in (("nir", "B"), ("red", "A")):
        assert np.array_equal(cube["value"].sel(band=band), other[name])
    assert np.array_equal(cube["quality"], other["QA"])
    assert np.array_equal(cube["x"], other["x"]) and np.array_equal(cube["y"], other["y"])
    assert cube["time"].to_numpy().astype("datetime64[D]").tolist() == [
        dt.date(2018, 3, 30), dt.date(2018, 4, 4), dt.date(2018, 4, 9)
    ]  # fmt: skip
    assert made.grid == Grid("own", "EPSG:32631", 10.0, (501360.0, 5629680.0)) and made.window == (0, 0, 8, 6)
    assert np.array_equal(cube["flag"] == Flag.NODATA, other["QA"] == 0)


def test_windows_and_dates_of_the_whole(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    made = opened(write(tmp_path / "a.nc", pixels))
    whole = made.read()
    part = made.read(window=(2, 1, 12, 4), dates=(dt.date(2018, 4, 1), dt.date(2018, 4, 5)))
    assert part.sizes["time"] == 1 and part.sizes["x"] == 10
    assert np.array_equal(part["value"][0, :, :, :6], whole["value"][1, :, 1:4, 2:])
    assert (part["flag"][0, :, 6:] == Flag.NODATA).all() and not part["value"][0, :, :, 6:].any()
    assert made.read(window=(100, 100, 110, 110)).sizes["time"] == 0


def test_a_quality_of_twenty_metres_for_bands_of_ten(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    fine = write(tmp_path / "fine.nc", {"A": pixels["A"]})
    coarse = write(tmp_path / "coarse.nc", {name: pixels[name][:, :3, :4] for name in ("B", "QA")}, size=20.0)
    made = opened([fine, coarse])
    cube = made.read()
    assert made.grid.resolution_m == 10 and made.window == (0, 0, 8, 6)
    assert np.array_equal(cube["value"][:, 0], pixels["A"])
    for got, name in ((cube["value"][:, 1], "B"), (cube["quality"], "QA")):
        assert np.array_equal(got, pixels[name][:, :3, :4].repeat(2, axis=1).repeat(2, axis=2))


def test_onto_another_grid_by_the_nearest_pixel(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    """Against a loop over single pixels, on a grid of another size, origin and CRS."""
    import pyproj

    path = write(tmp_path / "a.nc", pixels, south_up=True)
    some = scenes(path, variables=["A"], quality="QA", product="scl")
    x, y = pyproj.Transformer.from_crs(32631, 3035, always_xy=True).transform(501400, 5629650)
    grid = Grid("own", "EPSG:3035", 7.0, (round(x) - 50.0, round(y) + 50.0))
    cube = read_cube(some, grid, (0, 0, 15, 15))
    back = pyproj.Transformer.from_crs(3035, 32631, always_xy=True)
    hit = 0
    for row in range(15):
        for col in range(15):
            e, n = back.transform(grid.origin_xy[0] + (col + 0.5) * 7, grid.origin_xy[1] - (row + 0.5) * 7)
            c, r = int((e - 501360) // 10), int((5629680 - n) // 10)
            inside = 0 <= c < 8 and 0 <= r < 6
            hit += inside
            for t in range(3):
                assert cube["quality"][t, row, col] == (pixels["QA"][t, r, c] if inside else 0)
                assert cube["value"][t, 0, row, col] == (pixels["A"][t, r, c] if inside else 0)
    assert hit > 40


def test_values_out_of_range_are_no_data_band_by_band(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    cube = opened(write(tmp_path / "a.nc", pixels)).read()
    made = for_composite(cube, mask=["cloud", "haze"])
    b, qa = pixels["B"], pixels["QA"]
    assert np.array_equal(made.values[0], pixels["A"]) and made.values.dtype == np.uint16
    assert np.array_equal(made.values[1], np.where((b >= 1) & (b <= 10000), b, 0))
    assert np.array_equal(made.quality, np.where(qa == 0, 0, np.where(np.isin(qa, [8, 9, 10]), 2, 1)))
    seen = qa != 0
    assert cube.attrs["counts"]["out_of_range_B"] == int((seen & ((b < 1) | (b > 10000))).sum()) > 0
    assert cube.attrs["counts"]["pixels_seen"] == int(seen.sum()) and "out_of_range_A" not in cube.attrs["counts"]


def test_the_files_scale_moves_the_range(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    attrs = {
        "A": {"scale_factor": np.float64(1e-4), "add_offset": np.float64(-0.1)},
        "B": {"scale_factor": np.float32(2e-4), "_FillValue": np.int16(-9999)},
    }
    made = opened(write(tmp_path / "a.nc", pixels, attrs=attrs))
    assert [(one.low, one.high) for one in made.scenes[0].valid] == [(1001, 11000), (1, 5000)]
    made = opened(write(tmp_path / "a.nc", pixels, attrs=attrs), valid={"A": (5, 6)})
    assert made.scenes[0].valid[0] == Range(5, 6, 1e-4, -0.1)
    with pytest.raises(
        SourceError,
        match=r"cannot use variable B of a.nc, because its fill is 9, within the valid 1 to 10000; "
        r"give valid=\{'B': \(low, high\)\} without it",
    ):
        opened(write(tmp_path / "a.nc", pixels, attrs={"B": {"_FillValue": np.int16(9)}}))


def test_fill_of_the_quality(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    """A NaN in floats, and a declared number, become the product's no-data code and are counted."""
    codes = np.where(pixels["QA"] < 2, np.nan, 21824.0).astype(np.float32)
    cube = opened(
        write(tmp_path / "a.nc", {**pixels, "QA": codes}), product="landsat-c2", bands=["A"], valid={"A": (1, 9)}
    ).read()
    assert cube.attrs["counts"]["quality_filled"] == int(np.isnan(codes).sum()) > 0
    assert np.array_equal(cube["quality"], np.where(np.isnan(codes), 1, 21824)) and cube["quality"].dtype == np.uint16
    assert np.array_equal(cube["flag"] == Flag.NODATA, np.isnan(codes))

    whole = np.where(pixels["QA"] < 2, 0, 322).astype(np.int16)
    path = write(tmp_path / "b.nc", {**pixels, "QA": whole}, attrs={"QA": {"_FillValue": np.int16(0)}})
    cube = opened(path, product="landsat-c1").read()
    assert cube.attrs["counts"]["quality_filled"] == int((whole == 0).sum())
    assert np.array_equal(cube["quality"], np.where(whole == 0, 1, 322))

    codes[0, 0, 0] = 3.5
    path = write(tmp_path / "c.nc", {**pixels, "QA": codes})
    cube = opened(path, product="landsat-c2").read()
    assert cube.attrs["counts"]["unreadable"] == 1 and (cube["flag"][0] == Flag.UNREADABLE).all()
    assert "c/2018-03-30T12:00:00: unreadable" in cube.attrs["notes"][0]


def test_a_fill_that_is_a_clear_code_is_not_believed(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    """A NaN fill on integers shows as 0, and 0 is clear in Fmask."""
    path = write(tmp_path / "a.nc", pixels, attrs={"QA": {"_FillValue": np.int16(0)}})
    made = opened(path, product="hls")
    assert made.notes == ("QA of a.nc: its fill 0 is a code of clear pixels, not believed",)
    assert np.array_equal(made.read()["quality"], pixels["QA"])


def test_times_of_a_day_are_merged_whatever_their_order(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    """The earlier goes first where it has data; in the file the later stands first."""
    days = (0.1, 0.0, 7.0)
    made = opened(write(tmp_path / "a.nc", pixels, times=days))
    assert [scene.name for scene in made.scenes[:2]] == ["a/2018-03-30T12:00:00", "a/2018-03-30T14:24:00"]
    for order in (made.scenes, made.scenes[::-1]):
        cube = read_cube(order, made.grid, made.window)
        first = pixels["QA"][1] != 0
        assert cube.sizes["time"] == 2 and not first.all() and first.any()
        assert np.array_equal(cube["quality"][0], np.where(first, pixels["QA"][1], pixels["QA"][0]))
        wanted = np.where(first, pixels["B"][1], pixels["B"][0])
        seen = (cube["flag"][0] == Flag.OBSERVED).to_numpy()
        assert np.array_equal(cube["value"][0, 1].to_numpy()[seen], wanted[seen]) and (seen & ~first).any()
    with pytest.raises(
        SourceError, match=r"cannot read cube a.nc, because time 2018-03-30T12:00:00 is there twice; keep one"
    ):
        opened(write(tmp_path / "a.nc", pixels, times=(0.0, 0.0, 1.0)))


def test_files_of_unlike_days(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    one = write(tmp_path / "one.nc", {"A": pixels["A"]})
    two = write(tmp_path / "two.nc", {"QA": pixels["QA"]}, times=(0.0, 5.001, 11.0))
    with pytest.raises(
        SourceError,
        match="cannot join files of a cube, because 2018-04-09 in two.nc is missing; give files of the same days",
    ):
        opened([one, two], bands=["A"])
    two = write(tmp_path / "two.nc", {"QA": pixels["QA"]}, times=(10.0, 5.001, 0.0))  # seconds apart, another order
    cube = opened([one, two], bands=["A"]).read()
    assert np.array_equal(cube["quality"], pixels["QA"][::-1]) and np.array_equal(cube["value"][:, 0], pixels["A"])


@pytest.mark.parametrize(
    ("changes", "keywords", "text"),
    [
        ({}, {"bands": ["C"]}, "variable C, because its place is in none of a.nc; name one of A, B, QA once"),
        ({}, {"bands": []}, "cannot read a cube, because its variables is none; name at least one"),
        ({"crs": None}, {}, "variable A of a.nc, because its CRS is missing; give it a grid mapping with crs_wkt"),
        ({"shift": 2.0}, {}, "variable A of a.nc, because its x is not in equal steps; resample it to a grid"),
        (
            {"calendar": "360_day"},
            {},
            "because its time is '0' days since 2018-03-30 12:00:00 360_day; give dates of CF",
        ),
        (
            {"order": ("time", "x", "y")},
            {},
            "because the order of its dimensions is (time, x, y); transpose it to (time, y",
        ),
        (
            {"order": ("y", "x", "time")},
            {},
            "because the order of its dimensions is (y, ...); transpose it to (time, y, x)",
        ),
        ({"units": None}, {}, "because its time is '0'; give dates of CF"),
        ({}, {"product": "glad"}, "band A, because the range of its values in glad is unknown; give it as valid="),
    ],
)
def test_refusals(tmp_path: Path, pixels: dict[str, np.ndarray], changes: Any, keywords: Any, text: str) -> None:
    path = write(tmp_path / "a.nc", pixels, **changes)
    with pytest.raises(SourceError) as caught:
        opened(path, **keywords)
    assert text in str(caught.value)


def test_without_the_driver(tmp_path: Path, pixels: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.nc", pixels)
    monkeypatch.setattr(rasterio.Env, "drivers", lambda self: {"GTiff": "GeoTIFF"})
    with pytest.raises(
        SourceError, match="cannot read cube a.nc, because GDAL is built without netCDF; install rasterio"
    ):
        opened(path)


def test_a_variable_in_two_files_or_of_floats(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    one, two = write(tmp_path / "one.nc", pixels), write(tmp_path / "two.nc", {"A": pixels["A"]})
    with pytest.raises(SourceError, match="cannot read variable A, because its place is one.nc and two.nc; name one"):
        opened([one, two])
    path = write(tmp_path / "a.nc", {**pixels, "A": pixels["A"].astype(np.float32)})
    with pytest.raises(SourceError, match="variable A of a.nc, because its type is float32; give the archive's integ"):
        opened(path)
    with pytest.raises(SourceError, match="cannot read cube none.nc, because the file is missing"):
        opened(tmp_path / "none.nc")


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("cut", [4, 100, 600, 900])
def test_a_cut_classic_file_is_unreadable(
    tmp_path: Path, pixels: dict[str, np.ndarray], cut: int, record: bool
) -> None:
    """The netCDF library would read zeros from it."""
    path = write(tmp_path / "a.nc", pixels, record=record)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(
        UnreadableError, match=r"cannot read cube a.nc, because its length is \d+ bytes, cut off; fetch"
    ):
        opened(path)


def file_of(data_dir: Path, start: str) -> Path:
    return next((data_dir / "03_s2_l8_patch_belgium").glob(f"{start}_*.nc"))


@pytest.mark.parametrize("how", ["half", "end", "header", "empty", "start"])
def test_a_damaged_real_file_is_unreadable(tmp_path: Path, data_dir: Path, how: str) -> None:
    data = bytearray(file_of(data_dir, "L8_L2-ST").read_bytes())
    if how == "start":
        data[:16] = b"\0" * 16
    path = tmp_path / "st.nc"
    path.write_bytes(
        {"half": data[: len(data) // 2], "end": data[:-1], "header": data[:500], "empty": b"", "start": data}[how]
    )
    with pytest.raises(UnreadableError, match="cannot read scene st, because GDAL's answer is "):
        open_cube(path, variables=["ST-B10"], quality="QA-PIXEL", product="landsat-c2")


def test_a_file_that_is_lost_after_it_was_listed(tmp_path: Path, pixels: dict[str, np.ndarray]) -> None:
    path = write(tmp_path / "a.nc", pixels)
    made = opened(path, bands=["A"])
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(
        UnreadableError, match=r"12:00:00, because a.nc is another file than when it was listed; run ag"
    ):
        made.scenes[0].read(made.grid, made.window)
    path.unlink()
    cube = made.read()
    assert cube.attrs["counts"]["unreadable"] == 3 and (cube["flag"] == Flag.UNREADABLE).all()
    assert for_composite(cube).unreadable.all() and not for_composite(cube).quality.any()


def raw(path: Path, variable: str) -> np.ndarray:
    """(time, y, x) north up, by GDAL's other order of rows."""
    with (
        rasterio.Env(GDAL_NETCDF_BOTTOMUP="YES"),
        pytest.warns(rasterio.errors.NotGeoreferencedWarning),
        rasterio.open(f"netcdf:{path}:{variable}") as source,
    ):
        return source.read()[:, ::-1]


def test_the_sentinel_2_patch(data_dir: Path) -> None:
    """118 dates in two files; the quality of 20 m repeated."""
    fine, coarse = file_of(data_dir, "S2_L2A_10m"), file_of(data_dir, "S2_L2A_20m")
    made = open_cube([coarse, fine], variables={"B04": "red", "B11": "swir1"}, quality="SCL", product="scl")
    cube = made.read()
    assert made.grid == Grid("own", "EPSG:32631", 10.0, (501360.0, 5629680.0)) and made.window == (0, 0, 64, 64)
    assert made.grid.bounds_of(made.window) == (501360.0, 5629040.0, 502000.0, 5629680.0)  # the file's own attribute
    assert cube.sizes["time"] == 118 and cube["value"].dtype == np.uint16 and cube["quality"].dtype == np.uint8
    assert np.array_equal(cube["value"][:, 0], raw(fine, "B04"))
    assert np.array_equal(cube["value"][:, 1], raw(coarse, "B11").repeat(2, axis=1).repeat(2, axis=2))
    assert np.array_equal(cube["quality"], raw(coarse, "SCL").repeat(2, axis=1).repeat(2, axis=2))
    assert str(cube["time"].to_numpy()[0])[:10] == "2017-08-04"


def test_the_landsat_patch_in_both_collections(data_dir: Path) -> None:
    """Collection 1 has two times on two days; the fill of Collection 2 is a NaN on integers, dates are texts, numbers kelvin."""
    path = file_of(data_dir, "L8_SR")
    made = open_cube(path, variables=["B04", "B10"], quality="pixel_qa", product="landsat-c1")
    cube = made.read()
    assert (len(made.scenes), cube.sizes["time"]) == (26, 24)
    assert [(one.low, one.high) for one in made.scenes[0].valid] == [(1, 10000), (1500, 3500)]
    clear = for_composite(cube).quality == 1
    codes = raw(path, "pixel_qa")
    alone = [0, 1, 2, 3]  # days with one time
    assert np.array_equal(clear[alone], np.isin(codes[alone], [322, 324, 386, 388]))
    wrapped = (raw(path, "B04") > 60000).sum()  # negative numbers in 16 bits without sign
    assert wrapped and cube.attrs["counts"]["out_of_range_B04"] > 0 and for_composite(cube).values.max() <= 10000

    path = file_of(data_dir, "L8_L2-ST")
    made = open_cube(path, variables=["ST-B10"], quality="QA-PIXEL", product="landsat-c2")
    cube = made.read()
    codes = raw(path, "QA-PIXEL")
    assert cube.sizes["time"] == 55 and np.array_equal(cube["quality"], codes)
    assert str(cube["time"].to_numpy()[-1])[:10] == "2018-11-29"
    assert np.array_equal(cube["flag"] == Flag.NODATA, codes & 1 == 1)
    assert np.array_equal(for_composite(cube).quality == 1, (decode(codes, product="landsat-c2") & Quality.CLEAR) != 0)
    assert np.array_equal(for_composite(cube, mask="landsat-c2-default").quality == 1, (codes & 31) == 0)
    assert (cube["value"].to_numpy()[:, 0][codes & 1 == 0] >= 151).all()
