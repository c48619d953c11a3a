"""An experiment over a grid of any of its keys, one file a point: `sweep`.

``grid`` keys and their values · ``points`` one experiment each, computed and kept · ``table`` the `Sweep` that comes out ·
``plots`` its picture · ``run`` the sweep itself.
"""

from ..common.running.checkpoints import Interrupted
from ..common.running.pool import dask
from .grid import values_of
from .points import point_name, solve_point
from .run import sweep
from .table import Sweep, scalars

__all__ = ["Interrupted", "Sweep", "dask", "point_name", "scalars", "solve_point", "sweep", "values_of"]
