"""Film strips: the density of a noisy law from samples, the same networks again along their training, and the house style."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

import asymptotics as asy
from asymptotics.autoencoder import GeneratedDensity, draw_film, film, target_density
from asymptotics.autoencoder.plots.axes import mass_levels, mesh, on_grid
from asymptotics.cli import main
from asymptotics.common.output.plotting import STYLE, letter_panels, style
from figures.__main__ import discover


@pytest.fixture(scope="module")
def trained():
    experiment = asy.example("three-clusters").replace(
        {"training.tau": 1.0, "simulation.dimension": 200, "simulation.runs": 2, "simulation.samples": 1500}
    )
    path = asy.solve(experiment, tolerance=1e-3, progress=False)
    return path, asy.simulate(experiment, companion=False, workers=1, progress=False)


def _moments(grid, density):
    area = (grid[0][1] - grid[0][0]) * (grid[1][1] - grid[1][0])
    x = mesh(grid)
    mean = area * np.einsum("ij,ijk->k", density, x)
    return area * density.sum(), mean, area * np.einsum("ij,ijk,ijl->kl", density, x - mean, x - mean)


@pytest.mark.slow
def test_a_law_with_noise_is_drawn_from_its_conditional_gaussians(trained):
    """Without noise the exact density is known; with it, mass and covariance must be those of the law."""
    path, _ = trained
    grid = [np.linspace(-5, 5, 121)] * 2
    # Stopped early, its Gaussian part is wider than a cell.
    problem = replace(path.problem, sampling=path.problem.sampling.replace(stop=0.7))
    law = GeneratedDensity.from_path(path, problem, 1.0)
    exact = law.density(mesh(grid))
    assert np.array_equal(on_grid(law, grid), exact)

    class Hidden(GeneratedDensity):
        def density(self, x):
            raise asy.InputError("not told")

    sampled = on_grid(Hidden.from_path(path, problem, 1.0), grid, 100_000)
    # An error of 100 000 samples and of a cell's width.
    assert np.abs(sampled - exact).sum() / exact.sum() < 0.05
    noisy = replace(problem, sampling=problem.sampling.replace(epsilon="0.5*alpha"))
    law = GeneratedDensity.from_path(path, noisy, 1.0)
    mass, mean, covariance = _moments(grid, on_grid(law, grid, 100_000))
    assert mass == pytest.approx(1, abs=2e-3)
    assert mean == pytest.approx(law.mean(), abs=0.02)
    assert covariance == pytest.approx(law.covariance(), rel=0.03, abs=0.02)


def test_a_film_has_the_networks_of_the_runs(trained):
    path, runs = trained
    shown = film(path, runs, [0.0, 0.5, 1.0], progress=False)
    # The same seeds give the same trainings and the same points, to the last bit.
    assert np.array_equal(shown.generated[:, -1], runs.generated)
    for k, tau in enumerate(shown.tau):
        mass, _, covariance = _moments(shown.grid, shown.theory[k])
        law = GeneratedDensity.from_path(path, path.problem, float(tau))
        assert mass == pytest.approx(1, abs=0.02)
        if tau > 0:  # at the start the law is hardly wider than a cell
            assert covariance == pytest.approx(law.covariance(), rel=0.08, abs=0.02)
    # What is drawn is near: theory and experiment share all mass but what counting N points loses, E|n - Np|/2N a bin (the rest
    # is of finite d); and little is shared between two times.
    cell = float(np.prod([g[1] - g[0] for g in shown.grid]))
    area = float(np.prod([e[1] - e[0] for e in shown.edges]))
    count = shown.generated[:, -1].size / 2
    lost = cell / area * np.sqrt(shown.theory[-1] * area / (2 * np.pi * count)).sum()
    assert 0.9 < shown.overlaps[-1] + lost < 1.02
    area = np.prod([e[1] - e[0] for e in shown.edges])
    assert area * np.minimum(shown.counted(0), shown.counted(2)).sum() < 0.2


def test_a_strip_has_a_panel_a_time(trained):
    path, runs = trained
    figure, axes = asy.plot(path, runs, tau=[0.3, 1.0])
    assert [axis.get_title() for axis in axes] == [r"$\tau = 0.3$", r"$\tau = 1$"]
    assert len({axis.get_xlim() for axis in axes}) == len({axis.get_ylim() for axis in axes}) == 1
    assert all(axis.get_aspect() == 1 and axis.images and axis.collections for axis in axes)
    assert figure.get_figwidth() == 7.0
    plt.close(figure)
    # Theory alone.
    figure, axes = asy.plot(path, tau=[0.5])
    assert not axes[0].images
    plt.close(figure)
    with pytest.raises(asy.InputError, match=r"tau = 0, 2: .*training\.tau = 1"):
        asy.plot(path, runs, tau=[0, 2])


def test_contours_hold_the_mass_that_is_said():
    """A Gaussian in the plane: what is denser than (1 − s) of the peak holds the share s of the mass, any covariance."""
    x = mesh([np.linspace(-8, 8, 401), np.linspace(-6, 6, 301)])
    heights = np.exp(-0.5 * np.einsum("...i,ij,...j", x, np.linalg.inv([[1.5, 0.4], [0.4, 0.7]]), x))
    assert mass_levels(heights) == pytest.approx([0.1, 0.4, 0.7], abs=2e-3)


def test_a_frame_is_the_one_that_was_asked_for(trained):
    path, _ = trained
    shown = film(path, None, [1.0], frame=[[-2.0, 5.0], [-4.0, 3.0]])
    assert [(g[0], g[-1]) for g in (*shown.grid, *shown.edges)] == [(-2.0, 5.0), (-4.0, 3.0)] * 2
    assert np.allclose(shown.target, target_density(path.problem, mesh(shown.grid)))
    figure, axes = draw_film(shown, titles=["late"])
    assert axes[0].get_title() == "late"
    plt.close(figure)
    with pytest.raises(asy.InputError, match=r"frame = .*below its upper end"):
        film(path, None, [1.0], frame=[[2.0, -5.0], [-4.0, 3.0]])


def test_a_movie_has_a_frame_a_time(trained, tmp_path):
    from PIL import Image

    path, _ = trained
    written = asy.movie(path, None, str(tmp_path / "film.gif"), tau=[0.2, 0.6, 1.0])
    with Image.open(written) as image:
        assert image.n_frames == 3
    with pytest.raises(asy.InputError, match="must end in"):
        asy.movie(path, None, str(tmp_path / "film.avi"))


def test_strips_on_the_command_line(tmp_path, capsys):
    assert main(["compare", "three-clusters", "--strip", "0,1"]) == 2
    assert "--strip: needs --plot" in capsys.readouterr().err
    assert main(["compare", "three-clusters", "--strip", "a", "--plot", str(tmp_path / "x.png")]) == 2
    assert "--strip" in capsys.readouterr().err
    assert main(["solve", "three-clusters", "--strip", "0"]) == 2
    theory = asy.solve("binary-mixture")
    with pytest.raises(asy.InputError, match="no densities along training"):
        asy.plot(theory, tau=[0.5])


def test_figures_are_drawn_as_they_are_printed(tmp_path):
    sizes = [value for key, value in STYLE.items() if key.endswith("size") and key.split(".")[0] != "figure"]
    assert min(s for s in sizes if s > 2) >= 7
    with style() as made:
        figure, axes = made.subplots(1, 2)
        picture = axes[0].imshow(np.eye(2))
        figure.colorbar(picture, ax=axes[1])
        axes[1].set_title(r"$\tau$ and κ")
        letter_panels(figure)
        letter_panels(figure)
        figure.savefig(tmp_path / "x.pdf")
        plt.close(figure)
    assert [[t.get_text() for t in axis.texts] for axis in figure.axes] == [["(a)"], ["(b)"], []]
    content = (tmp_path / "x.pdf").read_bytes()
    assert b"/Type3" not in content
    assert b"/CIDFontType2" in content


#: What the captions may say at most (or at least) of how near theory and experiment are, in the small drawings.
BOUNDS = {
    "training-density-relu": (("overlap_seen", 0.9, 1.03),),
    # Tr Σ = 53 is no large number, so that peaks a tenth of their distance wide lie off by some of their width.
    "training-density-mnist": (("overlap_seen", 0.8, 1.03), ("std_off", 0.0, 0.12)),
    "collapse-mechanism": (("b_off", 0.0, 0.03),),
    # Half as many angles: equal weights integrate a periodic density but for e^{-nodes}.
    "latent-ring": (("nodes_off", 0.0, 1e-3), ("overlap_seen", 0.9, 1.03)),
    "unequal-clusters": (("overlap_seen", 0.9, 1.03), ("std_off", 0.0, 0.1)),
    "noisy-sampler": (("overlap_seen", 0.9, 1.03), ("std_off", 0.0, 0.1)),
    "predictions": (("overlap_seen", 0.9, 1.03), ("agree", 1, 1)),
    # Spread of 12 trainings over the predicted one, in its standard error.
    "fluctuations-fan": (("spread_scores", -3.0, 3.0),),
    # Of independent numbers with Gaussian errors less than one in a thousand such drawings has one beyond 4.5 standard errors.
    "three-clusters": (("agree", 1, 1),),
    "learning-curves": (("masses_score", 0.0, 4.5), ("cosines_score", 0.0, 4.5), ("cosines_beyond", -0.1, 0.1)),
    "mixture-path": (("agree", 1, 1), ("gap", 0.0, 0.1)),
    "mixture-error": (("score", -4.5, 4.5),),
    "mixture-plane": (("score", -4.5, 4.5),),
    "linear-samples": (("score", 0.0, 4.5),),
    "linear-regularisation": (("score", 0.0, 4.5),),
    "linear-effective-dimension": (("score", -4.5, 4.5),),
    "one-step-divergences": (("score", -4.5, 4.5),),
    "one-step-steps": (("score", -4.5, 4.5),),
    "smoothing-plane": (("off", 0.0, 0.03),),
    "smoothing-circle": (("score", -4.5, 4.5),),
    "smoothing-densities": (("score", -4.5, 4.5),),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOUNDS)
def test_what_is_drawn_is_near(name):
    drawing = discover()[name](True)
    plt.close(drawing.figure)
    for key, low, high in BOUNDS[name]:
        assert np.all((drawing.data[key] >= low) & (drawing.data[key] <= high)), (key, drawing.data[key])
    if name == "collapse-mechanism":
        # All but where the weights' share of order 1/d is larger than the variance itself.
        assert np.median(drawing.data["variance_off"]) < 0.05
