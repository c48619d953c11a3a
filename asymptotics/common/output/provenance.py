"""Where a result comes from: versions, experiment, seed; the same three in every result, its file and its JSON."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .plain import to_builtin
from .versions import versions


def plain(value: Any) -> Any:
    """Any value as JSON values: arrays by their hash, what JSON cannot say by its text."""
    if value is None or type(value) in (float, int, str, bool):
        return to_builtin(value)
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": content}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    try:
        return to_builtin(value)
    except TypeError:
        return str(value)


class Plain(dict[str, Any]):
    """A mapping of JSON values: it is not turned into one again."""


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What made a result.

    Parameters
    ----------
    versions : dict
        Of asymptotics, Python and the libraries, by name.
    experiment : dict
        The experiment's name, system and tables as JSON values; empty for what no experiment made.
    seed : int, optional
        That of its simulation.
    """

    versions: dict[str, str] = dataclasses.field(default_factory=versions)
    experiment: dict[str, Any] = dataclasses.field(default_factory=dict)
    seed: int | None = None

    @property
    def version(self) -> str:
        """Of this package; empty where an old file does not say."""
        return self.versions.get("asymptotics", "")

    def to_json(self) -> dict[str, Any]:
        """As ``--json`` writes it."""
        return {"version": self.version, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Provenance:
        """What `to_json` wrote."""
        return cls(**{f.name: stored[f.name] for f in dataclasses.fields(cls)})

    @classmethod
    def of_old(cls, meta: Mapping[str, Any], fields: Mapping[str, Any]) -> Provenance:
        """What a file of 0.1 says of it: its head, and fields that some results had."""
        known = dict(meta.get("versions") or {})
        if "asymptotics" not in known and isinstance(fields.get("version"), str):
            known["asymptotics"] = fields["version"]
        tables, seed = fields.get("parameters"), fields.get("seed")
        if seed is None and isinstance(tables, dict):
            seed = dict(tables.get("simulation") or {}).get("seed")
        return cls(known, tables if isinstance(tables, dict) else {}, seed if isinstance(seed, int) else None)


_current: ContextVar[Provenance | None] = ContextVar("provenance", default=None)


def current() -> Provenance:
    """That of the results that are made now."""
    return _current.get() or Provenance()


@contextmanager
def made_from(experiment: Mapping[str, Any], seed: int | None = None) -> Iterator[None]:
    """Within the block every result is one of this experiment."""
    known = experiment if isinstance(experiment, Plain) else Plain(plain(experiment))
    token = _current.set(Provenance(experiment=known, seed=seed))
    try:
        yield
    finally:
        _current.reset(token)
