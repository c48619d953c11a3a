"""The folder of the user in which generated sources and machine code are kept from one process to the next."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import re
import shutil
import stat
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
#: Of the collections below alone: they are looked at from within numba's compiler, whose own lock the holder of `LOCK` may wait for.
_BOOKS = threading.Lock()
_said: set[tuple[Path, str]] = set()
_pruned: set[Path] = set()
#: What was decided of every folder that was asked for: the folder itself, or a private one in its place.
_safe: dict[Path, Path] = {}


def cache_directory() -> Path:
    """Where kernels are kept: ``$ASYMPTOTICS_CACHE_DIR``, else the user's cache directory, else a private temporary one.

    What is in it is executed: a folder that another user owns, or that others can write, is not used (`refusal`). One that is
    made here can be read by its owner alone.
    """
    from platformdirs import user_cache_dir

    stated = os.environ.get(CACHE_VARIABLE)
    wanted = Path(stated or user_cache_dir("asymptotics"))
    with _BOOKS:
        if wanted in _safe:
            return _safe[wanted]
    why = _made(wanted, ours=not stated)
    if not why:
        prune(wanted)
    with _BOOKS:
        if wanted not in _safe:
            _safe[wanted] = _temporary() if why else wanted
            if why:
                _log.warning("%s: %s; kernels are compiled anew in every process", wanted, why)
        return _safe[wanted]


def refusal(folder: Path) -> str:
    """Why nothing is to be executed from a folder; empty where it is this user's and nobody else can write it."""
    status = folder.stat()
    if not stat.S_ISDIR(status.st_mode):
        return "is no folder"
    if not hasattr(os, "geteuid"):
        return ""
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others (chmod go-w)"
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"can be replaced by others, who can write {above}"
    return ""


def _made(folder: Path, ours: bool) -> str:
    """Make the folder, private, and say why it cannot be used. The default one (``ours``) is tightened where it was left open."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        why = refusal(folder)
        if why and ours and folder.stat().st_uid == os.geteuid() and folder.stat().st_mode & 0o022:
            folder.chmod(0o700)
            _emptied(folder)
            why = refusal(folder)
        return why or ("" if os.access(folder, os.W_OK) else "cannot be written")
    except OSError as error:
        return f"cannot be made ({error.strerror})"


def _emptied(folder: Path) -> None:
    """Remove what is kept in a folder that others could write: anybody may have put it there."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name) or path.name == "__pycache__":
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _temporary() -> Path:
    """A new private folder, removed when this process ends; processes that it starts use it too."""
    folder = Path(tempfile.mkdtemp(prefix="asymptotics-"))
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def damaged(path: Path, error: object) -> None:
    """Say once a process that something in the cache is damaged and made again; details go to the log."""
    _say_once("%s: holds damaged kernels, which are compiled again")
    _log.info("%s is damaged (%s: %s)", path, type(error).__name__, error)


def not_kept(path: Path, error: object) -> None:
    """Say once a process that the cache cannot be written (a full disk); details go to the log."""
    _say_once("%s: cannot be written (a full disk?); kernels are compiled again in the next process")
    _log.info("%s is not kept (%s: %s)", path, type(error).__name__, error)


def _say_once(words: str) -> None:
    root = cache_directory()
    with _BOOKS:
        first = (root, words) not in _said
        _said.add((root, words))
    if first:
        _log.warning(words, root)


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
