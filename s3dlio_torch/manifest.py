"""The objects a dataset is made of: listed once, in one order, the same for every worker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from s3dlio_core import Store, open_store
from s3dlio_core.uri import parse_uri


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its key below the store's prefix, and its size in bytes where a listing told it."""

    key: str
    size: int | None


@dataclass(frozen=True)
class Manifest:
    """Objects of one store in a fixed order. Picklable: a worker receives it and lists nothing."""

    store: Store
    entries: tuple[Entry, ...]

    def __len__(self) -> int:
        return len(self.entries)

    def uri(self, index: int) -> str:
        """Full URI of the object at `index`."""
        return self.store.uri_of(self.entries[index].key)


def manifest_of_prefix(uri: str, **options: Any) -> Manifest:
    """Lists every object below `uri`, ascending by key, without "folder" objects (size 0, key ending in "/").

    Raises:
        BucketNotFoundError, AccessDeniedError, CredentialsError: As the store reports them, with the URI.
    """
    store = open_store(uri, **options)
    entries = (Entry(item.key, item.size) for item in store.list())
    return Manifest(store, tuple(e for e in entries if not (e.key.endswith("/") and e.size == 0)))


def manifest_of_objects(uris: Iterable[str], **options: Any) -> Manifest:
    """The objects at `uris`, in the given order, all in one bucket or below one root.

    Raises:
        ValueError: Two URIs differ in scheme or bucket.
    """
    parsed = [parse_uri(uri) for uri in uris]
    roots = {f"{uri.scheme}://{uri.bucket}" for uri in parsed}
    if len(roots) > 1:
        raise ValueError(f"objects of one dataset must share scheme and bucket; found {', '.join(sorted(roots))}")
    if not parsed:
        raise ValueError("a dataset needs at least one object; the list of URIs is empty")
    store = open_store(f"{roots.pop()}/", **options)
    return Manifest(store, tuple(Entry(uri.key, None) for uri in parsed))
