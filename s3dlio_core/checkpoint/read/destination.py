"""What waits for a slice of a stored tensor, as far as reading must know it."""

from __future__ import annotations

import math
from typing import Any, Protocol

from s3dlio_core import _ext
from s3dlio_core.checkpoint.read.box import Box
from s3dlio_core.checkpoint.read.turns import Span
from s3dlio_core.errors import InvalidArgumentError

__all__ = ["Destination", "MemoryDestination"]


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
    """Memory without gaps on the CPU: a numpy array, a tensor, a bytearray.

    Args:
        data: Writable and contiguous; it is kept alive.
        shape: Of the slice.
        itemsize: Bytes of an element.
        order: Dimensions from the slowest in the stored payload to the fastest; None: row-major.
    Raises:
        InvalidArgumentError: Not contiguous, read-only, not on the CPU, or of another size.
    """

    direct = True
    on_accelerator = False

    def __init__(self, data: Any, shape: tuple[int, ...], itemsize: int, order: tuple[int, ...] | None = None) -> None:
        self.shape = shape
        size = math.prod(shape) * itemsize
        if _ext.memory_size(data, "data") != size:
            found = _ext.memory_size(data, "data")
            raise InvalidArgumentError(f"the destination has {found} bytes; a slice of shape {shape} takes {size}")
        self._view = _ext.window(data, size)
        self._order = order if order is not None and len(order) == len(shape) else tuple(range(len(shape)))
        row_major = [1] * len(shape)
        for dimension in range(len(shape) - 2, -1, -1):
            row_major[dimension] = row_major[dimension + 1] * shape[dimension + 1]
        self.strides = tuple(row_major[dimension] for dimension in self._order)
        self.span: Span | None = None  # one reader each: nobody else is told of this memory

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
            base = sum((o - first) * s for o, first, s in zip(offsets, box.offsets, self.strides, strict=True)) * size
            runs = part.runs(self.strides, 0)
            assert runs is not None
            for run in runs:
                assert run.target is not None
                place = run.start - start
                self._view[base + run.target : base + run.target + run.size] = payload[place : place + run.size]
            taken += part.nbytes
        return taken

    def filled(self) -> None:
        """See Destination."""
