"""Experiments: a TOML file, or the same keys as keyword arguments, turned into checked settings of one room."""

from __future__ import annotations

import contextlib
import copy
import html
import importlib
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from .common.input.checks import InputError, choice, closest, fail
from .common.input.data_files import data_files
from .common.input.settings import Settings
from .common.output.provenance import made_from
from .common.system import System

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
        self.system, self.name, self.description = system, str(name), str(description)
        self.room = system_of(system)
        allowed = self.room.tables
        tables = self.room.present_tables(tables)
        for table in tables:
            if table not in allowed:
                raise InputError(
                    f"{table}: unknown table; allowed are {', '.join(allowed)}{closest(table, list(allowed))}"
                )
        for table in self.room.required:
            if table not in tables:
                raise InputError(f"{table}: missing; an experiment of the system {system} needs this table")
        self.tables: dict[str, Any] = {k: _copy(v) for k, v in tables.items()}
        self.data = data_files(self.tables)
        settings = {name: kind.from_table(_copy(self.tables.get(name, {}))) for name, kind in allowed.items()}
        self.problem = self.room.problem(**settings)

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
        new = {k: _copy(v) for k, v in self.tables.items()}
        for name, update in self.room.present_tables(tables).items():
            old, kind = new.get(name, {}), self.room.tables.get(name)
            if isinstance(update, Mapping):
                new[name] = _merge(old, update) if isinstance(old, Mapping) else _copy(update)
            else:
                adopted = kind.adopt(old, update) if kind is not None and issubclass(kind, Settings) else None
                new[name] = _copy(update) if adopted is None else adopted
        for key, value in (changes or {}).items():
            _set(new, self.room.present_key(key), value, self.room.exclusive)
        return Experiment(system=self.system, name=self.name, description=self.description, **new)

    @contextlib.contextmanager
    def recorded(self) -> Iterator[None]:
        """Within the block every result says that it comes from this experiment."""
        seed = getattr(getattr(self.problem, "simulation", None), "seed", None)
        data = {"data": self.data} if self.data else {}
        with made_from({"name": self.name, **self.to_table(), **data}, seed):
            yield

    def to_table(self) -> dict[str, Any]:
        """The mapping that `from_table` reads back."""
        return {"system": self.system, "description": self.description, **copy.deepcopy(self.tables)}

    def __repr__(self) -> str:
        lines = [f"Experiment {self.name!r} ({self.system}): {self.description}".rstrip(": ")]
        for name, table in self.tables.items():
            items = table.items() if isinstance(table, Mapping) else [("", table)]
            lines.append(f"  [{name}] " + ", ".join(f"{k} = {_short(v)}" for k, v in items))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _copy(v) for k, v in value.items()}
    return list(value) if isinstance(value, list) else value


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else _copy(value)
    return merged


def _set(tables: dict[str, Any], key: str, value: Any, exclusive: Iterable[tuple[str, str]]) -> None:
    parts = key.split(".")
    if len(parts) < 2 or not all(parts):
        raise InputError(f"{key}: must be a dotted key such as training.tau")
    table: Any = tables
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise InputError(f"{key}: {part} is not a table")
    table[parts[-1]] = _copy(value)
    for pair in exclusive:
        if key in pair:
            table.pop(pair[1 - pair.index(key)].rpartition(".")[2], None)


def read_table(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in a TOML file, or one clear error."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: not valid TOML ({' '.join(str(error).split())})") from None


def examples() -> dict[str, str]:
    """Names and descriptions of the built-in experiments."""
    found = {}
    for entry in sorted(resources.files(__package__).joinpath("examples").iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".toml"):
            found[entry.name[:-5]] = str(tomllib.loads(entry.read_text(encoding="utf-8")).get("description", ""))
    return found


def example(name: str) -> Experiment:
    """A built-in experiment by name (see `examples`)."""
    entry = resources.files(__package__).joinpath("examples").joinpath(f"{name}.toml")
    if not name or "/" in name or "\\" in name or not entry.is_file():
        names = list(examples())
        fail("experiment", name, "one of " + ", ".join(names) + closest(str(name), names))
    return Experiment.from_table(tomllib.loads(entry.read_text(encoding="utf-8")), name=name)


def load(name_or_path: str) -> Experiment:
    """A built-in experiment by name, else the file of that path."""
    text = str(name_or_path)
    if text in examples():
        return example(text)
    if os.path.exists(text) or text.endswith(".toml") or os.sep in text:
        return Experiment.from_file(text)
    return example(text)
