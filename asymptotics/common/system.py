"""The contract of a solvable system: what its room says of itself, and how the generic code calls it.

For the author of a further room. A room ``asymptotics/NAME/`` has

1. ``settings.py`` (or a package ``model/``): one frozen `Settings` dataclass a table of the experiment file; its fields are the keys.
2. ``problem.py``: ``Problem``, a frozen dataclass whose fields are the tables by name, with the checks that need several of them
   in ``__post_init__``; it is what all verbs take.
3. ``theory.py``: ``solve(problem, *, progress, **options)``, the asymptotic prediction, a frozen `Result`.
4. ``simulation.py``: ``simulate(problem, *, workers, progress, checkpoint, **options)``, the full process, a frozen `Result`
   with means and standard errors over independent runs.
5. ``comparison.py``: ``compare(theory, runs, *, level)``, a `Verdict`. It alone knows both sides.
6. ``plots.py`` (or a package): drawings registered with `asymptotics.common.output.plotting.draw`, and
   ``comparison(theory, runs=None, ax=None)``, theory with the experiment over it.
7. ``system.py``: ``SYSTEM = System(...)``, data alone, and nothing that takes time to import.

A room imports `derivations` and `asymptotics.common`, never another room. Its name is listed in `asymptotics.experiment.SYSTEMS`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from numpy.typing import ArrayLike

from .input.checks import InputError, number
from .input.renamed import present_names, say_renamed
from .input.settings import Settings
from .output.plotting import letter_panels, style
from .output.results import Result
from .output.verdict import LEVEL, Verdict
from .running.checkpoints import Checkpoint
from .verb import COMMON, RESOURCES, Verb

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: A user's own measurements: arrays by their names, or a file of them.
Measured: TypeAlias = Mapping[str, ArrayLike] | str | os.PathLike[str]


class Table(Protocol):
    """Settings of one table of the experiment file (`Settings`, `Interpolant`)."""

    @classmethod
    def from_table(cls, table: object) -> Any:
        """From the mapping read from a file, checked."""


@dataclass(frozen=True)
class System:
    """What a room says of itself.

    Parameters
    ----------
    room : str
        Its package, ``asymptotics.NAME``.
    says : str
        One line: what is solved, and whose result it is.
    tables : mapping
        Settings class of every table, by the table's name.
    required : tuple of str
        Tables without which there is no experiment.
    problem : callable
        From the tables' settings, as keywords, to the problem.
    verbs : mapping
        ``solve`` and ``simulate`` with their options, and what else the room can do.
    exclusive : tuple of (str, str)
        Pairs of dotted keys that exclude each other: setting one drops the other.
    table_aliases : mapping
        Earlier names of tables, ``{"sampler": "sampling"}``; those of the keys within a table are its settings' ``ALIASES``.
    key_aliases : mapping
        Keys that stand in another table now, dotted: ``{"model.steps": "sampling.steps"}`` (present names of tables).
    example : str
        The built-in experiment that templates are made from.
    takes_measured : bool
        Whether the room has a module ``measured``, whose ``as_runs`` makes runs of a user's own arrays.
    """

    room: str
    says: str
    tables: Mapping[str, type[Table]]
    required: tuple[str, ...]
    problem: Callable[..., Any]
    verbs: Mapping[str, Verb]
    exclusive: tuple[tuple[str, str], ...] = ()
    table_aliases: Mapping[str, str] = field(default_factory=dict)
    key_aliases: Mapping[str, str] = field(default_factory=dict)
    example: str = ""
    takes_measured: bool = False

    @property
    def name(self) -> str:
        """Name of the system, as in ``system = "…"``."""
        return self.room.rpartition(".")[2]

    def module(self, name: str) -> ModuleType:
        """A module of the room, loaded on first use."""
        return importlib.import_module(f"{self.room}.{name}")

    def _aliases(self, table: str) -> Mapping[str, str]:
        return getattr(self.tables.get(table), "ALIASES", {})

    def also(self, table: str) -> Mapping[str, str]:
        """Keys of a table by the further names that a file may use for them (`Settings.also`)."""
        kind = self.tables.get(table)
        return kind.also() if kind is not None and issubclass(kind, Settings) else {}

    def present_key(self, key: str) -> str:
        """The present name of a dotted key."""
        table, dot, rest = key.partition(".")
        table = self.table_aliases.get(table, table)
        name, more, inner = rest.partition(".")
        if name in self.also(table):
            return self.present_key(f"{table}.{self.also(table)[name]}{more}{inner}")
        moved = self.key_aliases.get(f"{table}.{name}", f"{table}.{self._aliases(table).get(name, name)}")
        present = f"{moved}{more}{inner}" if dot else table
        if present != key:
            say_renamed(key, present)
        return present

    def present_tables(self, tables: Mapping[str, Any]) -> dict[str, Any]:
        """The tables of an experiment with tables and keys under their present names; tables that are no mappings as they are."""
        present = present_names(tables, self.table_aliases)
        for name, table in present.items():
            if isinstance(table, Mapping):
                kind = self.tables.get(name)
                shown = getattr(kind, "key", str)
                present[name] = present_names(table, self._aliases(name), shown, self.also(name))
        for old, new in self.key_aliases.items():
            (table, key), (to, name) = old.split("."), new.split(".")
            if not isinstance(present.get(table), Mapping) or key not in present[table]:
                continue
            if name in present.get(to, {}):
                raise InputError(f"{old}: given twice; it is now called {new}")
            say_renamed(old, new)
            present[to] = {**present.get(to, {}), name: present[table][key]}
            present[table] = {k: v for k, v in present[table].items() if k != key}
            if not present[table] and table not in self.tables:
                del present[table]
        return present

    def verb(self, name: str) -> Verb:
        """A verb; an `InputError` where the room has none of that name."""
        if name not in self.verbs:
            raise InputError(f"{name}: the system {self.name} has no such verb; it has {', '.join(self.verbs)}")
        verb, (module, function, table) = self.verbs[name], COMMON.get(name, ("", "", ""))
        return replace(
            verb, module=verb.module or module, function=verb.function or function, table=verb.table or table
        )

    def run(self, name: str, problem: object, **options: Any) -> Result:
        """A verb on a problem; ``workers``, ``progress`` and ``checkpoint`` go by, the verb's own options are checked."""
        verb = self.verb(name)
        own = verb.checked({key: value for key, value in options.items() if key not in RESOURCES})
        resources = {key: value for key, value in options.items() if key in RESOURCES}
        result: Result = getattr(self.module(verb.module), verb.function)(problem, **resources, **own)
        return result

    def solve(self, problem: object, *, progress: bool | None = None, **options: Any) -> Result:
        """The asymptotic prediction."""
        return self.run("solve", problem, progress=progress, **options)

    def simulate(
        self,
        problem: object,
        *,
        workers: int | None = None,
        progress: bool | None = None,
        checkpoint: Checkpoint | None = None,
        **options: Any,
    ) -> Result:
        """The full process."""
        return self.run("simulate", problem, workers=workers, progress=progress, checkpoint=checkpoint, **options)

    def compare(self, theory: Result, runs: Result, *, level: float = LEVEL) -> Verdict:
        """Theory against experiment; ``level`` is the probability that a right theory fails."""
        level = number("level", level, above=0, below=1)
        verdict: Verdict = self.module("comparison").compare(theory, runs, level=level)
        return verdict

    def measured(self, theory: Result, given: Measured, options: Mapping[str, Any]) -> tuple[Result, dict[str, Any]]:
        """A user's own measurements as the runs that `compare` takes, and the options left for it.

        Raises
        ------
        InputError
            If the room takes none, or they do not fit.
        """
        if not self.takes_measured:
            raise InputError(f"runs: the system {self.name} takes no arrays; give what simulate gives")
        runs, left = self.module("measured").as_runs(theory, given, **options)
        return runs, left

    def plot(self, theory: Result, runs: Result | None = None, ax: Axes | None = None) -> tuple[Figure, Axes]:
        """Theory as lines, experiment as points."""
        with style():
            figure, axes = self.module("plots").comparison(theory, runs, ax=ax)
            if ax is None:
                letter_panels(figure)
            return figure, axes

    def film(self, verb: str, theory: Result, runs: Result | None, *arguments: Any, **options: Any) -> Any:
        """``strip(theory, runs, tau)`` or ``movie(theory, runs, file)`` of the room's plots: densities along training.

        Raises
        ------
        InputError
            If the room has none.
        """
        drawing = getattr(self.module("plots"), verb, None)
        if drawing is None:
            raise InputError(f"{verb}: the system {self.name} has no densities along training; must be left out")
        return drawing(theory, runs, *arguments, **options)
