"""Processes that miss the same piece of the cache take turns: the first makes it, the others wait and read it."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

#: Nobody waits longer than this (a process may be stopped), or looks more often.
LONGEST, OFTEN = 120.0, 0.02


class Turn:
    """The turn to make one file of the cache, by a lock that ends with the process.

    Parameters
    ----------
    path : Path
        Of the lock's own file; its folder is made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def taken(self) -> bool:
        """Take the turn; whether somebody else had it before.

        Where there are no such locks (a file system without them, a cache that can only be read) nobody waits.
        """
        try:
            import fcntl
        except ImportError:
            return False
        if self._file is not None:
            return False
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return False
        self._file, end, waited = file, time.monotonic() + LONGEST, False
        while time.monotonic() < end:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return waited
            except BlockingIOError:
                waited = True
                time.sleep(OFTEN)
            except OSError:
                return False
        return waited

    def over(self) -> None:
        """Give the turn back."""
        if self._file is not None:
            file, self._file = self._file, None
            # (Said, as a process forked meanwhile holds the file too.)
            with contextlib.suppress(OSError, ImportError):
                import fcntl

                fcntl.flock(file, fcntl.LOCK_UN)
            os.close(file)
