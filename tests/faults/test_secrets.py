"""No secret shows up in any repr, error, log line or warning, whatever it looks like and whatever goes wrong."""

from __future__ import annotations

import base64
import logging
import pickle
import string
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.fault_server import FaultServer
from servers.objects import error_document

from s3dlio_core import InvalidArgumentError, S3Options, StorageError, Tuning, open_store

CHARACTERS = string.ascii_letters + string.digits + "/+=-_.~"
STATUSES = st.sampled_from([400, 403, 500, 503])
KEYS = st.binary(min_size=32, max_size=32)
# Not by chance a word that is rightly shown: hypothesis likes to try those.
SECRETS = st.text(CHARACTERS, min_size=8, max_size=60).map(lambda text: "Zq9x" + text)
QUICK = Tuning(max_attempts=2, backoff_base_seconds=0.001, backoff_cap_seconds=0.002, connect_timeout_seconds=0.5)


def everything_said(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    return "\n".join([text, repr(error), str(error), repr(vars(error)), repr(error.args)])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(secret=SECRETS, token=SECRETS, key=KEYS, status=STATUSES)
def test_secrets_never_show(
    fault_server: FaultServer, caplog: pytest.LogCaptureFixture, secret: str, token: str, key: bytes, status: int
) -> None:
    """The server sends back whatever it was sent, as some do in their error documents."""

    def echo(request, reply) -> None:  # type: ignore[no-untyped-def]
        said = " ".join(f"{name}={value}" for name, value in request.headers.items())
        reply.body = error_document("Echo", f"you sent {said} and we know {secret} {token}")

    fault_server.heal()
    fault_server.fault(times=None, status=status, code="Echo", edit=echo)
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    options = {"access_key_id": "AKIDPUBLIC", "secret_access_key": secret, "session_token": token, "sse": "sse-c"}
    store = open_store("s3://data/", endpoint_url=fault_server.endpoint_url, customer_key=key, tuning=QUICK, **options)
    with pytest.raises(StorageError) as caught:
        store.get("a")
    said = [everything_said(caught.value), repr(store), str(store), caplog.text, str(store.tuning), store.uri]
    said.append(repr(pickle.loads(pickle.dumps(store))))
    store.close()
    for text in said:
        for hidden in (secret, token, base64.b64encode(key).decode(), key.hex(), repr(key)):
            assert hidden not in text


@given(secret=SECRETS, token=SECRETS)
def test_options_hide_theirs(secret: str, token: str) -> None:
    options = S3Options(access_key_id="AKIDPUBLIC", secret_access_key=secret, session_token=token)
    assert secret not in repr(options)
    assert token not in repr(options)


ENDPOINTS = [
    "http://user:{}@127.0.0.1:1", "user:{}@127.0.0.1:1", "{}@127.0.0.1", "https://127.0.0.1:1/?{}",
    "https://127.0.0.1:1?X-Amz-Security-Token={}", "https://127.0.0.1:1/#{}", "ftp://user:{}@h", "https://u:p/{}@h",
    "https://u:p?{}@h",
]  # fmt: skip
# Every mark that may end a part of a URL.
PASSWORDS = st.text(string.ascii_letters + string.digits + "/@:?#&=%+.~- ", min_size=8, max_size=30)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(password=PASSWORDS.map(lambda text: f"Zq9x{text}Zq9x"), form=st.sampled_from(ENDPOINTS))
def test_what_is_written_into_an_endpoint_is_hidden(caplog: pytest.LogCaptureFixture, password: str, form: str) -> None:
    caplog.clear()
    caplog.set_level(logging.DEBUG)
    endpoint = form.format(password)
    assert "Zq9x" not in repr(S3Options(endpoint_url=endpoint))
    with pytest.raises(ValueError, match="endpoint_url") as caught:
        open_store("s3://data/", endpoint_url=endpoint, access_key_id="a", secret_access_key="b")
    said = [str(caught.value), repr(caught.value), repr(vars(caught.value)), repr(caught.value.args), caplog.text]
    assert all("Zq9x" not in text for text in said)


def test_a_configuration_file_that_cannot_be_read_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for text in ("Zq9xSECRET\n", "[default]\nregion = r\nZq9xSECRET\n", "[default]\n[Zq9xSECRET\n"):
        config.write_text(text)
        with pytest.raises(InvalidArgumentError, match=r"cannot be read: \w*Error in line") as caught:
            open_store("s3://data/")
        assert "Zq9x" not in everything_said(caught.value)


def test_what_a_credential_process_prints_is_redacted(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "refuse.py"
    script.write_text("import sys; sys.exit('no: aws_secret_access_key=Zq9xSECRET')\n")
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} {script}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(StorageError, match="looking for credentials failed") as caught:
        open_store("s3://data/", endpoint_url=fault_server.endpoint_url, tuning=QUICK).get("a")
    assert "Zq9x" not in everything_said(caught.value)


def test_signature_is_in_no_error(fault_server: FaultServer, store_on) -> None:
    fault_server.fault(times=None, status=403, code="AccessDenied")
    with pytest.raises(StorageError) as caught:
        store_on(fault_server).get("a")
    signature = fault_server.requests[-1].headers["authorization"].rpartition("Signature=")[2]
    assert len(signature) == 64
    assert signature not in everything_said(caught.value)
