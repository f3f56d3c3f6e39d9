"""prefetch: many objects read ahead of their consumer, in a window bounded in bytes and requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from s3dlio_core._ext import Buffer, NativeFetchStream, ObjectMeta
from s3dlio_core.errors import InvalidArgumentError, StorageError
from s3dlio_core.store._base import StoreBase
from s3dlio_core.store._manage import ManageVerbs
from s3dlio_core.values import FetchItem

__all__ = ["FetchVerbs", "Prefetch"]

_TAKEN_AT_ONCE = 64


class Prefetch:
    """Iterator over (index of the item, its bytes). One thread at a time.

    An item that failed raises its error at its turn, and the iteration may go on behind it. close(), or leaving the
    `with` block, takes back what is under way; Buffers that were handed out stay valid.
    """

    def __init__(self, store: StoreBase, stream: NativeFetchStream) -> None:
        self._store = store  # kept: the engine asks its credentials of it
        self._stream: NativeFetchStream | None = stream
        self._ready: deque[tuple[int, Buffer | StorageError]] = deque()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, Buffer]:
        if not self._ready:
            if self._stream is None:
                raise StopIteration
            self._ready.extend(self._stream.next(_TAKEN_AT_ONCE))
            if not self._ready:
                self.close()
                raise StopIteration
        index, item = self._ready.popleft()
        if isinstance(item, Exception):
            raise item
        return index, item

    def close(self) -> None:
        """Stop. Harmless when it ended already."""
        self._ready.clear()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FetchVerbs(ManageVerbs):
    """Reading ahead."""

    def prefetch(
        self,
        items: Iterable[str | tuple[str, int | None] | ObjectMeta | FetchItem],
        *,
        window_bytes: int = 256 << 20,
        window_requests: int = 64,
        in_order: bool = True,
    ) -> Prefetch:
        """Read many objects ahead of their consumer.

        Args:
            items: Keys; or (key, size), ObjectMeta of a listing, or FetchItem, which spare the engine asking for the
                size.
            window_bytes: At most this is on its way or waiting to be taken; one object always fits.
            window_requests: At most so many objects are asked for at once.
            in_order: False yields objects as they arrive, so one slow object holds up nothing.
        Returns:
            An iterator of (index in `items`, Buffer), also a context manager.
        """
        if window_bytes < 1 or window_requests < 1:
            message = f"the window is {window_bytes} bytes and {window_requests} requests; expected at least 1 of each"
            raise InvalidArgumentError(message, operation="prefetch", uri=self.uri)
        wanted = [self._fetch_item(item) for item in items]
        return Prefetch(self, self._native().open_fetch_stream(wanted, window_bytes, window_requests, in_order))

    def _fetch_item(
        self, item: str | tuple[str, int | None] | ObjectMeta | FetchItem
    ) -> tuple[str, int | None, int, int]:
        if isinstance(item, str):
            return item, None, 0, 0
        if isinstance(item, ObjectMeta):
            return item.key, item.size, 0, 0
        if isinstance(item, FetchItem):
            if item.start < 0 or (item.end is not None and item.end <= item.start):
                message = f"the range [{item.start}, {item.end}) holds no bytes; expected 0 <= start < end"
                raise InvalidArgumentError(message, operation="prefetch", uri=self.uri_of(item.key))
            return item.key, item.size, item.start, item.end or 0
        key, size = item
        return key, size, 0, 0
