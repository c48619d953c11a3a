"""What this room says of itself."""

from __future__ import annotations

from ..common.system import System
from ..common.verb import Option, Verb
from .problem import Problem
from .settings import OneStep, Sampling, Simulation

SAMPLES = Option("samples", int, "sweep the number of samples", many=True, metavar="N1,N2,…", swept=True)
DATA = "evaluate this training set, shape (samples, dimension); or (2, samples, dimension): data and noise"
NOISE = "noise of its training pairs, the same shape; drawn from the seed if absent"

SYSTEM = System(
    room=__package__,
    says="linear one-step denoiser, from memorisation to generalisation (Halder 2024)",
    tables={"one_step": OneStep, "sampling": Sampling, "simulation": Simulation},
    required=("one_step",),
    problem=Problem,
    verbs={
        "solve": Verb((SAMPLES,)),
        "simulate": Verb(
            (
                Option("data", str, DATA, metavar="FILE.npy"),
                Option("noise", str, NOISE, metavar="FILE.npy"),
                SAMPLES,
            )
        ),
    },
    table_aliases={"sampler": "sampling"},
    key_aliases={"one_step.runs": "simulation.runs"},
    example="one-step",
)
