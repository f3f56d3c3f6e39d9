"""Engine calls on an asyncio loop: N calls that end together wake it once; a cancelled call is over before that
shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from s3dlio_core._ext import CompletionPort, Pending

__all__ = ["LoopPort", "result_of", "until_done"]

T = TypeVar("T")


async def result_of(pending: Pending[T]) -> T:
    """The result of an engine call, or its error.

    When the task is cancelled, the call is too, and CancelledError surfaces only once the engine has let go of the
    caller's memory.
    """
    await until_done(pending)
    return pending.result()


async def until_done(pending: Pending[Any]) -> None:
    """Wait for a call's end without taking its result; cancellation as for result_of."""
    if pending.done():
        return
    port = LoopPort()
    port.add(pending, 0)
    try:
        await port.wait()
    except asyncio.CancelledError:
        pending.cancel()
        await port.outlast([pending])
        raise


class LoopPort:
    """As CompletionPort, waited for on the running loop. Used on that loop's thread only, by one waiter at a time."""

    def __init__(self) -> None:
        # Holds no reference to the loop beyond a wait: the loop's watch, which ends with it, holds this.
        self._watch = _watch_of(asyncio.get_running_loop())
        self._tokens: list[int] = []
        self._waiter: asyncio.Future[None] | None = None

    def add(self, pending: Pending[Any], token: int) -> None:
        """`token` will be taken from here once `pending` is done."""
        self._watch.add(pending, partial(self._arrived, token))

    def take(self) -> list[int]:
        """The tokens of the calls that ended since the last time."""
        taken, self._tokens = self._tokens, []
        return taken

    async def wait(self) -> list[int]:
        """As take(), once there is one."""
        if not self._tokens:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self.take()

    async def outlast(self, calls: Iterable[Pending[Any]]) -> None:
        """Wait for the end of calls that were added, also when this task is cancelled (again) meanwhile: their memory
        is still the engine's. What ended is taken.
        """
        for pending in calls:
            while not pending.done():
                with contextlib.suppress(asyncio.CancelledError):
                    await self.wait()

    def _arrived(self, token: int) -> None:
        self._tokens.append(token)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Watch:
    """One loop's ear for all of the engine's calls that are waited for on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Holds no reference to the loop, which is the key this is found by.
        self._port = CompletionPort(with_fd=True)
        self._told: dict[int, Callable[[], None]] = {}
        self._next_token = 0
        loop.add_reader(self._port.fileno(), self._on_ready)

    def add(self, pending: Pending[Any], tell: Callable[[], None]) -> None:
        """Call `tell` once `pending` is done."""
        token = self._next_token
        self._next_token += 1
        self._told[token] = tell
        self._port.add(pending, token)

    def _on_ready(self) -> None:
        for token in self._port.take():
            self._told.pop(token)()


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = weakref.WeakKeyDictionary()


def _watch_of(loop: asyncio.AbstractEventLoop) -> _Watch:
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = _Watch(loop)
    return watch


# A forked child shares the file descriptors with its parent's loops: it must not read them empty.
os.register_at_fork(after_in_child=_watches.clear)
