"""A place without samples is an error that says what lies near; folder markers are no samples."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from dataset_files import write_samples
from servers.access import credentials_of
from servers.fault_server import FaultServer
from torch.utils.data import DataLoader

import s3dlio_core
from s3dlio_core.records import index_prefix
from s3dlio_torch import S3IterableDataset, S3MapDataset, create_async_loader, merge_states
from s3dlio_torch.nodes import S3SourceNode

COUNT = 4
MAKERS = {
    "iterable": S3IterableDataset,
    "iterable from a prefix": S3IterableDataset.from_prefix,
    "map": S3MapDataset,
    "map from a prefix": S3MapDataset.from_prefix,
    "asynchronous": create_async_loader,
    "node": S3SourceNode.from_uri,
}


@pytest.fixture
def options(fault_server: FaultServer) -> dict[str, Any]:
    for index in range(COUNT):
        fault_server.put_object("data", f"train/{index}.bin", index.to_bytes(2, "little") * 100)
    fault_server.put_object("data", "test/0.bin", b"x")
    fault_server.put_object("data", "trail.txt", b"x")
    return credentials_of(fault_server)


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("s3://data/trian/", "near it: s3://data/train/, s3://data/trail.txt, s3://data/test/; allow_empty=True"),
        ("s3://data/train/val/", "near it: s3://data/train/0.bin, "),
        ("s3://data/train/0.bin/", "s3://data/train/0.bin is an object; for single objects: from_objects"),
        ("s3://data/deep/down/train/", "near it: s3://data/train/, "),
    ],
)
def test_a_prefix_without_samples_raises_and_shows_neighbours(
    options: dict[str, Any], maker: str, uri: str, says: str
) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        MAKERS[maker](uri, **options)
    assert isinstance(caught.value, s3dlio_core.ObjectNotFoundError)
    assert caught.value.uri == uri
    assert str(caught.value).startswith(f"list {uri}: no samples: nothing lies there")
    assert says in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_single_object_where_a_prefix_is_wanted(options: dict[str, Any]) -> None:
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=r"from_objects\(\['s3://data/train/0.bin'\]\)"):
        S3IterableDataset("s3://data/train/0.bin", **options)
    # The literal prefix matches that object, as in AWS's connector.
    assert len(S3IterableDataset.from_prefix("s3://data/train/0.bin", **options)) == 1


def test_a_forgotten_slash_is_added_or_literal(options: dict[str, Any]) -> None:
    assert len(S3MapDataset("s3://data/train", **options)) == COUNT
    assert len(S3MapDataset.from_prefix("s3://data/train", **options)) == COUNT
    assert len(S3MapDataset.from_prefix("s3://data/tra", **options)) == COUNT + 1


def test_an_empty_bucket(fault_server: FaultServer) -> None:
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match="nothing lies there, nor anywhere in the bucket"):
        S3IterableDataset("s3://data/train/", **credentials_of(fault_server))


def test_a_look_around_that_is_refused_leaves_the_error_as_it_is(
    fault_server: FaultServer, options: dict[str, Any]
) -> None:
    fault_server.fault("list", times=None, skip=1, status=403, code="AccessDenied")
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match="no samples: nothing lies there; allow_empty"):
        S3IterableDataset("s3://data/trian/", **options)


@pytest.mark.parametrize("maker", MAKERS)
def test_allow_empty_takes_it(options: dict[str, Any], maker: str) -> None:
    made = MAKERS[maker]("s3://data/trian/", allow_empty=True, **options)
    if maker == "node":
        made.reset()
        with pytest.raises(StopIteration):
            next(made)
        return
    assert len(made) == 0
    assert [made[index] for index in range(len(made))] == [] if "map" in maker else list(made) == []


def test_allow_empty_is_true_or_false(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="allow_empty is 'yes'; expected True or False"):
        S3IterableDataset("s3://data/train/", allow_empty="yes", **options)


@pytest.mark.parametrize("kind", [S3IterableDataset, S3MapDataset])
def test_an_empty_list_of_objects_is_an_empty_data_set_as_in_awss_connector(kind: Any) -> None:
    dataset = kind.from_objects([], region="eu-central-1")
    assert len(dataset) == 0
    assert list(DataLoader(dataset, batch_size=None)) == []


def test_a_bucket_is_no_object(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="s3://data/ names no object; for all below a prefix: from_prefix"):
        S3MapDataset.from_objects(["s3://data/"], **options)


def test_folders_of_files(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    write_samples(tmp_path / "train", COUNT)
    (tmp_path / "empty").mkdir()
    near = f"near it: file://{tmp_path}/train/"
    with pytest.raises(s3dlio_core.BucketNotFoundError, match=near):
        S3IterableDataset(f"file://{tmp_path}/trian/")
    with pytest.raises(s3dlio_core.BucketNotFoundError, match=near):
        S3MapDataset.from_prefix(f"file://{tmp_path}/trian/below/")
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match=f"{near}"):
        S3IterableDataset(f"file://{tmp_path}/empty/")
    with pytest.raises(s3dlio_core.NotADirectoryStorageError, match="for single files: from_objects"):
        S3IterableDataset(f"file://{tmp_path}/train/00000.bin")
    assert len(S3IterableDataset(f"file://{tmp_path}/empty/", allow_empty=True)) == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_a_batch_larger_than_the_data_set_with_drop_last(tmp_path: Path, workers: int) -> None:
    uri = write_samples(tmp_path, COUNT)
    options = {"batch_size": 3, "drop_last": True, "shard_rank": 1, "shard_world_size": 2}

    def read(allow_empty: bool) -> list[Any]:
        dataset = S3IterableDataset(uri, options, allow_empty=allow_empty)
        return list(DataLoader(dataset, batch_size=3, num_workers=workers))

    with pytest.raises(ValueError, match="drop_last leaves out all 4 samples: 2 ranks with batches of 3 need 6"):
        read(allow_empty=False)
    assert read(allow_empty=True) == []


def test_what_drop_last_leaves_of_a_resumed_epoch_may_be_nothing(tmp_path: Path) -> None:
    dataset = S3IterableDataset(write_samples(tmp_path, COUNT), {"batch_size": 3, "drop_last": True})
    assert len(list(dataset)) == 3
    dataset.load_state_dict(merge_states([dataset.state_dict()]))
    assert list(dataset) == []


# Folder markers


@pytest.mark.parametrize("maker", ["iterable", "iterable from a prefix", "map", "map from a prefix"])
def test_markers_are_no_samples(fault_server: FaultServer, options: dict[str, Any], maker: str) -> None:
    fault_server.put_object("data", "train/", b"")
    fault_server.put_object("data", "train/val/", b"")
    dataset = MAKERS[maker]("s3://data/train/", return_type="bytes", **options)
    found = [dataset[index] for index in range(len(dataset))] if "map" in maker else list(dataset)
    assert found == [index.to_bytes(2, "little") * 100 for index in range(COUNT)]


def test_a_marker_alone_is_no_data_set(fault_server: FaultServer, options: dict[str, Any]) -> None:
    fault_server.put_object("data", "new/", b"")
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match="one object, all of them folder markers, indexes"):
        S3IterableDataset("s3://data/new/", **options)


def test_an_object_with_bytes_is_a_sample_whatever_its_key_ends_in(
    fault_server: FaultServer, options: dict[str, Any]
) -> None:
    fault_server.put_object("data", "train/9/", b"bytes")
    assert [bytes(sample) for sample in S3IterableDataset("s3://data/train/", return_type="bytes", **options)][
        -1
    ] == b"bytes"


@pytest.mark.parametrize("maker", ["iterable", "iterable from a prefix", "map", "map from a prefix"])
def test_an_object_with_bytes_at_the_prefix_itself_is_a_sample(
    fault_server: FaultServer, options: dict[str, Any], maker: str, tmp_path: Path
) -> None:
    fault_server.put_object("data", "train/", b"bytes")
    for _ in range(2):  # the kept listing is another one
        dataset = MAKERS[maker](
            "s3://data/train/", return_type="bytes", manifest_cache=str(tmp_path / "kept"), **options
        )
        found = [dataset[index] for index in range(len(dataset))] if "map" in maker else list(dataset)
        assert found == [b"bytes", *(index.to_bytes(2, "little") * 100 for index in range(COUNT))]


def test_markers_hold_no_records(fault_server: FaultServer, options: dict[str, Any], tmp_path: Path) -> None:
    import numpy

    numpy.save(tmp_path / "a.npy", numpy.arange(6).reshape(3, 2))
    fault_server.put_object("data", "rows/", b"")
    fault_server.put_object("data", "rows/more/", b"")
    fault_server.put_object("data", "rows/a.npy", (tmp_path / "a.npy").read_bytes())
    assert len(S3IterableDataset("s3://data/rows/", records="npy", **options)) == 3
    with s3dlio_core.open_store("s3://data/rows/", **options) as store:
        assert len(index_prefix(store)) == 3


def test_objects_without_records(fault_server: FaultServer, options: dict[str, Any]) -> None:
    fault_server.put_object("data", "shards/a.tar", bytes(10240))
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match="no samples: one object without any webdataset record"):
        S3IterableDataset("s3://data/shards/", records="webdataset", **options)
    with pytest.raises(s3dlio_core.ObjectNotFoundError, match="one object without any webdataset record"):
        S3MapDataset.from_objects(["s3://data/shards/a.tar"], records="webdataset", **options)
    assert len(S3IterableDataset("s3://data/shards/", records="webdataset", allow_empty=True, **options)) == 0
