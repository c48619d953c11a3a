"""The folder of the user in which generated sources and machine code are kept from one process to the next."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
import threading
import time
from pathlib import Path

_log = logging.getLogger(__name__)

#: Set this variable to put generated kernels elsewhere.
CACHE_VARIABLE = "ASYMPTOTICS_CACHE_DIR"
#: What nobody has used for so many days is removed when something new is kept.
UNUSED_DAYS = 60
#: Names of what this package puts there (other files are left alone).
OURS = re.compile(r"(asymptotics[\w.]*-|asymptotics_kernel_|source_)[0-9a-f]{24}\b.*")

#: One thread derives, writes and loads a kernel; the others wait for it.
LOCK = threading.RLock()
#: Of the two sets below alone: they are looked at from within numba's compiler, whose own lock the holder of `LOCK` may wait for.
_BOOKS = threading.Lock()
_said: set[Path] = set()
_pruned: set[Path] = set()


def cache_directory() -> Path:
    """Where kernels are kept: ``$ASYMPTOTICS_CACHE_DIR``, else the user's cache directory, else a temporary one."""
    from platformdirs import user_cache_dir

    wanted = Path(os.environ.get(CACHE_VARIABLE) or user_cache_dir("asymptotics"))
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            prune(wanted)
            return wanted
    except OSError:
        pass
    fallback = Path(tempfile.gettempdir()) / f"asymptotics-{os.getuid() if hasattr(os, 'getuid') else 'user'}"
    fallback.mkdir(parents=True, exist_ok=True)
    return fallback


def damaged(path: Path, error: object) -> None:
    """Say once a process that something in the cache is damaged and made again; details go to the log."""
    root = cache_directory()
    with _BOOKS:
        first = root not in _said
        _said.add(root)
    if first:
        _log.warning("%s: holds damaged kernels, which are compiled again", root)
    _log.info("%s is damaged (%s: %s)", path, type(error).__name__, error)


def touch(path: Path) -> None:
    """Note that ``path`` is in use; at most once a day, so that reading does not write."""
    try:
        if time.time() - path.stat().st_mtime > 86400:
            os.utime(path)
    except OSError:  # a cache that can only be read, or one that another process has just pruned
        pass


def prune(root: Path, days: float = UNUSED_DAYS) -> None:
    """Remove kernels that no process has used for ``days``: those of other versions would pile up; once a process."""
    with _BOOKS:
        if root in _pruned:
            return
        _pruned.add(root)
    before = time.time() - 86400 * days
    for folder in (root, root / "__pycache__"):  # version 0.1.0 kept machine code in the second
        try:
            old = [path for path in folder.iterdir() if OURS.fullmatch(path.name) and path.stat().st_mtime < before]
        except OSError:
            continue
        for path in old:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
