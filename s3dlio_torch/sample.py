"""What a dataset yields for one object: a tensor, bytes, or a reader; and what a transform makes of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Literal

import torch

from s3dlio_core import Buffer

ReturnType = Literal["tensor", "bytes", "reader"]
RETURN_TYPES: tuple[ReturnType, ...] = ("tensor", "bytes", "reader")
Transform = Callable[[Any], Any]


class SampleReader(io.BufferedIOBase):
    """A seekable, read-only file over one object's bytes, which are in memory already.

    Attributes:
        bucket: Bucket of the object; "" for file stores.
        key: Full key of the object in its bucket.
    """

    def __init__(self, data: Buffer, bucket: str, key: str) -> None:
        self.bucket = bucket
        self.key = key
        self._view = memoryview(data)
        self._position = 0

    def getbuffer(self) -> memoryview:
        """The whole object without a copy: uint8, shape [size]."""
        return self._view

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves to `offset` from the start, the position or the end; past the end means the end."""
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._view)}
        if whence not in bases:
            raise ValueError(f"whence is {whence}; expected 0, 1 or 2")
        position = bases[whence] + offset
        if position < 0:
            raise ValueError(f"seek to {position}: a position cannot be negative")
        self._position = min(position, len(self._view))
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(self._take(size))

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        piece = self._take(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def readinto1(self, buffer: Any, /) -> int:
        return self.readinto(buffer)

    def _take(self, size: int | None) -> memoryview:
        rest = len(self._view) - self._position
        count = rest if size is None or size < 0 else min(size, rest)
        piece = self._view[self._position : self._position + count]
        self._position += count
        return piece


def check_return_type(value: str) -> ReturnType:
    """`value` if it is one of the three, else ValueError naming them."""
    for known in RETURN_TYPES:
        if value == known:
            return known
    raise ValueError(f"return_type is {value!r}; expected one of {', '.join(RETURN_TYPES)}")


def make_sample(data: Buffer, bucket: str, key: str, return_type: ReturnType, transform: Transform | None) -> Any:
    """One sample from the bytes of one object.

    Returns:
        "tensor": uint8 tensor of shape [size] over `data`, no copy; "bytes": a copy; "reader": a SampleReader.
        With `transform`, what it makes of that.
    """
    sample: Any
    if return_type == "tensor":
        sample = torch.utils.dlpack.from_dlpack(data) if len(data) else torch.empty(0, dtype=torch.uint8)
    elif return_type == "bytes":
        sample = bytes(data)
    else:
        sample = SampleReader(data, bucket, key)
    return sample if transform is None else transform(sample)
