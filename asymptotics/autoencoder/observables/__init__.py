"""What is said about a trained network: errors, scores, learning curves, modes of a linear network."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["learning_curves", "linear_network", "score_error"],
    submod_attrs={
        "errors": [
            "DenoisingError",
            "SampleComplexity",
            "centroid_cosines",
            "checked_times",
            "denoising_error",
            "one_tau",
            "orthonormal",
            "principal_cosines",
            "sample_complexity",
            "whitening",
        ]
    },
)
