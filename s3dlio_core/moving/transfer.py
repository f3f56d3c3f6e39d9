"""Moving the bytes of one object: into a store, from one store to another, into memory and no further.

Memory stays bounded: what is larger than the allowance passes in pieces, some of them read ahead.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from s3dlio_core._ext import Buffer, Pending, PutOptions
from s3dlio_core.errors import StorageError
from s3dlio_core.moving.whole import Whole
from s3dlio_core.process.lifecycle import abort_at_exit
from s3dlio_core.run.many import Steps
from s3dlio_core.store import Store

__all__ = ["OnBytes", "Source", "copy", "fits_one_put", "memory_for", "piece_of", "read", "transfer", "write_pieces"]

OnBytes = Callable[[int], None]  # hears how many more bytes of an object are done

_MEMORY = 1 << 30  # bytes that the objects under way hold together ...
_LEAST, _MOST = 32 << 20, 256 << 20  # ... unless there are very many of them
_AHEAD = 3  # pieces read before the one that is being written is done


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


def memory_for(limit: int) -> int:
    """Bytes that each of `limit` objects under way may hold."""
    return min(max(_LEAST, _MEMORY // max(limit, 1)), _MOST)


def piece_of(memory_bytes: int) -> int:
    """Bytes of one piece where `memory_bytes` hold all that lie in memory at a time."""
    return memory_bytes // (_AHEAD + 1)


def copy(source: Source, target: Store, key: str, memory_bytes: int, on_bytes: OnBytes) -> Steps[int]:
    """Copy an object: inside the service where both are in S3 (or in one folder), else through this process."""
    if source.store is not target and not source.store.scheme == target.scheme == "s3":
        return (yield from transfer(source, target, key, memory_bytes, on_bytes))
    result = yield target._copy(source.key, key, source.store, None, None, None, None, None, False, None)
    size: int = result.size
    return size or source.size or 0


def transfer(source: Source, target: Store, key: str, memory_bytes: int, on_bytes: OnBytes) -> Steps[int]:
    """Read an object here, write it there; the number of its bytes. The target shows nothing before all of it is there.

    Raises:
        PreconditionError: The object was replaced meanwhile.
        ChecksumMismatchError: Its bytes are not those the store computed a checksum of.
    """
    if source.size is None or source.size > memory_bytes:
        source, whole = yield from _looked_at(source)
    size = source.size or 0
    if size > memory_bytes:
        return (yield from write_pieces(target, key, _pieces(source, 0, size, piece_of(memory_bytes)), whole, on_bytes))
    data: Buffer = yield source.store._native().get(source.key, size, "", "", "")
    if not fits_one_put(target, len(data), memory_bytes):
        return (yield from write_pieces(target, key, [data], Whole(len(data), source.uri), on_bytes))
    yield target._native().put(key, data, PutOptions())
    on_bytes(len(data))
    return len(data)


def fits_one_put(target: Store, size: int, memory_bytes: int) -> bool:
    """Whether an object is to be sent by one request; a larger one goes through a writer, whose abort is waited for."""
    return size <= min(memory_bytes, target.tuning.multipart_threshold)


def read(source: Source, start: int, length: int | None, memory_bytes: int, on_bytes: OnBytes) -> Steps[int]:
    """Read bytes [start, start + length) (None: to the end) into memory and let go of them; how many there were.

    Raises:
        RangeNotSatisfiableError: `start` lies past the object's end.
        PreconditionError: The object was replaced meanwhile.
    """
    if length == 0:
        return 0
    native, size = source.store._native(), source.size
    end = None if length is None else start + length
    stop = size if end is None else end if size is None else min(end, size)
    whole: Whole | None = None
    calls: Iterable[Pending[Buffer]]
    if start == 0 and stop == size and (size or 0) <= memory_bytes:
        calls = [native.get(source.key, size, "", "", "")]
    elif size is None or stop is None or start >= size:  # the store says so when it is too small
        calls = [native.get_range(source.key, start, end, None, "", "", "")]
    else:
        whole = Whole(stop - start, source.uri)
        if start == 0 and stop == size:
            source, whole = yield from _looked_at(source)
            stop = whole.size
        calls = _pieces(source, start, stop, piece_of(memory_bytes))
    moved = 0
    for call in calls:
        data: Buffer = yield call
        if whole is not None:
            whole.add(data)
        moved += len(data)
        on_bytes(len(data))
    if whole is not None:
        whole.check()
    return moved


def write_pieces(
    target: Store, key: str, pieces: Iterable[Pending[Buffer] | Buffer], whole: Whole, on_bytes: OnBytes
) -> Steps[int]:
    """Write an object, as pieces that are there or on their way; the number of its bytes.

    An error leaves nothing behind. What the pieces come to is compared with `whole` before the object becomes visible.
    """
    options = PutOptions()
    options.expected_size = whole.size
    writer = target._native().open_writer(key, options)
    abort_at_exit(writer)
    try:
        for piece in pieces:
            data: Any = (yield piece) if isinstance(piece, Pending) else piece
            yield writer.write(data)
            whole.add(data)
            on_bytes(len(data))
        whole.check()
        yield writer.close()
    except (GeneratorExit, KeyboardInterrupt, SystemExit):
        # Not told by the runner but met on the way: it would take a call yielded here for the task's next one, and go
        # on with all the others. The engine aborts what is dropped, and the end of the process waits for that.
        raise
    except BaseException:
        with contextlib.suppress(StorageError):  # what went wrong first is what the caller must see
            yield writer.abort()
        raise
    return whole.size


def _looked_at(source: Source) -> Steps[tuple[Source, Whole]]:
    """`source` as it is now, and what its bytes must come to."""
    meta = yield source.store._native().head(source.key, "")
    verify = source.store.tuning.verify != "never"
    whole = Whole(meta.size, source.uri, meta if verify else None)
    return Source(source.store, source.key, source.name, meta.size, meta.etag), whole


def _pieces(source: Source, start: int, end: int, piece: int) -> Iterator[Pending[Buffer]]:
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
        if len(ahead) == _AHEAD:
            yield ahead.popleft()
    yield from ahead
