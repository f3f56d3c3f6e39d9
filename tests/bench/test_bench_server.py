"""Independent clients drive every verb of the bench server, so that what it measures is S3 and not our idea of it."""

import base64
import concurrent.futures
import hashlib
import io
import os
import socket
import zlib
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.certificate import make_certificate
from benchmarks.servers import Server, bench_server

pytestmark = pytest.mark.timeout(600)  # the first test waits for the build
MIB = 1 << 20


def connect(server: Server, **options: Any) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id="any",
        aws_secret_access_key="any",
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, proxies={}),
        **options,
    )


@pytest.fixture
def s3(server: Server) -> Any:
    client = connect(server)
    yield client
    client.close()


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def crc32_base64(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def test_put_get_head_delete(s3: Any) -> None:
    data = os.urandom(3 * MIB + 17)
    key = "dir/a key & é <odd>+%41//..\n"
    put = s3.put_object(
        Bucket="bucket",
        Key=key,
        Body=data,
        Metadata={"color": "blue"},
        ContentType="text/x-odd",
        CacheControl="no-store",
    )
    got = s3.get_object(Bucket="bucket", Key=key, ChecksumMode="ENABLED")
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(data).digest()
    assert got["ChecksumCRC32"] == put["ChecksumCRC32"] == crc32_base64(data)
    head = s3.head_object(Bucket="bucket", Key=key)
    assert head["ContentLength"] == len(data)
    assert (head["Metadata"], head["ContentType"], head["CacheControl"]) == (
        {"color": "blue"},
        "text/x-odd",
        "no-store",
    )
    assert head["ETag"] == put["ETag"] == got["ETag"]
    assert "ChecksumCRC32" not in head, "a checksum comes only when asked for"
    assert key in [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket", Prefix="dir/")["Contents"]]
    s3.delete_object(Bucket="bucket", Key=key)
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="bucket", Key=key)
    assert code_of(caught) == (404, "NoSuchKey")


def test_empty_object(s3: Any) -> None:
    s3.put_object(Bucket="bucket", Key="empty", Body=b"")
    assert s3.get_object(Bucket="bucket", Key="empty")["Body"].read() == b""
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket="bucket", Key="empty", Range="bytes=0-")
    assert code_of(caught) == (416, "InvalidRange")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-99", 10, 99),
        ("bytes=990-5000", 990, 999),
        ("bytes=-7", 993, 999),
        ("bytes=500-", 500, 999),
    ],
)
def test_ranges(s3: Any, asked: str, first: int, last: int) -> None:
    data = os.urandom(1000)
    s3.put_object(Bucket="bucket", Key="ranged", Body=data)
    got = s3.get_object(Bucket="bucket", Key="ranged", Range=asked)
    assert got["Body"].read() == data[first : last + 1]
    assert got["ContentRange"] == f"bytes {first}-{last}/1000"
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_conditions(s3: Any) -> None:
    etag = s3.put_object(Bucket="bucket", Key="conditional", Body=b"one")["ETag"]
    refused = [
        lambda: s3.put_object(Bucket="bucket", Key="conditional", Body=b"two", IfNoneMatch="*"),
        lambda: s3.put_object(Bucket="bucket", Key="conditional", Body=b"two", IfMatch='"other"'),
        lambda: s3.get_object(Bucket="bucket", Key="conditional", IfMatch='"other"'),
    ]
    for call in refused:
        with pytest.raises(ClientError) as caught:
            call()
        assert code_of(caught)[0] == 412
    assert s3.get_object(Bucket="bucket", Key="conditional", IfMatch=etag)["Body"].read() == b"one"
    replaced = s3.put_object(Bucket="bucket", Key="conditional", Body=b"two", IfMatch=etag)
    assert replaced["ETag"] != etag


def test_multipart_by_transfer_manager(s3: Any) -> None:
    data = os.urandom(21 * MIB + 5)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB, max_concurrency=4)
    s3.upload_fileobj(io.BytesIO(data), "bucket", "multipart", Config=config)
    out = io.BytesIO()
    s3.download_fileobj("bucket", "multipart", out, Config=config)
    assert out.getvalue() == data
    head = s3.head_object(Bucket="bucket", Key="multipart", ChecksumMode="ENABLED")
    assert head["ETag"].endswith('-5"')
    digests = b"".join(zlib.crc32(data[at : at + 5 * MIB]).to_bytes(4, "big") for at in range(0, len(data), 5 * MIB))
    assert head["ChecksumCRC32"] == crc32_base64(digests) + "-5"


def test_multipart_step_by_step(s3: Any) -> None:
    parts = [os.urandom(6 * MIB), os.urandom(100)]
    created = s3.create_multipart_upload(
        Bucket="bucket", Key="steps", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT"
    )
    upload = {"Bucket": "bucket", "Key": "steps", "UploadId": created["UploadId"]}
    sent = [s3.upload_part(**upload, PartNumber=at, Body=part) for at, part in enumerate(parts, 1)]
    assert [part["Size"] for part in s3.list_parts(**upload)["Parts"]] == [6 * MIB, 100]
    assert created["UploadId"] in [one["UploadId"] for one in s3.list_multipart_uploads(Bucket="bucket")["Uploads"]]
    named = [{"PartNumber": at, "ETag": part["ETag"]} for at, part in enumerate(sent, 1)]
    for wrong in (named[::-1], [{"PartNumber": 1, "ETag": '"other"'}]):
        with pytest.raises(ClientError) as caught:
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": wrong})
        assert code_of(caught)[0] == 400
    with pytest.raises(ClientError):
        s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named}, MpuObjectSize=1)
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": named}, MpuObjectSize=6 * MIB + 100)
    assert done["ChecksumCRC32"] == crc32_base64(b"".join(parts))
    across = s3.get_object(Bucket="bucket", Key="steps", Range=f"bytes={6 * MIB - 3}-{6 * MIB + 2}")
    assert across["Body"].read() == (parts[0][-3:] + parts[1][:3])


def test_abort(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="bucket", Key="aborted")["UploadId"]
    s3.abort_multipart_upload(Bucket="bucket", Key="aborted", UploadId=upload)
    with pytest.raises(ClientError) as caught:
        s3.upload_part(Bucket="bucket", Key="aborted", UploadId=upload, PartNumber=1, Body=b"x")
    assert code_of(caught) == (404, "NoSuchUpload")


def test_copy_and_part_copy(s3: Any) -> None:
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket="bucket", Key="source é", Body=data, Metadata={"a": "b"})
    s3.copy_object(Bucket="bucket", Key="copy", CopySource={"Bucket": "bucket", "Key": "source é"})
    got = s3.get_object(Bucket="bucket", Key="copy")
    assert (got["Body"].read(), got["Metadata"]) == (data, {"a": "b"})
    upload = s3.create_multipart_upload(Bucket="bucket", Key="joined")["UploadId"]
    part = s3.upload_part_copy(
        Bucket="bucket", Key="joined", UploadId=upload, PartNumber=1,
        CopySource={"Bucket": "bucket", "Key": "source é"}, CopySourceRange="bytes=5-5242884",
    )  # fmt: skip
    named = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
    s3.complete_multipart_upload(Bucket="bucket", Key="joined", UploadId=upload, MultipartUpload={"Parts": named})
    assert s3.get_object(Bucket="bucket", Key="joined")["Body"].read() == data[5:5242885]


def test_listing_pages_prefix_start_after(s3: Any) -> None:
    keys = [f"keys/{number:08d}" for number in range(2500)]
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="listing"))
    assert [len(page["Contents"]) for page in pages] == [1000, 1000, 500]
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    after = s3.list_objects_v2(Bucket="listing", StartAfter="keys/00002497")["Contents"]
    assert [entry["Key"] for entry in after] == keys[2498:]
    assert s3.list_objects_v2(Bucket="listing", Prefix="keys/000024")["KeyCount"] == 100
    assert s3.list_objects_v2(Bucket="listing", Prefix="none")["KeyCount"] == 0
    assert {entry["Size"] for entry in pages[0]["Contents"]} == {64}


def test_listing_delimiter_over_pages(s3: Any) -> None:
    s3.create_bucket(Bucket="folders")
    for key in ("a/1", "a/2", "a", "b/1", "c", "c/x/y", "d"):
        s3.put_object(Bucket="folders", Key=key, Body=b"")
    for page_size in (1, 2, 1000):
        prefixes, keys = [], []
        pages = s3.get_paginator("list_objects_v2").paginate(
            Bucket="folders", Delimiter="/", PaginationConfig={"PageSize": page_size}
        )
        for page in pages:
            prefixes += [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
            keys += [entry["Key"] for entry in page.get("Contents", [])]
        assert (prefixes, keys) == (["a/", "b/", "c/"], ["a", "c", "d"])


def test_delete_many_and_bucket(s3: Any) -> None:
    s3.create_bucket(Bucket="short-lived")
    keys = [f"k<&{number}" for number in range(1000)]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda key: s3.put_object(Bucket="short-lived", Key=key, Body=b"x"), keys))
    with pytest.raises(ClientError) as caught:
        s3.delete_bucket(Bucket="short-lived")
    assert code_of(caught) == (409, "BucketNotEmpty")
    answer = s3.delete_objects(
        Bucket="short-lived", Delete={"Objects": [{"Key": key} for key in [*keys[1:], "absent"]]}
    )
    assert len(answer["Deleted"]) == 1000
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="short-lived")["Contents"]] == keys[:1]
    s3.delete_objects(Bucket="short-lived", Delete={"Objects": [{"Key": keys[0]}], "Quiet": True})
    s3.delete_bucket(Bucket="short-lived")
    assert "short-lived" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket="short-lived")
    assert code_of(caught) == (404, "NoSuchBucket")


def test_wrong_checksum_is_refused(s3: Any) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket="bucket", Key="bad", Body=b"data", ChecksumCRC32=crc32_base64(b"other"))
    assert code_of(caught) == (400, "BadDigest")
    with pytest.raises(ClientError):
        s3.head_object(Bucket="bucket", Key="bad")


def test_trailing_checksum_over_tls(programs: None, tmp_path: Any) -> None:
    """Over TLS boto3 sends aws-chunked bodies whose checksum comes behind them."""
    certificate = make_certificate(tmp_path)
    data = os.urandom(3 * MIB + 1)
    with bench_server(buckets=["bucket"], certificate=certificate, verify=True) as server:
        client = connect(server, verify=str(certificate.authority))
        put = client.put_object(Bucket="bucket", Key="k", Body=io.BytesIO(data), ContentEncoding="x-ours")
        got = client.get_object(Bucket="bucket", Key="k")
        assert got["Body"].read() == data
        assert got["ContentEncoding"] == "x-ours"
        assert put["ChecksumCRC32"] == crc32_base64(data)
        client.close()


def test_discarding_server_keeps_the_record_but_not_the_bytes(programs: None) -> None:
    with bench_server(buckets=["bucket"], discard=True) as server:
        client = connect(server)
        client.put_object(Bucket="bucket", Key="k", Body=bytes(5 * MIB))
        assert client.head_object(Bucket="bucket", Key="k")["ContentLength"] == 5 * MIB
        assert server.counters()["bytes_in"] == 5 * MIB
        with pytest.raises(ClientError) as caught:
            client.get_object(Bucket="bucket", Key="k")
        assert code_of(caught) == (501, "NotImplemented")
        client.close()


def test_chunked_request_and_keep_alive(server: Server) -> None:
    """What no client library here sends: HTTP's own chunks, two requests in one packet, a malformed head."""
    requests = (
        b"PUT /bucket/chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        b"GET /bucket/chunked HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert exchange(server, requests).endswith(b"\r\n\r\nhello world")
    assert exchange(server, b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_absolute_form_of_the_target(server: Server) -> None:
    """The AWS C++ client sends it, as to a proxy."""
    head = b" http://127.0.0.1:9/bucket/absolute HTTP/1.1\r\nHost: x\r\n"
    requests = b"PUT" + head + b"Content-Length: 5\r\n\r\nhelloGET" + head + b"Connection: close\r\n\r\n"
    assert exchange(server, requests).endswith(b"\r\n\r\nhello")
    assert b"\r\n\r\nhello" in exchange(
        server, b"GET /bucket/absolute HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert exchange(server, b"GET http://nothing-behind HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def exchange(server: Server, request: bytes) -> bytes:
    """Sends bytes and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_s3torchconnector(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    s3torchconnector = pytest.importorskip("s3torchconnector", exc_type=ImportError)
    client_module = pytest.importorskip("s3torchconnector._s3client")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    config = s3torchconnector.S3ClientConfig(force_path_style=True, part_size=8 * MIB)
    client = client_module.S3Client("us-east-1", endpoint=server.endpoint, s3client_config=config)
    data = os.urandom(20 * MIB + 3)
    with client.put_object("bucket", "torch/a") as writer:
        writer.write(data)
    assert client.get_object("bucket", "torch/a").read() == data
    assert client.head_object("bucket", "torch/a").size == len(data)
    listed = [entry.key for page in client.list_objects("listing", "keys/") for entry in page.object_info]
    assert listed == [f"keys/{number:08d}" for number in range(2500)]
    client.delete_object("bucket", "torch/a")
