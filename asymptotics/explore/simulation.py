"""The full process of a page's experiment, in a process of its own: how far it is, its end, and how to stop it."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from ..common.input.checks import ComputationError
from ..common.output.results import Result
from ..opening import result_of

#: What the other process runs: the bars it writes to standard error say how far it is.
PROGRAM = """
import sys
import asymptotics as asy
runs = asy.simulate(asy.Experiment.from_file(sys.argv[1]), progress=True, workers=1)
runs.save(sys.argv[2])
"""


class Simulation:
    """One simulation under way; the folder that it works in goes with it.

    Parameters
    ----------
    toml : str
        The experiment.
    """

    def __init__(self, toml: str) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="asymptotics-explore-")
        self.place = Path(self.folder.name)
        (self.place / "experiment.toml").write_text(toml, encoding="utf-8")
        self.said = (self.place / "said").open("wb")
        arguments = [str(self.place / "experiment.toml"), str(self.place / "runs.npz")]
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], stderr=self.said)

    @property
    def progress(self) -> int:
        """Per cent done."""
        found = re.findall(rb"(\d+)%", (self.place / "said").read_bytes())
        return int(found[-1]) if found else 0

    @property
    def running(self) -> bool:
        """Whether it still works."""
        return self.process.poll() is None

    def result(self) -> Result:
        """The runs, once it has ended.

        Raises
        ------
        ComputationError
            With the last line that it said, if it failed.
        """
        if self.process.returncode != 0:
            lines = (self.place / "said").read_text(errors="replace").strip().splitlines()
            raise ComputationError(f"simulation: {lines[-1] if lines else 'stopped'}")
        return result_of(self.place / "runs.npz")

    def stop(self) -> None:
        """End it, and remove what it left."""
        if self.running:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.said.close()
        self.folder.cleanup()
