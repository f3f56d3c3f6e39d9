"""Ctrl-C or SIGTERM in the middle of a transfer: the process ends at once and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.access import credentials_of
from servers.content import MIB, content
from servers.fault_server import FaultServer
from waiting import wait_until

SMALL_PARTS = {"S3DLIO_PART_SIZE": "5MiB", "S3DLIO_MULTIPART_THRESHOLD": "6MiB"}
DATA = content(40 * MIB + 11, seed=35)


def interrupted(
    server: FaultServer,
    arguments: list[str],
    when: Callable[[], object],
    *,
    by: signal.Signals = signal.SIGINT,
    **environment: str,
) -> tuple[int, str, float]:
    """Run the program, interrupt it once `when` holds; its exit status, stderr, and how long it took from then."""
    access = {
        "AWS_ENDPOINT_URL": server.endpoint_url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "s3dlio_core.cli", *arguments],
        env={**os.environ, **access, **SMALL_PARTS, **environment},
        stderr=subprocess.PIPE,
        text=True,
        # whoever started the tests may have it ignored (nohup), which a program inherits and keeps
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    wait_until(lambda: when() or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    began = time.monotonic()
    process.send_signal(by)
    _, stderr = process.communicate(timeout=60)
    return process.returncode, stderr, time.monotonic() - began


UPLOADS = {
    "upload": ["upload", "{folder}/large", "s3://data/up/"],
    "upload of several": ["upload", "{folder}", "s3://data/up/", "-j", "4"],
    "cp": ["cp", "{folder}/large", "s3://data/up/"],
    "put": ["put", "s3://data/up/", "-n", "3", "-s", "40MiB"],
}


@pytest.mark.parametrize("slow", ["create_upload", "upload_part", "complete_upload"])
@pytest.mark.parametrize("kind", list(UPLOADS))
def test_interrupted_upload_leaves_nothing(fault_server: FaultServer, tmp_path: Path, kind: str, slow: str) -> None:
    for name in ("large", "other", "third"):
        (tmp_path / name).write_bytes(DATA)
    seconds = 1.5 if slow == "create_upload" else 30.0  # only its answer names the upload that must be aborted
    fault_server.fault(slow, times=None, delay_head_seconds=seconds)
    arguments = [argument.format(folder=tmp_path) for argument in UPLOADS[kind]]
    status, stderr, took = interrupted(fault_server, arguments, lambda: fault_server.count(slow))
    assert (status, stderr) == (130, "s3dlio: stopped\n")
    assert took < 15
    assert fault_server.objects.uploads == {}, "an upload was left behind"
    # Asked to complete an object, the service had done so; it was too late to take that one back.
    assert slow == "complete_upload" or fault_server.objects.buckets["data"] == {}
    assert {len(stored.data) for stored in fault_server.objects.buckets["data"].values()} <= {len(DATA), 40 * MIB}


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("kind", list(UPLOADS))
def test_a_terminated_upload_leaves_nothing(
    fault_server: FaultServer, tmp_path: Path, kind: str, by: signal.Signals
) -> None:
    for name in ("large", "other", "third"):
        (tmp_path / name).write_bytes(DATA)
    fault_server.fault("upload_part", times=None, delay_head_seconds=30.0)
    arguments = [argument.format(folder=tmp_path) for argument in UPLOADS[kind]]
    status, stderr, took = interrupted(fault_server, arguments, lambda: fault_server.count("upload_part"), by=by)
    assert (status, stderr) == (128 + by, "s3dlio: stopped\n")
    assert took < 8
    assert fault_server.objects.uploads == {}, "an upload was left behind"
    assert fault_server.objects.buckets["data"] == {}


@pytest.mark.parametrize("arguments", [["download"], ["get", "-r"], ["cp", "-r"]], ids=lambda words: words[0])
def test_a_terminated_download_leaves_nothing(fault_server: FaultServer, tmp_path: Path, arguments: list[str]) -> None:
    for name in ("a", "b", "c"):
        fault_server.put_object("data", f"in/{name}", DATA)
    fault_server.fault("get", times=None, bytes_per_second=MIB // 2)
    out = tmp_path / "out"
    status, stderr, took = interrupted(
        fault_server, [*arguments, "s3://data/in/", str(out)], lambda: fault_server.count("get") >= 3, by=signal.SIGTERM
    )
    assert (status, stderr) == (143, "s3dlio: stopped\n")
    assert took < 8
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_a_terminated_process_does_not_wait_for_a_service_that_is_silent(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    """Who sent SIGTERM kills soon after; the end comes before that, and says what may be left."""
    (tmp_path / "large").write_bytes(DATA)
    fault_server.fault("upload_part", times=None, delay_head_seconds=60.0)
    fault_server.fault("abort_upload", times=None, delay_head_seconds=60.0)
    status, stderr, took = interrupted(
        fault_server, ["upload", f"{tmp_path}/large", "s3://data/up/"],
        lambda: fault_server.count("upload_part"), by=signal.SIGTERM,
    )  # fmt: skip
    assert status == 143
    assert "s3dlio sweep" in stderr
    assert 4 < took < 12
    assert len(fault_server.objects.uploads) <= 1


def test_a_signal_that_is_ignored_stays_ignored(fault_server: FaultServer, tmp_path: Path) -> None:
    """As `nohup` has it."""
    fault_server.put_object("data", "a", DATA)
    fault_server.fault("get", times=1, delay_head_seconds=0.5)
    access = {
        "AWS_ENDPOINT_URL": fault_server.endpoint_url,
        "AWS_ACCESS_KEY_ID": fault_server.access_key,
        "AWS_SECRET_ACCESS_KEY": fault_server.secret_key,
    }
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "s3dlio_core.cli", "get", "s3://data/a"], env={**os.environ, **access}
        )
    finally:
        signal.signal(signal.SIGHUP, before)
    wait_until(lambda: fault_server.count("get"))
    process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=30) == 0


def test_interrupted_upload_with_a_full_window(fault_server: FaultServer, tmp_path: Path) -> None:
    """The writer waits for room; it must hear of Ctrl-C all the same."""
    (tmp_path / "large").write_bytes(bytes(300 * MIB))
    fault_server.fault("upload_part", times=None, delay_head_seconds=30)
    arguments = ["upload", f"{tmp_path}/large", "s3://data/up/"]
    full = {"S3DLIO_MAX_IN_FLIGHT_BYTES": "20MiB", "S3DLIO_FIRST_BYTE_TIMEOUT_SECONDS": "60"}
    status, stderr, took = interrupted(fault_server, arguments, lambda: fault_server.count("upload_part") >= 3, **full)
    assert (status, stderr) == (130, "s3dlio: stopped\n")
    assert took < 8
    assert fault_server.objects.uploads == {}


@pytest.mark.parametrize("arguments", [["download"], ["get", "-r"], ["cp", "-r"]], ids=lambda words: words[0])
def test_interrupted_download_leaves_nothing(fault_server: FaultServer, tmp_path: Path, arguments: list[str]) -> None:
    for name in ("a", "b", "c"):
        fault_server.put_object("data", f"in/{name}", DATA)
    fault_server.fault("get", times=None, bytes_per_second=MIB // 2)
    out = tmp_path / "out"
    status, stderr, took = interrupted(
        fault_server, [*arguments, "s3://data/in/", str(out)], lambda: fault_server.bytes_sent > MIB
    )
    assert (status, stderr) == (130, "s3dlio: stopped\n")
    assert took < 8
    assert [path for path in out.rglob("*") if path.is_file()] == []


def test_interrupted_put_on_a_disk_leaves_nothing(fault_server: FaultServer, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ["put", f"file://{out}/", "-n", "1000000", "-s", "40MiB", "-j", "2"]
    status, stderr, took = interrupted(fault_server, arguments, lambda: len(list(out.glob("obj-*"))) >= 2)
    assert (status, stderr) == (130, "s3dlio: stopped\n")
    assert took < 8
    left = list(out.iterdir())
    assert {path.stat().st_size for path in left} == {40 * MIB}, "a half-written file or a temporary was left behind"
    assert all(path.name.startswith("obj-") for path in left)


def test_interrupted_put_of_the_library_leaves_nothing(fault_server: FaultServer) -> None:
    """The call is over at once; the process stays until the service was told."""
    fault_server.fault("create_upload", delay_head_seconds=1.0)
    code = f"""if True:
        import s3dlio_core
        s3dlio_core.open_store("s3://data/", **{credentials_of(fault_server)!r}).put("big", bytes(40 << 20))
    """
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: fault_server.count("create_upload"))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in stderr
    assert fault_server.count("create_upload") == 1
    assert fault_server.objects.uploads == {}, "an upload was left behind"
