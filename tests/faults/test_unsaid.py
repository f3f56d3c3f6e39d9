"""What an answer does not say: how large the object is, of which generation it is, what was done to it on the way."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys

import pytest
from servers.content import MIB, content
from servers.fault_server import FaultServer
from servers.wire import Reply, Request

from s3dlio_core import PreconditionError, ProtocolError, UnsupportedOperationError, open_store
from s3dlio_core.moving.source import Source
from s3dlio_core.moving.transfer import transfer
from s3dlio_core.run.many import run
from s3dlio_core.weights.generation import open_generation

DATA = content(3 * MIB + 17, seed=32)
PARTS = {"part_size": MIB}

pytestmark = pytest.mark.usefixtures("counted")


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


def without_etag(request: Request, reply: Reply) -> None:
    reply.headers = [(name, value) for name, value in reply.headers if name.lower() != "etag"]


# ---- G32: no Content-Length in the answer to HEAD ----


@pytest.fixture
def silent_heads(server: FaultServer) -> FaultServer:
    server.fault("head", times=None, headers={"Content-Length": None})
    return server


def test_g32_the_size_is_found_where_head_does_not_state_it(silent_heads: FaultServer, store_on) -> None:
    store = store_on(silent_heads)
    assert store.head("a").size == len(DATA)
    with store.open_reader("a") as reader:
        assert reader.size == len(DATA)
        assert reader.read() == DATA
    assert store.get_into("a", bytearray(0)) == 0


def test_g32_an_empty_object_is_empty(silent_heads: FaultServer, store_on) -> None:
    silent_heads.put_object("data", "e", b"")
    assert store_on(silent_heads).head("e").size == 0


def test_g32_a_put_in_parts_is_kept(silent_heads: FaultServer, store_on) -> None:
    store = store_on(silent_heads, tuning={"part_size": 5 * MIB, "multipart_threshold": 5 * MIB})
    data = content(11 * MIB, seed=33)
    assert store.put("b", data).size == len(data)
    assert silent_heads.stored("data", "b") == data
    assert silent_heads.count("delete") == 0


def test_g32_cat_prints_all(silent_heads: FaultServer) -> None:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": silent_heads.endpoint_url,
        "AWS_ACCESS_KEY_ID": silent_heads.access_key,
        "AWS_SECRET_ACCESS_KEY": silent_heads.secret_key,
        "AWS_REGION": silent_heads.region,
    }
    command = [sys.executable, "-m", "s3dlio_core.cli", "cat", "s3://data/a"]
    ended = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout == DATA) == (0, True), ended.stderr


def test_g32_a_size_nobody_states_is_an_error(silent_heads: FaultServer, store_on) -> None:
    silent_heads.fault("get", times=None, edit=lambda request, reply: reply.set("Content-Range", "bytes 0-0/*"))
    with pytest.raises(ProtocolError, match="how large"):
        store_on(silent_heads).head("a")


# ---- G33: no ETag ----


@pytest.fixture
def nameless(server: FaultServer) -> FaultServer:
    """No ETag anywhere; the object is replaced by another of its size behind the first answer of bytes."""

    def replace(request: Request, reply: Reply) -> None:
        without_etag(request, reply)
        reply.headers = [(name, value) for name, value in reply.headers if name.lower() != "last-modified"]
        server.objects.buckets["data"]["a"].data = OTHER

    server.objects.buckets["data"]["a"].checksum = None
    server.fault("get", edit=replace)
    server.fault(times=None, edit=without_etag, headers={"Last-Modified": None})
    return server


OTHER = bytes(byte ^ 0x55 for byte in DATA)


def test_g33_parts_of_two_generations_are_never_put_together(nameless: FaultServer, store_on) -> None:
    store = store_on(nameless, tuning=PARTS)
    assert store.get("a", size=len(DATA)) in (DATA, OTHER)
    out = bytearray(len(DATA) - 5)
    assert store.get_into("a", out, offset=5) == len(out)
    assert out in (DATA[5:], OTHER[5:])


def test_g33_a_reader_reads_one_generation(nameless: FaultServer, store_on) -> None:
    with store_on(nameless, tuning=PARTS).open_reader("a") as reader:
        pieces = [reader.read(100_000) for _ in range(20)]
        reader.seek(3 * MIB)
        tail = reader.read()
    assert any(b"".join(pieces) == data[:2_000_000] and tail == data[3 * MIB :] for data in (DATA, OTHER))


def test_g33_a_download_in_pieces_is_of_one_generation(nameless: FaultServer, store_on, tmp_path) -> None:
    source = Source(store_on(nameless, tuning=PARTS), "a", "a", len(DATA), "")
    with open_store(tmp_path.as_uri()) as target:
        run(transfer(source, target, "a", MIB, lambda size: None))
    assert (tmp_path / "a").read_bytes() in (DATA, OTHER)


def test_g33_tensors_by_range_need_an_etag(nameless: FaultServer, store_on) -> None:
    with pytest.raises(UnsupportedOperationError, match="no ETag"):
        open_generation(store_on(nameless), "a")


def test_g33_last_modified_shows_a_change(server: FaultServer, store_on) -> None:
    def dated(second: int):
        def edit(request: Request, reply: Reply) -> None:
            without_etag(request, reply)
            reply.set("Last-Modified", f"Mon, 01 Jan 2024 00:00:0{second} GMT")

        return edit

    server.fault("get", edit=dated(1), cut_at=MIB)
    server.fault("get", times=None, edit=dated(2))
    with pytest.raises(PreconditionError, match="modified"):
        store_on(server).get("a")


# ---- G34, G35: answers of another shape ----


def test_g34_chunks_without_a_length_are_read(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, chunked=True, whole_object=True)
    store = store_on(server, tuning=PARTS)
    assert store.get("a") == DATA
    assert store.get_range("a", start=5, end=2 * MIB) == DATA[5 : 2 * MIB]


def test_g34_chunks_that_break_off_are_no_success(server: FaultServer, store_on) -> None:
    etag = server.objects.buckets["data"]["a"].etag.encode()
    head = b"HTTP/1.1 200 OK\r\nETag: " + etag + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.fault("get", raw_head=head + b"100000\r\n" + DATA[:1000], cut_at=0)
    assert store_on(server, tuning=PARTS).get("a") == DATA


def test_g34_a_body_that_ends_with_its_connection_is_refused(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, headers={"Content-Length": None}, end_after=True)
    with pytest.raises(ProtocolError):
        store_on(server, tuning={"part_size": 16 * MIB, "max_attempts": 2}).get("a")


@pytest.mark.parametrize("content_range", [None, "bytes 0--1/0"])
def test_g34_a_range_of_an_empty_object(fault_server: FaultServer, store_on, content_range: str | None) -> None:
    fault_server.put_object("data", "e", b"")
    status = 200 if content_range is None else 206
    fault_server.fault("get", times=None, status=status, headers={"Content-Range": content_range, "ETag": '"e"'})
    store = store_on(fault_server)
    assert store.get_range("e", start=0, end=10) == b""
    assert store.get_into("e", bytearray(10)) == 0


@pytest.mark.parametrize("how", ["chunked", "a length"])
def test_g35_bytes_compressed_on_the_way_are_an_error(server: FaultServer, store_on, how: str) -> None:
    def squeeze(request: Request, reply: Reply) -> None:
        reply.set("Content-Encoding", "gzip")
        reply.body = gzip.compress(DATA)

    server.objects.buckets["data"]["a"].checksum = None
    server.fault("get", times=None, edit=squeeze, chunked=how == "chunked")
    with pytest.raises(ProtocolError, match="compressed on the way"):
        store_on(server, tuning={"part_size": 16 * MIB}).get("a")


def test_metadata_that_is_no_utf8_is_latin_1(server: FaultServer, store_on) -> None:
    server.fault("head", headers={"x-amz-meta-name": "caf\u00e9", "Content-Type": "text/\u00fc"})  # sent as Latin-1
    meta = store_on(server).head("a")
    assert meta.user_metadata["name"] == "caf\u00e9"
    assert meta.content_type == "text/\u00fc"
