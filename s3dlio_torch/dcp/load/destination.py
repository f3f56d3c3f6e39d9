"""A tensor that waits for bytes: filled straight, where its memory can take them, or by copies."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from s3dlio_core import _ext
from s3dlio_core.checkpoint.read.box import Box
from s3dlio_core.checkpoint.read.turns import Span
from s3dlio_torch._overlap import span_of
from s3dlio_torch._storage import check_storage

__all__ = ["Destination", "plain_span", "undo_planes"]


def undo_planes(planes: bytes, out: memoryview, width: int) -> None:
    """As s3dlio_core.checkpoint.read.frames.regroup(), several times as fast."""
    found = torch.frombuffer(bytearray(planes), dtype=torch.uint8).view(width, -1)
    torch.frombuffer(out, dtype=torch.uint8).view(-1, width).copy_(found.t())


def plain_span(tensor: Tensor) -> Span | None:
    """The memory of a tensor; None for subclasses, which keep it elsewhere."""
    return span_of(tensor.detach()) if type(tensor) in (Tensor, torch.nn.Parameter) else None


class Destination:
    """Where a slice of a stored tensor goes.

    Args:
        tensor: Of the slice's shape; any device, strides and dtype. Kept alive until this is dropped.
        dtype: Of the stored elements.
        order: Dimensions from the slowest in the stored payload to the fastest; None: row-major.
        commit: Takes the tensor when it is filled.
    """

    def __init__(
        self,
        tensor: Tensor,
        dtype: torch.dtype,
        order: tuple[int, ...] | None = None,
        commit: Callable[[Tensor], None] = lambda tensor: None,
    ) -> None:
        self._resolved = tensor.detach()
        self.shape = tuple(tensor.shape)
        fits = order is not None and len(order) == tensor.dim()
        self._tensor = self._resolved.permute(order) if fits and order else self._resolved
        self.span = plain_span(self._resolved)
        self._dtype = dtype
        self._commit = commit
        self.direct = (
            type(tensor) in (Tensor, torch.nn.Parameter)
            and tensor.layout == torch.strided
            and tensor.device.type == "cpu"
            and tensor.dtype == dtype
            and not tensor.is_conj()
            and not tensor.is_neg()
            and not torch._C._is_cow_tensor(tensor)  # type: ignore[attr-defined]
        )
        self.on_accelerator = tensor.device.type not in ("cpu", "meta") and torch.accelerator.is_available()
        self._memory: memoryview | None = None
        self._written = False

    @property
    def strides(self) -> tuple[int, ...]:
        """Elements between neighbours of each dimension, in the payload's order."""
        return tuple(self._tensor.stride())

    def memory(self, start: int, size: int) -> memoryview:
        """Its bytes [start, start + size), counted from the first element, to be written to."""
        if self._memory is None:
            check_storage(self._tensor, "load")
            storage = self._tensor.untyped_storage()
            flat = torch.empty(0, dtype=torch.uint8).set_(storage)
            self._memory = _ext.window(flat, storage.nbytes())
        self._written = True
        base = self._tensor.storage_offset() * self._dtype.itemsize + start
        return self._memory[base : base + size]

    def take(self, payload: memoryview, box: Box, start: int, end: int) -> int:
        """Copy what belongs to `box` among bytes [start, end) of the payload. The bytes of the box among them."""
        if end <= start:
            return 0
        flat = torch.frombuffer(payload, dtype=torch.uint8).view(self._dtype)
        strides = box.strides()
        first = start // box.itemsize
        taken = 0
        with torch.no_grad():
            for offsets, lengths in box.within(first, end // box.itemsize):
                place = sum(offset * stride for offset, stride in zip(offsets, strides, strict=True)) - first
                source = flat.as_strided(lengths, strides, place)
                target = self._tensor
                for dimension, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
                    target = target.narrow(dimension, offset - box.offsets[dimension], length)
                target.copy_(source)
                taken += source.numel() * box.itemsize
        return taken

    def filled(self) -> None:
        """All is there: autograd is told that bytes were written behind its back, then the tensor is handed on."""
        if self._written and not self._tensor.is_inference():
            torch.autograd.graph.increment_version(self._tensor)
        self._commit(self._resolved)
