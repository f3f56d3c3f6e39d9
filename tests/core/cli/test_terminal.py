"""What a person sees: progress on a terminal, and Ctrl-C."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from core.cli.cli_program import COMMAND, Program, quick_environment


def read_all(terminal: int, process: subprocess.Popen[bytes], seconds: float = 30) -> str:
    """What the program writes to its terminal until it ends."""
    parts, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                parts.append(os.read(terminal, 65_536))
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
    return b"".join(parts).decode(errors="replace")


def test_a_bar_on_a_terminal(folder: Path) -> None:
    ours, theirs = pty.openpty()
    command = [*COMMAND, "get", "-r", "--json", f"file://{folder}/"]
    env = {**quick_environment(), "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=env)
    os.close(theirs)
    shown = read_all(ours, process)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.read().count(b"\n") == 1
    assert process.wait(timeout=20) == 0
    os.close(ours)
    assert "0 left" in shown
    assert "29 B, " in shown


def test_no_bar_in_a_pipe(program: Program, folder: Path) -> None:
    ended = program("get", "-r", "--json", f"file://{folder}/", env={"TERM": "xterm", "FORCE_COLOR": "1"}, ok=True)
    assert ended.stderr == ""


def interrupt_when_connected(arguments: list[str], tmp_path: Path) -> tuple[int, float, str]:
    """Run against a server that takes connections and never answers; Ctrl-C once it was asked something."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        env = {
            **quick_environment(),
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.getsockname()[1]}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }
        process = subprocess.Popen([*COMMAND, *arguments], env=env, stderr=subprocess.PIPE, cwd=tmp_path)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(20)
            assert connection.recv(1)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            _, stderr = process.communicate(timeout=20)
            return process.returncode, time.monotonic() - start, stderr.decode()


def test_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(1000))
    (tmp_path / "keys").write_text("s3://bucket/a\ns3://bucket/b\n")
    for arguments in (
        ["ls", "s3://bucket/"],
        ["get", "s3://bucket/a"],
        ["get", "--keylist", "keys"],
        ["put", "s3://bucket/a/", "-s", "1MiB", "-n", "100"],
        ["upload", "file", "s3://bucket/"],
        ["cat", "s3://bucket/a"],
        ["rm", "s3://bucket/a"],
    ):
        status, seconds, stderr = interrupt_when_connected(arguments, tmp_path)
        assert status == 130, (arguments, stderr)
        assert seconds < 2, arguments
        assert stderr == "s3dlio: stopped\n", arguments
