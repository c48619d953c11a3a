"""What each result of the auto-encoder draws: lines from theory, points from experiment.

The modules register their drawings when they are imported; `asymptotics.common.output.plotting.Drawn` finds them here.
"""

from . import collapse, densities, memory, modes, observables, paths, protocols, regimes, stability
from .densities import draw_densities, target_density
from .paths import comparison, plot_path

__all__ = [
    "collapse", "comparison", "densities", "draw_densities", "memory", "modes", "observables", "paths", "plot_path",
    "protocols", "regimes", "stability", "target_density",
]  # fmt: skip
