"""A user's own training, in NumPy and written from the paper, against the theory: order parameters or weights, whatever is at hand."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy

D, RUNS, TAU, ETA, DECAY, TIME = 300, 6, 1.0, 0.1, 0.1, 0.7
CENTROIDS = np.array([[3.0, 0.0], [0.0, -3.0], [-3.0, 0.0]])
MEANS = np.pad(CENTROIDS, ((0, 0), (0, D - 2)))
STEPS = round(TAU * D / (2 * ETA))


def train(seed):
    """(W, b) half-way and at the end of online SGD on ‖x₁ − b x_t − Wᵀ tanh(W x_t/√d)/√d‖² + λ‖W‖²/2d; of the package nothing."""
    rng = np.random.default_rng(seed)
    W, b, kept = 0.1 * np.sqrt(D) * MEANS[:2], 0.0, []
    for n in range(1, STEPS + 1):
        x1 = MEANS[rng.integers(3)] + rng.standard_normal(D)
        xt = (1 - TIME) * rng.standard_normal(D) + TIME * x1
        s = np.tanh(W @ xt / np.sqrt(D))
        e = x1 - b * xt - s @ W / np.sqrt(D)
        gradient = -2 * (np.outer(s, e) + np.outer((1 - s**2) * (W @ e), xt) / np.sqrt(D)) / np.sqrt(D)
        W, b = W - ETA * (gradient + DECAY / D * W), b + 2 * ETA / D**2 * (e @ xt)
        if n in (STEPS // 2, STEPS):
            kept.append((W, b))
    return kept


@pytest.fixture(scope="module")
def trained():
    """Weights (runs, 2 times, 2, d) and b (runs, 2 times)."""
    found = [train(seed) for seed in range(RUNS)]
    return np.array([[W for W, _ in run] for run in found]), np.array([[b for _, b in run] for run in found])


@pytest.fixture(scope="module")
def measured(trained):
    """Q, Θ and b of every run along training, as their definitions say."""
    W, b = trained
    return {"steps": [STEPS // 2, STEPS], "Q": W @ np.swapaxes(W, -1, -2) / D, "Theta": W[..., :2] / np.sqrt(D), "b": b}


@pytest.fixture(scope="module")
def path():
    return asy.solve(asy.example("three-clusters").replace({"training.tau": TAU}), tolerance=1e-7)


@pytest.fixture(scope="module")
def wrong():
    """Another learning rate: what is measured is not of this theory."""
    changes = {"training.tau": TAU, "target.eigenvalues": [[1.1]]}
    return asy.solve(asy.example("three-clusters").replace(changes), tolerance=1e-7)


def test_runs_of_ones_own(path, wrong, measured):
    verdict = asy.compare(path, measured, dimension=D)
    assert verdict.passed, verdict.summary()
    assert {row.name for row in verdict.rows if row.counted} == {
        f"{n}({t})" for n in ("Q", "Theta", "b") for t in (0.5, 1)
    }
    assert verdict.tests
    assert not asy.compare(wrong, measured, dimension=D).passed
    # The same by τ, under other names of the arrays.
    tau = {"tau": [0.5, 1.0], "q": measured["Q"], "theta": measured["Theta"], "b": measured["b"], "d": D}
    assert asy.compare(path, tau).p_value == verdict.p_value


def test_one_run_without_standard_errors(path, wrong, measured):
    """A single training is judged by the predicted covariance."""
    one = {name: values if name == "steps" else values[0] for name, values in measured.items()}
    verdict = asy.compare(path, one, dimension=D)
    assert verdict.passed, verdict.summary()
    assert [name for name, _ in verdict.tests] == ["order parameters: chi-square with the predicted covariance"]
    assert not asy.compare(wrong, one, dimension=D).passed


def test_means_with_standard_errors(path, wrong, measured):
    means = {"steps": measured["steps"], "runs": RUNS, "dimension": D}
    for name in ("Q", "Theta", "b"):
        means |= {name: measured[name].mean(0), f"{name}_sem": measured[name].std(0, ddof=1) / np.sqrt(RUNS)}
    verdict = asy.compare(path, means)
    assert verdict.passed, verdict.summary()
    assert verdict.count == 2 * (3 + 4 + 1)
    # The bias of order 1/d is not in the means' favour: it is taken out as for runs.
    assert any("bias" in note for note in verdict.notes)
    assert not asy.compare(wrong, means | {"runs": 1000}).passed
    part = {name: means[name] for name in ("steps", "dimension", "b", "b_sem")}
    assert asy.compare(path, part).count == 2
    assert len(asy.plot(path, part)[1].containers) == 6  # Q11, Q22, Q12, Θ11, Θ22, b


def test_weights_from_another_framework(path, wrong, trained, tmp_path):
    W, b = trained
    np.savez(tmp_path / "w.npz", W=W[:, -1], b=b[:, -1], centroids=MEANS)
    verdict = asy.compare(path, tmp_path / "w.npz")
    assert verdict.passed, verdict.summary()
    assert not asy.compare(wrong, str(tmp_path / "w.npz")).passed
    one = {"weights": W[0, -1], "b": b[0, -1], "references": np.eye(D)[:2]}
    assert asy.compare(path, one).passed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"foo": 1}, "foo: unknown"),
        ({"Q": np.ones((2, 3, 3))}, "Q = (2, 3, 3): must be of shape (2, 2, 2) or (runs, 2, 2, 2)"),
        ({"b": [[0.1, np.nan]]}, "b = "),
        ({"steps": [STEPS, STEPS // 2]}, "tau = "),
        ({"steps": [STEPS, 10 * STEPS]}, "in [0, 1]"),
        ({"tau": [0.5, 1.0]}, "give either tau"),
        ({"Theta": None}, "Theta: missing"),
        ({"b_sem": [0.1, 0.1]}, "Q = (6, 2, 2, 2): must be of shape (2, 2, 2), means over runs"),
    ],
)
def test_measurements_that_do_not_fit(path, measured, change, said):
    given = {name: value for name, value in {**measured, **change}.items() if value is not None}
    with pytest.raises(asy.InputError) as caught:
        asy.compare(path, given, dimension=D)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_references_must_be_directions(path, trained):
    W, b = trained
    for given in ({}, {"references": np.sqrt(D) * np.eye(D)[:2]}, {"centroids": 2 * MEANS}):
        with pytest.raises(asy.InputError, match="references"):
            asy.compare(path, {"weights": W[:, -1], "b": b[:, -1], **given})
    with pytest.raises(asy.InputError, match="bogus"):
        asy.compare(path, {"weights": W[0, -1], "b": 0.5, "references": np.eye(D)[:2]}, bogus=1)
