"""Bad input gives a typed error at once that names operation, URI, what was found, what was expected."""

from __future__ import annotations

import time

import pytest
from servers.access import credentials_of
from servers.fault_server import FaultServer

from s3dlio_core import (
    BucketNotFoundError,
    CredentialsError,
    InvalidArgumentError,
    ObjectNotFoundError,
    Tuning,
    open_store,
)


@pytest.fixture(autouse=True)
def _prompt():  # type: ignore[no-untyped-def]
    began = time.monotonic()
    yield
    assert time.monotonic() - began < 5


BAD_URIS = [
    "", "data", "s3:data", "s3://", "ftp://host/x", "s3://UPPER/x", "s3://a/", "s3://../x", "s3://a_b/", "file://rel",
    5, None,
]  # fmt: skip


@pytest.mark.parametrize("uri", BAD_URIS)
def test_bad_uris(uri: object) -> None:
    with pytest.raises((InvalidArgumentError, TypeError)) as caught:
        open_store(uri, region="us-east-1", access_key_id="a", secret_access_key="b").get("a")  # type: ignore[arg-type]
    assert str(caught.value)


BAD_ENDPOINTS = [
    "localhost:9000", "ftp://localhost:9000", "http://", "https://host:99999", "http://host:x", "http://a b/", "//h",
]  # fmt: skip


@pytest.mark.parametrize("endpoint", BAD_ENDPOINTS)
def test_bad_endpoints(endpoint: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        open_store("s3://data/", endpoint_url=endpoint, access_key_id="a", secret_access_key="b").get("a")
    assert "endpoint" in str(caught.value).lower()


def test_unknown_option_lists_the_valid_ones() -> None:
    with pytest.raises(TypeError) as caught:
        open_store("s3://data/", endpont_url="http://localhost")
    assert "endpont_url" in str(caught.value)
    assert "endpoint_url" in str(caught.value)


BAD_OPTIONS = [
    {"addressing": "diagonal"}, {"sse": "rot13"}, {"payload_signing": "perhaps"}, {"region": "no\nregion"},
    {"sse": "sse-c", "customer_key": b"short"}, {"sse": "sse-c"}, {"access_key_id": "a"},
]  # fmt: skip


@pytest.mark.parametrize("options", BAD_OPTIONS, ids=str)
def test_bad_options(options: dict[str, object]) -> None:
    given = {"access_key_id": "a", "secret_access_key": "b", "endpoint_url": "http://127.0.0.1:9", **options}
    if "access_key_id" in options:
        del given["secret_access_key"]
    with pytest.raises(ValueError, match=r"\w") as caught:
        open_store("s3://data/", **given).get("a")
    assert any(name in str(caught.value) for name in options)


BAD_TUNINGS = [
    {"part_size": 0}, {"part_size": -1}, {"part_size": "8MiB"}, {"max_connections": 0}, {"max_attempts": 0},
    {"connect_timeout_seconds": -1.0}, {"connect_timeout_seconds": float("nan")}, {"verify": "maybe"},
    {"upload_checksum": "md4"},
]  # fmt: skip


@pytest.mark.parametrize("tuning", BAD_TUNINGS, ids=str)
def test_bad_tuning(tuning: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Tuning(**tuning)  # type: ignore[arg-type]
    assert next(iter(tuning)) in str(caught.value)


def test_no_credentials(fault_server: FaultServer) -> None:
    with pytest.raises(CredentialsError) as caught:
        open_store("s3://data/", endpoint_url=fault_server.endpoint_url, region="us-east-1").get("a")
    assert "credential" in str(caught.value).lower()
    assert "unsigned_access" in str(caught.value)
    assert fault_server.requests == []


def test_unknown_profile(fault_server: FaultServer) -> None:
    with pytest.raises(CredentialsError) as caught:
        open_store("s3://data/", endpoint_url=fault_server.endpoint_url, profile="nobody").get("a")
    assert "nobody" in str(caught.value)


def test_unsigned_access_signs_nothing(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "a", b"public")
    store = open_store("s3://data/", endpoint_url=fault_server.endpoint_url, unsigned_access=True)
    assert store.get("a") == b"public"
    assert "authorization" not in fault_server.requests[-1].headers
    store.close()


def test_missing_bucket_and_key(fault_server: FaultServer, store_on) -> None:
    with pytest.raises(ObjectNotFoundError) as caught:
        store_on(fault_server).get("none")
    assert "get s3://data/none" in str(caught.value)
    with pytest.raises(BucketNotFoundError) as caught_too:
        store_on(fault_server, bucket="absent").get("none")
    assert "absent" in str(caught_too.value)


def test_wrong_secret(moto, store_on) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CredentialsError) as caught:
        store_on(moto, bucket="train", secret_access_key="wrong-secret").get("none")
    assert caught.value.service_code == "SignatureDoesNotMatch"
    assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["access_key_id", "secret_access_key", "session_token"])
@pytest.mark.parametrize("value", ["with\nnewline", "with\r\nX-Evil: 1", "nul\0"])
def test_credentials_cannot_smuggle_headers(fault_server: FaultServer, name: str, value: str) -> None:
    options = {**credentials_of(fault_server), name: value}
    with pytest.raises(ValueError, match=r"\w") as caught:
        open_store("s3://data/", **options).get("a")
    assert fault_server.requests == []
    assert value not in str(caught.value)


def test_extras_travel_as_headers(fault_server: FaultServer, store_on) -> None:
    options = {"session_token": "the-token", "requester_pays": True, "expected_bucket_owner": "111122223333"}
    store = store_on(fault_server, sse="aws:kms", kms_key_id="key-1", **options)
    store.put("a", b"x", storage_class="STANDARD_IA", cache_control="no-store", content_disposition="inline")
    sent = fault_server.requests[-1].headers
    assert sent["x-amz-security-token"] == "the-token"
    assert sent["x-amz-request-payer"] == "requester"
    assert sent["x-amz-expected-bucket-owner"] == "111122223333"
    assert sent["x-amz-server-side-encryption"] == "aws:kms"
    assert sent["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
    assert sent["x-amz-storage-class"] == "STANDARD_IA"
    assert sent["cache-control"] == "no-store"
    assert sent["content-disposition"] == "inline"
    signed = sent["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {name for name in sent if name.startswith("x-amz-")} <= set(signed)


def test_versions(fault_server: FaultServer, store_on) -> None:
    fault_server.objects.versioned = True
    store = store_on(fault_server)
    first, second = store.put("a", b"first"), store.put("a", b"second")
    assert first.version_id != second.version_id
    assert store.get("a") == b"second"
    assert store.get("a", version_id=first.version_id) == b"first"
    assert store.head("a", version_id=first.version_id).size == 5
    out = bytearray(5)
    assert store.get_into("a", out, version_id=first.version_id) == 5
    assert out == b"first"
    with store.open_reader("a", version_id=first.version_id) as reader:
        assert reader.read() == b"first"
    with pytest.raises(ObjectNotFoundError):
        store.get("a", version_id="v-none")
