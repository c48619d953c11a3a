"""Guards that do not vanish: bad input and false identities raise under ``python -O`` as well."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import sympy

from derivations.identity import DerivationError, require, require_zero

ROOT = Path(__file__).parent.parent
MODULES = sorted(p for package in ("asymptotics", "derivations", "figures") for p in (ROOT / package).rglob("*.py"))


def test_no_assert_in_the_packages():
    """An ``assert`` is a statement for tests: ``python -O`` drops it."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) or (isinstance(node, ast.Name) and node.id in ("__debug__", "AssertionError"))
    ]
    assert len(MODULES) > 150
    assert found == []


def test_a_false_identity_is_named():
    x = sympy.Symbol("x")
    require(True, "nothing")
    require_zero((x + 1) ** 2 - x**2 - 2 * x - 1, "the binomial")
    with pytest.raises(DerivationError, match=r"the binomial: .*x.* is not zero"):
        require_zero((x + 1) ** 2 - x**2 - 1, "the binomial")
    with pytest.raises(DerivationError, match="the sum: does not hold"):
        require(sympy.Integer(1) == 2, "the sum")


def test_one_verdict_for_all_derivations():
    """An identity is required by `derivations.identity` alone."""
    for path in (ROOT / "derivations").rglob("*.py"):
        if path.name != "identity.py":
            assert "ArithmeticError" not in path.read_text(encoding="utf-8"), path


BAD = """
import sys
import numpy as np
import sympy
import asymptotics as asy
from asymptotics.common.input import expressions
from asymptotics.linear_diffusion.settings import LinearDiffusion
import derivations.autoencoder.sampling.collapse, derivations.autoencoder.dynamics.linear_network, derivations.autoencoder.training.skip
from derivations import Denoiser, derive, local_field
from derivations.identity import DerivationError

if sys.flags.optimize != 1 or __debug__:
    sys.exit("not optimised")


def increment_that_grows():
    system = derive(Denoiser("d", ("u",), [("u", sympy.tanh(local_field("u")))]))
    from derivations.autoencoder.network.names import d
    system._increment(d**2, sympy.Integer(0))


def false_claim(module, name, wrong, call):
    def run():
        right = getattr(module, name)
        setattr(module, name, lambda *arguments, **options: wrong(right(*arguments, **options)))
        try:
            call()
        finally:
            setattr(module, name, right)
    return run


cases = {
    "weight": (asy.InputError, lambda: asy.Experiment(target={"centroids": [[1.0]], "weights": [2.0]}, training={})),
    "dimension": (asy.InputError, lambda: LinearDiffusion(spectrum={"power": 1.0}, samples=10)),
    "times": (asy.InputError, lambda: asy.example("three-clusters").replace({"training.times": [1.5]})),
    "call": (asy.InputError, lambda: expressions.to_sympy("x.y(1)", ["x"], "f")),
    "constant": (asy.InputError, lambda: expressions.to_sympy("'text' + x", ["x"], "f")),
    "sweep": (asy.InputError, lambda: asy.sweep("one-step", {"one_step.samples": []}, out="unused")),
    "increment": (DerivationError, increment_that_grows),
    "skip": (
        DerivationError,
        false_claim(
            sympy, "dsolve", lambda equation: sympy.Eq(equation.lhs, 2 * equation.rhs),
            derivations.autoencoder.training.skip.exponential.__wrapped__,
        ),
    ),
    "plateau": (
        DerivationError,
        false_claim(
            derivations.autoencoder.dynamics.linear_network, "plateau", lambda x: x + 1,
            derivations.autoencoder.dynamics.linear_network.saturation,
        ),
    ),
    "slope": (
        DerivationError,
        false_claim(
            derivations.autoencoder.training.skip, "parameters", lambda p: {k: v**2 for k, v in p.items()},
            derivations.autoencoder.sampling.collapse.slope_at_fixed_point,
        ),
    ),
}
for name, (kind, call) in cases.items():
    try:
        call()
    except kind as error:
        print(name, "refused:", " ".join(str(error).split())[:70])
    else:
        sys.exit(f"{name}: went through")
print(len(cases))
"""


def test_bad_input_and_false_identities_are_refused_under_optimisation():
    done = subprocess.run([sys.executable, "-O", "-c", BAD], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.split()[-1] == "10" and done.stdout.count("refused:") == 10
