"""Figure of the collapse of variance with and without a network that knows the time."""

from __future__ import annotations

import numpy as np

import asymptotics as asy
from asymptotics.autoencoder import CollapseMap, simulate_generations
from asymptotics.tools import COLOURS, points, style

from ...base import Drawing, Figures

SOURCE = "Cui, Pehlevan, Lu, arXiv 2501.03937: the collapse of its networks, which do not know the time; the rest is not in it"


def _skip(spread: float) -> str:
    """The best linear denoiser of a target of this mean eigenvalue."""
    return f"{spread}*beta/(alpha**2 + {spread}*beta**2)"


#: Functions of the time that the trained skip connection is made of.
BASES = {
    "one number $b$": ["1"],
    r"$s^*$ of $\Lambda = 1$": [_skip(1.0)],
    r"$s^*$ of $\Lambda = 0.2, 1$": [_skip(0.2), _skip(1.0)],
    r"$s^*$ of $\Lambda = 0.2, 1, 5$": [_skip(0.2), _skip(1.0), _skip(5.0)],
}


def conditioned_collapse(quick: bool) -> Drawing:
    """The variance that is generated, against that of the data, and what it becomes over generations."""
    size = {"dimension": 200, "runs": 4, "samples": 50} if quick else {"dimension": 600, "runs": 12, "samples": 50}
    e = asy.example("model-collapse").replace(
        {f"simulation.{key}": value for key, value in size.items()}
        | {"generations.count": 4, "sampling.stop": 0.9, "training.tau": 8.0}
    )
    spread = np.geomspace(0.03, 30, 41 if quick else 201)
    data: dict[str, np.ndarray] = {"Lambda": spread}
    largest, scores = [], []
    with style() as plt:
        figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
        for k, (name, basis) in enumerate(BASES.items()):
            exact = e.replace({"denoiser.skip_basis": basis, "sampling.scheme": "continuous"})
            f = CollapseMap(exact.problem)
            v = f.variance(f.trained_skip(spread))
            share = v / (0.1**2 + 0.9**2 * spread)
            left.plot(spread, share, color=COLOURS[k], label=name)
            within = (spread >= 0.2) & (spread <= 5)
            largest.append(float(np.max(np.abs(share[within] - 1))))
            data[f"share_{k}"] = share
            if k > 1:
                continue
            chain = e.replace({"denoiser.skip_basis": basis})
            theory = np.asarray(CollapseMap(chain.problem).iterate(4))[:4]
            runs = simulate_generations(chain.problem, progress=False)
            high, low = (runs.mean("Lambda", low=small) for small in (False, True))
            errors = [runs.sem("Lambda", low=small) for small in (False, True)]
            ratio = runs.dimension / runs.low_dimension
            mean = (ratio * high - low) / (ratio - 1)
            error = np.hypot(ratio * errors[0], errors[1]) / (ratio - 1)
            generation = np.arange(1, 5)
            right.plot(generation, theory, color=COLOURS[k], label=name)
            points(right, generation, mean, error, color=COLOURS[k])
            # The first generation's data are the target's own.
            scores.append(((mean - theory) / error)[1:])
            data |= {f"chain_{k}": theory, f"chain_{k}_mean": mean, f"chain_{k}_sem": error}
        left.axhline(1, color="0.7", lw=0.8)
        left.set(
            xscale="log", yscale="log", xlabel=r"$\Lambda$ of the data", ylabel=r"$v\,/\,(\alpha^2 + \Lambda\beta^2)$"
        )
        right.set(xlabel="generation", ylabel=r"$\Lambda$ of its data", xticks=[1, 2, 3, 4])
        left.legend()
        right.legend()
    z = np.concatenate(scores)
    caption = (
        "Left: variance that a network trained to the end generates in the directions that its units do not see, in units of what"
        " the interpolant has at the stopping time t = .9, against that of the data; the skip connection is one number, or a sum of"
        " functions of the time. Where the functions span the best linear denoiser nothing is lost; between them, for 0.2 < Lambda"
        f" < 5, at most {100 * largest[1]:.2g}, {100 * largest[2]:.2g} and {100 * largest[3]:.2g} % with one, two and three"
        f" functions, {100 * largest[0]:.2g} % with a number. Right: mean eigenvalue of the data over generations (tau = 8, Euler"
        " steps of .01). Lines:"
        f" theory; points: chains in R^d, extrapolated in 1/d from d = {runs.dimension} and {runs.low_dimension}, mean and standard"
        f" error of {runs.runs} and {runs.low.runs}."
    )
    closeness = (
        f"{z.size} points of later generations: root mean square {np.sqrt(np.mean(z**2)):.2f}, at most {np.abs(z).max():.1f} standard"
        " errors from theory"
    )
    return Drawing(figure, caption, SOURCE, data, chain.to_table(), closeness)


FIGURES: Figures = {"conditioned-collapse": conditioned_collapse}
