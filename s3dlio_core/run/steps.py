"""A task: a generator that yields the calls it waits for, one after the other, and returns its result.

The same code runs blocking and on an asyncio loop (bounded.py). A task that is taken back hears of it as an exception
at its `yield`, and may yield one more call there: its clean-up, such as aborting an upload.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from s3dlio_core._ext import Pending

__all__ = ["Steps", "resume", "take_back"]

T = TypeVar("T")
Steps = Generator[Pending[Any], Any, T]


class _TakenBack(BaseException):
    """What a task hears when another one's failure, or Ctrl-C, ends them all."""


def resume(task: Steps[Any], pending: Pending[Any]) -> Pending[Any]:
    """Give `task` the result of the call it waited for, or raise its error there; the next call it waits for.

    Raises:
        StopIteration: The task has ended; its result is the value.
    """
    try:
        value = pending.result()
    except Exception as error:
        return task.throw(error)
    return task.send(value)


def take_back(tasks: Iterable[Steps[Any]]) -> list[Pending[Any]]:
    """Tell tasks, whose calls have ended, that nothing is wanted of them any more; the calls that clean up."""
    cleaning = []
    for task in tasks:
        with contextlib.suppress(Exception, _TakenBack):
            cleaning.append(task.throw(_TakenBack()))
    return cleaning
