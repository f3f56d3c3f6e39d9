"""Indexes of objects in stores, and single records read by them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy
import pytest
from core.records.record_bytes import tar_of, tfrecord_of
from safetensors.numpy import save
from servers.fault_server import FaultServer
from servers.moto import MotoServer
from servers.seaweedfs import LocalS3

from s3dlio_core import (
    AccessDeniedError,
    FetchItem,
    InvalidArgumentError,
    ObjectNotFoundError,
    PreconditionError,
    RecordError,
    Store,
    open_store,
)
from s3dlio_core.records import (
    INDEX_KEY,
    IndexProgress,
    RecordIndex,
    format_of_key,
    index_prefix,
    is_sidecar,
    load_index,
    save_index,
)
from s3dlio_core.records.tfrecord_idx import (
    create_tfrecord_index,
    get_tfrecord_index_entries,
    index_tfrecord_bytes,
    read_tfrecord_index,
)

PAYLOADS = [bytes([n]) * (100 + n) for n in range(20)]


@pytest.fixture(params=["file", "direct", "moto", "seaweedfs"])
def store(request: pytest.FixtureRequest, tmp_path: Path, name: str, store_on: Callable[..., Store]) -> Store:
    if request.param in ("file", "direct"):
        return open_store(f"{request.param}://{tmp_path}/data/")
    server: MotoServer | LocalS3 = request.getfixturevalue(request.param)
    return store_on(server, bucket="train", prefix=f"{name}/")


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    (tmp_path / "data").mkdir()
    return open_store(f"file://{tmp_path}/data/")


def read(store: Store, index: RecordIndex, number: int) -> object:
    record = index[number]
    return index.decode(number, store.get_range(record.key, start=record.start, end=record.end))


def test_records_are_found_stored_loaded_and_read_singly(store: Store) -> None:
    store.put("b/two.tfrecord", tfrecord_of(PAYLOADS[10:]))
    store.put("a/one.tfrecord", tfrecord_of(PAYLOADS[:10]))
    seen: list[IndexProgress] = []
    made = index_prefix(store, progress=seen.append)
    assert save_index(made, store) == store.uri_of(INDEX_KEY)
    index = load_index(store)
    assert index == made
    assert (index.format_name, len(index), [item.key for item in index.objects]) == (
        "tfrecord", 20, ["a/one.tfrecord", "b/two.tfrecord"],
    )  # fmt: skip
    assert [bytes(read(store, index, n)) for n in (17, 3, 0, 19)] == [PAYLOADS[n] for n in (17, 3, 0, 19)]
    assert [(done.objects_done, done.objects_total) for done in seen] == [(1, 2), (2, 2)]
    assert seen[-1].records == 20
    assert seen[-1].bytes_done == seen[-1].bytes_total == sum(map(len, PAYLOADS)) + 20 * 16


def test_records_are_read_ahead_in_any_order(store: Store) -> None:
    store.put("shard.tar", tar_of([(f"{n:02}.bin", payload) for n, payload in enumerate(PAYLOADS)]))
    index = index_prefix(store)
    order = [n * 7 % 20 for n in range(20)]
    with store.prefetch(FetchItem(r.key, r.size, r.start, r.end) for r in (index[n] for n in order)) as stream:
        for position, data in stream:
            sample = index.decode(order[position], data)
            assert sample["__key__"] == f"{order[position]:02}"
            assert bytes(sample["bin"]) == PAYLOADS[order[position]]


def hdf5_of(array: numpy.ndarray) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        stored.create_dataset("x/y", data=array, chunks=(2, 3), compression="gzip")
    return file.getvalue()


def npz_of(array: numpy.ndarray) -> bytes:
    file = io.BytesIO()
    numpy.savez_compressed(file, rows=array)
    return file.getvalue()


def npy_of(array: numpy.ndarray) -> bytes:
    file = io.BytesIO()
    numpy.save(file, array)
    return file.getvalue()


ARRAY = numpy.arange(12, dtype="<i4").reshape(4, 3)


@pytest.mark.parametrize(
    ("suffix", "data", "options"),
    [
        (".npy", npy_of(ARRAY), {}),
        (".npz", npz_of(ARRAY), {}),
        (".safetensors", save({"rows": ARRAY}), {}),
        (".h5", hdf5_of(ARRAY), {"path": "x/y"}),
    ],
)
def test_arrays_over_s3(moto: MotoServer, name: str, store_on, suffix: str, data: bytes, options: dict) -> None:
    store = store_on(moto, bucket="train", prefix=f"{name}/")
    store.put(f"a{suffix}", data)
    save_index(index_prefix(store, options=options), store)
    index = load_index(store)
    assert index.options == options
    assert numpy.array_equal(numpy.vstack([read(store, index, n) for n in range(len(index))]), ARRAY)


def test_many_hdf5_files_at_once(folder: Store) -> None:
    for n in range(30):
        folder.put(f"{n:02}.h5", hdf5_of(ARRAY + n))
    index = index_prefix(folder, options={"path": "x/y"}, max_in_flight=8)
    assert len(index) == 120
    for number in (0, 50, 119):
        assert numpy.array_equal(read(folder, index, number), ARRAY[number % 4] + number // 4)


def test_a_changed_object_is_noticed(store: Store) -> None:
    store.put("a.tfrecord", tfrecord_of(PAYLOADS))
    save_index(index_prefix(store), store)
    store.put("a.tfrecord", tfrecord_of([bytes(len(p)) for p in PAYLOADS]))  # the same size
    with pytest.raises(RecordError, match=r"etag.*run `s3dlio index .* again"):
        load_index(store)
    store.put("a.tfrecord", tfrecord_of(PAYLOADS[:3]))
    with pytest.raises(RecordError, match="bytes now"):
        load_index(store)
    assert len(load_index(store, check=False)) == 20
    assert len(load_index(store, listing=list(store.list("none")), check=False)) == 20
    store.delete("a.tfrecord")
    with pytest.raises(RecordError, match="is gone"):
        load_index(store)


def test_a_new_object_is_noticed_where_the_pattern_would_choose_it(folder: Store) -> None:
    folder.put("a.tfrecord", tfrecord_of(PAYLOADS))
    folder.put("notes.txt", b"no records")
    save_index(index_prefix(folder, pattern=r"\.tfrecord$"), folder)
    folder.put("more.txt", b"")
    assert len(load_index(folder)) == 20
    folder.put("b.tfrecord", b"")
    with pytest.raises(RecordError, match=r"'b\.tfrecord' is new"):
        load_index(folder)


def test_an_index_elsewhere(folder: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.put("a.tfrecord", tfrecord_of(PAYLOADS))
    index = index_prefix(folder)
    monkeypatch.chdir(tmp_path)
    for at in (f"file://{tmp_path}/elsewhere.idx", str(tmp_path / "local"), Path("relative")):
        save_index(index, folder, at=at)
        assert load_index(folder, at=at) == index
    assert (tmp_path / "relative").exists()
    assert not folder.exists(INDEX_KEY)
    with pytest.raises(ObjectNotFoundError):
        load_index(folder)


def test_an_index_of_s3_objects_on_this_machine(moto: MotoServer, name: str, store_on, tmp_path: Path) -> None:
    store = store_on(moto, bucket="train", prefix=f"{name}/")
    store.put("a.tfrecord", tfrecord_of(PAYLOADS))
    index = index_prefix(store)
    for at in (tmp_path / "index", f"s3://train/{name}-index"):
        save_index(index, store, at=at)
        assert load_index(store, at=at) == index


def test_sidecars_and_folders_hold_no_records(moto: MotoServer, name: str, store_on) -> None:
    store = store_on(moto, bucket="train", prefix=f"{name}/")
    for key, data in [("a.tfrecord", tfrecord_of(PAYLOADS)), ("a.tfrecord.idx", b"0 1\n"), ("folder/", b""),
                      (INDEX_KEY, b"an older one"), ("sub/.s3dlio-index", b"of sub")]:  # fmt: skip
        store.put(key, data)
    assert [item.key for item in index_prefix(store).objects] == ["a.tfrecord"]
    assert is_sidecar("x/.s3dlio-index")
    assert is_sidecar("x/a.s3dlio-manifest")
    assert not is_sidecar("x/a.tfrecord")


@pytest.mark.parametrize(
    ("key", "format"),
    [
        ("a/b.tfrecord", "tfrecord"),
        ("a.TFRecords", "tfrecord"),
        ("train.tfrecord-00003-of-00128", "tfrecord"),
        ("a.tar", "webdataset"),
        ("a.npy", "npy"),
        ("a.npz", "npz"),
        ("a.h5", "hdf5"),
        ("a.safetensors", "safetensors"),
        ("a.tar.gz", None),
        ("a", None),
    ],
)
def test_formats_by_their_keys(key: str, format: str | None) -> None:
    assert format_of_key(key) == format


def test_what_cannot_be_guessed_is_asked_for(folder: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="found nothing"):
        index_prefix(folder)
    folder.put("part-0001", tfrecord_of(PAYLOADS))
    with pytest.raises(InvalidArgumentError, match="'part-0001' does not tell its record format"):
        index_prefix(folder)
    assert len(index_prefix(folder, "tfrecord")) == 20
    folder.put("a.tar", tar_of([("a.b", b"")]))
    folder.put("a.npy", b"")
    with pytest.raises(InvalidArgumentError, match=r"npy \('a.npy'\) and webdataset \('a.tar'\)"):
        index_prefix(folder, pattern="^a")
    with pytest.raises(InvalidArgumentError, match="regular expression"):
        index_prefix(folder, pattern="(")
    with pytest.raises(InvalidArgumentError, match="max_in_flight is 0"):
        index_prefix(folder, "tfrecord", max_in_flight=0)


def test_a_damaged_object_is_named(folder: Store) -> None:
    for n in range(40):
        folder.put(f"{n:02}.tfrecord", tfrecord_of(PAYLOADS))
    folder.put("17.tfrecord", tfrecord_of(PAYLOADS)[:-3])
    with pytest.raises(RecordError, match="record 19 at byte") as raised:
        index_prefix(folder, max_in_flight=3)
    assert raised.value.uri == folder.uri_of("17.tfrecord")


def test_a_refused_read_is_reported(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server)
    for n in range(5):
        fault_server.put_object("data", f"{n}.tfrecord", tfrecord_of(PAYLOADS))
    fault_server.fault("get", key="3.tfrecord", status=403, code="AccessDenied")
    with pytest.raises(AccessDeniedError) as raised:
        index_prefix(store)
    assert "3.tfrecord" in raised.value.uri


def test_an_object_that_is_replaced_meanwhile_is_reported(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server)
    large = tfrecord_of([bytes(1 << 20)] * 3)
    fault_server.put_object("data", "a.tfrecord", large)

    def replaced(request: object) -> bool:
        if fault_server.count("get") == 2:
            fault_server.put_object("data", "a.tfrecord", tfrecord_of([b"x" * (1 << 20)] * 3))
        return False

    fault_server.fault("get", when=replaced)
    with pytest.raises(PreconditionError) as raised:
        index_prefix(store)
    assert "a.tfrecord" in raised.value.uri


def test_libraries_are_loaded_by_the_formats_that_need_them() -> None:
    code = "import sys, s3dlio_core.records as r; [r.format_named(n) for n in r.FORMATS]; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {"numpy", "h5py", "torch"}.isdisjoint(done.stdout.split())


def test_text_indexes(tmp_path: Path) -> None:
    data = tfrecord_of([b"", b"abc"])
    (tmp_path / "a.tfrecord").write_bytes(data)
    assert create_tfrecord_index(tmp_path / "a.tfrecord") == 2
    assert (tmp_path / "a.tfrecord.idx").read_text() == "0 16\n16 19\n" == index_tfrecord_bytes(data)
    expected = [(0, 16), (16, 19)]
    assert read_tfrecord_index(f"file://{tmp_path}/a.tfrecord.idx") == expected == get_tfrecord_index_entries(data)
    assert create_tfrecord_index(f"file://{tmp_path}/a.tfrecord", tmp_path / "other") == 2
    assert read_tfrecord_index(tmp_path / "other") == expected
    (tmp_path / "bad.idx").write_text("0 16\n1 2 3\n")
    with pytest.raises(RecordError, match=r"line 2 is '1 2 3'"):
        read_tfrecord_index(tmp_path / "bad.idx")
    (tmp_path / "cut").write_bytes(data[:-1])
    with pytest.raises(RecordError, match="cut short"):
        create_tfrecord_index(tmp_path / "cut")
