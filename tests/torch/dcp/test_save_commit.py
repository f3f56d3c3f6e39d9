"""Saving where a checkpoint is: the new one replaces it in one step, and of two writers one wins whole."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from checkpoints.states import assert_equal, load_by_torch, random_tensor
from servers.access import credentials_of
from servers.fault_server import FaultServer
from torch.distributed.checkpoint import FileSystemWriter
from torch.distributed.checkpoint.api import CheckpointException

from s3dlio_core import CheckpointError
from s3dlio_torch.dcp import StorageWriter

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def state_of(number: int) -> dict[str, Any]:
    return {"weight": random_tensor(torch.float32, 400, 500, seed=number), "step": number}


def save(writer: StorageWriter, number: int, **options: Any) -> None:
    dcp.save(state_of(number), storage_writer=writer, no_dist=True, **options)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_overwriting_replaces_and_cleans_up(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}")
    save(writer, 1)
    before = names(tmp_path)
    save(writer, 2)
    assert before & names(tmp_path) == {".metadata"}
    assert len(names(tmp_path)) == 2
    assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(2))


def test_overwriting_what_torch_wrote(tmp_path: Path) -> None:
    dcp.save(state_of(1), storage_writer=FileSystemWriter(tmp_path), no_dist=True)
    assert "__0_0.distcp" in names(tmp_path)
    save(StorageWriter(f"file://{tmp_path}"), 2)
    assert "__0_0.distcp" not in names(tmp_path)
    assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(2))


def test_overwriting_something_unreadable_warns(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(b"no pickle")
    (tmp_path / "__0_0.distcp").write_bytes(b"of unknown use")
    with pytest.warns(UserWarning, match="unknown"):
        save(StorageWriter(f"file://{tmp_path}"), 2)
    assert "__0_0.distcp" in names(tmp_path)
    assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(2))


def test_overwriting_not_allowed(tmp_path: Path) -> None:
    save(StorageWriter(f"file://{tmp_path}"), 1)
    with pytest.raises(CheckpointException, match="overwrite is False"):
        save(StorageWriter(f"file://{tmp_path}", overwrite=False), 2)
    assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(1))


def test_another_place_for_every_save(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}/first")
    save(writer, 1)
    dcp.save(state_of(2), checkpoint_id=f"file://{tmp_path}/second", storage_writer=writer, no_dist=True)
    assert_equal(load_by_torch(str(tmp_path / "first"), state_of(1)), state_of(1))
    assert_equal(load_by_torch(str(tmp_path / "second"), state_of(1)), state_of(2))


class Together(dcp.DefaultSavePlanner):
    """Begins to write when all who save have looked at what is there."""

    barrier: threading.Barrier

    def finish_plan(self, new_plan: Any) -> Any:
        self.barrier.wait(30)
        return super().finish_plan(new_plan)


@pytest.mark.parametrize("scheme", ["file", "s3"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "replaced"])
def test_one_of_two_wins_whole(tmp_path: Path, fault_server: FaultServer, scheme: str, before: bool) -> None:
    uri = f"file://{tmp_path}" if scheme == "file" else "s3://data/ck"
    options = {} if scheme == "file" else credentials_of(fault_server)
    if before:
        save(StorageWriter(uri, options=options), 1)
    Together.barrier = threading.Barrier(2)
    outcomes: dict[int, BaseException | None] = {}

    def attempt(number: int) -> None:
        try:
            save(StorageWriter(uri, options=options), number, planner=Together())
            outcomes[number] = None
        except CheckpointException as error:
            outcomes[number] = error.failures[0][0]

    threads = [threading.Thread(target=attempt, args=(number,)) for number in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [number for number, error in outcomes.items() if error is None]
    losers = [error for error in outcomes.values() if error is not None]
    assert (len(winners), len(losers)) == (1, 1)
    assert isinstance(losers[0], CheckpointError)
    assert "somebody else" in str(losers[0])
    if scheme == "s3":
        for key, stored in fault_server.objects.buckets["data"].items():
            (tmp_path / key.removeprefix("ck/")).write_bytes(stored.data)
    assert len(names(tmp_path)) == 2  # nothing of the loser, nothing of what was there before
    assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(winners[0]))


def test_what_cannot_be_cleaned_up_is_a_warning(fault_server: FaultServer) -> None:
    writer = StorageWriter("s3://data/ck", options=credentials_of(fault_server))
    save(writer, 1)
    fault_server.fault("delete_many", times=None, status=403, code="AccessDenied")
    fault_server.fault("delete", times=None, status=403, code="AccessDenied")
    with pytest.warns(UserWarning, match="could not be removed"):
        save(writer, 2)
    assert len(fault_server.objects.buckets["data"]) == 3


def test_without_collectives_every_rank_commits_its_own(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}")
    for number in (1, 2):
        dcp.save(state_of(number), storage_writer=writer, no_dist=True, use_collectives=False)
    assert {name for name in names(tmp_path) if "metadata" in name} == {"__0.metadata"}
    assert len(names(tmp_path)) == 2


def test_plans_kept_by_the_planner(tmp_path: Path) -> None:
    """A planner that caches hands out the first save's plan again: its objects must not be written over."""
    writer = StorageWriter(f"file://{tmp_path}")
    for number in (1, 2, 3):
        save(writer, number, planner=dcp.DefaultSavePlanner(enable_plan_caching=True))
        assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(number))
        assert len(names(tmp_path)) == 2


def test_discard_keeps_what_was_committed(tmp_path: Path) -> None:
    writer = StorageWriter(f"file://{tmp_path}")
    save(writer, 1)
    writer._unfinished = [name for name in names(tmp_path) if name != ".metadata"]  # as on a rank that commits nothing
    writer.discard(CheckpointException("elsewhere", {}))
    assert_equal(load_by_torch(str(tmp_path), state_of(1)), state_of(1))
