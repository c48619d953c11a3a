"""What this room says of itself."""

from __future__ import annotations

from ..common.system import System
from ..common.verb import Option, Verb
from .problem import Problem
from .settings import ScoreSmoothing, Simulation

WITHIN = Option("within", float, "distance that counts as memorised (default 0.1)", metavar="EPS")

SYSTEM = System(
    room=__package__,
    says="smoothed empirical score and the interpolation that it generates (Chen 2025)",
    tables={"score_smoothing": ScoreSmoothing, "simulation": Simulation},
    required=("score_smoothing",),
    problem=Problem,
    verbs={
        "solve": Verb(
            (
                Option("at", float, "positions of the density", many=True, metavar="X1,X2,…"),
                Option(
                    "starts",
                    float,
                    "positions at start_time of the flow map (circle: x, y pairs in a row)",
                    many=True,
                    metavar="X1,X2,…",
                    flag="from",
                ),
                Option("times", float, "times of the flow map (default end_time)", many=True, metavar="T1,T2,…"),
                WITHIN,
            )
        ),
        "simulate": Verb((WITHIN,)),
    },
    example="score-smoothing",
)
