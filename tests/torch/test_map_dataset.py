"""S3MapDataset over files: items by index, batches in one call, samplers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from servers.access import credentials_of
from servers.fault_server import FaultServer
from torch.utils.data import DataLoader

import s3dlio_core
from s3dlio_torch import S3MapDataset, collate

COUNT = 20


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    for index in range(COUNT):
        (tmp_path / f"{index:03d}.bin").write_bytes(bytes([index]) * 100)
    return f"file://{tmp_path}/"


def test_items_by_index_from_both_ends(prefix: str) -> None:
    dataset = S3MapDataset(prefix)
    assert len(dataset) == COUNT
    assert dataset[3].tolist() == [3] * 100
    assert dataset[-1].tolist() == [COUNT - 1] * 100
    with pytest.raises(IndexError, match=r"index 20 is outside \[-20, 20\)"):
        dataset[COUNT]


def test_a_batch_comes_in_the_order_asked(prefix: str) -> None:
    assert [int(sample[0]) for sample in S3MapDataset(prefix).__getitems__([7, 2, 7, 0])] == [7, 2, 7, 0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shuffling_loader_sees_every_item_once(prefix: str, workers: int) -> None:
    loader = DataLoader(S3MapDataset(prefix), batch_size=6, shuffle=True, num_workers=workers)
    batches = list(loader)
    assert [tuple(batch.shape) for batch in batches] == [(6, 100), (6, 100), (6, 100), (2, 100)]
    assert sorted(torch.cat(batches)[:, 0].tolist()) == list(range(COUNT))


def test_from_objects_hands_readers_to_the_transform(prefix: str) -> None:
    dataset = S3MapDataset.from_objects([f"{prefix}004.bin"], transform=lambda reader: (reader.key, reader.read(2)))
    key, data = dataset[0]
    assert key.endswith("004.bin")
    assert data == b"\x04\x04"


def test_a_missing_object_in_a_batch_raises_with_its_uri(prefix: str, tmp_path: Path) -> None:
    dataset = S3MapDataset(prefix)
    (tmp_path / "005.bin").unlink()
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=r"005\.bin"):
        dataset.__getitems__([1, 5, 2])


@pytest.mark.parametrize("workers", [0, 2])
def test_equal_samples_are_rows_of_one_tensor_that_is_not_copied(prefix: str, workers: int) -> None:
    dataset = S3MapDataset(prefix)
    rows = dataset.__getitems__([4, 9, 4])
    batch = collate(rows)
    assert batch.shape == (3, 100)
    assert batch.data_ptr() == rows[0].data_ptr()
    assert batch[:, 0].tolist() == [4, 9, 4]
    loader = DataLoader(dataset, batch_size=6, num_workers=workers, collate_fn=collate)
    batches = list(loader)
    assert [tuple(batch.shape) for batch in batches] == [(6, 100), (6, 100), (6, 100), (2, 100)]
    assert torch.cat(batches)[:, 0].tolist() == list(range(COUNT))
    assert all(batch.is_shared() == (workers > 0) for batch in batches)


def test_samples_of_several_sizes_and_empty_ones_share_the_memory_too(tmp_path: Path) -> None:
    for name, size in (("a", 3), ("b", 0), ("c", 5)):
        (tmp_path / name).write_bytes(name.encode() * size)
    dataset = S3MapDataset(f"file://{tmp_path}/")
    samples = dataset.__getitems__([2, 1, 0, 1])
    assert [bytes(sample.tolist()) for sample in samples] == [b"ccccc", b"", b"aaa", b""]
    assert samples[0].untyped_storage().data_ptr() == samples[2].untyped_storage().data_ptr()
    assert [bytes(sample.tolist()) for sample in dataset.__getitems__([1, 1])] == [b"", b""]
    assert dataset.__getitems__([]) == []
    assert S3MapDataset(f"file://{tmp_path}/", return_type="bytes").__getitems__([1, 2]) == [b"", b"ccccc"]


def test_a_batch_is_one_wait_for_all_its_objects(fault_server: FaultServer) -> None:
    for index in range(16):
        fault_server.put_object("data", f"{index:02d}", bytes([index]) * 10)
    fault_server.fault("get", times=None, delay_head_seconds=0.1)
    for arguments in ({}, {"return_type": "bytes"}, {"transform": lambda sample: bytes(sample.tolist())}):
        dataset = S3MapDataset("s3://data/", **arguments, **credentials_of(fault_server))
        fault_server.forget()
        samples = dataset.__getitems__(range(16))
        assert [bytes(sample)[:1] for sample in samples] == [bytes([index]) for index in range(16)]
        assert fault_server.count("get") == 16
        assert fault_server.peak_concurrency > 4


def test_objects_without_known_sizes_are_fetched_together(fault_server: FaultServer) -> None:
    for index in range(16):
        fault_server.put_object("data", f"{index:02d}", bytes([index]) * (index + 1))
    fault_server.fault("get", times=None, delay_head_seconds=0.1)
    uris = [f"s3://data/{index:02d}" for index in range(16)]
    dataset = S3MapDataset.from_objects(uris, return_type="tensor", **credentials_of(fault_server))
    fault_server.forget()
    assert [len(sample) for sample in dataset.__getitems__(range(16))] == list(range(1, 17))
    assert fault_server.peak_concurrency > 4


def test_pinning_needs_an_accelerator_and_is_harmless_without(prefix: str) -> None:
    sample = S3MapDataset(prefix, pin_memory=True).__getitems__([1, 2])[0]
    assert sample.is_pinned() == torch.accelerator.is_available()
