"""Every result shows itself: a summary, its form in a notebook, a plot, a table, and the same again from its file."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
from functools import cache
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest

import asymptotics as asy
from asymptotics.common.output.results import Result

NEGATIVE_ZERO = re.compile(r"(?<![\w.])-0(?:\.0*)?(?![\d.]|e)")
#: States from which work goes on, and bases of what is shown: nobody looks at them.
NOT_SHOWN = {
    "autoencoder.SgdState",
    "autoencoder.TrainingPath",
    "common.Ensembles",
    "common.Recorded",
    "score_smoothing.TrainedNetwork",  # what its two kinds share
}


def key(kind):
    """Room (or module) and name of a class."""
    return f"{kind.__module__.split('.')[1]}.{kind.__name__}"


def found():
    """All `Result` classes of the package, by `key`."""
    for module in pkgutil.walk_packages(asy.__path__, "asymptotics."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    todo, kinds = [Result], {}
    while todo:
        below = todo.pop().__subclasses__()
        todo += below
        kinds |= {key(kind): kind for kind in below if kind.__module__.startswith("asymptotics.")}
    return {name: kind for name, kind in kinds.items() if name not in NOT_SHOWN}


KINDS = found()


@cache
def auto_encoder():
    """The reference experiment, made small: experiment, path, runs."""
    small = {"dimension": 64, "runs": 3, "samples": 40}
    experiment = asy.example("three-clusters").replace({"training.tau": 0.5}, simulation=small)
    return experiment, asy.solve(experiment), asy.simulate(experiment, progress=False, workers=1)


@cache
def chain():
    """Two generations, in theory and in R^d."""
    small = {"dimension": 64, "runs": 2, "samples": 50}
    tables = {"training": {"times": [0.7], "tau": 0.3}, "simulation": small}
    return asy.generations(asy.example("model-collapse"), count=2, simulate=True, workers=1, progress=False, **tables)


def path():
    return auto_encoder()[1]


def problem():
    return auto_encoder()[0].problem


def means():
    """Somebody else's measurements."""
    from asymptotics.autoencoder.measured import as_runs

    tau = [0.1, 0.3]
    b = {"tau": tau, "b": path()(np.array(tau)).b, "b_sem": [0.01, 0.02], "runs": 4}
    return as_runs(path(), b, dimension=100)[0]


def trained():
    from asymptotics.autoencoder.process.training.setup import sgd_problem
    from asymptotics.autoencoder.process.training.sgd import train

    return train(sgd_problem(problem()), 0, [0.1, 0.3, 0.5])


def generated():
    from asymptotics.autoencoder.process.generating.generate import Generator
    from asymptotics.autoencoder.process.generating.sampler_steps import sampler_steps
    from asymptotics.autoencoder.process.training.setup import forward_of

    run = trained()
    steps = sampler_steps(problem(), float(run.b[-1]))
    return Generator(forward_of(problem()), run.weights, **steps, directions=run.references).sample(60, 1)


def phase_diagram():
    from asymptotics.autoencoder.collapse.phases import phase_diagram as diagram

    return diagram(asy.example("model-collapse").problem, ("stop", [0.9, 0.95, 0.99]), ("tau", [1.0, 4.0]))


def of(module, name, *arguments, **options):
    """Call a function of the auto-encoder's room."""
    return getattr(importlib.import_module(f"asymptotics.autoencoder.{module}"), name)(*arguments, **options)


def regimes():
    started = saddle().replace({"denoiser.activation": "tanh", "denoiser.init": {"centroids": 0.1}})
    return asy.regimes(started, tau=[0.5], clones=[0.5], pairs=60)


def clones_in_space():
    from asymptotics.autoencoder.regimes.space import simulate_clusters

    return simulate_clusters(problem(), 0.5, np.array([0.6]), 10, 0, workers=1, progress=False)


def images():
    """Made by hand: `compare_images` takes seconds, and has its own tests."""
    from asymptotics.linear_diffusion.images import ImageComparison

    samples, theory = np.array([50, 100]), np.array([2.0, 1.5])
    measured = np.column_stack([theory + 0.01, [0.02, 0.01]])
    return ImageComparison(samples, measured, measured, measured, theory, theory, theory, 0.001, 1000, 100, 4, 1.5)


def linear():
    return asy.example("linear-overfitting").replace(
        {"linear_diffusion.dimension": 20, "linear_diffusion.samples": 30, "simulation.runs": 2}
    )


@cache
def mixture():
    experiment = asy.example("binary-mixture").replace(simulation={"dimension": 60, "runs": 3, "samples": 40})
    return asy.solve(experiment), asy.simulate(experiment, progress=False, workers=1)


def one_step():
    return asy.example("one-step").replace({"one_step.dimension": 5, "one_step.samples": 40, "simulation.runs": 4})


def probability_curve():
    from asymptotics.one_step.process.transition import probability_curve as curve

    return curve(one_step().problem, [10, 40], workers=1, progress=False)


def features():
    changes = {"simulation.dimension": 12, "simulation.runs": 2, "random_features.times": [0.1, 1.0, 10.0]}
    return asy.example("random-features").replace(changes)


def generated_features():
    from asymptotics.random_features import sample

    return sample(features().problem, [1.0, 100.0], points=10, steps=3, workers=1, progress=False)


@cache
def saddle():
    """Two clusters, one unit without overlap at rest."""
    return asy.Experiment(
        target={"weights": [0.5, 0.5], "centroids": [[2.0], [-2.0]]},
        denoiser={"hidden_units": 1, "skip": 1.0, "activation": "linear", "init": {"random": 0.317}},
        training={"times": [0.5], "learning_rate": 0.2, "tau": 1.0},
        simulation={"dimension": 200},
    )


def feature_digits():
    """Made by hand: `compare_digits` takes a minute, and has its own test."""
    from asymptotics.random_features import DigitsComparison

    theory, measured = np.array([0.9, 0.8]), np.array([[0.91, 0.82], [0.9, 0.81]])
    return DigitsComparison(100, 200, 2, np.array([1.0, 10.0]), theory, theory, measured, measured, {}, 1.5)


def interactions():
    return asy.example("interactions-banana").replace(simulation={"runs": 3})


def smoothing():
    return asy.example("score-smoothing").replace(simulation={"samples": 300, "runs": 2})


def sweep(folder):
    return asy.sweep(linear(), {"linear_diffusion.samples": [30, 60]}, out=folder, progress=False, workers=1)


MAKE = {
    "autoencoder.Collapse": lambda tmp: chain(),
    "autoencoder.CollapseRuns": lambda tmp: chain().simulation,
    "autoencoder.DenoisingError": lambda tmp: of("observables", "denoising_error", problem(), path()(0.5), [0.2, 0.7]),
    "autoencoder.Escape": lambda tmp: asy.escape(saddle()),
    "autoencoder.Gradient": lambda tmp: asy.gradient(
        saddle(), wrt=["training.learning_rate", "target.centroids[0][0]"]
    ),
    "autoencoder.Optimum": lambda tmp: asy.optimise(
        saddle(), "order_one", {"training.learning_rate": (0.01, 0.5, 2)}, starts=1, simulate=False
    ),
    "autoencoder.FixedPoints": lambda tmp: asy.fixed_points(saddle(), starts=1, progress=False),
    "autoencoder.FiniteRuns": lambda tmp: asy.simulate(
        asy.example("three-clusters").replace(
            {
                "training.tau": 0.2,
                "simulation.dimension": 40,
                "simulation.runs": 2,
                "simulation.samples": 10,
                "simulation.data": 10,
            }
        ),
        workers=1,
        progress=False,
    ),
    "autoencoder.Fluctuations": lambda tmp: of("finite_size.fluctuations", "fluctuations", path()),
    "autoencoder.GeneratedPoints": lambda tmp: generated(),
    "autoencoder.LearningCurves": lambda tmp: of("observables.learning_curves", "learning_curves", path(), [0.2, 0.5]),
    "autoencoder.Means": lambda tmp: means(),
    "autoencoder.ModeLearning": lambda tmp: of(
        "observables.linear_network", "learn", asy.solve(asy.example("linear-pca").replace({"training.tau": 2.0})), 51
    ),
    "autoencoder.ModeReport": lambda tmp: of("generated.modes", "mode_report", problem(), path()(0.5), points=2000),
    "autoencoder.Modes": lambda tmp: of(
        "generated.mode_finding",
        "find_modes",
        np.random.default_rng(0).standard_normal((2000, 1)) + [[-4.0], [4.0]] * 1000,
    ),
    "autoencoder.OrderParameterPath": lambda tmp: path(),
    "autoencoder.PhaseDiagram": lambda tmp: phase_diagram(),
    "autoencoder.Regimes": lambda tmp: regimes(),
    "autoencoder.Runs": lambda tmp: auto_encoder()[2],
    "autoencoder.SampleComplexity": lambda tmp: of("observables", "sample_complexity", path()),
    "autoencoder.ScoreError": lambda tmp: of(
        "observables.score_error", "score_error", problem(), path()(0.5), [0.2, 0.7]
    ),
    "autoencoder.SpaceRuns": lambda tmp: clones_in_space(),
    "autoencoder.Spectrum": lambda tmp: of("stability.points.spectrum", "growth_rates", saddle().problem),
    "autoencoder.TrainedRun": lambda tmp: trained(),
    "autoencoder.Typical": lambda tmp: asy.typical(saddle(), draws=2, tau=[0.5, 1.0], progress=False),
    "autoencoder.Vanishing": lambda tmp: of(
        "stability.points.vanishing", "vanishing_overlap", saddle().problem, largest=4
    ),
    "common.Spectrum": lambda tmp: importlib.import_module("asymptotics.common.numerics.laws.spectra").power_law(
        30, 1.0
    ),
    "common.Verdict": lambda tmp: asy.compare(path(), auto_encoder()[2]),
    "linear_diffusion.Averages": lambda tmp: asy.solve(linear()),
    "linear_diffusion.ImageComparison": lambda tmp: images(),
    "linear_diffusion.Runs": lambda tmp: asy.simulate(linear(), workers=1, progress=False),
    "linear_diffusion.Sweep": lambda tmp: asy.solve(linear(), samples=[30, 60]),
    "mixture_flow.Runs": lambda tmp: mixture()[1],
    "mixture_flow.Solution": lambda tmp: mixture()[0],
    "one_step.Simulated": lambda tmp: asy.simulate(one_step(), workers=1, progress=False),
    "one_step.Theory": lambda tmp: asy.solve(one_step()),
    "one_step.Transition": lambda tmp: probability_curve(),
    "interactions.Runs": lambda tmp: asy.simulate(interactions(), workers=1, progress=False),
    "interactions.Solution": lambda tmp: asy.solve(interactions()),
    "random_features.DigitsComparison": lambda tmp: feature_digits(),
    "random_features.Runs": lambda tmp: asy.simulate(features(), workers=1, progress=False),
    "random_features.Samples": lambda tmp: generated_features(),
    "random_features.Solution": lambda tmp: asy.solve(features(), kernel_limit=True),
    "relative_distance.RelativeDistance": lambda tmp: asy.memorisation(
        *(np.random.default_rng(k).standard_normal((20 + k, 2)) for k in range(3))
    ),
    "score_smoothing.Minimiser": lambda tmp: importlib.import_module(
        "asymptotics.score_smoothing.networks.variational"
    ).convex_program(2, 0.01, 0.1, knots=9),
    "score_smoothing.Particles": lambda tmp: asy.simulate(smoothing(), workers=1, progress=False),
    "score_smoothing.Solution": lambda tmp: asy.solve(smoothing(), at=[0.2], starts=[0.1], times=[0.01]),
    "score_smoothing.TrainedCircle": lambda tmp: importlib.import_module(
        "asymptotics.score_smoothing.networks.plane"
    ).train_circle(3, 0.05, hidden=8, noises=4, steps=200),
    "score_smoothing.TrainedScore": lambda tmp: importlib.import_module(
        "asymptotics.score_smoothing.networks.training"
    ).train(3, 0.02, hidden=8, noises=16, steps=200),
    "sweeps.Sweep": lambda tmp: sweep(tmp),
}


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    """The instance of a class, made once."""
    return cache(lambda name: MAKE[name](tmp_path_factory.mktemp("result")))


def test_every_result_has_an_instance_here():
    assert sorted(MAKE) == sorted(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_plot_is_its_own_and_documented(name):
    kind = KINDS[name]
    plot = getattr(kind, "plot", None)
    assert plot is not None, f"{kind.__name__} has no plot(ax=None): every result draws what it is about"
    first, second, *_ = inspect.signature(plot).parameters.values()
    assert (first.name, second.name, second.default) == ("self", "ax", None)
    assert "(figure, axes)" in plot.__doc__
    assert set(kind.COLUMNS) <= set(dir(kind)) | {f.name for f in dataclasses.fields(kind)}


def drawn(ax):
    return ax.has_data() or any(other.has_data() for other in ax.figure.axes)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_result_shows_itself(name, instance):
    result = instance(name)
    text = result.summary()
    assert len(text) > 20 and len(text) < 20_000 and "array(" not in text
    assert text in repr(result)
    assert not NEGATIVE_ZERO.search(text)
    page = result._repr_html_()
    # Well-formed: an unescaped "<" or "&" of a text is none. A table, the whole summary to open, a picture.
    parsed = ElementTree.fromstring(page)
    assert parsed.find("details/pre").text == text
    assert len(parsed.findall(".//table//tr")) > 1 and parsed.find("img").get("src").startswith(
        "data:image/png;base64,"
    )
    assert not plt.get_fignums()
    json.dumps(result.to_json(), allow_nan=False)
    figure, ax = result.plot()
    figure.canvas.draw()
    assert ax.figure is figure and drawn(ax) and (ax.get_xlabel() or ax.get_xticklabels())
    plt.close(figure)
    figure, ax = plt.subplots()
    returned = result.plot(ax)
    assert returned[0] is figure and returned[1] is ax
    assert drawn(ax)
    plt.close(figure)
    assert not plt.get_fignums()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_result_is_a_table(name, instance):
    pandas = pytest.importorskip("pandas")
    table = instance(name).to_dataframe()
    assert isinstance(table, pandas.DataFrame) and table.shape[0] > 0 and table.shape[1] > 0
    assert table.columns.is_unique and all(isinstance(c, str) and c for c in table.columns)
    # Entries are named as the figures do (Q_12); a key of an experiment file keeps its own name (target.centroids[0][0]).
    assert not any(re.search(r"\[\d+,", c) for c in table.columns)
    numbers = table.select_dtypes("float").to_numpy()
    assert not np.any(np.signbit(numbers) & (numbers == 0))
    assert table.select_dtypes("number").notna().to_numpy().any()


def same(one, other):
    """Equal to the last bit, types included."""
    if dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        for field in dataclasses.fields(one):
            if not field.metadata.get("transient"):
                same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, (list, tuple)):
        assert type(one) is type(other) and len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            same(a, b)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for k in one:
            same(one[k], other[k])
    else:
        assert one == other or (one != one and other != other)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_result_comes_back_from_its_file(name, instance, tmp_path):
    result = instance(name)
    again = type(result).load(result.save(tmp_path / "result.npz"))
    same(result, again)
    # What is not stored with a result, its summary cannot say again.
    without = {
        "autoencoder.Collapse": lambda: dataclasses.replace(result, simulation=None),
        "sweeps.Sweep": lambda: dataclasses.replace(result, reused=0),
    }
    assert again.summary() == without.get(name, lambda: result)().summary()
    figure, _ = again.plot()
    plt.close(figure)
