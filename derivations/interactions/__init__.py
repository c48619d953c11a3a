"""Interacting theories learned by invertible networks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=["equations", "learning", "report", "slips"])
