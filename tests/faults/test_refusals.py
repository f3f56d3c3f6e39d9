"""Reads a server refuses: to slow down, for ever, for the clock, the keys, the region, a change."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import pytest
from servers.content import MIB, content
from servers.fault_server import FaultServer
from servers.guarded import Guarded
from servers.objects import error_document

from s3dlio_core import (
    AccessDeniedError,
    CredentialsError,
    InvalidArgumentError,
    ObjectNotFoundError,
    PreconditionError,
    RangeNotSatisfiableError,
    RedirectError,
    ServerError,
    StorageError,
    ThrottledError,
    open_store,
    stats,
)

DATA = content(3 * MIB + 17, seed=22)
PARTS = {"part_size": MIB, "initial_connections": 4}

pytestmark = pytest.mark.usefixtures("counted")


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (429, "TooManyRequests"), (503, "ServiceUnavailable")])
def test_g14_throttled_reads_wait_as_told(server: FaultServer, store_on, status: int, code: str) -> None:
    server.fault("get", status=status, code=code, headers={"Retry-After": "1"})
    began = time.monotonic()
    assert store_on(server).get("a") == DATA
    assert 1.0 <= time.monotonic() - began < 4
    assert stats()["throttled"] == 1


def test_g14_throttled_for_ever(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, status=503, code="SlowDown")
    with pytest.raises(ThrottledError) as caught:
        store_on(server, tuning={"max_attempts": 4}).get("a")
    assert caught.value.http_status == 503
    assert caught.value.service_code == "SlowDown"
    assert 4 <= caught.value.attempts <= 20  # for as long as other calls might have been served
    assert f"{caught.value.attempts} attempts" in str(caught.value)


def test_g14_every_part_throttled_once(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, when=lambda r: r.attempt == 1, status=503, code="SlowDown")
    assert store_on(server, tuning=PARTS).get("a") == DATA


@pytest.mark.parametrize("status", [500, 502, 504])
def test_g15_server_errors_pass(server: FaultServer, store_on, status: int) -> None:
    server.fault("get", times=4, status=status, code="InternalError")
    assert store_on(server, tuning={"part_size": 16 * MIB}).get("a") == DATA
    assert server.count("get") == 5
    assert stats()["server_errors"] == 4
    assert stats()["retries"] == 4


@pytest.mark.parametrize("status", [500, 502, 504])
def test_g15_server_errors_for_ever(server: FaultServer, store_on, status: int) -> None:
    server.fault("get", times=None, status=status, code="InternalError")
    with pytest.raises(ServerError) as caught:
        store_on(server, tuning={"max_attempts": 3, "part_size": 16 * MIB}).get("a")
    error = caught.value
    assert (error.attempts, error.http_status, error.service_code) == (3, status, "InternalError")
    assert error.request_id == "REQ-FAULT"
    assert error.uri == "s3://data/a"
    for word in ("get", "s3://data/a", "3 attempts", str(status), "InternalError"):
        assert word in str(error)
    assert server.count("get") == 3


async def test_g16_all_fails_with_many_queued(server: FaultServer, store_on) -> None:
    server.fault(times=None, status=500, code="InternalError")
    store = store_on(server, tuning={"retry_budget": 200, "part_size": 16 * MIB})
    began = time.monotonic()
    outcomes = await asyncio.gather(*(store.get_async(f"k{i}") for i in range(1000)), return_exceptions=True)
    assert all(isinstance(outcome, ServerError) for outcome in outcomes)
    assert len(server.requests) <= 2000
    assert time.monotonic() - began < 20
    assert stats()["retry_budget_exhausted"] >= 500
    server.heal()
    assert await store.get_async("a") == DATA


def test_g17_object_replaced_between_parts(server: FaultServer, store_on) -> None:
    other = content(len(DATA), seed=23)
    replaced = []

    def replace(request, reply) -> None:  # type: ignore[no-untyped-def]
        replaced.append(server.put_object("data", "a", other))

    server.fault("get", edit=replace)  # the first answer is still the old one
    store = store_on(server, tuning={**PARTS, "max_connections": 1, "initial_connections": 1})
    with pytest.raises(PreconditionError) as caught:
        store.get("a")
    assert replaced
    assert "chang" in str(caught.value) or "412" in str(caught.value)
    assert store.get("a") == other


def test_g17_another_etag_mid_read_where_conditions_are_ignored(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, skip=1, headers={"ETag": '"another"'})
    guarded = Guarded(len(DATA))
    store = store_on(server, tuning={**PARTS, "max_connections": 1, "initial_connections": 1})
    with pytest.raises(PreconditionError):
        store.get_into("a", guarded.view)
    guarded.check()
    assert bytes(guarded)[2 * MIB :] != DATA[2 * MIB :]


def test_g17_replaced_while_resuming(server: FaultServer, store_on) -> None:
    def replace(request, reply) -> None:  # type: ignore[no-untyped-def]
        server.put_object("data", "a", content(len(DATA), seed=23))

    server.fault("get", cut_at=100_000, edit=replace)
    with pytest.raises(PreconditionError):
        store_on(server, tuning={"part_size": 16 * MIB}).get("a")
    assert server.count("get") == 2


def write_credential_process(folder: Path) -> Path:
    """A profile whose process gives AK1 on its first run, AK2 on its second; the runs are counted in a file."""
    script = folder / "credentials.py"
    script.write_text(
        "import json, pathlib, datetime\n"
        f"path = pathlib.Path({str(folder / 'runs')!r})\n"
        "runs = int(path.read_text()) + 1 if path.exists() else 1\n"
        "path.write_text(str(runs))\n"
        "end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=6)\n"
        "print(json.dumps({'Version': 1, 'AccessKeyId': f'AK{runs}', 'SecretAccessKey': f'secret-{runs}',\n"
        "                  'SessionToken': f'token-{runs}', 'Expiration': end.isoformat()}))\n"
    )
    config = folder / "config"
    config.write_text(f"[profile rotating]\ncredential_process = {sys.executable} {script}\nregion = us-east-1\n")
    return config


async def test_g21_expired_token_is_refreshed_once_for_all(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(write_credential_process(tmp_path)))
    with open_store("s3://data/", endpoint_url=server.endpoint_url, profile="rotating") as store:
        server.valid_keys = {"AK1"}
        assert await store.get_async("a") == DATA
        assert server.requests[-1].headers["x-amz-security-token"] == "token-1"
        server.valid_keys = {"AK2"}
        outcomes = await asyncio.gather(*(store.get_async("a") for _ in range(20)))
        assert all(outcome == DATA for outcome in outcomes)
    assert (tmp_path / "runs").read_text() == "2"
    assert stats()["credential_refreshes"] == 1


def test_g21_expired_for_good(server: FaultServer, store_on) -> None:
    server.valid_keys = {"another"}
    with pytest.raises(CredentialsError) as caught:
        store_on(server).get("a")
    assert caught.value.service_code == "ExpiredToken"
    assert len(server.requests) <= 2


@pytest.mark.parametrize("minutes", [20, -20, 60 * 24])
def test_g22_clock_is_corrected_once(server: FaultServer, store_on, minutes: int) -> None:
    server.check_dates = True
    server.clock_offset_seconds = 60.0 * minutes
    store = store_on(server, tuning={"part_size": 16 * MIB})
    for _ in range(3):
        assert store.get("a") == DATA
    assert server.count("get") == 4
    assert stats()["clock_corrections"] == 1


REFUSALS = [
    (403, "AccessDenied", AccessDeniedError, PermissionError),
    (403, "InvalidAccessKeyId", CredentialsError, PermissionError),
    (403, "SignatureDoesNotMatch", CredentialsError, PermissionError),
    (404, "NoSuchKey", ObjectNotFoundError, FileNotFoundError),
    (416, "InvalidRange", RangeNotSatisfiableError, ValueError),
    (412, "PreconditionFailed", PreconditionError, StorageError),
]


@pytest.mark.parametrize(("status", "code", "kind", "base"), REFUSALS)
def test_g23_final_answers_are_not_asked_again(
    server: FaultServer, store_on, status: int, code: str, kind: type[StorageError], base: type[Exception]
) -> None:
    server.fault("get", times=None, status=status, code=code, message="for a reason")
    with pytest.raises(kind) as caught:
        store_on(server).get_range("a", start=5, end=10)
    assert isinstance(caught.value, base)
    assert (caught.value.http_status, caught.value.attempts) == (status, 1)
    assert "s3://data/a" in str(caught.value)
    assert server.count("get") == 1


@pytest.mark.parametrize("status", [400, 401, 405, 409, 411, 418])
def test_g23_other_refusals_are_typed_errors(server: FaultServer, store_on, status: int) -> None:
    server.fault("get", times=None, status=status, code="Peculiar")
    with pytest.raises(StorageError) as caught:
        store_on(server).get("a")
    assert caught.value.http_status == status
    assert caught.value.service_code == "Peculiar"


@pytest.mark.parametrize("body", [b"", b"<html>proxy</html>", b"<Error><Code>Cut", b"\xff\xfe\x00", b"{}"])
def test_error_documents_that_are_none(server: FaultServer, store_on, body: bytes) -> None:
    server.fault("get", times=None, status=403, body=body)
    with pytest.raises(AccessDeniedError):
        store_on(server).get("a")


def test_page_that_is_no_error_document_is_quoted(server: FaultServer, store_on) -> None:
    page = b"<html>\r\n<title>400</title><p>The plain HTTP request was sent to HTTPS port</p>\x1b[2J</html>"
    server.fault("get", times=None, status=400, body=page)
    with pytest.raises(InvalidArgumentError) as caught:
        store_on(server).get("a")
    assert "says: 400 The plain HTTP request was sent to HTTPS port" in str(caught.value)
    assert "<" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_huge_error_document_is_cut(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, status=403, body=error_document("AccessDenied", "x" * (8 * MIB)))
    with pytest.raises(AccessDeniedError) as caught:
        store_on(server).get("a")
    assert len(str(caught.value)) < 100_000


def asked_from(region: str):  # type: ignore[no-untyped-def]
    return lambda request: f"/{region}/s3/" in request.headers.get("authorization", "")


def test_g24_another_region_is_learnt_once(server: FaultServer, store_on) -> None:
    document = error_document("AuthorizationHeaderMalformed", "the region is wrong; expecting 'eu-west-1'")
    document = document.replace(b"</Error>", b"<Region>eu-west-1</Region></Error>")
    server.fault(times=None, when=asked_from("us-east-1"), status=400, body=document)
    store = store_on(server, tuning={"part_size": 16 * MIB})
    for _ in range(3):
        assert store.get("a") == DATA
    assert server.count("get") == 4
    assert "/eu-west-1/" in server.requests[-1].headers["authorization"]
    assert stats()["redirects_followed"] == 1


def test_g24_permanent_redirect_to_a_region(server: FaultServer, store_on) -> None:
    document = error_document("PermanentRedirect", "use the other endpoint")
    headers = {"x-amz-bucket-region": "eu-central-1"}
    server.fault(times=None, when=asked_from("us-east-1"), status=301, body=document, headers=headers)
    store = store_on(server, tuning={"part_size": 16 * MIB})
    for _ in range(2):
        assert store.get("a") == DATA
    assert server.count("get") == 3


def test_g24_redirected_for_ever(server: FaultServer, store_on) -> None:
    server.fault(times=None, status=301, code="PermanentRedirect", headers={"x-amz-bucket-region": "eu-west-9"})
    with pytest.raises(RedirectError):
        store_on(server).get("a")
    assert len(server.requests) <= 3


def pointing_to(server: FaultServer) -> dict[str, str]:
    return {"Location": f"{server.endpoint_url}/data/a"}


def test_g24_another_port_of_the_same_address_gets_nothing(server: FaultServer, store_on) -> None:
    with FaultServer() as second:
        second.put_object("data", "a", DATA)
        server.fault("get", status=307, code="TemporaryRedirect", headers=pointing_to(second))
        store = store_on(server, session_token="secret-token")
        with pytest.raises(RedirectError, match=f"another host or port .http://127.0.0.1:{second.port}/data/a"):
            store.get("a")
        assert store.get("a") == DATA  # nor is it remembered
        assert second.connections == 0


def test_g24_an_endpoint_is_named_with_its_port(server: FaultServer, store_on) -> None:
    document = error_document("PermanentRedirect", "use the other endpoint")
    with FaultServer() as second:
        named = f"<Endpoint>127.0.0.1:{second.port}</Endpoint></Error>".encode()
        server.fault("get", status=301, body=document.replace(b"</Error>", named))
        with pytest.raises(RedirectError, match=f"another host or port .127.0.0.1:{second.port}"):
            store_on(server).get("a")
        assert second.connections == 0
    named = f"<Region>eu-west-3</Region><Endpoint>127.0.0.1:{server.port}</Endpoint></Error>".encode()
    server.fault("get", status=301, body=document.replace(b"</Error>", named))
    assert store_on(server).get("a") == DATA


def test_g24_foreign_host_gets_nothing(server: FaultServer, store_on) -> None:
    with FaultServer(address="127.0.0.2") as foreign:
        foreign.put_object("data", "a", DATA)
        server.fault(times=None, status=307, code="TemporaryRedirect", headers=pointing_to(foreign))
        with pytest.raises(RedirectError):
            store_on(server).get("a")
        assert foreign.connections == 0


def test_g24_no_way_from_https_to_http(server: FaultServer, tls_server: FaultServer, store_on, ca_bundle: Path) -> None:
    tls_server.put_object("data", "a", DATA)
    tls_server.fault(times=None, status=307, code="TemporaryRedirect", headers=pointing_to(server))
    with pytest.raises(RedirectError):
        store_on(tls_server, ca_bundle=str(ca_bundle)).get("a")
    assert server.connections == 0
