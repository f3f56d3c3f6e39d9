"""Writers to one memory take turns: no byte may have two writers at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Span", "Turns"]

T = TypeVar("T")


class Span(NamedTuple):
    """From a tensor's first byte to behind its last; bytes between that are not its own count as well.

    Attributes:
        storage: Names a device and a block of its memory; spans of different storages share nothing.
        start, end: [start, end), in bytes of the device's addresses.
    """

    storage: Hashable
    start: int
    end: int


class Turns(Generic[T]):
    """Lets writers to the same memory begin one after the other, in the order they come. One thread at a time.

    Writers of one owner never wait for each other: slices of one tensor interleave without overlapping.
    """

    def __init__(self) -> None:
        self._writing: dict[Hashable, dict[str, tuple[int, int, int]]] = {}  # start, end, writers
        self._waiting: dict[Hashable, deque[tuple[T, str, Span]]] = {}

    def admit(self, writer: T, owner: str, span: Span | None) -> bool:
        """Whether `writer` may begin now; otherwise ended() will give it."""
        if span is None:
            return True
        queue = self._waiting.get(span.storage)
        if queue is None and self._begin(owner, span):
            return True
        self._waiting.setdefault(span.storage, deque()).append((writer, owner, span))
        return False

    def ended(self, owner: str, span: Span | None) -> list[T]:
        """A writer that was let in is done; those that may begin now, in their order."""
        if span is None:
            return []
        owners = self._writing[span.storage]
        start, end, writers = owners.pop(owner)
        if writers > 1:
            owners[owner] = start, end, writers - 1
        begun: list[T] = []
        queue = self._waiting.get(span.storage)
        while queue and self._begin(queue[0][1], queue[0][2]):
            begun.append(queue.popleft()[0])
        if queue is not None and not queue:
            del self._waiting[span.storage]
        if not owners:
            del self._writing[span.storage]
        return begun

    def _begin(self, owner: str, span: Span) -> bool:
        owners = self._writing.setdefault(span.storage, {})
        if any(other != owner and start < span.end and span.start < end for other, (start, end, _) in owners.items()):
            return False
        start, end, writers = owners.get(owner, (span.start, span.end, 0))
        owners[owner] = min(start, span.start), max(end, span.end), writers + 1
        return True
