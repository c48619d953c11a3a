"""Derived equations as source code and as a paper's appendix."""

from __future__ import annotations

import importlib.util
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import sympy

import asymptotics as asy
from derivations import Denoiser, architecture, derive, local_field
from derivations.topics import build, names


def gated():
    v, g = local_field("v"), local_field("g")
    kappa = sympy.Symbol("kappa")
    phi = sympy.tanh(v + kappa) * (1 + sympy.tanh(g)) / 2
    return derive(Denoiser("gated", vectors=("u", "v", "g"), terms=[("u", phi)], parameters=(kappa,)))


def loaded(system, language="numpy"):
    names: dict = {}
    exec(compile(system.code(language), language, "exec"), names)
    return names


def sample(p, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((p, p))
    return rng.standard_normal(p), rng.standard_normal(p), a @ a.T


def test_gradients_are_those_of_the_potential():
    """By central differences of the exported potential itself."""
    code = loaded(gated())
    l0, l1, q = sample(3)
    rest = (q, 0.4, [0.3], 0.3, 0.7)
    found = code["integrands"](l0, l1, *rest)
    step, eye = 1e-6, np.eye(3)

    def potential(x0, x1, gram=q):
        return code["potential"](x0, x1, gram, *rest[1:])

    for a in range(3):
        for c, d0, d1 in ((0, eye[a], 0 * eye[a]), (1, 0 * eye[a], eye[a])):
            slope = (potential(l0 + step * d0, l1 + step * d1) - potential(l0 - step * d0, l1 - step * d1)) / (2 * step)
            assert found[c][a] == pytest.approx(-slope / 2, abs=1e-8)
            up, down = (code["integrands"](l0 + s * step * d0, l1 + s * step * d1, *rest)[c] for s in (1, -1))
            np.testing.assert_allclose(found[2 + c][:, a], (up - down) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("activation", ["tanh", "erf"])
def test_the_drift_is_what_the_package_integrates(activation):
    """Moments of the exported integrands by Gauss-Hermite, put into the exported drift: the slope of the solved path."""
    exp = asy.Experiment(
        target={"centroids": [[1.5]], "weights": [1.0], "eigenvalues": [[0.6]]},
        denoiser={"hidden_units": 1, "activation": activation, "init": {"Theta": [[0.5]], "Q": [[0.6]]}},
        training={"times": [0.6], "learning_rate": 0.3, "weight_decay": 0.2, "tau": 2.0},
    )
    path = asy.solve(exp, tolerance=1e-9)
    code = loaded(derive(architecture("tied", 1, activation=activation)))
    at, h = path(1.0), 1e-4
    q, theta, b, c, s = at.Q[0, 0], at.Theta[0, 0], at.b, 1.5, 0.6
    x, w = np.polynomial.hermite_e.hermegauss(80)
    w = w / w.sum()
    moments = dict.fromkeys(("A", "H0", "H1", "P", "N0", "N1"), 0.0)
    for x0, w0 in zip(np.sqrt(q) * x, w, strict=True):
        for x1, w1 in zip(theta * c + np.sqrt(s * q) * x, w, strict=True):
            g0, g1, h0, h1, phat = code["integrands"]([x0], [x1], [[q]], b, 0.4, 0.6)
            for name, value in zip(
                moments, (g1[0], h0[0, 0], h1[0, 0], phat[0, 0], g0[0] ** 2, g1[0] ** 2), strict=True
            ):
                moments[name] += w0 * w1 * value
    shaped = [[moments["A"]], *([[moments[n]]] for n in ("H0", "H1", "P", "N0", "N1"))]
    d_theta, dq = code["drift"](*shaped, [theta], [[q]], [theta * c], c, s, 1.0, 0.3, 0.2, [1.0])
    ahead, behind = path(1.0 + h), path(1.0 - h)
    assert d_theta[0] == pytest.approx((ahead.Theta - behind.Theta)[0, 0] / (2 * h), abs=1e-6)
    assert dq[0, 0] == pytest.approx((ahead.Q - behind.Q)[0, 0] / (2 * h), abs=1e-6)


def test_jax_gives_the_same_numbers(tmp_path):
    """In a process of its own: JAX starts threads, after which no other test may fork."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("jax is not installed")
    system = gated()
    l0, l1, q = sample(3, 1)
    arguments = (l0, l1, q, 0.4, np.array([0.3]), 0.3, 0.7)
    call = (
        "import jax, numpy, pickle, sys; jax.config.update('jax_enable_x64', True)\n"
        "names = {}; exec(open(sys.argv[1]).read(), names)\n"
        "found = names['integrands'](*pickle.load(open(sys.argv[2], 'rb')))\n"
        "numpy.savez(sys.argv[3], *map(numpy.asarray, found))"
    )
    (tmp_path / "derived.py").write_text(system.code("jax"), encoding="utf-8")
    (tmp_path / "arguments").write_bytes(pickle.dumps(arguments))
    places = [str(tmp_path / name) for name in ("derived.py", "arguments", "found.npz")]
    subprocess.run([sys.executable, "-c", call, *places], check=True)
    with np.load(tmp_path / "found.npz") as found:
        theirs = [found[name] for name in found.files]
    for mine, other in zip(loaded(system)["integrands"](*arguments), theirs, strict=True):
        np.testing.assert_allclose(other, mine, rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_c_compiles_and_gives_the_same_numbers(tmp_path):
    import ctypes

    system = gated()
    (tmp_path / "derived.c").write_text(system.code("c"), encoding="utf-8")
    subprocess.run(
        ["cc", "-std=c99", "-Wall", "-Werror", "-Wno-unused-variable", "-shared", "-fPIC", "-o", "derived.so", "derived.c", "-lm"],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    l0, l1, q = sample(3, 2)
    kappa, ell = np.array([0.3]), np.zeros(1)

    def pointer(x):
        return x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))

    number = ctypes.c_double
    ctypes.CDLL(str(tmp_path / "derived.so")).derived_potential(
        pointer(l0), pointer(l1), pointer(q), number(0.4), pointer(kappa), number(0.3), number(0.7), pointer(ell)
    )
    assert ell[0] == pytest.approx(loaded(system)["potential"](l0, l1, q, 0.4, kappa, 0.3, 0.7), rel=1e-13)


@pytest.mark.parametrize("language", ["julia", "mathematica"])
def test_other_languages_are_well_formed(language):
    text = gated().code(language)
    assert all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))
    assert "tanh" in text.lower() and "**" not in text
    if language == "mathematica":
        assert "_" not in re.sub(r"\w+_(?=[,\]])", "", re.sub(r"\(\*.*?\*\)", "", text, flags=re.S))


def test_code_needs_a_chosen_activation_and_a_known_language():
    with pytest.raises(ValueError, match="activation is open"):
        derive(architecture("tied", 1)).code("numpy")
    with pytest.raises(ValueError, match="must be one of numpy, jax"):
        gated().code("fortran")


# the appendix ----------------------------------------------------------------------------------------------------


def test_vectors_are_named_as_the_user_named_them(tmp_path):
    text = gated().latex()
    assert "Q_{uv}" in text and "Q_{12}" not in text and r"\Delta q_{uu}" in text
    for engine_name in ("zu_", "DTheta", "E_{alpha2}", "Phat", "gammadelta", "sqrt("):
        assert engine_name not in text
    gated().report(tmp_path / "mine.md")
    gated().report(tmp_path / "mine.tex")
    assert (tmp_path / "mine.md").read_text(encoding="utf-8").startswith("# gated")
    with pytest.raises(ValueError, match=r"must end in \.md or \.tex"):
        gated().report(tmp_path / "mine.pdf")


def test_a_sentence_has_no_formula_left_in_ascii():
    from derivations.sentences import sentence

    assert (
        sentence("the fields omega_a = w_a.x_t/sqrt(d) here.")
        == r"the fields $\omega _{a} = w_{a}\cdot x_{t}/\sqrt{d}$ here."
    )
    # Words that end like an accented letter's name are words.
    assert (
        sentence("all that follows, what is left (that of x_c u)")
        == "all that follows, what is left (that of $x_{c} u$)"
    )
    assert sentence("Planck's equation, right-hand side") == "Planck's equation, right-hand side"
    assert sentence("with √ᾱ_t and Σ_G^{−1}") == r"with $\sqrt{\bar{\alpha }_{t}}$ and $\Sigma _{G}^{-1}$"


@pytest.mark.parametrize(
    ("name", "latex", "text"),
    [
        ("Q_1_2", "Q_{uv}", "Q_uv"), ("Q_1_3", r"Q_{u,\mathrm{enc}}", "Q_u,enc"), ("h_1_ab", "h^{(1)}_{ab}", "h¹_ab"),
        ("zu_0", "z^{(0)}_{n}", "z⁰_n"), ("DTheta_1", r"\Delta\Theta_{u}", "ΔΘ_u"), ("Phat_2_2", r"\hat P_{vv}", "P̂_vv"),
        ("lambda1_v", r"\lambda^{(1)}_{v}", "λ¹_v"), ("G_1_2", "G_{12}", "G₁₂"), ("h_1", "h_{1}", "h₁"),
    ],
)  # fmt: skip
def test_names_are_those_of_a_paper(name, latex, text):
    """Also where a vector has the name of the reference directions (u)."""
    from derivations.in_text import in_text
    from derivations.typeset import name_of

    shown = name_of(name, ("u", "v", "enc"))
    assert (shown, in_text(shown)) == (latex, text)


def test_a_printed_derivation_has_the_names_too():
    text = str(gated())
    assert "ΔΘ_u = " in text and "Q_uv" in text and "ℓ = " in text and "1 term\n" in text
    for engine_name in ("zu", "z_u", "Q₁", "ell", "DTheta", "_0_"):
        assert engine_name not in text


def test_lines_are_as_wide_as_their_functions():
    from derivations.typeset import latex, width

    x, gain = sympy.symbols("x gain")
    assert width(latex(sympy.tanh(x))) >= 7
    assert latex(gain * x * sympy.Symbol("alpha")) == r"\alpha\, \mathrm{gain}\, x"


ENGINES = [engine for engine in ("pdflatex", "lualatex") if shutil.which(engine)]


@pytest.mark.slow
@pytest.mark.skipif(not ENGINES, reason="no LaTeX on this machine")
@pytest.mark.parametrize("name", names())
def test_every_derivation_compiles_without_a_dropped_glyph(name, tmp_path):
    build(name).report(tmp_path / "appendix.tex")
    for engine in ENGINES:
        done = subprocess.run(
            [engine, "-interaction=nonstopmode", "-halt-on-error", "appendix.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        log = (tmp_path / "appendix.log").read_text(errors="replace")
        assert done.returncode == 0, log[-2000:]
        assert "Missing character" not in log
        too_wide = [float(x) for x in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
        assert max(too_wide, default=0.0) < 30.0
