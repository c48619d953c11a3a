"""Store one file of every kind of result, and some of its numbers: ``python tests/data/store_results.py FOLDER``.

Run once per released format, at the tag of that version; `tests/test_stored_results.py` then reads the folder for ever.
The results themselves are the small instances of `tests/test_results.py`.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

import asymptotics as asy
from asymptotics.experiment import SYSTEMS


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """Finite numbers of a result by the way to them (``rows.0.mean.1``); of an array its last entry alone."""
    if dataclasses.is_dataclass(value):
        fields = [f for f in dataclasses.fields(value) if not f.metadata.get("transient")]
        value = {f.name: getattr(value, f.name) for f in fields}
    if isinstance(value, np.ndarray):
        if value.size and value.dtype.kind in "fiu" and np.isfinite(value.flat[-1]):
            yield ".".join([path, *(str(n - 1) for n in value.shape)]), value.flat[-1].item()
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            if "." not in str(key):
                yield from leaves(entry, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        for k, entry in enumerate(value[:2]):
            yield from leaves(entry, f"{path}.{k}")
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value):
        yield path, value


def main(folder: Path) -> None:
    """Write the files and ``index.toml``."""
    specification = importlib.util.spec_from_file_location("instances", Path(__file__).parents[1] / "test_results.py")
    if specification is None or specification.loader is None:
        raise SystemExit("tests/test_results.py: not found")
    instances: Any = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(instances)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        results = {name: make(Path(scratch)) for name, make in sorted(instances.MAKE.items())}
        results["autoencoder.SgdState"] = state(instances)
    index = {}
    for name, result in results.items():
        path = result.save(folder / f"{name}.npz")
        found = dict(leaves(result))
        room = name.split(".")[0]  # of the tools that all rooms share: none, for they may move
        head = {"room": room if room in SYSTEMS else "", "class": type(result).__name__}
        index[path.name] = {**head, "numbers": thinned(found)}
    text = {"version": asy.__version__, "file": index}
    (folder / "index.toml").write_bytes(tomli_w.dumps(text).encode())


def thinned(found: Mapping[str, float], count: int = 4) -> dict[str, float]:
    """At most ``count`` of the numbers, from first to last."""
    kept = np.unique(np.linspace(0, len(found) - 1, count).round().astype(int))
    return {list(found)[k]: list(found.values())[k] for k in kept}


def state(instances: Any) -> Any:
    """The state of a training under way."""
    from asymptotics.autoencoder.process.training.setup import sgd_problem
    from asymptotics.autoencoder.process.training.sgd import Trainer

    trainer = Trainer(sgd_problem(instances.problem()), 0)
    trainer.record()
    trainer.advance(5)
    trainer.record()
    return trainer.state()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
