"""A read-only seekable file over anything that can give bytes at a place, for libraries that want a file."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any

__all__ = ["SeekableBytes", "SeekableFile"]


class SeekableBytes:
    """Position and reading, for a class that is a kind of file besides; a subclass says what the bytes are.

    Args:
        size: Bytes of the file. Beyond them a read gives b"".
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    @abstractmethod
    def bytes_at(self, start: int, end: int) -> memoryview:
        """Bytes [start, end), at least one, which lie inside the file."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}
        if whence not in bases:
            raise ValueError(f"whence is {whence}; expected 0, 1 or 2")
        position = bases[whence] + offset
        if position < 0:
            raise ValueError(f"position {position} lies before the start; a position cannot be negative")
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(self._take(size))

    def readinto(self, buffer: Any, /) -> int:
        target = memoryview(buffer).cast("B")
        piece = self._take(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def _take(self, size: int | None) -> memoryview:
        left = max(self._size - self._position, 0)
        count = left if size is None or size < 0 else min(size, left)
        piece = self.bytes_at(self._position, self._position + count) if count else memoryview(b"")
        self._position += count
        return piece


class SeekableFile(SeekableBytes, io.RawIOBase):
    """The same as a raw file, as io.BufferedReader takes it."""
