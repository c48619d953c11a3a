"""A user's own measurements, from whatever framework, as what `compare` takes."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, array, closest, fail, integer
from ..common.output.ensemble import Ensemble
from ..common.system import Measured
from .process.measured import Means
from .process.training.results import Runs
from .solution import OrderParameterPath

#: Other spellings of what is measured.
ALSO = {
    "theta": "Theta", "q": "Q", "skip": "b", "kappa": "parameters", "taus": "tau", "times": "tau", "t": "tau", "d": "dimension",
    "W": "weights", "w": "weights", "weight": "weights", "u": "references", "U": "references", "means": "centroids",
    "mu": "centroids", "n": "steps", "step": "steps",
}  # fmt: skip
ORDER = ("Q", "Theta", "b", "parameters")
KNOWN = (
    *ORDER,
    *(f"{name}_sem" for name in ORDER),
    "tau",
    "steps",
    "dimension",
    "runs",
    "weights",
    "references",
    "centroids",
)


def as_runs(theory: OrderParameterPath, given: Measured, **options: Any) -> tuple[Runs | Means, dict[str, Any]]:
    """Runs (or their means) from a user's arrays.

    Parameters
    ----------
    theory : OrderParameterPath
        Says p, K, the number of scalars, and by η what a step is.
    given : mapping or path of an ``.npz`` file
        Order parameters along training: ``tau`` (times,), or ``steps`` (numbers of steps n, τ = 2ηn/d); and of ``Q`` (p, p),
        ``Theta`` (p, K), ``b`` and ``parameters`` (n,) each at every time: (times, …) of one training, or (runs, times, …). With
        ``Q_sem``, ``Theta_sem``, ``b_sem`` the first are means over trainings and these their standard errors (and ``runs``
        their number). Or trained ``weights`` (p, d), or (runs, p, d), with ``b``, and either the ``references`` u_k (K, d), orthonormal
        as in the theory's target, or the ``centroids`` μ(c) (clusters, d), whose coordinates the target has; ``tau`` is then one
        number (default: the end of the path).
    **options
        ``dimension`` (d, needed unless the weights or the arrays say it); the others go to the comparison.

    Returns
    -------
    Runs or Means
    dict
        The options left for the comparison.

    Raises
    ------
    InputError
        Naming the array, its shape and what is needed.
    """
    tables = _read(given)
    if "dimension" in options:
        tables["dimension"] = options.pop("dimension")
    if "weights" in tables:
        tables = _of_weights(theory, tables)
    if "dimension" not in tables:
        raise InputError("dimension: missing; say in which dimension d it was measured (dimension=1000)")
    d = integer("dimension", _plain(tables["dimension"]), at_least=2)
    tau = _times(theory, tables, d)
    shapes = _shapes(theory)
    needed = [name for name in ORDER if np.prod(shapes[name], dtype=int)]
    present = [name for name in needed if name in tables]
    if not present:
        raise InputError(f"measured: holds none of {', '.join(needed)}; it has {', '.join(tables) or 'nothing'}")
    if any(f"{name}_sem" in tables for name in needed):
        return _as_means(tables, tau, shapes, d), options
    if theory.moving or theory.averages:
        raise InputError(
            "measured: single trainings with ema or momentum are judged with their averages and velocities, which arrays do not hold;"
            " give means with standard errors (Q_sem, Theta_sem, b_sem)"
        )
    missing = [name for name in needed if name not in tables]
    if missing:
        raise InputError(f"{missing[0]}: missing; single trainings are judged by {', '.join(needed)} together")
    stacked = {name: _over_runs(name, tables[name], len(tau), shapes[name]) for name in needed}
    counts = {name: len(values) for name, values in stacked.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"measured: as many runs in every array are needed, not {counts}")
    return _runs(theory, tau, stacked, d), options


def _read(given: Measured) -> dict[str, Any]:
    """The arrays under their present names."""
    if isinstance(given, (str, os.PathLike)):
        path = Path(given)
        try:
            with np.load(path, allow_pickle=False) as stored:
                content = {name: stored[name] for name in stored.files}
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except (OSError, ValueError, AttributeError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: must be an .npz file of arrays ({error})") from None
        if "__meta__" in content:
            raise InputError(f"{path}: holds a result of this package; give asymptotics.load({str(path)!r})")
    else:
        content = dict(given)
    found: dict[str, Any] = {}
    for name, value in content.items():
        known = ALSO.get(name, name)
        if known not in KNOWN:
            raise InputError(f"{name}: unknown; measurements are {', '.join(KNOWN)}{closest(str(name), KNOWN)}")
        if known in found:
            raise InputError(f"{name}: given twice; it is called {known}")
        found[known] = value
    return found


def _plain(value: object) -> Any:
    """The number in an array without axes."""
    return value.item() if isinstance(value, (np.ndarray, np.generic)) and np.size(value) == 1 else value


def _times(theory: OrderParameterPath, tables: Mapping[str, Any], d: int) -> np.ndarray:
    if ("tau" in tables) == ("steps" in tables):
        raise InputError("tau: give either tau, the training times, or steps, their numbers of SGD steps")
    if "tau" in tables:
        tau = np.atleast_1d(array("tau", tables["tau"]))
    else:
        tau = 2 * theory.problem.training.learning_rate / d * np.atleast_1d(array("steps", tables["steps"]))
    # A training stops at the step nearest to τ.
    reach = theory.tau_max + 2 * theory.problem.training.learning_rate / d
    if tau.ndim != 1 or tau.size == 0 or np.any(tau < 0) or np.any(tau > reach) or np.any(np.diff(tau) <= 0):
        fail("tau", tau, f"increasing and in [0, {theory.tau_max:g}], where the theory is solved")
    return np.minimum(tau, theory.tau_max)


def _shapes(theory: OrderParameterPath) -> dict[str, tuple[int, ...]]:
    at = theory(0.0)
    b = () if theory.layout.basis == 1 else (theory.layout.basis,)
    return {"Q": np.shape(at.Q), "Theta": np.shape(at.Theta), "b": b, "parameters": (theory.parameters,)}


def _over_runs(name: str, value: ArrayLike, times: int, shape: tuple[int, ...]) -> np.ndarray:
    """(runs, times, …): of one training the axis of the runs may be left out."""
    found = array(name, value)
    if found.ndim == 1 + len(shape):
        found = found[None]
    if found.shape[1:] != (times, *shape):
        words = ", ".join(map(str, (times, *shape)))
        fail(name, np.shape(value), f"of shape ({words}) or (runs, {words})", "shape")
    return found


def _as_means(tables: Mapping[str, Any], tau: np.ndarray, shapes: dict[str, tuple[int, ...]], d: int) -> Means:
    """Means with standard errors; what was not measured is NaN."""
    arrays: dict[str, np.ndarray] = {}
    for name, shape in shapes.items():
        full = (len(tau), *shape)
        for part in (name, f"{name}_sem"):
            arrays[part] = _means(part, tables[part], full) if part in tables else np.full(full, np.nan)
        if (name in tables) != (f"{name}_sem" in tables):
            raise InputError(f"{name}: its means and standard errors {name}_sem must be given together")
        if np.any(arrays[f"{name}_sem"] < 0):
            fail(f"{name}_sem", arrays[f"{name}_sem"], ">= 0")
    runs = integer("runs", _plain(tables["runs"]), at_least=2) if "runs" in tables else 0
    return Means(tau=tau, dimension=d, runs=runs, **arrays)


def _means(name: str, value: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    """Means over runs, or their standard errors, at every time."""
    found = array(name, value)
    if found.shape != shape:
        fail(name, found.shape, f"of shape ({', '.join(map(str, shape))}), means over runs at every time", "shape")
    return found


def _of_weights(theory: OrderParameterPath, tables: Mapping[str, Any]) -> dict[str, Any]:
    """Q = W Wᵀ/d and Θ = W u/√d of trained weights, as order parameters at one time."""
    weights = array("weights", tables["weights"])
    if weights.ndim == 2:
        weights = weights[None]
    if weights.ndim != 3 or weights.shape[1] != theory.p:
        fail("weights", weights.shape, f"of shape ({theory.p}, d) or (runs, {theory.p}, d)", "shape")
    runs, _, d = weights.shape
    references = _references(theory, tables, d)
    b = np.broadcast_to(array("b", tables.get("b", 0.0 if not theory.problem.denoiser.has_skip else None)), (runs,))
    found: dict[str, Any] = {"dimension": d, "tau": _plain(tables.get("tau", theory.tau_max)), "b": b[:, None]}
    found["Q"] = (weights @ weights.transpose(0, 2, 1) / d)[:, None]
    found["Theta"] = (weights @ references.T / np.sqrt(d))[:, None]
    if theory.parameters:
        found["parameters"] = np.reshape(array("parameters", tables.get("parameters")), (runs, 1, theory.parameters))
    return found


def _references(theory: OrderParameterPath, tables: Mapping[str, Any], d: int) -> np.ndarray:
    """Reference directions u_k in R^d, given or from the centroids μ(c) = Σ_k c_k u_k."""
    target = theory.problem.target
    if "references" in tables:
        references = array("references", tables["references"], shape=(theory.K, d))
    elif "centroids" in tables:
        means = array("centroids", tables["centroids"], shape=(target.clusters, d))
        if np.linalg.matrix_rank(target.centroids) < theory.K:
            raise InputError("centroids: do not span the reference directions; give references (K, d)")
        references = np.linalg.pinv(target.centroids) @ means
    else:
        raise InputError("references: missing; give the directions u_k (K, d), or the centroids (clusters, d)")
    gram, wanted = references @ references.T, target.gram
    if not np.allclose(gram, wanted, atol=0.05):
        fail(
            "references",
            gram,
            f"directions with the overlaps {wanted.round(4).tolist()} of the theory's target (u_k, not √d u_k)",
        )
    return references


def _runs(theory: OrderParameterPath, tau: np.ndarray, stacked: dict[str, np.ndarray], d: int) -> Runs:
    count = len(stacked["b"])
    arrays = dict(stacked)
    arrays["M"] = np.einsum("rtak,ck->rtac", arrays["Theta"], theory.centroids)
    arrays.setdefault("parameters", np.empty((count, len(tau), 0)))
    arrays |= {"generated": np.empty((count, 0, theory.K)), "norms": np.empty((count, 0))}
    main = Ensemble({name: arrays[name] for name in (*Runs.NAMES, "generated", "norms")}, d)
    return Runs(
        main=main,
        low=main.take(slice(0), d // 4),
        tau=tau,
        seed=0,
        seconds=0.0,
        experiment=dict(theory.experiment),
    )
