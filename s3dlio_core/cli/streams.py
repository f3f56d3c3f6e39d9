"""Standard input and output as the source or the target of a copy: "-"."""

from __future__ import annotations

import errno
import os
import select
import sys
import time
from collections.abc import Iterator

import typer

from s3dlio_core import Store
from s3dlio_core.cli.output import write_bytes
from s3dlio_core.cli.progress import Meter
from s3dlio_core.cli.report import report
from s3dlio_core.cli.session import Session
from s3dlio_core.moving.found import explained
from s3dlio_core.moving.jobs import Outcome, Progress

__all__ = ["STREAM", "copy_in", "copy_out", "from_stdin", "to_stdout"]

STREAM = "-"
_PIECE = 8 << 20
_AHEAD = 32 << 20
_SIGNAL_SECONDS = 0.2


def copy_in(operation: str, session: Session, target: str, *, json: bool) -> int:
    """Standard input becomes the object `target`. Gives the exit status.

    Raises:
        typer.BadParameter: `target` names no object.
    """
    store, key = session.at_or_below(target, follow_link=False)
    if not key or key.endswith("/"):
        raise typer.BadParameter(f"'{target}' is a folder; standard input has no name: expected that of an object")
    outcome = Outcome()
    start = time.perf_counter()
    with Meter(operation) as meter:

        def moved(size: int) -> None:
            outcome.bytes += size
            meter.show(Progress(0, 1, outcome.bytes, None))

        with store.open_writer(key) as writer:  # an exception takes back what was sent
            for piece in from_stdin():
                writer.write(piece)
                moved(len(piece))
    outcome.succeeded = 1
    outcome.seconds = time.perf_counter() - start
    return report(operation, outcome, json=json, verbosity=session.verbosity)


def copy_out(operation: str, session: Session, uri: str, *, json: bool) -> int:
    """The object `uri` goes to standard output. Gives the exit status."""
    if json:
        raise typer.BadParameter("standard output takes the object; no document besides", param_hint="--json")
    outcome = Outcome()
    start = time.perf_counter()
    outcome.bytes = to_stdout(*session.at(uri))
    outcome.succeeded = 1
    outcome.seconds = time.perf_counter() - start
    return report(operation, outcome, json=False, verbosity=session.verbosity)


def from_stdin() -> Iterator[bytes]:
    """Standard input in pieces, to its end.

    Raises:
        OSError: There is none, or it cannot be read.
    """
    if sys.stdin is None:
        raise OSError(errno.EBADF, "is closed", "standard input")
    source = sys.stdin.fileno()
    pieces: list[bytes] = []
    size = 0
    while True:
        # A signal that comes just before a read does not wake it.
        while not select.select([source], [], [], _SIGNAL_SECONDS)[0]:
            pass
        piece = os.read(source, _PIECE - size)
        pieces.append(piece)
        size += len(piece)
        if size and (size == _PIECE or not piece):
            yield b"".join(pieces)
            pieces, size = [], 0
        if not piece:
            return


def to_stdout(store: Store, key: str, offset: int = 0, length: int | None = None) -> int:
    """Write bytes [offset, offset + length) (None: to the end) of an object; how many there were."""
    written = 0
    with explained(store, key), store.open_reader(key) as reader:
        reader.seek(offset)
        while length is None or written < length:
            piece = reader.read(_AHEAD if length is None else min(length - written, _AHEAD))
            if not piece:
                break
            write_bytes(piece)
            written += len(piece)
    return written
