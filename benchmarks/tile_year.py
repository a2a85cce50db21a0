"""Rows of `make bench` from end to end: a year of one work tile, from the archive's own files to 84 COGs, beside two scripts
that users of xarray and of the Open Data Cube would write.

A tile of 1024 x 1024 pixels, 23 dates of simulated GLAD Landsat ARD (LZW strips, pixels interleaved, EPSG:4326), 7 bands: 4
seasons x 7 bands x 3 percentiles, as bytes (byte-250), ZSTD level 1, blocks of 512, with overviews. Every contestant runs in a
process of its own, on one thread, warmed up; rounds are interleaved. CPU seconds are those of the process; peak memory is the
greatest resident size of the process less its size after imports and warm-up. Ours does what the steps do, without filling:
ingest every image, composite every season from the cache, encode, keep as a work file, assemble and verify every COG.

Alone: ``python -m benchmarks.tile_year``.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.run import by_rank, record  # first: it sets the number of threads

import numpy as np  # isort: skip

from odse.grid import ODSE_30M, Tile
from odse.layer.period import interval_period, seasons
from odse.quality import glad_mask
from odse.raster.encoding import encoding_
from odse.sources.archive import GladArchive, Image
from odse.sources.glad import BANDS, GladFile

YEAR = 2018
TILE = Tile(78, 121, 1024, ODSE_30M)
"""Lies within one tile of the archive, 014E_50N."""
ARCHIVE_TILE = "014E_50N"
PERCENTILES = (25, 50, 75)
KEEP = glad_mask("eumap")
ENCODINGS = [encoding_("byte-250", kind="thermal" if band == "thermal" else "reflectance") for band in BANDS]
SEASONS = list(seasons([YEAR]))
LAYERS = [(season.name, band, q) for season in SEASONS for band in BANDS for q in PERCENTILES]
ROUNDS = {"ours": 3, "xarray": 1, "odc": 3}
"""One minute of xarray is enough to tell ten times from five."""
WORK = "tile-year, 1024 x 1024 px, 23 dates x 8 bands -> 84 COGs"
SHARES = "composite of a year from a cold ZSTD cache"
Seconds = dict[str, float]


class Clock:
    """CPU seconds and wall seconds of each part of the work."""

    def __init__(self) -> None:
        self.cpu: Seconds = {}
        self.wall: Seconds = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu[what] = self.cpu.get(what, 0.0) + time.process_time() - cpu
        self.wall[what] = self.wall.get(what, 0.0) + time.perf_counter() - wall


def write_archive(folder: Path) -> None:
    """The images of the tile's year, as the archive holds them; all 23 of them."""
    from odse.sources.simulate.archive import write_interval

    left, top, right, bottom = TILE.window
    window = (left - 16, top - 16, right + 16, bottom + 16)
    for season in SEASONS:
        for interval in season.intervals:
            assert write_interval(interval, folder, window, (YEAR,), 1) == 1


def image_path(archive: Path, interval: int) -> Path:
    return archive / "50N" / ARCHIVE_TILE / f"{interval}.tif"


def layer_path(out: Path, season: str, band: str, percentile: int) -> Path:
    return out / f"{season}.{band}.p{percentile}.tif"


def judged(seen: np.ndarray, usable: np.ndarray) -> np.ndarray:
    """Quality codes as the step composite makes them."""
    from odse.sources.scenes import MASKED, USABLE

    quality = np.array([MASKED, USABLE], dtype=np.uint8)[usable.view(np.uint8)]
    quality[~seen] = 0
    return quality


# -- ours ------------------------------------------------------------------------------------------------------------------


def ours(archive: Path, out: Path, clock: Clock, *, seasons_: list[Any] = SEASONS) -> None:
    """The steps ingest, composite and publish, without what makes tasks and receipts of them."""
    from odse.layer.layer import Layer
    from odse.layer.name import LayerName
    from odse.layer.style import default_style
    from odse.raster.cog import Part as LayerPart
    from odse.raster.cog import write_cog
    from odse.raster.work import write_work
    from odse.series.composite import composite_bands
    from odse.sources.ingested import Part, read_stack
    from odse.sources.scenes import USABLE

    glad = GladArchive(archive)
    keep = np.zeros(256, dtype=np.uint8)
    keep[USABLE] = 1
    for season in seasons_:
        parts = []
        with clock.of("source"):
            for interval in season.intervals:
                path = image_path(archive, interval)
                day = interval_period(interval).middle
                image = Image(path.stem, day, ARCHIVE_TILE, (path,), GladFile(path, ARCHIVE_TILE, interval))
                cached = out / "ingest" / f"{interval}.tif"
                report = glad.ingest(image, cached, grid=TILE.grid, window=TILE.window)
                assert report.state == "done"
                parts.append(Part(day.toordinal(), cached, report.window))
        with clock.of("cache"):
            _, values, codes, seen, _ = read_stack(parts, TILE, bands=len(BANDS), seen=glad.seen)
        with clock.of("kernel"):
            quality = judged(seen, glad.usable[codes])
            result, _ = composite_bands(values, quality, keep=keep, percentiles=PERCENTILES, valid=glad.valid)
        del values, codes, seen, quality
        with clock.of("encode"):
            stored = np.concatenate(
                [encoding.encode(band, mask=band == 0) for encoding, band in zip(ENCODINGS, result, strict=True)]
            )
        work = out / "work" / f"{season.name}.tif"
        with clock.of("write work"):
            write_work(work, stored, transform=TILE.transform, crs=TILE.grid.crs, nodata=255)
        for index, (band, encoding) in enumerate(zip(BANDS, ENCODINGS, strict=True)):
            for which, q in enumerate(PERCENTILES):
                name = LayerName.v1("lcv", band, method="landsat.glad.ard", type=f"p{q}", resolution_m=30,
                                    period=season.period, area="tile", version="v1.0")  # fmt: skip
                style = default_style(name, scale=encoding.scale, offset=encoding.offset)
                layer = Layer(name, f"{band}, p{q} of {season.name}", encoding.unit, "continuous", style)
                part = LayerPart(work, len(PERCENTILES) * index + which + 1, TILE.window)
                with clock.of("write COG"):
                    write_cog(layer_path(out, season.name, band, q), [part], window=TILE.window, grid=TILE.grid,
                              layer=layer, encoding=encoding, tags={"software": "odse"})  # fmt: skip


# -- the peers -------------------------------------------------------------------------------------------------------------


def with_xarray(
    archive: Path, out: Path, clock: Clock, *, seasons_: list[Any] = SEASONS, tolerance_px: float = 0.125
) -> None:
    """Season by season: rasterio's warped view, all bands at once; NaN where masked; xarray's quantile, which calls numbagg."""
    import rasterio
    import xarray as xr
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    height, width = TILE.shape
    for season in seasons_:
        stack = np.empty((len(BANDS), len(season.intervals), height, width), dtype=np.float32)
        for t, interval in enumerate(season.intervals):
            with clock.of("source"), rasterio.open(image_path(archive, interval)) as source, WarpedVRT(
                source, crs=TILE.grid.crs, transform=TILE.transform, width=width, height=height,
                resampling=Resampling.nearest, tolerance=tolerance_px,
            ) as view:  # fmt: skip
                image = view.read()
            with clock.of("mask"):
                stack[:, t] = image[:-1]
                stack[:, t, KEEP[image[-1]] == 0] = np.nan
        with clock.of("quantile"), xr.set_options(use_numbagg=True):
            cube = xr.DataArray(stack, dims=("band", "time", "y", "x"))
            quantiles = cube.quantile([q / 100 for q in PERCENTILES], dim="time", skipna=True)
            del stack, cube
        for band in BANDS:
            for which, q in enumerate(PERCENTILES):
                with clock.of("encode"):
                    stored = to_bytes(quantiles[which, BANDS.index(band)].values)
                with clock.of("write COG"):
                    gdal_cog(layer_path(out, season.name, band, q), stored)


def to_bytes(values: np.ndarray) -> np.ndarray:
    """byte-250 of floats with NaN, rounded half up to the archive's whole numbers and then to bytes."""
    whole = np.floor(values + np.float32(0.5))
    stored = np.minimum(np.floor(whole * np.float32(250 / 40000) + np.float32(0.5)), 250)
    return np.where(np.isnan(values), np.float32(255), stored).astype(np.uint8)


def gdal_cog(path: Path, stored: np.ndarray) -> None:
    """GDAL's COG driver, set as ours sets it."""
    import rasterio

    with rasterio.open(
        path, "w", driver="COG", dtype="uint8", count=1, height=TILE.shape[0], width=TILE.shape[1], nodata=255,
        crs=TILE.grid.crs, transform=TILE.transform, compress="ZSTD", level=1, predictor="YES", blocksize=512,
        overview_resampling="AVERAGE", overview_compress="ZSTD", overview_predictor="YES", num_threads="1",
    ) as target:  # fmt: skip
        target.write(stored, 1)


def with_odc(archive: Path, out: Path, clock: Clock, *, seasons_: list[Any] = SEASONS, check: bool = False) -> None:
    """Season by season: STAC items of the files, odc.stac.load onto the tile, odc.algo's quantile on uint16, odc.geo's COG."""
    import odc.stac
    import xarray as xr
    from odc.algo import xr_quantile
    from odc.geo.cog import write_cog

    encoded = [encoding.encode(np.arange(65536).clip(1, 40000).astype(np.uint16)) for encoding in ENCODINGS]
    table = encoded[0].copy()
    table[40000:] = 250
    table[0] = 255
    for season in seasons_:
        items = stac_items(archive, season)
        with clock.of("source"):
            cube = odc.stac.load(
                items, bands=[*BANDS, "flag"], geobox=TILE.geobox, resampling="nearest", dtype="uint16", nodata=0,
                fail_on_error=True, preserve_original_order=True,
            )  # fmt: skip
        with clock.of("mask"):
            good = KEEP[cube["flag"].values] != 0
            clear = xr.Dataset({band: cube[band].copy(data=np.where(good, cube[band].values, 0)) for band in BANDS})
        if check:
            _check_odc(archive, season, cube, out)
        del cube, good
        with clock.of("quantile"):
            quantiles = xr_quantile(clear, [q / 100 for q in PERCENTILES], nodata=0)
        if check:
            for band in BANDS:
                wanted = by_rank(clear[band].values, np.where(clear[band].values > 0, 1, 3).astype(np.uint8))
                assert np.array_equal(quantiles[band].values, wanted), band
        del clear
        for band in BANDS:
            for which, q in enumerate(PERCENTILES):
                with clock.of("encode"):
                    one = quantiles[band].isel(quantile=which)
                    stored = one.copy(data=table[one.values])
                    stored.attrs["nodata"] = 255
                with clock.of("write COG"):
                    write_cog(stored, layer_path(out, season.name, band, q), overwrite=True, compress="zstd",
                              zstd_level=1, predictor=2, zlevel=None, overview_resampling="average",
                              overview_levels=[2])  # fmt: skip


def stac_items(archive: Path, season: Any) -> list[Any]:
    """A STAC item for every image of a season: one asset, eight bands, with its grid, so that no header is read."""
    import datetime as dt

    import pystac
    import rasterio

    items = []
    for interval in season.intervals:
        path = image_path(archive, interval)
        with rasterio.open(path) as source:
            bounds, shape, transform = source.bounds, source.shape, source.transform
        west, south, east, north = bounds
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        day = interval_period(interval).middle
        item = pystac.Item(
            str(interval), {"type": "Polygon", "coordinates": [ring]}, list(bounds),
            dt.datetime(day.year, day.month, day.day, 10, tzinfo=dt.UTC),
            {"proj:epsg": 4326, "proj:code": "EPSG:4326", "proj:shape": list(shape), "proj:transform": list(transform)[:6]},
            stac_extensions=[
                "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
                "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
                "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
            ],
        )  # fmt: skip
        bands = [{"name": name} for name in (*BANDS, "flag")]
        asset = pystac.Asset(str(path), media_type="image/tiff; application=geotiff", roles=["data"])
        asset.extra_fields["eo:bands"] = bands
        asset.extra_fields["raster:bands"] = [{"data_type": "uint16", "nodata": 0} for _ in bands]
        item.add_asset("image", asset)
        item.collection_id = "glad"
        items.append(item)
    return items


def _check_odc(archive: Path, season: Any, cube: Any, out: Path) -> None:
    """What odc.stac loaded is what ours keeps, but where its warp is out by a pixel."""
    from odse.raster.work import read_work

    apart = []
    for t, interval in enumerate(season.intervals):
        cached = read_work(out.parent / "ours" / "ingest" / f"{interval}.tif")
        loaded = np.stack([cube[band].values[t] for band in (*BANDS, "flag")])
        apart.append((cached != loaded).any(axis=0).mean())
    print(f"odc.stac.load, {season.name}: {np.mean(apart):.2%} of the pixels are not the nearest", file=sys.stderr)
    if np.mean(apart) > 0.06:
        raise SystemExit(
            f"cannot compare with odc-stac, because {np.mean(apart):.1%} of its pixels are others; look at its grid"
        )


# -- shares ----------------------------------------------------------------------------------------------------------------


def composite_step(archive: Path, out: Path, clock: Clock, *, seasons_: list[Any] = SEASONS, cache: str) -> None:
    """What the step composite does with a cache that the system has forgotten: read, percentiles and support, two work files."""
    from odse.raster.work import write_work
    from odse.series.composite import composite_bands, support
    from odse.sources.ingested import Part, read_stack
    from odse.sources.scenes import USABLE

    glad = GladArchive(archive)
    keep = np.zeros(256, dtype=np.uint8)
    keep[USABLE] = 1
    for season in seasons_:
        parts = []
        for interval in season.intervals:
            path = Path(cache) / f"{interval}.tif"
            _forget(path)
            parts.append(Part(interval_period(interval).middle.toordinal(), path, TILE.window))
        with clock.of("decode"):
            days, values, codes, seen, unreadable = read_stack(parts, TILE, bands=len(BANDS), seen=glad.seen)
        with clock.of("kernel"):
            quality = judged(seen, glad.usable[codes])
            result, _ = composite_bands(values, quality, keep=keep, percentiles=PERCENTILES, valid=glad.valid)
            since = np.array(days, dtype=np.int64) - season.true_period.middle.toordinal()
            supports = support(quality, since.astype(np.int16), keep=keep, unreadable=unreadable)
        with clock.of("write"):
            for name, layers, nodata in (
                ("values", result.reshape(-1, *TILE.shape), 0),
                ("support", np.stack([supports[key] for key in ("clear", "seen", "unreadable", "days_to_clear")]), 255),
            ):
                write_work(out / f"{season.name}.{name}.tif", layers, transform=TILE.transform, crs=TILE.grid.crs,
                           nodata=nodata)  # fmt: skip


def _forget(path: Path) -> None:
    """Let the system drop what it holds of a file, so that it is read from the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


# -- measuring -------------------------------------------------------------------------------------------------------------

CONTESTANTS: dict[str, Callable[..., None]] = {
    "ours": ours,
    "xarray": with_xarray,
    "odc": with_odc,
    "composite": composite_step,
}


def child(name: str, archive: Path, out: Path, options: dict[str, Any]) -> None:
    """One contestant, once, in this process; prints a line of JSON."""
    import psutil

    names = options.pop("seasons_", None)
    chosen = {} if names is None else {"seasons_": [season for season in SEASONS if season.name in names]}
    shutil.rmtree(out, ignore_errors=True)
    (out / "warm").mkdir(parents=True)
    first = SEASONS[-1]
    one = SimpleNamespace(
        name=first.name, intervals=first.intervals[:1], period=first.period, true_period=first.true_period
    )
    warming = {key: value for key, value in options.items() if key != "check"}
    CONTESTANTS[name](archive, out / "warm", Clock(), seasons_=[one], **warming)
    shutil.rmtree(out / "warm")
    before = psutil.Process().memory_info().rss
    _forget_peak()
    clock = Clock()
    CONTESTANTS[name](archive, out, clock, **options, **chosen)
    print(json.dumps({"cpu": clock.cpu, "wall": clock.wall, "peak": _peak() - before}))


def _forget_peak() -> None:
    """Let the greatest resident size be counted anew (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak() -> int:
    """The greatest resident size in bytes since it was last forgotten."""
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def measured(name: str, archive: Path, folder: Path, **options: Any) -> dict[str, Any]:
    """What a contestant's process says of itself."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.tile_year", name, str(archive), str(folder / name), json.dumps(options)],
        stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "GDAL_NUM_THREADS": "1"},
    )  # fmt: skip
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def same_layers(ours_: Path, theirs: Path, *, share_apart: float, seasons_: list[Any] = SEASONS) -> None:
    """The COGs hold the same bytes, but for a share of them: halves that 32-bit floats round to the other side are a step apart,
    and where the peer's usual warp takes the second nearest pixel anything may stand.
    """
    import rasterio

    apart, layers = 0, [layer for layer in LAYERS if layer[0] in {season.name for season in seasons_}]
    for layer in layers:
        with rasterio.open(layer_path(ours_, *layer)) as one, rasterio.open(layer_path(theirs, *layer)) as other:
            assert one.overviews(1) == other.overviews(1) == [2]
            apart += int((one.read(1) != other.read(1)).sum())
    share = apart / (len(layers) * TILE.shape[0] * TILE.shape[1])
    print(f"xarray.quantile: {share:.5%} of the bytes of {len(layers)} layers are others")
    if share > share_apart:
        raise SystemExit(
            f"cannot compare with xarray, because {share:.2%} of its bytes are not ours; correct one of the two"
        )


def middle(rounds: list[Seconds], *, without: tuple[str, ...] = ()) -> float:
    return statistics.median(sum(s for what, s in one.items() if what not in without) for one in rounds)


def split(rounds: list[Seconds]) -> Seconds:
    """The median of every part."""
    return {what: round(statistics.median(one[what] for one in rounds), 3) for what in rounds[0]}


def rows() -> list[dict[str, Any]]:
    """All rows of this file."""
    with tempfile.TemporaryDirectory() as folder:
        return _rows(Path(folder))


def _rows(folder: Path) -> list[dict[str, Any]]:
    archive = folder / "archive"
    if not archive.is_dir():
        write_archive(archive)
    measured("ours", archive, folder)
    measured("xarray", archive, folder, tolerance_px=1e-6, seasons_=[SEASONS[0].name])  # exact, as ours: a season tells
    same_layers(folder / "ours", folder / "xarray", share_apart=1e-4, seasons_=SEASONS[:1])
    measured("odc", archive, folder, check=True)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ROUNDS}
    for turn in range(max(ROUNDS.values())):
        for name, done in runs.items():
            if turn < ROUNDS[name]:
                done.append(measured(name, archive, folder))
    same_layers(folder / "ours", folder / "xarray", share_apart=0.02)
    cpu = {name: [one["cpu"] for one in done] for name, done in runs.items()}
    splits = {name: split(done) for name, done in cpu.items()}
    for name, parts in splits.items():
        print(f"{name:<8}" + "  ".join(f"{what} {seconds:.2f}" for what, seconds in parts.items()) + "  CPU seconds")
    result = []
    for name, beside in (
        ("xarray", "rasterio's warped view, xarray.quantile (numbagg)"),
        ("odc", "odc-stac, odc-algo (its own definition), odc-geo"),
    ):
        for what, without, target in (
            (f"{WORK}, source decoding taken out", ("source",), 5),
            (f"{WORK}, from the archive's files", (), 2.5),
        ):
            a, b = (middle(cpu[one], without=without) for one in ("ours", name))
            row = record(what, beside, "CPU seconds", a, b, b / a, target)
            result.append({**row, "split": {"ours": splits["ours"], "theirs": splits[name]}})
        a, b = (statistics.median(run["peak"] for run in runs[one]) / 2**20 for one in ("ours", name))
        result.append(record(WORK, beside, "peak memory beyond imports, MB", a, b, b / a, 2))
    shares = [measured("composite", archive, folder, cache=str(folder / "ours" / "ingest"))["wall"] for _ in range(3)]
    for what in ("decode", "kernel", "write"):
        share = statistics.median(100 * one[what] / sum(one.values()) for one in shares)
        kernel = what == "kernel"
        most = 15.0 if kernel else None
        row = record(SHARES, f"{what}, with the most it may be" if kernel else what, "share of the wall time, %",
                     share, most, most / share if most else None, 1 if kernel else None)  # fmt: skip
        result.append(row)
    return result


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), json.loads(sys.argv[4]))
    else:
        from benchmarks.run import show

        show(rows())
