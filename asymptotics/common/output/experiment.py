"""Results that keep the tables of their experiment, in every room under the same name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from ..input.renamed import say_renamed

if TYPE_CHECKING:
    from .results import Result as Base
else:
    Base = object


class OfExperiment(Base):
    """Mix-in of a `Result` with a field ``experiment``: the tables that made it.

    ``WAS`` is how a room called them until 0.2: a name for all of them (of the table ""), or one a table. As attributes and in
    files of 0.1.0 these work on.
    """

    WAS: ClassVar[Mapping[str, str]] = {}
    experiment: dict[str, Any]

    if not TYPE_CHECKING:  # a checker is to know the present name alone

        def __getattr__(self, name: str) -> Any:
            if name not in type(self).WAS:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            say_renamed(name, "experiment")
            table = self.WAS[name]
            return self.experiment[table] if table else self.experiment

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        if "experiment" not in stored:
            tables: dict[str, Any] = {}
            for old, table in cls.WAS.items():
                found = stored.pop(old, None)
                tables |= {} if found is None else {table: found} if table else found
            stored = stored | {"experiment": tables}
        return super()._restored(stored)
