"""The writer as an object: its arguments, its place in torch's interface, its way into other processes."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from checkpoints.states import assert_equal, empty_like, load_by_torch
from servers.access import credentials_of
from servers.fault_server import FaultServer
from torch.distributed.checkpoint.staging import AsyncStager

from s3dlio_core import InvalidArgumentError
from s3dlio_torch.dcp import (
    BinaryPrefixStrategy,
    CheckpointManager,
    DefaultPrefixStrategy,
    HexPrefixStrategy,
    NumericPrefixStrategy,
    RoundRobinPrefixStrategy,
    S3StorageReader,
    S3StorageWriter,
    StorageReader,
    StorageWriter,
)

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")

STATE = {"weight": torch.arange(100_000), "step": 3}


@pytest.mark.parametrize(
    "wrong",
    [
        {"uri": ""},
        {"uri": "ftp://host/x"},
        {"thread_count": 0},
        {"window_bytes": 1},
        {"staging_bytes": 1000},
        {"staging_bytes": (1 << 20) + 1},
        {"stall_timeout_seconds": 0},
    ],
    ids=str,
)
def test_arguments_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        StorageWriter(**{"uri": "file:///tmp/ck", **wrong})


@pytest.mark.parametrize(
    ("checkpoint_id", "valid"),
    [
        ("s3://bucket/run", True),
        ("file:///x", True),
        ("/x", True),
        ("gopher://x", False),
        (Path("/x"), True),
        ("", False),
    ],
)
def test_checkpoint_ids(checkpoint_id: Any, valid: bool) -> None:
    assert StorageWriter.validate_checkpoint_id(checkpoint_id) is valid


def test_torch_takes_it_for_a_stager(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}")
    assert isinstance(writer, AsyncStager)
    assert not writer.should_synchronize_after_execute
    state = {"weight": torch.ones(5), "nested": {"list": [torch.ones(2), "text"]}}
    staged = writer.stage(state)
    state["weight"].zero_()
    state["nested"]["list"][0].zero_()
    assert staged["weight"].sum() == 5
    assert staged["nested"]["list"][0].sum() == 2
    again = writer.stage(state)
    assert staged["weight"].sum() == 5, "a save may still work from the first copy"
    assert again["weight"].sum() == 0
    writer.synchronize_staging()
    writer.close()


def test_async_save_in_a_thread(tmp_path: Path) -> None:
    state = {"weight": torch.arange(100_000), "step": 3}
    done = dcp.async_save(state, storage_writer=StorageWriter(f"file://{tmp_path}"), no_dist=True)
    state["weight"].zero_()
    done.result(60)
    assert_equal(load_by_torch(str(tmp_path), STATE), STATE)


def test_it_pickles_while_it_is_in_use(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}/first", prefix_strategy=HexPrefixStrategy(prefix_count=1))
    dcp.save(STATE, storage_writer=writer, no_dist=True)
    writer.stage(STATE)
    writer.set_up_storage_writer(True)
    copy: StorageWriter = pickle.loads(pickle.dumps(writer))
    dcp.save(STATE, checkpoint_id=f"file://{tmp_path}/second", storage_writer=copy, no_dist=True)
    assert_equal(load_by_torch(str(tmp_path / "second"), STATE), STATE)


@pytest.mark.parametrize("kind", [str, Path])
def test_local_paths_as_torchs_own_classes_take_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    dcp.save(STATE, storage_writer=StorageWriter(kind("here/ck")), no_dist=True)
    assert (tmp_path / "here" / "ck" / ".metadata").is_file()
    loaded = empty_like(STATE)
    dcp.load(loaded, storage_reader=StorageReader(kind(str(tmp_path / "here" / "ck"))), no_dist=True)
    assert_equal(loaded, STATE)
    manager = CheckpointManager(kind(str(tmp_path / "run")))
    manager.save(3, STATE)
    assert (tmp_path / "run" / "step-0000000003" / ".metadata").is_file()
    assert manager.restore(empty_like(STATE)) == 3


def test_a_path_made_of_a_uri_is_that_uri() -> None:
    assert StorageWriter(Path("s3://bucket/run/step-1")).checkpoint_id == "s3://bucket/run/step-1"


def test_metadata_says_which_save(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}")
    dcp.save(STATE, storage_writer=writer, no_dist=True)
    meta = pickle.loads((tmp_path / ".metadata").read_bytes()).storage_meta
    assert meta.checkpoint_id == f"file://{tmp_path}"
    (data,) = tmp_path.glob("*.distcp")
    assert meta.save_id in data.name


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (DefaultPrefixStrategy(), ["__0_", "__1_", "__5_"]),
        (NumericPrefixStrategy(10, prefix_count=12), ["0000000000/__0_", "1000000000/__1_", "5000000000/__5_"]),
        (NumericPrefixStrategy(10, 2, 3, 4), ["000/epoch_2/__0_", "100/epoch_2/__1_", "100/epoch_2/__5_"]),
        (BinaryPrefixStrategy(min_prefix_length=3, prefix_count=8), ["000/__0_", "100/__1_", "101/__5_"]),
        (BinaryPrefixStrategy(min_prefix_length=1, prefix_count=8), ["000/__0_", "100/__1_", "101/__5_"]),
        (HexPrefixStrategy(0, 2, 255), ["00/epoch_0/__0_", "10/epoch_0/__1_", "50/epoch_0/__5_"]),
        (RoundRobinPrefixStrategy(["a", "b/c/"]), ["a/__0_", "b/c/__1_", "b/c/__5_"]),
        (RoundRobinPrefixStrategy(["a"], epoch_num=7), ["a/epoch_7/__0_", "a/epoch_7/__1_", "a/epoch_7/__5_"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_prefix_strategies(strategy: Any, expected: list[str]) -> None:
    assert [strategy(rank) for rank in (0, 1, 5)] == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: NumericPrefixStrategy(1),
        lambda: NumericPrefixStrategy(10, -1),
        lambda: NumericPrefixStrategy(10, prefix_count=0),
        lambda: HexPrefixStrategy(min_prefix_length=0),
        lambda: RoundRobinPrefixStrategy([]),
        lambda: RoundRobinPrefixStrategy("abc"),
        lambda: RoundRobinPrefixStrategy(["a", "/"]),
    ],
)
def test_prefix_strategies_that_make_no_sense(make: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        make()


def test_the_connectors_names(fault_server: FaultServer) -> None:
    config = SimpleNamespace(
        throughput_target_gbps=10.0,
        part_size=5 << 20,
        unsigned=False,
        force_path_style=True,
        max_attempts=3,
        profile=None,
    )
    place = credentials_of(fault_server)
    del place["region"]
    more = {"options": place, "sync_files": False}
    writer = S3StorageWriter("us-east-1", "s3://data/ck", config, RoundRobinPrefixStrategy(["p"]), 2, **more)
    dcp.save(STATE, storage_writer=writer, no_dist=True)
    assert {key.rsplit("/", 1)[0] for key in fault_server.objects.buckets["data"]} == {"ck", "ck/p"}
    loaded = empty_like(STATE)
    reader = S3StorageReader("us-east-1", "s3://data/ck", config, options=place)
    dcp.load(loaded, storage_reader=reader, no_dist=True)
    assert_equal(loaded, STATE)


def test_the_connectors_writer_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="sync_everything"):
        S3StorageWriter("us-east-1", "s3://data/ck", sync_everything=True)
