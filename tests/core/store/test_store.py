"""Opening, naming, closing, pickling; the checks that happen before the engine is asked."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from s3dlio_core import (
    ClosedError,
    FetchItem,
    InvalidArgumentError,
    ObjectMeta,
    PutResult,
    Store,
    Tuning,
    UnsupportedOperationError,
    open_store,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"file://{tmp_path}") as opened:
        opened.put("a", b"0123456789")
        yield opened


def test_names(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}") as files:
        assert (files.scheme, files.bucket) == ("file", "")
        assert files.uri == f"file://{tmp_path}/"
        assert files.uri_of("a/b") == f"file://{tmp_path}/a/b"
    with open_store("s3://train/epoch-3", unsigned_access=True) as remote:
        assert (remote.scheme, remote.bucket, remote.prefix) == ("s3", "train", "epoch-3/")
        assert remote.uri_of("k") == "s3://train/epoch-3/k"
        assert repr(remote) == "Store('s3://train/epoch-3/')"


def test_options_of_file_stores_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"region.*there are none"):
        open_store(f"file://{tmp_path}", region="x")


def test_tuning_comes_from_the_environment_or_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3DLIO_PART_SIZE", "5MiB")
    assert open_store(f"file://{tmp_path}").tuning.part_size == 5 << 20
    assert open_store(f"file://{tmp_path}", tuning=Tuning()).tuning == Tuning()
    with pytest.raises(InvalidArgumentError, match="dict"):
        open_store(f"file://{tmp_path}", tuning={"part_size": 1})  # type: ignore[arg-type]


def test_account_without_a_bucket(fault_server) -> None:  # type: ignore[no-untyped-def]
    options = {"endpoint_url": fault_server.endpoint_url, "access_key_id": fault_server.access_key,
               "secret_access_key": fault_server.secret_key}  # fmt: skip
    with open_store("s3://", **options) as account:
        assert [info.name for info in account.list_buckets()] == ["data"]
        with pytest.raises(InvalidArgumentError, match="no bucket"):
            account.get("a")


def test_closed(store: Store) -> None:
    store.close()
    for call in (lambda: store.get("a"), lambda: store.put("a", b""), lambda: list(store.list())):
        with pytest.raises(ClosedError, match="closed"):
            call()
    assert "closed" in repr(store)


def test_pickle_holds_only_what_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AK-of-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "SK-of-the-environment")
    pickled = pickle.dumps(open_store("s3://bucket/", region="r1"))
    assert b"of-the-environment" not in pickled
    assert b"r1" in pickled
    given = open_store("s3://bucket/", access_key_id="a", secret_access_key="given-secret")
    assert b"given-secret" in pickle.dumps(given)
    assert "given-secret" not in repr(given)


BAD = {
    "negative start": lambda store: store.get_range("a", start=-1, end=5),
    "end before start": lambda store: store.get_range("a", start=5, end=4),
    "negative offset": lambda store: store.get_into("a", bytearray(1), offset=-1),
    "negative size": lambda store: store.get("a", size=-1),
    "too small": lambda store: store.get_range("a", start=0, end=5, out=bytearray(4)),
    "fewer destinations": lambda store: store.get_ranges("a", [(0, 1), (2, 3)], out=[bytearray(1)]),
    "no place": lambda store: store.get_many(["a"], max_in_flight=0),
    "no window": lambda store: store.prefetch(["a"], window_bytes=0),
    "backward item": lambda store: store.prefetch([FetchItem("a", start=3, end=2)]),
    "lone surrogate": lambda store: store.put("a\ud800", b""),
    "empty key": lambda store: store.get(""),
    "both conditions": lambda store: store.put("a", b"", if_none_match=True, if_match='"x"'),
    "no part size": lambda store: store.put("a", b"", part_size=0),
    "negative age": lambda store: store.sweep_uploads(older_than_seconds=-1),
    "read-only": lambda store: store.get_into("a", b"1234"),
    "strided data": lambda store: store.put("a", torch.zeros(4, 4).t()),
    "strided data written": lambda store: store.open_writer("w").write(torch.zeros(4, 4).t()),
    "grad": lambda store: store.get_into("a", torch.zeros(4, requires_grad=True)),
}


@pytest.mark.parametrize("kind", list(BAD))
def test_bad_calls_are_value_errors_that_say_why(store: Store, kind: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r".") as caught:
        BAD[kind](store)
    assert isinstance(caught.value, ValueError)
    assert caught.value.operation
    assert caught.value.uri.startswith(store.uri)
    assert store.get("a") == b"0123456789"


@pytest.mark.parametrize("key", [None, 5, b"a", Path("a")], ids=repr)
def test_keys_are_text(store: Store, key: object) -> None:
    for call in (store.get, store.head, store.exists, lambda k: store.put(k, b""), lambda k: store.get_many([k])):
        with pytest.raises(TypeError, match="key: expected a str"):
            call(key)  # type: ignore[operator]


def test_copy_between_kinds_is_refused(store: Store) -> None:
    with open_store("s3://bucket/", unsigned_access=True) as remote:
        with pytest.raises(UnsupportedOperationError, match="get and put instead"):
            store.copy("a", "b", source_store=remote)


def test_range_into_memory_gives_a_view_of_its_front(store: Store) -> None:
    tensor = torch.zeros(20, dtype=torch.uint8)
    view = store.get_range("a", start=5, end=None, out=tensor)
    assert isinstance(view, memoryview)
    assert bytes(view) == b"56789"
    assert bytes(tensor.numpy()) == b"56789" + bytes(15)
    view[0] = 7
    assert tensor[0] == 7


def test_slices_of_a_slab_are_aligned(store: Store) -> None:
    import numpy as np

    pieces = store.get_ranges("a", [(0, 3), (4, 10), (1, 2)])
    assert [bytes(piece) for piece in pieces] == [b"012", b"456789", b"1"]
    assert all(np.frombuffer(piece, np.uint8).ctypes.data % 64 == 0 for piece in pieces)


def test_values_pickle_and_compare(store: Store) -> None:
    meta = store.head("a")
    assert pickle.loads(pickle.dumps(meta)) == meta
    assert meta.uri == store.uri_of("a")
    assert hash(meta) == hash(store.head("a"))
    assert ObjectMeta("k", 5) == ObjectMeta("k", 5) != ObjectMeta("k", 6)
    assert "key='k'" in repr(ObjectMeta("k", 5))
    result = store.put("b", b"x")
    assert isinstance(result, PutResult)
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(AttributeError):
        meta.size = 5  # type: ignore[misc]


def test_nothing_keeps_descriptors_open(store: Store) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    store.get("a")
    before = descriptors()
    for _ in range(50):
        with open_store(store.uri) as other, other.open_reader("a") as reader:
            assert reader.read(3) == b"012"
        other.close()
    assert descriptors() <= before
