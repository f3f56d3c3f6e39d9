"""What waits for a slice of a stored tensor, as far as reading must know it."""

from __future__ import annotations

from typing import Any, Protocol

from s3dlio_core import _ext
from s3dlio_core.checkpoint.read.box import Box, row_major
from s3dlio_core.checkpoint.read.turns import Span
from s3dlio_core.errors import InvalidArgumentError

__all__ = ["Destination", "MemoryDestination", "window_of"]


class Destination(Protocol):
    """Where the slice goes. Its dimensions stand in the order that the payload has them in memory, but for `shape`.

    Attributes:
        shape: Extents as the user sees them.
        strides: Elements between neighbours of each dimension.
        direct: Whether stored bytes may be written to its memory as they are.
        on_accelerator: Whether bytes reach it fastest from page-locked memory.
        span: The memory it lies in; None: none that others could write to as well.
    """

    direct: bool
    on_accelerator: bool

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def strides(self) -> tuple[int, ...]: ...

    @property
    def span(self) -> Span | None: ...

    def memory(self, start: int, size: int) -> memoryview:
        """Its bytes [start, start + size), counted from the first element, to be written to. Only where `direct`."""

    def take(self, payload: memoryview, box: Box, start: int, end: int) -> int:
        """Copy what belongs to `box` among bytes [start, end) of the payload. The bytes of the box among them."""

    def filled(self) -> None:
        """All is there."""


class MemoryDestination:
    """A box inside memory that holds a larger one, row-major and without gaps.

    Args:
        view: All of the memory.
        extents: Elements of all of it in each dimension.
        base: The box's first element there.
        lengths: Its elements in each dimension.
        itemsize: Bytes of an element.
        order: Dimensions from the slowest in the stored payload to the fastest.
    """

    direct = True
    on_accelerator = False

    def __init__(
        self,
        view: memoryview,
        extents: tuple[int, ...],
        base: tuple[int, ...],
        lengths: tuple[int, ...],
        itemsize: int,
        order: tuple[int, ...],
    ) -> None:
        self.shape = lengths
        strides = row_major(extents)
        first = sum(offset * stride for offset, stride in zip(base, strides, strict=True)) * itemsize
        self._view = view[first:]
        self.strides = tuple(strides[dimension] for dimension in order)
        self.span: Span | None = None  # boxes of one memory overlap only where the caller asked for it

    def memory(self, start: int, size: int) -> memoryview:
        """See Destination."""
        return self._view[start : start + size]

    def take(self, payload: memoryview, box: Box, start: int, end: int) -> int:
        """See Destination."""
        if end <= start:
            return 0
        size = box.itemsize
        taken = 0
        for offsets, lengths in box.within(start // size, end // size):
            part = Box(box.shape, offsets, lengths, size)
            begin = sum((o - first) * s for o, first, s in zip(offsets, box.offsets, self.strides, strict=True)) * size
            runs = part.runs(self.strides, 0)
            assert runs is not None
            for run in runs:
                assert run.target is not None
                place = run.start - start
                target = begin + run.target
                self._view[target : target + run.size] = payload[place : place + run.size]
            taken += part.nbytes
        return taken

    def filled(self) -> None:
        """See Destination."""


def window_of(data: Any, size: int, name: str) -> memoryview:
    """The bytes of contiguous writable memory, format "B".

    Raises:
        InvalidArgumentError: Not contiguous, read-only, not on the CPU, or not of `size` bytes.
    """
    found = _ext.memory_size(data, "out")
    if found != size:
        raise InvalidArgumentError(f"the memory for {name!r} has {found} bytes; expected {size}")
    return _ext.window(data, size)
