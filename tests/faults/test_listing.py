"""Listings that are cut, loop, or hold hostile names."""

from __future__ import annotations

import re

import pytest
from servers.fault_server import FaultServer, Reply, Request
from servers.seaweedfs import LocalS3

from s3dlio_core import BucketNotFoundError, DeleteError, InvalidArgumentError, ProtocolError, Store, stats

pytestmark = pytest.mark.usefixtures("counted")


@pytest.fixture
def store(fault_server: FaultServer, store_on) -> Store:
    for index in range(10):
        fault_server.put_object("data", f"k{index}", b"x" * index)
    fault_server.objects.page_size = 4
    return store_on(fault_server, tuning={"max_attempts": 3})


def test_l1_truncated_document_is_never_a_short_listing(fault_server: FaultServer, store: Store) -> None:
    def cut(request: Request, reply: Reply) -> None:
        reply.body = reply.body[: len(reply.body) - 60]

    rule = fault_server.fault("list", times=None, skip=1, edit=cut)
    seen = []
    with pytest.raises(ProtocolError):
        for meta in store.list():
            seen.append(meta.key)
    assert rule.fired >= 1
    assert seen == ["k0", "k1", "k2", "k3"][: len(seen)]


@pytest.mark.parametrize("share", range(0, 100, 9))
def test_l1_cut_anywhere(fault_server: FaultServer, store: Store, share: int) -> None:
    def cut(request: Request, reply: Reply) -> None:
        reply.body = reply.body[: len(reply.body) * share // 100]

    fault_server.fault("list", times=None, edit=cut)
    with pytest.raises(ProtocolError):
        list(store.list())


def test_l1_broken_connection_is_asked_again(fault_server: FaultServer, store: Store) -> None:
    fault_server.fault("list", skip=1, cut_at=100, end="fin")
    assert [meta.key for meta in store.list()] == [f"k{index}" for index in range(10)]


def test_l1_repeated_token_is_a_loop(fault_server: FaultServer, store: Store) -> None:
    def repeat(request: Request, reply: Reply) -> None:
        text = bytes(reply.body).decode()
        text = re.sub("<IsTruncated>.*?</IsTruncated>", "<IsTruncated>true</IsTruncated>", text)
        text = re.sub("<NextContinuationToken>.*?</NextContinuationToken>", "", text)
        reply.body = text.replace("</Name>", "</Name><NextContinuationToken>same</NextContinuationToken>").encode()

    def first_page(request: Request) -> bool:
        return True

    fault_server.fault("list", times=None, when=first_page, edit=repeat)
    with pytest.raises(ProtocolError):
        # "same" is no token of ours, so the server starts over: without a check this never ends.
        for count, _ in enumerate(store.list()):
            assert count < 100
    assert fault_server.count("list") < 10


def spelt(page: list[str], token: str) -> bytes:
    """One page of a listing, with `token` leading on to the next."""
    contents = "".join(f"<Contents><Key>{key}</Key><Size>1</Size></Contents>" for key in page)
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
    return f"<ListBucketResult>{contents}{more}</ListBucketResult>".encode()


LYING = {
    "overlapping": lambda number: [f"k{10 + 3 * number + index}" for index in range(5)],
    "descending": lambda number: [f"k{90 - 3 * number + index}" for index in range(3)],
    "the same for ever": lambda number: ["k10", "k11"],
}


@pytest.mark.parametrize("kind", list(LYING))
async def test_l2_pages_that_do_not_go_on_are_an_error(fault_server: FaultServer, store: Store, kind: str) -> None:
    def lie(request: Request, reply: Reply) -> None:
        number = int(request.query.get("continuation-token", "t0").removeprefix("t"))
        reply.body = spelt(LYING[kind](number), f"t{number + 1}")

    fault_server.fault("list", times=None, edit=lie)
    seen: list[str] = []
    with pytest.raises(ProtocolError, match="the listing cannot be trusted: a page goes back to k"):
        for meta in store.list():
            seen.append(meta.key)
            assert len(seen) < 100
    assert len(set(seen)) == len(seen) <= 5
    with pytest.raises(ProtocolError, match="a page goes back"):
        [meta async for meta in store.list_async()]
    with pytest.raises(ProtocolError, match="a page goes back"):
        store.list_with_delimiter()
    assert fault_server.count("list") <= 9  # a page that cannot be trusted is asked for once more


def test_l2_the_order_of_a_gateway_over_folders_is_no_lie(seaweedfs: LocalS3, store_on, name: str) -> None:
    """SeaweedFS goes down into a folder before the folder's neighbours: "a/x" comes before "a-b"."""
    store = store_on(seaweedfs, bucket="train", prefix=f"{name}/")
    keys = ["a-b", "a.txt", "a/x", "a/y", "a0", "c/z"]
    store.put_many([(key, b"1") for key in keys])
    found, token = [], ""
    for _ in keys:
        page = store._native().list_page("", "", "", token, 2).wait()
        found += [meta.key for meta in page.objects]
        if not (token := page.continuation_token):
            break
    assert sorted(found) == keys
    assert found.index("a/x") < found.index("a-b")


def test_l2_a_list_of_buckets_that_goes_round(fault_server: FaultServer, store: Store) -> None:
    names = iter(range(1000))

    def lie(request: Request, reply: Reply) -> None:
        more = f"<ContinuationToken>t{next(names)}</ContinuationToken>"
        bucket = "<Buckets><Bucket><Name>data</Name></Bucket></Buckets>"
        reply.body = f"<ListAllMyBucketsResult>{bucket}{more}</ListAllMyBucketsResult>".encode()

    fault_server.fault("list_buckets", times=None, edit=lie)
    with pytest.raises(ProtocolError, match="names a bucket or a next page twice"):
        store.list_buckets()
    assert fault_server.count("list_buckets") == 2


def test_l2_buckets_that_never_come(fault_server: FaultServer, store: Store) -> None:
    numbers = iter(range(10_000))

    def lie(request: Request, reply: Reply) -> None:
        more = f"<ContinuationToken>t{next(numbers)}</ContinuationToken>"
        reply.body = f"<ListAllMyBucketsResult><Buckets></Buckets>{more}</ListAllMyBucketsResult>".encode()

    fault_server.fault("list_buckets", times=None, edit=lie)
    with pytest.raises(ProtocolError, match="1001 pages in a row held nothing"):
        store.list_buckets()


def test_l1_truncated_without_a_token(fault_server: FaultServer, store: Store) -> None:
    def drop(request: Request, reply: Reply) -> None:
        reply.body = re.sub(b"<NextContinuationToken>.*?</NextContinuationToken>", b"", bytes(reply.body))

    fault_server.fault("list", times=None, edit=drop)
    with pytest.raises(ProtocolError):
        list(store.list())


LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated>"
END = b"</ListBucketResult>"
HOSTILE = {
    "entity bomb": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><ListBucketResult>&b;'
    b"</ListBucketResult>",
    "external entity": b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    b"<ListBucketResult><Contents><Key>&a;</Key></Contents></ListBucketResult>",
    "deep": b"<ListBucketResult>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</ListBucketResult>",
    "other document": b"<html><body>Welcome</body></html>",
    "negative size": LIST + b"<Contents><Key>a</Key><Size>-5</Size></Contents>" + END,
    "size in words": LIST + b"<Contents><Key>a</Key><Size>many</Size></Contents>" + END,
    "mismatched": b"<ListBucketResult><Contents></ListBucketResult></Contents>",
    "not UTF-8": LIST + b"<Contents><Key>\xff\xfe</Key><Size>1</Size></Contents>" + END,
    "nothing": b"",
}


@pytest.mark.parametrize("kind", list(HOSTILE))
def test_l1_hostile_documents(fault_server: FaultServer, store: Store, kind: str) -> None:
    fault_server.fault("list", times=None, body=HOSTILE[kind])
    with pytest.raises(ProtocolError):
        list(store.list())


def test_l1_page_without_end_is_cut_off(fault_server: FaultServer, store: Store) -> None:
    fault_server.fault("list", times=None, body=b"<ListBucketResult>" + b" " * (40 << 20))
    with pytest.raises(ProtocolError):
        list(store.list())


NAMES = [
    "../../etc/passwd", "a/../b", "..", "/abs", "\x01\x02\x1f", "new\nline", "tab\t", "<&>\"'", "]]>", "x" * 1024,
    "ü", "a+b c%20",
]  # fmt: skip


def test_l1_hostile_names_come_back_as_they_are(fault_server: FaultServer, store_on) -> None:
    for key in NAMES:
        fault_server.put_object("data", key, key.encode())
    store = store_on(fault_server)
    assert [meta.key for meta in store.list()] == sorted(NAMES, key=str.encode)
    for key in NAMES:
        assert store.get(key) == key.encode()
    folded = store.list_with_delimiter()
    assert list(folded.common_prefixes) == ["../", "/", "a/"]


async def test_the_marker_at_the_prefix_itself_is_named_so_that_it_can_be_used(
    fault_server: FaultServer, store_on
) -> None:
    """What consoles store for "create folder": an empty object of the folder's own name."""
    for key in ("train/", "train/a"):
        fault_server.put_object("data", key, b"" if key == "train/" else b"data")
    store = store_on(fault_server, prefix="train/")
    assert [(meta.key, meta.uri) for meta in store.list()] == [("", "s3://data/train/"), ("a", "s3://data/train/a")]
    assert (store.get(""), store.head("").size, store.exists("")) == (b"", 0, True)
    assert await store.get_async("") == b""
    for write in (store.put, store.open_writer):
        with pytest.raises(InvalidArgumentError, match="the key is empty"):
            write("", b"x") if write == store.put else write("")
    with pytest.raises(InvalidArgumentError, match="the key is empty"):
        store.copy("a", "")
    store.delete([meta.key for meta in store.list()])
    assert list(store.list()) == []
    with pytest.raises(InvalidArgumentError, match="the key is empty"):
        store_on(fault_server).get("")


async def test_l7_a_bucket_that_is_missing_is_an_error_of_exists(fault_server: FaultServer, store_on) -> None:
    missing = store_on(fault_server, bucket="missing")
    for _ in range(2):
        with pytest.raises(BucketNotFoundError, match="head s3://missing/a"):
            missing.exists("a")
    with pytest.raises(BucketNotFoundError):
        await missing.exists_async("a")
    there = store_on(fault_server)
    assert [there.exists(f"none{index}") for index in range(3)] == [False] * 3
    assert (fault_server.count("head"), fault_server.count("list")) == (6, 4)  # the bucket is asked about once


def test_deletion_that_fails_for_some(fault_server: FaultServer, store: Store) -> None:
    def refuse_two(request: Request, reply: Reply) -> None:
        error = b"<Error><Key>k3</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
        reply.body = bytes(reply.body).replace(b"<Deleted><Key>k3</Key></Deleted>", error)

    fault_server.fault("delete_many", edit=refuse_two)
    with pytest.raises(DeleteError) as caught:
        store.delete(["k1", "k3", "k5"])
    assert [name for name, _ in caught.value.failures] == ["k3"]
    assert caught.value.succeeded == 2
    assert "k3" in str(caught.value)
    assert fault_server.stored("data", "k1") is None


def test_deletion_answered_for_too_few_keys(fault_server: FaultServer, store: Store) -> None:
    fault_server.fault("delete_many", times=None, status=200, body=b"<DeleteResult></DeleteResult>")
    with pytest.raises((ProtocolError, DeleteError)):
        store.delete(["k1", "k3"])


def test_listing_is_retried(fault_server: FaultServer, store: Store) -> None:
    fault_server.fault("list", times=2, status=500, code="InternalError")
    assert len(list(store.list())) == 10
    assert stats()["server_errors"] == 2
