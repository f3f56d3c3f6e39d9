"""Many calls in flight, one wait for all of them: bounded in number and in weight, taken back from any thread."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from s3dlio_core._ext import CompletionPort, Pending
from s3dlio_core.errors import TransferCancelledError
from s3dlio_core.run.steps import Steps, resume, take_back

__all__ = ["BoundedRun", "Weighted"]

_UnderWay = dict[int, tuple["Weighted", Pending[Any]]]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A task (see s3dlio_core.run.steps) and the bytes of memory it needs while it runs."""

    steps: Steps[None]
    weight: int = 0


class _Port(Protocol):
    """Where calls that end leave their tokens."""

    def add(self, pending: Pending[Any], token: int) -> None: ...
    def take(self) -> list[int]: ...


class BoundedRun:
    """One run of many tasks, for what they do.

    The first failure takes the others back, waits until the engine has let go of their memory, and is raised.

    Args:
        limit: Most tasks at once.
        window_bytes: Most memory of all of them together; one task always fits. None: whatever they need.
    """

    def __init__(self, *, limit: int, window_bytes: int | None = None) -> None:
        self._limit = limit
        self._window = math.inf if window_bytes is None else window_bytes
        self._tokens = count()
        self._tasks: Iterator[Weighted] = iter(())
        self._held: Weighted | None = None  # drawn, and too heavy for now
        self._used = 0
        self._at_once: list[int] = []  # tokens of calls that had ended when they were made: no port hears of these
        self._lock = threading.Lock()
        self._under_way: _UnderWay = {}
        self._cancelled = False

    def run(self, tasks: Iterable[Weighted]) -> None:
        """Run `tasks` to their end, all on this thread.

        `tasks` is drawn from as places become free, so a generator of large data never lies in memory as a whole. It is
        asked again after it had none: what ended may have made more to do.
        """
        self._tasks = iter(tasks)
        port = CompletionPort(with_fd=False)
        try:
            while self._start(port):
                for token in self._take_ended(port) or port.wait():
                    self._step(port, token)
        except BaseException:
            under_way = self._cancel_all()
            for _, pending in under_way.values():
                with contextlib.suppress(Exception):
                    pending.wait()
            for pending in take_back(task.steps for task, _ in under_way.values()):
                with contextlib.suppress(Exception):
                    pending.wait()
            raise

    async def run_async(self, tasks: Iterable[Weighted]) -> None:
        """As run(), on the running loop."""
        # Not imported with the package: asyncio takes a third of the time that importing the package may.
        from s3dlio_core.run.on_loop import LoopPort

        self._tasks = iter(tasks)
        port = LoopPort()
        try:
            while self._start(port):
                for token in self._take_ended(port) or await port.wait():
                    self._step(port, token)
        except BaseException:
            under_way = self._cancel_all()
            await port.outlast([pending for _, pending in under_way.values()])
            cleaning = take_back(task.steps for task, _ in under_way.values())
            for pending in cleaning:
                port.add(pending, next(self._tokens))
            await port.outlast(cleaning)
            raise

    def cancel(self) -> None:
        """Take back what is under way; the run then raises TransferCancelledError. From any thread."""
        with self._lock:
            self._cancelled = True
            for _, pending in self._under_way.values():
                pending.cancel()

    def _start(self, port: _Port) -> bool:
        """Start tasks while there is room for them; whether any is under way."""
        while len(self._under_way) < self._limit:
            task, self._held = self._held or next(self._tasks, None), None
            if task is None:
                break
            if self._under_way and self._used + task.weight > self._window:
                self._held = task
                break
            self._used += task.weight
            self._advance(port, task, None)
        return bool(self._under_way)

    def _take_ended(self, port: _Port) -> list[int]:
        """What needs no waiting, where a call had ended when it was made."""
        if not self._at_once:
            return []
        ended, self._at_once = self._at_once, []
        return ended + port.take()

    def _step(self, port: _Port, token: int) -> None:
        with self._lock:
            if self._cancelled:
                raise TransferCancelledError("the calls were taken back")
            task, ended = self._under_way.pop(token)
        self._advance(port, task, ended)

    def _advance(self, port: _Port, task: Weighted, ended: Pending[Any] | None) -> None:
        """Have `task` make its next call, after the one that `ended`."""
        try:
            pending = next(task.steps) if ended is None else resume(task.steps, ended)
        except StopIteration:
            self._used -= task.weight
            return
        token = next(self._tokens)
        with self._lock:
            self._under_way[token] = task, pending
            if self._cancelled:
                pending.cancel()
        if pending.done():
            self._at_once.append(token)
        else:
            port.add(pending, token)

    def _cancel_all(self) -> _UnderWay:
        """Cancel every call; what was under way."""
        self.cancel()
        with self._lock:
            under_way, self._under_way = self._under_way, {}
        return under_way
