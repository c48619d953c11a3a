"""The points of a sweep: one experiment each, computed, named by all that decides it, and kept in a file of its own."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import __version__
from ..common.input.checks import InputError
from ..common.input.data_files import by_content, data_files, unchanged
from ..common.output.results import to_builtin, write_atomically
from ..common.output.versions import changed, versions
from ..experiment import Experiment

FORMAT = 1


def solve_point(
    table: dict[str, Any], name: str, simulate: bool, options: dict[str, Any], data: Mapping[str, str]
) -> dict[str, Any]:
    """Compute one point: the reports of theory and, if wanted, simulation, as JSON values.

    ``data`` are the hashes of the files that the table names (`data_files`): what was computed from others is refused.
    """
    experiment = Experiment.from_table(table, name=name)
    with experiment.recorded():
        answer = {"theory": experiment.room.solve(experiment.problem, progress=False, **options).to_json()}
        if simulate:
            runs = experiment.room.simulate(experiment.problem, workers=1, progress=False)
            answer["simulation"] = runs.to_json()
    unchanged(data, {**experiment.data, **data_files(table)})
    return answer


def _text_of(value: Mapping[str, Any], *, sort: bool) -> str:
    def other(thing: object) -> Any:
        try:
            return to_builtin(thing)
        except TypeError:
            return repr(thing)

    return json.dumps(value, sort_keys=sort, default=other)


def point_name(table: Mapping[str, Any], simulate: bool, options: Mapping[str, Any]) -> str:
    """The name of a point's file: a hash of its whole experiment, of what is computed and of the package's version.

    Files of data that the experiment names count by their content.
    """
    contents = data_files(table)
    kept = {key: by_content(value, contents) for key, value in table.items() if key != "description"}
    text = _text_of({"experiment": kept, "simulate": simulate, "options": options, "version": __version__}, sort=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def folder_in(out: str | os.PathLike[str]) -> Path:
    """The folder of the points in ``out``, made if absent.

    Raises
    ------
    InputError
        If it cannot be made or written.
    """
    folder = Path(out) / "points"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"out = {str(out)!r}: cannot be made ({error.strerror})") from None
    if not os.access(folder, os.W_OK) or not os.access(folder.parent, os.W_OK):
        raise InputError(f"out = {str(out)!r}: cannot be written")
    return folder


@dataclass(frozen=True)
class PointFile:
    """The file of one point.

    Parameters
    ----------
    path : Path
    table : dict
        The point's experiment.
    """

    path: Path
    table: dict[str, Any]

    def read(self) -> tuple[dict[str, Any], str]:
        """The answer in it (empty if there is no file), and how the libraries have changed since it was written.

        Raises
        ------
        InputError
            If it is of another kind; it is left alone.
        """
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            answer = content["answer"]
            if content["format"] == FORMAT and content["point"] == self.path.stem and isinstance(answer, dict):
                return answer, changed(content.get("versions", {}))
        except FileNotFoundError:
            return {}, ""
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError):
            pass
        raise InputError(f"{self.path}: not a point written by this version of asymptotics; move it away")

    def keep(self, answer: Mapping[str, Any]) -> None:
        """Write the answer."""
        head = {"format": FORMAT, "point": self.path.stem, "versions": versions(), "data": data_files(self.table)}
        text = _text_of({**head, "experiment": self.table, "answer": answer}, sort=False)
        write_atomically(self.path, lambda file: file.write(text.encode()))
