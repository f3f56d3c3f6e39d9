"""Which bytes of a row-major payload a box of it covers, and which boxes a span of those bytes. Arithmetic only."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Run", "row_major"]

Region = tuple[tuple[int, ...], tuple[int, ...]]  # offsets and lengths in elements, one of each a dimension


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes [start, start + size) of the payload; `target` is where they go, in bytes from the destination's first
    element, if they lie there without gaps."""

    start: int
    size: int
    target: int | None


@dataclass(frozen=True, slots=True)
class Box:
    """The elements [offset, offset + length) in each dimension of a row-major tensor.

    Attributes:
        shape: Of the tensor as it is stored.
        offsets: First element in each dimension.
        lengths: Elements in each dimension.
        itemsize: Bytes of an element.
    """

    shape: tuple[int, ...]
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    itemsize: int

    @property
    def nbytes(self) -> int:
        """Bytes of the box's elements."""
        return math.prod(self.lengths) * self.itemsize

    @property
    def whole_nbytes(self) -> int:
        """Bytes of the stored tensor."""
        return math.prod(self.shape) * self.itemsize

    def inside(self) -> bool:
        """Whether the box lies in the tensor."""
        return len(self.shape) == len(self.offsets) == len(self.lengths) and all(
            0 <= offset <= offset + length <= extent
            for offset, length, extent in zip(self.offsets, self.lengths, self.shape, strict=True)
        )

    def permuted(self, order: Sequence[int]) -> Box:
        """The same with its dimensions in another order."""
        shape, offsets, lengths = (
            tuple(values[dimension] for dimension in order) for values in (self.shape, self.offsets, self.lengths)
        )
        return Box(shape, offsets, lengths, self.itemsize)

    def strides(self) -> tuple[int, ...]:
        """Elements between neighbours of each dimension in the stored tensor."""
        return row_major(self.shape)

    def runs(self, target_strides: Sequence[int], least_bytes: int) -> Iterator[Run] | None:
        """The box as runs without gaps both in the payload and in a destination of these strides (in elements).

        Returns:
            The runs, ascending; None where they are shorter than `least_bytes`.
        """
        first = self._first_joined(target_strides)
        size = math.prod(self.lengths[first:]) * self.itemsize
        if size < min(least_bytes, self.nbytes):
            return None
        return self._outer(first, size, target_strides)

    def spans(self, gap_bytes: int) -> Iterator[Run]:
        """The fewest runs that cover the box and hold no gap of more than `gap_bytes`; without targets."""
        strides = self.strides()
        extent, first = 1, len(self.shape)  # elements from the first to the last of one index of dimension first - 1
        while first > 0:
            length, stride = self.lengths[first - 1], strides[first - 1]
            if length > 1 and (stride - extent) * self.itemsize > gap_bytes:
                break
            extent += (length - 1) * stride
            first -= 1
        return self._outer(first, extent * self.itemsize, None)

    def within(self, start: int, end: int) -> Iterator[Region]:
        """The box's elements among elements [start, end) of the payload, as boxes: offsets (in the stored tensor) and
        lengths. At most two for each dimension, and one."""
        if end > start:
            yield from self._within(0, start, end, (), self.strides())

    def _first_joined(self, target_strides: Sequence[int]) -> int:
        """The first dimension from which on all elements follow each other, here and in the destination."""
        first, expected = len(self.shape), 1
        while first > 0:
            length = self.lengths[first - 1]
            if first < len(self.shape) and self.lengths[first] != self.shape[first]:
                break
            if length != 1 and target_strides[first - 1] != expected:
                break
            expected *= length
            first -= 1
        return first

    def _outer(self, first: int, size: int, target_strides: Sequence[int] | None) -> Iterator[Run]:
        """One run for each index of the dimensions before `first`."""
        if 0 in self.lengths:
            return
        strides = self.strides()
        base = sum(offset * stride for offset, stride in zip(self.offsets, strides, strict=True))
        for index in itertools.product(*map(range, self.lengths[:first])):
            start = base + sum(i * stride for i, stride in zip(index, strides, strict=False))
            target = None
            if target_strides is not None:
                target = sum(i * stride for i, stride in zip(index, target_strides, strict=False)) * self.itemsize
            yield Run(start * self.itemsize, size, target)

    def _within(
        self, dimension: int, start: int, end: int, fixed: tuple[int, ...], strides: tuple[int, ...]
    ) -> Iterator[Region]:
        """The part of `within` below the indices `fixed`; start and end are counted from there."""
        if dimension == len(self.shape):
            yield fixed, (1,) * dimension
            return
        row = strides[dimension]
        low, high = self.offsets[dimension], self.offsets[dimension] + self.lengths[dimension]
        first_whole, last_whole = -(-start // row), end // row
        if first_whole > last_whole:  # all of it inside one row
            if low <= last_whole < high:
                base = last_whole * row
                yield from self._within(dimension + 1, start - base, end - base, (*fixed, last_whole), strides)
            return
        if start < first_whole * row and low <= first_whole - 1 < high:
            inner = start - (first_whole - 1) * row
            yield from self._within(dimension + 1, inner, row, (*fixed, first_whole - 1), strides)
        whole_low, whole_high = max(low, first_whole), min(high, last_whole)
        if whole_low < whole_high:
            offsets = (*fixed, whole_low, *self.offsets[dimension + 1 :])
            lengths = (*(1 for _ in fixed), whole_high - whole_low, *self.lengths[dimension + 1 :])
            if 0 not in lengths:
                yield offsets, lengths
        if last_whole * row < end and low <= last_whole < high:
            yield from self._within(dimension + 1, 0, end - last_whole * row, (*fixed, last_whole), strides)


def row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Elements between neighbours of each dimension, without gaps."""
    strides = [1] * len(shape)
    for dimension in range(len(shape) - 2, -1, -1):
        strides[dimension] = strides[dimension + 1] * shape[dimension + 1]
    return tuple(strides)
