"""Moves one object through this program: from a store or a local file, into memory, a store or a local folder."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from s3dlio_core.cli.select import Target, sized

if TYPE_CHECKING:
    from s3dlio_core import Store
    from s3dlio_core._local import LocalFile

__all__ = ["Tell", "piece_bytes", "read_object", "send_generated", "send_local_file", "send_object"]

Tell = Callable[[int], None]  # hears how many more bytes of an object are done
_MEMORY = 1 << 30  # bytes that one command holds at most, whatever -j
_SMALLEST_PIECE = 32 << 20
_LARGEST_PIECE = 256 << 20  # the bar moves by pieces


def piece_bytes(jobs: int) -> int:
    """How much of one object is held at a time, with `jobs` objects under way."""
    return min(max(_SMALLEST_PIECE, _MEMORY // max(jobs, 1)), _LARGEST_PIECE)


async def read_object(target: Target, *, start: int, length: int | None, piece: int) -> AsyncIterator[Any]:
    """Bytes [start, start + length) of an object, in pieces of at most `piece` bytes where the size is known.

    Pieces of one object are pieces of one version of it.

    Raises:
        RangeNotSatisfiableError: `start` lies past the object's end.
        PreconditionError: The object was replaced meanwhile.
    """
    store, size = target.store, target.size
    end = None if length is None else start + length
    if length == 0:
        yield b""
    elif size is None or start >= size > 0:  # the store knows how large it is, and says so when it is too small
        whole = start == 0 and end is None
        yield await (store.get_async(target.key) if whole else store.get_range_async(target.key, start=start, end=end))
    elif start == 0 and (end is None or end >= size) and size <= piece:
        yield await store.get_async(target.key, size=size)
    else:
        stop = size if end is None else min(end, size)
        async for part in _pieces(target, start, stop, piece):
            yield part


async def _pieces(target: Target, start: int, end: int, piece: int) -> AsyncIterator[memoryview]:
    """Bytes [start, end), piece after piece in the same memory."""
    from s3dlio_core import PreconditionError, _ext

    memory = _ext.allocate(min(piece, end - start)).memoryview()
    for offset in range(start, end, piece):
        part = memory[: min(piece, end - offset)]
        count = await target.store.get_into_async(target.key, part, offset=offset, if_match=target.etag or None)
        if count < len(part):
            message = f"ends at byte {offset + count}, expected {end}; it was replaced meanwhile"
            raise PreconditionError(message, operation="get", uri=target.uri)
        yield part


async def send_object(source: Target, store: Store, key: str, *, piece: int, tell: Tell) -> int:
    """Copy an object to `key` of another store, through memory. Gives its size in bytes."""
    if source.size is None:
        source = sized(source, await source.store.head_async(source.key))
    size = source.size or 0
    if size <= piece:
        data = await source.store.get_async(source.key, size=size)
        await store.put_async(key, data)
        return len(data)
    async with store.open_writer(key, expected_size=size) as writer:
        async for part in _pieces(source, 0, size, piece):
            await writer.write_async(part)
            tell(len(part))
    return size


async def send_local_file(source: LocalFile, store: Store, key: str, *, piece: int, tell: Tell) -> int:
    """Store a local file under `key`. Gives its size in bytes.

    Raises:
        OSError: The file cannot be read, or became shorter meanwhile.
    """
    import asyncio

    from s3dlio_core import _ext

    with open(source.path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        memory = _ext.allocate(min(size, piece)).memoryview()
        if size <= piece:
            await asyncio.to_thread(_read_exactly, file, memory, source.path)
            await store.put_async(key, memory)
            return size
        async with store.open_writer(key, expected_size=size) as writer:
            for offset in range(0, size, piece):
                part = memory[: min(piece, size - offset)]
                await asyncio.to_thread(_read_exactly, file, part, source.path)
                await writer.write_async(part)
                tell(len(part))
    return size


def _read_exactly(file: Any, memory: memoryview, path: str) -> None:
    done = 0
    while done < len(memory):
        count = file.readinto(memory[done:])
        if not count:
            raise OSError(None, "became shorter while it was read", path)
        done += count


async def send_generated(
    store: Store,
    key: str,
    *,
    size: int,
    seed: int,
    index: int,
    dedup: float,
    compress: float,
    object_type: str,
    piece: int,
    tell: Tell,
) -> int:
    """Store a generated object (s3dlio_core.datagen, .object_types) under `key`. Gives its size in bytes."""
    from s3dlio_core.datagen import Generator, generate_data
    from s3dlio_core.object_types import encode

    if size <= piece or object_type != "RAW":
        payload = generate_data(size, seed=seed, index=index, dedup=dedup, compress=compress)
        data = encode(object_type, payload)
        await store.put_async(key, data)
        return len(data)
    generator = Generator(size, seed=seed, index=index, dedup=dedup, compress=compress)
    async with store.open_writer(key, expected_size=size) as writer:
        for data in generator.chunks(piece):
            await writer.write_async(data)
            tell(len(data))
    return size
