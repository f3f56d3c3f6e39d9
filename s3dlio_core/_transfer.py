"""Moving one object from one store to another, through this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from s3dlio_core._ext import Buffer, Pending, PutOptions
from s3dlio_core._many import Steps
from s3dlio_core.store._base import StoreBase

__all__ = ["transfer"]

_WHOLE_UP_TO = 32 << 20  # larger objects pass in pieces, so that memory stays bounded
_PIECE = 16 << 20
_PIECES_AHEAD = 3


def transfer(
    source: StoreBase,
    source_key: str,
    target: StoreBase,
    target_key: str,
    *,
    options: PutOptions,
    on_bytes: Callable[[int], None],
) -> Steps[int]:
    """Read an object here, write it there; the number of its bytes.

    The target shows nothing before all of it is there. `on_bytes` hears of each piece that was written.
    """
    native, sink = source._native(), target._native()
    meta = yield native.head(source_key, "")
    if meta.size <= _WHOLE_UP_TO:
        data: Buffer = yield native.get(source_key, meta.size, meta.etag, "", "")
        yield sink.put(target_key, data, options)
        on_bytes(meta.size)
        return len(data)
    options.expected_size = meta.size
    # Dropped on any error, which aborts it.
    writer = sink.open_writer(target_key, options)
    ahead: deque[Pending[Any]] = deque()
    starts = iter(range(0, meta.size, _PIECE))
    while True:
        while len(ahead) < _PIECES_AHEAD and (start := next(starts, None)) is not None:
            end = min(start + _PIECE, meta.size)
            ahead.append(native.get_range(source_key, start, end, meta.size, meta.etag, "", ""))
        if not ahead:
            break
        piece: Buffer = yield ahead.popleft()
        yield writer.write(piece)
        on_bytes(len(piece))
    yield writer.close()
    size: int = meta.size
    return size
