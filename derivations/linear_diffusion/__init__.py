"""Linear denoisers at finite N: equations, averages over the data, modes."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"equations": ["derivation", "slips"]})
