"""Random valid experiments obey what must hold for all of them; mutated files give one clear line or a result."""

from __future__ import annotations

import copy
import datetime
import random
import sys
import tomllib
from contextlib import contextmanager
from importlib import resources

import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.experiment import Experiment, system_of

# ---- random valid auto-encoders -------------------------------------------------------------------------------------


@st.composite
def experiments(draw, architectures=("tied",), activations=("tanh",), units=(2,)):
    """Tables of a random valid experiment with explicit initial overlaps (feasible for every atom)."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clusters, K, S = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    architecture, r = draw(st.sampled_from(architectures)), draw(st.sampled_from(units))
    p = 2 * r if architecture.startswith("untied") else r
    masses = rng.dirichlet(np.full(S, 3.0))
    basis = rng.normal(size=(S, K, K + 1))
    overlaps = basis @ basis.transpose(0, 2, 1) / (K + 1) * masses[:, None, None]
    # w = C u + noise in each atom: every joint Gram matrix is positive semi-definite.
    mixing = 0.5 * rng.normal(size=(S, p, K))
    noise = rng.normal(size=(S, p, p + 1))
    theta = mixing @ overlaps
    q = mixing @ overlaps @ mixing.transpose(0, 2, 1)
    q = q + 0.3 * noise @ noise.transpose(0, 2, 1) / (p + 1) * masses[:, None, None]
    q = (q + q.transpose(0, 2, 1)) / 2
    return {
        "target": {
            "centroids": rng.normal(size=(clusters, K)) * draw(st.sampled_from([0.3, 1.0, 2.5])),
            "weights": rng.dirichlet(np.full(clusters, 2.0)),
            "eigenvalues": rng.uniform(0.0, 2.0, size=(clusters, S)),
            "masses": masses,
            "reference_overlaps": overlaps,
        },
        "denoiser": {
            "architecture": architecture,
            "activation": draw(st.sampled_from(activations)),
            "hidden_units": r,
            "skip": 0.0 if architecture == "no_skip" else float(rng.normal() / 2),
            "init": {"Theta": theta, "Q": q},
        },
        "training": {
            "times": [float(rng.uniform(0.1, 0.95))],
            "learning_rate": float(rng.uniform(0.02, 0.4)),
            "weight_decay": float(rng.uniform(0.0, 0.5)),
            "tau": float(rng.uniform(0.2, 1.5)),
        },
    }


def _solve(tables):
    experiment = Experiment(**tables)
    return asy.solve(experiment, tolerance=1e-7), np.array(experiment.problem.target.reference_overlaps)


def _check_path(tables):
    path, overlaps = _solve(tables)
    at = path(np.linspace(0.0, path.tau_max, 41))
    for value in (at.Q, at.Theta, at.M, at.b, at.q, at.theta):
        assert np.all(np.isfinite(value))
    joint = np.block(
        [[at.q, at.theta], [np.swapaxes(at.theta, -1, -2), np.broadcast_to(overlaps, (41, *overlaps.shape))]]
    )
    scale = 1.0 + np.abs(joint).max()
    assert np.linalg.eigvalsh(joint).min() > -1e-6 * scale
    assert np.linalg.eigvalsh(at.Q).min() > -1e-6 * scale


SLOWLY = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}


@settings(max_examples=12, **SLOWLY)
@given(experiments())
def test_theory_is_finite_and_its_overlaps_are_those_of_vectors(tables):
    """Q, q(s) and [[q, Θ], [Θᵀ, T]](s) are Gram matrices: positive semi-definite along the whole path."""
    _check_path(tables)


@pytest.mark.slow
@settings(max_examples=60, **SLOWLY)
@given(experiments(("tied", "untied", "no_skip", "scaled"), ("tanh", "erf", "relu", "linear"), (1, 2)))
def test_every_architecture_is_finite_and_positive(tables):
    _check_path(tables)


def _changed(tables, **tables_of_changes):
    new = copy.deepcopy(tables)
    for name, changes in tables_of_changes.items():
        new[name].update(changes)
    return new


def _close(got, wanted, tolerance=2e-6):
    assert np.max(np.abs(got - wanted)) < tolerance * (1.0 + np.max(np.abs(wanted)))


@settings(max_examples=4, **SLOWLY)
@given(experiments(), st.integers(0, 2**32 - 1))
def test_invariances(tables, seed):
    """The theory knows no basis of the reference directions and no order of clusters, units and atoms."""
    rng = np.random.default_rng(seed)
    target, init = tables["target"], tables["denoiser"]["init"]
    path, _ = _solve(tables)
    tau = path.tau_max
    end = path(tau)
    K, S, p = target["centroids"].shape[1], len(target["masses"]), init["Q"].shape[-1]

    # Other orthonormal coordinates in the space of the reference directions: c → O c, T → O T Oᵀ, Θ → Θ Oᵀ.
    O = np.linalg.qr(rng.normal(size=(K, K)))[0]  # noqa: E741
    rotated = _changed(
        tables,
        target={"centroids": target["centroids"] @ O.T, "reference_overlaps": O @ target["reference_overlaps"] @ O.T},
    )
    rotated["denoiser"]["init"] = {"Theta": init["Theta"] @ O.T, "Q": init["Q"]}
    other = _solve(rotated)[0](tau)
    _close(other.Q, end.Q)
    _close(other.M, end.M)
    _close(other.Theta, end.Theta @ O.T)
    _close(other.b, end.b)

    order = rng.permutation(len(target["weights"]))
    rows = {key: target[key][order] for key in ("centroids", "weights", "eigenvalues")}
    other = _solve(_changed(tables, target=rows))[0](tau)
    _close(other.Q, end.Q)
    _close(other.M, end.M[:, order])

    order = rng.permutation(S)
    atoms = {"masses": target["masses"][order], "reference_overlaps": target["reference_overlaps"][order]}
    permuted = _changed(tables, target={**atoms, "eigenvalues": target["eigenvalues"][:, order]})
    permuted["denoiser"]["init"] = {"Theta": init["Theta"][order], "Q": init["Q"][order]}
    other = _solve(permuted)[0](tau)
    _close(other.q, end.q[order])
    _close(other.Q, end.Q)

    units = rng.permutation(p)
    permuted = copy.deepcopy(tables)
    permuted["denoiser"]["init"] = {"Theta": init["Theta"][:, units], "Q": init["Q"][:, units][:, :, units]}
    other = _solve(permuted)[0](tau)
    _close(other.Q, end.Q[np.ix_(units, units)])
    _close(other.M, end.M[units])

    # An odd activation: w_a → −w_a leaves (w_a/√d) σ(w_a·x/√d) as it is.
    signs = rng.choice([-1.0, 1.0], size=p)
    flipped = copy.deepcopy(tables)
    flipped["denoiser"]["init"] = {"Theta": signs[:, None] * init["Theta"], "Q": np.outer(signs, signs) * init["Q"]}
    other = _solve(flipped)[0](tau)
    _close(other.Q, np.outer(signs, signs) * end.Q)
    _close(other.M, signs[:, None] * end.M)
    _close(other.b, end.b)


# ---- mutated files --------------------------------------------------------------------------------------------------

CANARY = "asymptotics_canary"
VALUES = [
    0, -1, 1, 2, 3, 10**9, 10**400, -(10**400), 1e308, -1e308, 1e-320, -0.0, 0.5, float("nan"), float("inf"), True, False,
    "", "x", "t", "1/0", "1/t", "9**9**9**9", "(((9**64)**64)**64)**64", "exp(exp(exp(9)))", "sqrt(t - 2)", "1e6**64",
    f"__import__('os').system('touch {CANARY}')", f"open('{CANARY}', 'w')", "().__class__.__base__", "t.__class__",
    "/dev/null", "/etc/passwd", "..", "a\x00b", "é" * 500, "(" * 300, "mnist", "random", "tanh",
    [], [[]], [[], [1]], [1], [1.0, 2.0], ["a"], [[1, 2], [3]], [[[1]]], [float("nan")], [10**400], [True], [0] * 50, [{}],
    [[1e308]], [[-1e308, 1e308]], [1e-300], {}, {"a": 1}, {"power": 1.0}, {"Theta": [[1]]},
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.time(1, 2),
]  # fmt: skip
#: Examples that are cheap to read (one measures its target on thousands of digits).
NAMES = tuple(name for name in asy.examples() if name != "mnist-classes")
FRAGMENTS = [
    b"9" * 20, b"e9", b"-", b".", b'"', b"[", b"]", b"=", b"\n", b"{", b"}", b",", b"nan", b"inf", b"\x00", b"\xff", b"'",
    b"**", b"t", b"(", b"true", b"#", b"[[x]]\n", b"system = 3\n", "é".encode(), b"sqrt", b"/", b"__import__('os')",
]  # fmt: skip


def _text(name):
    return resources.files("asymptotics").joinpath("examples", f"{name}.toml").read_bytes()


def _places(value, at=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in items:
        yield (*at, key)
        yield from _places(entry, (*at, key))


def _mutated_table(rng):
    """A built-in experiment with one to three places changed, removed or added."""
    table = tomllib.loads(_text(rng.choice(NAMES)).decode())
    kinds = system_of(table.get("system", "autoencoder")).tables
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        deep = [place for place in _places(table) if len(place) > 1 or rng.random() < 0.1]
        if not deep:
            return table
        *path, last = rng.choice(deep)
        node = table
        for key in path:
            node = node[key]
        value, way = copy.deepcopy(rng.choice(VALUES)), rng.random()
        if way < 0.6:
            node[last] = value
        elif way < 0.7:
            del node[last]
        elif way < 0.96:
            name = rng.choice(list(kinds))
            known = list(getattr(kinds[name], "__dataclass_fields__", ["alpha", "beta", "preset"]))
            if isinstance(table.setdefault(name, {}), dict):
                table[name][rng.choice(known)] = value
        elif isinstance(node, dict):
            node[rng.choice(["x", "", "é", "__class__", "self", "table", "target"])] = value
        else:
            node.append(value)
    return table


def _mutated_text(rng):
    """The bytes of a built-in experiment's file with pieces removed, inserted, overwritten or repeated."""
    text = bytearray(_text(rng.choice(NAMES)))
    for _ in range(rng.choice([1, 1, 2, 4])):
        at, way = rng.randrange(len(text)), rng.random()
        if way < 0.3:
            del text[at : at + rng.choice([1, 1, 2, 8, 30])]
        elif way < 0.7:
            text[at:at] = rng.choice(FRAGMENTS)
        elif way < 0.9:
            text[at] = rng.randrange(256)
        else:
            start = rng.randrange(len(text))
            text[at:at] = text[start : start + 20]
    return bytes(text)


_WATCH: dict[str, list] = {}


def _audit(event, arguments):
    if "seen" not in _WATCH:
        return
    writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if writes or event in ("os.system", "subprocess.Popen", "os.exec", "os.fork", "os.remove", "os.rename", "os.mkdir",
                           "socket.connect", "shutil.rmtree", "pickle.find_class"):  # fmt: skip
        _WATCH["seen"].append((event, str(arguments[:2])))


sys.addaudithook(_audit)


@contextmanager
def nothing_but_reading():
    """Fails if anything in the block starts a process, connects, unpickles, or writes or removes a file."""
    _WATCH["seen"] = []
    try:
        yield
    finally:
        seen = _WATCH.pop("seen")
    assert not seen


def _read(table):
    try:
        Experiment.from_table(table, name="mutated")
    except asy.InputError as error:
        assert "\n" not in str(error), table
        assert len(str(error)) < 2000
        return 0
    return 1


def _warm_up():
    for name in NAMES:
        asy.example(name)


def _fuzz_tables(count, seed):
    _warm_up()
    rng = random.Random(seed)
    tables = [_mutated_table(rng) for _ in range(count)]
    with nothing_but_reading():
        valid = sum(map(_read, tables))
    # Most mutations break an experiment; some do not.
    assert 0.02 * count < valid < 0.5 * count


def _fuzz_files(count, seed, folder, capsys):
    _warm_up()
    rng = random.Random(seed)
    for k in range(count):
        file = folder / "mutated.toml"
        if k % 2:
            file.write_bytes(_mutated_text(rng))
        else:
            file.write_text(tomli_w.dumps(_mutated_table(rng)))
        with nothing_but_reading():
            # An experiment that is still valid is read, and then the unknown option refused.
            assert main(["solve", str(file), "--no-such-option"]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert captured.err.startswith("asymptotics: error: ")
    assert [p.name for p in folder.iterdir()] == ["mutated.toml"]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_mutated_tables_are_refused_in_one_line():
    _fuzz_tables(600, 1)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_mutated_files_exit_with_2_and_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _fuzz_files(300, 2, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_ten_thousand_mutations(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _fuzz_tables(6000, 3)
    _fuzz_files(4000, 4, tmp_path, capsys)


@pytest.mark.parametrize(
    ("name", "key", "value", "status"),
    [
        ("score-smoothing", "score_smoothing.start_time", "1e-320", 2),
        ("score-smoothing-circle", "score_smoothing.start_time", "1e-30", 2),
        ("score-smoothing", "score_smoothing.dimension", "1" + "0" * 400, 2),
        ("score-smoothing", "score_smoothing.points", "1000000000", 2),
        ("binary-mixture", "simulation.times", "1" + "0" * 400, 2),
        ("three-clusters", "denoiser.frozen", "3", 2),
        ("three-clusters", "interpolant.preset", "[]", 2),
        ("three-clusters", "target.centroids", "[[3, 0], [1e308, -3], [-3, 0]]", 3),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_extreme_numbers_are_one_line(name, key, value, status, capsys):
    """Found by the mutations above: values beyond what a float, the memory or the theory holds."""
    assert main(["solve", name, "--json", "--set", f"{key}={value}"]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("key", ["interpolant.alpha", "sampling.epsilon", "denoiser.activation", "training.schedule"])
@pytest.mark.parametrize(
    "text",
    ["(((9**64)**64)**64)**64", "exp(exp(exp(9)))", "1e6**64", "sin((9**64)**64)", "((1.5**64)**64)**64", "exp(64**64)",
     "2**(2**(2**(2**3)))", "log(0)", "0/0", "tan(pi/2)*exp(1e6)"],
)  # fmt: skip
def test_hostile_arithmetic_is_refused_quickly(key, text):
    """Numbers too large to compute are refused before they are computed; where a text is read later, by its reader."""
    from asymptotics.common.input.expressions import to_sympy

    variable = {"denoiser.activation": "x", "training.schedule": "tau"}.get(key, "t")
    with pytest.raises(asy.InputError) as caught:
        to_sympy(text, [variable], key)
    assert str(caught.value).startswith(key)
