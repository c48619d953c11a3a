"""Calls of Python functions: options of every system, and what makes no sense in a sentence."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy


def test_help_lists_every_option_of_every_system():
    for verb, function in (("solve", asy.solve), ("simulate", asy.simulate), ("collapse", asy.generations)):
        for system in asy.experiment.all_systems():
            for option in system.verbs[verb].options if verb in system.verbs else ():
                assert f"    {option.name} : " in function.__doc__
    assert "keys of [simulation]" in asy.simulate.__doc__


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda e, p: asy.compare(p, p), "runs = OrderParameterPath: must be what simulate gives"),
        (lambda e, p: asy.compare(p, e), "result = Experiment"),
        (lambda e, p: asy.compare(asy.solve("binary-mixture"), p), "must come from the same system"),
        (lambda e, p: asy.solve(e, bogus=1), "bogus: unknown option"),
        (lambda e, p: asy.solve(e, dimension=3), "a key of the experiment: [simulation] dimension"),
        (lambda e, p: asy.solve(e, companion=True), "an option of simulate"),
        (lambda e, p: asy.solve(e, within=0.3), "an option of solve for the system score_smoothing"),
        (lambda e, p: asy.compare(p, {"tau": [1.0]}), "dimension: missing"),
        (lambda e, p: asy.compare(asy.solve("binary-mixture"), {"tau": [1.0]}), "takes no arrays"),
    ],
)
def test_calls_that_make_no_sense_are_a_sentence(three_clusters, three_clusters_path, call, said):
    with pytest.raises(asy.InputError) as caught:
        call(three_clusters, three_clusters_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_labels_as_pandas_has_them():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(60, 5)) + np.repeat([[2.0], [0.0]], 30, axis=0)
    labels = pandas.Series(["a"] * 30 + ["b"] * 30)
    wanted = asy.GaussianMixture.from_samples(samples, np.repeat(["a", "b"], 30), 2, diagonal=True)
    for kind in ("object", "category", "string"):
        found = asy.GaussianMixture.from_samples(pandas.DataFrame(samples), labels.astype(kind), 2, diagonal=True)
        assert found.labels.tolist() == ["a", "b"]
        assert np.array_equal(found.centroids, wanted.centroids)
    labels[29] = None
    with pytest.raises(asy.InputError, match=r"labels\[29\]: is missing"):
        asy.GaussianMixture.from_samples(samples, labels, 2)
    samples[3, 2] = np.nan
    with pytest.raises(asy.InputError, match=r"samples\[3, 2\] = nan"):
        asy.GaussianMixture.from_samples(samples, atoms=2)
    with pytest.raises(asy.InputError, match="masked array"):
        asy.GaussianMixture.from_samples(np.ma.masked_invalid(samples), atoms=2)
