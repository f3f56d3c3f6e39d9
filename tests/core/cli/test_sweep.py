"""sweep: what killed processes leave."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from core.cli.cli_program import COMMAND, Program, access, quick_environment
from servers.content import MIB
from servers.fault_server import FaultServer
from waiting import wait_until


def test_uploads_of_a_killed_process(program: Program, fault_server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(40 * MIB))
    fault_server.fault("upload_part", times=None, delay_head_seconds=30)
    env = {**quick_environment(), **access(fault_server), "S3DLIO_PART_SIZE": "5MiB"}
    process = subprocess.Popen([*COMMAND, "upload", f"{tmp_path}/large", "s3://data/up/"], env=env)
    wait_until(lambda: fault_server.count("upload_part"))
    process.kill()
    process.wait()
    assert len(fault_server.objects.uploads) == 1
    ended = program("sweep", "s3://data/", env=access(fault_server), ok=True)
    assert ended.stderr == "sweep: took away 0 unfinished uploads below s3://data/ that were older than 86400 s\n"
    program("sweep", "s3://data/other", "--older-than", "0", env=access(fault_server), ok=True)
    assert len(fault_server.objects.uploads) == 1
    document = program(
        "sweep", "--json", "s3://data/up", "--older-than", "0s", env=access(fault_server), ok=True
    ).document
    assert document == {"operation": "sweep", "uri": "s3://data/up", "older_than_seconds": 0, "swept": 1}
    assert fault_server.objects.uploads == {}


def test_temporaries_of_a_killed_process(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["put", f"file://{out}/", "-n", "100000", "-s", "64MiB", "-j", "2"]
    process = subprocess.Popen([*COMMAND, *arguments], env=quick_environment())
    wait_until(lambda: [path for path in out.glob("**/*") if not path.name.startswith("obj-")])
    process.kill()
    process.wait()
    left = [path for path in out.iterdir() if not path.name.startswith("obj-")]
    whole = sorted(out.glob("obj-*"))
    program("sweep", f"file://{out}", ok=True)
    assert all(path.exists() for path in left)
    for path in left:
        os.utime(path, (time.time() - 100_000,) * 2)
    program("sweep", f"file://{out}", ok=True)
    assert sorted(out.iterdir()) == whole


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("2W", 1_209_600)]
)
def test_ages(text: str, seconds: int) -> None:
    from s3dlio_core.cli.sweep import parse_age

    assert parse_age(text) == seconds


def test_what_is_no_age_is_refused(program: Program, tmp_path: Path) -> None:
    ended = program("sweep", f"file://{tmp_path}", "--older-than", "soon")
    assert ended.status == 2
    assert "is no age" in ended.stderr
