"""No secret shows up in any repr, error, log line or warning, whatever it looks like and whatever goes wrong."""

from __future__ import annotations

import base64
import logging
import pickle
import string
import traceback

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.fault_server import FaultServer
from servers.objects import error_document

from s3dlio_core import S3Options, StorageError, Tuning, open_store

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


@settings(max_examples=20, deadline=None)
@given(password=st.text(string.ascii_letters + string.digits, min_size=8, max_size=30).map(lambda text: "Zq9x" + text))
def test_userinfo_of_an_endpoint_is_hidden(password: str) -> None:
    with pytest.raises(ValueError, match=r"\w") as caught:
        open_store(
            "s3://data/", endpoint_url=f"http://user:{password}@127.0.0.1:1", access_key_id="a", secret_access_key="b"
        ).get("a")
    assert password not in everything_said(caught.value).split("Traceback")[0]
    assert password not in str(caught.value)
    assert password not in repr(caught.value)


def test_signature_is_in_no_error(fault_server: FaultServer, store_on) -> None:
    fault_server.fault(times=None, status=403, code="AccessDenied")
    with pytest.raises(StorageError) as caught:
        store_on(fault_server).get("a")
    signature = fault_server.requests[-1].headers["authorization"].rpartition("Signature=")[2]
    assert len(signature) == 64
    assert signature not in everything_said(caught.value)
