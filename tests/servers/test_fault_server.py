"""The server we test against is itself tried by a client we did not write, and its faults by a bare socket."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from servers import checksums
from servers.content import MIB, content
from servers.fault_server import FaultServer

DATA = content(3 * MIB + 17, seed=50)


@pytest.fixture
def client(fault_server: FaultServer) -> Iterator[Any]:
    made = boto3.client(
        "s3",
        endpoint_url=fault_server.endpoint_url,
        aws_access_key_id="a",
        aws_secret_access_key="b",
        region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}),
    )
    with contextlib.closing(made):
        yield made


def test_crc64nvme_against_its_check_value() -> None:
    assert checksums.crc64nvme(b"123456789") == 0xAE8B14860A799888
    assert checksums.crc64nvme(b"") == 0
    bytewise = checksums.crc64nvme(DATA[:2000])  # shorter than a lane
    assert checksums.crc64nvme(bytes(2048 * 3) + DATA) != checksums.crc64nvme(DATA)
    assert bytewise == checksums.crc64nvme(memoryview(DATA)[:2000])


KEYS = ["a/x", "sp ace", "ü", "100%", "a+b", "a//b", "a/./b", "a/../b", "~t", "q?x=1&y", "#h", "tab\t", "\x01", '<&>"']


def test_objects_under_any_key(client: Any) -> None:
    for key in KEYS:
        client.put_object(Bucket="data", Key=key, Body=key.encode())
        assert client.get_object(Bucket="data", Key=key)["Body"].read() == key.encode()
        assert client.head_object(Bucket="data", Key=key)["ContentLength"] == len(key.encode())


def test_pages_in_order(fault_server: FaultServer, client: Any) -> None:
    for key in KEYS:
        fault_server.put_object("data", key, b"x")
    fault_server.objects.page_size = 3
    pages = list(client.get_paginator("list_objects_v2").paginate(Bucket="data"))
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == sorted(KEYS, key=str.encode)
    assert len(pages) == 5
    folded = client.get_paginator("list_objects_v2").paginate(Bucket="data", Delimiter="/")
    assert [entry["Prefix"] for page in folded for entry in page.get("CommonPrefixes", [])] == ["a/"]


def test_upload_in_parts(fault_server: FaultServer, client: Any) -> None:
    whole = content(17 * MIB, seed=51)
    config = TransferConfig(multipart_threshold=6 * MIB, multipart_chunksize=5 * MIB)
    client.upload_fileobj(io.BytesIO(whole), "data", "big", Config=config)
    assert fault_server.stored("data", "big") == whole
    got = io.BytesIO()
    client.download_fileobj("data", "big", got, Config=config)
    assert got.getvalue() == whole
    assert fault_server.objects.uploads == {}


def test_conditions_copies_deletes(client: Any) -> None:
    etag = client.put_object(Bucket="data", Key="a", Body=b"1")["ETag"]
    for options in ({"IfNoneMatch": "*"}, {"IfMatch": '"other"'}):
        with pytest.raises(ClientError, match="PreconditionFailed"):
            client.put_object(Bucket="data", Key="a", Body=b"2", **options)
    client.put_object(Bucket="data", Key="a", Body=b"3", IfMatch=etag)
    client.copy_object(Bucket="data", Key="b", CopySource="data/a")
    assert client.get_object(Bucket="data", Key="b")["Body"].read() == b"3"
    client.delete_objects(Bucket="data", Delete={"Objects": [{"Key": "a"}, {"Key": "none"}]})
    assert client.list_objects_v2(Bucket="data")["KeyCount"] == 1
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket="data", Key="a")


def test_wrong_checksums_are_refused(client: Any) -> None:
    with pytest.raises(ClientError, match="BadDigest"):
        client.put_object(Bucket="data", Key="a", Body=b"1", ChecksumCRC32="AAAAAA==")


def ask(server: FaultServer, *, key: str = "a", more: str = "") -> bytes:
    """All bytes the server sends to one GET until it ends the connection or is silent for a while."""
    with socket.create_connection((server.address, server.port), timeout=0.5) as sock:
        sock.sendall(f"GET /data/{key} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n".encode())
        got = b""
        with contextlib.suppress(TimeoutError):
            while piece := sock.recv(1 << 20):
                got += piece
        return got


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


def test_faults_do_what_they_say(server: FaultServer) -> None:
    assert body_of(ask(server)) == DATA
    server.fault("get", cut_at=1000)
    assert body_of(ask(server)) == DATA[:1000]
    server.fault("get", stall_at=500, stall_seconds=1)
    assert body_of(ask(server)) == DATA[:500]
    server.fault("get", corrupt_at=3)
    assert body_of(ask(server)) == DATA[:3] + bytes([DATA[3] ^ 0x40]) + DATA[4:]
    server.fault("get", corrupt_at=len(DATA))
    assert body_of(ask(server)) == DATA
    server.fault("get", surplus=b"more")
    assert body_of(ask(server)) == DATA + b"more"
    server.fault("get", lose_answer=True)
    assert ask(server) == b""
    server.fault("get", cut_head_at=20)
    assert len(ask(server)) == 20
    server.fault("get", whole_object=True)
    assert ask(server, more="Range: bytes=5-9\r\n").startswith(b"HTTP/1.1 200")
    assert ask(server, more="Range: bytes=5-9\r\n").startswith(b"HTTP/1.1 206")
    server.fault("get", status=503, code="SlowDown", headers={"Retry-After": "7"})
    assert b"Retry-After: 7\r\n" in ask(server)
    server.fault("get", more_headers=(("Content-Length", "5"),))
    assert ask(server).count(b"Content-Length:") == 2
    with pytest.raises(ConnectionResetError):
        server.fault("get", cut_at=0, end="rst")
        ask(server)


def test_trickling_takes_its_time(server: FaultServer) -> None:
    server.put_object("data", "slow", b"x" * 1000)
    server.fault("get", bytes_per_second=5000)
    began = time.monotonic()
    assert len(body_of(ask(server, key="slow"))) == 1000
    assert 0.15 < time.monotonic() - began < 2


def test_rules_count(server: FaultServer) -> None:
    rule = server.fault("get", key="a", skip=1, times=2, status=500)
    statuses = [ask(server)[9:12] for _ in range(5)]
    assert statuses == [b"200", b"500", b"500", b"200", b"200"]
    assert rule.fired == 2
    assert server.count("get") == 5
    assert [request.attempt for request in server.requests] == [1, 2, 3, 4, 5]
