"""A save that cannot be completed raises, publishes nothing and leaves nothing; what was there before stays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from checkpoints.states import assert_equal, empty_like, load_by_torch, random_tensor
from servers.access import QUICK, credentials_of
from servers.fault_server import FaultServer
from torch.distributed.checkpoint.api import CheckpointException
from waiting import wait_until

from s3dlio_core import AccessDeniedError, CheckpointError, ServerError, Tuning
from s3dlio_torch.dcp import StorageReader, StorageWriter
from s3dlio_torch.dcp.save import plan as save_plan

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")

MIB = 1 << 20
STATE = {f"layer.{n}": random_tensor(torch.uint8, 6 * MIB, seed=n) for n in range(4)}
PARTS = {**QUICK, "part_size": 5 * MIB, "multipart_threshold": 6 * MIB, "max_attempts": 2}


@pytest.fixture(autouse=True)
def _small_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(save_plan, "_WORTH_ANOTHER_OBJECT", MIB)


def writer_on(server: FaultServer, **options: Any) -> StorageWriter:
    tuning = Tuning(**PARTS)
    return StorageWriter("s3://data/ck", options=credentials_of(server), tuning=tuning, **options)


def save(writer: StorageWriter, state: dict[str, Any] = STATE, **options: Any) -> None:
    dcp.save(state, storage_writer=writer, no_dist=True, **options)


def failure_of(writer: StorageWriter, **options: Any) -> BaseException:
    with pytest.raises(CheckpointException) as caught:
        save(writer, **options)
    (failure,) = caught.value.failures.values()
    return failure[0]


def nothing_left(server: FaultServer) -> None:
    assert server.objects.buckets["data"] == {}
    assert server.objects.uploads == {}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("s3dlio-save")]


@pytest.mark.parametrize("operation", ["create_upload", "upload_part", "complete_upload"])
@pytest.mark.parametrize("which", ["__0_0-", "__0_1-"])
def test_one_failing_object_fails_the_save(fault_server: FaultServer, operation: str, which: str) -> None:
    """torch's own writer swallows the failure of a thread."""
    rule = fault_server.fault(
        operation, when=lambda request: which in request.key, status=403, code="AccessDenied", times=None
    )
    assert isinstance(failure_of(writer_on(fault_server, thread_count=2)), AccessDeniedError)
    assert rule.fired >= 1
    nothing_left(fault_server)


def test_server_errors_until_the_last_attempt(fault_server: FaultServer) -> None:
    fault_server.fault("upload_part", skip=3, times=None, status=500, code="InternalError")
    assert isinstance(failure_of(writer_on(fault_server)), ServerError)
    nothing_left(fault_server)


def test_broken_connections_are_made_good(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.fault("upload_part", end_after_request_bytes=MIB, end="rst", times=3)
    save(writer_on(fault_server))
    for key, stored in fault_server.objects.buckets["data"].items():
        (tmp_path / key.removeprefix("ck/")).write_bytes(stored.data)
    assert_equal(load_by_torch(str(tmp_path), STATE), STATE)


def test_the_commit_is_refused(fault_server: FaultServer) -> None:
    fault_server.fault("put", key="ck/.metadata", times=None, status=403, code="AccessDenied")
    assert isinstance(failure_of(writer_on(fault_server)), AccessDeniedError)
    nothing_left(fault_server)


def test_nobody_knows_whether_it_was_committed(fault_server: FaultServer) -> None:
    """A server that answers 500 may carry the request out, also later: nothing is removed, by nobody."""
    fault_server.fault("put", key="ck/.metadata", times=None, status=500, code="InternalError")
    writer = writer_on(fault_server)
    with pytest.raises(CheckpointException) as caught:
        save(writer)
    failure = caught.value.failures[0][0]
    assert isinstance(failure, ServerError)
    assert "may have been written, or may still be: there is no checkpoint so far" in str(failure)
    assert "sweep()" in str(failure)
    writer.discard(caught.value)
    assert len(fault_server.objects.buckets["data"]) == 2


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "InvalidArgument"),
        (403, "AccessDenied"),
        (404, "NoSuchBucket"),
        (405, "MethodNotAllowed"),
        (409, "ConditionalRequestConflict"),
        (412, "PreconditionFailed"),
        (501, "NotImplemented"),
    ],
)
@pytest.mark.parametrize("before", [False, True], ids=["new", "replaced"])
def test_a_commit_whose_answer_was_lost_then_refused(
    fault_server: FaultServer, tmp_path: Path, status: int, code: str, before: bool
) -> None:
    """It is in place: the save has succeeded, whatever the repetition was told."""
    if before:
        dcp.save({"layer.0": torch.zeros(7)}, storage_writer=writer_on(fault_server), no_dist=True)
    fault_server.fault("put", key="ck/.metadata", lose_answer=True, end="rst")
    fault_server.fault("put", key="ck/.metadata", times=None, status=status, code=code)
    save(writer_on(fault_server))
    for key, stored in fault_server.objects.buckets["data"].items():
        (tmp_path / key.removeprefix("ck/")).write_bytes(stored.data)
    assert_equal(load_by_torch(str(tmp_path), STATE), STATE)


def test_a_commit_in_doubt_that_cannot_be_read_back_removes_nothing(fault_server: FaultServer) -> None:
    dcp.save({"layer.0": torch.zeros(7)}, storage_writer=writer_on(fault_server), no_dist=True)
    earlier = set(fault_server.objects.buckets["data"])
    fault_server.fault("put", key="ck/.metadata", lose_answer=True, end="rst")
    fault_server.fault("put", key="ck/.metadata", times=None, status=403, code="AccessDenied")
    for look in ("head", "get"):
        fault_server.fault(look, key="ck/.metadata", skip=1, times=None, status=403, code="AccessDenied")
    writer = writer_on(fault_server)
    with pytest.raises(CheckpointException) as caught:
        save(writer)
    assert "cannot be read back either" in str(caught.value.failures[0][0])
    writer.discard(caught.value)
    assert earlier < set(fault_server.objects.buckets["data"])
    fault_server.heal()
    loaded = empty_like(STATE)
    dcp.load(loaded, storage_reader=StorageReader("s3://data/ck", options=credentials_of(fault_server)), no_dist=True)
    assert_equal(loaded, STATE)


def test_objects_that_are_gone_are_not_committed(fault_server: FaultServer) -> None:
    """Success means that it can be loaded: also where somebody's clean-up was quicker than the commit."""

    class Swept(dcp.DefaultSavePlanner):
        def finish_plan(self, new_plan: Any) -> Any:
            fault_server.fault("list", when=removed)
            return super().finish_plan(new_plan)

    def removed(request: Any) -> bool:
        bucket = fault_server.objects.buckets["data"]
        bucket.pop(next(key for key in bucket if key.endswith(".distcp")), None)
        return False

    failure = failure_of(writer_on(fault_server, thread_count=2), planner=Swept())
    assert isinstance(failure, CheckpointError)
    assert "not there any more: s3://data/ck/__0_" in str(failure)
    assert "found nothing, expected" in str(failure)
    nothing_left(fault_server)


def test_objects_that_no_listing_shows_are_asked_for(fault_server: FaultServer) -> None:
    fault_server.fault("list", times=None, status=403, code="AccessDenied")
    save(writer_on(fault_server, thread_count=2))
    assert "ck/.metadata" in fault_server.objects.buckets["data"]


def test_the_store_cannot_be_reached(fault_server: FaultServer) -> None:
    fault_server.fault(None, times=None, status=403, code="AccessDenied")
    assert isinstance(failure_of(writer_on(fault_server)), AccessDeniedError)


class Broken(dcp.DefaultSavePlanner):
    """Fails at one of the tensors."""

    def resolve_data(self, write_item: Any) -> Any:
        if write_item.index.fqn == "layer.2":
            raise RuntimeError("out of memory, say")
        return super().resolve_data(write_item)


@pytest.mark.parametrize("thread_count", [1, 4])
def test_data_that_cannot_be_had(fault_server: FaultServer, thread_count: int) -> None:
    writer = writer_on(fault_server, thread_count=thread_count)
    assert "out of memory" in str(failure_of(writer, planner=Broken()))
    nothing_left(fault_server)


def test_what_was_there_stays(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}/ck")
    save(writer)
    before = sorted(path.name for path in (tmp_path / "ck").iterdir())
    assert "out of memory" in str(failure_of(writer, planner=Broken()))
    assert sorted(path.name for path in (tmp_path / "ck").iterdir()) == before
    assert_equal(load_by_torch(str(tmp_path / "ck"), STATE), STATE)


def test_a_stuck_server_is_named(fault_server: FaultServer) -> None:
    fault_server.fault("upload_part", times=None, delay_head_seconds=4)
    writer = writer_on(fault_server, stall_timeout_seconds=1.0, thread_count=1)
    failure = failure_of(writer)
    assert isinstance(failure, CheckpointError)
    assert "has moved" in str(failure)
    assert "s3://data/ck/__0_0-" in str(failure)
    fault_server.heal()
    # The save is over while its threads still wait for the store; they clean up when it answers.
    wait_until(lambda: not any(thread.name.startswith("s3dlio-save") for thread in threading.enumerate()))
    nothing_left(fault_server)


def test_a_callback_that_raises_ends_the_save(tmp_path: Path) -> None:
    def complain(progress: Any) -> None:
        raise KeyError("callback")

    assert isinstance(failure_of(StorageWriter(f"file://{tmp_path}/ck", progress=complain)), KeyError)
    assert list((tmp_path / "ck").glob("*")) == []
