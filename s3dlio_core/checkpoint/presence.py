"""The last look before a commit: what the metadata is about to list must still be there, and whole."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from s3dlio_core.errors import AccessDeniedError, BucketNotFoundError, CheckpointError, ObjectNotFoundError
from s3dlio_core.store import Store

__all__ = ["check_objects"]

_LOOKED_AT_ONCE = 16
_NAMED = 3


def check_objects(store: Store, extents: Mapping[str, int]) -> None:
    """Refuse to commit where a data object is missing or short: somebody has removed or replaced it meanwhile.

    One listing, as a rule. Objects that it does not show as they should be are asked for singly before they count as
    missing, for there are services whose listings come late, and credentials that may not list.

    Args:
        store: At the checkpoint.
        extents: By key: the bytes that the object must have at least.
    Raises:
        CheckpointError: Naming the objects, with what was found and expected.
        StorageError: The store could not be asked.
    """
    if not extents:
        return
    seen: dict[str, int] = {}
    with contextlib.suppress(AccessDeniedError, BucketNotFoundError):  # on files: not even their folder is there
        seen = {meta.key: meta.size for meta in store.list() if meta.key in extents}
    doubtful = {key: size for key, size in extents.items() if seen.get(key, -1) < size}
    if not doubtful:
        return
    faults = list(_faults(store, doubtful))
    if faults:
        shown = "; ".join(faults[:_NAMED]) + (f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else "")
        raise CheckpointError(
            f"data objects of this save are not there any more: {shown}. Not committed: it could not be loaded. A "
            "sweep of another job, a lifecycle rule of the bucket or somebody's clean-up are the likely causes",
            operation="save",
            uri=store.uri,
        )


def _faults(store: Store, extents: Mapping[str, int]) -> Iterator[str]:
    def size_of(key: str) -> int | None:
        try:
            return store.head(key).size
        except (ObjectNotFoundError, BucketNotFoundError):
            return None

    with ThreadPoolExecutor(_LOOKED_AT_ONCE) as pool:
        for (key, expected), found in zip(extents.items(), pool.map(size_of, extents), strict=True):
            if found is None or found < expected:
                there = "nothing" if found is None else f"{found} bytes"
                yield f"{store.uri_of(key)}: found {there}, expected {expected} bytes"
