"""Pages of the reference that are written from the code itself: every public name, every key, every field, every command."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
from pathlib import Path

from sphinx.application import Sphinx

#: What a user imports, in the order of the pages.
PACKAGES = {
    "asymptotics": "What every system shares",
    "asymptotics.tools": "Tools for scripts",
    "derivations": "The symbolic layer",
}


def rooms() -> list[str]:
    """Names of the solvable systems."""
    from asymptotics.experiment import SYSTEMS

    return list(SYSTEMS)


def _directive(name: str, value: object, again: bool) -> str:
    """What Sphinx shall write of a public name; one that stands on an earlier page too is indexed there."""
    options = "   :no-index:\n" if again else ""
    if inspect.isclass(value):
        return f".. autoclass:: {name}\n   :members:\n{options}"
    if callable(value):
        return f".. autofunction:: {name}\n{options}"
    return ""


#: Literals and roles, where signs stand for themselves.
VERBATIM = re.compile(r"(``.*?``|:[\w:]+:`[^`]*`)")


def bars(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """In a docstring |x| is an absolute value, never a substitution of reStructuredText."""
    inside = None
    for k, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if inside is not None and (not line.strip() or indent > inside):
            continue
        inside = indent if re.match(r"\s*\.\. (math|code-block)::", line) else None
        if inside is None:
            parts = VERBATIM.split(line)
            # A lone star is no emphasis either: τ*, *shape.
            signs = r"[|*]" if sum(p.count("*") for p in parts[::2]) % 2 else r"[|]"
            lines[k] = "".join(p if n % 2 else re.sub(signs, r"\\\g<0>", p) for n, p in enumerate(parts))


def api(folder: Path) -> None:
    """A page a package with its public names."""
    out = folder / "api"
    out.mkdir(exist_ok=True)
    titles = PACKAGES | {f"asymptotics.{room}": f"System {room}" for room in rooms()}
    seen: set[int] = set()
    index = ["Public names", "============", "", ".. toctree::", "   :maxdepth: 1", ""]
    for package, title in titles.items():
        module = importlib.import_module(package)
        names = [n for n in module.__all__ if not n.startswith("_") and not inspect.ismodule(getattr(module, n))]
        heading = f"``{package}``: {title}"
        lines = [heading, "=" * (len(heading) + 4), "", f".. currentmodule:: {package}", ""]
        for name in names:
            value = getattr(module, name)
            lines.append(_directive(f"{package}.{name}", value, id(value) in seen))
            seen.add(id(value))
        (out / f"{package}.rst").write_text("\n".join(lines), encoding="utf-8")
        index.append(f"   api/{package}")
    (folder / "api.rst").write_text("\n".join([*index, ""]), encoding="utf-8")


def command_line(folder: Path) -> None:
    """What ``--help`` says of every command."""
    from asymptotics.cli import commands, main, own_commands

    lines = ["# Command line", ""]
    for command in sorted(commands() | own_commands()):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
            main([command, "--help"])
        lines += [f"## {command}", "", "```text", said.getvalue().rstrip(), "```", ""]
    (folder / "command_line.md").write_text("\n".join(lines), encoding="utf-8")


def write(app: Sphinx) -> None:
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    api(folder)
    command_line(folder)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", bars, priority=900)
    return {"parallel_read_safe": True}
