"""A save killed at any step leaves the earlier checkpoint whole, or the new one; never a mixture, never none."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from checkpoints.killed import state_of
from checkpoints.states import assert_equal, load_by_torch
from servers.access import credentials_of
from servers.fault_server import FaultServer

from s3dlio_core import open_store
from s3dlio_core.checkpoint.fault_points import FAULT_POINTS

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled")

TESTS = Path(__file__).parents[2]
COMMITTED_FROM = FAULT_POINTS.index("after-commit")


def run_killed(base: str, options: dict[str, Any], points: Sequence[str]) -> list[int]:
    """Saves twice below `base` for each of `points`; how each second save ended."""
    pairs = [word for point in points for word in (f"{base}/{point}", point)]
    done = subprocess.run(
        [sys.executable, "-m", "checkpoints.killed", json.dumps(options), *pairs],
        cwd=TESTS, capture_output=True, text=True, timeout=100, check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [int(line) for line in done.stdout.split()]


def check(point: str, folder: Path) -> None:
    number = 2 if FAULT_POINTS.index(point) >= COMMITTED_FROM else 1
    assert_equal(load_by_torch(str(folder), state_of(1)), state_of(number))


def test_overwriting_files(tmp_path: Path) -> None:
    ended = run_killed(f"file://{tmp_path}", {}, FAULT_POINTS)
    assert ended == [signal.SIGKILL] * len(FAULT_POINTS)
    for point in FAULT_POINTS:
        check(point, tmp_path / point)
    clean = {path.name.rsplit("-", 1)[1] for path in (tmp_path / "after-clean-up").glob("*.distcp")}
    assert len(clean) == 1  # of one save


def test_overwriting_over_s3(fault_server: FaultServer, tmp_path: Path) -> None:
    options = {"options": credentials_of(fault_server)}
    points = ("object-half-written", "object-written", "before-commit", "after-commit", "before-clean-up")
    ended = run_killed("s3://data/run", options, points)
    assert ended == [signal.SIGKILL] * len(points)
    for point in points:
        folder = tmp_path / point
        folder.mkdir()
        with open_store(f"s3://data/run/{point}/", **credentials_of(fault_server)) as store:
            for meta in store.list():
                (folder / meta.key).write_bytes(bytes(store.get(meta.key)))
        check(point, folder)
