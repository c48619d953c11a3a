"""Solving the order-parameter equations against the naive route of the field; cost against clusters, atoms and times.

Run by hand: ``python tests/benchmarks/bench_theory.py``. Everything is measured side by side in one run.
"""

from __future__ import annotations

import time

import numpy as np

import asymptotics as asy

REFERENCE = {"Q11": 0.729732, "Q22": 0.548986, "M11": 2.528023, "M22": 2.172670}


def naive(samples: int = 2000, dt: float = 0.01, seed: int = 0) -> dict[str, float]:
    """Explicit Euler, one pass of Monte-Carlo samples an expectation, as theory notebooks of the field are written.

    The tied tanh auto-encoder with two units on three isotropic clusters at t = 0.7. Every entry of A, B, N of every cluster
    is the mean of its own integrand over freshly drawn local fields.
    """
    rng = np.random.default_rng(seed)
    c = np.array([[3.0, 0], [0, -3], [-3, 0]])
    t, eta, lam = 0.7, 0.1, 0.1
    a, be = 1 - t, t
    theta, Q, b = np.array([[0.3, 0], [0, -0.3]]), 0.09 * np.eye(2), 0.0

    def mean(k: int, integrand) -> float:
        l0 = rng.multivariate_normal(np.zeros(2), Q, samples)
        l1 = rng.multivariate_normal(theta @ c[k], Q, samples)
        w = a * l0 + be * l1
        s, D = np.tanh(w), 1 - np.tanh(w) ** 2
        e = l1 - b * w - s @ Q
        g = ((1 - b * be) * s + be * e * D, -b * a * s + a * e * D)
        return float(np.mean(integrand(s, D, e, g)))

    for _ in range(round(4.0 / dt)):
        dtheta, dQ = np.zeros((2, 2)), np.zeros((2, 2))
        for k in range(3):
            A, B, N = np.empty(2), np.empty((2, 2)), np.empty((2, 2))
            for i in range(2):
                A[i] = mean(k, lambda s, D, e, g, i=i: g[0][:, i])
                for j in range(i, 2):
                    B[i, j] = -mean(k, lambda s, D, e, g, i=i, j=j: s[:, i] * s[:, j])
                    B[i, j] -= (a**2 + be**2) * Q[i, j] * mean(k, lambda s, D, e, g, i=i, j=j: D[:, i] * D[:, j])
                    N[i, j] = mean(k, lambda s, D, e, g, i=i, j=j: g[0][:, i] * g[0][:, j])
                    N[i, j] += mean(k, lambda s, D, e, g, i=i, j=j: g[1][:, i] * g[1][:, j])
                    B[j, i], N[j, i] = B[i, j], N[i, j]
                B[i, i] += (2 * be * (1 - b * be) - 2 * b * a**2) * mean(k, lambda s, D, e, g, i=i: D[:, i])
                B[i, i] += (a**2 + be**2) * mean(k, lambda s, D, e, g, i=i: -2 * e[:, i] * s[:, i] * D[:, i])
            X = np.outer(A, theta @ c[k]) + B @ Q
            dtheta += (np.outer(A, c[k]) + B @ theta) / 3
            dQ += (X + X.T + 2 * eta * N) / 3
        theta = theta + dt * (dtheta - lam / 2 * theta)
        Q = Q + dt * (dQ - lam * Q)
        b += dt * (be * (1 - b * be) - b * a**2)
    M = theta @ c.T
    return {"Q11": Q[0, 0], "Q22": Q[1, 1], "M11": M[0, 0], "M22": M[1, 1]}


def best(function, repeats: int = 5) -> float:
    """Smallest of several timings, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def error(answer: dict[str, float]) -> float:
    """Largest error against the converged values."""
    return max(abs(answer[k] - v) for k, v in REFERENCE.items())


def ours(tolerance: float) -> dict[str, float]:
    """The reference experiment at τ = 4."""
    at = asy.solve(asy.example("three-clusters"), tolerance=tolerance)(4.0)
    return {"Q11": at.Q[0, 0], "Q22": at.Q[1, 1], "M11": at.M[0, 0], "M22": at.M[1, 1]}


def main() -> None:
    """Print the tables."""
    exp = asy.example("three-clusters")
    asy.solve(exp)
    start = time.perf_counter()
    slow = naive()
    slow_seconds = time.perf_counter() - start
    print(f"{'route':<40} {'seconds':>9} {'error':>9} {'faster':>8} {'more exact':>11}")
    print(f"{'explicit Euler, 2 000 samples a mean':<40} {slow_seconds:9.3f} {error(slow):9.1e} {1:8.0f} {1:11.0f}")
    for tolerance in (1e-4, 1e-5, 1e-6):
        seconds = best(lambda tolerance=tolerance: asy.solve(exp, tolerance=tolerance))
        e = error(ours(tolerance))
        name = f"solve, tolerance {tolerance:g}"
        print(f"{name:<40} {seconds:9.3f} {e:9.1e} {slow_seconds / seconds:8.0f} {error(slow) / e:11.0f}")

    print(f"\n{'cost against size':<40} {'seconds':>9} {'ratio':>9}")
    base = best(lambda: asy.solve(exp, tolerance=1e-4))
    cases = {"3 clusters, 1 atom, 1 time (tolerance 1e-4)": exp}
    for n in (12, 48):
        centroids = np.repeat(exp.problem.target.centroids, n // 3, axis=0).tolist()
        cases[f"{n} clusters"] = exp.replace(target={"centroids": centroids, "weights": [1 / n] * n})
    for n in (98, 784):
        cases[f"{n} atoms"] = exp.replace({"target.masses": [1 / n] * n, "target.eigenvalues": [[1.0] * n]})
    for n in (4, 16):
        cases[f"{n} quadrature times"] = exp.replace({"training.quadrature": n})
    for name, case in cases.items():
        seconds = best(lambda case=case: asy.solve(case, tolerance=1e-4), 3)
        print(f"{name:<40} {seconds:9.3f} {seconds / base:9.1f}")


if __name__ == "__main__":
    main()
