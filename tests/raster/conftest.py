from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from odse.grid import Tile, grid_
from odse.layer.layer import Kind, Layer
from odse.layer.legend import clc_legend
from odse.layer.name import LayerName
from odse.layer.period import Period
from odse.layer.style import default_style
from odse.raster.cog import Part
from odse.raster.encoding import encoding_
from odse.raster.work import write_work

GRID = grid_("odse-30m")


@pytest.fixture
def file_size_limit() -> Callable[[int], AbstractContextManager[None]]:
    """No file may grow beyond so many bytes: a refusal by the real system, in mid-write."""

    @contextmanager
    def limit(number: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (number, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


class Pilot:
    """A small area: its layers and its work tiles."""

    grid = GRID

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def layer(self, variable: str = "landcover.hcl", type_: str = "c", *, unit: str = "class") -> Layer:
        """A layer of 2019; of classes where the type is c."""
        name = LayerName.v1(
            "lcv", variable, method="odse.eml", type=type_, resolution_m=30, period=Period.of_year(2019),
            area="pilot", version="v0.1",
        )  # fmt: skip
        legend = clc_legend() if type_ == "c" else None
        kind: Kind = "continuous"
        if type_ in ("c", "f", "count"):
            kind = {"c": "class", "f": "flag", "count": "count"}[type_]  # type: ignore[assignment]
        return Layer(name, f"{variable} of 2019", unit, kind, default_style(name, legend), legend)

    def parts(
        self, encoding: str = "class", *, tiles: list[tuple[int, int]], size_px: int = 512, seed: int = 0,
        folder: Path | None = None,
    ) -> tuple[list[Part], dict[tuple[int, int], npt.NDArray[np.uint8]]]:  # fmt: skip
        """Work tiles of two bands with random patches; the parts of band 2 and their pixels."""
        code = encoding_(encoding)
        rng = np.random.default_rng(seed)
        parts, pixels = [], {}
        for col, row in tiles:
            tile = Tile(row, col, size_px, GRID)
            coarse = rng.integers(code.minimum, min(code.maximum, 44) + 1, (2, size_px // 8, size_px // 8))
            array = np.kron(coarse, np.ones((1, 8, 8), dtype=int)).astype(code.dtype)
            array[:, rng.random((size_px, size_px)) < 0.05] = code.nodata
            path = (folder or self.folder / "work") / f"{tile.name}.tif"
            write_work(path, array, transform=tile.transform, crs=GRID.crs, nodata=code.nodata)
            parts.append(Part(path, 2, tile.window))
            pixels[col, row] = array[1]
        return parts, pixels


@pytest.fixture
def pilot(tmp_path: Path) -> Pilot:
    return Pilot(tmp_path)
