"""G26: a server that cannot prove who it is gets nothing. And: where trust comes from."""

from __future__ import annotations

import datetime
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from servers.access import credentials_of
from servers.content import MIB, content
from servers.fault_server import FaultServer

from s3dlio_core import InvalidArgumentError, TlsError, open_store, stats

DATA = content(3 * MIB + 17, seed=27)

pytestmark = pytest.mark.usefixtures("counted")


@pytest.fixture
def serve() -> Iterator[Callable[[ssl.SSLContext], FaultServer]]:
    servers = []

    def start(context: ssl.SSLContext) -> FaultServer:
        server = FaultServer(tls=context)
        server.put_object("data", "a", DATA)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def trusted(serve, authority: trustme.CA) -> FaultServer:
    return serve(context_of(authority.issue_cert("127.0.0.1", "localhost")))


def refused(server: FaultServer, store_on, *words: str, **options: object) -> None:
    """The read fails with a reason, quickly, and nothing reached the server."""
    with pytest.raises(TlsError) as caught:
        store_on(server, **options).get("a")
    assert server.requests == []
    text = str(caught.value).lower()
    assert any(word in text for word in words), text
    assert "verify=" not in text, "there is no switch that turns verification off"


def test_reads_and_writes(trusted: FaultServer, store_on, ca_bundle: Path) -> None:
    store = store_on(trusted, ca_bundle=str(ca_bundle), tuning={"part_size": 5 * MIB, "multipart_threshold": 6 * MIB})
    assert store.get("a") == DATA
    whole = content(11 * MIB, seed=28)
    store.put("b", whole)
    assert trusted.stored("data", "b") == whole
    assert store.get("b") == whole
    assert stats()["tls_handshakes"] >= 1


def test_payload_is_unsigned_over_tls_and_signed_without(trusted, fault_server, store_on, ca_bundle: Path) -> None:
    store_on(trusted, ca_bundle=str(ca_bundle)).put("x", b"1")
    store_on(fault_server).put("x", b"1")
    assert trusted.requests[-1].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert len(fault_server.requests[-1].headers["x-amz-content-sha256"]) == 64


def test_g26_unknown_authority(serve, store_on, ca_bundle: Path) -> None:
    server = serve(context_of(trustme.CA().issue_cert("127.0.0.1")))
    refused(server, store_on, "issuer", "self-signed", "unknown", "authority", ca_bundle=str(ca_bundle))


def test_g26_without_our_authority_in_the_bundle(trusted: FaultServer, store_on) -> None:
    refused(trusted, store_on, "issuer", "self-signed", "unknown", "authority")


def test_g26_wrong_name(serve, store_on, authority: trustme.CA, ca_bundle: Path) -> None:
    server = serve(context_of(authority.issue_cert("other.example", "127.0.0.9")))
    refused(server, store_on, "is for other.example, 127.0.0.9, not for", ca_bundle=str(ca_bundle))


def test_g26_expired(serve, store_on, authority: trustme.CA, ca_bundle: Path) -> None:
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    server = serve(context_of(authority.issue_cert("127.0.0.1", not_after=yesterday)))
    refused(server, store_on, "expired", ca_bundle=str(ca_bundle))


def test_g26_old_protocol(serve, store_on, authority: trustme.CA, ca_bundle: Path) -> None:
    context = context_of(authority.issue_cert("127.0.0.1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.minimum_version = ssl.TLSVersion.TLSv1
    context.set_ciphers("ALL:@SECLEVEL=0")
    refused(serve(context), store_on, "protocol", "version", "handshake", ca_bundle=str(ca_bundle))


def test_g26_plain_server_behind_https(fault_server: FaultServer, store_on, ca_bundle: Path) -> None:
    url = fault_server.endpoint_url.replace("http://", "https://")
    with pytest.raises(TlsError) as caught:
        store_on(fault_server, endpoint_url=url, ca_bundle=str(ca_bundle), tuning={"max_attempts": 2}).get("a")
    assert fault_server.requests == []
    assert caught.value.uri == "s3://data/a"


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "AWS_CA_BUNDLE_PATH", "SSL_CERT_FILE"])
def test_authorities_from_the_environment(
    trusted: FaultServer, store_on, ca_bundle: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(ca_bundle))
    assert store_on(trusted).get("a") == DATA


def test_authorities_in_a_folder(trusted: FaultServer, store_on, ca_bundle: Path) -> None:
    assert store_on(trusted, ca_bundle=str(ca_bundle.parent)).get("a") == DATA


@pytest.mark.parametrize("kind", ["missing", "empty", "no certificate", "unreadable", "damaged"])
def test_authorities_that_cannot_be_read(trusted: FaultServer, tmp_path: Path, ca_bundle: Path, kind: str) -> None:
    path = tmp_path / "bundle.pem"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "no certificate":
        path.write_text("hello\n")
    elif kind == "damaged":
        path.write_bytes(ca_bundle.read_bytes()[:300] + b"\n-----END CERTIFICATE-----\n")
    elif kind == "unreadable":
        path = tmp_path / "loop"
        path.symlink_to(path)
    with pytest.raises(InvalidArgumentError) as caught:
        open_store("s3://data/", ca_bundle=str(path), **credentials_of(trusted)).get("a")
    assert str(path) in str(caught.value)
    assert trusted.connections == 0


def test_end_without_goodbye_is_no_short_success(trusted: FaultServer, store_on, ca_bundle: Path) -> None:
    """G2 over TLS: the stream ends without close_notify in the middle of the body."""
    trusted.fault("get", cut_at=1_000_000, end="fin")
    store = store_on(trusted, ca_bundle=str(ca_bundle), tuning={"part_size": 16 * MIB})
    assert store.get("a") == DATA
    assert trusted.count("get") == 2
    assert stats()["resumes"] == 1


def test_body_without_length_that_ends_early(trusted: FaultServer, store_on, ca_bundle: Path) -> None:
    """Delimited by the end of the stream only: how much came cannot be checked, so it must not pass for an object."""
    head = b'HTTP/1.1 200 OK\r\nETag: "x"\r\n\r\n'
    trusted.fault("get", times=None, raw_head=head, cut_at=1000)
    with pytest.raises(Exception, match="s3://data/a"):
        store_on(trusted, ca_bundle=str(ca_bundle), tuning={"max_attempts": 2}).get("a")


def test_sessions_are_resumed(trusted: FaultServer, store_on, ca_bundle: Path) -> None:
    store = store_on(trusted, ca_bundle=str(ca_bundle), tuning={"max_connections": 1, "initial_connections": 1})
    trusted.fault(times=None, headers={"Connection": "close"})
    for _ in range(4):
        assert store.get_range("a", start=0, end=10) == DATA[:10]
    assert stats()["tls_handshakes"] >= 2
    assert stats()["tls_sessions_resumed"] >= 1


def test_customer_key_needs_tls_or_loopback(trusted: FaultServer, store_on, ca_bundle: Path) -> None:
    key = bytes(range(32))
    store = store_on(trusted, ca_bundle=str(ca_bundle), sse="sse-c", customer_key=key)
    store.put("secret", DATA[:1000])
    assert store.get("secret") == DATA[:1000]
    options = {"access_key_id": "a", "secret_access_key": "b", "sse": "sse-c", "customer_key": key}
    with pytest.raises(InvalidArgumentError):
        open_store("s3://data/", endpoint_url="http://storage.example:9", **options).put("a", b"x")
