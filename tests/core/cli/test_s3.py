"""The program against a real S3 server that checks signatures."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from core.cli.cli_program import Ended, Program, access
from servers.moto import MotoServer

from s3dlio_core.datagen import generate_data

HOSTILE = [
    "a b",
    "grün/日本",
    "x/../../../escape",
    "//double",
    "trailing/",
    "per%20cent",
    "q?a=b&c",
    "plus+sign",
    "x/./y",
]


@pytest.fixture
def s3(program: Program, moto: MotoServer) -> Callable[..., Ended]:
    def run(*arguments: Any, **options: Any) -> Ended:
        return program(*arguments, env={**access(moto), **options.pop("env", {})}, **options)

    return run


@pytest.fixture
def client(moto: MotoServer) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=moto.endpoint_url,
        aws_access_key_id=moto.access_key,
        aws_secret_access_key=moto.secret_key,
        region_name=moto.region,
    )
    yield client
    client.close()


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"cli-{uuid.uuid4().hex[:10]}"
    client.create_bucket(Bucket=name)
    return name


def keys_in(client: Any, bucket: str) -> list[str]:
    return [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_the_life_of_a_bucket(s3: Callable[..., Ended]) -> None:
    name = f"cli-{uuid.uuid4().hex[:10]}"
    s3("create-bucket", name, ok=True)
    listed = {document["name"]: document for document in s3("list-buckets", "--json", ok=True).documents}
    assert listed[name]["uri"] == f"s3://{name}"
    assert listed[name]["created"].endswith("Z")
    assert name in "\n".join(s3("list-buckets", ok=True).lines)
    s3("put", f"s3://{name}/data/", "-n", "3", "-s", "10", ok=True)
    assert s3("delete-bucket", name).status == 1  # not empty
    s3("rm", "-r", "--yes", f"s3://{name}", ok=True)
    s3("delete-bucket", f"s3://{name}", ok=True)
    assert name not in s3("list-buckets", ok=True).stdout.decode()


def test_put_creates_the_bucket_when_told_to(s3: Callable[..., Ended], client: Any) -> None:
    name = f"cli-{uuid.uuid4().hex[:10]}"
    assert s3("put", f"s3://{name}/d/", "-s", "5").status == 1
    for _ in range(2):  # one that is there already does no harm
        s3("put", f"s3://{name}/d/", "-s", "5", "-c", ok=True)
    assert keys_in(client, name) == ["d/obj-0-of-1"]


def test_put_list_stat_get_delete(s3: Callable[..., Ended], client: Any, bucket: str) -> None:
    s3("put", f"s3://{bucket}/data", "-n", "20", "-s", "100k", "--seed", "3", "-t", "{}.bin", ok=True)
    body = client.get_object(Bucket=bucket, Key="data/7.bin")["Body"].read()
    assert body == bytes(generate_data(102_400, seed=3, index=7))
    assert len(s3("ls", f"s3://{bucket}/data/", ok=True).lines) == 20
    assert s3("ls", f"s3://{bucket}", ok=True).lines == [f"s3://{bucket}/data/"]
    assert s3("ls", rf"s3://{bucket}/data/^1\d", "-c", "--json", ok=True).document["objects"] == 10
    document = s3("stat", "--json", f"s3://{bucket}/data/7.bin", ok=True).document
    assert (document["size"], document["uri"]) == (102_400, f"s3://{bucket}/data/7.bin")
    assert document["etag"].startswith('"')
    fetched = s3("get", "-r", "--json", f"s3://{bucket}/data", ok=True).document
    assert (fetched["succeeded"], fetched["bytes"]) == (20, 2_048_000)
    assert s3("rm", "-p", r"^1", "--json", f"s3://{bucket}/data", ok=True).document["succeeded"] == 11
    assert len(keys_in(client, bucket)) == 9


def test_keys_are_opaque(s3: Callable[..., Ended], client: Any, bucket: str, tmp_path: Path) -> None:
    for key in HOSTILE:
        client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    listed = s3("ls", "-r", "--json", f"s3://{bucket}/", ok=True).documents
    assert sorted(document["key"] for document in listed) == sorted(HOSTILE)
    for key in HOSTILE:
        assert s3("cat", f"s3://{bucket}/{key}", ok=True).stdout == key.encode()
    s3("rm", f"s3://{bucket}/x/../../../escape", ok=True)
    assert sorted(keys_in(client, bucket)) == sorted(set(HOSTILE) - {"x/../../../escape"})


def test_downloads_stay_in_their_folder_and_do_the_rest(
    s3: Callable[..., Ended], client: Any, bucket: str, tmp_path: Path
) -> None:
    hostile = ("../escape", "a/../../escape", "/absolute", "no-folder/")
    for key in (*hostile, "fine/a b", "grün"):
        client.put_object(Bucket=bucket, Key="d/" + key, Body=key.encode())
    client.put_object(Bucket=bucket, Key="d/marker/", Body=b"")  # what a console makes of a new folder
    (tmp_path / "room").mkdir()
    ended = s3("download", f"s3://{bucket}/d/", tmp_path / "room" / "out", "--json")
    assert ended.status == 1
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"room/out/fine/a b", "room/out/grün"}
    assert (tmp_path / "room" / "out" / "fine" / "a b").read_bytes() == b"fine/a b"
    failed = {failure["uri"] for failure in ended.document["failures"]}
    assert failed == {f"s3://{bucket}/d/{key}" for key in hostile}
    assert "4 of 6 failed" in ended.stderr


def test_trees_go_up_down_and_across(
    s3: Callable[..., Ended], client: Any, bucket: str, folder: Path, tmp_path: Path
) -> None:
    s3("upload", folder, f"s3://{bucket}/up", ok=True)
    s3("cp", "-r", f"s3://{bucket}/up", f"s3://{bucket}/across", ok=True)
    s3("cp", f"s3://{bucket}/up/a.csv", f"s3://{bucket}/single.csv", ok=True)
    s3("cp", "-r", f"s3://{bucket}/across", tmp_path / "down", ok=True)
    for path in folder.rglob("*"):
        if path.is_file():
            assert (tmp_path / "down" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert client.get_object(Bucket=bucket, Key="single.csv")["Body"].read() == b"a"


def test_multipart_both_ways(s3: Callable[..., Ended], client: Any, bucket: str, tmp_path: Path) -> None:
    data = bytes(generate_data(40 << 20, seed=1))
    (tmp_path / "big").write_bytes(data)
    s3("cp", tmp_path / "big", f"s3://{bucket}/big", ok=True)
    assert client.get_object(Bucket=bucket, Key="big")["Body"].read() == data
    s3("cp", f"s3://{bucket}/big", tmp_path / "back", ok=True)
    assert (tmp_path / "back").read_bytes() == data


def test_a_missing_bucket_is_one_line(s3: Callable[..., Ended]) -> None:
    ended = s3("ls", "s3://no-such-bucket-here/")
    assert ended.status == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "no-such-bucket-here" in ended.stderr


def test_wrong_credentials_are_one_line_without_the_secret(s3: Callable[..., Ended], bucket: str) -> None:
    ended = s3("ls", f"s3://{bucket}/", env={"AWS_SECRET_ACCESS_KEY": "wrong-secret-key"})
    assert ended.status == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "wrong-secret-key" not in ended.stderr


def test_dotenv_gives_credentials(program: Program, moto: MotoServer, bucket: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in access(moto).items()))
    assert program("ls", f"s3://{bucket}/", cwd=tmp_path, ok=True).lines == []


def test_delete_reports_keys_the_server_refuses(s3: Callable[..., Ended], client: Any, bucket: str) -> None:
    for key in ("a", "b", "c"):
        client.put_object(Bucket=bucket, Key=key, Body=b"")
    denied = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/b"}
        ],
    }
    import json

    client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(denied))
    ended = s3("rm", "-r", "--yes", "--json", f"s3://{bucket}/")
    assert keys_in(client, bucket) == ["b"]
    assert ended.status == 1
    assert [failure["uri"] for failure in ended.document["failures"]] == [f"s3://{bucket}/b"]
