"""Engine calls on an asyncio loop: N calls that end together wake it once; a cancelled call is over before that
shows.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, TypeVar

from s3dlio_core import _ext
from s3dlio_core.process import lifecycle

__all__ = ["result_of", "until_done"]

T = TypeVar("T")


async def result_of(pending: _ext.Pending[T]) -> T:
    """The result of an engine call, or its error.

    When the task is cancelled, the call is too, and CancelledError surfaces only once the engine has let go of the
    caller's memory.
    """
    await until_done(pending)
    return pending.result()


async def until_done(pending: _ext.Pending[Any]) -> None:
    """Wait for a call's end without taking its result; cancellation as for result_of."""
    if not pending.done():
        await _port_of(asyncio.get_running_loop()).until_done(pending)


class _LoopPort:
    """One loop's place to hear of calls that end. Used on that loop's thread only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Holds no reference to the loop, which is the key this is found by.
        self._port = _ext.CompletionPort(with_fd=True)
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._next_token = 0
        loop.add_reader(self._port.fileno(), self._on_ready)

    async def until_done(self, pending: _ext.Pending[Any]) -> None:
        token = self._next_token
        self._next_token += 1
        self._port.add(pending, token)
        try:
            await self._wait(token)
        except asyncio.CancelledError:
            pending.cancel()
            while not pending.done():
                try:
                    await self._wait(token)
                except asyncio.CancelledError:
                    continue  # asked again; the memory is still the engine's
            raise
        finally:
            self._waiters.pop(token, None)

    async def _wait(self, token: int) -> None:
        waiter = self._waiters[token] = asyncio.get_running_loop().create_future()
        await waiter

    def _on_ready(self) -> None:
        for token in self._port.take():
            waiter = self._waiters.pop(token, None)
            if waiter is not None and not waiter.done():
                waiter.set_result(None)


_ports: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopPort] = weakref.WeakKeyDictionary()


def _port_of(loop: asyncio.AbstractEventLoop) -> _LoopPort:
    port = _ports.get(loop)
    if port is None:
        port = _ports[loop] = _LoopPort(loop)
    return port


# A forked child shares the file descriptors with its parent's loops: it must not read them empty.
lifecycle.run_in_forked_child(_ports.clear)
