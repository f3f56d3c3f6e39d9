"""Finding the records of many objects at once, by reading their heads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.errors import InvalidArgumentError, RecordError, StorageError, TransferCancelledError
from s3dlio_core.formats.folder_markers import is_folder_marker
from s3dlio_core.formats.foreign import FRONT_BYTES, named_for_what_it_is
from s3dlio_core.records.format import FORMATS, RecordFormat, format_named, format_of_key
from s3dlio_core.records.index import IndexedObject, RecordIndex
from s3dlio_core.records.reader import HeadReader
from s3dlio_core.records.table import RecordTable
from s3dlio_core.store import Store

__all__ = ["INDEX_KEY", "IndexProgress", "guess_format", "index_many", "index_prefix", "is_sidecar", "objects_to_index"]

INDEX_KEY = ".s3dlio-index"
"""Key of the stored index, below the prefix whose objects it tells of."""

_SIDECARS = (INDEX_KEY, ".s3dlio-manifest")
_DEFAULT_IN_FLIGHT = 32


class IndexProgress(NamedTuple):
    """How far the indexing is.

    Attributes:
        objects_done: Of `objects_total`.
        records: Found so far.
        bytes_done: Sizes of the objects done, of `bytes_total`; much less was read.
    """

    objects_done: int
    objects_total: int
    records: int
    bytes_done: int
    bytes_total: int


def is_sidecar(key: str) -> bool:
    """Whether the object of this key describes samples and is none itself: an index of records, a kept listing."""
    return key.endswith(_SIDECARS)


def objects_to_index(
    listing: Iterable[ObjectMeta], pattern: str | Callable[[str], object] | None = None
) -> Iterator[ObjectMeta]:
    """The objects of a listing that hold records: no index, no "folder", no "<key>.idx" beside its key.

    Args:
        listing: Ascending by key.
        pattern: Regular expression that is searched for in keys, or what tells of a key whether it is meant; None: all.
    Raises:
        InvalidArgumentError: `pattern` is no regular expression.
    """
    try:
        matches = pattern if callable(pattern) else re.compile(pattern or "").search
    except re.error as error:
        raise InvalidArgumentError(f"the pattern {pattern!r} is no regular expression: {error}") from error
    keys: set[str] = set()
    for meta in listing:
        key = meta.key
        keys.add(key)
        # Keys ascend, so an index file comes behind what it belongs to.
        is_index = is_sidecar(key) or (key.endswith(".idx") and key.removesuffix(".idx") in keys)
        if not is_folder_marker(key, meta.size) and not is_index and matches(key):
            yield meta


def guess_format(keys: Iterable[str], uri: str = "") -> str:
    """The one format that all keys look like.

    Raises:
        InvalidArgumentError: There is no key, one that looks like none, or two that look like different ones.
    """
    guessed: dict[str, str] = {}
    for key in keys:
        name = format_of_key(key)
        if name is None:
            message = f"the key {key!r} does not tell its record format{named_for_what_it_is(key)}"
            remedy = f"name one of {', '.join(FORMATS)}, or a pattern that chooses the objects"
            raise InvalidArgumentError(f"{message}; {remedy}", operation="index", uri=uri)
        guessed.setdefault(name, key)
    if len(guessed) != 1:
        found = " and ".join(f"{name} ({key!r})" for name, key in guessed.items()) or "nothing"
        message = f"found {found}; expected objects of one record format; name it, or a pattern that chooses objects"
        raise InvalidArgumentError(message, operation="index", uri=uri)
    return next(iter(guessed))


def index_prefix(
    store: Store,
    format: str | None = None,
    *,
    pattern: str | None = None,
    options: dict[str, Any] | None = None,
    listing: Iterable[ObjectMeta] | None = None,
    progress: Callable[[IndexProgress], None] | None = None,
    max_in_flight: int | None = None,
) -> RecordIndex:
    """Find every record below a store's prefix. Reads what the format needs to find them, by ranges.

    Args:
        format: One of FORMATS; None: what the keys look like.
        pattern: Regular expression that is searched for in keys; None: all objects.
        options: Of the format: {"path": ...} for hdf5.
        listing: What store.list() gave, where that is known already.
        progress: Called on this thread as objects are done.
        max_in_flight: Most objects under way; None: 32, or as many as the store may have connections.
    Returns:
        The index, objects ascending by key. Nothing is stored; save_index() does that.
    Raises:
        RecordError: An object is cut short, damaged or of another format; named with the record and its place.
        PreconditionError: An object was replaced meanwhile.
    """
    found = list(objects_to_index(store.list() if listing is None else listing, pattern))
    name = format or guess_format((meta.key for meta in found), store.uri)
    tables: dict[str, RecordTable] = {}
    done = records = bytes_done = 0
    bytes_total = sum(meta.size for meta in found)
    made = format_named(name, **(options or {}))
    for meta, table in index_many(store, found, made, max_in_flight=max_in_flight):
        if isinstance(table, Exception):
            raise table
        tables[meta.key] = table
        done, records, bytes_done = done + 1, records + len(table), bytes_done + meta.size
        if progress is not None:
            progress(IndexProgress(done, len(found), records, bytes_done, bytes_total))
    return index_of(found, tables, name, options, pattern)


def index_of(
    found: Iterable[ObjectMeta],
    tables: dict[str, RecordTable],
    name: str,
    options: dict[str, Any] | None,
    pattern: str | None,
) -> RecordIndex:
    """An index of objects and their tables by key."""
    objects = (IndexedObject(meta.key, meta.size, meta.etag, tables[meta.key]) for meta in found)
    return RecordIndex(name, objects, options=options, pattern=pattern)


def index_many(
    store: Store, found: Iterable[ObjectMeta], format: RecordFormat, *, max_in_flight: int | None = None
) -> Iterator[tuple[ObjectMeta, RecordTable | Exception]]:
    """The table of each object, or why there is none, as they are done. Leaving the loop stops what is under way."""
    limit = min(_DEFAULT_IN_FLIGHT, store.tuning.max_connections) if max_in_flight is None else max_in_flight
    if limit < 1:
        raise InvalidArgumentError(f"max_in_flight is {limit}; expected at least 1", operation="index", uri=store.uri)
    stop = threading.Event()
    waiting = iter(found)
    # Threads, because formats read through libraries that want a file; each spends its time waiting for the engine.
    pool = ThreadPoolExecutor(limit, thread_name_prefix="s3dlio-index")
    under_way: dict[Future[RecordTable], ObjectMeta] = {}
    try:
        while True:
            while len(under_way) < limit and (meta := next(waiting, None)) is not None:
                under_way[pool.submit(_index_one, store, meta, format, stop)] = meta
            if not under_way:
                return
            ended, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in ended:
                error = future.exception()
                meta = under_way.pop(future)
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield meta, future.result() if error is None else error
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _index_one(store: Store, meta: ObjectMeta, format: RecordFormat, stop: threading.Event) -> RecordTable:
    uri = store.uri_of(meta.key)

    def fetch(start: int, end: int) -> Any:
        if stop.is_set():
            raise TransferCancelledError("indexing was stopped", operation="index", uri=uri)
        return store.get_range(meta.key, start=start, end=end, if_match=meta.etag or None)

    reader = HeadReader(fetch, meta.size)
    try:
        return RecordTable.of(format.index(reader, meta.size))
    except RecordError as error:
        message = error.message + named_for_what_it_is(meta.key, _front_of(fetch, meta.size))
        raise RecordError(message, operation=f"index {format.name}", uri=uri) from error
    except StorageError as error:
        error.uri = error.uri or uri
        raise


def _front_of(fetch: Callable[[int, int], Any], size: int) -> bytes:
    """An object's first bytes, for the text of an error; none where they cannot be had."""
    try:
        return bytes(fetch(0, min(size, FRONT_BYTES))) if size else b""
    except StorageError:
        return b""
