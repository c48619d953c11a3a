"""Every key of an experiment file and every field of the JSON, from the classes that read and write them.

Nothing is listed here: keys are the fields of the settings (`Settings`), their meanings the entries of the numpydoc docstrings, their
symbols and units the class's ``NOTATION``. JSON fields are those of the result classes that a verb's function says it returns, and
what ``JSON`` of these classes adds. A new table or verb is therefore in the reference as soon as a room's ``system.py`` names it.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import get_args, get_type_hints

from ..common.input.checks import InputError, choice, closest
from ..common.input.notation import Notation
from ..common.input.numpydoc import Described, described, summary
from ..common.input.settings import Settings
from ..common.output.results import Result
from ..common.output.verdict import Verdict
from ..common.system import System
from ..experiment import SYSTEMS, all_systems, system_of

#: What fields mean that many results have, where their own docstrings do not say it.
SHARED = {
    "seconds": "time taken",
    "seed": "root of all random numbers",
    "notes": "remarks: why a number is null, what was neglected",
    "runs": "number of independent runs",
    "dimension": "d",
    "version": "of this package",
    "experiment": "the tables that made it",
    "settings": "the tables that made it",
    "parameters": "the tables that made it",
    "evaluations": "evaluations of the equations",
    "error_estimate": "estimated largest numerical error",
    "provenance": "versions, experiment and seed that made it",
}
#: What the command line writes beside a result's own fields.
HEAD = {"version": "of this package", "experiment": "name of the experiment", "seed": "seed of its simulation"}
#: What ``asymptotics compare --json`` writes beside the verdict.
COMPARED = {"theory": "what solve writes", "simulation": "what simulate writes"}


@dataclasses.dataclass(frozen=True)
class Key:
    """One key of an experiment file.

    Parameters
    ----------
    system, table, name : str
        ``[table] name`` of the system.
    symbol : str
        As the papers write it.
    also : tuple of str
        Further names that a file may use.
    kind : str
        Its type in words.
    default : str
        As in a file; empty where there is none, or where the meaning says what happens.
    meaning, unit : str
    required : bool
        Whether the table is worth nothing without it.
    """

    system: str
    table: str
    name: str
    symbol: str
    also: tuple[str, ...]
    kind: str
    default: str
    meaning: str
    unit: str
    required: bool


@dataclasses.dataclass(frozen=True)
class JsonField:
    """One field of the JSON object that a verb writes (``asymptotics VERB --json``).

    Parameters
    ----------
    system, verb, result, name : str
        ``result`` is the class.
    kind, meaning : str
        Type and meaning in words.
    """

    system: str
    verb: str
    result: str
    name: str
    kind: str
    meaning: str


def in_toml(value: object) -> str:
    """A value as a file says it; nothing for None."""
    if value is None or value is dataclasses.MISSING or value is inspect.Parameter.empty:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(in_toml, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{k} = {in_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)


def _kind(entry: Described | None, hint: object) -> str:
    words = entry.kind if entry is not None and entry.kind else str(hint if hint is not None else "")
    return words.removesuffix(", optional").replace(" | None", "").replace("Any", "")


def _nested(kind: type[Settings]) -> Iterator[type[Settings]]:
    """Settings of tables within a table, ``[denoiser.init]`` of ``[denoiser]``: they stand in the same package."""
    for other in Settings.__subclasses__():
        if other.__module__.rpartition(".")[0] == kind.__module__.rpartition(".")[0] and other.table.startswith(
            f"{kind.table}."
        ):
            yield other


def _keys_of(system: str, table: str, kind: type) -> Iterator[Key]:
    words = described(kind)
    if issubclass(kind, Settings):
        inner = {other.table.rpartition(".")[2]: other for other in _nested(kind)}
        for f in dataclasses.fields(kind):  # type: ignore[arg-type]
            if f.name in inner:
                continue
            default = f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
            yield _key(system, table, f.name, kind.notation(f.name), words.get(f.name), f.type, default)
        for name, other in inner.items():
            yield from _keys_of(system, f"{table}.{name}", other)
        return
    defaults = {name: p.default for name, p in inspect.signature(kind).parameters.items()}
    for name in getattr(kind, "KEYS", defaults):
        notation = getattr(kind, "NOTATION", {}).get(name, Notation())
        yield _key(system, table, name, notation, words.get(name), None, defaults.get(name))


def _key(
    system: str, table: str, name: str, notation: Notation, entry: Described | None, hint: object, default: object
) -> Key:
    meaning = (entry.meaning if entry is not None else "") or SHARED.get(name, "")
    required = default is dataclasses.MISSING
    kind = _kind(entry, hint)
    return Key(
        system, table, name, notation.symbol, notation.names, kind, in_toml(default), meaning, notation.unit, required
    )


def keys(place: str = "") -> list[Key]:
    """The keys at ``SYSTEM``, ``SYSTEM.TABLE`` or ``SYSTEM.TABLE.KEY``; of ``TABLE`` in every system that has it; all without a place.

    Raises
    ------
    InputError
        If there is no such place, with the nearest one.
    """
    everything = [
        key
        for system in all_systems()
        for table, kind in system.tables.items()
        for key in _keys_of(system.name, table, kind)
    ]
    if not place:
        return everything

    def at(key: Key) -> bool:
        full = f"{key.system}.{key.table}.{key.name}"
        short = full.removeprefix(f"{key.system}.")
        return any(name == place or name.startswith(f"{place}.") for name in (full, short))

    found = [key for key in everything if at(key)]
    if not found:
        first, _, rest = place.partition(".")
        if first in SYSTEMS and rest:
            names = [n for k in everything if k.system == first for n in (k.table, f"{k.table}.{k.name}")]
            near = closest(rest, names)
            near = near.replace("mean ", f"mean {first}.") if near else ""
        else:
            near = closest(
                place, [*SYSTEMS, *dict.fromkeys(n for k in everything for n in (k.table, f"{k.table}.{k.name}"))]
            )
        raise InputError(f"keys {place}: no such system, table or key; systems are {', '.join(SYSTEMS)}{near}")
    return found


def json_fields(system: str, verb: str) -> list[JsonField]:
    """The fields of the JSON object of a verb, ``compare`` included."""
    choice("system", system, SYSTEMS)
    room = system_of(system)
    beside = COMPARED if verb == "compare" else {}
    return [
        JsonField(system, verb, kind.__name__, name, *words)
        for kind in _results(room, verb)
        for name, words in _fields(kind).items()
    ] + [JsonField(system, verb, "dict", name, "object", meaning) for name, meaning in beside.items()]


def _results(room: System, verb: str) -> list[type[Result]]:
    if verb == "compare":
        return [Verdict]
    door = room.verb(verb)
    hint = get_type_hints(getattr(room.module(door.module), door.function)).get("return")
    return [part for part in (hint, *get_args(hint)) if isinstance(part, type) and issubclass(part, Result)]


def _fields(kind: type[Result]) -> dict[str, tuple[str, str]]:
    words, added, hints = described(kind), dict(kind.JSON), get_type_hints(kind)
    own = [f.name for f in dataclasses.fields(kind) if not f.metadata.get("transient")]  # type: ignore[arg-type]
    names = [*([n for n in added if n != "*"] if added else own)]
    if "*" in added:
        names = list(dict.fromkeys([*(n for n in own if n != "starts" or "from" not in added), *names]))
    found = {}
    for name in dict.fromkeys([*names, "version", "provenance"]):
        entry = words.get(name)
        meaning = added.get(name) or (entry.meaning if entry is not None else "") or SHARED.get(name, "")
        meaning = meaning or _of_class(hints.get(name))
        found[name] = ("" if entry is None or added.get(name) else entry.kind, meaning)
    return found


def _of_class(hint: object) -> str:
    """What a field is that holds a small class of its own: the first sentence of that."""
    for part in (hint, *get_args(hint)):
        if dataclasses.is_dataclass(part) and isinstance(part, type):
            return summary(part)
    return ""


def table_of(system: System, table: str) -> str:
    """What a table is, in one sentence."""
    return summary(system.tables[table]).split(". ")[0].rstrip(".") if table in system.tables else ""


def as_text(found: list[Key], width: int = 110) -> str:
    """The keys for a person, table by table."""
    lines: list[str] = []
    place = ("", "")
    for key in found:
        if (key.system, key.table) != place:
            place = (key.system, key.table)
            says = table_of(system_of(key.system), key.table)
            lines += ["", f"[{key.table}]  of {key.system}" + (f": {says}" if says else "")]
        symbol = f"  {key.symbol}" if key.symbol else ""
        default = " (required)" if key.required else f" = {key.default}" if key.default else ""
        also = f"  also: {', '.join(key.also)}" if key.also else ""
        lines.append(f"  {key.name}{default}{symbol}  {{{key.kind}}}{also}".replace("  {}", ""))
        meaning = key.meaning + (f" [{key.unit}]" if key.unit else "")
        lines += textwrap.wrap(meaning, width, initial_indent="      ", subsequent_indent="      ")
    return "\n".join(lines[1:])
