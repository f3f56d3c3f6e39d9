"""Manifests from listings and lists of URIs, and their storage, so that a job lists once and a later one not at all."""

from __future__ import annotations

import json
import os
import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.errors import BucketNotFoundError, ObjectNotFoundError, RecordError
from s3dlio_core.loader.manifest import Manifest, ObjectManifest
from s3dlio_core.loader.packed import PackedStrings
from s3dlio_core.loader.record_manifest import records_below
from s3dlio_core.records import RecordIndex, is_sidecar
from s3dlio_core.store import Store, open_store
from s3dlio_core.uri import parse_uri, split_object_uri

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
_MAGIC = b"s3dlio manifest 1\n"


def manifest_of_prefix(
    uri: str,
    *,
    literal: bool = False,
    records: str | RecordIndex | None = None,
    record_options: dict[str, Any] | None = None,
    cache: str | None = None,
    **options: Any,
) -> Manifest:
    """List every object below `uri`, ascending by key, without "folder" objects (size 0, key ending in "/"), indexes of
    records and cached manifests.

    Args:
        literal: On object stores, take "s3://bucket/train/part-" as the start of keys; else a missing slash is added.
        records: Make one sample a record: the format's name, or an index.
        record_options: Of the format.
        cache: Path or URI of a manifest: used if it is there, else written. With `records`, store an index instead.
        options: Of open_store().
    Raises:
        BucketNotFoundError, AccessDeniedError, CredentialsError: As the store reports them, with the URI.
        RecordError: The cached manifest or the index is damaged or of other objects.
    """
    store, start = _opened_at(uri, literal, options)
    if records is not None:
        if cache is not None:
            raise ValueError("manifest_cache keeps lists of objects; for records store an index: s3dlio index URI")
        return records_below(store, records, store.list(start), record_options)
    manifest = load_manifest(cache, store, start, **options) if cache else None
    if manifest is None:
        manifest = ObjectManifest.of(store, _samples(store.list(start)))
        if cache:
            save_manifest(cache, manifest, start, **options)
    return manifest


def _opened_at(uri: str, literal: bool, options: dict[str, Any]) -> tuple[Store, str]:
    """The store that holds the samples, and what their keys start with in it."""
    parsed = parse_uri(uri)
    if not literal or parsed.is_file:
        return open_store(uri, **options), ""
    folder, slash, start = parsed.key.rpartition("/")
    return open_store(str(parsed._replace(key=folder + slash)), **options), start


def _samples(listing: Iterable[ObjectMeta]) -> Iterator[tuple[str, int]]:
    for meta in listing:
        is_folder = meta.key.endswith("/") and meta.size == 0
        if not is_folder and not is_sidecar(meta.key) and not meta.key.endswith(MANIFEST_SUFFIX):
            yield meta.key, meta.size


def manifest_of_objects(
    uris: Iterable[str],
    *,
    records: str | RecordIndex | None = None,
    record_options: dict[str, Any] | None = None,
    **options: Any,
) -> Manifest:
    """The objects at `uris`, in the given order, all in one bucket or below one root.

    Args:
        uris: Nothing is asked of the store about them, unless their records are wanted.
        records: As for manifest_of_prefix().
    Raises:
        ValueError: Two URIs differ in scheme or bucket, or there are none.
    """
    keys: list[str] = []
    root = ""
    for uri in uris:
        parsed = parse_uri(uri)
        own = f"{parsed.scheme}://{parsed.bucket}/"
        if root not in ("", own):
            raise ValueError(f"objects of one dataset must share scheme and bucket; found {root} and {own}")
        root = own
        keys.append(parsed.key)
    if not keys:
        raise ValueError("a dataset needs at least one object; the list of URIs is empty")
    store = open_store(root, **options)
    if records is not None:
        return records_below(store, records, map(store.head, keys), record_options)
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
    except (ValueError, KeyError, TypeError, OverflowError) as error:
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
    """Keep `manifest` at a path or URI; whole or not at all. A key that ends in MANIFEST_SUFFIX is no sample."""
    cache, key = _place(where, manifest.store, options)
    cache.put(key, pack(manifest, start))


def _place(where: str, store: Store, options: dict[str, Any]) -> tuple[Store, str]:
    uri = where if "://" in where else f"file://{os.path.abspath(where)}"
    root, key = split_object_uri(uri)
    same_kind = parse_uri(uri).scheme == store.scheme
    return open_store(root, **(options if same_kind else {})), key
