"""What must hold of a checkpoint's metadata beyond its form: chunks that tile their tensors, items that lie apart.

torch's own metadata carries no checksum. What changes one of its numbers breaks one of these rules, or is found out by
what the stored items say of themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from s3dlio_core.errors import CheckpointError

__all__ = ["check_chunks", "gaps_between_items"]

_LARGEST_GAP = 8192  # what this package leaves between items for alignment is less


def check_chunks(metadata: Any, uri: str) -> None:
    """Every element of every tensor must be stored once.

    Raises:
        CheckpointError: Chunks overlap, or leave something out.
    """
    for name, entry in metadata.state_dict_metadata.items():
        if hasattr(entry, "chunks") and (wrong := _untiled(entry)):
            message = f"the chunks of {name!r} {wrong}; the metadata is damaged (verify=False loads it nevertheless)"
            raise CheckpointError(message, operation="load", uri=uri)


def gaps_between_items(metadata: Any, uri_of: Callable[[str], str]) -> dict[tuple[str, int], int]:
    """For each item (object, offset): the bytes before it that belong to no item, where there are few of them.

    Raises:
        CheckpointError: Two items that torch wrote overlap.
    """
    spans: dict[str, list[tuple[int, int, str, bool]]] = {}
    for index, info in (metadata.storage_data or {}).items():
        ours = hasattr(info, "s3dlio_index")  # its metadata has a checksum
        spans.setdefault(info.relative_path, []).append((info.offset, info.offset + info.length, index.fqn, ours))
    gaps = {}
    for key, items in spans.items():
        position, before = 0, ""
        for start, end, name, ours in sorted(items):
            if start < position and not ours:
                message = f"{name!r} and {before!r} are said to lie at the same place; the metadata is damaged"
                raise CheckpointError(message, operation="load", uri=uri_of(key))
            if 0 < start - position < _LARGEST_GAP:
                gaps[key, start] = start - position
            position, before = max(position, end), name
    return gaps


def _untiled(entry: Any) -> str:
    """How the chunks fail to tile the tensor; "": they tile it."""
    total, stored = math.prod(entry.size), sum(math.prod(chunk.sizes) for chunk in entry.chunks)
    if stored != total:
        return f"hold {stored} elements; the tensor has {total}"
    if len(entry.chunks) > 1 and total and _overlap([chunk for chunk in entry.chunks if 0 not in chunk.sizes]):
        return "overlap"
    return ""


def _overlap(chunks: list[Any]) -> bool:
    """Whether any two chunks share an element."""
    dimensions = len(chunks[0].sizes)
    # Along the dimension that is cut most, few chunks are met at a time.
    sweep = max(range(dimensions), key=lambda d: len({chunk.offsets[d] for chunk in chunks}))
    active: list[Any] = []
    for chunk in sorted(chunks, key=lambda chunk: chunk.offsets[sweep]):
        start = chunk.offsets[sweep]
        active = [other for other in active if other.offsets[sweep] + other.sizes[sweep] > start]
        if any(_meet(chunk, other) for other in active):
            return True
        active.append(chunk)
    return False


def _meet(one: Any, other: Any) -> bool:
    return all(
        a < b + y and b < a + x for a, x, b, y in zip(one.offsets, one.sizes, other.offsets, other.sizes, strict=True)
    )
