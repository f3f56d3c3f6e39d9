"""How an index is stored: docs/formats/record_index.md. JSON and plain arrays; nothing in it is executed."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterable
from typing import Any

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.checksum import crc32c
from s3dlio_core.errors import InvalidArgumentError, RecordError, StorageError, naming
from s3dlio_core.records.index import IndexedObject, RecordIndex
from s3dlio_core.records.matcher import bounded_search
from s3dlio_core.records.scan import INDEX_KEY, objects_to_index
from s3dlio_core.records.table import RecordTable
from s3dlio_core.store import Store, open_store
from s3dlio_core.uri import split_object_uri

__all__ = ["from_bytes", "load_index", "save_index", "to_bytes"]

_MAGIC = b"S3DLIOIX"
_VERSION = 1
_MOST_DOCUMENT = 256 << 20  # JSON takes twenty times its size in memory
_MOST_SIZE = 1 << 63
_FRONT = struct.Struct("<8sIIQII")  # magic, version, bytes of the document, bytes behind the front, two checksums
_CHECKED_FRONT = _FRONT.size - 4  # what the last of them covers


def save_index(index: RecordIndex, store: Store, *, at: str | os.PathLike[str] | None = None) -> str:
    """Store an index.

    Args:
        store: Where the indexed objects are.
        at: URI or local path of the index; None: beside the objects, under INDEX_KEY.
    Returns:
        Its URI.
    Raises:
        InvalidArgumentError: The index's pattern holds what is not matched when it comes from stored data (look-around,
            back references), or there are more than about a million objects.
    """
    bounded_search(index.pattern or "")
    place, key = _place(store, at)
    place.put(key, to_bytes(index), content_type="application/octet-stream" if place.scheme == "s3" else None)
    return place.uri_of(key)


def load_index(
    store: Store,
    *,
    at: str | os.PathLike[str] | None = None,
    check: bool = True,
    listing: Iterable[ObjectMeta] | None = None,
) -> RecordIndex:
    """The index of the objects in `store`, as `s3dlio index` or save_index() stored it.

    Args:
        at: URI or local path of the index; None: beside the objects, under INDEX_KEY.
        check: Compare with the objects that are there now, which lists them.
        listing: What store.list() gave, where that is known already.
    Raises:
        ObjectNotFoundError: There is no index.
        RecordError: It is damaged or of another version, or the objects changed since it was made.
    """
    place, key = _place(store, at)
    try:
        index = from_bytes(place.get(key))
        # Who stored the index need not be who loads it.
        wanted = bounded_search(index.pattern) if check and index.pattern else None
    except (RecordError, InvalidArgumentError) as error:
        raise naming(RecordError(error.message), "load index", place.uri_of(key)) from error
    if check:
        found = objects_to_index(store.list() if listing is None else listing, wanted)
        index.check(found, store.uri)
    return index


def _place(store: Store, at: str | os.PathLike[str] | None) -> tuple[Store, str]:
    if at is None:
        return store, INDEX_KEY
    text = os.fspath(at)
    if "://" not in text:
        text = f"file://{os.path.abspath(text)}"
    store_uri, key = split_object_uri(text)
    # What leads to the objects leads to an index in the same kind of store.
    same_kind = store_uri.partition("://")[0] == store.scheme
    options: dict[str, Any] = store._given_options if same_kind else {}
    try:
        return open_store(store_uri, tuning=store.tuning, **options), key
    except StorageError as error:
        raise naming(error, "open", text) from error


def to_bytes(index: RecordIndex) -> bytes:
    """The stored form."""
    document = {
        "format": index.format_name,
        "options": index.options,
        "pattern": index.pattern,
        "records": len(index),
        "objects": [
            {"key": item.key, "size": item.size, "etag": item.etag, **item.records.describe()} for item in index.objects
        ],
    }
    text = json.dumps(document, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    if len(text) > _MOST_DOCUMENT:
        message = f"what describes the {len(index.objects)} objects takes {len(text)} bytes; expected {_MOST_DOCUMENT}"
        raise InvalidArgumentError(f"{message} at most; index parts of the prefix, each for itself")
    body = text + b"".join(item.records.arrays() for item in index.objects)
    front = _FRONT.pack(_MAGIC, _VERSION, len(text), len(body), crc32c(body), 0)[:_CHECKED_FRONT]
    return front + struct.pack("<I", crc32c(front)) + body


def from_bytes(stored: Any) -> RecordIndex:
    """The reverse of to_bytes().

    Raises:
        RecordError: Damaged, cut short, of a later version, or no index at all.
    """
    view = memoryview(stored).cast("B")
    if len(view) < _FRONT.size or bytes(view[:8]) != _MAGIC:
        raise RecordError(f"begins with {bytes(view[:8])!r}; expected {_MAGIC!r}: no index of records")
    _, version, document_bytes, body_bytes, body_crc, front_crc = _FRONT.unpack_from(view)
    if crc32c(view[:_CHECKED_FRONT]) != front_crc:
        raise RecordError("the front's checksum is wrong; the index is damaged: make it again with `s3dlio index`")
    if version != _VERSION:
        raise RecordError(f"the index has version {version}; this program reads version {_VERSION}")
    body = view[_FRONT.size :]
    if len(body) != body_bytes or crc32c(body) != body_crc:
        raise RecordError(f"{len(body)} bytes of {body_bytes}, or a wrong checksum; the index is cut short or damaged")
    if document_bytes > min(_MOST_DOCUMENT, len(body)):
        raise RecordError(
            f"what describes the objects claims {document_bytes} bytes; expected {_MOST_DOCUMENT} at most"
        )
    try:
        document = json.loads(bytes(body[:document_bytes]))
        return _index_of(document, body[document_bytes:])
    except RecordError:
        raise
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, StorageError) as error:
        raise RecordError(f"the index contradicts itself: {error!r}") from error


def _index_of(document: Any, arrays: memoryview) -> RecordIndex:
    objects = []
    for described in document["objects"]:
        key, size, etag = described["key"], described["size"], described["etag"]
        if not (isinstance(key, str) and isinstance(etag, str) and type(size) is int and 0 <= size < _MOST_SIZE):
            raise RecordError(f"the index describes an object as {str(described)[:200]}")
        records, taken = RecordTable.read(described, arrays, size)
        objects.append(IndexedObject(key, size, etag, records))
        arrays = arrays[taken:]
    pattern, options = document["pattern"], document["options"]
    if not (pattern is None or isinstance(pattern, str)) or not isinstance(options, dict) or len(arrays):
        raise RecordError(f"the index contradicts itself: {len(arrays)} bytes too many, or a pattern that is none")
    index = RecordIndex(document["format"], objects, options=options, pattern=pattern)
    if len(index) != document["records"]:
        raise RecordError(f"the index has {len(index)} records and says it has {document['records']}")
    return index
