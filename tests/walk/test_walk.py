"""A newcomer's way through the README and the command line, with what goes wrong on the way: each step asserts what the
user sees (exit status, message) and that nothing is left behind: no temporary, no unfinished upload, no traceback, no
secret.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from core.cli.cli_program import COMMAND, access
from servers.access import credentials_of
from servers.content import MIB, content
from servers.seaweedfs import LocalS3, free_ports
from small_disk import small_disk
from waiting import wait_until

from s3dlio_core import Store, open_store

LARGE = content(96 * MIB, seed=41)
SECRET = "wrong-password-of-the-newcomer"


@dataclass(frozen=True)
class Seen:
    status: int
    stdout: bytes
    stderr: str


def walk(environment: dict[str, str], *arguments: str | Path, **options: object) -> Seen:
    """One command, as typed; whatever it does, it shows no traceback and no secret."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, env={**os.environ, **environment}, timeout=60, **options
    )  # type: ignore[call-overload]
    seen = Seen(done.returncode, done.stdout, done.stderr.decode())
    assert "Traceback" not in seen.stderr
    assert environment.get("AWS_SECRET_ACCESS_KEY", SECRET) not in seen.stderr
    return seen


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("walk")
    (folder / "images").mkdir()
    for number in range(3):
        (folder / "images" / f"{number}.bin").write_bytes(content(MIB, seed=number))
    (folder / "large").write_bytes(LARGE)
    return folder


@pytest.fixture(scope="module")
def environment(seaweedfs: LocalS3) -> dict[str, str]:
    return access(seaweedfs)


@pytest.fixture(scope="module")
def bucket(seaweedfs: LocalS3, environment: dict[str, str], home: Path) -> Iterator[Store]:
    """The bucket "walk", made as the page on the command line says, with a large object in it."""
    assert walk(environment, "create-bucket", "walk").stderr == "created s3://walk\n"
    assert walk(environment, "upload", home / "large", "s3://walk/in/").status == 0
    with open_store("s3://walk/", **credentials_of(seaweedfs)) as store:
        yield store


def unfinished(seaweedfs: LocalS3) -> list[str]:
    """The uploads of the bucket that are neither completed nor aborted."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=seaweedfs.endpoint_url, aws_access_key_id=seaweedfs.access_key,
        aws_secret_access_key=seaweedfs.secret_key, region_name=seaweedfs.region,
    )  # fmt: skip
    try:
        return [upload["Key"] for upload in client.list_multipart_uploads(Bucket="walk").get("Uploads", [])]
    finally:
        client.close()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []


def test_the_way_that_works(bucket: Store, environment: dict[str, str], home: Path) -> None:
    """Every line of the command line's first page, in its order."""
    out = home / "copy"
    for arguments, told in [
        (("--help",), "Commands:"),
        (("put", "s3://walk/data/obj-{}", "-n", "4", "-s", "64k"), "attempted=4, succeeded=4, failed=0, 256.0 KiB in "),
        (("ls", "s3://walk/data/"), "s3://walk/data/obj-3"),
        (("get", "-r", "s3://walk/data/"), "succeeded=4"),
        (("upload", home / "images", "s3://walk/images/"), "succeeded=3"),
        (("download", "s3://walk/images/", out), "succeeded=3"),
        (("cp", "s3://walk/images/0.bin", "s3://walk/again/0.bin"), "succeeded=1"),
        (("stat", "s3://walk/again/0.bin"), "size:                   1048576"),
        (("rm", "-r", "s3://walk/again/"), "attempted=1, succeeded=1"),
        (("env",), "AWS_ENDPOINT_URL_S3"),
    ]:
        seen = walk(environment, *arguments)
        assert seen.status == 0, seen.stderr
        assert told in seen.stdout.decode() + seen.stderr
    assert {path.name: path.read_bytes() for path in files(out)} == {
        path.name: path.read_bytes() for path in files(home / "images")
    }
    assert walk(environment, "cat", "s3://walk/images/1.bin").stdout == content(MIB, seed=1)


COMMANDS: dict[str, tuple[str, ...]] = {
    "ls": ("ls", "s3://walk/in/"),
    "stat": ("stat", "s3://walk/in/large"),
    "cat": ("cat", "s3://walk/in/large"),
    "get": ("get", "-r", "s3://walk/in/"),
    "download": ("download", "s3://walk/in/", "{out}"),
    "upload": ("upload", "{home}/images", "s3://walk/denied/"),
    "rm": ("rm", "s3://walk/in/large"),
    "delete-bucket": ("delete-bucket", "walk"),
}


def spelt(name: str, home: Path, out: Path) -> list[str]:
    return [word.format(home=home, out=out) for word in COMMANDS[name]]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_wrong_password(bucket: Store, environment: dict[str, str], home: Path, tmp_path: Path, name: str) -> None:
    seen = walk({**environment, "AWS_SECRET_ACCESS_KEY": SECRET}, *spelt(name, home, tmp_path / "out"))
    assert (seen.status, seen.stdout) == (1, b"")
    assert "s3://walk" in seen.stderr
    assert "SignatureDoesNotMatch" in seen.stderr
    assert re.search("secret|key", seen.stderr.replace("SECRET_ACCESS_KEY", "")), seen.stderr
    assert files(tmp_path) == []
    assert bucket.head("in/large").size == len(LARGE)


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_wrong_endpoint(bucket: Store, environment: dict[str, str], home: Path, tmp_path: Path, name: str) -> None:
    (port,) = free_ports(1)
    began = time.monotonic()
    seen = walk(
        {**environment, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{port}"}, *spelt(name, home, tmp_path / "out")
    )
    assert (seen.status, seen.stdout) == (1, b"")
    assert "s3://walk" in seen.stderr
    assert f"127.0.0.1:{port}" in seen.stderr
    assert "refused" in seen.stderr
    assert time.monotonic() - began < 30
    assert files(tmp_path) == []


FILLING: dict[str, tuple[str, ...]] = {
    "download": ("download", "s3://walk/in/large", "{disk}"),
    "cp": ("cp", "s3://walk/in/large", "{disk}/large"),
    "get": ("get", "-r", "s3://walk/in/", "{disk}"),
    "put": ("put", "file://{disk}/data/", "-s", "96MiB"),
}


@pytest.mark.parametrize("name", list(FILLING))
def test_a_full_disk(bucket: Store, environment: dict[str, str], tmp_path: Path, name: str) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        seen = walk(environment, *(word.format(disk=disk) for word in FILLING[name]))
        assert seen.status == 1
        assert re.search("no space|No space", seen.stderr), seen.stderr
        assert str(disk) in seen.stderr
        assert files(disk) == []


def test_output_to_a_full_disk(bucket: Store, environment: dict[str, str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "cat", "s3://walk/in/large"], stdout=full, stderr=subprocess.PIPE,
            env={**os.environ, **environment},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"s3dlio: standard output: No space left on device\n")


LONG: dict[str, tuple[str, ...]] = {
    "upload": ("upload", "{home}/large", "s3://walk/stopped/"),
    "put": ("put", "s3://walk/stopped/", "-n", "100000", "-s", "40MiB", "-j", "3"),
    "cp up": ("cp", "{home}/large", "s3://walk/stopped/large"),
    "cp down": ("cp", "-r", "s3://walk/in/", "{out}"),
    "download": ("download", "s3://walk/in/", "{out}"),
    "get": ("get", "--keylist", "{home}/keys", "s3://walk/"),
    "cat": ("cat", *["s3://walk/in/large"] * 50),
}


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
@pytest.mark.parametrize("name", list(LONG))
def test_stopped_in_the_middle(
    bucket: Store,
    seaweedfs: LocalS3,
    environment: dict[str, str],
    home: Path,
    tmp_path: Path,
    name: str,
    by: signal.Signals,
) -> None:
    (home / "keys").write_text("in/large\n" * 10_000)
    out = tmp_path / "out"
    arguments = [word.format(home=home, out=out) for word in LONG[name]]
    settings = {"S3DLIO_PART_SIZE": "5MiB", "S3DLIO_MULTIPART_THRESHOLD": "6MiB"}
    lines: list[str] = []
    with subprocess.Popen(
        [*COMMAND, "-vv", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False,
        env={**os.environ, **environment, **settings},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        error = process.stderr

        def read() -> None:
            lines.extend(line.decode() for line in error)

        def drain(stream: object = process.stdout) -> None:
            while stream.read(MIB):  # type: ignore[attr-defined]
                pass

        readers = [threading.Thread(target=read), threading.Thread(target=drain)]
        for thread in readers:
            thread.start()
        try:
            # Something of an object has been answered: there is an upload, or a file that is being written.
            wait_until(lambda: [line for line in lines if re.search(r"DEBUG s3dlio_core: .* s3://walk/.+: 20\d", line)])
        except AssertionError:
            process.kill()
            raise
        began = time.monotonic()
        process.send_signal(by)
        status = process.wait(timeout=30)
        took = time.monotonic() - began
        for thread in readers:
            thread.join()
    stderr = "".join(lines)
    assert status == 128 + by, stderr[-2000:]
    assert "s3dlio: stopped\n" in lines
    assert took < 8
    assert "Traceback" not in stderr
    assert seaweedfs.secret_key not in stderr
    assert unfinished(seaweedfs) == []
    assert {path.stat().st_size for path in files(out)} <= {len(LARGE)}  # one that was whole is whole
    for meta in list(bucket.list("stopped/")):
        assert meta.size in (len(LARGE), 40 * MIB)
        bucket.delete(meta.key)


def test_what_is_typed_wrong(bucket: Store, environment: dict[str, str], tmp_path: Path) -> None:
    for arguments, told in [
        (("ls", "s3://walk/dta/"), "nothing matches s3://walk/dta/"),
        (("get", "-r", "s3://walk/dta/"), "nothing matches s3://walk/dta/"),
        (("rm", "s3://walk/in/"), "1 lie below it, such as s3://walk/in/large; nothing was deleted: -r"),
        (("rm", "s3://walk/*"), "-p takes a regular expression"),
        (("delete-bucket", "walk"), "objects are in it"),
        (("ls", "s3://wakl/"), "wakl"),
    ]:
        seen = walk(environment, *arguments, cwd=tmp_path)
        assert seen.status == 1, arguments
        assert told in seen.stderr
        assert seen.stdout == b""
    assert walk(environment, "rm", "-r", "s3://walk").status == 2
    assert bucket.head("in/large").size == len(LARGE)
