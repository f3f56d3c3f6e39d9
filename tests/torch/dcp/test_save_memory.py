"""A save needs the memory it says, whatever the state's size: staging buffers, the window, and a rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkpoints.large import MIB
from servers.access import credentials_of
from servers.seaweedfs import LocalS3

TESTS = Path(__file__).parents[2]
REST = 64 * MIB
WINDOW = 32 * MIB  # divided among two objects
RING = 2 * 3 * 4 * MIB


def growth(kind: str, uri: str, options: dict[str, Any]) -> int:
    """Bytes by which a program grew that saved 256 MiB."""
    options = {**options, "window_bytes": WINDOW, "staging_bytes": 4 * MIB}
    done = subprocess.run(
        [sys.executable, "-m", "checkpoints.large", kind, uri, json.dumps(options)],
        cwd=TESTS, capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("kind", ["large", "strided"])
def test_to_files(tmp_path: Path, kind: str) -> None:
    assert growth(kind, f"file://{tmp_path}", {}) < REST + (RING if kind == "strided" else 0)


def test_over_s3(seaweedfs: LocalS3, name: str) -> None:
    assert growth("medium", f"s3://train/{name}", {"options": credentials_of(seaweedfs)}) < REST + WINDOW
