"""Verbs of a solvable system and their options: what the command line and Python call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .input.checks import InputError, closest
from .input.renamed import present_names
from .input.texts import typed


@dataclass(frozen=True)
class Option:
    """A typed option of a verb: ``--name`` on the command line, a keyword argument in Python.

    Parameters
    ----------
    name : str
        The keyword.
    kind : type
        float, int, str, or bool (a flag); object: what only Python can give (a rule, an executor), not on the command line.
    says : str
        One line for ``--help``.
    many : bool
        A list, ``1,2,3`` on the command line.
    metavar : str
        What stands for the value in ``--help``.
    flag : str
        The command line's spelling where the keyword is a reserved word (``--from`` for ``starts``).
    aliases : tuple of str
        Earlier spellings: they still work and say so.
    swept : bool
        Its values are kept apart within one checkpoint and may change from call to call.
    repeated : bool
        May be given more than once on the command line; its value is then a list.
    """

    name: str
    kind: type
    says: str
    many: bool = False
    metavar: str = ""
    flag: str = ""
    aliases: tuple[str, ...] = ()
    swept: bool = False
    repeated: bool = False

    @property
    def spelling(self) -> str:
        """The option as it is written on the command line."""
        return "--" + (self.flag or self.name.replace("_", "-"))

    def value(self, given: object) -> Any:
        """The checked value of a text, a number, or a sequence of them; None stays None.

        Raises
        ------
        InputError
            Naming the option, the value and what is allowed.
        """
        return typed(self.name, given, self.kind, many=self.many)


@dataclass(frozen=True)
class Verb:
    """What a room can do: ``module.function(…)``, with its options.

    Parameters
    ----------
    options : sequence of Option
    module, function : str
        Where it stands in the room; that of ``solve`` and ``simulate`` is known.
    table : str
        Table of the experiment whose keys may be given as options too; ``simulation`` of ``simulate``.
    says : str
        One line for the command line's help; a verb of one room has its own command.
    """

    options: Sequence[Option] = ()
    module: str = ""
    function: str = ""
    table: str = ""
    says: str = ""

    @property
    def names(self) -> frozenset[str]:
        """All names of its options, earlier ones too."""
        return frozenset(name for option in self.options for name in (option.name, *option.aliases))

    def checked(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The given options under their present names, checked; those left out (or None) are left out.

        Raises
        ------
        InputError
            For an unknown option, with the nearest known one.
        """
        by_name = {option.name: option for option in self.options}
        aliases = {alias: option.name for option in self.options for alias in option.aliases}
        checked = {}
        for name, value in present_names(given, aliases).items():
            option = by_name.get(name)
            if option is None:
                allowed = ", ".join(by_name) or "none"
                raise InputError(
                    f"{name}: unknown option; allowed are {allowed}{closest(name, list(by_name))}",
                    key=name,
                    kind="unknown",
                )
            if value is not None:
                checked[option.name] = option.value(value)
        return checked


#: What every long verb takes besides its own options.
RESOURCES = ("workers", "progress", "checkpoint")


#: The two verbs that every room has: module, function, table.
COMMON = {"solve": ("theory", "solve", ""), "simulate": ("simulation", "simulate", "simulation")}
