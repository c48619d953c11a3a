"""Score smoothing: from the empirical score to the law that the smoothed one generates."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
