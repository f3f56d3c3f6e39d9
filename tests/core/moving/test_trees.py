"""upload and download of trees: what arrives, what is refused, what is reported."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.fault_server import FaultServer, Reply
from waiting import until

import s3dlio_core as s3dlio
from s3dlio_core import DownloadError, InvalidArgumentError, ObjectNotFoundError, Progress, UploadError
from s3dlio_core.moving import memory

BIG = bytes(range(256)) * (160 << 10)  # 40 MiB: goes in pieces


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, data in {"a.bin": b"aa", "sub/b.bin": b"bbb", "sub/deep/c.bin": b"", "big.bin": BIG}.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "tree"


@pytest.fixture
def dest(tmp_path: Path) -> str:
    return f"file://{tmp_path}/dest"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(tree: Path, dest: str, tmp_path: Path) -> None:
    sent = s3dlio.upload(tree, dest + "/x/")
    assert (sent.files, sent.bytes) == (4, len(BIG) + 5)
    assert contents(tmp_path / "dest/x") == contents(tree)
    got = s3dlio.download(dest + "/x/", tmp_path / "back")
    assert (got.files, got.bytes) == (4, len(BIG) + 5)
    assert contents(tmp_path / "back") == contents(tree)


async def test_there_and_back_on_a_loop(tree: Path, dest: str, tmp_path: Path) -> None:
    await s3dlio.upload_async([tree], dest)
    await s3dlio.download_async(dest, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(tree)


def test_one_file_to_an_exact_uri(tree: Path, dest: str, tmp_path: Path) -> None:
    s3dlio.upload(str(tree / "a.bin"), dest + "/renamed")
    assert contents(tmp_path / "dest") == {"renamed": b"aa"}
    s3dlio.download(dest + "/renamed", tmp_path / "back")
    assert contents(tmp_path / "back") == {"renamed": b"aa"}


def test_folder_without_its_slash(tree: Path, dest: str, tmp_path: Path) -> None:
    s3dlio.upload(tree / "sub", dest + "/y")
    assert contents(tmp_path / "dest/y") == {"b.bin": b"bbb", "deep/c.bin": b""}
    s3dlio.download(dest + "/y", tmp_path / "back")
    assert contents(tmp_path / "back") == {"b.bin": b"bbb", "deep/c.bin": b""}
    s3dlio.download(dest + "/y/", tmp_path / "flat", recursive=False)
    assert contents(tmp_path / "flat") == {"b.bin": b"bbb"}


def test_progress_reaches_the_end(tree: Path, dest: str) -> None:
    told: list[Progress] = []
    s3dlio.upload(tree, dest + "/", on_progress=told.append, max_in_flight=2)
    assert told[-1] == Progress(4, 4, len(BIG) + 5, len(BIG) + 5)
    assert len(told) > 5, "nothing was told within the large file"
    assert [step.bytes_done for step in told] == sorted(step.bytes_done for step in told)


def test_two_files_of_one_name(tree: Path, dest: str, tmp_path: Path) -> None:
    other = tmp_path / "other/a.bin"
    other.parent.mkdir()
    other.write_bytes(b"other")
    with pytest.raises(InvalidArgumentError, match=r"would both become .*a\.bin"):
        s3dlio.upload([tree / "a.bin", other], dest + "/")
    assert not (tmp_path / "dest").exists()


def test_failed_upload_is_named_and_the_rest_goes_on(tree: Path, dest: str, tmp_path: Path) -> None:
    (tmp_path / "dest/a.bin").mkdir(parents=True)  # in the way
    with pytest.raises(UploadError, match="1 of 4 failed") as caught:
        s3dlio.upload(tree, dest + "/")
    assert [name for name, _ in caught.value.failures] == [str(tree / "a.bin")]
    assert caught.value.succeeded == 3
    assert (tmp_path / "dest/big.bin").read_bytes() == BIG


def test_nothing_to_download(dest: str, tmp_path: Path) -> None:
    s3dlio.put(dest + "/some", b"")
    with pytest.raises(ObjectNotFoundError, match="nothing lies below"):
        s3dlio.download(dest + "/none", tmp_path / "back")


def test_links_in_the_folder_lead_nowhere_else(tree: Path, dest: str, tmp_path: Path) -> None:
    s3dlio.upload(tree / "sub", dest + "/")
    outside = tmp_path / "outside"
    outside.mkdir()
    back = tmp_path / "back"
    back.mkdir()
    (back / "deep").symlink_to(outside)
    with pytest.raises(DownloadError, match="1 of 2 failed"):
        s3dlio.download(dest + "/", back)
    assert contents(outside) == {}
    assert (back / "b.bin").read_bytes() == b"bbb"


def test_final_link_is_replaced_not_followed(tree: Path, dest: str, tmp_path: Path) -> None:
    s3dlio.upload(tree / "a.bin", dest + "/")
    outside = tmp_path / "outside.bin"
    outside.write_bytes(b"mine")
    back = tmp_path / "back"
    back.mkdir()
    (back / "a.bin").symlink_to(outside)
    s3dlio.download(dest + "/", back)
    assert outside.read_bytes() == b"mine"
    assert (back / "a.bin").read_bytes() == b"aa"


@pytest.fixture
def bucket(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", fault_server.endpoint_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", fault_server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fault_server.secret_key)
    s3dlio.close_stores()
    yield fault_server
    s3dlio.close_stores()


def test_hostile_keys_are_reported_and_the_rest_arrives(bucket: FaultServer, tmp_path: Path) -> None:
    hostile = ["in/../../evil", "in//evil", "in/a/./evil", "in/" + "/etc/evil", "in/..", "in/x/"]
    for key in [*hostile, "in/good", "in/sub/good"]:
        bucket.put_object("data", key, key.encode())
    bucket.put_object("data", "in/empty/", b"")  # what a console makes of a new folder
    back = tmp_path / "deep/back"
    with pytest.raises(DownloadError, match=f"{len(hostile)} of {len(hostile) + 2} failed") as caught:
        s3dlio.download("s3://data/in/", back)
    assert sorted(name for name, _ in caught.value.failures) == sorted(f"s3://data/{key}" for key in hostile)
    assert contents(tmp_path) == {"deep/back/good": b"in/good", "deep/back/sub/good": b"in/sub/good"}


def test_bucket_is_made_when_asked_for(bucket: FaultServer, tree: Path) -> None:
    with pytest.raises(UploadError):
        s3dlio.upload(tree / "a.bin", "s3://fresh-bucket/x/")
    s3dlio.upload(tree / "a.bin", "s3://fresh-bucket/x/", create_bucket=True)
    s3dlio.upload(tree / "sub/b.bin", "s3://fresh-bucket/x/", create_bucket=True)
    assert [meta.uri for meta in s3dlio.list("s3://fresh-bucket/")] == [
        "s3://fresh-bucket/x/a.bin",
        "s3://fresh-bucket/x/b.bin",
    ]


def test_large_file_goes_in_parts_and_comes_in_pieces(bucket: FaultServer, tree: Path, tmp_path: Path) -> None:
    s3dlio.upload(tree / "big.bin", "s3://data/big")
    assert bucket.stored("data", "big") == BIG
    s3dlio.download("s3://data/big", tmp_path / "back")
    assert (tmp_path / "back/big").read_bytes() == BIG
    s3dlio.copy("s3://data/big", f"file://{tmp_path}/copy")
    assert (tmp_path / "copy").read_bytes() == BIG


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a single object may hold 32 MiB only, so that BIG goes in pieces."""
    monkeypatch.setattr(memory, "_MOST", 32 << 20)


@pytest.mark.usefixtures("in_pieces")
def test_pieces_are_compared_with_the_stored_checksum(bucket: FaultServer, tmp_path: Path) -> None:
    bucket.put_object("data", "big", BIG)
    s3dlio.download("s3://data/big", tmp_path / "back")
    assert (tmp_path / "back/big").read_bytes() == BIG
    bucket.fault("get", skip=2, corrupt_at=1000)
    with pytest.raises(DownloadError) as caught:
        s3dlio.download("s3://data/big", tmp_path / "spoilt")
    (_, error), *_ = caught.value.failures
    assert isinstance(error, s3dlio.ChecksumMismatchError)
    assert "get s3://data/big: the crc64nvme of the bytes received" in str(error)
    assert contents(tmp_path / "spoilt") == {}, "damaged bytes became visible, or a temporary was left behind"


@pytest.mark.usefixtures("in_pieces")
def test_object_replaced_between_its_pieces(bucket: FaultServer, tmp_path: Path) -> None:
    bucket.put_object("data", "big", BIG)

    def replace(_: object, reply: Reply) -> Reply:
        bucket.put_object("data", "big", BIG[::-1])
        return reply

    bucket.fault("get", skip=1, edit=replace)
    with pytest.raises(DownloadError) as caught:
        s3dlio.download("s3://data/big", tmp_path / "back")
    assert isinstance(caught.value.failures[0][1], s3dlio.PreconditionError)
    assert contents(tmp_path / "back") == {}


async def test_cancelled_upload_leaves_nothing(bucket: FaultServer, tree: Path) -> None:
    bucket.fault("upload_part", skip=1, times=None, delay_head_seconds=30)
    task = asyncio.create_task(s3dlio.upload_async(tree / "big.bin", "s3://data/big"))
    await until(lambda: bucket.count("upload_part") >= 2)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert time.monotonic() - began < 5
    await until(lambda: not bucket.objects.uploads)
    assert bucket.stored("data", "big") is None


def test_an_open_store_brings_its_own_options(fault_server: FaultServer, store_on, tree: Path, tmp_path: Path) -> None:
    store = store_on(fault_server, prefix="run/")
    s3dlio.upload(tree / "sub", "s3://data/run/x", store=store)
    assert sorted(fault_server.objects.buckets["data"]) == ["run/x/b.bin", "run/x/deep/c.bin"]
    s3dlio.download("s3://data/run/x/", tmp_path / "back", store=store)
    assert contents(tmp_path / "back") == {"b.bin": b"bbb", "deep/c.bin": b""}
    s3dlio.download("s3://data/run", tmp_path / "all", store=store)
    assert sorted(contents(tmp_path / "all")) == ["x/b.bin", "x/deep/c.bin"]
    for call in (
        lambda uri: s3dlio.upload(tree, uri, store=store),
        lambda uri: s3dlio.download(uri, tree, store=store),
    ):
        with pytest.raises(InvalidArgumentError, match="does not lie in the store"):
            call("s3://other/x/")


@pytest.mark.parametrize("limit", [0, -1])
def test_no_objects_at_a_time_is_refused(tree: Path, dest: str, limit: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"max_in_flight is {limit}"):
        s3dlio.upload(tree, dest + "/", max_in_flight=limit)
    with pytest.raises(InvalidArgumentError, match=f"max_in_flight is {limit}"):
        s3dlio.download(f"file://{tree}/", tree.parent / "back", max_in_flight=limit)
