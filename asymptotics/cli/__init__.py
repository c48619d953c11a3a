"""Command line: ``asymptotics examples | solve | simulate | compare | optimise | collapse | sweep | figure | derive``."""

from .run import commands, main, own_commands

__all__ = ["commands", "main", "own_commands"]
