"""What this room says of itself."""

from __future__ import annotations

from ..common.system import System
from ..common.verb import Option, Verb
from .problem import Problem
from .settings import RandomFeatures, Simulation

SYSTEM = System(
    room=__package__,
    says="random-feature score models: memorisation in training time (Bonnaire et al. 2025; George et al. 2025)",
    tables={"random_features": RandomFeatures, "simulation": Simulation},
    required=("random_features",),
    problem=Problem,
    verbs={
        "solve": Verb((Option("kernel_limit", bool, "add the losses of the kernel limit p/d → ∞"),)),
        "simulate": Verb(
            (
                Option(
                    "data",
                    str,
                    "train on these instead of Gaussian samples, beside their covariance's theory",
                    metavar="mnist",
                ),
            )
        ),
    },
    exclusive=(("random_features.spectrum", "random_features.eigenvalues"),),
    example="random-features",
)
