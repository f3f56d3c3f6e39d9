"""The engine opens the store that the Python side would open: option by option, in many an environment."""

from __future__ import annotations

import ctypes
import os
from dataclasses import fields
from pathlib import Path

import pytest
import trustme

from s3dlio_core import c_api
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.options import S3Options
from s3dlio_core.store import open_store
from s3dlio_core.tuning import Tuning

CONFIG = """
# comments and blank lines stay out of it

[default]
region = default-region
; another
[profile plain]
region = plain-region
endpoint_url = http://plain:1
ca_bundle = FOLDER/plain.pem
request_checksum_calculation = when_required
[profile two words]
region: two-region
services = local
response_checksum_validation = WHEN_REQUIRED
[services local]
s3 =
  endpoint_url = http://service:2
  addressing_style = path
[profile lost]
services = nowhere
[profile ignoring]
endpoint_url = http://never:3
ignore_configured_endpoint_urls = True
[bare]
region = bare-region
"""

ENVIRONMENTS: list[dict[str, str]] = [
    {},
    {"AWS_REGION": "one", "AWS_DEFAULT_REGION": "two"},
    {"AWS_DEFAULT_REGION": "two", "AWS_REGION": ""},
    {"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"},
    {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "TRUE"},
    {"AWS_PROFILE": "plain"},
    {"AWS_PROFILE": "plain", "AWS_ENDPOINT_URL": "https://over:9"},
    {"AWS_PROFILE": "plain", "AWS_CA_BUNDLE": "FOLDER/a.pem", "AWS_CA_BUNDLE_PATH": "FOLDER/b.pem"},
    {"AWS_PROFILE": "plain", "S3DLIO_UPLOAD_CHECKSUM": "crc32"},
    {"AWS_PROFILE": "two words"},
    {"AWS_PROFILE": "bare"},
    {"AWS_PROFILE": "ignoring"},
    {"AWS_PROFILE": "ghost"},
    {"AWS_PROFILE": "lost"},
    {"AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required", "AWS_REQUEST_CHECKSUM_CALCULATION": "When_Supported"},
    {"AWS_RESPONSE_CHECKSUM_VALIDATION": "perhaps"},
    {"S3DLIO_PART_SIZE": "16MiB", "S3DLIO_COALESCE_GAP": "1.5 mb", "S3DLIO_HEDGE": "off", "S3DLIO_VERIFY": "never"},
    {"S3DLIO_CONNECT_TIMEOUT_SECONDS": "0.25", "S3DLIO_MAX_ATTEMPTS": " 3 ", "S3DLIO_SYNC_WRITES": "No"},
    {"S3DLIO_PART_SIZE": "0"},
    {"S3DLIO_PART_SIZE": "much"},
    {"S3DLIO_HEDGE": "perhaps"},
    {"S3DLIO_BACKOFF_CAP_SECONDS": "-1"},
    {"S3DLIO_UPLOAD_CHECKSUM": "md5"},
    {"S3DLIO_MAX_CONNECTIONS": "5000000000"},
    {"AWS_ENDPOINT_URL": "ftp://a"},
]


@pytest.fixture(scope="module")
def library() -> ctypes.CDLL:
    loaded = ctypes.CDLL(c_api.get_library())
    loaded.s3dlio_error_message.restype = ctypes.c_char_p
    for name in ("s3dlio_error_message", "s3dlio_error_free", "s3dlio_string_free", "s3dlio_close"):
        getattr(loaded, name).argtypes = [ctypes.c_void_p]
    return loaded


def text_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.10g}"
    return "" if value is None else str(value)


def pairs(given: dict[str, str]) -> ctypes.Array[ctypes.c_char_p]:
    flat = [text.encode() for pair in given.items() for text in pair]
    return (ctypes.c_char_p * (len(flat) + 1))(*flat, None)


def by_engine(library: ctypes.CDLL, uri: str, given: dict[str, str]) -> dict[str, str] | None:
    text, error = ctypes.c_void_p(), ctypes.c_void_p()
    code = library.s3dlio_describe(uri.encode(), pairs(given), ctypes.byref(text), ctypes.byref(error))
    library.s3dlio_error_free(error)
    if code != 0:
        assert code == 1, code
        return None
    lines = ctypes.string_at(text).decode().splitlines()
    library.s3dlio_string_free(text)
    return dict(line.split("=", 1) for line in lines)


def opens(library: ctypes.CDLL, uri: str, given: dict[str, str]) -> bool:
    store, error = ctypes.c_void_p(), ctypes.c_void_p()
    code = library.s3dlio_open(uri.encode(), pairs(given), ctypes.byref(store), ctypes.byref(error))
    library.s3dlio_error_free(error)
    library.s3dlio_close(store)
    return code == 0


def by_python(uri: str, given: dict[str, str]) -> dict[str, str] | None:
    try:
        store = open_store(uri, **given)
    except InvalidArgumentError:
        return None
    options = S3Options.of(given).with_environment()
    store.close()
    secret = {"access_key_id", "secret_access_key", "session_token", "customer_key"}
    shown = {item.name: text_of(getattr(options, item.name)) for item in fields(options) if item.name not in secret}
    return shown | {item.name: text_of(getattr(store.tuning, item.name)) for item in fields(Tuning)}


def clean(monkeypatch: pytest.MonkeyPatch, folder: Path, environment: dict[str, str]) -> None:
    for name in os.environ:
        if name.startswith(("AWS_", "S3DLIO_")):
            monkeypatch.delenv(name)
    for name in ("a.pem", "b.pem", "plain.pem"):
        trustme.CA(key_type=trustme.KeyType.ECDSA).cert_pem.write_to_path(folder / name)
    (folder / "config").write_text(CONFIG.replace("FOLDER", str(folder)))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("FOLDER", str(folder)))


@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda each: "-".join(each.values()) or "empty")
@pytest.mark.parametrize(
    "given", [{}, {"region": "given", "endpoint_url": "http://given:7"}, {"profile": "plain"}], ids=len
)
def test_both_open_the_same(
    library: ctypes.CDLL,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    given: dict[str, str],
) -> None:
    clean(monkeypatch, tmp_path, environment)
    python = by_python("s3://bucket/a", given)
    engine = by_engine(library, "s3://bucket/a", given)
    assert opens(library, "s3://bucket/a", given) == (python is not None)
    if python is not None:
        assert engine is not None
        assert {name: engine[name] for name in python} == python


def test_both_know_the_same_names(library: ctypes.CDLL) -> None:
    error, store = ctypes.c_void_p(), ctypes.c_void_p()
    code = library.s3dlio_open(b"s3://b/", pairs({"nonsense": "1"}), ctypes.byref(store), ctypes.byref(error))
    message = library.s3dlio_error_message(error).decode()
    library.s3dlio_error_free(error)
    assert code == 1
    known = message.rpartition("valid ones are ")[2].split(", ")
    assert sorted(known) == sorted(item.name for kind in (S3Options, Tuning) for item in fields(kind))
