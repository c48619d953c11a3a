"""Files: written whole or not at all, arrays with a JSON header in one ``.npz`` (never pickle), figures."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..input.checks import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _umask() -> int:
    # There is no way to read the mask but to set it.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def write_atomically(path: str | os.PathLike[str], write: Callable[[IO[bytes]], object]) -> Path:
    """Call ``write(file)`` on a temporary binary file beside ``path``, then fsync and rename it: all or nothing."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".", suffix=".part")
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # A temporary file is private; the result has the rights of any new file.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise InputError(f"{target}: cannot be written ({error.strerror})") from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return target


def write_arrays(path: str | os.PathLike[str], meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Write arrays and a JSON header into one ``.npz``, atomically."""
    head = np.array(json.dumps(meta))
    return write_atomically(path, lambda file: np.savez_compressed(file, __meta__=head, **arrays))  # type: ignore[arg-type]


def read_arrays(path: str | os.PathLike[str], kind: str = "a result") -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of what `write_arrays` wrote; anything else, whole or cut short, is one clear error."""
    try:
        # NumPy leaves a file open that it cannot read.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            meta = json.loads(str(stored["__meta__"]))
            arrays = {name: stored[name] for name in stored.files if name != "__meta__"}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path}: not {kind} written by asymptotics, or cut short ({error})") from None
    except (AttributeError, TypeError):  # a .npy file has no entries
        raise InputError(f"{path}: not {kind} written by asymptotics") from None
    return meta, arrays


#: How files of a kind begin; of an ``.npz`` only results are ours.
BEGINNINGS = {
    ".png": (b"\x89PNG",),
    ".pdf": (b"%PDF",),
    ".svg": (b"<?xml", b"<svg"),
    ".gif": (b"GIF8",),
    # The length of the first box comes before its name.
    ".mp4": (b"\x00\x00\x00",),
    ".npz": (b"PK",),
    ".csv": (b"",),
    ".tex": (b"\\documentclass",),
    ".md": (b"# ",),
}


def check_output(option: str, path: str | os.PathLike[str], suffixes: Sequence[str]) -> str:
    """The one rule of all outputs: an existing file of that kind is overwritten, any other is refused. Before any work is done.

    Parameters
    ----------
    option : str
        As the user wrote it (``--plot``).
    path : path
    suffixes : sequence of str
        Kinds that can be written.

    Returns
    -------
    str
        "wrote", or "overwrote" where there is a file.

    Raises
    ------
    InputError
        If the file cannot be written there, or another kind of file is there.
    """
    target = Path(path)
    if target.suffix not in suffixes:
        raise InputError(f"{option} {path}: must end in {' or '.join(suffixes)}")
    folder = target.resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{option} {path}: the folder does not exist or cannot be written")
    if not target.exists():
        return "wrote"
    if not target.is_file():
        raise InputError(f"{option} {path}: is no file")
    with target.open("rb") as file:
        head = file.read(400)
    ours = any(head.startswith(mark) for mark in BEGINNINGS[target.suffix])
    if ours and head and target.suffix == ".npz":
        ours = False
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(target) as stored:
            ours = "__meta__.npy" in stored.namelist()
    if ours and head and target.suffix == ".md":
        ours = b"\n### " in head
    if head and not ours:
        kind = (
            "a result of asymptotics"
            if target.suffix == ".npz"
            else f"a {target.suffix[1:]} file that this could write"
        )
        raise InputError(f"{option} {path}: there is a file which is not {kind}; move it away")
    return "overwrote"


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure atomically, in the format of the file's suffix."""
    from .plotting import letter_panels, style

    kind = Path(path).suffix[1:] or "png"
    with style() as plt:
        letter_panels(figure)
        write_atomically(path, lambda file: figure.savefig(file, format=kind))
        plt.close(figure)
