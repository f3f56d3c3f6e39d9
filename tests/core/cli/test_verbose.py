"""-v says what was done, -vv every request; also where all went well."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from core.cli.cli_program import Program, access
from servers.fault_server import FaultServer


@pytest.mark.parametrize(
    "arguments", [("ls", "{}"), ("cat", "{}key"), ("stat", "{}key"), ("get", "{}key"), ("rm", "{}key")]
)
def test_v_tells_requests_bytes_and_rate(
    program: Program, fault_server: FaultServer, arguments: tuple[str, str]
) -> None:
    fault_server.put_object("data", "key", bytes(100_000))
    words = [word.format("s3://data/") for word in arguments]
    quiet = program(*words, env=access(fault_server), ok=True)
    assert " requests, " not in quiet.stderr
    fault_server.put_object("data", "key", bytes(100_000))
    fault_server.forget()
    ended = program("-v", *words, env=access(fault_server), ok=True)
    name = {"ls": "list", "rm": "delete"}.get(arguments[0], arguments[0])
    told = re.fullmatch(
        rf"s3dlio: {name}: (\d+) requests, 0 retries, [\d.]+ K?i?B received, [\d.]+ K?i?B sent in \d+\.\d\d s(, .*/s)?",
        ended.stderr.splitlines()[-1],
    )
    assert told is not None, ended.stderr
    assert int(told[1]) == fault_server.count()
    assert len(ended.stdout) == len(quiet.stdout)


def test_vv_tells_every_request(program: Program, fault_server: FaultServer) -> None:
    fault_server.put_object("data", "key", bytes(100_000))
    fault_server.fault("get", status=503, code="SlowDown")
    ended = program("get", "-vv", "s3://data/key", env=access(fault_server), ok=True)
    assert re.search(r"DEBUG s3dlio_core: get s3://data/key: 503 SlowDown from 127", ended.stderr)
    assert re.search(r"DEBUG s3dlio_core: get s3://data/key: 20[06] after \d+ ms, attempt 2", ended.stderr)
    assert "s3dlio: counters: requests=" in ended.stderr
    assert fault_server.secret_key not in ended.stderr


def test_v_tells_of_files(program: Program, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(1000))
    ended = program("get", "-v", f"file://{tmp_path}/a", ok=True)
    assert re.search(r"s3dlio: get: 0 requests, .*[1-9]\d* reads and 0 writes of files in ", ended.stderr)


def test_v_tells_also_of_what_failed(program: Program, fault_server: FaultServer) -> None:
    ended = program("get", "-v", "s3://data/none", env=access(fault_server))
    assert ended.status == 1
    assert " requests, " in ended.stderr
