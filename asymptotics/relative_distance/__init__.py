"""The relative distance: is what a model generates nearer to the original law or to the training set?

``samples`` what may be given · ``estimate`` the measurement · ``result`` what it says · ``plots`` its picture.
"""

from .estimate import memorisation
from .result import Estimate, RelativeDistance
from .samples import kernel_of

__all__ = ["Estimate", "RelativeDistance", "kernel_of", "memorisation"]
