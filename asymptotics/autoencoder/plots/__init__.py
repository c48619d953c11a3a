"""What each result of the auto-encoder draws: lines from theory, points from experiment.

The modules register their drawings when they are imported; `asymptotics.common.output.plotting.Drawn` finds them here.
"""

from . import collapse, paths, results
from .paths import comparison

__all__ = ["collapse", "comparison", "paths", "results"]
