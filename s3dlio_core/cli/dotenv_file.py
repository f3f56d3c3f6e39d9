"""The .env file of the working directory: fills what the environment leaves open. Only the program reads it."""

from __future__ import annotations

import os
import sys

__all__ = ["FILE_NAME", "filled", "load"]

FILE_NAME = ".env"
_filled: set[str] = set()


def load(*, verbose: bool) -> None:
    """Set each variable of the file that the environment has not.

    Raises:
        OSError: The file is there and cannot be read.
    """
    if not os.path.isfile(FILE_NAME):
        return
    from dotenv import dotenv_values  # only where there is a file: it costs a tenth of the start

    for name, value in dotenv_values(FILE_NAME).items():
        if value is not None and name not in os.environ:
            os.environ[name] = value
            _filled.add(name)
    if verbose and _filled:
        print(f"s3dlio: from {FILE_NAME}: {', '.join(sorted(_filled))}", file=sys.stderr)


def filled(name: str) -> bool:
    """Whether the file, not the environment, set the variable."""
    return name in _filled
