"""Which objects are meant: one, what lies below a key, or whichever of the two there is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

from s3dlio_core._ext import ObjectMeta
from s3dlio_core.errors import IsADirectoryStorageError, ObjectNotFoundError, StorageError
from s3dlio_core.moving.source import Source
from s3dlio_core.store import Store

__all__ = ["as_folder", "below", "explained", "found", "found_async", "is_folder", "one"]

Wanted = Callable[[str], object]  # by its name below what was asked for, whether an object is meant


def one(store: Store, key: str) -> Source:
    """The object under exactly this key.

    Raises:
        ObjectNotFoundError: There is none.
    """
    with explained(store, key):
        return _source_of(store.head(key), store, key)


@contextlib.contextmanager
def explained(store: Store, key: str) -> Iterator[None]:
    """Have the service say why it refuses to tell about an object: its answer to HEAD has no room for a reason."""
    try:
        yield
    except StorageError as error:
        if 400 <= error.http_status < 500 and not error.service_code:
            try:
                store.get_range(key, start=0, end=1)
            except StorageError as reason:
                raise reason from None
        raise


def _source_of(meta: ObjectMeta, store: Store, key: str) -> Source:
    return Source(store, key, key[key.rfind("/") + 1 :], meta.size, meta.etag)


def below(store: Store, front: str, *, recursive: bool = True, wanted: Wanted | None = None) -> Iterator[Source]:
    """The objects whose keys start with `front`, which is "" or ends in a slash; while the listing goes on."""
    metas = store.list(front) if recursive else store.list_with_delimiter(front).objects
    return sources_of(store, front, metas, wanted)


def sources_of(store: Store, front: str, metas: Iterable[ObjectMeta], wanted: Wanted | None = None) -> Iterator[Source]:
    """The listed objects that are wanted, by what their keys are behind `front`."""
    for meta in metas:
        name = meta.key[len(front) :]
        if wanted is None or wanted(name):
            yield Source(store, meta.key, name, meta.size, meta.etag)


def is_folder(key: str) -> bool:
    """Whether `key` stands for what lies below it."""
    return not key or key.endswith("/")


def as_folder(key: str) -> str:
    """`key` as the front of what lies below it: "data" and "data/" give "data/"."""
    return key if is_folder(key) else key + "/"


def found(store: Store, key: str, *, recursive: bool = True, wanted: Wanted | None = None) -> Iterator[Source]:
    """The object under `key`; where there is none, or `wanted` chooses among several, what lies below.

    Raises:
        ObjectNotFoundError: There is neither.
    """
    if wanted is None and not is_folder(key):
        with contextlib.suppress(ObjectNotFoundError, IsADirectoryStorageError):
            yield one(store, key)
            return
    nothing = True
    for source in below(store, as_folder(key), recursive=recursive, wanted=wanted):
        nothing = False
        yield source
    if nothing:
        raise _nothing_found(store, key)


async def found_async(store: Store, key: str, *, recursive: bool = True) -> list[Source]:
    """As found()."""
    if not is_folder(key):
        with contextlib.suppress(ObjectNotFoundError, IsADirectoryStorageError):
            return [_source_of(await store.head_async(key), store, key)]
    front = as_folder(key)
    if recursive:
        metas = [meta async for meta in store.list_async(front)]
    else:
        metas = (await store.list_with_delimiter_async(front)).objects
    if not metas:
        raise _nothing_found(store, key)
    return list(sources_of(store, front, metas))


def _nothing_found(store: Store, key: str) -> ObjectNotFoundError:
    message = "there is no such object, and nothing lies below"
    return ObjectNotFoundError(message, operation="download", uri=store.uri_of(key))
