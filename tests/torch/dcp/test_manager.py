"""The checkpoints of a run: saved, found, restored, and deleted by the rules."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from checkpoints.states import assert_equal, empty_like, random_tensor
from servers.access import QUICK, credentials_of
from servers.fault_server import FaultServer
from servers.seaweedfs import LocalS3
from torch.distributed.checkpoint import state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException

from s3dlio_core import CheckpointError, InvalidArgumentError, Tuning
from s3dlio_torch.dcp import CheckpointManager, StorageWriter

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def state_of(step: int) -> dict[str, Any]:
    return {"weight": random_tensor(torch.float32, 300, 300, seed=step), "step": step}


def restored(manager: CheckpointManager, step: int | None = None) -> dict[str, Any]:
    state = empty_like(state_of(0))
    assert manager.restore(state, step) == state["step"]
    return state


def test_save_find_restore(tmp_path: Path) -> None:
    manager = CheckpointManager(f"file://{tmp_path}/run")
    assert manager.latest_step() is None
    assert manager.all_steps() == []
    for step in (5, 10, 100):
        manager.save(step, state_of(step))
    assert manager.all_steps() == [5, 10, 100]
    assert manager.latest_step() == 100
    assert_equal(restored(manager), state_of(100))
    assert_equal(restored(manager, 10), state_of(10))
    assert CheckpointManager(f"file://{tmp_path}/run").latest_step() == 100


def test_over_s3(seaweedfs: LocalS3, name: str) -> None:
    manager = CheckpointManager(f"s3://train/{name}", keep_last=2, options=credentials_of(seaweedfs))
    for step in (1, 2, 3):
        manager.save(step, state_of(step))
    assert manager.all_steps() == [2, 3]
    assert_equal(restored(manager), state_of(3))


def test_nothing_to_restore(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint"):
        CheckpointManager(f"file://{tmp_path}/run").restore({})


def test_saving_a_step_again_replaces_it(tmp_path: Path) -> None:
    manager = CheckpointManager(f"file://{tmp_path}")
    manager.save(5, state_of(5))
    manager.save(5, {**state_of(6), "step": 5})
    assert_equal(restored(manager), {**state_of(6), "step": 5})
    assert len(list((tmp_path / "step-0000000005").iterdir())) == 2


def test_what_is_old_goes(tmp_path: Path) -> None:
    manager = CheckpointManager(f"file://{tmp_path}", keep_last=2, keep_every=20)
    for step in range(0, 60, 10):
        manager.save(step, state_of(step))
    assert manager.all_steps() == [0, 20, 40, 50]
    left = {path.name for path in tmp_path.iterdir() if any(path.rglob("*"))}
    assert left == {f"step-{step:010d}" for step in (0, 20, 40, 50)}


def test_delete(tmp_path: Path) -> None:
    manager = CheckpointManager(f"file://{tmp_path}")
    for step in (1, 2):
        manager.save(step, state_of(step))
    manager.delete(2)
    assert manager.all_steps() == [1]
    assert manager.latest_step() == 1


def test_a_step_without_metadata_is_none(tmp_path: Path) -> None:
    manager = CheckpointManager(f"file://{tmp_path}")
    for step in (1, 2):
        manager.save(step, state_of(step))
    (tmp_path / "step-0000000002" / ".metadata").unlink()
    assert manager.all_steps() == [1]
    assert_equal(restored(manager), state_of(1))


def test_a_failed_save_leaves_nothing(fault_server: FaultServer) -> None:
    tuning = Tuning(**QUICK, max_attempts=2)
    manager = CheckpointManager("s3://data/run", options=credentials_of(fault_server), tuning=tuning)
    manager.save(1, state_of(1))
    before = set(fault_server.objects.buckets["data"])
    fault_server.fault("put", key="run/step-0000000002/.metadata", times=None, status=403, code="AccessDenied")
    with pytest.raises(CheckpointException):
        manager.save(2, state_of(2))
    assert set(fault_server.objects.buckets["data"]) == before
    assert_equal(restored(manager), state_of(1))


def test_objects_stay_where_the_coordinator_may_still_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rank whose connection breaks after it has written: what it wrote may be committed a moment later."""

    def broken(self: StorageWriter, metadata: Any, results: Any) -> None:
        raise AssertionError

    def save_on_a_rank(state: dict[str, Any], *, storage_writer: StorageWriter, **options: Any) -> None:
        monkeypatch.setattr(StorageWriter, "finish", broken)
        with pytest.raises(CheckpointException):
            dcp.save(state, storage_writer=storage_writer, no_dist=True)
        raise RuntimeError("connection closed by peer")

    monkeypatch.setattr(state_dict_saver, "save", save_on_a_rank)
    with pytest.raises(RuntimeError, match="connection closed"):
        CheckpointManager(f"file://{tmp_path}").save(1, state_of(1))
    assert list((tmp_path / "step-0000000001").glob("*.distcp"))


def test_a_failed_deletion_is_a_warning(fault_server: FaultServer) -> None:
    manager = CheckpointManager("s3://data/run", keep_last=1, options=credentials_of(fault_server))
    manager.save(1, state_of(1))
    fault_server.fault("delete", times=None, status=403, code="AccessDenied")
    fault_server.fault("delete_many", times=None, status=403, code="AccessDenied")
    with pytest.warns(UserWarning, match="could not be removed"):
        manager.save(2, state_of(2))
    assert manager.latest_step() == 2


def test_a_save_in_doubt_keeps_what_it_wrote(fault_server: FaultServer) -> None:
    tuning = Tuning(**QUICK, max_attempts=2)
    manager = CheckpointManager("s3://data/run", options=credentials_of(fault_server), tuning=tuning)
    fault_server.fault("put", key="run/step-0000000001/.metadata", times=None, status=500, code="InternalError")
    with pytest.raises(CheckpointException, match="may have been written"):
        manager.save(1, state_of(1))
    assert len(fault_server.objects.buckets["data"]) == 1


def test_old_steps_go_at_the_next_save_that_can(fault_server: FaultServer) -> None:
    """As after processes that were killed between commit and clean-up; one that cannot go keeps no other."""
    place = {"options": credentials_of(fault_server), "tuning": Tuning(**QUICK, max_attempts=2)}
    for step in (1, 2, 3, 4):
        CheckpointManager("s3://data/run", **place).save(step, state_of(step))
    stuck = "run/step-0000000002/.metadata"
    fault_server.fault("delete", key=stuck, times=None, status=403, code="AccessDenied")
    manager = CheckpointManager("s3://data/run", keep_last=2, **place)
    with pytest.warns(UserWarning, match=f"could not be removed: .*{stuck}"):
        manager.save(5, state_of(5))
    assert manager.all_steps() == [2, 4, 5]
    fault_server.heal()
    manager.save(6, state_of(6))
    assert manager.all_steps() == [5, 6]


def test_what_was_saved_last_stays_though_later_steps_are_there(tmp_path: Path) -> None:
    for step in (10, 40, 50):
        CheckpointManager(f"file://{tmp_path}").save(step, state_of(step))
    manager = CheckpointManager(f"file://{tmp_path}", keep_last=2)
    restored(manager, 10)
    manager.save(11, state_of(11))
    assert manager.all_steps() == [11, 40, 50]


def test_a_machine_that_is_days_ahead_sweeps_no_running_save(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = credentials_of(fault_server)
    CheckpointManager("s3://data/run", options=options).save(1, state_of(1))
    fault_server.objects.put_object("data", "run/step-0000000002/__0_0-running.distcp", b"of a save under way")
    two_days_ahead = time.time() + 2 * 86400
    monkeypatch.setattr(time, "time", lambda: two_days_ahead)
    CheckpointManager("s3://data/run", options=options).save(3, state_of(3))
    assert "run/step-0000000002/__0_0-running.distcp" in fault_server.objects.buckets["data"]


def age(folder: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    for path in folder.rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def test_what_a_dead_save_left_is_swept(tmp_path: Path) -> None:
    CheckpointManager(f"file://{tmp_path}").save(1, state_of(1))
    names = ["step-0000000001/__0_0-dead.distcp", "step-0000000002/__0_0-dead.distcp"]
    names += ["step-0000000002/.s3dlio-tmp-0123456789abcdef"]
    orphans = [tmp_path / name for name in names]
    for orphan in orphans:
        orphan.parent.mkdir(exist_ok=True)
        orphan.write_bytes(b"orphan")
    age(tmp_path, hours=30)
    young = tmp_path / "step-0000000002" / "__1_0-young.distcp"
    young.write_bytes(b"of a save under way")
    manager = CheckpointManager(f"file://{tmp_path}")
    manager.save(3, state_of(3))  # the first save of a manager sweeps what is older than a day
    assert not any(orphan.exists() for orphan in orphans)
    assert young.exists()
    assert_equal(restored(manager, 1), state_of(1))
    assert manager.sweep(older_than_seconds=0) == 1
    assert manager.all_steps() == [1, 3]


@pytest.mark.parametrize("rules", [{"keep_last": 0}, {"keep_every": 0}, {"keep_last": -1}])
def test_rules_that_make_no_sense(rules: dict[str, int]) -> None:
    with pytest.raises(InvalidArgumentError, match="expected 1 or more"):
        CheckpointManager("file:///tmp/run", **rules)


def test_async_save(tmp_path: Path) -> None:
    manager = CheckpointManager(f"file://{tmp_path}", keep_last=2)
    for step in (1, 2, 3):
        state = state_of(step)
        done = manager.async_save(step, state, no_dist=True)
        state["weight"].zero_()  # training goes on
    done.result(60)
    assert manager.all_steps() == [2, 3]
    assert_equal(restored(manager), state_of(3))


def test_async_save_that_fails(fault_server: FaultServer) -> None:
    tuning = Tuning(**QUICK, max_attempts=2)
    manager = CheckpointManager("s3://data/run", options=credentials_of(fault_server), tuning=tuning)
    fault_server.fault("put", key="run/step-0000000001/.metadata", times=None, status=403, code="AccessDenied")
    failed = manager.async_save(1, state_of(1), no_dist=True)
    with pytest.raises(CheckpointException):
        manager.wait()
    assert failed.done()
    manager.wait()  # told once
    assert fault_server.objects.buckets["data"] == {}
    fault_server.heal()
    manager.save(2, state_of(2))
    assert manager.all_steps() == [2]


def test_a_failure_that_was_told_is_not_told_again(fault_server: FaultServer) -> None:
    tuning = Tuning(**QUICK, max_attempts=2)
    manager = CheckpointManager("s3://data/run", options=credentials_of(fault_server), tuning=tuning)
    fault_server.fault("put", key="run/step-0000000001/.metadata", times=None, status=403, code="AccessDenied")
    failed = manager.async_save(1, state_of(1), no_dist=True)
    with pytest.raises(CheckpointException):
        failed.result(60)
    manager.save(2, state_of(2))
    assert manager.all_steps() == [2]


def test_planners_and_other_options_are_handed_on(tmp_path: Path) -> None:
    class Doubling(dcp.DefaultSavePlanner):
        def transform_object(self, write_item: Any, object: Any) -> Any:
            found = super().transform_object(write_item, object)
            return found * 2 if isinstance(found, torch.Tensor) else found

    manager = CheckpointManager(f"file://{tmp_path}", writer_options={"compression": "zstd"})
    manager.save(1, {"weight": torch.ones(1 << 15)}, planner=Doubling())
    state = {"weight": torch.zeros(1 << 15)}
    manager.restore(state)
    assert torch.equal(state["weight"], torch.full((1 << 15,), 2.0))
