"""One small simulated area, shared by the tests of first drafts and trials."""

from __future__ import annotations

import pytest

from odse.sources.simulate import simulate
from odse.sources.simulate.archive import Simulation


@pytest.fixture(scope="session")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    """96 pixels wide, two years, on the corner of four work tiles. Not to be changed."""
    folder = tmp_path_factory.mktemp("pilot")
    return simulate(folder / "input", years=[2019, 2020], size_px=96, samples=400, seed=3, broken=False)
