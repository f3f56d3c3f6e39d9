"""The verbs by whole URI, for a handful of objects: get("s3://train/a.tar").

Stores are opened with the environment's options and kept, one a bucket (file stores: one a folder). Where the
environment or AWS's files have changed since, another is opened. For a loop over one place, or for options,
open_store() says the same with fewer words.
"""

from __future__ import annotations

import builtins
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

from s3dlio_core._ext import Buffer, ObjectMeta, PutResult
from s3dlio_core._setting import Setting, setting_of
from s3dlio_core.errors import DeleteError, InvalidArgumentError, summary_of
from s3dlio_core.moving import transfer
from s3dlio_core.moving.memory import memory_for
from s3dlio_core.moving.source import Source
from s3dlio_core.process.lifecycle import run_in_forked_child
from s3dlio_core.run.many import Steps, run, run_async, run_many, run_many_async
from s3dlio_core.store import Store, open_store
from s3dlio_core.store._put import put_options
from s3dlio_core.uri import FILE_SCHEMES, split_object_uri, uri_text

__all__ = [
    "close_stores",
    "copy",
    "copy_async",
    "delete",
    "delete_async",
    "exists",
    "exists_async",
    "get",
    "get_async",
    "get_into",
    "get_into_async",
    "get_many",
    "get_many_async",
    "get_range",
    "get_range_async",
    "list",
    "list_async",
    "put",
    "put_async",
    "put_many",
    "put_many_async",
    "stat",
    "stat_async",
    "store_at",
]

_DEFAULT_IN_FLIGHT = 64
_KEPT = 128  # stores; a file store more is opened in microseconds

_stores: OrderedDict[tuple[str, Setting], Store] = OrderedDict()  # by URI and what they were opened from
_lock = threading.Lock()


def store_at(uri: str) -> tuple[Store, str]:
    """The kept store that holds the object at `uri`, and the object's key in it."""
    store_uri, key = split_object_uri(uri)
    return _kept_store(store_uri), key


def _kept_store(store_uri: str) -> Store:
    with _lock:
        key = store_uri, setting_of(store_uri)
        store = _stores.pop(key, None)
        if store is None:
            store = open_store(store_uri)
        _stores[key] = store
        while len(_stores) > _KEPT:
            _stores.popitem(last=False)  # not closed: a call may be under way
        return store


def close_stores() -> None:
    """Close the kept stores; the next call opens them anew, with the environment as it is then."""
    with _lock:
        closing = builtins.list(_stores.values())
        _stores.clear()
    for store in closing:
        store.close()


def _forget_lock() -> None:
    global _lock
    _lock = threading.Lock()  # a thread of the parent may have held it


run_in_forked_child(_forget_lock)


def _read_from(uri: str) -> tuple[Store, str]:
    """As store_at(); a link to a file outside its folder is followed, since the caller named that very file."""
    uri = uri_text(uri)
    scheme, _, path = uri.partition("://")
    if scheme in FILE_SCHEMES and os.path.islink(path):
        uri = f"{scheme}://{os.path.realpath(path)}"
    return store_at(uri)


def get(
    uri: str,
    *,
    size: int | None = None,
    if_match: str | None = None,
    version_id: str | None = None,
    verify: bool | None = None,
) -> Buffer:
    """As Store.get()."""
    store, key = _read_from(uri)
    return store.get(key, size=size, if_match=if_match, version_id=version_id, verify=verify)


async def get_async(
    uri: str,
    *,
    size: int | None = None,
    if_match: str | None = None,
    version_id: str | None = None,
    verify: bool | None = None,
) -> Buffer:
    """As Store.get_async()."""
    store, key = _read_from(uri)
    return await store.get_async(key, size=size, if_match=if_match, version_id=version_id, verify=verify)


def get_range(uri: str, *, start: int, end: int | None, out: Any = None) -> Buffer | memoryview:
    """As Store.get_range(): bytes [start, end)."""
    store, key = _read_from(uri)
    return store.get_range(key, start=start, end=end, out=out)


async def get_range_async(uri: str, *, start: int, end: int | None, out: Any = None) -> Buffer | memoryview:
    """As Store.get_range_async()."""
    store, key = _read_from(uri)
    return await store.get_range_async(key, start=start, end=end, out=out)


def get_into(uri: str, out: Any, *, offset: int = 0) -> int:
    """As Store.get_into(): fills `out` with bytes from `offset`; gives how many."""
    store, key = _read_from(uri)
    return store.get_into(key, out, offset=offset)


async def get_into_async(uri: str, out: Any, *, offset: int = 0) -> int:
    """As Store.get_into_async()."""
    store, key = _read_from(uri)
    return await store.get_into_async(key, out, offset=offset)


def get_many(uris: Iterable[str], *, max_in_flight: int = _DEFAULT_IN_FLIGHT) -> builtins.list[Buffer]:
    """As Store.get_many(), over any number of stores; results in the order of `uris`."""
    return run_many(map(_get_one, uris), _checked(max_in_flight))


async def get_many_async(uris: Iterable[str], *, max_in_flight: int = _DEFAULT_IN_FLIGHT) -> builtins.list[Buffer]:
    """As get_many()."""
    return await run_many_async(map(_get_one, uris), _checked(max_in_flight))


def _get_one(uri: str) -> Steps[Buffer]:
    store, key = _read_from(uri)
    buffer: Buffer = yield store._native().get(key, None, "", "", "")
    return buffer


def put(
    uri: str,
    data: Any,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    if_none_match: bool = False,
) -> PutResult:
    """As Store.put()."""
    store, key = store_at(uri)
    return store.put(key, data, content_type=content_type, metadata=metadata, if_none_match=if_none_match)


async def put_async(
    uri: str,
    data: Any,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    if_none_match: bool = False,
) -> PutResult:
    """As Store.put_async()."""
    store, key = store_at(uri)
    return await store.put_async(key, data, content_type=content_type, metadata=metadata, if_none_match=if_none_match)


def put_many(items: Iterable[tuple[str, Any]], *, max_in_flight: int = _DEFAULT_IN_FLIGHT) -> builtins.list[PutResult]:
    """As Store.put_many(); `items` are (uri, data)."""
    return run_many(map(_put_one, items), _checked(max_in_flight))


async def put_many_async(
    items: Iterable[tuple[str, Any]], *, max_in_flight: int = _DEFAULT_IN_FLIGHT
) -> builtins.list[PutResult]:
    """As put_many()."""
    return await run_many_async(map(_put_one, items), _checked(max_in_flight))


def _put_one(item: tuple[str, Any]) -> Steps[PutResult]:
    uri, data = item
    store, key = store_at(uri)
    result: PutResult = yield store._native().put(key, data, put_options("put_many", uri))
    return result


def list(uri: str, *, start_after: str | None = None) -> Iterator[ObjectMeta]:
    """Every object whose URI starts with `uri`, ascending; `.uri` of each is its whole name.

    Args:
        uri: Literal: "s3://b/data" also lists "s3://b/database.csv", "s3://b/data/" does not.
        start_after: A URI; only objects behind it.
    """
    store, prefix = store_at(uri)
    return store.list(prefix, start_after=_key_of(store, start_after))


def list_async(uri: str, *, start_after: str | None = None) -> AsyncIterator[ObjectMeta]:
    """As list(), for `async for`."""
    store, prefix = store_at(uri)
    return store.list_async(prefix, start_after=_key_of(store, start_after))


def _key_of(store: Store, uri: str | None) -> str | None:
    if uri is None:
        return None
    if not uri.startswith(store.uri):
        raise InvalidArgumentError(f'start_after is "{uri}", which does not lie in {store.uri}')
    return uri.removeprefix(store.uri)


def stat(uri: str, *, version_id: str | None = None) -> ObjectMeta:
    """As Store.head(): what the store knows about one object."""
    store, key = _read_from(uri)
    return store.head(key, version_id=version_id)


async def stat_async(uri: str, *, version_id: str | None = None) -> ObjectMeta:
    """As stat()."""
    store, key = _read_from(uri)
    return await store.head_async(key, version_id=version_id)


def exists(uri: str) -> bool:
    """Whether something is stored at `uri`."""
    store, key = _read_from(uri)
    return store.exists(key)


async def exists_async(uri: str) -> bool:
    """As exists()."""
    store, key = _read_from(uri)
    return await store.exists_async(key)


def delete(uris: str | Iterable[str]) -> None:
    """Delete one object or many, in batches. What is not there is no error.

    Raises:
        DeleteError: Some could not be deleted; `.failures` names each URI with its error.
    """
    run(_delete(uris))


async def delete_async(uris: str | Iterable[str]) -> None:
    """As delete()."""
    await run_async(_delete(uris))


def _delete(uris: str | Iterable[str]) -> Steps[None]:
    by_store: dict[str, builtins.list[str]] = {}
    for uri in [uris] if isinstance(uris, str) else uris:
        store_uri, key = split_object_uri(uri)
        by_store.setdefault(store_uri, []).append(key)
    failures: builtins.list[tuple[str, Exception]] = []
    for store_uri, keys in by_store.items():
        failed = yield _kept_store(store_uri)._native().delete_many(keys)
        failures += [(store_uri + key, error) for key, error in failed]
    if isinstance(uris, str) and failures:
        raise failures[0][1]
    if failures:
        done = sum(map(len, by_store.values())) - len(failures)
        raise DeleteError(summary_of(failures, done), failures=failures, succeeded=done, operation="delete")


def copy(source_uri: str, uri: str) -> None:
    """Copy an object: inside the service where both URIs are s3, else through this process.

    Raises:
        ObjectNotFoundError: Nothing is stored at `source_uri`.
    """
    run(_copy(source_uri, uri))


async def copy_async(source_uri: str, uri: str) -> None:
    """As copy()."""
    await run_async(_copy(source_uri, uri))


def _copy(source_uri: str, uri: str) -> Steps[None]:
    source, source_key = _read_from(source_uri)
    target, key = store_at(uri)
    yield from transfer.copy(Source(source, source_key, ""), target, key, memory_for(1), lambda _: None)


def _checked(max_in_flight: int) -> int:
    if max_in_flight < 1:
        raise InvalidArgumentError(f"max_in_flight is {max_in_flight}; expected at least 1")
    return max_in_flight
