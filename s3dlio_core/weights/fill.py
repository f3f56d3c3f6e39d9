"""Ranges of many objects straight into the caller's memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.errors import RecordError
from s3dlio_core.run.many import run_many
from s3dlio_core.run.steps import Steps
from s3dlio_core.weights.generation import Generation

__all__ = ["Fill", "bytes_of", "fill_many"]


@dataclass(frozen=True, slots=True)
class Fill:
    """One call into the engine.

    Attributes:
        ranges: [start, end) of each; near ones share a request.
        targets: As many writable memories, each of its range's size.
        done: Called, in the thread that waits, once the bytes are there; what it raises ends fill_many().
    """

    source: Generation
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
