"""What goes wrong reaches the caller as the right exception, says where, and comes in time."""

from __future__ import annotations

import itertools
import pickle
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from load_parts import assert_equal, blank, filled, load, load_slices, save
from servers.access import IMPATIENT, QUICK, credentials_of
from servers.fault_server import FaultServer

from s3dlio_core import (
    CheckpointError,
    ConnectionFailedError,
    InvalidArgumentError,
    StorageError,
    TransferTimeoutError,
    Tuning,
    open_store,
)
from s3dlio_core.checkpoint.progress import CheckpointProgress
from s3dlio_core.checkpoint.read import watch as load_watch
from s3dlio_core.checkpoint.read.watch import LoadWatch
from s3dlio_core.run.bounded import BoundedRun
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter

STATE = {"first": filled((900, 400), torch.float32, 1), "second": filled((800, 400), torch.float32, 2), "lr": 0.5}


@pytest.fixture(params=["ours", "stock"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "step-1"
    save(STATE, StorageWriter(f"file://{path}") if request.param == "ours" else dcp.FileSystemWriter(path))
    return path


def on_server(server: FaultServer, folder: Path, **options: Any) -> StorageReader:
    for path in folder.iterdir():
        server.put_object("data", f"run/{path.name}", path.read_bytes())
    place = credentials_of(server)
    endpoint_url = place.pop("endpoint_url")
    options = {"tuning": Tuning(**QUICK), **options}
    return StorageReader("s3://data/run", endpoint_url=endpoint_url, options=place, **options)


def test_a_checkpoint_that_is_not_there_says_what_was_looked_for(tmp_path: Path, fault_server: FaultServer) -> None:
    with pytest.raises(CheckpointError, match=rf"load file://{tmp_path}/\.metadata: there is no checkpoint"):
        StorageReader(f"file://{tmp_path}").read_metadata()
    with pytest.raises(CheckpointError, match=r"load file:///no/such/folder/\.metadata"):
        StorageReader("file:///no/such/folder").read_metadata()
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"load s3://data/run/\.metadata: there is no checkpoint"):
        on_server(fault_server, tmp_path / "empty").read_metadata()


def test_a_missing_data_object_names_it_and_a_tensor(folder: Path) -> None:
    data = next(folder.glob("*.distcp"))
    data.unlink()
    with pytest.raises(CheckpointError, match=rf"{data.name}: the object is missing that holds '(first|second|lr)'"):
        load(blank(STATE), StorageReader(f"file://{folder}"))


@pytest.mark.parametrize("keep", [0, 100, 0.3, 0.6, 0.999])
def test_an_object_cut_short_names_the_tensor_it_breaks_off_in(folder: Path, keep: float) -> None:
    data = next(folder.glob("*.distcp"))
    whole = data.read_bytes()
    data.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
    with pytest.raises(
        CheckpointError, match=rf"{data.name}: the object ends at byte \d+; '(first|second|lr)' is said"
    ):
        load(blank(STATE), StorageReader(f"file://{folder}"))


def test_an_object_cut_short_on_s3(fault_server: FaultServer, folder: Path) -> None:
    reader = on_server(fault_server, folder)
    key = next(f"run/{path.name}" for path in folder.glob("*.distcp"))
    fault_server.put_object("data", key, (fault_server.stored("data", key) or b"")[:-5000])
    with pytest.raises(CheckpointError, match=r"run/.*: the object ends at byte \d+"):
        load(blank(STATE), reader)


def test_a_checkpoint_that_lists_no_place_for_a_tensor(folder: Path) -> None:
    reader = StorageReader(f"file://{folder}")
    metadata = reader.read_metadata()
    metadata.storage_data = {index: info for index, info in metadata.storage_data.items() if index.fqn != "second"}
    (folder / ".metadata").write_bytes(pickle.dumps(metadata))
    with pytest.raises(CheckpointError, match="no place for 'second'"):
        load(blank(STATE), reader)


def test_a_dead_server_is_reported_in_time(fault_server: FaultServer, folder: Path) -> None:
    reader = on_server(fault_server, folder, tuning=Tuning(**{**QUICK, "max_attempts": 2}))
    metadata = reader.read_metadata()
    fault_server.close()
    reader.set_up_storage_reader(metadata, True)
    planner = dcp.DefaultLoadPlanner()
    planner.set_up_planner(blank(STATE), metadata, True)
    began = time.monotonic()
    with pytest.raises((ConnectionFailedError, TransferTimeoutError), match="s3://data/run/"):
        reader.read_data(planner.create_local_plan(), planner)
    assert time.monotonic() - began < 60


def test_a_server_that_stops_sending_is_reported_in_time(fault_server: FaultServer, folder: Path) -> None:
    tuning = Tuning(**{**QUICK, **IMPATIENT, "operation_timeout_seconds": 4.0, "hedge": False})
    reader = on_server(fault_server, folder, tuning=tuning)
    fault_server.fault("get", when=lambda request: ".distcp" in request.key, times=None, stall_at=100_000)
    with pytest.raises(StorageError, match="s3://data/run/"):
        load(blank(STATE), reader)


def test_a_stall_that_the_store_tolerates_ends_after_the_stall_timeout(fault_server: FaultServer, folder: Path) -> None:
    patient = {"stall_window_seconds": 100.0, "first_byte_timeout_seconds": 100.0, "hedge": False}
    reader = on_server(fault_server, folder, tuning=Tuning(**{**QUICK, **patient}), stall_timeout_seconds=1.0)
    fault_server.fault("get", when=lambda request: ".distcp" in request.key, times=None, stall_at=200)
    began = time.monotonic()
    with pytest.raises(TransferTimeoutError, match=r"\.distcp: nothing arrived for .* stall_timeout_seconds is 1"):
        load(blank(STATE), reader)
    assert time.monotonic() - began < 60


def test_a_stalled_load_is_named_also_beside_a_busy_data_loader(fault_server: FaultServer, folder: Path) -> None:
    patient = {"stall_window_seconds": 100.0, "first_byte_timeout_seconds": 100.0, "hedge": False}
    reader = on_server(fault_server, folder, tuning=Tuning(**{**QUICK, **patient}), stall_timeout_seconds=0.5)
    fault_server.put_object("data", "sample", bytes(1 << 20))
    fault_server.fault("get", when=lambda request: ".distcp" in request.key, times=None, stall_at=200)
    ended, samples = threading.Event(), open_store("s3://data/", **credentials_of(fault_server))
    give_up = time.monotonic() + 60

    def read_samples() -> None:
        while not ended.is_set() and time.monotonic() < give_up:
            samples.get("sample")

    loader = threading.Thread(target=read_samples)
    loader.start()
    try:
        with pytest.raises(
            TransferTimeoutError, match=r"\.distcp: nothing arrived for .* stall_timeout_seconds is 0.5"
        ):
            load(blank(STATE), reader)
        assert loader.is_alive(), "it was named only when nothing else was read any more"
    finally:
        ended.set()
        loader.join()


def test_a_slow_load_is_not_taken_for_a_stalled_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What arrives may be part of a batch that is not complete yet; but not for ever."""
    timeout, arrived = 0.05, iter(range(1 << 40))
    monkeypatch.setattr(load_watch, "stats", lambda: {"bytes_received": next(arrived), "file_reads": 0})
    watch = LoadWatch(open_store("file:///tmp"), 1, None, timeout)
    run, cancelled = BoundedRun(limit=1, window_bytes=1), threading.Event()
    monkeypatch.setattr(run, "cancel", cancelled.set)
    began = time.monotonic()
    watch.began("x.distcp", 1, 1 << 30)
    with pytest.raises(TransferTimeoutError, match=r"x\.distcp"), watch.over(run):
        cancelled.wait(60)
        waited = time.monotonic() - began  # looked at afterwards: what is raised here is replaced
        raise StorageError("taken back")
    assert waited >= 10 * timeout


def test_more_bytes_than_a_load_waits_for_are_not_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """So much arrives all the time, for others in the process; the load does not wait ten times as long for it."""
    timeout, arrived = 0.5, itertools.count(0, 1 << 20)
    monkeypatch.setattr(load_watch, "stats", lambda: {"bytes_received": next(arrived), "file_reads": 0})
    watch = LoadWatch(open_store("file:///tmp"), 1, None, timeout)
    run, cancelled = BoundedRun(limit=1, window_bytes=1), threading.Event()
    monkeypatch.setattr(run, "cancel", cancelled.set)
    began = time.monotonic()
    watch.began("x.distcp", 1, 1000)
    with pytest.raises(TransferTimeoutError, match=r"x\.distcp"), watch.over(run):
        cancelled.wait(60)
        waited = time.monotonic() - began  # looked at afterwards: what is raised here is replaced
        raise StorageError("taken back")
    assert timeout <= waited < 9 * timeout


def test_a_destination_of_another_shape_is_refused(folder: Path) -> None:
    with pytest.raises((CheckpointError, RuntimeError), match=r"first|size"):
        load_slices(
            StorageReader(f"file://{folder}"), {"first": ((0, 0), (900, 400))}, {"first": torch.zeros(901, 399)}
        )


@pytest.mark.parametrize(
    "options",
    [{"verify": "some"}, {"window_bytes": 1}, {"stall_timeout_seconds": 0}, {"stall_timeout_seconds": -1.0}],
    ids=str,
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(options))):
        StorageReader("file:///tmp/x", **options)


def test_a_uri_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidArgumentError):
        StorageReader("ftp://x/y")
    assert not StorageReader.validate_checkpoint_id("ftp://x/y")
    assert StorageReader.validate_checkpoint_id("s3://bucket/y")


# ---- what does not go wrong ----
def test_a_reader_pickles_also_after_use_and_may_be_used_again(folder: Path, tmp_path: Path) -> None:
    reader = StorageReader(f"file://{folder}")
    assert_equal(load(blank(STATE), reader), STATE)
    again = pickle.loads(pickle.dumps(reader))
    assert_equal(load(blank(STATE), again), STATE)
    shutil.copytree(folder, tmp_path / "step-2")
    again.reset(f"file://{tmp_path}/step-2")
    assert again.checkpoint_id == f"file://{tmp_path}/step-2"
    shutil.rmtree(folder)
    assert_equal(load(blank(STATE), again), STATE)


def test_a_reader_recovers_from_a_failed_load(fault_server: FaultServer, folder: Path) -> None:
    reader = on_server(fault_server, folder, tuning=Tuning(**{**QUICK, "max_attempts": 1}))
    rule = fault_server.fault(
        "get", when=lambda request: ".distcp" in request.key, times=1, status=403, code="AccessDenied"
    )
    with pytest.raises(StorageError):
        load(blank(STATE), reader)
    assert rule.fired == 1
    assert_equal(load(blank(STATE), reader), STATE)


def test_progress_ascends_to_the_whole(folder: Path) -> None:
    seen: list[CheckpointProgress] = []
    load(blank(STATE), StorageReader(f"file://{folder}", progress=seen.append))
    assert [report.bytes_done for report in seen] == sorted(report.bytes_done for report in seen)
    assert (
        seen[-1].bytes_done
        == seen[-1].bytes_total
        >= sum(value.nbytes for value in STATE.values() if isinstance(value, torch.Tensor))
    )
