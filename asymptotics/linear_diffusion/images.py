"""Linear denoisers on real images: losses and agreement on MNIST digits beside the theory for Gaussian data."""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.input.checks import InputError, integer, number
from ..common.numerics.algebra.gram import symmetric_root
from ..common.numerics.laws.spectra import from_covariance, load_spectrum, mnist_covariance, mnist_digits
from ..common.output.ensemble import standard_error
from ..common.output.results import Result
from ..common.running.ensembles import rows_of_runs, spawn
from .averaged.agreement import effective_dimension, model_agreement
from .averaged.losses import averaged_losses
from .diffusion.schedule import Schedule
from .process import measured_loss, moments, train_closed_form

HELD_OUT = 2000
DIGITS = 10_000


@dataclass(frozen=True)
class ImageComparison(Result):
    """Linear denoisers trained on N digits, and what the theory of Gaussian data with the digits' covariance says.

    Parameters
    ----------
    samples : ndarray of int, shape (n,)
        N.
    train, test, agreement : ndarray, shape (n, 2)
        Mean and standard error over runs: loss on the training digits, on held-out digits, and the cosine between samples of
        two models trained on disjoint sets of N digits.
    theory_train, theory_test, theory_agreement : ndarray, shape (n,)
        The averages for Gaussian data of the same covariance.
    regularisation : float
    steps, time, runs : int
    seconds : float
    """

    samples: np.ndarray
    train: np.ndarray
    test: np.ndarray
    agreement: np.ndarray
    theory_train: np.ndarray
    theory_test: np.ndarray
    theory_agreement: np.ndarray
    regularisation: float
    steps: int
    time: int
    runs: int
    seconds: float

    @property
    def gap(self) -> np.ndarray:
        """(measured − Gaussian theory)/theory of the test loss, and its standard error, shape (n, 2)."""
        return np.column_stack([self.test[:, 0] / self.theory_test - 1, self.test[:, 1] / self.theory_test])

    def summary(self) -> str:
        lines = [
            f"MNIST, c = {self.regularisation:g}, step {self.time} of {self.steps}, {self.runs} runs: measured (Gaussian theory)",
            f"{'N':>6} {'train':>24} {'test':>24} {'cosine of two models':>24} {'gap of the test loss':>22}",
        ]
        rows = zip(
            self.samples,
            *(
                [f"{m:z.5g} ± {s:z.1g} ({t:z.5g})" for (m, s), t in zip(measured, theory, strict=True)]
                for measured, theory in (
                    (self.train, self.theory_train),
                    (self.test, self.theory_test),
                    (self.agreement, self.theory_agreement),
                )
            ),
            self.gap,
            strict=True,
        )
        lines += [
            f"{n:>6} {a:>24} {b:>24} {c:>24} {100 * g[0]:>z13.2f} ± {100 * g[1]:z.2f} %" for n, a, b, c, g in rows
        ]
        return "\n".join(lines)

    COLUMNS = ("samples", "train", "test", "agreement", "theory_train", "theory_test", "theory_agreement")


def one_image_run(
    seed: np.random.SeedSequence, samples: Sequence[int], regularisation: float, schedule: Schedule, time: int
) -> np.ndarray:
    """Train and test loss and agreement for every N, from one shuffling of the digits; shape (N's, 3)."""
    rng = np.random.default_rng(seed)
    images, _ = mnist_digits()
    order = rng.permutation(len(images))
    held_out, rest = images[order[:HELD_OUT]], images[order[HELD_OUT:]]
    ab, noise = float(schedule.alpha_bar[time]), float(schedule.noise[time])
    ridge = regularisation * np.eye(images.shape[1])
    rows = []
    for n in samples:
        x, other = rest[:n], rest[n : 2 * n]
        mean, covariance = moments(x)
        weights, offset = train_closed_form(mean, covariance, ab, noise, regularisation)
        repeated = np.repeat(x, max(1, -(-HELD_OUT // n)), axis=0)
        train = measured_loss(rng, repeated, weights, offset, ab, noise)
        test = measured_loss(rng, held_out, weights, offset, ab, noise)
        first, second = symmetric_root(covariance + ridge), symmetric_root(moments(other)[1] + ridge)
        cosine = (first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second))
        rows.append((train, test, cosine))
    return np.array(rows)


def compare_images(
    samples: Sequence[int] = (50, 100, 200, 400, 800, 1600, 3200),
    *,
    regularisation: float = 1e-3,
    steps: int = 1000,
    time: int | None = None,
    runs: int = 4,
    seed: int = 0,
    workers: int | None = None,
    progress: bool | None = None,
) -> ImageComparison:
    """Train on N real digits (and on N others), test on held-out ones; beside it the theory for Gaussian data.

    Parameters
    ----------
    samples : sequence of int
        N, from 2 to 4000 (two disjoint sets and 2000 held-out digits are taken from 10 000).
    regularisation : float
        c ≥ 0.
    steps, time : int
        T and the step t (default T/10).
    runs : int
        Shufflings of the digits.
    """
    started = clock.perf_counter()
    largest = (DIGITS - HELD_OUT) // 2
    sizes = [integer("samples", n, at_least=2, at_most=largest) for n in samples]
    if not sizes:
        raise InputError(f"samples: must be a list of whole numbers from 2 to {largest}")
    c = number("regularisation", regularisation, at_least=0)
    schedule = Schedule(steps)
    t = schedule.step(max(1, steps // 10) if time is None else time)
    found = rows_of_runs(
        one_image_run, spawn(seed, integer("runs", runs, at_least=2)), sizes, c, schedule, t,
        workers=workers, progress=progress, description="shufflings",
    )  # fmt: skip
    mean, sem = found.mean(axis=0), standard_error(found)
    values = load_spectrum("mnist").eigenvalues
    losses = np.array([averaged_losses(values, n, c, schedule, t) for n in sizes])
    train, test, cosine = (np.column_stack([mean[:, k], sem[:, k]]) for k in range(3))
    return ImageComparison(
        np.array(sizes),
        train,
        test,
        cosine,
        losses[:, 0],
        losses[:, 1],
        np.array([model_agreement(values, n, c).models for n in sizes]),
        c,
        steps,
        t,
        runs,
        clock.perf_counter() - started,
    )


def bilinear(old: int, new: int) -> np.ndarray:
    """Matrix (new, old) of linear interpolation between pixel centres, clamped at the border (as image libraries do)."""
    position = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    left = np.minimum(position.astype(int), old - 2)
    matrix = np.zeros((new, old))
    matrix[np.arange(new), left] = 1 - (position - left)
    matrix[np.arange(new), left + 1] = position - left
    return matrix


def digits_effective_dimension() -> dict[str, Any]:
    """d_eff of MNIST: of the raw pixels, with the digits' own fourth moment, and after resizing 28 → 32 pixels.

    ``raw`` and ``resized`` are 1 + (Tr Σ)²/Tr Σ² of the 60 000 training images; ``participation_ratio`` and
    ``participation_ratio_resized`` the same without the 1; ``fourth_moment`` takes E‖x−μ‖⁴ from 10 000 digits.
    """
    covariance = mnist_covariance()
    values = load_spectrum("mnist").eigenvalues
    resize = bilinear(28, 32)
    cube = np.einsum("ai,bj,ijkl->abkl", resize, resize, covariance.reshape(28, 28, 28, 28), optimize=True)
    resized = np.einsum("abkl,ck,dl->abcd", cube, resize, resize, optimize=True).reshape(1024, 1024)
    images, _ = mnist_digits()
    centred = images - images.mean(axis=0)
    fourth = float(np.square(np.square(centred).sum(axis=1)).mean())
    spectrum = from_covariance((resized + resized.T) / 2, "MNIST at 32 × 32")
    return {
        "raw": effective_dimension(values),
        "fourth_moment": effective_dimension(values, fourth),
        "resized": effective_dimension(spectrum.eigenvalues),
        "participation_ratio": effective_dimension(values) - 1,
        "participation_ratio_resized": effective_dimension(spectrum.eigenvalues) - 1,
    }
