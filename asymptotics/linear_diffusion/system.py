"""What this room says of itself."""

from __future__ import annotations

from ..common.system import System
from ..common.verb import Option, Verb
from .problem import Problem
from .settings import LinearDiffusion, Simulation

SYSTEM = System(
    room=__package__,
    says="linear denoisers at finite N with structured covariance, a ridge and early stopping (Merger, Goldt 2025)",
    tables={"linear_diffusion": LinearDiffusion, "simulation": Simulation},
    required=("linear_diffusion",),
    problem=Problem,
    verbs={
        "solve": Verb(
            (
                Option(
                    "samples", int, "sweep the number of samples: the fields become lists", many=True, metavar="N,N,…"
                ),
                Option("tau", float, "training times of the early-stopping curve", many=True, metavar="T,T,…"),
                Option(
                    "eigenvalues",
                    float,
                    "eigenvalues at which the sampler's variance is given",
                    many=True,
                    metavar="L,L,…",
                    aliases=("eigenvalue",),
                ),
            )
        ),
        "simulate": Verb(),
    },
    example="linear-power-law",
)
