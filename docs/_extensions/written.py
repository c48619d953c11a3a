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


def keys(folder: Path) -> None:
    """Every key of an experiment file, from the settings classes."""
    from asymptotics.cli import reference

    lines = ["# Keys of experiment files", "", "`asymptotics keys [SYSTEM[.TABLE]]` prints the same.", ""]
    place = ("", "")
    for key in reference.keys():  # noqa: SIM118 (a function, not a mapping)
        if key.system != place[0]:
            lines += [f"## {key.system}", ""]
        if (key.system, key.table) != place:
            place = (key.system, key.table)
            lines += [
                f"### `[{key.table}]` ({key.system})",
                "",
                "| key | symbol | type | default | meaning | unit |",
                "|---|---|---|---|---|---|",
            ]
        name = f"`{key.name}`" + (" (required)" if key.required else "")
        also = f" Also: {', '.join(f'`{n}`' for n in key.also)}." if key.also else ""
        default = f"`{key.default}`" if key.default else ""
        cells = (name, key.symbol, key.kind, default, key.meaning + also, key.unit)
        lines.append("| " + " | ".join(_cell(c) for c in cells) + " |")
        lines += []
    (folder / "keys.md").write_text("\n".join(_spaced(lines)), encoding="utf-8")


def json_fields(folder: Path) -> None:
    """Every field of the JSON that a verb writes, from the result classes."""
    from asymptotics.cli import reference
    from asymptotics.experiment import system_of

    lines = [
        "# Fields of the JSON",
        "",
        "One object on standard output with `--json`; lists run along the times shown.",
        "",
    ]
    for system in rooms():
        lines += [f"## {system}", ""]
        for verb in (*system_of(system).verbs, "compare"):
            found = reference.json_fields(system, verb)
            lines += [
                f"### `asymptotics {verb}` ({system})",
                "",
                "| result | field | type | meaning |",
                "|---|---|---|---|",
            ]
            lines += ["| " + " | ".join(map(_cell, (f.result, f"`{f.name}`", f.kind, f.meaning))) + " |" for f in found]
            lines += [""]
    (folder / "json.md").write_text("\n".join(_spaced(lines)), encoding="utf-8")


def _cell(text: str) -> str:
    """A cell of a Markdown table: what would be read as mark-up stands for itself."""
    text = " ".join(text.replace("``", "`").split())
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("$", "\\$").replace("{", "\\{")


def _spaced(lines: list[str]) -> list[str]:
    """A blank line before every heading."""
    out: list[str] = []
    for line in lines:
        if line.startswith("#") and out and out[-1]:
            out.append("")
        out.append(line)
    return [*out, ""]


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
    keys(folder)
    json_fields(folder)
    command_line(folder)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write)
    app.connect("autodoc-process-docstring", bars, priority=900)
    return {"parallel_read_safe": True}
