"""An iterator worked off by a thread of its own, a few steps ahead of its consumer."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

__all__ = ["Ahead"]

T = TypeVar("T")
_LOOK_SECONDS = 0.2  # how soon a thread that waits for room notices that nobody will make any


class Ahead(Generic[T]):
    """Iterates over `source` in a thread, so that making the next value and using this one overlap.

    Args:
        depth: Values made and not yet asked for, at most.
        stop: Once set, the thread ends before its next value.
    """

    def __init__(self, source: Iterable[T], depth: int, stop: threading.Event) -> None:
        self._stop = stop
        self._values: queue.Queue[T | None] = queue.Queue(depth)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, args=(source,), name="s3dlio-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        """The values; then the error that ended `source`, if one did."""
        while (value := self._next()) is not None:
            yield value
            del value  # what it holds may go while the next one is waited for
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait until the thread has ended, which it does soon once `stop` is set."""
        self._thread.join()

    def _work(self, source: Iterable[T]) -> None:
        try:
            for value in source:
                if not self._put(value):
                    return
                del value
        except BaseException as error:  # raised again in the consumer
            self._error = error
        finally:
            self._put(None)

    def _next(self) -> T | None:
        while True:
            alive = self._thread.is_alive()
            try:
                return self._values.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                if not alive:  # stopped: nothing comes any more, not even the end
                    return None

    def _put(self, value: T | None) -> bool:
        while not self._stop.is_set():
            try:
                self._values.put(value, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
