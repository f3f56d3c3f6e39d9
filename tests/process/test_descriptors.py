"""A process that may open no more files."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

PROGRAM = dedent("""
    import errno, os, resource
    from s3dlio_core import ConnectionFailedError, StorageError, Tuning, open_store

    def full():
        taken = []
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            assert error.errno == errno.EMFILE
        return taken

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    options = {"endpoint_url": "http://127.0.0.1:9", "access_key_id": "a", "secret_access_key": "b"}
    early = open_store("s3://b/", tuning=Tuning(max_attempts=1), **options)
    taken = full()
    for call in (
        lambda: early.get("k"),  # the first call starts the loops
        lambda: open_store("s3://b/", tuning=Tuning(max_attempts=1), **options).get("k"),
        lambda: open_store("file:///usr/").get("k"),
    ):
        try:
            call()
        except StorageError as error:
            assert "Too many open files" in str(error), error
        else:
            raise AssertionError("nothing was raised")
    for descriptor in taken:
        os.close(descriptor)
    try:
        early.get("k")
    except ConnectionFailedError as error:  # nobody listens there
        assert "Too many" not in str(error), error
    print("fine")
""")


def test_without_a_descriptor_errors_are_typed_and_pass() -> None:
    """Every failure is a StorageError that says what is missing, and what failed works once there are some again."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "fine\n"), ended.stderr
