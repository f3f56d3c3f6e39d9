""" "-" is standard input or output in every command that copies."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from core.cli.cli_program import COMMAND, Ended, Program, access, quick_environment
from servers.content import MIB, content
from servers.fault_server import FaultServer
from waiting import wait_until

DATA = content(40 * MIB + 11, seed=36)


@pytest.fixture
def s3(program: Program, fault_server: FaultServer) -> Any:
    def run(*arguments: str, **options: Any) -> Ended:
        return program(*arguments, env=access(fault_server), **options)

    return run


@pytest.mark.parametrize("size", [0, 10, len(DATA)])
@pytest.mark.parametrize("command", ["cp", "upload"])
def test_standard_input_becomes_an_object(s3: Any, fault_server: FaultServer, command: str, size: int) -> None:
    ended = s3(command, "-", "s3://data/in/key", input=DATA[:size], ok=True)
    assert fault_server.stored("data", "in/key") == DATA[:size]
    assert ended.stderr.startswith(f"{command}: attempted=1, succeeded=1, failed=0, ")
    assert ended.stdout == b""


@pytest.mark.parametrize("command", ["cp", "download", "cat"])
def test_an_object_goes_to_standard_output(s3: Any, fault_server: FaultServer, tmp_path: Path, command: str) -> None:
    fault_server.put_object("data", "key", DATA)
    ended = s3(command, "s3://data/key", *(["-"] if command != "cat" else []), ok=True)
    assert ended.stdout == DATA
    assert list(tmp_path.iterdir()) == []


def test_files_too(program: Program, tmp_path: Path) -> None:
    program("cp", "-", f"file://{tmp_path}/a", input=b"abc", ok=True)
    assert program("cp", f"file://{tmp_path}/a", "-", ok=True).stdout == b"abc"
    assert program("cat", "-", f"file://{tmp_path}/a", "-", input=b"xyz", ok=True).stdout == b"xyzabc"


def test_a_file_of_that_name_is_named_by_its_folder(program: Program, tmp_path: Path) -> None:
    (tmp_path / "-").write_bytes(b"a file")
    program("cp", "./-", f"file://{tmp_path}/a", ok=True)
    assert (tmp_path / "a").read_bytes() == b"a file"


@pytest.mark.parametrize(
    "arguments",
    [("cp", "-", "-"), ("cp", "-", "./local"), ("cp", "-r", "-", "{}/a"), ("cp", "-r", "{}/", "-"), ("cp", "-", "{}/"),
     ("cp", "-p", "x", "{}/", "-"), ("upload", "-", "x", "{}/a"), ("upload", "-", "{}/"), ("cp", "--json", "{}/a", "-"),
     ("download", "-p", "x", "{}/", "-"), ("download", "--json", "{}/a", "-")],
    ids=" ".join,
)  # fmt: skip
def test_what_makes_no_sense_is_refused(program: Program, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a").write_bytes(b"a")
    ended = program(*(word.format(f"file://{tmp_path}") for word in arguments), input=b"in")
    assert ended.status == 2, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"a"}


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_copy_of_standard_input_leaves_nothing(fault_server: FaultServer, by: signal.Signals) -> None:
    environment = {**quick_environment(), **access(fault_server)}
    with subprocess.Popen([*COMMAND, "cp", "-", "s3://data/key"], env=environment, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(DATA)  # and no end
        process.stdin.flush()
        wait_until(lambda: fault_server.count("upload_part"))
        process.send_signal(by)
        assert process.wait(timeout=20) == 128 + by
    assert fault_server.objects.uploads == {}
    assert fault_server.objects.buckets["data"] == {}


@pytest.mark.parametrize(
    "arguments", [("cat", "{}/a"), ("cp", "{}/a", "-"), ("ls", "{}/"), ("stat", "{}/a")], ids=" ".join
)
def test_output_that_cannot_be_written_is_a_failure(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "a").write_bytes(bytes(MIB))
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, *(word.format(f"file://{tmp_path}") for word in arguments)],
            stdout=full, stderr=subprocess.PIPE, env=buffered, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "s3dlio: standard output: No space left on device\n"


def test_standard_input_that_is_closed_is_a_failure(tmp_path: Path) -> None:
    command = [*COMMAND, "cp", "-", f"file://{tmp_path}/a"]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh", *command], stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert "standard input: is closed" in done.stderr
    assert list(tmp_path.iterdir()) == []
