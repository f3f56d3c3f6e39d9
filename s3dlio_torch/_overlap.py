"""Which tensors share memory: no byte may have two writers, and none may be stored twice unasked."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Generic, NamedTuple, TypeVar

import torch

__all__ = ["Span", "Turns", "identity_of", "overlapping_names", "span_of"]

T = TypeVar("T")


class Span(NamedTuple):
    """From a tensor's first byte to behind its last; bytes between that are not its own count as well.

    Attributes:
        storage: Two tensors of different storages share nothing.
        start, end: [start, end), in bytes of the device's addresses.
    """

    storage: tuple[torch.device, int]
    start: int
    end: int


def span_of(tensor: torch.Tensor) -> Span | None:
    """Where a dense tensor lies; None for one that has no memory: empty, on the meta device, sparse."""
    if not tensor.numel() or tensor.device.type == "meta" or tensor.layout != torch.strided:
        return None
    last = sum((extent - 1) * stride for extent, stride in zip(tensor.shape, tensor.stride(), strict=True))
    start = tensor.data_ptr()
    storage = (tensor.device, tensor.untyped_storage().data_ptr())
    return Span(storage, start, start + (last + 1) * tensor.itemsize)


def identity_of(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Equal for two tensors that are the same elements of the same memory, as tied weights are."""
    span = span_of(tensor)
    if span is None:
        return (id(tensor),)
    return tensor.device, span.start, tensor.dtype, tuple(tensor.shape), tensor.stride()


def overlapping_names(tensors: Mapping[str, torch.Tensor]) -> list[list[str]]:
    """Groups of two names or more whose spans overlap, directly or through others; each ascending by place."""
    by_storage: dict[tuple[torch.device, int], list[tuple[int, int, str]]] = {}
    for name, tensor in tensors.items():
        span = span_of(tensor)
        if span is not None:
            by_storage.setdefault(span.storage, []).append((span.start, span.end, name))
    groups: list[list[str]] = []
    for members in by_storage.values():
        reached, group = 0, [""]
        for start, end, name in sorted(members):
            if start >= reached:
                groups.append(group := [])
            group.append(name)
            reached = max(reached, end)
    return [group for group in groups if len(group) > 1]


class Turns(Generic[T]):
    """Lets writers to the same memory begin one after the other, in the order they come. One thread at a time.

    Writers of one owner never wait for each other: slices of one tensor interleave without overlapping.
    """

    def __init__(self) -> None:
        self._writing: dict[tuple[torch.device, int], dict[str, tuple[int, int, int]]] = {}  # start, end, writers
        self._waiting: dict[tuple[torch.device, int], deque[tuple[T, str, Span]]] = {}

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
