"""One object to read, and its bytes piece by piece, all of one version."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from s3dlio_core._ext import Buffer, Pending
from s3dlio_core.moving.memory import READ_AHEAD
from s3dlio_core.moving.whole import Whole
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store

__all__ = ["Source", "looked_at", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Source:
    """One object to read.

    Attributes:
        key: Below the store's prefix.
        name: Relative to what was asked for: where a copy of it goes.
        size: Bytes; None: not known.
        etag: Of the version whose size that is; "": any.
    """

    store: Store
    key: str
    name: str
    size: int | None = None
    etag: str = ""

    @property
    def uri(self) -> str:
        return self.store.uri_of(self.key)


def looked_at(source: Source) -> Steps[tuple[Source, Whole]]:
    """`source` as it is now, and what its bytes must come to."""
    meta = yield source.store._native().head(source.key, "")
    verify = source.store.tuning.verify != "never"
    whole = Whole(meta.size, source.uri, meta if verify else None)
    return Source(source.store, source.key, source.name, meta.size, meta.etag), whole


def pieces_of(source: Source, start: int, end: int, piece: int) -> Iterator[Pending[Buffer]]:
    """Bytes [start, end) in order, all of one version of the object; some are asked for before their turn.

    Where the service gives no ETag nothing would tell two versions apart: then it is one piece, whatever its size.
    """
    native = source.store._native()
    if not source.etag:
        piece = end - start
    ahead: deque[Pending[Buffer]] = deque()
    for first in range(start, end, piece):
        last = min(first + piece, end)
        ahead.append(native.get_range(source.key, first, last, source.size, source.etag, "", ""))
        if len(ahead) == READ_AHEAD:
            yield ahead.popleft()
    yield from ahead
