"""A manifest with one sample a record: ranges of objects, from an index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.records import INDEX_KEY, RecordIndex, index_prefix, load_index
from s3dlio_core.store import Store
from s3dlio_core.values import FetchItem

__all__ = ["RecordManifest", "records_below"]


class RecordManifest:
    """One sample a record.

    Args:
        store: What the indexed keys are below of.
    """

    def __init__(self, store: Store, index: RecordIndex) -> None:
        self._store = store
        self._index = index
        self._digest = ""

    @property
    def store(self) -> Store:
        """The store that holds the objects."""
        return self._store

    @property
    def digest(self) -> str:
        """Names this list of records: equal lists have equal digests, whatever their objects' ETags."""
        # Without etags: a copy of the same records is the same data.
        if not self._digest:
            digest = hashlib.blake2b(self._index.format_name.encode(), digest_size=16)
            for item in self._index.objects:
                digest.update(json.dumps([item.key, item.size, item.records.describe()]).encode())
                digest.update(item.records.arrays())
            self._digest = digest.hexdigest()
        return self._digest

    def __len__(self) -> int:
        return len(self._index)

    def item(self, index: int) -> FetchItem:
        """What to fetch for the record at `index`: bytes [start, end) of the object that was indexed."""
        record = self._index[index]
        return FetchItem(record.key, record.size, record.start, record.end, record.etag)

    def size(self, index: int) -> int | None:
        """Bytes of the record at `index` as stored."""
        record = self._index[index]
        return int(record.end - record.start)

    def name(self, index: int) -> str:
        """Whole key of the object, "#" and the record's name in it."""
        record = self._index[index]
        return f"{self._store.prefix}{record.key}#{record.name}"

    def decode(self, index: int, data: memoryview) -> Any:
        """The record whose stored bytes are `data`, as its format decodes it.

        Raises:
            RecordError: It is cut short or damaged.
        """
        return self._index.decode(index, data, uri=self._store.uri_of(self._index[index].key))


def records_below(
    store: Store,
    records: str | RecordIndex,
    listing: Iterable[ObjectMeta] | None = None,
    options: dict[str, Any] | None = None,
) -> RecordManifest:
    """The records of the objects in `store`: by the index that is stored beside them, else by one made now.

    Args:
        records: Name of the format, or an index.
        listing: What store.list() gave, where that is known already.
        options: Of the format.
    Raises:
        RecordError: The stored index does not fit the objects any more, or an object is damaged.
    """
    if isinstance(records, RecordIndex):
        return RecordManifest(store, records)
    found = list(store.list() if listing is None else listing)
    if any(meta.key == INDEX_KEY for meta in found):
        index = load_index(store, listing=found)
        if index.format_name == records and index.options == (options or {}):
            return RecordManifest(store, index)
    return RecordManifest(store, index_prefix(store, records, options=options, listing=found))
