"""One object as a seekable file, read ahead."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from s3dlio_core._ext import Buffer, Pending
from s3dlio_core.errors import InvalidArgumentError, PreconditionError
from s3dlio_core.formats.seekable import SeekError, asked_size, new_position, writable_bytes

if TYPE_CHECKING:
    from s3dlio_core.store._base import StoreBase

__all__ = ["ObjectReader"]

_FIRST_WINDOW = 256 << 10
_MAX_WINDOW = 8 << 20


class ObjectReader(io.RawIOBase):
    """A raw binary file over one object, which behaves as Python's own do. Not for several threads at once.

    Sequential reads are served from windows fetched ahead, which grow from 256 KiB to `read_ahead_bytes`; a read at
    least as large as the window goes straight into the caller's memory. All of it is read from the generation that was
    there at opening: PreconditionError if the object is replaced meanwhile. Where the service gives no ETag (and no
    version was named) nothing would tell generations apart: the first read then fetches the whole object at once.

    Attributes:
        key: Below the store's prefix.
        bucket: "" for file stores.
        size: Bytes of the object.
        etag: Of the generation that is read.
    """

    def __init__(
        self,
        store: StoreBase,
        key: str,
        *,
        version_id: str | None,
        read_ahead_bytes: int,
        size: int | None = None,
        etag: str | None = None,
    ) -> None:
        super().__init__()
        if read_ahead_bytes < 0:
            message = f"read_ahead_bytes is {read_ahead_bytes}; expected 0 or more"
            raise InvalidArgumentError(message, operation="open_reader", uri=store.uri_of(key))
        if size is None or not etag:
            meta = store._native().head(key, version_id or "").wait()
            size, etag = meta.size, meta.etag
        self.key = key
        self.bucket = store.bucket
        self.uri = store.uri_of(key)
        self.size = size
        self.etag = etag
        self._store = store
        self._version_id = version_id or ""
        self._position = 0
        self._largest_window = read_ahead_bytes
        self._window_size = min(_FIRST_WINDOW, read_ahead_bytes)
        self._whole = not self.etag and not self._version_id
        self._window = memoryview(b"")  # bytes [_window_start, _window_start + len) of the object
        self._window_start = 0
        self._following: Pending[Buffer] | None = None  # the window behind it, on its way
        self._following_start = 0

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
        """Move to `offset` from the start, the current position or the end; beyond the end is allowed, and reads
        b"".
        """
        self._check_open()
        try:
            position = new_position(self._position, self.size, offset, whence)
            if position < 0:
                raise SeekError(f"position {position} lies before the start", operation="seek")
        except SeekError as error:
            error.uri = self.uri
            raise
        self._position = position
        return position

    def readinto(self, out: Any, /) -> int:
        """Fill `out`; fewer bytes only at the object's end.

        Returns:
            Bytes read; 0 at the end.
        """
        self._check_open()
        target = writable_bytes(out)
        wanted = min(len(target), max(self.size - self._position, 0))
        done = 0
        while done < wanted:
            if count := self._from_window(target[done:wanted]):
                done += count
            elif self._whole:
                self._fetch_whole()
            elif wanted - done >= self._window_size:
                done += self._straight(target[done:wanted])
            else:
                self._advance_window()
        return done

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to `size` bytes, all there are if it is negative or None; fewer only at the object's end."""
        self._check_open()
        asked = asked_size(size)
        left = max(self.size - self._position, 0)
        wanted = left if asked < 0 else min(asked, left)
        inside = self._position - self._window_start
        if inside >= 0 and inside + wanted <= len(self._window):
            self._position += wanted
            return bytes(self._window[inside : inside + wanted])
        data = bytearray(wanted)
        count = self.readinto(data)
        return bytes(data if count == wanted else data[:count])

    def write(self, data: Any, /) -> int:
        """Refused: the file is read-only."""
        self._check_open()
        raise io.UnsupportedOperation("write: the file is read-only")

    def readall(self) -> bytes:
        """All that is left."""
        return self.read(-1)

    def close(self) -> None:
        """Let go of the windows; what is on its way is taken back."""
        if self.closed:
            return
        super().close()
        self._window = memoryview(b"")
        self._following = None

    def __repr__(self) -> str:
        return f"ObjectReader({self.uri!r}, {'closed' if self.closed else self._position} of {self.size} bytes)"

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError(f"I/O operation on a closed reader of {self.uri}")

    def _from_window(self, target: memoryview) -> int:
        """Copy what the window holds at the position."""
        inside = self._position - self._window_start
        if not 0 <= inside < len(self._window):
            return 0
        count = min(len(target), len(self._window) - inside)
        target[:count] = self._window[inside : inside + count]
        self._position += count
        return count

    def _straight(self, target: memoryview) -> int:
        """A large read goes into the caller's memory; what was fetched ahead for this place is used first."""
        if self._following is not None and self._following_start == self._position:
            self._take_following()
            return self._from_window(target)
        self._following = None
        native = self._store._native()
        count = native.get_into(self.key, target, self._position, None, self.etag, self._version_id, "").wait()
        self._position += count
        if count < len(target):
            raise self._cut_short()
        return count

    def _fetch_whole(self) -> None:
        self._window = self._store._native().get(self.key, None, "", "", "").wait().memoryview()
        self._window_start = 0
        if len(self._window) != self.size:
            raise self._cut_short()

    def _advance_window(self) -> None:
        """Make the window hold the position, and ask for the one behind it when reading is sequential."""
        sequential = self._position == self._window_start + len(self._window)
        if (
            self._following is None
            or not self._following_start <= self._position < self._following_start + self._window_size
        ):
            if not sequential:
                self._window_size = min(_FIRST_WINDOW, self._largest_window)
            self._following = self._fetch(self._position)
        self._take_following()
        if sequential:
            self._window_size = min(2 * self._window_size, self._largest_window)
            behind = self._window_start + len(self._window)
            if behind < self.size:
                self._following = self._fetch(behind)

    def _fetch(self, start: int) -> Pending[Buffer]:
        self._following_start = start
        end = min(start + max(self._window_size, 1), self.size)
        return self._store._native().get_range(self.key, start, end, self.size, self.etag, self._version_id, "")

    def _take_following(self) -> None:
        assert self._following is not None
        pending, self._following = self._following, None
        self._window = pending.wait().memoryview()
        self._window_start = self._following_start
        if not 0 <= self._position - self._window_start < len(self._window):
            raise self._cut_short()

    def _cut_short(self) -> Exception:
        message = (
            f"the object does not end at byte {self.size}, as it did when it was opened; it was replaced meanwhile"
        )
        return PreconditionError(message, operation="read", uri=self.uri)


def open_reader(
    store: StoreBase,
    key: str,
    *,
    version_id: str | None,
    read_ahead_bytes: int | None,
    size: int | None,
    etag: str | None,
) -> ObjectReader:
    """A reader with the default window unless told otherwise."""
    largest = _MAX_WINDOW if read_ahead_bytes is None else read_ahead_bytes
    return ObjectReader(store, key, version_id=version_id, read_ahead_bytes=largest, size=size, etag=etag)
