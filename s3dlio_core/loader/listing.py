"""Manifests from listings and lists of URIs, and their storage, so that a job lists once and a later one not at all."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.errors import BucketNotFoundError, NotADirectoryStorageError, ObjectNotFoundError, RecordError
from s3dlio_core.formats.folder_markers import is_folder_marker
from s3dlio_core.loader.empty import explained, no_samples
from s3dlio_core.loader.manifest import Manifest, ObjectManifest
from s3dlio_core.loader.packed import PackedStrings
from s3dlio_core.loader.record_manifest import records_below
from s3dlio_core.records import RecordIndex, is_sidecar
from s3dlio_core.store import Store, open_store
from s3dlio_core.uri import parse_uri, split_object_uri, uri_of_path

__all__ = [
    "MANIFEST_SUFFIX",
    "load_manifest",
    "manifest_of_objects",
    "manifest_of_prefix",
    "pack",
    "save_manifest",
    "unpack",
]

MANIFEST_SUFFIX = ".s3dlio-manifest"
"""How keys of stored manifests end; listings of samples pass them over."""

_MAGIC = b"s3dlio manifest 1\n"


def manifest_of_prefix(
    uri: str,
    *,
    literal: bool = False,
    records: str | RecordIndex | None = None,
    record_options: dict[str, Any] | None = None,
    cache: str | None = None,
    allow_empty: bool = False,
    etags: bool = False,
    **options: Any,
) -> Manifest:
    """List every object below `uri`, ascending by key, without folder markers (size 0, the whole key ends in "/"),
    indexes of records and cached manifests.

    Args:
        literal: On object stores, take "s3://bucket/train/part-" as the start of keys; else a missing slash is added.
        records: Make one sample a record: the format's name, or an index.
        record_options: Of the format.
        cache: Path or URI of a manifest: used if it is there, else written. With `records`, store an index instead.
        allow_empty: Accept that there are no samples.
        etags: Keep them, for readers of single ranges; a cached manifest has none.
        options: Of open_store().
    Raises:
        ObjectNotFoundError: There are no samples; the message tells what lies near.
        BucketNotFoundError, AccessDeniedError, CredentialsError: As the store reports them, with the URI.
        RecordError: The cached manifest or the index is damaged or of other objects.
    """
    if records is not None and cache is not None:
        raise ValueError("manifest_cache keeps lists of objects; for records store an index: s3dlio index URI")
    try:
        store, start = _opened_at(uri, literal, options)
        kept = load_manifest(cache, store, start, **options) if cache else None
        known = kept is not None or isinstance(records, RecordIndex)
        listing = _Counted(() if known else store.list(start))
        if listing.first is not None and _is_data_at_the_prefix(listing.first):
            # A store cannot name its own prefix: the same objects by their whole keys.
            store, start, cache = _root_of(store, options), store.prefix, None
            listing = _Counted(store.list(start))
        manifest: Manifest
        if records is not None:
            manifest = records_below(store, records, listing, record_options)
        elif kept is not None:
            manifest = kept
        else:
            manifest = listed = _listed(store, listing, etags=etags)
            if cache and len(listed):
                save_manifest(cache, listed, start, **options)
    except (BucketNotFoundError, NotADirectoryStorageError) as error:
        raise explained(error, uri, options) from error
    if not len(manifest) and not allow_empty:
        raise no_samples(store, start, _instead(listing.count, records), options)
    return manifest


def _listed(store: Store, listing: Iterable[ObjectMeta], *, etags: bool) -> ObjectManifest:
    kept: list[str] = []
    keys, sizes = ObjectManifest.of(store, _samples(listing, kept if etags else None)).parts()
    return ObjectManifest(store, keys, sizes, PackedStrings(kept) if etags else None)


class _Counted:
    """A listing that shows its first object beforehand, and tells how many were drawn.

    Attributes:
        first: None where nothing is listed.
    """

    def __init__(self, listing: Iterable[ObjectMeta]) -> None:
        self._listing = iter(listing)
        self.first = next(self._listing, None)
        self.count = 0

    def __iter__(self) -> Iterator[ObjectMeta]:
        if self.first is not None:
            for meta in chain([self.first], self._listing):
                self.count += 1
                yield meta


def _is_data_at_the_prefix(meta: ObjectMeta) -> bool:
    return not meta.key and not is_folder_marker(meta.key, meta.size)


def _root_of(store: Store, options: dict[str, Any]) -> Store:
    return open_store(f"{store.scheme}://{store.bucket}/", **options)


def _instead(count: int, records: str | RecordIndex | None) -> str:
    """What there is at a place without samples; "": nothing."""
    if isinstance(records, RecordIndex):
        return "the index has no records"
    if not count:
        return ""
    objects = "one object" if count == 1 else f"{count} objects"
    if records is not None:
        return f"{objects} without any {records} record"
    return f"{objects}, all of them folder markers, indexes of records or kept listings"


def _opened_at(uri: str, literal: bool, options: dict[str, Any]) -> tuple[Store, str]:
    """The store that holds the samples, and what their keys start with in it."""
    parsed = parse_uri(uri)
    if not literal or parsed.is_file:
        return open_store(uri, **options), ""
    folder, slash, start = parsed.key.rpartition("/")
    return open_store(str(parsed._replace(key=folder + slash)), **options), start


def _samples(listing: Iterable[ObjectMeta], etags: list[str] | None) -> Iterator[tuple[str, int]]:
    """(key, size) of the samples; their etags are appended."""
    for meta in listing:
        if not is_folder_marker(meta.key, meta.size) and not is_sidecar(meta.key):
            if etags is not None:
                etags.append(meta.etag)
            yield meta.key, meta.size


def manifest_of_objects(
    uris: Iterable[str],
    *,
    records: str | RecordIndex | None = None,
    record_options: dict[str, Any] | None = None,
    allow_empty: bool = False,
    **options: Any,
) -> Manifest:
    """The objects at `uris`, in the given order, all in one bucket or below one root.

    Args:
        uris: Nothing is asked of the store about them, unless their records are wanted. Without any, the manifest is
            empty: a list is not mistyped as a prefix is.
        records: As for manifest_of_prefix().
        allow_empty: Accept that the objects hold no records.
    Raises:
        ValueError: Two URIs differ in scheme or bucket, or one names no object.
        ObjectNotFoundError: The objects hold no records.
    """
    keys: list[str] = []
    root = ""
    for uri in uris:
        parsed = parse_uri(uri)
        own = f"{parsed.scheme}://{parsed.bucket}/"
        if root not in ("", own):
            raise ValueError(f"objects of one dataset must share scheme and bucket; found {root} and {own}")
        root = own
        if not parsed.key:
            raise ValueError(f"{uri} names no object; for all below a prefix: from_prefix")
        keys.append(parsed.key)
    if not keys:
        return ObjectManifest.of(open_store("file:///"), ())  # any store serves: nothing is asked of it
    store = open_store(root, **options)
    if records is not None:
        manifest = records_below(store, records, map(store.head, keys), record_options)
        if not len(manifest) and not allow_empty:
            raise no_samples(store, "", _instead(len(keys), records), options)
        return manifest
    return ObjectManifest.of(store, ((key, None) for key in keys))


def pack(manifest: ObjectManifest, start: str = "") -> bytes:
    """`manifest` as bytes that unpack() reads: a line of JSON, then keys, ends and sizes as they lie in memory.

    Args:
        start: What all keys begin with.
    """
    keys, sizes = manifest.parts()
    blob, ends = keys.parts()
    head = {
        "root": manifest.store.uri + start,
        "count": len(manifest),
        "blob": len(blob),
        "ends": ends.typecode,
        "order": sys.byteorder,
        "digest": manifest.digest,
    }
    return b"".join([_MAGIC, json.dumps(head).encode(), b"\n", blob, ends.tobytes(), sizes.tobytes()])


def unpack(data: bytes | memoryview, store: Store, where: str, start: str = "") -> ObjectManifest:
    """The reverse; what was stored about another place, or is damaged, is refused.

    Raises:
        RecordError: Damaged, or of another place than `store`.
    """
    try:
        view = memoryview(data)
        if view[: len(_MAGIC)] != _MAGIC:
            raise ValueError("it does not begin as a manifest does")
        line_end = bytes(view[: 1 << 16]).index(b"\n", len(_MAGIC))
        head = json.loads(bytes(view[len(_MAGIC) : line_end]))
        ends, sizes = array(str(head["ends"])), array("Q")
        if ends.typecode not in "IQ":
            raise ValueError(f"ends of type {ends.typecode!r}")
        blob_end = line_end + 1 + int(head["blob"])
        ends_end = blob_end + int(head["count"]) * ends.itemsize
        ends.frombytes(view[blob_end:ends_end])
        sizes.frombytes(view[ends_end:])
        if head["order"] != sys.byteorder:
            ends.byteswap()
            sizes.byteswap()
        keys = PackedStrings.of_parts(bytes(view[line_end + 1 : blob_end]), ends)
        manifest = ObjectManifest(store, keys, sizes)
        if manifest.digest != head["digest"]:
            raise ValueError(f"its digest is {manifest.digest}, expected {head['digest']}")
        root = head["root"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RecordError(
            f"the cached manifest cannot be used: {error}; remove it to list again",
            operation="read manifest",
            uri=where,
        ) from error
    if root != store.uri + start:
        raise RecordError(
            f"the cached manifest is of {root}; expected {store.uri}{start}; remove it or name another one",
            operation="read manifest",
            uri=where,
        )
    return manifest


def load_manifest(where: str, store: Store, start: str = "", **options: Any) -> ObjectManifest | None:
    """What save_manifest() kept at `where`; None: nothing is there.

    Args:
        where: A path or a URI.
        store: The place the manifest is about.
        start: What its keys begin with.
        options: Of open_store(), for `where`.
    Raises:
        RecordError: Damaged, or of another place.
    """
    cache, key = _place(where, store, options)
    try:
        return unpack(cache.get(key).memoryview(), store, cache.uri_of(key), start)
    except (ObjectNotFoundError, BucketNotFoundError):
        return None


def save_manifest(where: str, manifest: ObjectManifest, start: str = "", **options: Any) -> None:
    """Keep `manifest` at a path or URI; whole or not at all.

    Args:
        where: A key that ends in MANIFEST_SUFFIX is no sample where it lies among them.
        start: What all keys begin with.
        options: As open_store() takes them.
    Raises:
        StorageError: It could not be stored.
    """
    cache, key = _place(where, manifest.store, options)
    cache.put(key, pack(manifest, start))


def _place(where: str, store: Store, options: dict[str, Any]) -> tuple[Store, str]:
    uri = uri_of_path(where)
    root, key = split_object_uri(uri)
    same_kind = parse_uri(uri).scheme == store.scheme
    return open_store(root, **(options if same_kind else {})), key
