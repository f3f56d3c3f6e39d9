"""Both call shapes: older s3dlio's and that of AWS's connector; every argument acts or is refused."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from dataset_files import index_of, write_samples
from servers.access import credentials_of
from servers.fault_server import FaultServer
from torch.utils.data import DataLoader

import s3dlio_torch
from s3dlio_core import PreconditionError, Tuning
from s3dlio_torch import (
    ObjectStoreIterableDataset,
    ObjectStoreMapDataset,
    S3ClientConfig,
    S3IterableDataset,
    S3MapDataset,
    S3ReaderConstructor,
)

COUNT = 12


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return write_samples(tmp_path, COUNT)


@pytest.fixture
def bucket(fault_server: FaultServer) -> FaultServer:
    for index in range(COUNT):
        fault_server.put_object("data", f"train/part-{index:03d}", index.to_bytes(2, "little") * 50_000)
    fault_server.put_object("data", "train/other", b"x")
    return fault_server


def aws(server: FaultServer) -> dict[str, Any]:
    found = credentials_of(server)
    return {"region": found.pop("region"), "endpoint": found.pop("endpoint_url"), **found}


@pytest.mark.parametrize("kind", [S3IterableDataset, S3MapDataset])
def test_as_awss_connector_is_called(bucket: FaultServer, kind: Any) -> None:
    def transform(reader: Any) -> tuple[str, str, int]:
        assert isinstance(reader, io.BufferedIOBase)
        reader.seek(2)
        assert reader.tell() == 2
        reader.seek(0)
        return reader.bucket, reader.key, int.from_bytes(reader.read(2), "little")

    literal = kind.from_prefix("s3://data/train/part-", transform=transform, **aws(bucket))
    expected = [("data", f"train/part-{index:03d}", index) for index in range(COUNT)]
    assert [literal[i] for i in range(COUNT)] if kind is S3MapDataset else list(literal) == expected
    uris = [f"s3://data/train/part-{index:03d}" for index in (7, 3)]
    chosen = kind.from_objects(uris, transform=transform, **aws(bucket))
    assert [chosen[i] for i in range(2)] if kind is S3MapDataset else list(chosen) == [expected[7], expected[3]]
    one = kind.from_objects(uris[0], transform=transform, **aws(bucket))
    assert len(one) == 1


def test_without_sharding_every_worker_yields_all_as_there(uri: str) -> None:
    dataset = S3IterableDataset.from_prefix(uri, transform=lambda reader: reader.key, enable_sharding=True)
    assert len(list(DataLoader(dataset, batch_size=None, num_workers=2))) == COUNT


def test_a_range_reader_fetches_what_is_read(bucket: FaultServer) -> None:
    constructor = S3ReaderConstructor.range_based(buffer_size=1000)
    dataset = S3IterableDataset.from_prefix(
        "s3://data/train/part-",
        reader_constructor=constructor,
        transform=lambda reader: (reader.key, int.from_bytes(reader.read(2), "little")),
        **aws(bucket),
    )
    bucket.forget()
    assert list(dataset) == [(f"train/part-{index:03d}", index) for index in range(COUNT)]
    assert bucket.bytes_sent < COUNT * 20_000  # of 100,000 each
    assert bucket.count("head") == 0  # the listing told size and etag
    mapped = S3MapDataset.from_prefix(
        "s3://data/train/part-", reader_constructor=constructor, transform=lambda reader: reader.read(2), **aws(bucket)
    )
    assert mapped[5] == b"\5\0"
    assert bucket.count("head") == 0
    bucket.put_object("data", "train/part-005", bytes(100_000))
    with pytest.raises(PreconditionError):
        mapped[5]
    named = S3MapDataset.from_objects(
        ["s3://data/train/part-005"],
        reader_constructor=constructor,
        transform=lambda reader: reader.read(2),
        **aws(bucket),
    )
    assert named[0] == b"\0\0"  # nothing was listed, so it is asked for
    assert bucket.count("head") == 1


def test_the_connectors_own_settings_are_taken(bucket: FaultServer) -> None:
    @dataclass(frozen=True)
    class TheirConfig:
        throughput_target_gbps: float = 20.0
        part_size: int = 30_000
        unsigned: bool = False
        force_path_style: bool = True
        max_attempts: int = 4
        profile: str | None = None

    for config in (TheirConfig(), S3ClientConfig(20.0, 30_000, force_path_style=True, max_attempts=4)):
        dataset = S3IterableDataset.from_prefix("s3://data/train/part-", s3client_config=config, **aws(bucket))
        tuning = dataset._source.manifest.store.tuning
        assert (tuning.part_size, tuning.max_attempts, tuning.max_connections) == (30_000, 4, 128)
        bucket.forget()
        assert [len(reader.read()) for reader in dataset] == [100_000] * COUNT
        assert bucket.count("get") > 2 * COUNT  # in parts
    default = S3IterableDataset.from_prefix("s3://data/train/part-", s3client_config=S3ClientConfig(), **aws(bucket))
    assert default._source.manifest.store.tuning.max_connections == Tuning().max_connections
    with pytest.raises(TypeError, match="s3client_config is a dict"):
        S3IterableDataset.from_prefix("s3://data/train/", s3client_config={}, **aws(bucket))
    with pytest.raises(ValueError, match="region is given twice"):
        s3dlio_torch.client_config.store_options_of({"region": "a"}, region="b")


def test_as_older_s3dlio_is_called(uri: str) -> None:
    dataset = ObjectStoreIterableDataset(
        uri,
        loader_opts={
            "batch_size": 4,
            "prefetch": 8,
            "num_workers": 4,
            "shuffle": True,
            "seed": 3,
            "reader_mode": "range",
        },
        writable=True,
        suppress_nonwritable_warning=False,
        enable_sharding=False,
        return_type="tensor",
    )
    samples = list(dataset)
    assert sorted(map(index_of, samples)) == list(range(COUNT))
    samples[0][0] = 77  # writable
    older = S3IterableDataset.from_prefix(uri, batch_size=2, drop_last=True, prefetch=8, shuffle=False, seed=0)
    assert [index_of(sample) for sample in older] == list(range(COUNT))
    mapped = ObjectStoreMapDataset(uri, reader_mode="sequential", writable=False, return_type="bytes")
    assert mapped[3] == (3).to_bytes(2, "little") + bytes(62)
    assert isinstance(ObjectStoreMapDataset.from_prefix(uri, reader_mode="range", part_size=1 << 20)[0], torch.Tensor)


def test_reader_mode_decides_how_an_object_is_asked_for(bucket: FaultServer) -> None:
    def requests(opts: dict[str, Any]) -> int:
        dataset = S3IterableDataset("s3://data/train/", opts, **credentials_of(bucket), tuning=Tuning(part_size=10_000))
        bucket.forget()
        assert sum(len(sample) for sample in dataset) == COUNT * 100_000 + 1
        return bucket.count("get")

    assert requests({"reader_mode": "sequential"}) == COUNT + 1
    assert requests({"reader_mode": "range", "part_size": 50_000}) == 2 * COUNT + 1
    assert requests({}) == 10 * COUNT + 1


@pytest.mark.parametrize(("opts", "most"), [({"num_workers": 3}, 3), ({"prefetch": 2, "batch_size": 1}, 2)])
def test_how_much_is_asked_for_at_once(bucket: FaultServer, opts: dict[str, Any], most: int) -> None:
    bucket.fault("get", times=None, delay_head_seconds=0.02)
    dataset = S3IterableDataset("s3://data/train/", opts, **credentials_of(bucket))
    bucket.forget()
    list(dataset)
    assert 1 < bucket.peak_concurrency <= most


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"loader_opts": {"writeable": True}}, TypeError, "unknown loader options: writeable; valid ones are"),
        ({"writable": 1}, TypeError, "writable is 1; expected True or False"),
        ({"suppress_nonwritable_warning": None}, TypeError, "suppress_nonwritable_warning is None"),
        ({"transform": 3}, TypeError, "transform is a int; expected something to call"),
        ({"return_type": "numpy"}, ValueError, "return_type is 'numpy'"),
        ({"listing": "twice"}, ValueError, "listing is 'twice'; expected one of auto, rank0, each"),
        ({"reader_constructor": object()}, TypeError, "reader_constructor is a object"),
        ({"endpoint_uri": "x"}, TypeError, "endpoint_uri"),
        (
            {"record": "webdataset"},
            TypeError,
            r"unknown argument of a dataset: record \(did you mean records\?\); its own",
        ),
        ({"shufle": True}, TypeError, r"shufle \(did you mean shuffle, in loader_opts\?\)"),
        ({"records": "parquet"}, ValueError, "parquet"),
        ({"manifest_cache": "/tmp/x", "records": "npy"}, ValueError, "s3dlio index"),
    ],
)
def test_arguments_act_or_are_refused(uri: str, arguments: dict[str, Any], error: type[Exception], text: str) -> None:
    for kind in (S3IterableDataset, S3MapDataset):
        with pytest.raises(error, match=text):
            kind(uri, **arguments)


def test_a_loader_option_is_told_where_it_goes(uri: str) -> None:
    expected = r"shuffle is a loader option and goes into loader_opts: S3IterableDataset\(uri, {'shuffle': True}\)"
    with pytest.raises(TypeError, match=expected):
        S3IterableDataset(uri, shuffle=True)
    with pytest.raises(TypeError, match=expected):
        s3dlio_torch.create_async_loader(uri, shuffle=True)
    assert len(S3IterableDataset.from_prefix(uri, shuffle=True)) == COUNT  # as older s3dlio has it


def test_options_a_map_dataset_cannot_honour_are_refused(uri: str) -> None:
    with pytest.raises(TypeError, match="seed, shuffle would do nothing here: samplers order"):
        S3MapDataset(uri, loader_opts={"shuffle": True, "seed": 4})
    with pytest.raises(TypeError, match="pin_memory is 1"):
        S3MapDataset(uri, pin_memory=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="batch_size and loader_opts are given"):
        S3IterableDataset.from_prefix(uri, batch_size=3, loader_opts={})


def test_a_worker_id_that_contradicts_the_loader_is_refused(uri: str) -> None:
    options = {"worker_id": 1, "num_workers_pytorch": 3}
    dataset = S3IterableDataset(uri, options, transform=index_of)
    assert list(dataset) == [1, 4, 7, 10]  # a process of one's own
    samples: Any = iter(DataLoader(dataset, batch_size=None, num_workers=2))
    with pytest.raises(ValueError, match="say 1 of 3, but this is DataLoader worker 0 of 2"):
        list(samples)
    samples._shutdown_workers()


def test_a_cached_manifest_spares_the_listing(bucket: FaultServer, tmp_path: Path) -> None:
    def count() -> int:
        return len(
            S3IterableDataset("s3://data/train/", manifest_cache="s3://data/kept/manifest", **credentials_of(bucket))
        )

    assert count() == COUNT + 1
    bucket.put_object("data", "train/later", b"x")
    bucket.forget()
    assert count() == COUNT + 1
    assert bucket.count("list") == 0
    assert bucket.count("get") >= 1


@pytest.mark.parametrize("kind", [S3IterableDataset, S3MapDataset])
def test_drop_in_classes_take_their_positional_uri(uri: str, kind: Any) -> None:
    assert len(kind(uri)) == len(kind.from_prefix(uri)) == COUNT


def test_ranks_can_be_made_even(uri: str) -> None:
    def sizes(**even: bool) -> list[tuple[int, int, int]]:
        found = []
        for rank in range(5):
            dataset = S3IterableDataset(uri, {"shard_rank": rank, "shard_world_size": 5, "batch_size": 2, **even})
            loader = DataLoader(dataset, batch_size=2, num_workers=2 if rank == 0 else 0)
            found.append((len(dataset), len(list(dataset)), len(list(loader))))
        return found

    assert sizes() == [(3, 3, 2)] * 2 + [(2, 2, 1)] * 3
    assert sizes(drop_last=True) == [(2, 2, 1)] * 5
    assert sizes(wrap=True) == [(3, 3, 2)] * 5
