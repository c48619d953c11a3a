"""Experiments: a TOML file, or the same keys as keyword arguments, turned into checked settings of one room."""

from __future__ import annotations

import contextlib
import copy
import html
import importlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from .common.input.checks import InputError, choice, closest, fail
from .common.input.collecting import settle
from .common.input.data_files import data_files, unchanged
from .common.input.nested import copied, in_file, merged, read_table, set_key, short
from .common.input.settings import Settings
from .common.output.files import write_atomically
from .common.output.notebook import cell, page
from .common.output.notebook import table as html_table
from .common.output.provenance import Plain, made_from, plain
from .common.system import System
from .places import key_elsewhere, meant_table, of_another, stand_ins, unknown_table

#: Rooms by the name of their solvable system.
SYSTEMS = (
    "autoencoder",
    "mixture_flow",
    "linear_diffusion",
    "one_step",
    "score_smoothing",
    "random_features",
    "interactions",
)


def system_of(name: str) -> System:
    """What the room of that name says of itself."""
    choice("system", name, SYSTEMS)
    system: System = importlib.import_module(f"{__package__}.{name}.system").SYSTEM
    return system


def all_systems() -> Iterator[System]:
    """What every room says of itself."""
    return map(system_of, SYSTEMS)


class Experiment:
    """A checked experiment of one solvable system.

    Parameters
    ----------
    system : str
        The room: autoencoder, mixture_flow, linear_diffusion, one_step, score_smoothing, random_features or interactions.
    name, description : str
    **tables : mapping
        The tables of an experiment file by name, each a mapping of its keys (``target={...}, training={...}``).

    Attributes
    ----------
    room : System
        What the system's room says of itself.
    tables : dict
        The keys as given.
    problem : object
        The room's frozen problem, built from checked settings.
    data : dict
        SHA-256 of every data file that the tables name, as it was when the problem was built.

    Raises
    ------
    InputError
        One line: the key, its value, what is allowed.
    """

    def __init__(
        self, /, *, system: str = "autoencoder", name: str = "experiment", description: str = "", **tables: Any
    ) -> None:
        self._make(system, str(name), str(description), tables, {})

    def _make(self, system: str, name: str, description: str, tables: dict[str, Any], known: Mapping[str, Any]) -> None:
        """Build from the tables; ``known`` are the settings of those that are known to be the same as another's."""
        self.system, self.name, self.description = system, name, description
        self.room = system_of(system)
        tables = self.room.present_tables(tables)
        allowed = self.room.tables
        errors = [unknown_table(table, self.room, all_systems) for table in tables if table not in allowed]
        meant, elsewhere = " ".join(map(str, errors)), of_another(tables, self.room, all_systems)
        for table in self.room.required:
            if table not in tables and f"did you mean {table}?" not in meant and not elsewhere:
                errors.append(
                    InputError(f"{table}: missing; an experiment of the system {system} needs this table", key=table)
                )
        self.tables: dict[str, Any] = {k: copied(v) for k, v in tables.items()}
        settings, wrong = self._settings(allowed, known)
        errors += [key_elsewhere(error, self.room, all_systems) for error in wrong]
        if errors:
            raise InputError.of(errors)
        # (No table of an experiment without files of data names one.)
        self._made, self.data = settings, data_files({k: v for k, v in self.tables.items() if k not in known})
        self.problem = self.room.problem(**settings)

    def _misnamed(self, name: str) -> Any:
        """The table under another name that is meant to be this one: its keys are checked with all others."""
        for given, keys in self.tables.items():
            if given not in self.room.tables and meant_table(given, self.room) == name:
                return self.room.present_tables({name: keys})[name]
        return None

    def _settings(
        self, allowed: Mapping[str, type], known: Mapping[str, Any]
    ) -> tuple[dict[str, Any], list[InputError]]:
        """The settings of every table, and what is wrong with any of them."""
        settings: dict[str, Any] = {}
        errors: list[InputError] = []
        for name, kind in allowed.items():
            if name in known:
                settings[name] = known[name]
                continue
            given = self.tables.get(name, self._misnamed(name))
            if name in self.room.required and given is None:
                continue

            def examples(table: str = name) -> Mapping[str, Any]:
                return stand_ins(self.system).get(table, {})

            settings[name], wrong = settle(kind, name, copied({} if given is None else given), examples)
            errors += wrong
        return settings, errors

    @classmethod
    def from_table(cls, table: Mapping[str, Any], name: str = "experiment") -> Experiment:
        """From the mapping that a TOML file holds."""
        table = dict(table)
        head: dict[str, Any] = {k: table.pop(k) for k in ("system", "description", "name") if k in table}
        for label, value in head.items():
            if not isinstance(value, str):
                fail(label, value, "a string")
        for key, value in table.items():
            if not isinstance(key, str) or not key.isidentifier():
                raise InputError(f"{key!r}: not the name of a table")
            if not isinstance(value, Mapping):
                fail(key, value, "a table (keys belong under a [table] header)")
        return cls(**{"name": name, **head, **table})

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Experiment:
        """From a TOML file."""
        return cls.from_table(read_table(path), name=Path(path).stem)

    def replace(self, changes: Mapping[str, Any] | None = None, /, **tables: Any) -> Experiment:
        """A copy with some keys changed.

        Parameters
        ----------
        changes : mapping, optional
            Dotted keys: ``{"training.tau": 2.0}``.
        **tables : mapping or object
            ``training={"tau": 2.0}`` updates a table; some tables also take an object (`Settings.adopt`), such as a derived
            system (`derivations.derive`), which then replaces the architecture.
        """
        new = {k: copied(v) for k, v in self.tables.items()}
        touched = set()
        for name, update in self.room.present_tables(tables).items():
            touched.add(name)
            old, kind = new.get(name, {}), self.room.tables.get(name)
            if isinstance(update, Mapping):
                new[name] = merged(old, update) if isinstance(old, Mapping) else copied(update)
            else:
                adopted = kind.adopt(old, update) if kind is not None and issubclass(kind, Settings) else None
                new[name] = copied(update) if adopted is None else adopted
        for key, value in (changes or {}).items():
            present = self.room.present_key(key)
            set_key(new, present, value, self.room.exclusive)
            touched.add(present.partition(".")[0])
        made = Experiment.__new__(Experiment)
        # (Files of data may have changed since.)
        fresh = self.data or touched - self.room.tables.keys()
        known = {} if fresh else {name: x for name, x in self._made.items() if name not in touched}
        made._make(self.system, self.name, self.description, new, known)
        return made

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Within the block every result says that it comes from this experiment."""
        with made_from(*self._origin):
            yield

    @cached_property
    def _origin(self) -> tuple[Plain, int | None]:
        seed = getattr(getattr(self.problem, "simulation", None), "seed", None)
        data = {"data": self.data} if self.data else {}
        head = {"name": self.name, "system": self.system, "description": self.description}
        return Plain(plain({**head, **self.tables, **data})), seed

    def to_table(self) -> dict[str, Any]:
        """The mapping that `from_table` reads back."""
        return {"system": self.system, "description": self.description, **copy.deepcopy(self.tables)}

    def to_toml(self, path: str | os.PathLike[str] | None = None) -> str:
        """The text of a TOML file that `from_file` reads back to the same experiment; written to ``path`` where one is given.

        Raises
        ------
        InputError
            If a key holds what no file can say (a system derived in Python), or the file cannot be written.
        """
        import tomli_w

        head = {"system": self.system, "name": self.name, "description": self.description}
        tables = {name: in_file(name, table) for name, table in self.tables.items()}
        text = tomli_w.dumps({**{k: v for k, v in head.items() if v}, **tables})
        if path is not None:
            write_atomically(path, lambda file: file.write(text.encode()))
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        # The problem holds compiled functions: another process builds its own from the tables.
        return _rebuilt, (self.system, self.name, self.description, self.tables, self.data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Experiment):
            return NotImplemented
        mine, theirs = (plain({**e.to_table(), "name": e.name, "data": e.data}) for e in (self, other))
        return bool(mine == theirs)

    def __hash__(self) -> int:
        return hash((self.system, self.name))

    def __repr__(self) -> str:
        lines = [f"Experiment {self.name!r} ({self.system}): {self.description}".rstrip(": ")]
        for name, table in self.tables.items():
            items = table.items() if isinstance(table, Mapping) else [("", table)]
            lines.append(f"  [{name}] " + ", ".join(f"{k} = {short(v)}" for k, v in items))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [
            [f"[{name}]" if k == 0 else "", html.escape(str(key)), cell(value)]
            for name, keys in self.tables.items()
            for k, (key, value) in enumerate(keys.items() if isinstance(keys, Mapping) else [("", keys)])
        ]
        return page(repr(self), html_table(["table", "key", "value"], rows))


def _rebuilt(
    system: str, name: str, description: str, tables: Mapping[str, Any], data: Mapping[str, str]
) -> Experiment:
    """A pickled or copied experiment; refused where its files of data are others now."""
    made = Experiment(system=system, name=name, description=description, **tables)
    unchanged(data, made.data)
    return made


def examples() -> dict[str, str]:
    """Names and descriptions of the built-in experiments."""
    found = {}
    for entry in sorted(resources.files(__package__).joinpath("examples").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            found[entry.name[:-5]] = str(tomllib.loads(entry.read_text(encoding="utf-8")).get("description", ""))
    return found


def _built_in(name: str) -> Traversable | None:
    """The file of a built-in experiment."""
    if not name or "/" in name or "\\" in name:
        return None
    entry = resources.files(__package__).joinpath("examples").joinpath(f"{name}.toml")
    return entry if entry.is_file() else None


def example(name: str) -> Experiment:
    """A built-in experiment by name (see `examples`)."""
    entry = _built_in(name)
    if entry is None:
        names = list(examples())
        fail("experiment", name, "one of " + ", ".join(names) + closest(str(name), names))
    return Experiment.from_table(tomllib.loads(entry.read_text(encoding="utf-8")), name=name)


def load(name_or_path: str) -> Experiment:
    """A built-in experiment by name, else the file of that path."""
    text = str(name_or_path)
    if _built_in(text) is not None:
        return example(text)
    if text.endswith(".npz"):
        raise InputError(f"{text}: holds a result, not an experiment (asymptotics.load opens results)")
    if os.path.exists(text) or text.endswith(".toml") or os.sep in text:
        return Experiment.from_file(text)
    if "." in text:
        raise InputError(f"{text}: no such file, and no built-in experiment (asymptotics examples)")
    return example(text)
