"""Tensors to a writer: from their own memory on the CPU, through a staging pool from an accelerator."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from s3dlio_core import ObjectWriter
from s3dlio_torch._fill_tensors import flat_bytes
from s3dlio_torch._staging import StagingPool, StagingSlot

__all__ = ["TensorUpload"]


class TensorUpload:
    """Appends tensors to `writer`, one after the other."""

    def __init__(self, writer: ObjectWriter) -> None:
        self._writer = writer
        self._pool: StagingPool | None = None

    def append(self, tensor: torch.Tensor) -> None:
        """The bytes of a contiguous tensor; it may change again when this returns."""
        tensor = tensor.detach().resolve_conj().resolve_neg()
        if not tensor.numel():
            return
        data = flat_bytes(tensor)
        if tensor.device.type == "cpu":
            self._writer.write(data)
            return
        for slot, size in self._fetched(data):
            self._writer.write(slot.memory[:size])

    def _fetched(self, data: torch.Tensor) -> Iterator[tuple[StagingSlot, int]]:
        """`data` piece by piece; the copy of the next one runs while this one is being sent."""
        if self._pool is None:
            self._pool = StagingPool(pinned=True, slots=2)
        pool = self._pool
        ahead: tuple[StagingSlot, int] | None = None
        for start in range(0, data.numel(), pool.slot_bytes):
            piece = data[start : start + pool.slot_bytes]
            slot = pool.take()
            slot.memory[: piece.numel()].copy_(piece, non_blocking=True)
            slot.copied_to(data.device)
            if ahead is not None:
                yield from self._sent(ahead)
            ahead = slot, piece.numel()
        if ahead is not None:
            yield from self._sent(ahead)

    def _sent(self, fetched: tuple[StagingSlot, int]) -> Iterator[tuple[StagingSlot, int]]:
        assert self._pool is not None
        fetched[0].wait()
        yield fetched
        self._pool.give_back(fetched[0])
