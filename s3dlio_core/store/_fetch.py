"""prefetch: many objects read ahead of their consumer, in a window bounded in bytes and requests."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from types import TracebackType
from typing import Self

from s3dlio_core._ext import Buffer, NativeFetchStream
from s3dlio_core.errors import InvalidArgumentError, StorageError
from s3dlio_core.store._get_many import GetManyVerbs, ItemLike

__all__ = ["FetchVerbs", "Prefetch"]

_TAKEN_AT_ONCE = 64
_DRAWN_AT_ONCE = 16
# A slow source of items does not hold up what has arrived already.
_DRAWING_SECONDS = 0.02


class _Source:
    """Feeds a stream from an iterator of items, as far ahead as `look_ahead` items."""

    def __init__(self, store: GetManyVerbs, items: Iterable[ItemLike], look_ahead: int) -> None:
        self._store = store
        self._items: Iterator[ItemLike] | None = iter(items)
        self._look_ahead = look_ahead
        self._pushed = 0
        self.failure: BaseException | None = None  # of the iterator; to be raised behind all it gave before

    def feed(self, stream: NativeFetchStream, taken: int) -> None:
        """Push what follows until `look_ahead` items are on their way, or for a moment; `taken`: how many came back."""
        until = time.monotonic() + _DRAWING_SECONDS
        while self._items is not None and self._pushed - taken < self._look_ahead:
            self._push(stream, self._items, until)
            if time.monotonic() > until:
                break

    def _push(self, stream: NativeFetchStream, items: Iterator[ItemLike], until: float) -> None:
        wanted: list[tuple[str, int | None, int, int, str]] = []
        over = True
        try:
            for item in islice(items, _DRAWN_AT_ONCE):
                wanted.append(self._store._fetch_item(item, "prefetch"))
                if time.monotonic() > until:
                    over = False
                    break
            else:
                over = len(wanted) < _DRAWN_AT_ONCE
        except BaseException as error:
            self.failure = error
            if not isinstance(error, Exception):  # a signal's: now, and again at the end, for nothing may be left out
                raise
        finally:
            stream.push(wanted)
            self._pushed += len(wanted)
            if over:
                self._items = None
                stream.finish()


class Prefetch:
    """Iterator over (index of the item, its bytes). One thread at a time.

    An item that failed raises its error at its turn, and the iteration may go on behind it. An exception of the
    iterator that gives the items is raised behind all that it gave before, and ends the iteration. close(), or leaving
    the `with` block, takes back what is under way; Buffers that were handed out stay valid.
    """

    def __init__(
        self, store: GetManyVerbs, stream: NativeFetchStream, items: Iterable[ItemLike], look_ahead: int
    ) -> None:
        self._store = store  # kept: the engine asks its credentials of it
        self._stream: NativeFetchStream | None = stream
        self._ready: deque[tuple[int, Buffer | StorageError]] = deque()
        self._taken = 0
        self._source = _Source(store, items, look_ahead)
        self._source.feed(stream, 0)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[int, Buffer]:
        if not self._ready:
            self._take()
        index, item = self._ready.popleft()
        if isinstance(item, Exception):
            raise item
        return index, item

    def _take(self) -> None:
        if self._stream is None:
            raise StopIteration
        self._source.feed(self._stream, self._taken)
        self._ready.extend(self._stream.next(_TAKEN_AT_ONCE))
        self._taken += len(self._ready)
        if self._ready:
            return
        failure = self._source.failure
        self.close()
        if failure is not None:
            raise failure
        raise StopIteration

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


class FetchVerbs(GetManyVerbs):
    """Reading ahead."""

    def prefetch(
        self,
        items: Iterable[ItemLike],
        *,
        window_bytes: int = 256 << 20,
        window_requests: int = 64,
        in_order: bool = True,
    ) -> Prefetch:
        """Read many objects ahead of their consumer.

        Args:
            items: Keys; or (key, size), ObjectMeta of a listing, or FetchItem, which spare the engine asking for the
                size. Any iterable: it is drawn from as places become free, on the consumer's thread, so a million
                items need no list. (A list is checked as a whole first.)
            window_bytes: At most this is on its way or waiting to be taken; one object always fits.
            window_requests: At most so many objects are asked for at once.
            in_order: False yields objects as they arrive, so one slow object holds up nothing.
        Returns:
            An iterator of (index in `items`, Buffer), also a context manager.
        """
        if window_bytes < 1 or window_requests < 1:
            message = f"the window is {window_bytes} bytes and {window_requests} requests; expected at least 1 of each"
            raise InvalidArgumentError(message, operation="prefetch", uri=self.uri)
        if isinstance(items, (list, tuple)):
            for item in items:
                self._fetch_item(item, "prefetch")
        stream = self._native().open_fetch_stream(window_bytes, window_requests, in_order)
        return Prefetch(self, stream, items, window_requests + _TAKEN_AT_ONCE)
