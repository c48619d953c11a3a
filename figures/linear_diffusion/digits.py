"""Figures of linear diffusion models on the MNIST digits (Merger and Goldt, arXiv 2505.24769)."""

from __future__ import annotations

import numpy as np

from asymptotics.linear_diffusion import (
    LinearDiffusion,
    bilinear,
    compare_images,
    digits_effective_dimension,
    moments,
    sweep,
)
from asymptotics.tools import (
    COLOURS,
    from_data,
    load_spectrum,
    mnist_covariance,
    mnist_digits,
    points,
    power_law,
    style,
)

from ..base import Drawing, label_ticks, mean_and_error, name_kinds

PAPER = "Merger and Goldt, arXiv 2505.24769"
#: The digits' covariance with 1000 of them as data set: one point of the figures that vary N.
DIGITS = {"linear_diffusion": LinearDiffusion(spectrum="mnist", samples=1000, regularisation=1e-3).to_table()}


def spectra(quick: bool) -> Drawing:
    """Spectra by rank, example digits, leading eigenvectors and the predicted losses for MNIST."""
    mnist = load_spectrum("mnist")
    images, labels = mnist_digits()
    vectors = mnist.eigenvectors
    if vectors is None:
        raise RuntimeError("the spectrum of the digits comes with eigenvectors")
    sizes = np.unique(np.round(np.geomspace(20, 5000, 15 if quick else 40)).astype(int))
    losses = sweep(LinearDiffusion(spectrum="mnist", samples=2, regularisation=1e-3), sizes.tolist(), tau=[1.0])
    subset = from_data(images[:1000])
    with style() as plt:
        figure = plt.figure(figsize=(7.0, 4.0), layout="constrained")
        grid = figure.add_gridspec(2, 6, height_ratios=(2, 1))
        ax = figure.add_subplot(grid[0, :3])
        rank = np.arange(1, 785)
        ax.plot(rank, mnist.eigenvalues, color=COLOURS[0], label="MNIST, 60 000 digits")
        ax.plot(
            rank, np.where(subset.eigenvalues > 0, subset.eigenvalues, np.nan), color=COLOURS[5], label="1000 digits"
        )
        for k, exponent in enumerate((1.0, 2.0)):
            law = power_law(784, exponent, mnist.trace).eigenvalues
            ax.plot(rank, law, color=COLOURS[k + 1], linestyle="--", label=rf"$\nu^{{-{exponent:g}}}$")
        ax.set(xscale="log", yscale="log", xlabel=r"rank $\nu$", ylabel=r"eigenvalue $\lambda_\nu$", ylim=(1e-7, 30))
        ax.legend()
        ax = figure.add_subplot(grid[0, 3:])
        for name, label, colour in (("train_loss", "train", COLOURS[0]), ("test_loss", "test", COLOURS[1])):
            ax.plot(sizes, np.array(getattr(losses, name)) / 784, color=colour, label=label)
        ax.set(xscale="log", yscale="log", xlabel="samples $N$", ylabel="loss per dimension")
        ax.set_title("predicted losses, $c=10^{-3}$, step 100 of 1000")
        label_ticks(ax.yaxis, [0.03, 0.1, 0.3, 1])
        ax.legend()
        for k in range(3):
            ax = figure.add_subplot(grid[1, k])
            ax.imshow(images[np.flatnonzero(labels == 3 * k)[0]].reshape(28, 28), cmap="gray_r")
            ax.set(xticks=[], yticks=[], title="examples" if k == 1 else "")
            ax.spines[:].set_visible(False)
            ax = figure.add_subplot(grid[1, 3 + k])
            vector = vectors[:, k].reshape(28, 28)
            limit = float(np.abs(vector).max())
            ax.imshow(vector, cmap="RdBu_r", vmin=-limit, vmax=limit)
            ax.set(xticks=[], yticks=[], title=f"eigenvector {k + 1}")
            ax.spines[:].set_visible(False)
    caption = (
        "Covariance spectrum of the MNIST digits by rank, beside power laws of the same trace; losses "
        "predicted for Gaussian data of that "
        "covariance; example digits and leading eigenvectors."
    )
    data = {"eigenvalues": mnist.eigenvalues, "eigenvectors": vectors[:, :3], "samples": sizes}
    data |= {name: np.array(getattr(losses, name)) for name in ("train_loss", "test_loss")}
    ratio = mnist.trace**2 / float(np.square(mnist.eigenvalues).sum())
    seen = float(subset.eigenvalues[:100].sum() / mnist.eigenvalues[:100].sum() - 1)
    closeness = (
        f"Tr Σ = {mnist.trace:.2f}, participation ratio {ratio:.1f}; the sum of the 100 leading eigenvalues of 1000 digits"
        f" is {100 * seen:+.1f} % off that of 60 000; the predicted losses are compared with digits in linear-images"
    )
    return Drawing(figure, caption, f"{PAPER}, Figure 1", data, DIGITS, closeness)


def _distance_of_subsets(pool: np.ndarray, target: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """What E‖Σ₀ − Σ‖²/‖Σ‖² is for N vectors drawn from a pool without replacement, Σ₀ about their own mean and over N.

    An unbiased covariance of N vectors of covariance P, Tr P = p₁, Tr P² = p₂ and F = E‖x − μ‖⁴ has the total variance
    (F − p₂)/N + (p₁² + p₂)/(N(N − 1)); Σ₀ is 1 − 1/N of it, and its mean is off by what the pool's P differs from Σ.
    """
    mean, own = moments(pool)
    fourth = float(np.mean(np.square(np.square(pool - mean).sum(axis=1))))
    trace, square, n = float(np.trace(own)), float(np.square(own).sum()), len(pool)
    shrink = 1 - 1 / samples
    variance = (fourth - square) / samples + (trace**2 + square) / (samples * (samples - 1))
    bias = np.array([np.square(x * own - target).sum() for x in shrink])
    return np.asarray((shrink**2 * variance * (n - samples) / (n - 1) + bias) / np.square(target).sum())


def effective_dimensions(quick: bool) -> Drawing:
    """Relative distance of empirical covariances of digits against N, raw and resized to 32 × 32."""
    images, _ = mnist_digits()
    resize = np.kron(bilinear(28, 32), bilinear(28, 32))
    covariance = mnist_covariance()
    at = np.array([30, 100, 300, 1000] if quick else [20, 50, 100, 200, 500, 1000, 2000])
    repeats = 20 if quick else 60
    rng = np.random.default_rng(0)
    known = digits_effective_dimension()
    lines = np.geomspace(15, 3000, 50)
    data: dict[str, np.ndarray] = {"samples": lines, "measured_samples": at}
    notes, scores = [], []
    with style() as plt:
        figure, ax = plt.subplots(figsize=(3.4, 2.8), layout="constrained")
        cases = (("raw", covariance, None), ("resized", resize @ covariance @ resize.T, resize))
        for k, (name, target, operator) in enumerate(cases):
            d_eff = known[name]
            shown = {"raw": "28 × 28 pixels", "resized": "32 × 32 pixels"}[name]
            ax.plot(lines, d_eff / lines, color=COLOURS[k], label=rf"$d_{{\rm eff}}/N$, {d_eff:.1f}, {shown}")
            pool = images if operator is None else images @ operator.T
            expected, at_points = _distance_of_subsets(pool, target, lines), _distance_of_subsets(pool, target, at)
            ax.plot(lines, expected, ":", color=COLOURS[k])
            rows = np.empty((repeats, at.size))
            for i in range(repeats):
                for j, n in enumerate(at):
                    drawn = pool[rng.choice(len(pool), n, replace=False)]
                    rows[i, j] = np.square(moments(drawn)[1] - target).sum() / np.square(target).sum()
            mean, sem = mean_and_error(rows)
            points(ax, at, mean, sem, color=COLOURS[k], linestyle="none")
            data[f"distance {name}"], data[f"sem {name}"] = mean, sem
            data[f"expected {name}"] = expected
            few = at <= 200
            fit = float(np.exp(np.mean(np.log(mean * at)[few])))
            scores.append((mean - at_points) / sem)
            notes.append(f"{shown}: N × measured distance for N ≤ 200 {fit:.1f}, d_eff {d_eff:.1f}")
        ax.set(xscale="log", yscale="log", xlabel="samples $N$", ylabel=r"$\|\Sigma_0-\Sigma\|^2/\|\Sigma\|^2$")
        name_kinds(ax, dotted="expected of these digits", point="digits, subsets of $N$")
        ax.legend()
    z = np.concatenate(scores)
    data["score"] = z
    caption = (
        "Effective dimension of MNIST: squared distance of the empirical covariance Σ₀ of N digits from Σ, that of all 60 000,"
        " relative to ‖Σ‖² (Frobenius norm), for raw pixels and digits resized to 32 × 32. Lines: d_eff/N with d_eff = 1 +"
        f" (Tr Σ)²/Tr Σ² of Gaussian data. Points: {repeats} subsets of the {len(images)} digits shipped, mean and standard"
        " error (smaller than the marker where not seen). Dotted: exact expectation of such subsets: the digits' own fourth"
        f" moment (d_eff = {known['fourth_moment']:.1f} for raw pixels), Σ₀ about the mean of N, and that the shipped digits'"
        " covariance is not quite that of all, which holds the points up at large N. The published d_eff ≈ 25 is the"
        f" participation ratio (Tr Σ)²/Tr Σ² of the resized digits, {known['participation_ratio_resized']:.2f}."
    )
    notes.append(
        f"points against the dotted lines: root mean square {np.sqrt(np.mean(z**2)):.2f}, at most {np.abs(z).max():.1f} standard"
        f" errors ({z.size} points)"
    )
    return Drawing(figure, caption, f"{PAPER}: effective dimension of images", data, DIGITS, "; ".join(notes))


def images(quick: bool) -> Drawing:
    """Real digits beside the theory of Gaussian data."""
    sizes = (50, 200, 800) if quick else (25, 50, 100, 200, 400, 800, 1600, 3200)
    runs = 2 if quick else 5
    found = compare_images(sizes, runs=runs, workers=1)
    lines = np.unique(np.round(np.geomspace(20, 4000, 15 if quick else 40)).astype(int))
    theory = sweep(LinearDiffusion(spectrum="mnist", samples=2, regularisation=1e-3), lines.tolist(), tau=[1.0])
    with style() as plt:
        figure, axes = plt.subplots(1, 2, figsize=(7.0, 2.9), layout="constrained")
        for k, (name, measured) in enumerate((("train", found.train), ("test", found.test))):
            axes[0].plot(lines, np.array(getattr(theory, f"{name}_loss")) / 784, color=COLOURS[k], label=name)
            points(
                axes[0], found.samples, measured[:, 0] / 784, measured[:, 1] / 784, color=COLOURS[k], linestyle="none"
            )
        axes[0].set(xscale="log", yscale="log", xlabel="samples $N$", ylabel="loss per dimension")
        label_ticks(axes[0].yaxis, [0.03, 0.1, 0.3, 1])
        axes[0].legend()
        axes[1].plot(lines, [p.cosine_models for p in theory.points], color=COLOURS[2])
        points(axes[1], found.samples, found.agreement[:, 0], found.agreement[:, 1], color=COLOURS[2], linestyle="none")
        axes[1].set(xscale="log", xlabel="samples $N$", ylabel="cosine of two models")
    caption = (
        "Linear denoisers trained on N MNIST digits (c = 0.001, step 100 of 1000). Lines: averages for "
        "Gaussian data with the digits' "
        "covariance; points: real digits, held-out test digits, disjoint halves; mean and standard error over "
        f"{runs} shufflings."
    )
    gaps = ", ".join(
        f"N = {n}: {100 * g:+.1f} ± {100 * s:.1f} %" for n, (g, s) in zip(found.samples, found.gap, strict=True)
    )
    data = {"samples": found.samples, "train": found.train, "test": found.test, "agreement": found.agreement}
    data |= {"line_samples": lines, "theory_test": np.array([p.test_loss for p in theory.points])}
    source = f"{PAPER}, Figure 1(h): predicted losses, here with real digits"
    return Drawing(
        figure, caption, source, data, DIGITS, f"test loss of real digits over that of Gaussian data: {gaps}"
    )
