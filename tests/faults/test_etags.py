"""ETags that one service spells in several ways: unquoted in listings, weak or in upper case in answers to HEAD."""

from __future__ import annotations

import io
import re

import numpy
import pytest
import torch
import torch.distributed.checkpoint as dcp
from servers.fault_server import FaultServer, Reply, Request

from s3dlio_core import FetchItem, PreconditionError, Store
from s3dlio_torch import S3MapDataset
from s3dlio_torch.dcp import StorageReader, StorageWriter

DATA = b"0123456789" * 50_000


def unquoted_in_lists(request: Request, reply: Reply) -> None:
    reply.body = re.sub(
        rb"<ETag>&quot;(.*?)&quot;</ETag>|<ETag>\"(.*?)\"</ETag>", rb"<ETag>\1\2</ETag>", bytes(reply.body)
    )


def weak_in_heads(request: Request, reply: Reply) -> None:
    if etag := reply.header("ETag"):
        reply.set("ETag", f"W/{etag}")


def upper_in_heads(request: Request, reply: Reply) -> None:
    if etag := reply.header("ETag"):
        reply.set("ETag", etag.upper())


@pytest.fixture(params=["weak", "upper"])
def speller(fault_server: FaultServer, request: pytest.FixtureRequest) -> FaultServer:
    fault_server.fault("list", times=None, edit=unquoted_in_lists)
    fault_server.fault("head", times=None, edit=weak_in_heads if request.param == "weak" else upper_in_heads)
    return fault_server


@pytest.fixture
def store(speller: FaultServer, store_on) -> Store:
    speller.put_object("data", "a", DATA)
    return store_on(speller, tuning={"part_size": 100_000})


def test_l4_what_a_listing_names_is_read(store: Store) -> None:
    [meta] = store.list()
    assert not meta.etag.startswith('"')  # as the service gives it
    assert bytes(store.get("a", if_match=meta.etag)) == DATA
    item = FetchItem("a", meta.size, 5, 250_000, meta.etag)
    with store.prefetch([item, item]) as fetched:
        assert [bytes(buffer) for _, buffer in fetched] == [DATA[5:250_000]] * 2
    out = bytearray(len(DATA))
    store.get_many_into([FetchItem("a", meta.size, etag=meta.etag)], out, [0, len(DATA)])
    assert out == DATA


def test_l4_what_a_head_names_is_read_and_replaced(store: Store) -> None:
    with store.open_reader("a", read_ahead_bytes=0) as reader:
        assert reader.read() == DATA
    etag = store.head("a").etag
    if etag.startswith("W/"):  # another case is another etag to a service that compares the texts
        store.copy("a", "b", source_if_match=etag)
        store.put("a", b"new", if_match=etag)
        with pytest.raises(PreconditionError):
            store.put("a", b"newer", if_match=etag)
    else:
        store.put("a", b"new")
    with pytest.raises(PreconditionError):
        store.get("a", if_match=etag)


def test_l4_records_are_indexed_and_read(speller: FaultServer, store: Store) -> None:
    stored = io.BytesIO()
    numpy.save(stored, numpy.arange(12, dtype="<i4").reshape(4, 3))
    speller.put_object("data", "set/x.npy", stored.getvalue())
    options = {"endpoint_url": speller.endpoint_url, "access_key_id": "a", "secret_access_key": "b", "region": "r"}
    dataset = S3MapDataset("s3://data/set/", records="npy", **options)
    assert [dataset[index].tolist() for index in (3, 0)] == [[9, 10, 11], [0, 1, 2]]


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
def test_l4_a_checkpoint_is_saved_twice_and_loaded(fault_server: FaultServer) -> None:
    speller = fault_server
    speller.fault("list", times=None, edit=unquoted_in_lists)
    speller.fault("head", times=None, edit=weak_in_heads)
    options = {"endpoint_url": speller.endpoint_url, "region": "r"}
    given = {"access_key_id": "a", "secret_access_key": "b"}
    for value in (1.0, 2.0):
        writer = StorageWriter("s3://data/ckpt/", **options, options=given)
        dcp.save({"w": torch.full((1000,), value)}, storage_writer=writer, no_dist=True)
    state = {"w": torch.zeros(1000)}
    dcp.load(state, storage_reader=StorageReader("s3://data/ckpt/", **options, options=given), no_dist=True)
    assert state["w"].tolist() == [2.0] * 1000
