"""S3IterableDataset over files: order, sharding over workers and ranks, read-ahead, errors that surface."""

from __future__ import annotations

import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

import s3dlio_core
from s3dlio_torch import S3IterableDataset, SampleReader

COUNT = 23
SIZE = 3000


def content(index: int) -> bytes:
    return bytes((index * 7 + i) % 251 for i in range(SIZE))


@pytest.fixture(params=["file", "direct"])
def prefix(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    for index in range(COUNT):
        (tmp_path / f"sample-{index:03d}.bin").write_bytes(content(index))
    return f"{request.param}://{tmp_path}/"


def first_byte_to_index(first: int) -> int:
    return next(i for i in range(COUNT) if content(i)[0] == first)


def indices_of(loader: DataLoader[Any]) -> list[int]:
    return [first_byte_to_index(int(sample.reshape(-1)[0])) for sample in loader]


def test_tensors_come_in_listing_order_with_the_right_bytes(prefix: str) -> None:
    samples = list(S3IterableDataset(prefix))
    assert len(samples) == COUNT
    for index, sample in enumerate(samples):
        assert sample.dtype == torch.uint8
        assert sample.shape == (SIZE,)
        assert bytes(sample.numpy()) == content(index)


def test_samples_stay_valid_after_the_stream_is_gone(prefix: str) -> None:
    samples = list(S3IterableDataset(prefix, {"window_requests": 2}))
    for _ in range(3):  # reuse of pooled memory would show here
        for _ in S3IterableDataset(prefix):
            pass
    assert [bytes(sample.numpy()) for sample in samples] == [content(i) for i in range(COUNT)]


@pytest.mark.parametrize("context", ["fork", "spawn", "forkserver"])
def test_workers_share_the_samples_without_repeats(prefix: str, context: str) -> None:
    if context != "fork" and prefix.startswith("direct"):
        pytest.skip("starting such workers takes long; files have shown it")
    dataset = S3IterableDataset(prefix)
    list(dataset)  # the parent has used the engine before its workers start
    loader = DataLoader(dataset, batch_size=None, num_workers=2, multiprocessing_context=context)
    assert Counter(indices_of(loader)) == Counter(range(COUNT))


def test_ranks_share_the_samples_without_repeats(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setenv("WORLD_SIZE", "3")
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        dataset = S3IterableDataset(prefix)
        indices = indices_of(DataLoader(dataset, batch_size=None))
        assert len(dataset) == len(indices)
        seen.extend(indices)
    assert sorted(seen) == list(range(COUNT))


def test_unordered_read_ahead_yields_every_sample_once(prefix: str) -> None:
    dataset = S3IterableDataset(prefix, {"in_order": False})
    assert sorted(indices_of(DataLoader(dataset, batch_size=None))) == list(range(COUNT))


def test_from_prefix_hands_a_seekable_reader_to_the_transform(prefix: str) -> None:
    def transform(reader: SampleReader) -> tuple[str, bytes, bytes]:
        reader.seek(-4, os.SEEK_END)
        tail = reader.read()
        reader.seek(0)
        return reader.key, reader.read(4), tail

    samples = list(S3IterableDataset.from_prefix(prefix, transform=transform))
    assert [Path(key).name for key, _, _ in samples] == [f"sample-{i:03d}.bin" for i in range(COUNT)]
    assert [(head, tail) for _, head, tail in samples] == [(content(i)[:4], content(i)[-4:]) for i in range(COUNT)]


def test_from_objects_keeps_the_given_order(prefix: str) -> None:
    order = [5, 1, 17, 0]
    uris = [f"{prefix}sample-{i:03d}.bin" for i in order]
    dataset = S3IterableDataset.from_objects(uris, transform=lambda reader: reader.read())
    assert list(dataset) == [content(i) for i in order]


@pytest.mark.filterwarnings("ignore:enable_sharding is off")  # as raised inside a worker
def test_without_sharding_each_worker_yields_all_and_says_so(prefix: str) -> None:
    dataset = S3IterableDataset(prefix, enable_sharding=False)
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    assert Counter(indices_of(loader)) == Counter(dict.fromkeys(range(COUNT), 2))


def test_an_object_that_vanished_raises_with_its_uri_and_nothing_is_skipped(prefix: str, tmp_path: Path) -> None:
    dataset = S3IterableDataset(prefix)
    (tmp_path / "sample-004.bin").unlink()
    seen = []
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=r"sample-004\.bin") as caught:
        for sample in dataset:
            seen.append(bytes(sample.numpy()))
    assert seen == [content(i) for i in range(4)]
    assert caught.value.uri.endswith("sample-004.bin")


def test_the_same_error_crosses_a_worker_process(prefix: str, tmp_path: Path) -> None:
    loader = DataLoader(S3IterableDataset(prefix), batch_size=None, num_workers=1)
    (tmp_path / "sample-004.bin").unlink()
    batches: Any = iter(loader)
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=r"sample-004\.bin"):
        list(batches)
    batches._shutdown_workers()


def test_leaving_an_epoch_early_is_clean(prefix: str) -> None:
    iterator = iter(S3IterableDataset(prefix))
    assert bytes(next(iterator).numpy()) == content(0)
    del iterator
    assert len(list(S3IterableDataset(prefix))) == COUNT


def test_empty_objects_are_empty_tensors(tmp_path: Path) -> None:
    (tmp_path / "empty.bin").write_bytes(b"")
    (sample,) = S3IterableDataset(f"file://{tmp_path}/")
    assert sample.shape == (0,)
    assert sample.dtype == torch.uint8


def test_a_dataset_pickles_without_listing_again(prefix: str, tmp_path: Path) -> None:
    dataset = pickle.loads(pickle.dumps(S3IterableDataset(prefix, return_type="bytes")))
    (tmp_path / "sample-999.bin").write_bytes(b"later")
    assert list(dataset) == [content(i) for i in range(COUNT)]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"prefetch_bytes": 1}, TypeError, "unknown loader options: prefetch_bytes; valid ones are window_bytes"),
        ({"window_bytes": "1GB"}, TypeError, "window_bytes is '1GB'; expected an integer"),
        ({"window_requests": 0}, ValueError, "window_requests is 0; expected at least 1"),
        ({"in_order": 1}, TypeError, "in_order is 1; expected True or False"),
    ],
)
def test_options_act_or_are_refused(prefix: str, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        S3IterableDataset(prefix, options)


def test_an_unknown_return_type_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="return_type is 'numpy'; expected one of tensor, bytes, reader"):
        S3IterableDataset(prefix, return_type="numpy")


def test_objects_of_two_buckets_are_refused() -> None:
    with pytest.raises(ValueError, match="must share scheme and bucket"):
        S3IterableDataset.from_objects(["s3://a/x", "s3://b/y"])
