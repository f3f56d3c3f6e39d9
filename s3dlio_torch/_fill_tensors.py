"""Ranges of objects into tensors: straight into contiguous ones on the CPU, through a staging pool into all others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch

from s3dlio_core.weights.fill import Fill, fill_many
from s3dlio_core.weights.generation import Generation
from s3dlio_torch._staging import StagingPool, StagingSlot

__all__ = ["TensorItem", "differing_names", "fill_tensors", "flat_bytes"]

_CALLS_IN_FLIGHT = 8
_CALL_BYTES = 64 << 20  # one call gathers small tensors up to this
_CALL_RANGES = 4096
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class TensorItem:
    """One tensor and where its bytes are stored, row-major and little-endian.

    Attributes:
        start, end: Of the object's bytes: [start, end).
        dtype: Of the stored elements; the target's may differ, then they are converted as copy_() does.
        target: Of the stored shape.
        on_bytes: Called with the offset inside the item and the stored bytes there (uint8, on the CPU), piece by piece,
            in any order, until all were seen. What it raises ends fill_tensors().
        name: What differing_names() calls it.
    """

    source: Generation
    start: int
    end: int
    dtype: torch.dtype
    target: torch.Tensor
    on_bytes: Callable[[int, torch.Tensor], None] | None = None
    name: str = ""

    @property
    def is_direct(self) -> bool:
        """Whether the stored bytes are the target's bytes."""
        target = self.target
        return target.device.type == "cpu" and target.dtype == self.dtype and target.is_contiguous()


def fill_tensors(items: Iterable[TensorItem]) -> None:
    """Read all of them, several calls into the engine at once; over when the last byte is in place.

    Args:
        items: Whose targets share no memory: they are filled in any order, and at once.
    Raises:
        StorageError: The first failure; the tensors' contents are unspecified then.
    """
    wanted = [item for item in items if item.end > item.start]
    fill_many(_direct_fills(item for item in wanted if item.is_direct), _CALLS_IN_FLIGHT)
    staged = [item for item in wanted if not item.is_direct]
    if staged:
        pool = StagingPool(pinned=any(item.target.device.type != "cpu" for item in staged))
        fill_many(_staged_fills(staged, pool, _unload), pool.slots)
        pool.drain()


def differing_names(items: Iterable[TensorItem]) -> list[str]:
    """The names of the items whose stored elements are not what their targets hold by now, ascending.

    They are read again, piece by piece, and nothing is written to.
    """
    pool = StagingPool(pinned=False)
    found: set[str] = set()

    def compare(pieces: list[TensorItem], places: list[torch.Tensor], slot: StagingSlot) -> None:
        for piece, place in zip(pieces, places, strict=True):
            target = piece.target.detach()
            stored = place.view(piece.dtype).view(target.shape).to(target.device, target.dtype)
            if not torch.equal(flat_bytes(stored), flat_bytes(target.contiguous())):
                found.add(piece.name)

    fill_many(_staged_fills((item for item in items if item.end > item.start), pool, compare), pool.slots)
    return sorted(found)


def flat_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """The memory of a contiguous tensor: uint8, shape [nbytes], not empty."""
    return tensor.detach().reshape(-1).view(torch.uint8)


def _direct_fills(items: Iterable[TensorItem]) -> Iterator[Fill]:
    call: list[tuple[int, TensorItem]] = []
    size = 0
    for item in items:
        # Whoever looks at the bytes does so while others arrive, and while they are in the cache.
        limit = _CALL_BYTES if item.on_bytes else item.end - item.start
        for offset, piece in _pieces(item, limit):
            full = size + piece.end - piece.start > _CALL_BYTES or len(call) == _CALL_RANGES
            if call and (full or piece.source is not call[0][1].source):
                yield _direct_fill(call)
                call, size = [], 0
            call.append((offset, piece))
            size += piece.end - piece.start
    if call:
        yield _direct_fill(call)


def _direct_fill(call: list[tuple[int, TensorItem]]) -> Fill:
    places = [flat_bytes(item.target) for _, item in call]
    ranges = [(item.start, item.end) for _, item in call]
    return Fill(call[0][1].source, ranges, places, lambda: _show(call, places))


def _show(call: list[tuple[int, TensorItem]], places: list[torch.Tensor]) -> None:
    for (offset, item), place in zip(call, places, strict=True):
        if item.on_bytes is not None:
            item.on_bytes(offset, place)


Use = Callable[[list[TensorItem], list[torch.Tensor], StagingSlot], None]


def _staged_fills(items: Iterable[TensorItem], pool: StagingPool, use: Use) -> Iterator[Fill]:
    """Calls that fill one slot each; drawn from while a slot is free. `use` is given what arrived, and where."""
    call: list[tuple[int, TensorItem]] = []
    size = 0
    for item in items:
        for offset, piece in _pieces(item, pool.slot_bytes):
            padded = _padded(piece.end - piece.start)
            if call and (size + padded > pool.slot_bytes or piece.source is not call[0][1].source):
                yield _staged_fill(call, pool, use)
                call, size = [], 0
            call.append((offset, piece))
            size += padded
    if call:
        yield _staged_fill(call, pool, use)


def _pieces(item: TensorItem, limit: int, offset: int = 0) -> Iterator[tuple[int, TensorItem]]:
    """`item` cut into pieces of at most `limit` bytes, each with its offset inside it."""
    size = item.end - item.start
    if size <= limit:
        yield offset, item
        return
    target = item.target.detach()
    if target.is_contiguous():
        target = target.view(-1)
    # All extents before `axis` are 1, so a piece along it is one run of the stored bytes.
    axis = next(number for number, extent in enumerate(target.shape) if extent > 1)
    extent = target.shape[axis]
    step_bytes = size // extent
    steps = max(1, limit // step_bytes)
    for first in range(0, extent, steps):
        count = min(steps, extent - first)
        inside = first * step_bytes
        start, end = item.start + inside, item.start + inside + count * step_bytes
        piece = replace(item, start=start, end=end, target=target.narrow(axis, first, count))
        yield from _pieces(piece, limit, offset + inside)


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _staged_fill(call: list[tuple[int, TensorItem]], pool: StagingPool, use: Use) -> Fill:
    slot = pool.take()
    places = []
    offset = 0
    for _, item in call:
        size = item.end - item.start
        places.append(slot.memory[offset : offset + size])
        offset += _padded(size)

    def unload() -> None:
        _show(call, places)
        use([item for _, item in call], places, slot)
        pool.give_back(slot)

    return Fill(call[0][1].source, [(item.start, item.end) for _, item in call], places, unload)


def _unload(items: list[TensorItem], places: list[torch.Tensor], slot: StagingSlot) -> None:
    with torch.no_grad():
        for item, place in zip(items, places, strict=True):
            target = item.target.detach()
            target.copy_(place.view(item.dtype).view(target.shape), non_blocking=True)
    for device in {item.target.device for item in items}:
        slot.copied_to(device)
