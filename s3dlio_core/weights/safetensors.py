"""The heads of safetensors objects, many at once."""

from __future__ import annotations

from collections.abc import Iterable

from s3dlio_core.formats.safetensors_header import FIRST_READ, LENGTH_BYTES, SafetensorsHeader, header_end, parse_header
from s3dlio_core.run.many import run_many
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store
from s3dlio_core.weights.generation import Generation, generation_of

__all__ = ["open_safetensors"]


def open_safetensors(places: Iterable[tuple[Store, str]], in_flight: int) -> list[tuple[Generation, SafetensorsHeader]]:
    """The heads of many safetensors objects, at most `in_flight` read at once; in the order of `places`.

    Raises:
        RecordError: One is no safetensors object, or contradicts itself.
    """
    return run_many((_open_safetensors(store, key) for store, key in places), in_flight)


def _open_safetensors(store: Store, key: str) -> Steps[tuple[Generation, SafetensorsHeader]]:
    source = yield from generation_of(store, key)
    native = store._native()
    front = b""
    first = min(source.size, FIRST_READ)
    if first:
        front = bytes((yield native.get_range(key, 0, first, source.size, source.etag, "", "")))
    end = header_end(front, source.size, source.uri)
    if end > first:
        front += bytes((yield native.get_range(key, first, end, source.size, source.etag, "", "")))
    return source, parse_header(front[LENGTH_BYTES:end], source.size, source.uri)
