"""Checkpoints: a folder in which a long command keeps its finished runs and the states of those under way.

Every file is written atomically (a temporary file, fsync, rename) and carries the format's version and a fingerprint of the
experiment it belongs to; arrays are stored as they are, so that what is read back is equal bit for bit.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ..input.checks import InputError, number
from ..input.data_files import CONTENT
from ..output.files import write_atomically
from ..output.provenance import plain
from ..output.versions import changed, versions
from .kept import FORMAT, OTHER_CONTENT, read, write

S = TypeVar("S")
_log = logging.getLogger(__name__)
#: Seconds between two writes of the state of a run.
INTERVAL = 20.0
#: Seconds to wait for a folder that another process uses: workers of a killed command leave within this time.
PATIENCE = 5.0
MANIFEST = "checkpoint.json"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during long work; the message says what is kept and how to go on."""


def identity(**parts: Any) -> dict[str, Any]:
    """What decides the numbers of a command, as JSON values; arrays by their hash."""
    return dict(plain(parts))


@dataclasses.dataclass(frozen=True)
class RunFiles:
    """The files of one run: its result when it is done, its state on the way (both may be absent). It pickles.

    Attributes
    ----------
    result, state : Path
    fingerprint : str
    every : float
        Seconds between two writes of the state.
    """

    result: Path
    state: Path
    fingerprint: str
    every: float = INTERVAL

    def load_result(self) -> tuple[bool, Any]:
        """``(True, result)`` of a finished run, else ``(False, None)``."""
        return (True, read(self.result, self.fingerprint)) if self.result.exists() else (False, None)

    def keep_result(self, result: object) -> None:
        """Write the result; the state is needed no more."""
        write(self.result, result, self.fingerprint)
        self.state.unlink(missing_ok=True)

    def load_state(self) -> Any:
        """The state last kept, None if there is none."""
        return read(self.state, self.fingerprint) if self.state.exists() else None

    def keep_state(self, state: object) -> None:
        """Write the state over the one before."""
        write(self.state, state, self.fingerprint)


class Keeper(Generic[S]):
    """Keeps the state of long work now and then and, when its ``with`` block is left in whatever way, once more.

    Parameters
    ----------
    write : callable, optional
        Puts a state where it is kept; None: nothing is.
    every : float
        Seconds between two writes.
    last : optional
        A state to keep if the work stops before it has one of its own.
    """

    def __init__(self, write: Callable[[S], object] | None, every: float = INTERVAL, last: S | None = None) -> None:
        self._write, self._every, self._last, self._saved = write, every, last, time.monotonic()

    @classmethod
    def of(cls, files: RunFiles | None, last: S | None = None) -> Self:
        """Of a member of an ensemble, with or without a checkpoint."""
        return cls(None) if files is None else cls(files.keep_state, files.every, last)

    def __call__(self, state: Callable[[], S]) -> None:
        """Between two steps: ``state()`` is a copy, since Ctrl-C may arrive while the work itself is half changed."""
        if self._write is None:
            return
        self._last = state()
        if time.monotonic() - self._saved > self._every:
            self._write(self._last)
            self._saved = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._write is not None and self._last is not None:
            self._write(self._last)


class Checkpoint:
    """A folder of finished runs and of states, for the time of a ``with`` block; one process at a time may use it.

    Parameters
    ----------
    folder : path
        Made if absent. One that holds the checkpoint of the same experiment is gone on from.
    experiment : mapping
        What decides the numbers (see `identity`); it is kept in ``checkpoint.json``, with the versions of the libraries.
        Going on under others is allowed, and said in a warning of the log.
    every : float
        Seconds between two writes of the state of a run under way.

    Raises
    ------
    InputError
        On entering: if the folder cannot be made or written, is used by another process, holds other things, or the
        checkpoint of another experiment (the message names the first key that differs).
    """

    def __init__(
        self, folder: str | os.PathLike[str], experiment: Mapping[str, Any], every: float | None = None
    ) -> None:
        self.folder = Path(folder)
        self.experiment = identity(format=FORMAT, **experiment)
        self.every = INTERVAL if every is None else number("checkpoint_every", every, at_least=0.0)
        text = json.dumps(self.experiment, sort_keys=True)
        self.fingerprint = hashlib.sha256(text.encode()).hexdigest()
        self._lock: int | None = None

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"checkpoint = {str(self.folder)!r}: cannot be made ({error.strerror})") from None
        self._acquire()
        try:
            self._claim()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def run(self, index: int, part: str = "") -> RunFiles:
        """The files of run ``index`` of the ensemble ``part``."""
        folder = self.folder / part if part else self.folder
        folder.mkdir(exist_ok=True)
        name = f"run-{index:05d}"
        fingerprint = f"{self.fingerprint}/{part}/{index}"
        return RunFiles(folder / f"{name}.npz", folder / f"{name}.state.npz", fingerprint, self.every)

    def _claim(self) -> None:
        manifest = self.folder / MANIFEST
        if not manifest.exists():
            others = sorted(p.name for p in self.folder.iterdir() if p.name != ".lock")
            if [name for name in others if not name.startswith(MANIFEST)]:
                raise InputError(
                    f"checkpoint = {str(self.folder)!r}: holds other files ({others[0]}); must be a new or empty folder"
                )
            head = {"asymptotics": "checkpoint", "libraries": versions()}
            text = json.dumps({**head, **self.experiment}, indent=1).encode()
            write_atomically(manifest, lambda file: file.write(text))
        try:
            found = json.loads(manifest.read_text(encoding="utf-8"))
            if found.pop("asymptotics") != "checkpoint":
                raise KeyError
            since = changed(dict(found.pop("libraries", {})))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{manifest}: not a checkpoint written by asymptotics; take another folder") from None
        difference = _difference(json.loads(json.dumps(self.experiment)), found)
        if difference:
            kind = "other data" if difference.endswith(OTHER_CONTENT) else "another experiment"
            raise InputError(
                f"checkpoint = {str(self.folder)!r}: belongs to {kind} ({difference}); take another folder"
            )
        if since:
            _log.warning(
                "checkpoint in %s: begun under other versions (%s); last digits may differ", self.folder, since
            )
        _log.info("checkpoint in %s", self.folder)
        # What a killed process was about to write; only we use the folder now.
        for left in self.folder.rglob("*.part"):
            left.unlink(missing_ok=True)

    def _acquire(self) -> None:
        try:
            import fcntl
        except ImportError:  # no such locks on this system: two processes then write equal files
            return
        try:
            handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise InputError(f"checkpoint = {str(self.folder)!r}: cannot be written ({error.strerror})") from None
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    os.close(handle)
                    raise InputError(f"checkpoint = {str(self.folder)!r}: is in use by another process") from None
                time.sleep(0.05)
            except OSError:  # a file system without locks
                break
            else:
                break
        self._lock = handle

    def _release(self) -> None:
        if self._lock is not None:
            with contextlib.suppress(OSError):
                os.close(self._lock)
            self._lock = None


def _difference(wanted: object, found: object, path: str = "") -> str:
    """The first place where two trees of JSON values differ, in words; empty where they are equal."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*wanted, *found]):
            place = f"{path}.{key}" if path else key
            if key not in found or key not in wanted:
                return f"{place} is {'new' if key not in found else 'missing'}"
            inner = _difference(wanted[key], found[key], place)
            if inner:
                return inner
        return ""
    if wanted == found:
        return ""
    place, _, last = path.rpartition(".")
    if last == "sha256":  # an array
        return f"{place} {OTHER_CONTENT}"
    if all(isinstance(value, str) and value.startswith(CONTENT) for value in (wanted, found)):
        return f"{path} {OTHER_CONTENT}"
    shown = [text if len(text) < 40 else text[:37] + "..." for text in (json.dumps(found), json.dumps(wanted))]
    return f"{path} was {shown[0]}, is {shown[1]}"
