"""What each result of the auto-encoder draws: lines from theory, points from experiment.

The modules register their drawings when they are imported; `asymptotics.common.output.plotting.Drawn` finds them here.
"""

from . import collapse, densities, film, memory, modes, observables, paths, protocols, regimes, stability
from .densities import draw_densities, target_density
from .film import Film, draw_film, movie, strip
from .paths import comparison, plot_path

__all__ = [
    "Film", "collapse", "comparison", "densities", "draw_densities", "draw_film", "film", "memory", "modes", "movie",
    "observables", "paths", "plot_path", "protocols", "regimes", "stability", "strip", "target_density",
]  # fmt: skip
