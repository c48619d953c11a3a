"""Command line: ``asymptotics examples | solve | simulate | compare | optimise | collapse | sweep | figure | derive``."""

from .run import main
from .table import commands, own_commands

__all__ = ["commands", "main", "own_commands"]
