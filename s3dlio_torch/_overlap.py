"""Which tensors share memory: no byte may have two writers, and none may be stored twice unasked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch

from s3dlio_core.checkpoint.read.turns import Span

__all__ = ["identity_of", "overlapping_names", "span_of"]


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
    by_storage: dict[Hashable, list[tuple[int, int, str]]] = {}
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
