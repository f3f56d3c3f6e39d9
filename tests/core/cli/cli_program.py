"""The real program, run in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from servers.access import Server

COMMAND = [sys.executable, "-m", "s3dlio_core.cli"]


@dataclass(frozen=True)
class Ended:
    """How a run of the program ended."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def lines(self) -> list[str]:
        return self.stdout.decode().splitlines()

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    @property
    def document(self) -> dict[str, Any]:
        (only,) = self.documents
        return only


Program = Callable[..., Ended]


def quick_environment() -> dict[str, str]:
    """No credentials, and times short enough for servers that are not there."""
    return {**os.environ, "S3DLIO_MAX_ATTEMPTS": "2", "S3DLIO_BACKOFF_BASE_SECONDS": "0.01"}


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """program("ls", uri, ok=True, env={...}, input=b"...", cwd=path): runs it; `ok` asserts the exit status is 0."""

    def run(
        *arguments: str | Path,
        ok: bool = False,
        env: dict[str, str] | None = None,
        input: bytes = b"",
        cwd: Path | None = None,
    ) -> Ended:
        done = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            input=input,
            capture_output=True,
            env={**quick_environment(), **(env or {})},
            cwd=cwd or tmp_path,
            timeout=60,
        )
        ended = Ended(done.returncode, done.stdout, done.stderr.decode(errors="surrogateescape"))
        if ok:
            assert ended.status == 0, ended.stderr
        return ended

    return run


def access(server: Server) -> dict[str, str]:
    """Environment variables that lead to `server`."""
    return {
        "AWS_ENDPOINT_URL_S3": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_REGION": server.region,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small tree in it."""
    root = tmp_path / "data"
    for name, content in {
        "a.csv": b"a",
        "b.csv": b"bb",
        "c.bin": b"ccc",
        "sub/d.csv": b"dddd",
        "sub/deeper/e e.csv": b"eeeee",
        "grün.txt": b"umlaut",
        "x[1].txt": b"brackets",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root
