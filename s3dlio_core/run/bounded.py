"""Many engine calls in flight, bounded in number and in the memory they need, and to be taken back from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.errors import TransferCancelledError
from s3dlio_core.run.many import Steps

__all__ = ["BoundedRun", "Weighted"]


@dataclass(frozen=True, slots=True)
class Weighted:
    """A task (see s3dlio_core.run.many) and the bytes of memory it needs while it runs."""

    steps: Steps[None]
    weight: int


class BoundedRun:
    """Runs tasks, drawn as places become free.

    Args:
        limit: Most tasks at once.
        window_bytes: Most memory of all of them together; one task always fits.
    """

    def __init__(self, *, limit: int, window_bytes: int) -> None:
        self._limit = limit
        self._window = window_bytes
        self._lock = threading.Lock()
        self._under_way: dict[int, tuple[Weighted, _ext.Pending[Any]]] = {}
        self._cancelled = False
        self._used = 0

    def run(self, tasks: Iterable[Weighted]) -> None:
        """Run them to their end, all on this thread.

        The first failure takes the others back, waits until the engine has let go of their memory, and is raised.
        """
        port = _ext.CompletionPort(with_fd=False)
        waiting = enumerate(tasks)
        following = next(waiting, None)
        try:
            while following is not None or self._under_way:
                while following is not None and self._fits(following[1]):
                    self._used += following[1].weight
                    self._step(port, following[0], following[1], None)
                    following = next(waiting, None)
                if not self._under_way:
                    continue
                for index in port.wait():
                    with self._lock:
                        task, pending = self._under_way.pop(index)
                    self._step(port, index, task, pending)
                # What ended may have made more to do.
                if following is None:
                    following = next(waiting, None)
        except BaseException:
            self.cancel()
            with self._lock:
                under_way, self._under_way = self._under_way, {}
            under_way.clear()  # dropping a call waits for its end
            raise

    def cancel(self) -> None:
        """Take back what is under way; run() then raises. From any thread."""
        with self._lock:
            self._cancelled = True
            for _, pending in self._under_way.values():
                pending.cancel()

    def _fits(self, task: Weighted) -> bool:
        if not self._under_way:
            return True
        return len(self._under_way) < self._limit and self._used + task.weight <= self._window

    def _step(self, port: _ext.CompletionPort, index: int, task: Weighted, pending: _ext.Pending[Any] | None) -> None:
        try:
            following = next(task.steps) if pending is None else self._resume(task.steps, pending)
        except StopIteration:
            self._used -= task.weight
            return
        with self._lock:
            if self._cancelled:
                following.cancel()
            self._under_way[index] = (task, following)
        port.add(following, index)

    @staticmethod
    def _resume(steps: Steps[None], pending: _ext.Pending[Any]) -> _ext.Pending[Any]:
        try:
            value = pending.result()
        except TransferCancelledError:
            raise
        except Exception as error:
            return steps.throw(error)
        return steps.send(value)
