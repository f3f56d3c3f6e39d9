"""Datasets of records: each is fetched, shuffled and checked singly."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy
import pytest
import torch
from core.records.record_bytes import tar_of, tfrecord_of
from safetensors.torch import save
from servers.access import QUICK, credentials_of
from servers.fault_server import FaultServer
from servers.moto import MotoServer
from torch.utils.data import DataLoader

from s3dlio_core import PreconditionError, RecordError, Tuning, open_store
from s3dlio_core.records import index_prefix, save_index
from s3dlio_torch import S3IterableDataset, S3MapDataset

ROWS = torch.arange(40, dtype=torch.int32).reshape(20, 2)


def npy_of(rows: torch.Tensor) -> bytes:
    file = io.BytesIO()
    numpy.save(file, rows.numpy())
    return file.getvalue()


def npz_of(rows: torch.Tensor) -> bytes:
    file = io.BytesIO()
    numpy.savez(file, **{f"row-{n}": row.numpy() for n, row in enumerate(rows)})
    return file.getvalue()


def hdf5_of(rows: torch.Tensor, **options: Any) -> bytes:
    file = io.BytesIO()
    with h5py.File(file, "w") as stored:
        stored.create_dataset("rows", data=rows.numpy(), **options)
    return file.getvalue()


def of_bytes(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.view(torch.int32)


def of_field(sample: dict[str, Any]) -> torch.Tensor:
    return sample["bin"].view(torch.int32)


# What each writes of some rows, and how a row comes out of its sample.
KINDS: dict[str, tuple[str, Callable[[torch.Tensor], bytes], Any]] = {
    "tfrecord": ("tfrecord", lambda rows: tfrecord_of(row.numpy().tobytes() for row in rows), of_bytes),
    "webdataset": (
        "webdataset",
        lambda rows: tar_of([(f"{row[0]:03}.bin", row.numpy().tobytes()) for row in rows]),
        of_field,
    ),
    "npy": ("npy", npy_of, None),
    "npz": ("npz", npz_of, None),
    "hdf5": ("hdf5", hdf5_of, None),
    "hdf5 chunked": ("hdf5", lambda rows: hdf5_of(rows, chunks=(3, 2), compression="gzip"), None),
    "safetensors": ("safetensors", lambda rows: save({f"{n:02}": row.clone() for n, row in enumerate(rows)}), None),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_record_once_whatever_the_format(kind: str, shuffle: bool, tmp_path: Path) -> None:
    format, write, transform = KINDS[kind]
    store = open_store(f"file://{tmp_path}/")
    store.put("a", write(ROWS[:13]))
    store.put("b", write(ROWS[13:]))
    options = {"shuffle": shuffle, "seed": 3}
    found = torch.stack(list(S3IterableDataset(store.uri, options, records=format, transform=transform)))
    assert torch.equal(found.sort(dim=0).values, ROWS)
    assert torch.equal(found, ROWS) is not shuffle


def test_batches_by_index_and_workers(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/")
    store.put("a.npy", npy_of(ROWS))
    dataset = S3MapDataset(store.uri, records="npy")
    assert len(dataset) == 20
    assert torch.equal(dataset[7], ROWS[7])
    assert torch.equal(torch.stack(dataset.__getitems__([5, 19, 0, 5])), ROWS[[5, 19, 0, 5]])
    loader = DataLoader(
        S3IterableDataset(store.uri, records="npy"), batch_size=5, num_workers=2, multiprocessing_context="fork"
    )
    assert torch.equal(torch.cat(list(loader)).sort(dim=0).values, ROWS)


def test_text_in_a_record_is_not_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of([("one.txt", "grün".encode()), ("one.jpg", b"picture")]))
    uri = f"file://{tmp_path}/"
    (sample,) = S3IterableDataset(uri, records="webdataset")
    assert sample["__key__"] == "one"
    assert torch.equal(sample["txt"], torch.tensor(list("grün".encode()), dtype=torch.uint8))
    assert list(S3IterableDataset(uri, records="webdataset", return_type="bytes")) == [
        {"__key__": "one", "txt": "grün".encode(), "jpg": b"picture"}
    ]


def test_only_the_ranges_of_records_are_asked_for(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "a.tfrecord", tfrecord_of([bytes([n]) * 1000 for n in range(5)]))
    opening = {**credentials_of(fault_server), "tuning": Tuning(**QUICK)}
    store = open_store("s3://data/", **opening)
    save_index(index_prefix(store), store)
    fault_server.forget()
    dataset = S3IterableDataset("s3://data/", {"shuffle": True}, records="tfrecord", **opening)
    assert sorted(int(sample[0]) for sample in dataset) == [0, 1, 2, 3, 4]
    ranges = [request.headers["range"] for request in fault_server.seen("get", key="a.tfrecord")]
    assert sorted(ranges) == sorted(f"bytes={n * 1016}-{n * 1016 + 1015}" for n in range(5))


def test_a_given_index_spares_the_listing(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "a.tfrecord", tfrecord_of([b"1", b"2"]))
    opening = {**credentials_of(fault_server), "tuning": Tuning(**QUICK)}
    index = index_prefix(open_store("s3://data/", **opening))
    fault_server.forget()
    assert len(S3IterableDataset("s3://data/", records=index, **opening)) == 2
    assert fault_server.seen() == []


def test_a_damaged_record_ends_the_epoch_with_its_place(moto: MotoServer, name: str) -> None:
    opening = {**credentials_of(moto), "tuning": Tuning(**QUICK)}
    store = open_store(f"s3://train/{name}/", **opening)
    data = bytearray(tfrecord_of([bytes([n]) * 50 for n in range(10)]))
    data[7 * 66 + 30] ^= 1
    store.put("a.tfrecord", data)
    samples = iter(S3IterableDataset(store.uri, records="tfrecord", **opening))
    assert [int(next(samples)[0]) for _ in range(7)] == list(range(7))
    for _ in range(2):  # and stays ended so
        with pytest.raises(RecordError) as raised:
            next(samples)
    for part in (f"s3://train/{name}/a.tfrecord", "record 7 at bytes [462, 528)", "checksum", "expected"):
        assert part in str(raised.value)
    with pytest.raises(RecordError, match="record 7 at bytes"):
        S3MapDataset(store.uri, records="tfrecord", **opening)[7]


def test_objects_that_changed_after_indexing_are_refused(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/")
    store.put("a.npy", npy_of(ROWS))
    save_index(index_prefix(store), store)
    store.put("a.npy", npy_of(ROWS + 1))
    with pytest.raises(RecordError, match=r"run `s3dlio index file://.*` again"):
        S3IterableDataset(store.uri, records="npy")


def test_an_object_replaced_in_mid_epoch_is_an_error(tmp_path: Path) -> None:
    with open_store(f"file://{tmp_path}/") as store:
        store.put("a.npy", npy_of(ROWS))
        dataset = S3IterableDataset(f"file://{tmp_path}/", {"window_requests": 1}, records="npy")
        samples = iter(dataset)
        assert torch.equal(next(samples), ROWS[0])
        store.put("a.npy", npy_of(ROWS + 100))
        with pytest.raises(PreconditionError, match=r"a\.npy"):
            list(samples)


def test_the_index_is_no_sample(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/")
    store.put("a.npy", npy_of(ROWS))
    save_index(index_prefix(store), store)
    assert len(S3MapDataset(store.uri)) == 1
