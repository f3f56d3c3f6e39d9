"""S3MapDataset over files: items by index, batches in one call, samplers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader

import s3dlio_core
from s3dlio_torch import S3MapDataset

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
