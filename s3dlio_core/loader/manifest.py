"""The samples a dataset is made of: listed once, in one order, the same for every rank and worker."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from typing import Any, Protocol

from s3dlio_core.loader.packed import PackedStrings
from s3dlio_core.store import Store
from s3dlio_core.values import FetchItem

__all__ = ["Manifest", "ObjectManifest"]

_UNKNOWN = (1 << 64) - 1


class Manifest(Protocol):
    """Samples of one store in a fixed order. Picklable: a worker receives it and lists nothing."""

    @property
    def store(self) -> Store:
        """The store that the items' keys belong to."""
        ...

    @property
    def digest(self) -> str:
        """Of keys, sizes and records: 32 hexadecimal digits. Two manifests of the same samples have the same."""
        ...

    def __len__(self) -> int: ...

    def item(self, index: int) -> FetchItem:
        """What to fetch for the sample at `index`."""
        ...

    def size(self, index: int) -> int | None:
        """Bytes of the sample; None: only reading tells."""
        ...

    def name(self, index: int) -> str:
        """What tells the user which sample it is: the object's whole key, and the record in it."""
        ...

    def decode(self, index: int, data: memoryview) -> Any:
        """What the sample's bytes mean; for whole objects the bytes themselves."""
        ...


class ObjectManifest:
    """One sample an object.

    Args:
        store: What `keys` are below of.
        sizes: Bytes of each object; None where nobody knows.
        etags: Of each object, for readers that would else ask for them one by one; None: not kept.
    """

    def __init__(
        self, store: Store, keys: PackedStrings, sizes: array[int], etags: PackedStrings | None = None
    ) -> None:
        if len(keys) != len(sizes) or (etags is not None and len(etags) != len(keys)):
            raise ValueError(f"{len(keys)} keys have {len(sizes)} sizes and {len(etags or ())} etags")
        self._store = store
        self._keys = keys
        self._sizes = sizes
        self._etags = etags
        self._digest = ""

    @classmethod
    def of(cls, store: Store, objects: Iterable[tuple[str, int | None]]) -> ObjectManifest:
        """From (key, size in bytes or None) of each object, in the order wanted; drawn once."""
        sizes = array("Q")

        def keys() -> Iterable[str]:
            for key, size in objects:
                sizes.append(_UNKNOWN if size is None else size)
                yield key

        return cls(store, PackedStrings(keys()), sizes)

    @property
    def store(self) -> Store:
        """The store that holds the objects."""
        return self._store

    @property
    def digest(self) -> str:
        """Names this list of keys and sizes: equal lists have equal digests."""
        if not self._digest:
            blob, ends = self._keys.parts()
            digest = hashlib.blake2b(digest_size=16)
            for part in (blob, array("Q", ends), self._sizes):
                digest.update(part)
            self._digest = digest.hexdigest()
        return self._digest

    def __len__(self) -> int:
        return len(self._keys)

    def key(self, index: int) -> str:
        """Below the store's prefix."""
        return self._keys[index]

    def item(self, index: int) -> FetchItem:
        """What to fetch for the sample at `index`: the whole object."""
        etag = "" if self._etags is None else self._etags[index]
        return FetchItem(self._keys[index], self.size(index), etag=etag)

    def size(self, index: int) -> int | None:
        """Bytes of the object at `index`; None: not known."""
        size = self._sizes[index]
        return None if size == _UNKNOWN else size

    def name(self, index: int) -> str:
        """Whole key of the object at `index`, with its store's prefix."""
        return self._store.prefix + self._keys[index]

    def decode(self, index: int, data: memoryview) -> Any:
        """`data` itself: an object needs no decoding."""
        return data

    def parts(self) -> tuple[PackedStrings, array[int]]:
        """Keys and sizes, 2**64 - 1 where unknown."""
        return self._keys, self._sizes

    def on(self, store: Store) -> ObjectManifest:
        """The same objects, read through another handle on the same place."""
        return ObjectManifest(store, self._keys, self._sizes, self._etags)
