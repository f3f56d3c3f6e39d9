"""The thread that looks credentials up for the engine."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator

import pytest
from servers.fault_server import FaultServer
from waiting import wait_until

from s3dlio_core import CredentialsError, Store, Tuning, _ext, open_store
from s3dlio_core.credentials import CredentialChain
from s3dlio_core.logging import LOGGER
from s3dlio_core.process import service


class Provider(CredentialChain):
    """Stands in for botocore's chain."""

    def __init__(self, server: FaultServer) -> None:
        super().__init__(None)
        self.server = server
        self.asked = 0
        self.error: BaseException | None = None
        self.wait = threading.Event()
        self.wait.set()

    def resolve(self) -> _ext.Credentials:
        self.asked += 1
        assert self.wait.wait(20)
        if self.error is not None:
            raise self.error
        return _ext.Credentials(self.server.access_key, self.server.secret_key)


@pytest.fixture
def provider(fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> Provider:
    fault_server.put_object("data", "a", b"data")
    provider = Provider(fault_server)
    monkeypatch.setattr("s3dlio_core.store._open.CredentialChain", lambda profile: provider)
    return provider


@pytest.fixture
def store(provider: Provider) -> Iterator[Store]:
    with open_store("s3://data/", endpoint_url=provider.server.endpoint_url, tuning=Tuning(max_attempts=2)) as opened:
        yield opened


def test_asked_once_at_the_first_request(provider: Provider, store: Store) -> None:
    assert provider.asked == 0
    assert [bytes(data) for data in store.get_many(["a"] * 20)] == [b"data"] * 20
    assert provider.asked == 1


@pytest.mark.parametrize("error", [CredentialsError("none were found"), RuntimeError("of the provider's")])
def test_failure_reaches_the_caller(provider: Provider, store: Store, error: Exception) -> None:
    provider.error = error
    with pytest.raises(CredentialsError, match=str(error)):
        store.get("a")
    assert provider.server.requests == []
    provider.error = None
    assert store.get("a") == b"data"


def test_log_lines_do_not_wait_for_a_slow_look_up(
    provider: Provider, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    provider.wait.clear()
    reading = threading.Thread(target=store.get, args=("a",))
    reading.start()
    wait_until(lambda: provider.asked)
    _ext.log(logging.WARNING, "meanwhile")
    wait_until(lambda: "meanwhile" in caplog.text)
    provider.wait.set()
    reading.join(20)
    assert not reading.is_alive()


class Raising(logging.Handler):
    """A user's, of the kind that does not catch its own errors."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error
        self.called = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.called.set()
        raise self.error


@pytest.mark.parametrize("error", [ValueError("of the handler"), SystemExit(3), KeyboardInterrupt()])
def test_a_handler_that_raises_does_not_end_the_look_ups(
    provider: Provider, store: Store, error: BaseException, capfd: pytest.CaptureFixture[str]
) -> None:
    handler = Raising(error)
    LOGGER.addHandler(handler)
    try:
        _ext.log(logging.WARNING, "a line")
        assert handler.called.wait(20)
    finally:
        LOGGER.removeHandler(handler)
    assert store.get("a") == b"data"  # without the thread: CredentialsError after 120 s
    assert provider.asked == 1
    wait_until(lambda: type(error).__name__ in capfd.readouterr().err)


def test_a_provider_that_ends_its_thread_is_an_answer(provider: Provider, store: Store) -> None:
    provider.error = SystemExit("enough")
    with pytest.raises(CredentialsError, match="SystemExit: enough"):
        store.get("a")


def test_without_a_thread_to_be_had_credentials_are_looked_up_all_the_same(
    provider: Provider, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    refused = []

    def refuse(thread: threading.Thread) -> None:
        if thread.name != "s3dlio-credentials":
            return start(thread)
        refused.append(thread)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert store.get("a") == b"data"
    assert refused


def test_providers_go_with_their_stores(provider: Provider, store: Store) -> None:
    before = len(service._providers)
    other = open_store("s3://data/", endpoint_url="http://127.0.0.1:1", profile="p")
    assert len(service._providers) == before + 1
    other.close()
    del other
    gc.collect()
    assert len(service._providers) <= before + 1  # `provider` itself is held by this test


def test_answer_to_nobody_is_ignored() -> None:
    _ext.answer_lookup(1 << 40, None, "too late")
