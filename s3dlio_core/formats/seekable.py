"""A read-only seekable file over anything that can give bytes at a place, for libraries that want a file.

Positions and arguments are taken as Python's own files take them: tests/core/formats/test_seekable.py compares the two.
"""

from __future__ import annotations

import errno
import io
import operator
from abc import abstractmethod
from typing import Any

from s3dlio_core.errors import InvalidArgumentError

__all__ = ["SeekError", "SeekableBytes", "SeekableFile", "asked_size", "new_position", "writable_bytes"]

_FARTHEST = (1 << 63) - 1


class SeekError(InvalidArgumentError, OSError):
    """A place that no file has. An OSError, as of the system's files: zipfile and others look for that."""

    _errno = errno.EINVAL


def new_position(position: int, size: int, offset: int, whence: int) -> int:
    """Where a file of `size` bytes stands after seek(offset, whence) at `position`; negative: before its start.

    Raises:
        SeekError: `whence` is not 0, 1 or 2.
        OverflowError: No system has a file so long.
        TypeError: Something else than integers.
    """
    offset, whence = _checked(offset), _checked(whence)
    bases = {io.SEEK_SET: 0, io.SEEK_CUR: position, io.SEEK_END: size}
    if whence not in bases:
        raise SeekError(f"whence is {whence}; expected 0, 1 or 2", operation="seek")
    moved = bases[whence] + offset
    return _checked(moved)


def asked_size(size: int | None) -> int:
    """What read(size) asks for; negative: all there is.

    Raises:
        TypeError, OverflowError: As Python's own files, which take no more than 2**63 - 1.
    """
    return -1 if size is None else _checked(size)


def _checked(number: int) -> int:
    found = operator.index(number)
    if abs(found) > _FARTHEST:
        raise OverflowError(f"{found} is outside [-2**63 + 1, 2**63 - 1]")
    return found


def writable_bytes(buffer: Any) -> memoryview:
    """The memory of `buffer` as bytes to be filled.

    Raises:
        TypeError: It is no contiguous memory, or may not be written to.
    """
    view = memoryview(buffer)
    if view.readonly:
        raise TypeError(f"expected memory that may be written to, found a read-only {type(buffer).__name__}")
    return view.cast("B") if view.nbytes else memoryview(bytearray())


class SeekableBytes:
    """Position and reading, for a class that is a kind of file besides; a subclass says what the bytes are.

    Args:
        size: Bytes of the file. Beyond them a read gives b"".
    """

    closed: bool  # of the file that this is besides

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size
        self._position = 0

    @abstractmethod
    def bytes_at(self, start: int, end: int) -> memoryview:
        """Bytes [start, end), at least one, which lie inside the file."""

    def readable(self) -> bool:
        self._check_open()
        return True

    def seekable(self) -> bool:
        self._check_open()
        return True

    def writable(self) -> bool:
        self._check_open()
        return False

    def tell(self) -> int:
        self._check_open()
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move to `offset` from the start, the position or the end; beyond the end is allowed, and reads b""."""
        self._check_open()
        position = new_position(self._position, self._size, offset, whence)
        if position < 0:
            raise SeekError(f"position {position} lies before the start; a position cannot be negative")
        self._position = position
        return position

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(self._take(size))

    def readinto(self, buffer: Any, /) -> int:
        target = writable_bytes(buffer)
        piece = self._take(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def write(self, data: Any, /) -> int:
        self._check_open()
        raise io.UnsupportedOperation("write: the file is read-only")

    def _take(self, size: int | None) -> memoryview:
        self._check_open()
        wanted = asked_size(size)
        left = max(self._size - self._position, 0)
        count = left if wanted < 0 else min(wanted, left)
        piece = self.bytes_at(self._position, self._position + count) if count else memoryview(b"")
        self._position += count
        return piece

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on a closed file")


class SeekableFile(SeekableBytes, io.RawIOBase):
    """The same as a raw file, as io.BufferedReader takes it."""
