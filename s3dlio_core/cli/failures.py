"""How the program says that something went wrong: one line on stderr, and an exit status that is not zero."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence

from s3dlio_core.cli.output import one_line

__all__ = ["describe", "print_error", "print_failures"]

_SHOWN = 20  # failures listed one by one; -v lists all


def describe(error: BaseException) -> str:
    """`error` in one line that names what it happened to, as far as the error knows."""
    from s3dlio_core import CredentialsError, StorageError

    if isinstance(error, CredentialsError) and "unsigned_access" in error.message:
        return one_line(f"{error}. On the command line: --profile, --no-sign-request")
    if isinstance(error, StorageError):
        return one_line(str(error))
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}")
    if isinstance(error, (ValueError, TypeError, OSError)) and str(error):
        return one_line(str(error))
    return one_line(f"{type(error).__name__}: {error} (a defect of s3dlio? -vv shows the traceback)")


def print_error(error: BaseException, *, verbosity: int) -> None:
    """Tell of an error in one line on stderr; from verbosity 2 with its traceback."""
    if verbosity >= 2:
        traceback.print_exception(error, file=sys.stderr)
    print(f"s3dlio: {describe(error)}", file=sys.stderr)


def print_failures(operation: str, failures: Sequence[tuple[str, Exception]], attempted: int, *, verbosity: int) -> int:
    """The summary after a command that went on past its failures: (name, error) of each. Gives the exit status."""
    if not failures:
        return 0
    print(f"s3dlio: {operation}: {len(failures)} of {attempted} failed:", file=sys.stderr)
    shown = failures if verbosity else failures[:_SHOWN]
    for name, error in shown:
        line = describe(error)
        # The error mostly names the object itself.
        print(f"  {line}" if name in line else f"  {one_line(name)}: {line}", file=sys.stderr)
        if verbosity >= 2:
            traceback.print_exception(error, file=sys.stderr)
    if len(shown) < len(failures):
        print(f"  ... and {len(failures) - len(shown)} more (-v lists them all)", file=sys.stderr)
    return 1
