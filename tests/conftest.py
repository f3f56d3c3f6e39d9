"""What all tests share: servers on loopback, stores over them, and an environment free of real credentials."""

from __future__ import annotations

import os
import signal
import ssl
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from servers.access import QUICK, Server, credentials_of
from servers.fault_server import FaultServer
from servers.moto import MotoServer
from servers.seaweedfs import LocalS3

from s3dlio_core import Store, Tuning, open_store, reset_stats

# A job started in the background ignores SIGINT, and so would every program these tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_real_credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "S3DLIO_")) or name.lower().endswith("_proxy"):
                patch.delenv(name)
        patch.setenv("S3DLIO_LEAK_WARNINGS", "1")  # in the programs that the tests start
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(autouse=True)
def _leaves_the_environment_alone(_no_real_credentials: None) -> Iterator[None]:
    """What one test sets, others would take for the user's."""
    before = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "S3DLIO_"))}
    yield
    after = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "S3DLIO_"))}
    assert after == before, "a test changed the environment"


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    with LocalS3(tmp_path_factory.mktemp("seaweedfs")) as server:
        with open_store("s3://train/", **credentials_of(server)) as store:
            store.create_bucket()
        yield server


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MotoServer]:
    with MotoServer(tmp_path_factory.mktemp("moto")) as server:
        with open_store("s3://train/", **credentials_of(server)) as store:
            store.create_bucket()
        yield server


@pytest.fixture
def fault_server() -> Iterator[FaultServer]:
    """A server of its own for each test, holding the empty bucket "data"."""
    with FaultServer() as server:
        server.objects.buckets["data"] = {}
        yield server


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[FaultServer]:
    with FaultServer(tls=server_context(authority.issue_cert("127.0.0.1", "localhost"))) as server:
        server.objects.buckets["data"] = {}
        yield server


StoreMaker = Callable[..., Store]


@pytest.fixture
def store_on() -> Iterator[StoreMaker]:
    """store_on(server, bucket="data", tuning={...}, **options): a store with short times, closed at the end."""
    opened: list[Store] = []

    def make(
        server: Server,
        *,
        bucket: str = "data",
        prefix: str = "",
        tuning: dict[str, Any] | None = None,
        **options: Any,
    ) -> Store:
        chosen = Tuning(**{**QUICK, **(tuning or {})})
        options = {**credentials_of(server), **options}
        store = open_store(f"s3://{bucket}/{prefix}", tuning=chosen, **options)
        opened.append(store)
        return store

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def counted() -> None:
    """The engine's counters start at zero."""
    reset_stats()


@pytest.fixture
def name() -> str:
    """A name nobody else uses."""
    return uuid.uuid4().hex[:12]
