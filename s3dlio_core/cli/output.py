"""What goes to stdout: lines for people and pipes, or one JSON document a line."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

__all__ = ["one_line", "print_json", "print_line", "rfc3339", "write_bytes", "writing"]


def one_line(text: str) -> str:
    """`text` without line ends and control characters: keys are hostile, terminals obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def print_line(text: str) -> None:
    """One line on stdout; on a terminal control characters are shown, not obeyed."""
    with writing():
        print(one_line(text) if sys.stdout.isatty() else text)


def print_json(document: dict[str, Any]) -> None:
    """One JSON document on a line of its own (JSON Lines)."""
    import json

    # ASCII: a pipe may have any encoding, and names of files need not be text.
    with writing():
        print(json.dumps(document))


def write_bytes(data: Any) -> None:
    """Raw bytes on stdout."""
    with writing():
        sys.stdout.buffer.write(data)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Whatever is written in it goes to standard output; an error says so."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def rfc3339(seconds: float) -> str | None:
    """A time in seconds since the epoch as RFC 3339 in UTC; None for 0, which means unknown."""
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
