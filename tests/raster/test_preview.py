"""Previews show the layer in its own colours, and nothing where nothing is known."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from PIL import Image

from odse.errors import StoreError
from odse.layer.style import Style
from odse.raster.cog import write_cog
from odse.raster.encoding import encoding_
from odse.raster.preview import png, preview, preview_rgb
from odse.raster.work import write_work

pytestmark = pytest.mark.filterwarnings("error")
PLACE = {"transform": Affine(30, 0, 4000000, 0, -30, 3000000), "crs": "EPSG:3035"}


def rgba(data: bytes) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(data)).convert("RGBA"))


def test_classes_keep_the_colours_of_the_legend(tmp_path: Path, pilot: Any) -> None:
    layer = pilot.layer()
    parts, pixels = pilot.parts(tiles=[(3, 4)])
    write_cog(
        tmp_path / "o.tif", parts, window=parts[0].window, grid=pilot.grid, layer=layer, encoding=encoding_("class"),
        tags={},
    )  # fmt: skip
    picture = rgba(preview(tmp_path / "o.tif", layer.style, max_px=512))
    assert picture.shape == (512, 512, 4)
    values = pixels[3, 4]
    for value, colour in layer.style.colormap().items():
        assert (picture[values == value] == colour).all()
    assert (picture[values == 255][:, 3] == 0).all()


@pytest.mark.parametrize(("shape", "wanted"), [((600, 1200), (240, 480)), ((1200, 30), (480, 12)), ((5, 7), (5, 7))])
def test_the_longer_side_is_bounded(tmp_path: Path, shape: tuple[int, int], wanted: tuple[int, int]) -> None:
    array = np.random.default_rng(0).integers(0, 250, shape).astype(np.uint8)
    write_work(tmp_path / "t.tif", array, nodata=255, **PLACE)
    assert rgba(preview(tmp_path / "t.tif", Style.ramp("viridis", 0, 250))).shape[:2] == wanted


def test_equal_layers_give_equal_bytes(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 250, (700, 700)).astype(np.uint8)
    for name in ("a.tif", "b.tif"):
        write_work(tmp_path / name, array, nodata=255, **PLACE)
    style = Style.ramp("viridis", 0, 250)
    assert preview(tmp_path / "a.tif", style) == preview(tmp_path / "b.tif", style)


def test_true_colour_has_one_stretch_and_shared_gaps(tmp_path: Path) -> None:
    paths = []
    for index in range(3):
        array = np.full((4, 4), 50, dtype=np.uint8)
        array[index, index] = 255
        array[3, 3] = 250
        path = tmp_path / f"{index}.tif"
        write_work(path, array, nodata=255, **PLACE)
        paths.append(path)
    picture = rgba(preview_rgb((paths[0], paths[1], paths[2]), reach=(250.0, 250.0, 250.0)))
    assert [tuple(picture[i, i]) for i in range(3)] == [(0, 0, 0, 0)] * 3
    assert tuple(picture[3, 3]) == (255, 255, 255, 255)
    grey = round(255 * 0.2**0.75)
    assert np.allclose(picture[0, 1], (grey, grey, grey, 255), atol=1)


@pytest.mark.parametrize("colours", [5, 4000])
def test_pictures_keep_every_colour(colours: int) -> None:
    rng = np.random.default_rng(0)
    table = rng.integers(0, 256, (colours, 4)).astype(np.uint8)
    picture = table[rng.integers(0, colours, (90, 70))]
    assert np.array_equal(rgba(png(picture)), picture)


def test_a_missing_layer_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="because the file is missing"):
        preview(tmp_path / "t.tif", Style.ramp("viridis", 0, 250))
