"""odse: satellite archives and field samples in, maps that say how sure they are out.

The verbs of the command line are functions here: :func:`demo`, :func:`plan`, :func:`run`, :func:`status`. ``composite``
and ``fill`` work on numpy arrays and on Cubes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from odse.errors import OdseError
from odse.run import demo, init, plan, run, schema, status

if TYPE_CHECKING:
    from odse.series.composite import composite
    from odse.series.fill import fill

__version__ = "0.1.0"
__all__ = ["OdseError", "composite", "demo", "fill", "init", "plan", "run", "schema", "status"]


def __getattr__(name: str) -> Any:
    """Kernels are imported when first asked for: numba takes longer to start than ``odse --help`` may."""
    if name == "composite":
        from odse.series.composite import composite

        return composite
    if name == "fill":
        from odse.series.fill import fill

        return fill
    raise AttributeError(f"module 'odse' has no attribute {name!r}")
