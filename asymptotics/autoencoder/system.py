"""What this room says of itself."""

from __future__ import annotations

from ..common.numerics.interpolants import Interpolant
from ..common.system import System
from ..common.verb import Option, Verb
from .model.data.target import GaussianMixture
from .model.generations import Generations
from .model.network.denoiser import Denoiser
from .model.problem import Problem
from .model.sampling import Sampling
from .model.simulation import Simulation
from .model.training.training import Training

TAU = "training times to report (theory) or record (simulation), instead of nine equally spaced ones"
INITIAL = Option(
    "initial", str, "exact: every run starts from the same overlaps; drawn: its random weights are drawn anew"
)

SYSTEM = System(
    room=__package__,
    says="two-layer auto-encoder trained by online SGD on Gaussian-mixture manifolds (Cui, Pehlevan, Lu 2025)",
    tables={
        "target": GaussianMixture,
        "interpolant": Interpolant,
        "denoiser": Denoiser,
        "training": Training,
        "sampling": Sampling,
        "simulation": Simulation,
        "generations": Generations,
    },
    required=("target", "training"),
    problem=Problem,
    verbs={
        "solve": Verb(
            (
                Option("tau", float, TAU, many=True, metavar="A,B,…", aliases=("taus",)),
                Option("generated", bool, "the generated law too: moments and quantiles at the last training time"),
                Option("tolerance", float, "wanted error of the order parameters"),
                Option("method", str, "integrator of scipy.integrate (default DOP853)"),
                Option("rtol", float, "relative tolerance of the integrator"),
                Option("atol", float, "absolute tolerance of the integrator"),
                Option("form", str, "how expectations are taken: auto, closed, nodes, hessian or regression"),
                Option("max_steps", int, "most steps of the integrator"),
                Option("backend", str, "numba or numpy"),
                Option("rule", object, "fixes the expectations at single times by hand"),
                Option("noise_rule", object, "fixes those over pairs of times"),
            )
        ),
        "simulate": Verb(
            (
                Option("tau", float, TAU, many=True, metavar="A,B,…", aliases=("taus",)),
                Option(
                    "data", str, "train on these samples (a file, or mnist) instead of Gaussian ones", metavar="X.npz"
                ),
                INITIAL,
                Option("companion", object, "whether a companion ensemble at d/4 runs too"),
                Option("executor", object, "runs the ensemble (concurrent.futures)"),
            )
        ),
        "collapse": Verb(
            (
                Option("simulate", bool, "run the chain in R^d too, and compare", swept=True),
                Option("tolerance", float, "wanted error of the first generation's order parameters"),
                Option("integrator_tolerance", float, "tolerance of the integrator in the later generations"),
            ),
            module="collapse.generations",
            function="collapse",
            table="generations",
            says="Generations trained on each other's samples.",
        ),
        "optimise": Verb(
            (
                Option(
                    "objective", str, "potential, order_one, loss, moments, w2, collapse or hitting (default order_one)"
                ),
                Option(
                    "at", float, "times t of a loss, instead of those of the training", many=True, metavar="T1,T2,…"
                ),
                Option("cosine", float, "to be hit by every centroid's cosine with span(W) (default 0.9)"),
                Option(
                    "controls",
                    str,
                    "a key of the training between bounds, in pieces (default 100); repeatable",
                    metavar="KEY=LO:HI[:PIECES]",
                    flag="control",
                    repeated=True,
                ),
                Option("basis", str, "constant (on pieces, the default) or spline (cubic, default 12 pieces)"),
                Option("horizon", float, "samples per dimension n/d (default: that of the file)", metavar="N/D"),
                Option("starts", int, "searches from different starts (default 5)"),
                Option("seed", int, "of the random starts"),
                Option("tolerance", float, "wanted error of the order parameters"),
                Option(
                    "only_theory",
                    bool,
                    "do not carry out the best constant and the optimum in R^d",
                    flag="no-simulation",
                ),
            ),
            module="control.optimise",
            function="optimise",
            says="Controls along the training that make an objective least.",
        ),
        "fixed_points": Verb(
            (
                Option("starts", int, "random states from which fixed points are looked for"),
                Option("seed", int, "of these states"),
            ),
            module="stability.points.fixed_points",
            function="fixed_points",
            says="Fixed points of the training flow with their spectra.",
        ),
        "escape": Verb(
            (
                Option("dimension", int, "d (default: that of the simulation)"),
                Option("threshold", float, "|Theta - Theta_path| at which a run has escaped (default 0.3)"),
                INITIAL,
                Option("chain", int, "also measure so many runs of the exact chain"),
                Option("full", int, "also measure so many trainings in R^d"),
            ),
            module="stability.leaving.escape",
            function="escape",
            says="When runs at finite dimension leave the saddle of the path.",
        ),
        "typical": Verb(
            (
                Option("dimension", int, "d (default: that of the simulation)"),
                Option("draws", int, "branches (default 64)"),
                Option("seed", int, "of the branches"),
                Option("tau", float, "training times at which the law is kept", many=True, metavar="A,B,…"),
                INITIAL,
            ),
            module="stability.leaving.typical",
            function="typical",
            says="The law of runs at finite dimension, also where they leave an unstable path.",
        ),
        "regimes": Verb(
            (
                Option("tau", float, "training times; clones are those of the last one", many=True, metavar="A,B,…"),
                Option(
                    "clones",
                    float,
                    "times in sampling at which clones split and U-turns turn",
                    many=True,
                    metavar="A,B,…",
                ),
                Option("pairs", int, "pairs of trajectories (where these are needed, and in R^d)"),
                Option("seed", int, "seed of the trajectories (default: that of the simulation)"),
                Option("simulate", bool, "clones and U-turns of networks trained in R^d too, and a comparison"),
                Option("path", object, "the solved training"),
            ),
            module="regimes.theory",
            function="regimes",
            table="simulation",
            says="Speciation, landscapes, clones and U-turns of the trained network, beside the exact score's.",
        ),
    },
    exclusive=(("training.times", "training.quadrature"),),
    example="three-clusters",
    takes_measured=True,
)
