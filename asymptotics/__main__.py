"""``python -m asymptotics``, and the command ``asymptotics``."""

from __future__ import annotations

import gc

#: Objects made before garbage is looked for: of the tens of thousands that imports make none is garbage.
OBJECTS = 50_000


def process() -> int:
    """Run the command line as all that this process does; returns the exit status."""
    gc.set_threshold(OBJECTS)
    from .cli import main

    status = main()
    # All that is left ends with the process: it need not be looked through once more.
    gc.freeze()
    return status


if __name__ == "__main__":
    raise SystemExit(process())
