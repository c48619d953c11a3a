"""What this room says of itself."""

from __future__ import annotations

from ..common.system import System
from ..common.verb import Verb
from .problem import Problem
from .settings import Interactions, Simulation

SYSTEM = System(
    room=__package__,
    says="polynomial actions learned by invertible networks: KL by order against N (Merger et al. 2023)",
    tables={"interactions": Interactions, "simulation": Simulation},
    required=("interactions",),
    problem=Problem,
    verbs={"solve": Verb(), "simulate": Verb()},
    example="interactions",
)
