"""head, exists, delete, copy, buckets, and what becomes of calls that cannot work."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from servers.access import Place
from servers.content import MIB, content

from s3dlio_core import (
    BucketNotFoundError,
    ClosedError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    Store,
    open_store,
)

DATA = content(50_000, seed=5)


def test_exists(any_store: Store) -> None:
    assert not any_store.exists("a/b")
    any_store.put("a/b", DATA)
    assert any_store.exists("a/b")
    assert not any_store.exists("a/b/c")
    assert not any_store.exists("a")


def test_head_of_nothing_is_not_found(any_store: Store) -> None:
    with pytest.raises(ObjectNotFoundError):
        any_store.head("none")


def test_delete_one_and_what_is_not_there(any_store: Store) -> None:
    any_store.put("a", DATA)
    any_store.delete("a")
    any_store.delete("a")
    any_store.delete("never/was")
    assert not any_store.exists("a")


def test_delete_many(any_store: Store) -> None:
    keys = [f"d/{index:04d}" for index in range(1100)]  # more than one request may name
    any_store.put_many([(key, b"x") for key in keys])
    any_store.put("kept", b"x")
    any_store.delete(key for key in [*keys, "d/none"])
    assert [meta.key for meta in any_store.list()] == ["kept"]
    any_store.delete([])


def test_copy(any_store: Store) -> None:
    any_store.put("from/a", DATA)
    any_store.copy("from/a", "to/b")
    assert any_store.get("to/b") == DATA
    assert any_store.get("from/a") == DATA
    any_store.put("from/a", b"changed")
    assert any_store.get("to/b") == DATA


def test_copy_of_several_parts(any_store: Store) -> None:
    whole = content(11 * MIB + 1, seed=6)
    any_store.put("big", whole)
    any_store.copy("big", "copy")
    assert any_store.get("copy") == whole


def test_copy_of_nothing_is_not_found(any_store: Store) -> None:
    with pytest.raises(ObjectNotFoundError):
        any_store.copy("none", "to")
    assert not any_store.exists("to")


def test_missing_bucket(place: Place, name: str) -> None:
    place.needs("buckets")
    other = place.open_bucket(f"absent-{name}")
    with pytest.raises(BucketNotFoundError):
        list(other.list())
    with pytest.raises((BucketNotFoundError, ObjectNotFoundError)):
        other.get("a")


@pytest.mark.parametrize("scheme", ["file", "direct"])
def test_missing_root_folder(scheme: str, tmp_path: Path) -> None:
    with open_store(f"{scheme}://{tmp_path}/none") as store:
        with pytest.raises(BucketNotFoundError):
            list(store.list())
        with pytest.raises(FileNotFoundError):
            store.get("a")
        store.put("a", DATA)  # makes it
        assert store.get("a") == DATA


def test_buckets_come_and_go(place: Place, name: str) -> None:
    place.needs("buckets")
    bucket = f"made-{name}"
    other = place.open_bucket(bucket)
    other.create_bucket()
    assert bucket in [info.name for info in other.list_buckets()]
    other.put("a", DATA)
    below = open_store(f"{other.uri}below/", tuning=other.tuning, **other._given_options)
    for whole in (other, below):
        with pytest.raises(StorageError, match="objects are in it"):
            whole.delete_bucket()
    below.close()
    assert other.get("a") == DATA
    other.delete("a")
    other.delete_bucket()
    assert bucket not in [info.name for info in place.store.list_buckets()]


def test_bucket_that_exists(place: Place) -> None:
    place.needs("buckets")
    place.needs("buckets_once")
    with pytest.raises(ObjectExistsError):
        place.store.create_bucket()


def test_closed_store_refuses(place: Place) -> None:
    store = place.reopen()
    store.put("a", DATA)
    store.close()
    store.close()
    with pytest.raises(ClosedError):
        store.get("a")
    with place.reopen() as again:
        assert again.get("a") == DATA
    with pytest.raises(ClosedError):
        again.get("a")


def test_store_survives_pickling(any_store: Store) -> None:
    any_store.put("a", DATA)
    twin = pickle.loads(pickle.dumps(any_store))
    assert twin.uri == any_store.uri
    assert twin.tuning == any_store.tuning
    assert twin.get("a") == DATA
    twin.close()


def test_store_says_where_it_is(place: Place) -> None:
    store = place.store
    assert store.scheme == ("s3" if place.kind in ("loopback", "moto", "seaweedfs") else place.kind)
    assert store.uri.startswith(store.scheme + "://")
    assert store.uri in repr(store)
    if store.scheme == "s3":
        assert store.bucket == "train"
        assert store.prefix.endswith("/")


def test_sweep_of_nothing(any_store: Store) -> None:
    any_store.put("a", DATA)
    assert any_store.sweep_uploads(older_than_seconds=0) == 0
    assert any_store.get("a") == DATA
