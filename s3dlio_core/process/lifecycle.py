"""What happens when the process forks or ends."""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable

from s3dlio_core import _ext
from s3dlio_core.process import service

__all__ = ["abort_at_exit", "run_in_forked_child"]

_SHUTDOWN_SECONDS = 5.0  # for what is under way to be taken back; a process that must end does not wait longer


_open_writers: weakref.WeakSet[_ext.NativeWriter] = weakref.WeakSet()
_in_child: list[Callable[[], None]] = [service.forget_after_fork]


def abort_at_exit(writer: _ext.NativeWriter) -> None:
    """Abort `writer` if it is still there, and open, when the interpreter ends.

    An exception that nobody caught keeps it: the frames it came through are kept for whoever wants to look at them.
    """
    _open_writers.add(writer)


def run_in_forked_child(forget: Callable[[], None]) -> None:
    """Call `forget` in every child that is forked from now on."""
    _in_child.append(forget)


def _after_fork_in_child() -> None:
    global _open_writers
    _open_writers = weakref.WeakSet()  # the parent's to finish
    for forget in _in_child:
        forget()


def _at_exit() -> None:
    for writer in list(_open_writers):
        writer.drop()  # shutdown() waits; a sweep finds what stays behind
    service.drain()
    _ext.shutdown(_SHUTDOWN_SECONDS)


os.register_at_fork(after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
