"""The house: imports go downward only, and no module needs itself to be imported."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("autoencoder", "mixture_flow", "linear_diffusion", "one_step", "score_smoothing")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("derivations", "asymptotics", "figures")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def floor(module: str) -> int:
    """0 derivations, 1 common tools, 2 rooms, 3 the rest of asymptotics, 4 figures."""
    parts = module.split(".")
    if parts[0] != "asymptotics":
        return {"derivations": 0, "figures": 4}[parts[0]]
    if len(parts) > 1 and parts[1] == "common":
        return 1
    return 2 if len(parts) > 1 and parts[1] in ROOMS else 3


def imports(module: str, *, everywhere: bool) -> set[str]:
    """Modules of this project that ``module`` imports; at import time only, unless ``everywhere``."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join(parts[: len(parts) - node.level + 1] + ([base] if base else []))
            for name in node.names:
                found.add(f"{base}.{name.name}" if f"{base}.{name.name}" in MODULES else base)
        elif isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        for child in ast.iter_child_nodes(node):
            late = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or (
                isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            )
            if everywhere or not late:
                visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return {name for name in found if name in MODULES and name != module}


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downward(module):
    for other in imports(module, everywhere=True):
        # `__version__` of the package is all that a room may know of what stands above it; the command line calls figures.
        if other == "asymptotics" or (module == "asymptotics.cli" and other == "figures.__main__"):
            continue
        assert floor(other) <= floor(module), f"{module} imports {other} from above"
        if floor(module) == floor(other) == 2:
            assert module.split(".")[1] == other.split(".")[1], f"{module} imports another room: {other}"


def test_no_module_needs_itself_to_be_imported():
    graph = {module: imports(module, everywhere=False) - {"asymptotics", "derivations"} for module in MODULES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join([*trail, module])
        if module not in done:
            for other in graph[module]:
                visit(other, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_derivations_know_only_sympy():
    for module in MODULES:
        if module.startswith("derivations"):
            text = MODULES[module].read_text(encoding="utf-8")
            for package in ("numpy", "scipy", "matplotlib", "numba"):
                assert f"import {package}" not in text, f"{module} imports {package}"


@pytest.mark.parametrize(
    "room", ["", ".autoencoder", ".mixture_flow", ".linear_diffusion", ".one_step", ".score_smoothing"]
)
def test_every_name_of_the_stub_loads(room):
    """The stub is what type checkers see and what is loaded on first use: one list for both."""
    package = importlib.import_module(f"asymptotics{room}")
    for name in package.__all__:
        assert getattr(package, name) is not None
        assert name in dir(package)
