"""The binary mixture learned from a handful of samples: equations, results, slips of the sources."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "equations": [
            "C01",
            "DerivationError",
            "N",
            "alpha",
            "asymptotic_overlaps",
            "beta",
            "derivation",
            "determinant",
            "generated_variance",
            "order_parameters",
            "ridge",
            "s",
            "solution",
            "t",
            "velocity",
            "wronskian",
        ]
    },
)
