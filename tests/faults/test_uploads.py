"""Writes that go wrong on the way: what is stored is what was given, or nothing is, and no upload is left behind."""

from __future__ import annotations

import contextlib

import pytest
from servers.access import IMPATIENT
from servers.content import MIB, content
from servers.fault_server import FaultServer, Reply, Request
from servers.objects import error_document
from waiting import wait_until

from s3dlio_core import (
    ConnectionFailedError,
    IntegrityError,
    ObjectExistsError,
    PreconditionError,
    ProtocolError,
    ServerError,
    StorageError,
    Store,
    TransferTimeoutError,
    stats,
)

DATA = content(13 * MIB + 5, seed=26)
PARTS = {"part_size": 5 * MIB, "multipart_threshold": 6 * MIB}
IMPATIENTLY = {**PARTS, **IMPATIENT}

pytestmark = pytest.mark.usefixtures("counted")


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    return fault_server


@pytest.fixture
def store(server: FaultServer, store_on) -> Store:
    return store_on(server, tuning=PARTS)


def put(store: Store, way: str, **options: object) -> None:
    if way == "put":
        store.put("up", DATA, **options)
    else:
        with store.open_writer("up", **options) as writer:
            for start in range(0, len(DATA), MIB):
                writer.write(DATA[start : start + MIB])


def nothing_left(server: FaultServer) -> None:
    assert server.objects.uploads == {}, "an upload was left behind"
    assert server.stored("data", "up") is None


UPLOAD_FAULTS = {
    "reset": {"end_after_request_bytes": 2_000_000, "end": "rst"},
    "closed": {"end_after_request_bytes": 2_000_000, "end": "fin"},
    "reset at once": {"end_after_request_bytes": 0, "end": "rst"},
    "answer lost": {"lose_answer": True, "end": "rst"},
    "500": {"status": 500, "code": "InternalError"},
    "503": {"status": 503, "code": "SlowDown"},
    # These two last until the client has had enough of it.
    "stall": {"stall_after_request_bytes": 1_000_000},
    "no answer": {"stall_head": True},
}


@pytest.mark.parametrize("way", ["put", "writer"])
@pytest.mark.parametrize("kind", list(UPLOAD_FAULTS))
def test_u1_part_is_sent_again(server: FaultServer, store_on, kind: str, way: str) -> None:
    rule = server.fault("upload_part", skip=1, **UPLOAD_FAULTS[kind])
    put(store_on(server, tuning=IMPATIENTLY), way)
    assert rule.fired == 1
    assert server.stored("data", "up") == DATA
    assert server.objects.uploads == {}
    assert stats()["upload_parts_resent"] == 1


@pytest.mark.parametrize("kind", list(UPLOAD_FAULTS))
def test_u1_small_put_is_sent_again(server: FaultServer, store_on, kind: str) -> None:
    rule = server.fault("put", **UPLOAD_FAULTS[kind])
    store_on(server, tuning=IMPATIENTLY).put("up", DATA[: 5 * MIB])
    assert rule.fired == 1
    assert server.stored("data", "up") == DATA[: 5 * MIB]


@pytest.mark.parametrize("kind", ["reset", "500", "stall"])
def test_u1_part_that_never_goes_through(server: FaultServer, store_on, kind: str) -> None:
    tuning = {**IMPATIENTLY, "max_attempts": 2, "operation_timeout_seconds": 5.0}
    rule = server.fault("upload_part", times=None, when=lambda r: r.query["partNumber"] == "2", **UPLOAD_FAULTS[kind])
    with pytest.raises((ServerError, ConnectionFailedError, TransferTimeoutError)):
        put(store_on(server, tuning=tuning), "put")
    assert rule.fired >= 2
    nothing_left(server)
    assert stats()["uploads_aborted"] == 1


@pytest.mark.parametrize("way", ["put", "writer"])
def test_u2_part_answer_without_etag(server: FaultServer, store: Store, way: str) -> None:
    server.fault("upload_part", times=None, headers={"ETag": None})
    with pytest.raises(ProtocolError):
        put(store, way)
    nothing_left(server)


@pytest.mark.parametrize("code", ["InternalError", "SlowDown"])
def test_u3_error_in_a_200_on_completion_is_retried(server: FaultServer, store: Store, code: str) -> None:
    rule = server.fault("complete_upload", status=200, body=error_document(code, "try again"))
    put(store, "put")
    assert rule.fired == 1
    assert server.stored("data", "up") == DATA


@pytest.mark.parametrize("way", ["put", "writer"])
def test_u3_error_in_a_200_for_ever(server: FaultServer, store_on, way: str) -> None:
    server.fault("complete_upload", times=None, status=200, body=error_document("InternalError", "never"))
    with pytest.raises(ServerError) as caught:
        put(store_on(server, tuning={**PARTS, "max_attempts": 3}), way)
    assert caught.value.service_code == "InternalError"
    nothing_left(server)


@pytest.mark.parametrize("body", [b"", b"<CompleteMultipartUploadResult>", b"<html/>", b"garbage"])
def test_completion_answered_with_nonsense(server: FaultServer, store_on, body: bytes) -> None:
    server.fault("complete_upload", times=None, status=200, body=body)
    with pytest.raises(StorageError):
        put(store_on(server, tuning={**PARTS, "max_attempts": 2}), "put")
    nothing_left(server)


@pytest.mark.parametrize("end", ["rst", "fin"])
@pytest.mark.parametrize("way", ["put", "writer"])
def test_u4_answer_to_the_completion_lost(server: FaultServer, store: Store, way: str, end: str) -> None:
    server.fault("complete_upload", lose_answer=True, end=end)
    put(store, way)
    assert server.stored("data", "up") == DATA
    assert stats()["completions_recovered"] == 1
    assert server.count("head") >= 1


@pytest.mark.parametrize("other", [DATA[:-1], DATA[:-1] + bytes([DATA[-1] ^ 1])], ids=["shorter", "one byte differs"])
def test_u4_answer_lost_and_something_else_is_there(server: FaultServer, store: Store, other: bytes) -> None:
    def overwritten(request: Request, reply: Reply) -> None:
        server.put_object("data", "up", other)

    server.fault("complete_upload", lose_answer=True, edit=overwritten)
    with pytest.raises(StorageError):
        put(store, "put")
    assert server.stored("data", "up") == other
    assert stats()["completions_recovered"] == 0


@pytest.mark.parametrize("way", ["put", "writer"])
def test_u5_conditional_completion_refused(server: FaultServer, store: Store, way: str) -> None:
    server.put_object("data", "up", b"theirs")
    with pytest.raises(ObjectExistsError):
        put(store, way, if_none_match=True)
    assert server.stored("data", "up") == b"theirs"
    assert server.objects.uploads == {}
    with pytest.raises(PreconditionError):
        put(store, way, if_match='"00000000000000000000000000000000"')
    assert server.stored("data", "up") == b"theirs"
    assert server.objects.uploads == {}


def test_u5_lost_race_for_a_conditional_completion(server: FaultServer, store: Store) -> None:
    server.fault("complete_upload", times=None, status=409, code="ConditionalRequestConflict")
    with pytest.raises(PreconditionError) as caught:
        put(store, "put", if_none_match=True)
    assert not isinstance(caught.value, ObjectExistsError), "nobody said that something is there"
    nothing_left(server)


def test_u12_error_says_whether_the_write_may_stand(server: FaultServer, store: Store) -> None:
    server.fault("put", status=403, code="AccessDenied")
    with pytest.raises(StorageError) as caught:
        store.put("up", b"refused")
    assert not caught.value.may_have_taken_effect
    server.fault("put", lose_answer=True, not_done=True, end="rst")
    server.fault("put", status=403, code="AccessDenied")
    with pytest.raises(StorageError) as caught:
        store.put("up", b"perhaps")
    assert caught.value.may_have_taken_effect


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 412])
def test_u12_done_its_answer_lost_then_refused(server: FaultServer, store: Store, status: int) -> None:
    """What was carried out is success, whatever the repetition is told."""
    server.fault("put", lose_answer=True, end="rst")
    server.fault("put", status=status, code="Refused")
    store.put("up", DATA[:1000])
    assert server.stored("data", "up") == DATA[:1000]
    assert server.count("delete") == 0


@pytest.mark.parametrize("checksums", [True, False])
def test_u12_two_workers_never_both_hold_the_lock(server: FaultServer, store_on, checksums: bool) -> None:
    """Both write the same bytes; one's request is lost on its way, and then it meets the other's object."""
    server.objects.store_checksums = checksums
    store = store_on(server, tuning={**PARTS, "upload_checksum": "crc64nvme" if checksums else "none"})
    other = store_on(server, tuning={**PARTS, "upload_checksum": "crc64nvme" if checksums else "none"})

    def the_other_is_first(request: Request, reply: Reply) -> None:
        other.put("lock", b"held", if_none_match=True)

    server.fault("put", lose_answer=True, not_done=True, end="rst", edit=the_other_is_first)
    with pytest.raises(ObjectExistsError) as caught:
        store.put("lock", b"held", if_none_match=True)
    assert not caught.value.may_have_taken_effect, "the object names the write that made it"
    server.fault("put", lose_answer=True, end="rst")
    store.put("mine", b"held", if_none_match=True)
    assert store.head("mine").user_metadata == {}


@pytest.mark.parametrize("verb", ["complete_upload", "copy"])
def test_u13_kept_alive_with_white_space(server: FaultServer, store_on, verb: str) -> None:
    """As S3 does for minutes: far below the floor for a stall, and answered in the end."""

    def wait_first(request: Request, reply: Reply) -> Reply:
        return Reply(reply.status, reply.headers, b" " * 450 + reply.body)

    server.fault(verb, edit=wait_first, bytes_per_second=150)
    store = store_on(server, tuning={**IMPATIENTLY, "stall_window_seconds": 1.0, "first_byte_timeout_seconds": 1.0})
    if verb == "copy":
        store.put("from", DATA[:1000])
        store.copy("from", "up")
    else:
        put(store, "put")
    assert server.count(verb) == 1
    assert server.count("abort_upload") == 0
    assert server.stored("data", "up") == (DATA[:1000] if verb == "copy" else DATA)


def test_u4_u5_conditional_put_whose_answer_was_lost(server: FaultServer, store: Store) -> None:
    """The second try meets our own object: success, or an error that says something is there."""
    server.fault("put", lose_answer=True, end="rst")
    with contextlib.suppress(ObjectExistsError):
        store.put("up", DATA[:1000], if_none_match=True)
    assert server.stored("data", "up") == DATA[:1000]


@pytest.mark.parametrize("way", ["put", "writer"])
@pytest.mark.parametrize("spoil", ["cut", "flipped"])
def test_u6_what_was_stored_differs(server: FaultServer, store: Store, way: str, spoil: str) -> None:
    spoilt = DATA[:-100] if spoil == "cut" else bytes([DATA[0] ^ 1]) + DATA[1:]

    def store_badly(request: Request, reply: Reply) -> None:
        etag = server.objects.buckets["data"]["up"].etag
        kept = server.put_object("data", "up", spoilt)
        kept.etag = etag  # the very object that was completed

    server.fault("complete_upload", edit=store_badly)
    with pytest.raises(IntegrityError) as caught:
        put(store, way)
    assert "s3://data/up" in str(caught.value)
    nothing_left(server)


def test_u6_small_put_stored_differs(server: FaultServer, store: Store) -> None:
    def store_badly(request: Request, reply: Reply) -> None:
        etag = server.objects.buckets["data"]["up"].etag
        server.put_object("data", "up", DATA[1:1001]).etag = etag

    server.fault("put", headers={"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}, edit=store_badly)
    with pytest.raises(IntegrityError):
        store.put("up", DATA[:1000])
    assert server.stored("data", "up") is None


def test_u6_wrong_checksum_in_the_answer_alone_costs_nothing(server: FaultServer, store: Store) -> None:
    server.fault("put", headers={"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="})
    store.put("up", DATA[:1000])
    assert server.stored("data", "up") == DATA[:1000]


@pytest.mark.parametrize(
    "answer", [{"headers": {"ETag": None}}, {"body": b"<html>log in</html>"}], ids=["bare", "page"]
)
@pytest.mark.parametrize("done", [True, False])
def test_u6_answer_200_that_shows_nothing(server: FaultServer, store: Store, answer: dict, done: bool) -> None:
    if done and "body" in answer:
        pytest.skip("the fault server does not do what it answers a page to")
    if done:
        server.fault("put", **answer)
        assert store.put("up", DATA[:1000]).etag == server.objects.buckets["data"]["up"].etag
        return
    server.fault("put", status=200, body=answer.get("body", b""), headers={"ETag": None})
    with pytest.raises(ProtocolError) as caught:
        store.put("up", DATA[:1000])
    assert caught.value.may_have_taken_effect
    assert server.stored("data", "up") is None


def test_parts_flipped_on_the_way_are_refused_by_the_server(server: FaultServer, store: Store) -> None:
    """The checksum goes ahead of the bytes, so a server that checks can tell."""
    put(store, "put")
    for request in server.seen("upload_part"):
        assert "x-amz-checksum-crc64nvme" in request.headers
    complete = server.seen("complete_upload")[0]
    assert complete.headers["x-amz-mp-object-size"] == str(len(DATA))


def test_u7_exception_of_the_users(server: FaultServer, store: Store) -> None:
    with pytest.raises(KeyError, match="mine"):
        with store.open_writer("up") as writer:
            writer.write(DATA)
            raise KeyError("mine")
    nothing_left(server)
    assert stats()["uploads_aborted"] == 1


def test_u7_exception_stays_the_original_even_if_the_abort_fails(server: FaultServer, store_on) -> None:
    server.fault("abort_upload", times=None, status=500, code="InternalError")
    store = store_on(server, tuning={**PARTS, "max_attempts": 2})
    with pytest.raises(KeyError, match="mine"):
        with store.open_writer("up") as writer:
            writer.write(DATA)
            raise KeyError("mine")
    assert server.stored("data", "up") is None


def test_u8_failure_on_exit_is_raised(server: FaultServer, store: Store) -> None:
    server.fault("complete_upload", times=None, status=403, code="AccessDenied")
    with pytest.raises(StorageError) as caught:
        put(store, "writer")
    assert caught.value.service_code == "AccessDenied"
    nothing_left(server)


def test_failure_of_a_part_is_raised_by_a_later_call(server: FaultServer, store: Store) -> None:
    server.fault("upload_part", times=None, status=403, code="AccessDenied")
    with pytest.raises(StorageError) as caught:
        put(store, "writer")
    assert caught.value.service_code == "AccessDenied"
    nothing_left(server)


def test_writer_dropped_without_close_aborts(server: FaultServer, store: Store) -> None:
    writer = store.open_writer("up")
    writer.write(DATA)
    del writer
    wait_until(lambda: not server.objects.uploads)
    nothing_left(server)


def test_stores_without_checksum_headers(server: FaultServer, store_on) -> None:
    server.objects.store_checksums = False
    store = store_on(server, tuning={**PARTS, "upload_checksum": "none"})
    put(store, "put")
    store.put("small", DATA[:1000])
    assert server.stored("data", "up") == DATA
    sent = {name for request in server.requests if request.method == "PUT" for name in request.headers}
    assert not [name for name in sent if name.startswith("x-amz-checksum")]


@pytest.mark.parametrize("checksum", ["crc64nvme", "crc32c", "crc32"])
def test_every_upload_checksum(server: FaultServer, store_on, checksum: str) -> None:
    store = store_on(server, tuning={**PARTS, "upload_checksum": checksum})
    put(store, "put")
    store.put("small", DATA[:1000])
    assert server.stored("data", "up") == DATA
    assert server.objects.buckets["data"]["up"].checksum[:1] == (checksum,)
    assert server.seen("put")[0].headers.keys() >= {f"x-amz-checksum-{checksum}"}
    assert store.get("up") == DATA
    assert store.get("small") == DATA[:1000]
