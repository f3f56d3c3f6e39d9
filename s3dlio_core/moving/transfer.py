"""Moving the bytes of one object: into a store, from one store to another, into memory and no further."""

from __future__ import annotations

from collections.abc import Iterable

from s3dlio_core._ext import Buffer, Pending, PutOptions
from s3dlio_core.moving.memory import piece_bytes
from s3dlio_core.moving.source import Source, looked_at, pieces_of
from s3dlio_core.moving.target import OnBytes, fits_one_put, write_pieces
from s3dlio_core.moving.whole import Whole
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store

__all__ = ["copy", "read", "transfer"]


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
        source, whole = yield from looked_at(source)
    size = source.size or 0
    if size > memory_bytes:
        pieces = pieces_of(source, 0, size, piece_bytes(memory_bytes))
        return (yield from write_pieces(target, key, pieces, whole, on_bytes))
    data: Buffer = yield source.store._native().get(source.key, size, "", "", "")
    if not fits_one_put(target, len(data), memory_bytes):
        return (yield from write_pieces(target, key, [data], Whole(len(data), source.uri), on_bytes))
    yield target._native().put(key, data, PutOptions())
    on_bytes(len(data))
    return len(data)


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
            source, whole = yield from looked_at(source)
            stop = whole.size
        calls = pieces_of(source, start, stop, piece_bytes(memory_bytes))
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
