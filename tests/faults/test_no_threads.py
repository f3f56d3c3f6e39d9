"""A process that may start no thread: every call says so, and none waits for ever."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PROGRAM = r"""
import os, resource, sys, threading
from s3dlio_core import LocalIOError, open_store

where = sys.argv[1]
options = {"endpoint_url": "http://127.0.0.1:9", "access_key_id": "AK", "secret_access_key": "a-secret", "region": "r"}
store = open_store(where, **(options if where.startswith("s3:") else {}))
if os.getuid() == 0:  # root is exempt from the limit
    os.setgid(65534)
    os.setuid(65534)
resource.setrlimit(resource.RLIMIT_NPROC, (0, resource.getrlimit(resource.RLIMIT_NPROC)[1]))
try:
    threading.Thread(target=int).start()
except RuntimeError:
    pass
else:
    sys.exit("the limit does not hold here")
calls = {
    "get": lambda: store.get("a"),
    "get_many_into": lambda: store.get_many_into(["a"], bytearray(3), [0, 3]),
    "prefetch": lambda: list(store.prefetch(["a"] * 20)),
    "put": lambda: store.put("b", b"new"),
    "writer": lambda: store.open_writer("c"),
    "list": lambda: list(store.list()),
    "delete": lambda: store.delete("b"),
}
for name, call in calls.items():
    try:
        call()
        print(name, "done")
    except LocalIOError as error:
        print(name, "refused" if "no thread" in str(error) else error)
"""
CALLS = ["get", "get_many_into", "prefetch", "put", "writer", "list", "delete"]


def outcomes(where: str) -> dict[str, str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, where], capture_output=True, text=True, timeout=60, check=False
    )
    if "does not hold" in ended.stderr:
        pytest.skip("this system does not keep a process from starting threads")
    assert ended.returncode == 0, ended.stderr
    return dict(line.split(" ", 1) for line in ended.stdout.splitlines())


def test_g42_calls_over_the_network_say_so() -> None:
    assert outcomes("s3://data/") == dict.fromkeys(CALLS, "refused")


def test_g42_calls_on_files_are_done_by_the_callers_thread() -> None:
    with tempfile.TemporaryDirectory() as name:  # not pytest's, which nobody else may enter
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "a").write_bytes(b"abc")
        assert outcomes(folder.as_uri() + "/") == dict.fromkeys(CALLS, "done")
