"""Random-feature score models."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["equations", "report", "slips", "start"])
