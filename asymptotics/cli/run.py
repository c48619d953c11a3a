"""Running a command, and saying in one line what is wrong with it."""

from __future__ import annotations

import codecs
import contextlib
import errno
import io
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from .. import __version__
from ..common.input.checks import ComputationError, InputError, choice
from ..common.output.letters import in_plain_letters
from ..common.running import progress
from .help import general_help
from .table import commands, own_commands


@contextlib.contextmanager
def _old_names_said() -> Iterator[None]:
    """Within the block the use of an old name is one line on standard error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message=r"\S+: is now called ", category=DeprecationWarning)
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, DeprecationWarning):
                print(f"asymptotics: {message}", file=sys.stderr)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield


def _sayable(*streams: TextIO) -> None:
    """Let streams of any encoding take what we write: a letter that they do not have is written in plain words (τ as tau)."""
    codecs.register_error("asymptotics", in_plain_letters)
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="asymptotics")


def _told(error: Exception, status: int) -> int:
    """Say an error, in one line; on a terminal several of them in a line each. Returns the exit status."""
    lines = error.lines if isinstance(error, InputError) else [" ".join(str(error).split())]
    for line in lines if sys.stderr.isatty() else ["; ".join(lines)]:
        print(f"asymptotics: error: {line}", file=sys.stderr)
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status (2 for bad input, 130 after Ctrl-C)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _sayable(sys.stdout, sys.stderr)
    try:
        status = _run(arguments)
        sys.stdout.flush()
        return status
    except InputError as error:
        return _told(error, 2)
    except ComputationError as error:
        return _told(error, 3)
    except (MemoryError, ArithmeticError, ValueError) as error:
        # Values that are allowed one by one can still be too extreme together; anything else is a fault of ours.
        if isinstance(error, ValueError) and type(error).__name__ != "LinAlgError":
            raise
        reason = " ".join(str(error).split()) or "out of memory"
        return _told(ComputationError(f"the numbers of this experiment are too extreme to compute ({reason})"), 3)
    except KeyboardInterrupt as stop:
        print(f"asymptotics: {str(stop) or 'interrupted; nothing was left half-written'}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output went away (`| head`); nothing more to say.
        _silence()
        return 0
    except OSError as error:
        # Files are written elsewhere, with errors of their own: this is standard output, on a full disk.
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO):
            raise
        _silence()
        return _told(ComputationError(f"standard output cannot be written ({error.strerror})"), 3)
    finally:
        progress.set_default(None)


def _silence() -> None:
    """Nothing more goes to standard output, not even what is left in its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        known = commands() | own_commands()
        width = max(map(len, known))
        print("usage: asymptotics COMMAND ...\n\n" + "\n".join(f"  {k:<{width}} {c.says}" for k, c in known.items()))
        print("\nasymptotics COMMAND --help says more.")
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"asymptotics {__version__}")
        return 0
    name = arguments[0]
    if name not in commands():
        choice("command", name, list(dict.fromkeys([*commands(), *own_commands()])))
    command = commands().get(name) or own_commands()[name]
    alone = {"-h", "--help"} & set(arguments) and all(a.startswith("-") for a in arguments[1:])
    if alone and command.verbs:
        print(general_help(name, command.says, command.verbs, long=command.long))
        return 0
    with _old_names_said():
        return command.run(command, name, arguments[1:])
