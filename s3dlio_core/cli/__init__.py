"""The program `s3dlio` (also `s3-cli`): one file a command, over the stores of `s3dlio_core`."""

from s3dlio_core.cli.commands import main

__all__ = ["main"]
