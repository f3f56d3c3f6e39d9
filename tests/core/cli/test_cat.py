from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from core.cli.cli_program import COMMAND, Program, quick_environment

from s3dlio_core.datagen import generate_data


def test_objects_follow_each_other(program: Program, folder: Path) -> None:
    ended = program("cat", f"file://{folder}/b.csv", f"file://{folder}/sub/d.csv", ok=True)
    assert (ended.stdout, ended.stderr) == (b"bbdddd", "")


@pytest.mark.parametrize(("offset", "length", "expected"), [(2, None, b"dd"), (1, 2, b"dd"), (0, 0, b""), (3, 9, b"d")])
def test_a_part(program: Program, folder: Path, offset: int, length: int | None, expected: bytes) -> None:
    options = ["--offset", str(offset)] + ([] if length is None else ["--length", str(length)])
    assert program("cat", f"file://{folder}/sub/d.csv", *options, ok=True).stdout == expected


def test_larger_than_a_chunk(program: Program, tmp_path: Path) -> None:
    data = bytes(generate_data((32 << 20) + 777, seed=1))
    (tmp_path / "big").write_bytes(data)
    assert program("cat", f"file://{tmp_path}/big", ok=True).stdout == data


def test_a_missing_object(program: Program, folder: Path) -> None:
    ended = program("cat", f"file://{folder}/none")
    assert (ended.status, ended.stdout) == (1, b"")
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["cat", "ls"])
def test_a_closed_pipe_is_silent(tmp_path: Path, command: str) -> None:
    for index in range(3000 if command == "ls" else 0):
        (tmp_path / f"a-rather-long-name-of-a-file-{index:050}").touch()
    (tmp_path / "big").write_bytes(bytes(64 << 20))
    uri = f"file://{tmp_path}/" + ("big" if command == "cat" else "")
    process = subprocess.Popen(
        [*COMMAND, command, uri], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=quick_environment()
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.wait(timeout=20) == 141
