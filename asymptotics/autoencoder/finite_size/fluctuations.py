"""Finite-d error bars of the theory: covariance of the order parameters along the path, by the linear noise approximation."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ...common.input.checks import InputError, choice
from ...common.numerics.quadrature.expectations import Rule
from ..equations.derivative.layout import Layout
from ..equations.training_path.path import TrainingPath
from ..model.problem import Problem
from .covariances import Fluctuations
from .linear_noise.rules import choose_rules
from .linear_noise.terms import Terms

#: Largest growth exponent of a deviation within a panel, and the most parts that one is cut into for it.
GROWTH, MOST_PARTS = 1.5, 60
#: Largest number of order parameters (all atoms); the matrices are dense.
LARGEST = 1200


def initial_covariance(problem: Problem, layout: Layout) -> np.ndarray:
    """C₀ where the random part of the initial weights, i.i.d. N(0, random²) entries, is drawn anew in every run.

    With w = √d m + random ξ: Cov(Θ_ak, Θ_bl) = random² δ_ab T_kl/d; Θ with q and q with q by Wick's theorem, all per atom.
    """
    init, start = problem.denoiser.init, problem.optimiser.copies
    if init.Theta is not None or init.realisation is not None:
        raise InputError("initial: a drawn start needs denoiser.init given by centroids and random")
    # The averages start with the weights: their random parts are the same.
    coordinates, variance = start @ problem.mean_coordinates(), init.random**2
    C, (i, j) = np.zeros((layout.size, layout.size)), layout.upper
    p, K, eye = layout.p, layout.K, start @ start.T
    for s, T in enumerate(problem.target.reference_overlaps):
        theta, q = layout.theta(s), layout.q(s)
        along, gram = coordinates @ T, coordinates @ T @ coordinates.T
        C[theta, theta] = variance * np.kron(eye, T)
        cross = np.einsum("ab,ck->akbc", eye, along) + np.einsum("ac,bk->akbc", eye, along)
        C[theta, q] = variance * cross[:, :, i, j].reshape(p * K, len(i))
        C[q, theta] = C[theta, q].T
        full = np.einsum("ac,be->abce", eye, variance * gram + variance**2 * problem.target.masses[s] / 2 * eye)
        full = full + np.einsum("ae,bc->abce", eye, variance * gram + variance**2 * problem.target.masses[s] / 2 * eye)
        full = full + full.transpose(1, 0, 3, 2)
        C[q, q] = full[i, j][:, i, j]
    return C


def fluctuations(
    path: TrainingPath,
    *,
    initial: str = "exact",
    rule: Rule | None = None,
    noise_rule: Rule | None = None,
    terms: Terms | None = None,
) -> Fluctuations:
    """Solve the linear noise equations along a path (kept with the path after the first call).

    Parameters
    ----------
    path : TrainingPath
    initial : {"exact", "drawn"}
        Whether every run starts from exactly the initial overlaps (as `simulate` does), or from weights drawn anew.
    rule, noise_rule : Rule, optional
        Fix the expectations by hand.
    terms : Terms, optional
        J and Cov(Y) of the path's problem, where they are known already.

    Raises
    ------
    InputError
        If there are more than `LARGEST` order parameters, or an argument is not allowed.
    """
    choice("initial", initial, ("exact", "drawn"))
    kept = path.__dict__.setdefault("_fluctuations", {})
    key = (initial, rule, noise_rule)
    if key not in kept:
        kept[key] = _solve(path, initial, rule, noise_rule, terms)
    return kept[key]  # type: ignore[no-any-return]


def panels_of(path: TrainingPath) -> np.ndarray:
    """Ends of the panels: steps of the path's integrator, two at a time (of a method of order 8), else a dozen groups.

    Where something moves along τ each step is a panel of its own (two at a time would reach across a jump).
    """
    steps = len(path.knots) - 1
    training = path.problem.training
    if training.schedule is not None or training.moving or any(a.power is not None for a in training.averages):
        return _resolved(path, path.knots)
    group = 2 if path.method == "DOP853" else max(1, round(steps / 12))
    return _resolved(path, np.unique(np.append(path.knots[::group], path.knots[-1])))


def _resolved(path: TrainingPath, knots: np.ndarray) -> np.ndarray:
    """Panels cut where deviations grow by more than `GROWTH` in one: a path at rest on a saddle is one long step."""
    tau, rate = path.stability.tau, path.stability.rate
    if len(tau) < 2:
        return knots
    fine = np.linspace(0.0, float(knots[-1]), 2001)
    growing = np.maximum(np.interp(fine, tau, rate), 0.0)
    total = np.concatenate([[0.0], np.cumsum((growing[1:] + growing[:-1]) / 2 * np.diff(fine))])
    growth = np.diff(np.interp(knots, fine, total))
    parts = np.clip(np.ceil(growth / GROWTH), 1, MOST_PARTS).astype(int)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(knots[:-1], knots[1:], parts, strict=True)]
    return np.append(np.concatenate(pieces), knots[-1])


def _solve(
    path: TrainingPath, initial: str, rule: Rule | None, noise_rule: Rule | None, known: Terms | None
) -> Fluctuations:
    start, problem, layout = time.perf_counter(), path.problem, path.layout
    if layout.size > LARGEST:
        raise InputError(
            f"target: {layout.size} order parameters over {layout.atoms} atoms; fluctuations are available up to {LARGEST}"
        )
    if known is not None:
        terms, name, count = known, f"{known.rule.kind} {known.rule.nodes}", 0
    elif rule is None:
        terms, name, count = choose_rules(problem, path)
    else:
        terms, name, count = Terms(problem, rule, noise_rule), f"{rule.kind} {rule.nodes}", 0
    following = terms.following()
    knots, size, eta = panels_of(path), layout.size, problem.training.learning_rate
    panels = len(knots) - 1
    skips = layout.basis * (1 + layout.averages)
    C, B = np.zeros((panels + 1, size, size)), np.zeros((panels + 1, skips, skips))
    if initial == "drawn":
        C[0] = initial_covariance(problem, layout)
    rules = tuple((r.kind, r.nodes) for r in (terms.rule, terms.noise_rule))
    found = Fluctuations(
        knots=knots, jacobian=C[:0], noise=C[:0], covariances=C, skip=B[:0], skip_variances=B,
        atoms=layout.atoms, p=layout.p, K=layout.K, parameters=layout.parameters, centroids=path.centroids,
        initial=initial, rule=name, rules=rules, evaluations=0, seconds=0.0,
        basis=layout.basis, following=following, ema=[a.to_builtin() for a in problem.training.averages],
    )  # fmt: skip
    found.__dict__["_terms"] = terms
    at = found.evaluations_of(path)
    J, count = at.jacobian, count + len(found.nodes)
    if len(following):
        gammas = [problem.optimiser.gammas(float(tau)) for tau in np.minimum(found.nodes, path.tau_max)]
        J = J - np.tensordot(np.array(gammas), following, 1)
    kept, several = found.__dict__, found.by_panels
    found = replace(
        found,
        jacobian=several(J),
        noise=several(2 * eta * at.noise),
        skip=several(2 * eta * at.skip_noise),
        evaluations=count,
    )
    for k in range(panels):
        C[k + 1], B[k + 1] = found.spread(k, float(knots[k + 1]))
    found = replace(found, seconds=time.perf_counter() - start)
    found.__dict__.update({name: kept[name] for name in ("_terms", "_evaluated")})
    return found
