"""The linear one-step denoiser: equations and slips of the sources."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "equations": [
            "bandwidths",
            "branches",
            "derivation",
            "divergences",
            "free_energy",
            "inverse_moments",
            "late_time",
            "marchenko_pastur",
            "overlap",
            "regression",
            "several_steps",
            "trace",
        ]
    },
)
