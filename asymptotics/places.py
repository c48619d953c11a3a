"""Where a key or an option belongs that is none of its table or verb: another table, another system."""

from __future__ import annotations

import dataclasses
import inspect
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from .common.input.checks import InputError, nearest
from .common.input.notation import TABLES
from .common.input.settings import Settings
from .common.system import System

#: All systems, made on demand: only an error asks for those of other rooms.
Systems = Callable[[], Iterable[System]]


@cache
def stand_ins(system: str) -> Mapping[str, Mapping[str, Any]]:
    """Allowed values of keys by table: those of the system's built-in experiments, the first that has the key."""
    found: dict[str, dict[str, Any]] = {}
    for entry in sorted(
        resources.files(__package__).joinpath("examples").iterdir(), key=lambda e: (len(e.name), e.name)
    ):
        if not entry.name.endswith(".toml"):
            continue
        table = tomllib.loads(entry.read_text(encoding="utf-8"))
        if table.get("system") == system:
            for name, keys in table.items():
                if isinstance(keys, dict):
                    found[name] = {**keys, **found.get(name, {})}
    return found


def _names(kind: type) -> set[str]:
    return {*keys_of(kind), *kind.also()} if issubclass(kind, Settings) else set()


def _holders(key: str, system: System, further: bool = True) -> Iterator[str]:
    """The tables of a system that have a key (by a ``further`` name too), as ``[table] key``."""
    for table, kind in system.tables.items():
        if key in (_names(kind) if further else keys_of(kind)):
            yield f"[{table}] {system.also(table).get(key, key)}"


def key_elsewhere(error: InputError, system: System, systems: Systems) -> InputError:
    """The same error, which also says where the unknown key belongs."""
    key = error.key.rpartition(".")[2] if "." in error.key else ""
    if error.kind != "unknown" or not key or "did you mean" in str(error) or str(error).endswith(")"):
        return error
    here = list(_holders(key, system))
    if here:
        return _added(error, f" (it belongs in {' or '.join(here)})")
    for other in systems():
        # Symbols of another system mean other things there.
        found = list(_holders(key, other, further=False)) if other.name != system.name else []
        if found:
            return _added(error, f" ({found[0]} is a key of the system {other.name}; this is {system.name})")
    return error


def _added(error: InputError, words: str) -> InputError:
    return InputError(f"{error}{words}", key=error.key, kind=error.kind, allowed=error.allowed)


def meant_table(name: str, system: System) -> str | None:
    """The table of the system that an unknown name nearly is, or is another word for."""
    allowed = list(system.tables)
    meant = [table for table in TABLES.get(name.lower(), ()) if table in allowed]
    return meant[0] if meant else nearest(name, allowed)


def of_another(tables: Iterable[str], system: System, systems: Systems) -> bool:
    """Whether all tables are those of one other system: the file lacks its ``system``, and no table of this one."""
    given = set(tables)
    return bool(given - set(system.tables)) and any(
        given <= set(other.tables) for other in systems() if other.name != system.name
    )


def unknown_table(name: str, system: System, systems: Systems) -> InputError:
    """The error of a table that the system does not have: the nearest one, or the system that has it."""
    allowed, meant = list(system.tables), meant_table(name, system)
    hint = "" if meant is None else f" (did you mean {meant}?)"
    if not hint:
        others = [other.name for other in systems() if name in other.tables]
        hint = f' (a table of the system {", ".join(others)}: say system = "{others[0]}")' if others else ""
    holders = "" if hint else " or ".join(_holders(name, system))
    hint = f" (a key of {holders.replace('] ', '], as ')})" if holders else hint
    return InputError(f"{name}: unknown table; allowed are {', '.join(allowed)}{hint}", key=name, kind="unknown")


def option_elsewhere(error: InputError, system: System, systems: Systems) -> InputError:
    """The same error, which also says which verb or system an unknown option belongs to."""
    if error.kind != "unknown" or "did you mean" in str(error):
        return error
    tables = list(_holders(error.key, system))
    if tables:
        return _added(error, f" (a key of the experiment: {' or '.join(tables)})")
    verbs = [verb for verb, found in system.verbs.items() if error.key in found.names]
    if verbs:
        return _added(error, f" (an option of {', '.join(verbs)})")
    for other in systems():
        for verb, found in other.verbs.items():
            if other.name != system.name and error.key in found.names:
                return _added(error, f" (an option of {verb} for the system {other.name}; this is {system.name})")
    return error


F = TypeVar("F", bound=Callable[..., Any])


def with_options(verb: str, systems: Systems) -> Callable[[F], F]:
    """Decorator: the docstring also lists the options of a verb, system by system, so that ``help`` shows them all.

    They are added when the function is first taken from the package, whose ``__getattr__`` calls its ``complete``: listing them
    loads every system, which a process that solves one of them need not do.
    """

    def told(function: F) -> F:
        def complete() -> None:
            function.__doc__ = inspect.cleandoc(function.__doc__ or "") + "\n".join(["", *_options(verb, systems)])

        vars(function)["complete"] = complete
        return function

    return told


def _options(verb: str, systems: Systems) -> list[str]:
    lines = ["", "Options by system", "-----------------"]
    for system in systems():
        if verb not in system.verbs:
            continue
        door = system.verb(verb)
        lines.append(system.name)
        for option in door.options:
            kind = (
                f"{option.kind.__name__}{' or list of them' * option.many}" if option.kind is not object else "object"
            )
            lines.append(f"    {option.name} : {kind}: {option.says}")
        if not door.options:
            lines.append("    none")
        if door.table:
            lines.append(f"    and the keys of [{door.table}] ({', '.join(keys_of(system.tables[door.table]))})")
    return lines


def keys_of(kind: type) -> list[str]:
    """The keys of a table, where its class says them."""
    return [f.name for f in dataclasses.fields(kind)] if issubclass(kind, Settings) else []  # type: ignore[arg-type]
