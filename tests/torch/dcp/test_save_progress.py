"""What a save tells while it runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
import torch.distributed.checkpoint as dcp

from s3dlio_core.checkpoint.progress import CheckpointProgress, ProgressTracker
from s3dlio_torch.dcp import StorageWriter

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")


def test_bytes_rate_and_time_left() -> None:
    progress = CheckpointProgress(bytes_done=100, bytes_total=400, seconds=2.0, active=("a",))
    assert progress.bytes_per_second == 50
    assert progress.eta_seconds == 6
    assert CheckpointProgress(0, 400, 2.0, ()).eta_seconds is None


def test_an_object_that_does_not_move_is_found() -> None:
    tracker = ProgressTracker(100)
    tracker.began("moving")
    tracker.began("stuck")
    tracker.moved("stuck", 10, "layer.1")
    time.sleep(2.1)
    tracker.moved("moving", 10, "layer.2")
    found = tracker.stalled(2)
    assert found is not None
    assert found[:2] == ("stuck", "layer.1")
    assert tracker.stalled(60) is None
    tracker.ended("stuck")
    assert tracker.stalled(2) is None
    assert tracker.snapshot().bytes_done == 20


@pytest.mark.parametrize("compression", [None, "zstd-planes"])
def test_a_callback_hears_of_every_byte(tmp_path: Path, compression: str | None) -> None:
    heard: list[CheckpointProgress] = []
    state = {f"layer.{n}": torch.zeros(1 << 18) for n in range(4)} | {"tiny": torch.ones(3), "plain": [1, 2]}
    writer = StorageWriter(f"file://{tmp_path}", progress=heard.append, compression=compression)
    dcp.save(state, storage_writer=writer, no_dist=True)
    assert heard[-1].bytes_done == heard[-1].bytes_total == 4 * (4 << 18) + 12
    assert heard[-1].active == ()
    assert [each.bytes_done for each in heard] == sorted(each.bytes_done for each in heard)


def test_a_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # room for the folder's name and the figures
    writer = StorageWriter(f"file://{tmp_path}", progress=True)
    dcp.save({"weight": torch.zeros(1 << 18)}, storage_writer=writer, no_dist=True)
    shown = capfd.readouterr().err
    assert "save file://" in shown
    assert "1.0/1.0" in shown
