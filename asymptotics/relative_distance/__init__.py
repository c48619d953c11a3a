"""The relative distance: is what a model generates nearer to the original law or to the training set?

``estimate`` the measurement for any generator's samples · ``plots`` its picture.
"""

from .estimate import Estimate, RelativeDistance, kernel_of, memorisation

__all__ = ["Estimate", "RelativeDistance", "kernel_of", "memorisation"]
