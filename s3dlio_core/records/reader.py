"""Reads the heads inside one object by ranges: many small reads, ever further on, few requests."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from s3dlio_core.errors import RecordError
from s3dlio_core.formats.seekable import SeekableFile

__all__ = ["HeadReader"]

_SMALLEST = 64 << 10
_LARGEST = 1 << 20
# A request takes about as long as these bytes do, so a jump this short is read through.
_NEAR = 256 << 10
_MOST_AT_ONCE = 128 << 20


class HeadReader:
    """Bytes of one object by position, with a window that grows while reads lie close together.

    Args:
        fetch: fetch(start, end) gives the bytes [start, end) of the object, all of them.
        size: Of the object, in bytes.
    Attributes:
        bytes_read: Bytes fetched so far.
        requests: Ranges fetched so far.
    """

    def __init__(self, fetch: Callable[[int, int], Any], size: int) -> None:
        self.size = size
        self.bytes_read = 0
        self.requests = 0
        self._fetch = fetch
        self._window = memoryview(b"")
        self._window_start = 0
        self._ahead = _SMALLEST

    @classmethod
    def over(cls, data: Any) -> HeadReader:
        """A reader of what is in memory already."""
        view = memoryview(data).cast("B")
        return cls(lambda start, end: view[start:end], len(view))

    def at(self, start: int, count: int) -> memoryview:
        """Exactly the bytes [start, start + count). The view is good until the next call.

        Raises:
            RecordError: They do not all lie inside the object, or are more than a head may be (128 MiB).
        """
        end = start + count
        if start < 0 or count < 0 or end > self.size:
            raise RecordError(f"needs the bytes [{start}, {end}), but the object has {self.size}; it was cut short")
        if count > _MOST_AT_ONCE:
            raise RecordError(f"the description at byte {start} claims {count} bytes; expected at most {_MOST_AT_ONCE}")
        inside = start - self._window_start
        if inside < 0 or inside + count > len(self._window):
            self._move_window(start, end)
            inside = 0
        return self._window[inside : inside + count]

    def tail(self, count: int) -> memoryview:
        """The last `count` bytes of the object, all of it if that is less. The view is good until the next call."""
        wanted = min(count, self.size)
        return self.at(self.size - wanted, wanted)

    def as_file(self, most_at_once: int = 16 << 20) -> io.RawIOBase:
        """The same object as a seekable file, for libraries that want one; a read beyond `most_at_once` fails."""
        return _File(self, most_at_once)

    def _move_window(self, start: int, end: int) -> None:
        gap = start - (self._window_start + len(self._window))
        close = gap <= _NEAR and start >= self._window_start and len(self._window) > 0
        self._ahead = min(2 * self._ahead, _LARGEST) if close else _SMALLEST
        stop = min(max(end, start + self._ahead), self.size)
        window = memoryview(self._fetch(start, stop)).cast("B") if stop > start else memoryview(b"")
        if len(window) != stop - start:
            raise RecordError(f"found {len(window)} bytes at [{start}, {stop}); the object was replaced meanwhile")
        self._window, self._window_start = window, start
        self.bytes_read += len(window)
        self.requests += 1


class _File(SeekableFile):
    def __init__(self, reader: HeadReader, most_at_once: int) -> None:
        super().__init__(reader.size)
        self._reader = reader
        self._most_at_once = most_at_once

    def bytes_at(self, start: int, end: int) -> memoryview:
        if end - start > self._most_at_once:
            message = f"the description at byte {start} claims {end - start} bytes; expected at most"
            raise RecordError(f"{message} {self._most_at_once}")
        return self._reader.at(start, end - start)
