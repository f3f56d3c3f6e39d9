"""Ranges of many objects straight into the caller's memory; what the loaders of weights stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.errors import RecordError, UnsupportedOperationError
from s3dlio_core.formats.safetensors_header import FIRST_READ, LENGTH_BYTES, SafetensorsHeader, header_end, parse_header
from s3dlio_core.run.many import Steps, run, run_many
from s3dlio_core.store import Store

__all__ = ["Fill", "Source", "bytes_of", "fill_many", "open_safetensors", "open_source"]


@dataclass(frozen=True, slots=True)
class Source:
    """One generation of an object: what was there when it was first looked at.

    Attributes:
        size: Bytes.
        etag: Every read of it asks for this generation.
    """

    store: Store
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        """Whole URI of the object."""
        return self.store.uri_of(self.key)


@dataclass(frozen=True, slots=True)
class Fill:
    """One call into the engine.

    Attributes:
        ranges: [start, end) of each; near ones share a request.
        targets: As many writable memories, each of its range's size.
        done: Called, in the thread that waits, once the bytes are there; what it raises ends fill_many().
    """

    source: Source
    ranges: Sequence[tuple[int, int]]
    targets: Sequence[Any]
    done: Callable[[], None] | None = None


def fill_many(fills: Iterable[Fill], in_flight: int) -> None:
    """Carry out `fills`, at most `in_flight` at once; drawn from only as places become free.

    Raises:
        StorageError: The first failure; the others are taken back before it is raised, and no memory is written any
            more.
    """
    run_many(map(_fill, fills), in_flight)


def _fill(fill: Fill) -> Steps[None]:
    source = fill.source
    native = source.store._native()
    sizes = yield native.get_ranges_into(source.key, fill.ranges, fill.targets, source.etag, "", "")
    for (start, end), size in zip(fill.ranges, sizes, strict=True):
        if size != end - start:
            message = f"found {size} bytes at [{start}, {end}); the object was cut short"
            raise RecordError(message, operation="get_ranges", uri=source.uri)
    if fill.done is not None:
        fill.done()


def bytes_of(memory: Any, size: int) -> memoryview:
    """The first `size` bytes of any writable memory, tensors included; uint8, shape [size]. Slices of it are cheap."""
    return _ext.window(memory, size)


def open_source(store: Store, key: str) -> Source:
    """The object's generation of now.

    Raises:
        ObjectNotFoundError: Nothing is stored at `key`.
        UnsupportedOperationError: The service gives no ETag: generations cannot be told apart.
    """
    return run(_stat(store, key))


def open_safetensors(places: Iterable[tuple[Store, str]], in_flight: int) -> list[tuple[Source, SafetensorsHeader]]:
    """The heads of many safetensors objects, at most `in_flight` read at once; in the order of `places`.

    Raises:
        RecordError: One is no safetensors object, or contradicts itself.
    """
    return run_many((_open_safetensors(store, key) for store, key in places), in_flight)


def _stat(store: Store, key: str) -> Steps[Source]:
    meta = yield store._native().head(key, "")
    if not meta.etag:
        message = (
            "the service gives no ETag, so that tensors read one by one could come from different generations of the "
            "object; read it whole with get() and load it from memory, or download it"
        )
        raise UnsupportedOperationError(message, operation="open", uri=store.uri_of(key))
    return Source(store, key, meta.size, meta.etag)


def _open_safetensors(store: Store, key: str) -> Steps[tuple[Source, SafetensorsHeader]]:
    source = yield from _stat(store, key)
    native = store._native()
    front = b""
    first = min(source.size, FIRST_READ)
    if first:
        front = bytes((yield native.get_range(key, 0, first, source.size, source.etag, "", "")))
    end = header_end(front, source.size, source.uri)
    if end > first:
        front += bytes((yield native.get_range(key, first, end, source.size, source.etag, "", "")))
    return source, parse_header(front[LENGTH_BYTES:end], source.size, source.uri)
