"""What a newcomer does wrong: one line that names operation, URI, what was found and what to do, and no traceback."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.cli.cli_program import Ended, Program, access
from faults.test_network import deaf_port
from servers.fault_server import FaultServer
from servers.moto import MotoServer
from small_disk import small_disk

NO_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def refused(ended: Ended, *words: str) -> None:
    """It failed in one line that holds all of `words`."""
    assert ended.status == 1, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if "attempted=" not in line and "failed:" not in line]
    assert len(lines) == 1, ended.stderr
    for word in words:
        assert word in lines[0], (word, lines[0])


def test_missing_bucket(program: Program, moto: MotoServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    env = access(moto)
    for arguments in (["ls", "s3://absent/"], ["get", "s3://absent/a"], ["upload", "file", "s3://absent/"]):
        refused(program(*arguments, env=env), "s3://absent", "bucket", "NoSuchBucket")


def test_missing_key(program: Program, moto: MotoServer, tmp_path: Path) -> None:
    env = access(moto)
    for command in ("get", "stat", "cat"):
        refused(program(command, "s3://train/none", env=env), "s3://train/none", "404")
    for uri in ("s3://train/none", "s3://train/none/"):
        refused(program("download", uri, tmp_path, env=env), "download", uri, "nothing lies below")


def test_wrong_secret(program: Program, moto: MotoServer) -> None:
    env = {**access(moto), "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
    ended = program("get", "s3://train/a", env=env)
    refused(ended, "s3://train/a", "secret access key")
    assert "not-the-secret" not in ended.stderr


def test_unknown_key_id(program: Program, moto: MotoServer) -> None:
    refused(
        program("ls", "s3://train/", env={**access(moto), "AWS_ACCESS_KEY_ID": "NOBODY"}), "s3://train", "access key id"
    )


def test_no_credentials(program: Program, moto: MotoServer) -> None:
    ended = program("ls", "s3://train/", env={**access(moto), **NO_CREDENTIALS})
    refused(ended, "s3://train", "AWS_ACCESS_KEY_ID", "--no-sign-request")


@pytest.mark.parametrize("region", ["", "eu-central-1"])
def test_missing_or_other_region(program: Program, fault_server: FaultServer, region: str) -> None:
    """Without a region requests go to us-east-1; a service elsewhere names its own, which is then used."""
    fault_server.put_object("data", "a", b"x")
    env = {**access(fault_server), "AWS_REGION": region}
    assert program("cat", "s3://data/a", env=env, ok=True).stdout == b"x"
    signed = fault_server.requests[-1].headers["authorization"]
    assert f"/{region or 'us-east-1'}/s3/" in signed


def test_https_where_http_is_spoken(program: Program, fault_server: FaultServer) -> None:
    url = fault_server.endpoint_url.replace("http://", "https://")
    refused(program("ls", "s3://data/", "--endpoint-url", url, env=access(fault_server)), "s3://data", "plain HTTP")
    assert fault_server.requests == []


def test_http_where_https_is_spoken(program: Program, tls_server: FaultServer) -> None:
    url = tls_server.endpoint_url.replace("https://", "http://")
    refused(program("ls", "s3://data/", "--endpoint-url", url, env=access(tls_server)), "s3://data", "https://")
    assert tls_server.requests == []


def test_endpoint_without_scheme(program: Program) -> None:
    refused(program("ls", "s3://data/", "--endpoint-url", "localhost:9000"), "localhost:9000", "http://")


def test_authorities_that_cannot_be_read(program: Program, tls_server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("hello\n")
    for name in ("absent.pem", "plain.txt"):
        ended = program("ls", "s3://data/", "--ca-bundle", tmp_path / name, env=access(tls_server))
        refused(ended, str(tmp_path / name))


def test_unknown_authority(program: Program, tls_server: FaultServer) -> None:
    refused(program("ls", "s3://data/", env=access(tls_server)), "s3://data", "certificate")


def test_folder_where_a_file_is_needed(program: Program, folder: Path, tmp_path: Path) -> None:
    refused(program("get", f"file://{folder}/sub"), f"file://{folder}/sub", "folder")
    refused(program("cat", f"file://{folder}/sub"), f"file://{folder}/sub", "folder")
    (tmp_path / "out/a.csv").mkdir(parents=True)
    refused(program("download", f"file://{folder}/a.csv", tmp_path / "out"), f"{tmp_path}/out/a.csv", "folder")


def test_file_where_a_folder_is_needed(program: Program, folder: Path) -> None:
    refused(program("download", f"file://{folder}/a.csv", folder / "b.csv"), f"{folder}/b.csv")
    refused(program("ls", f"file://{folder}/b.csv/"), f"{folder}/b.csv")


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    with small_disk(tmp_path / "tiny", "1m") as place:
        yield place


@pytest.mark.parametrize("size", ["2MiB", "40MiB"])  # as a whole, and in pieces
def test_full_disk(program: Program, tiny_disk: Path, size: str) -> None:
    refused(program("put", f"file://{tiny_disk}/x", "-s", size, "-t", "x"), f"{tiny_disk}/x", "space")
    assert list(tiny_disk.rglob("*")) == [tiny_disk / "x"], "a temporary was left behind"


def test_read_only_folder(program: Program, folder: Path, tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    refused(program("download", f"file://{folder}/a.csv", tiny_disk), str(tiny_disk), "read-only")


@pytest.mark.parametrize("option", ["--offset", "--length"])
@pytest.mark.parametrize("size", ["-1", "-5k", "x"])
def test_ranges_that_are_none(program: Program, folder: Path, option: str, size: str) -> None:
    for command in ("get", "cat"):
        ended = program(command, f"file://{folder}/a.csv", option, size)
        assert ended.status == 2
        assert size in ended.stderr


def test_nobody_listens(program: Program, moto: MotoServer) -> None:
    ended = program("ls", "s3://data/", "--endpoint-url", "http://127.0.0.1:9", env=access(moto))
    refused(ended, "s3://data", "127.0.0.1:9")


def test_server_that_does_not_answer(program: Program, moto: MotoServer) -> None:
    """Within the connect time-out, not minutes; with the settings a newcomer has."""
    with deaf_port() as port:
        env = {**access(moto), "S3DLIO_CONNECT_TIMEOUT_SECONDS": "1", "S3DLIO_MAX_ATTEMPTS": "8"}
        began = time.monotonic()
        ended = program("ls", "s3://data/", "--endpoint-url", f"http://127.0.0.1:{port}", env=env)
        refused(ended, "s3://data", f"127.0.0.1:{port}", "connect")
        assert time.monotonic() - began < 10
