"""G30: a store lives on in a child, whatever its parent was doing; nothing of the parent's is disturbed."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import select
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import children
from servers.access import credentials_of
from servers.content import MIB, content
from servers.fault_server import FaultServer

from s3dlio_core import Buffer, Store, Tuning, get, open_store

DATA = content(3 * MIB + 17, seed=30)


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    fault_server.put_object("data", "a", DATA)
    return fault_server


@pytest.fixture(params=["s3", "file", "direct"])
def store(request: pytest.FixtureRequest, server: FaultServer, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        opened = open_store("s3://data/", tuning=Tuning(part_size=MIB), **credentials_of(server))
    else:
        opened = open_store(f"{request.param}://{tmp_path}")
        opened.put("a", DATA)
    with opened:
        yield opened


def in_child(work: Callable[[], bytes], *, within_seconds: float = 20) -> bytes:
    """What `work` gives in a forked child. The child leaves by os._exit and takes no part in pytest."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking while threads run is the point
        child = os.fork()
    if child == 0:
        status = 1
        try:
            os.write(writing, b"=" + work())
            status = 0
        except BaseException as error:
            os.write(writing, b"!" + repr(error).encode())
        finally:
            os._exit(status)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], within_seconds)
        if not ready:
            os.kill(child, signal.SIGKILL)
            pytest.fail(f"the child gave nothing in {within_seconds} s")
        said = os.read(reading, 1 << 16)
    finally:
        os.close(reading)
        os.waitpid(child, 0)
    assert said[:1] == b"=", said
    return said[1:]


def reads_all(store: Store) -> bytes:
    return b"same" if store.get("a") == DATA else b"different"


def test_first_get_of_a_child(store: Store) -> None:
    assert in_child(lambda: reads_all(store)) == b"same"


def test_childs_get_after_the_parents(store: Store) -> None:
    assert store.get("a") == DATA
    assert in_child(lambda: reads_all(store)) == b"same"
    assert store.get("a") == DATA


def test_child_of_a_child(store: Store) -> None:
    assert store.get("a") == DATA
    assert in_child(lambda: reads_all(store) + in_child(lambda: reads_all(store))) == b"samesame"
    assert store.get("a") == DATA


def test_several_children_and_the_parent_at_once(store: Store) -> None:
    assert store.get("a") == DATA
    outcomes: list[bytes] = []
    for _ in range(4):
        outcomes.append(in_child(lambda: reads_all(store)))
        assert store.get("a") == DATA
    assert outcomes == [b"same"] * 4


def test_fork_with_transfers_running(store: Store) -> None:
    stop = threading.Event()
    failures: list[object] = []

    def keep_reading() -> None:
        while not stop.is_set():
            try:
                if store.get("a") != DATA:
                    failures.append("wrong bytes")
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=keep_reading) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            assert in_child(lambda: reads_all(store)) == b"same"
    finally:
        stop.set()
        for thread in threads:
            thread.join(20)
    assert failures == []


def test_parents_transfer_survives_a_childs_end(server: FaultServer) -> None:
    """A child that exits closes its copies of the parent's sockets; the parent's transfer must not notice."""
    server.fault("get", bytes_per_second=3 * MIB)
    with open_store("s3://data/", **credentials_of(server)) as store:
        stream = store.prefetch(["a"])
        time.sleep(0.2)
        assert in_child(lambda: reads_all(store)) == b"same"
        assert [bytes(data) for _, data in stream] == [DATA]
    assert server.count("get") == 2


def test_call_of_the_parent_is_dropped_by_the_child_at_once(server: FaultServer) -> None:
    """Dropping a call that is under way waits for its end; in a child its end would never come."""
    server.fault("get", stall_head=True)
    with open_store("s3://data/", **credentials_of(server)) as store:
        under_way = [store._native().get("a", None, "", "", "")]
        time.sleep(0.2)
        assert not under_way[0].done()

        def drop() -> bytes:
            under_way.clear()
            return b"dropped"

        assert in_child(drop, within_seconds=10) == b"dropped"
        assert not under_way[0].done()
        under_way[0].cancel()


def test_buffers_of_the_parent_are_readable_in_the_child(store: Store) -> None:
    data = store.get("a")
    assert in_child(lambda: b"same" if data == DATA else b"different") == b"same"


def test_writer_of_the_parent_is_not_the_childs(server: FaultServer) -> None:
    """A child that ends with an open writer of its parent's neither completes nor aborts it."""
    with open_store("s3://data/", **credentials_of(server)) as store:
        writer = store.open_writer("w")
        writer.write(content(17 * MIB, seed=31))
        assert in_child(lambda: b"gone") == b"gone"
        writer.close()
    assert server.stored("data", "w") == content(17 * MIB, seed=31)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(server: FaultServer, method: str) -> None:
    context = multiprocessing.get_context(method)
    with open_store("s3://data/", **credentials_of(server)) as store, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert store.get("a") == DATA
        answers = context.Queue()
        started = [
            context.Process(target=children.reads, args=(pickle.dumps(store), "a", DATA, answers)) for _ in range(2)
        ]
        for child in started:
            child.start()
        assert [answers.get(timeout=40) for _ in started] == [("s3://data/", True)] * 2
        for child in started:
            child.join(20)
            assert child.exitcode == 0
        answers.close()
        answers.join_thread()
        assert store.get("a") == DATA


# ---- threads of a child that come at the same moment ----


def all_at_once(count: int, work: Callable[[int], object]) -> bytes:
    """b"ok", or what went wrong first, of `count` threads that begin together."""
    barrier = threading.Barrier(count)
    failures: list[str] = []

    def run(index: int) -> None:
        barrier.wait()
        try:
            work(index)
        except BaseException as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures[0].encode() if failures else b"ok"


def written(store: Store, index: int) -> None:
    with store.open_writer(f"written-{index}") as writer:
        writer.write(DATA)
    assert store.get(f"written-{index}") == DATA


FIRST_USES: dict[str, Callable[[Store, int], object]] = {
    "get": lambda store, index: reads_all(store) == b"same" or 1 / 0,
    "prefetch": lambda store, index: [1 / (data == DATA) for _, data in store.prefetch(["a"] * 3)],
    "writer": written,
    "kept store of a verb": lambda store, index: 1 / (get(store.uri_of("a")) == DATA),
    "list": lambda store, index: 1 / len(list(store.list())),
    "memory": lambda store, index: 1 / (Buffer(DATA) == DATA),
}


@pytest.mark.parametrize("use", list(FIRST_USES))
def test_threads_of_a_child_use_the_store_at_the_same_moment(
    store: Store, server: FaultServer, monkeypatch: pytest.MonkeyPatch, use: str
) -> None:
    credentials = credentials_of(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", credentials["endpoint_url"])
    for name in ("region", "access_key_id", "secret_access_key"):
        monkeypatch.setenv(f"AWS_{name.upper()}", credentials[name])
    FIRST_USES[use](store, 0)
    for _ in range(5):
        assert in_child(lambda: all_at_once(8, lambda index: FIRST_USES[use](store, index))) == b"ok"


def test_whoever_comes_meanwhile_gets_a_whole_store(tmp_path: Path) -> None:
    """Not the parent's: while one thread of the child opens the store anew, another one finds either none or that."""
    with open_store(f"file://{tmp_path}") as store:
        store.put("a", DATA)

        def work() -> bytes:
            opening, opened = threading.Event(), threading.Event()
            opener, first = store._opener.open, threading.Lock()

            def slow_open() -> object:
                if first.acquire(blocking=False):
                    opening.set()
                    assert opened.wait(10)
                return opener()

            store._opener.open = slow_open  # type: ignore[method-assign,assignment]
            said: list[bytes] = []
            thread = threading.Thread(target=lambda: said.append(reads_all(store)))
            thread.start()
            assert opening.wait(10)
            meanwhile = reads_all(store)
            opened.set()
            thread.join()
            return b" ".join([meanwhile, *said])

        assert in_child(work) == b"same same"
