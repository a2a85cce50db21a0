"""A pilot area with known truth, in the archive's own format.

:func:`simulate` writes what a user of GLAD Landsat ARD, a terrain model and field samples would have, and what no user has:
the truth of every year. Nothing that learns or composites knows of it.
"""

from __future__ import annotations

from odse.sources.simulate.archive import SIMULATION, Simulation, simulate

__all__ = ["SIMULATION", "Simulation", "simulate"]
