"""A read-only seekable file over anything that can give bytes at a place, for libraries that want a file."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any

__all__ = ["SeekableFile"]


class SeekableFile(io.RawIOBase):
    """Position and reading; a subclass says what the bytes are. Beyond the end a read gives b"".

    Args:
        size: Bytes of the file.
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
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"position {base + offset} lies before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size - self._position, 0)
        count = left if size is None or size < 0 else min(size, left)
        data = bytes(self.bytes_at(self._position, self._position + count)) if count else b""
        self._position += count
        return data

    def readinto(self, out: Any, /) -> int:
        target = memoryview(out).cast("B")
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)
