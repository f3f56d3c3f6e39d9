"""A tensor's bytes, row-major, in pieces that can be sent: from its own memory where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch

from s3dlio_torch._storage import check_storage
from s3dlio_torch.dcp.staging import StagingRing

__all__ = ["Piece", "bytes_of", "in_frames", "pieces_of"]

# Copies of bits, whatever they mean: some types can be stored and not be computed with.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.complex128}


class Piece(NamedTuple):
    """Some bytes to send, and what to call once they are sent."""

    memory: torch.Tensor | bytes | bytearray  # a tensor: uint8, shape [n], contiguous, on the CPU
    release: Callable[[], None] | None = None


def bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """A contiguous CPU tensor's memory: uint8, shape [nbytes].

    Raises:
        InvalidArgumentError: Its storage was freed or made smaller.
    """
    check_storage(tensor, "save")
    view = torch.empty(0, dtype=torch.uint8)
    offset = tensor.storage_offset() * tensor.itemsize
    return view.set_(tensor.untyped_storage(), offset, (tensor.numel() * tensor.itemsize,), (1,))


def pieces_of(
    tensor: torch.Tensor, ring: StagingRing, *, first_bytes: int = 0, most_bytes: int = 64 << 20
) -> Iterator[Piece]:
    """All of `tensor`, in order. What cannot be sent from where it is passes through `ring`, one buffer a piece.

    Args:
        tensor: Plain and strided, on any device, with any strides.
        first_bytes: Of the first piece in the tensor's own memory, to which only whole parts follow then; 0: as any.
        most_bytes: Of each other one.
    """
    if tensor.numel() == 0:
        return
    check_storage(tensor, "save")
    if tensor.device.type == "cpu" and tensor.is_contiguous() and not _has_lazy_bits(tensor):
        memory = bytes_of(tensor)
        if first_bytes:
            yield Piece(memory[:first_bytes])
        for start in range(first_bytes, len(memory), most_bytes):
            yield Piece(memory[start : start + most_bytes])
        return
    for block in _blocks(tensor, ring.size):
        yield _staged(block, ring)


def in_frames(pieces: Iterator[Piece], frame_size: int) -> Iterator[Piece]:
    """The same bytes in pieces of exactly `frame_size`; the last one may be short.

    A frame's release, where there is one, must be called before the next frame is asked for.
    """
    rest: torch.Tensor | None = None
    for memory, release in pieces:
        assert isinstance(memory, torch.Tensor)
        start = 0
        if rest is not None:
            start = min(frame_size - len(rest), len(memory))
            rest = torch.cat([rest, memory[:start]])
            if len(rest) == frame_size:
                yield Piece(rest)
                rest = None
        while rest is None and start + frame_size <= len(memory):
            yield Piece(memory[start : start + frame_size])
            start += frame_size
        if rest is None and start < len(memory):
            rest = memory[start:].clone()
        if release is not None:
            release()
    if rest is not None:
        yield Piece(rest)


def _has_lazy_bits(tensor: torch.Tensor) -> bool:
    """Whether the memory holds the conjugate or the negative of what the tensor means."""
    return tensor.is_conj() or tensor.is_neg()


def _blocks(tensor: torch.Tensor, most_bytes: int) -> Iterator[torch.Tensor]:
    """`tensor` cut along its first dimensions into blocks of at most `most_bytes`, in row-major order."""
    if tensor.numel() * tensor.itemsize <= most_bytes:
        yield tensor
        return
    rows = len(tensor)
    row_bytes = tensor.numel() // rows * tensor.itemsize
    if row_bytes > most_bytes:
        for row in tensor.unbind(0):
            yield from _blocks(row, most_bytes)
        return
    at_once = most_bytes // row_bytes
    for start in range(0, rows, at_once):
        yield tensor.narrow(0, start, min(at_once, rows - start))


def _staged(block: torch.Tensor, ring: StagingRing) -> Piece:
    if _has_lazy_bits(block):
        block = block.resolve_conj().resolve_neg()
    size = block.numel() * block.itemsize
    buffer = ring.take()
    try:
        bits = _BITS[block.itemsize]
        buffer[:size].view(bits).view(block.shape).copy_(block.view(bits))
    except BaseException:
        ring.give(buffer)
        raise
    return Piece(buffer[:size], lambda: ring.give(buffer))
