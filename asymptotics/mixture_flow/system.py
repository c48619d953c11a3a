"""What this room says of itself."""

from __future__ import annotations

from ..common.numerics.interpolants import Interpolant
from ..common.system import System
from ..common.verb import Option, Verb
from .problem import Problem
from .settings import MixtureFlow, Simulation

SYSTEM = System(
    room=__package__,
    says="binary Gaussian mixture learned from n = Θ(1) samples (Cui, Krzakala, Vanden-Eijnden, Zdeborová 2024)",
    tables={"mixture_flow": MixtureFlow, "interpolant": Interpolant, "simulation": Simulation},
    required=("mixture_flow",),
    problem=Problem,
    verbs={
        "solve": Verb(
            (
                Option("times", float, "times in [0, 1] (default 0, 0.01, …, 1)", many=True, metavar="A,B,…"),
                Option("method", str, "closed (exact solution, default) or ode (numerical integration)"),
                Option("rtol", float, "tolerance of --method ode (default 1e-10)"),
            )
        ),
        "simulate": Verb(),
    },
    example="binary-mixture",
)
