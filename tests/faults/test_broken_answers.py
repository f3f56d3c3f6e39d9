"""Reads whose answers break off, stall, lie or do not end: exact bytes or a typed error, never a byte too far.

Letters and numbers in the names are rows of docs/semantics.md's table of faults.
"""

from __future__ import annotations

import contextlib
import resource
import time

import pytest
from servers.access import IMPATIENT
from servers.content import MIB, content
from servers.fault_server import FaultServer, Reply, Request
from servers.guarded import Guarded

from s3dlio_core import (
    ChecksumMismatchError,
    PreconditionError,
    ProtocolError,
    StorageError,
    Store,
    TransferTimeoutError,
    stats,
)

DATA = content(3 * MIB + 17, seed=20)
ONE_PART = {"part_size": 16 * MIB}
PARTS = {"part_size": MIB, "initial_connections": 4}

pytestmark = pytest.mark.usefixtures("counted")


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


def read_exactly(store: Store) -> None:
    guarded = Guarded(len(DATA), misalign=3)
    assert store.get_into("a", guarded.view) == len(DATA)
    guarded.check()
    assert bytes(guarded) == DATA


def fails_untouched(store: Store, kind: type[StorageError] | tuple[type[StorageError], ...]) -> StorageError:
    """The read fails and its destination still holds what it held."""
    guarded = Guarded(len(DATA))
    with pytest.raises(kind) as caught:
        store.get_into("a", guarded.view)
    guarded.check()
    assert bytes(guarded) == b"\xee" * len(DATA), "a refused answer was written"
    return caught.value


@pytest.mark.parametrize("end", ["rst", "fin"])
@pytest.mark.parametrize("cut_at", [0, 1, 1_000_000, len(DATA) - 1])
def test_g1_g2_broken_body_is_resumed(server: FaultServer, store_on, cut_at: int, end: str) -> None:
    rule = server.fault("get", cut_at=cut_at, end=end)
    read_exactly(store_on(server, tuning=ONE_PART))
    first, second = server.seen("get")
    assert rule.fired == 1
    assert second.headers["if-match"] == server.objects.buckets["data"]["a"].etag or cut_at == 0
    resumed_at = second.range[0] if second.range else 0
    assert resumed_at <= cut_at
    if end == "fin":
        assert resumed_at == cut_at, "more than the missing tail was asked for"
    assert stats()["resumes"] == (1 if resumed_at else 0)
    assert stats()["transport_errors"] == 1
    assert first.connection != second.connection


@pytest.mark.parametrize("end", ["rst", "fin"])
def test_g1_broken_again_and_again(server: FaultServer, store_on, end: str) -> None:
    rule = server.fault("get", times=5, cut_at=200_000, end=end)
    read_exactly(store_on(server, tuning=ONE_PART))
    assert rule.fired == 5
    assert server.count("get") == 6


def test_g1_every_part_breaks_once(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, when=lambda r: r.attempt == 1 and (r.range or (0,))[0] % MIB == 0, cut_at=1000)
    read_exactly(store_on(server, tuning=PARTS))
    assert stats()["transport_errors"] == 3  # the last part has fewer bytes than that


def test_g1_for_ever_is_a_typed_error(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, cut_at=0, end="rst")
    store = store_on(server, tuning={**ONE_PART, "max_attempts": 3})
    error = fails_untouched(store, StorageError)
    assert isinstance(error, ConnectionError)
    assert error.attempts == server.count("get") == 3
    assert error.uri == "s3://data/a"


@pytest.mark.parametrize("cut_at", [0, 5, 40, 120])
def test_broken_head_is_asked_again(server: FaultServer, store_on, cut_at: int) -> None:
    server.fault("get", times=2, cut_head_at=cut_at)
    read_exactly(store_on(server, tuning=ONE_PART))


def test_g4_surplus_is_not_read_and_its_connection_not_reused(server: FaultServer, store_on) -> None:
    server.fault("get", surplus=b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL" * 100)
    store = store_on(server, tuning={**ONE_PART, "max_connections": 1})
    read_exactly(store)
    read_exactly(store)
    first, second = server.seen("get")
    assert first.connection != second.connection


def test_g4_surplus_that_came_with_the_answer(server: FaultServer, store_on) -> None:
    """In one piece with it, so it waits in our own memory, looking like the next answer."""
    server.put_object("data", "small", DATA[:100])
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL"
    server.fault("get", surplus=evil)
    store = store_on(server, tuning={"max_connections": 1, "initial_connections": 1})
    assert store.get("small") == DATA[:100]
    assert store.get("small") == DATA[:100]
    first, second = server.seen("get")
    assert first.connection != second.connection
    assert stats()["surplus_bodies"] == 1


@pytest.mark.parametrize("times", [1, None])
def test_g5_whole_object_instead_of_a_range(server: FaultServer, store_on, times: int | None) -> None:
    server.fault("get", times=times, whole_object=True)
    store = store_on(server, tuning=PARTS)
    refused = contextlib.suppress(StorageError) if times is None else contextlib.nullcontext()
    for start, end in [(0, 100), (1000, 5000), (len(DATA) - 10, len(DATA))]:
        with refused:
            assert store.get_range("a", start=start, end=end) == DATA[start:end]
    guarded = Guarded(5000)
    try:
        assert store.get_into("a", guarded.view, offset=MIB) == 5000
        assert bytes(guarded) == DATA[MIB : MIB + 5000]
    except StorageError:
        assert bytes(guarded) == b"\xee" * 5000
    guarded.check()
    with refused:
        assert store.get("a") == DATA


WRONG_RANGES = {
    "start": "bytes 1-{last}/{size}",
    "shifted": "bytes 7-{last}/{size}",
    "moved": "bytes 7-{moved}/{more}",  # as long as what was asked for
    "end": "bytes 0-{early}/{size}",
    "total": "bytes 0-{last}/{less}",
    "garbage": "bytes zero-ten/all",
    "unit": "lines 0-{last}/{size}",
    "negative": "bytes -5-{last}/{size}",
    "huge": "bytes 99999999999999999999999-{last}/{size}",
    "unsatisfied": "bytes */{size}",
}


def wrong_range(kind: str) -> str:
    size = len(DATA)
    return WRONG_RANGES[kind].format(
        last=size - 1, early=size - 5, moved=size + 6, size=size, more=size + 7, less=size - 9
    )


@pytest.mark.parametrize("kind", list(WRONG_RANGES))
def test_g6_wrong_content_range_is_rejected_unwritten(server: FaultServer, store_on, kind: str) -> None:
    server.fault("get", times=None, when=lambda r: r.range is not None, headers={"Content-Range": wrong_range(kind)})
    store = store_on(server, tuning={**ONE_PART, "max_attempts": 3})
    error = fails_untouched(store, (ProtocolError, PreconditionError))
    assert error.attempts >= 2, "one retry elsewhere"
    assert stats()["rejected_responses"] >= 2


@pytest.mark.parametrize("kind", list(WRONG_RANGES))
def test_g6_wrong_content_range_once(server: FaultServer, store_on, kind: str) -> None:
    server.fault("get", when=lambda r: r.range is not None, headers={"Content-Range": wrong_range(kind)})
    read_exactly(store_on(server, tuning=ONE_PART))
    assert stats()["rejected_responses"] == 1


def test_g6_fewer_bytes_than_asked_for_though_there_are_more(server: FaultServer, store_on) -> None:
    """Sound in itself and within the range, so a careless reader would take it for a short object."""

    def fewer(request: Request, reply: Reply) -> None:
        reply.body = reply.body[:1000]
        reply.set("Content-Range", f"bytes {request.range[0]}-{request.range[0] + 999}/{len(DATA)}")

    server.fault("get", times=None, when=lambda r: r.range is not None, edit=fewer)
    fails_untouched(store_on(server, tuning={**ONE_PART, "max_attempts": 3}), ProtocolError)


def test_g6_content_range_missing(server: FaultServer, store_on) -> None:
    server.fault("get", when=lambda r: r.range is not None, headers={"Content-Range": None})
    read_exactly(store_on(server, tuning=ONE_PART))


def test_g7_object_shorter_than_the_range(server: FaultServer, store_on) -> None:
    store = store_on(server, tuning=PARTS)
    guarded = Guarded(len(DATA) + 5 * MIB)
    assert store.get_into("a", guarded.view) == len(DATA)
    assert bytes(guarded) == DATA + b"\xee" * (5 * MIB)
    guarded.check()
    assert store.get_range("a", start=len(DATA) - 4, end=len(DATA) + 4 * MIB) == DATA[-4:]


@pytest.mark.parametrize("off_by", [-MIB, -1, 1, MIB])
def test_g7_wrong_size_from_a_listing(server: FaultServer, store_on, off_by: int) -> None:
    store = store_on(server, tuning=PARTS)
    with contextlib.suppress(StorageError):
        assert store.get("a", size=len(DATA) + off_by) == DATA


LENGTHS = {
    "two lengths": {"more_headers": (("Content-Length", "5"),)},
    "one length twice": {"more_headers": (("Content-Length", str(len(DATA))),)},
    "a list of lengths": {"headers": {"Content-Length": "5, 7"}},
    "length and chunked": {"more_headers": (("Transfer-Encoding", "chunked"),)},
    "length and sound chunks": {"chunked": True, "more_headers": (("Content-Length", str(len(DATA))),)},
    "negative": {"headers": {"Content-Length": "-5"}},
    "no number": {"headers": {"Content-Length": "many"}},
    "hex": {"headers": {"Content-Length": "0x10"}},
    "signed": {"headers": {"Content-Length": "+10"}},
    "too large": {"headers": {"Content-Length": "99999999999999999999999999"}},
    "space in the name": {"more_headers": (("Content-Length ", "5"),)},
    "bare text": {"raw_head": b"this is not HTTP at all\r\n\r\n"},
    "other version": {"raw_head": b"HTTP/3.7 200 OK\r\nContent-Length: 4\r\n\r\n"},
    "no status": {"raw_head": b"HTTP/1.1 abc OK\r\nContent-Length: 4\r\n\r\n"},
    "folded": {"raw_head": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 4\r\n\r\n"},
    "NUL": {"raw_head": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\n"},
}


@pytest.mark.parametrize("kind", list(LENGTHS))
def test_g8_unsound_framing_is_rejected(server: FaultServer, store_on, kind: str) -> None:
    server.fault("get", times=None, **LENGTHS[kind])
    store = store_on(server, tuning={**ONE_PART, "max_attempts": 2})
    fails_untouched(store, ProtocolError)
    server.heal()
    read_exactly(store)


def test_chunked_answers_are_decoded_within_bounds(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, chunked=True)
    store = store_on(server, tuning=ONE_PART)
    with contextlib.suppress(ProtocolError):
        read_exactly(store)


@pytest.mark.parametrize("off_by", [-1, -MIB, 1, MIB])
def test_g8_chunks_that_hold_another_number_of_bytes(server: FaultServer, store_on, off_by: int) -> None:
    """The head is sound and promises the range; only the chunks themselves tell."""

    def other(request: Request, reply: Reply) -> None:
        reply.body = bytes(reply.body)[:off_by] if off_by < 0 else bytes(reply.body) + b"!" * off_by

    server.objects.buckets["data"]["a"].checksum = None  # nothing else tells
    server.fault("get", times=None, chunked=True, edit=other)
    store = store_on(server, tuning={**ONE_PART, "max_attempts": 3})
    guarded = Guarded(len(DATA))
    if off_by < 0:
        with pytest.raises(StorageError):
            store.get_into("a", guarded.view)
    else:
        with contextlib.suppress(StorageError):
            assert store.get_into("a", guarded.view) == len(DATA)
            assert bytes(guarded) == DATA
    guarded.check()


@pytest.mark.parametrize("kind", ["header", "line", "1xx"])
def test_g10_endless_head_is_cut_off(server: FaultServer, store_on, kind: str) -> None:
    server.fault("get", times=None, endless=kind)
    store = store_on(server, tuning={**ONE_PART, **IMPATIENT, "max_attempts": 2})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    fails_untouched(store, (ProtocolError, TransferTimeoutError))
    assert time.monotonic() - began < 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "KiB"


def test_few_1xx_are_fine(server: FaultServer, store_on) -> None:
    body = DATA[:100]
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
    head += f"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: {server.put_object('data', 's', body).etag}\r\n".encode()

    def whole(request, reply):  # type: ignore[no-untyped-def]
        reply.status, reply.body = 200, body

    tail = b"Content-Range: bytes 0-99/100\r\n\r\n"
    server.fault("get", key="s", raw_head=head.replace(b"HTTP/1.1 200", b"HTTP/1.1 206") + tail, edit=whole)
    assert store_on(server).get_range("s", start=0, end=100) == body


def test_g11_no_first_byte(server: FaultServer, store_on) -> None:
    server.fault("get", stall_head=True)
    began = time.monotonic()
    read_exactly(store_on(server, tuning={**ONE_PART, **IMPATIENT}))
    assert time.monotonic() - began < 7
    assert stats()["timeouts"] + stats()["hedges"] >= 1


def test_g11_never_a_first_byte(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, stall_head=True)
    store = store_on(server, tuning={**ONE_PART, **IMPATIENT, "operation_timeout_seconds": 3.0})
    began = time.monotonic()
    error = fails_untouched(store, TransferTimeoutError)
    assert isinstance(error, TimeoutError)
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("how", [{"stall_at": 1_000_000}, {"bytes_per_second": 20}])
def test_g12_stalled_body_is_resumed(server: FaultServer, store_on, how: dict[str, float]) -> None:
    server.fault("get", **how)
    began = time.monotonic()
    read_exactly(store_on(server, tuning={**ONE_PART, **IMPATIENT}))
    assert time.monotonic() - began < 6
    _, second = server.seen("get")
    if "stall_at" in how:
        assert second.range == (1_000_000, len(DATA))
    assert stats()["timeouts"] + stats()["hedges"] >= 1


def test_g12_trickling_for_ever_ends_by_the_deadline(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, bytes_per_second=20)
    store = store_on(server, tuning={**ONE_PART, **IMPATIENT, "operation_timeout_seconds": 3.0})
    guarded = Guarded(len(DATA))
    began = time.monotonic()
    with pytest.raises(TransferTimeoutError):
        store.get_into("a", guarded.view)
    assert time.monotonic() - began < 6
    guarded.check()


def test_g13_one_slow_connection_does_not_hold_up_the_rest(fault_server: FaultServer, store_on) -> None:
    whole = content(8 * MIB, seed=21)
    fault_server.put_object("data", "a", whole)
    tuning = {"part_size": MIB // 4, "initial_connections": 32, "max_connections": 40, "stall_window_seconds": 30.0}
    tuning["first_byte_timeout_seconds"] = 30.0

    def timed_read() -> float:
        store = store_on(fault_server, tuning=tuning)
        began = time.monotonic()
        assert store.get("a") == whole
        return time.monotonic() - began

    fault_server.fault("get", times=None, bytes_per_second=MIB)
    usual = sorted(timed_read() for _ in range(3))[1]
    fault_server.heal()
    slow = fault_server.fault("get", skip=7, bytes_per_second=10_000)
    fault_server.fault("get", times=None, bytes_per_second=MIB)
    took = timed_read()
    assert slow.fired == 1
    assert stats()["hedges"] >= 1
    assert took <= 2 * usual + 1.0, f"{took:.2f} s, usually {usual:.2f} s; alone the slow part takes 26 s"


@pytest.mark.parametrize("parts", ["one", "several"])
def test_g19_flipped_byte_is_fetched_again(server: FaultServer, store_on, parts: str) -> None:
    server.fault("get", when=lambda r: r.range is None or r.range[0] == 0, corrupt_at=12_345)
    read_exactly(store_on(server, tuning=ONE_PART if parts == "one" else PARTS))
    assert stats()["checksum_mismatches"] == 1
    assert stats()["checksums_verified"] >= 1


@pytest.mark.parametrize("parts", ["one", "several"])
def test_g19_flipped_byte_for_ever_is_an_error(server: FaultServer, store_on, parts: str) -> None:
    server.fault("get", times=None, when=lambda r: r.range is None or r.range[0] == 0, corrupt_at=12_345)
    store = store_on(server, tuning=ONE_PART if parts == "one" else PARTS)
    with pytest.raises(ChecksumMismatchError) as caught:
        store.get("a")
    assert caught.value.uri == "s3://data/a"
    assert stats()["checksum_mismatches"] == 3
    assert len([r for r in server.seen("get") if r.range is None or r.range[0] == 0]) == 3


def test_verification_can_be_turned_off(server: FaultServer, store_on) -> None:
    server.fault("get", corrupt_at=12_345)
    data = store_on(server, tuning=ONE_PART).get("a", verify=False)
    assert bytes(data) != DATA
    assert stats()["checksums_verified"] == 0


def test_missing_checksum_is_counted(server: FaultServer, store_on) -> None:
    server.objects.buckets["data"]["a"].checksum = None
    read_exactly(store_on(server, tuning=ONE_PART))
    assert stats()["checksums_verified"] == 0
    assert stats()["checksums_absent"] >= 1
