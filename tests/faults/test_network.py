"""Connections that cannot be made, or end between requests; calls that are taken back."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from servers.content import MIB, content
from servers.fault_server import FaultServer
from servers.guarded import Guarded
from waiting import until

from s3dlio_core import ConnectionFailedError, StorageError, TransferTimeoutError, stats

DATA = content(3 * MIB + 17, seed=24)
ONE = {"part_size": 16 * MIB, "max_connections": 1, "initial_connections": 1}
PATIENT = {"stall_window_seconds": 60.0, "first_byte_timeout_seconds": 60.0, "operation_timeout_seconds": 120.0}

pytestmark = pytest.mark.usefixtures("counted")


@dataclass
class Nowhere:
    endpoint_url: str
    access_key: str = "AK"
    secret_key: str = "a-secret"
    region: str = "us-east-1"


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


def test_g25_nobody_listens(store_on) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError) as caught:
        store_on(Nowhere(f"http://127.0.0.1:{port}")).get("a")
    assert isinstance(caught.value, ConnectionError)
    assert time.monotonic() - began < 5
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_g25_no_such_host(store_on) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError) as caught:
        store_on(Nowhere("http://no-such-host.invalid:9")).get("a")
    assert "no-such-host.invalid" in str(caught.value)
    assert time.monotonic() - began < 15


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue is full: the kernel answers no further SYN."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)
        yield port


def test_g25_dead_server_within_the_connect_time_out(store_on) -> None:
    with deaf_port() as port:
        tuning = {"connect_timeout_seconds": 0.3, "max_attempts": 2}
        store = store_on(Nowhere(f"http://127.0.0.1:{port}"), tuning=tuning)
        began = time.monotonic()
        with pytest.raises((TransferTimeoutError, ConnectionFailedError)):
            store.get("a")
        assert time.monotonic() - began < 3
        assert stats()["connect_failures"] + stats()["timeouts"] >= 1


def test_g25_dead_address_of_several(server: FaultServer, store_on) -> None:
    addresses = {info[4][0] for info in socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)}
    if len(addresses) < 2:
        pytest.skip("localhost has one address here; the engine's own tests have three")
    store = store_on(Nowhere(f"http://localhost:{server.port}"), tuning=ONE)
    began = time.monotonic()
    assert store.get("a") == DATA
    assert time.monotonic() - began < 1
    assert stats()["addresses_marked_bad"] <= 1


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("operation", ["get", "put", "head", "list"])
def test_g27_connection_that_ends_just_as_it_is_reused(server: FaultServer, store_on, operation: str, end: str) -> None:
    store = store_on(server, tuning=ONE)
    calls = {
        "get": lambda: store.get("a"),
        "put": lambda: store.put("b", DATA[:1000]),
        "head": lambda: store.head("a"),
        "list": lambda: list(store.list()),
    }
    calls[operation]()
    rule = server.fault(lose_answer=True, not_done=True, end=end)  # on a connection that has served before
    calls[operation]()
    assert rule.fired == 1
    assert stats()["stale_connections"] == 1
    assert stats()["transport_errors"] == 0


def test_g27_idle_connections_all_dropped(server: FaultServer, store_on) -> None:
    store = store_on(server)
    assert store.get("a") == DATA
    server.drop_connections()
    time.sleep(0.05)
    assert store.get("a") == DATA
    assert stats()["transport_errors"] == 0


def test_g27_is_not_charged(server: FaultServer, store_on) -> None:
    store = store_on(server, tuning={**ONE, "retry_budget": 20})
    for _ in range(30):
        assert store.get_range("a", start=0, end=100) == DATA[:100]
        server.fault(lose_answer=True, not_done=True, end="fin")
    assert stats()["retry_budget_exhausted"] == 0
    assert stats()["stale_connections"] == 29


def test_connections_are_reused(server: FaultServer, store_on) -> None:
    store = store_on(server, tuning=ONE)
    for _ in range(20):
        store.get_range("a", start=0, end=10)
    assert server.connections == 1
    assert stats()["connections_reused"] >= 19


def test_connection_is_closed_where_the_server_says_so(server: FaultServer, store_on) -> None:
    server.fault(times=None, headers={"Connection": "close"})
    store = store_on(server, tuning=ONE)
    for _ in range(5):
        assert store.get_range("a", start=0, end=10) == DATA[:10]
    assert server.connections >= 5
    assert stats()["transport_errors"] == 0


@pytest.mark.parametrize("moment", ["head", "body", "connect"])
async def test_g29_cancelled_at_any_point(server: FaultServer, store_on, moment: str) -> None:
    faults = {"head": {"stall_head": True}, "body": {"bytes_per_second": 200_000}, "connect": {}}
    server.fault("get", times=None, **faults[moment])
    store = store_on(server, tuning={"part_size": MIB, **PATIENT})
    guarded = Guarded(len(DATA))
    untouched = bytes(guarded)
    task = asyncio.create_task(store.get_into_async("a", guarded.view))
    if moment == "head":
        await until(lambda: server.count("get") > 0)
    elif moment == "body":
        await until(lambda: bytes(guarded) != untouched)
    else:
        await asyncio.sleep(0)
    began = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    frozen = bytes(guarded)
    assert time.monotonic() - began < 3
    await asyncio.sleep(0.3)
    assert bytes(guarded) == frozen, "memory was written after the cancellation surfaced"
    guarded.check()
    assert stats()["cancelled"] >= 1
    server.heal()
    assert await store.get_async("a") == DATA


async def test_g29_cancelled_upload_leaves_nothing(server: FaultServer, store_on) -> None:
    whole = content(16 * MIB, seed=25)
    server.fault("upload_part", skip=1, times=None, delay_head_seconds=30)
    store = store_on(server, tuning={"part_size": 5 * MIB, "multipart_threshold": 6 * MIB, **PATIENT})
    task = asyncio.create_task(store.put_async("up", whole))
    await until(lambda: server.count("upload_part") > 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    server.heal()
    await until(lambda: not server.objects.uploads)
    assert server.stored("data", "up") is None


def test_g29_closing_a_store_ends_its_calls(server: FaultServer, store_on) -> None:
    server.fault("get", times=None, stall_head=True)
    store = store_on(server, tuning={"first_byte_timeout_seconds": 60.0})
    stream = store.prefetch(["a"] * 10)
    began = time.monotonic()
    stream.close()
    store.close()
    assert time.monotonic() - began < 10


def test_first_failure_takes_back_the_others(server: FaultServer, store_on) -> None:
    server.fault("get", key="bad", status=403, code="AccessDenied")
    server.fault("get", key="a", times=None, delay_head_seconds=20)
    store = store_on(server, tuning={"first_byte_timeout_seconds": 60.0})
    began = time.monotonic()
    with pytest.raises(StorageError) as caught:
        store.get_many(["a", "a", "bad", "a"])
    assert caught.value.service_code == "AccessDenied"
    assert time.monotonic() - began < 10
