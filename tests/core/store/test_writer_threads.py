"""A writer, and a call, that two threads use at once: one of them is refused, and nothing crashes or hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from servers.content import MIB, content
from servers.fault_server import FaultServer
from waiting import wait_until

from s3dlio_core import ClosedError, ConcurrentUseError, StorageError, Store, _ext, open_store

DATA = content(6 * MIB, seed=72)


@pytest.fixture(params=["s3", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "file":
        return open_store(f"file://{tmp_path}/")
    server: FaultServer = request.getfixturevalue("fault_server")
    opened: Store = request.getfixturevalue("store_on")(server, tuning={"part_size": 5 * MIB})
    return opened


def together(*works: Callable[[], object]) -> list[BaseException]:
    """What the threads raised that do `works` at the same time."""
    raised: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            raised.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "it hangs"
    return raised


def test_a_second_thread_is_refused_while_a_write_is_not_over(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server, tuning={"part_size": 5 * MIB})
    fault_server.fault("upload_part", times=None, stall_head=True)
    writer = store.open_writer("a")
    data = bytes(25 * MIB)  # lent, so not over before it has arrived
    raised: list[BaseException] = []
    thread = threading.Thread(target=lambda: raised.extend(together(lambda: writer.write(data))))
    thread.start()
    wait_until(lambda: fault_server.count("upload_part"))
    for use in (lambda: writer.write(b"x"), writer.close):
        with pytest.raises(ConcurrentUseError, match="not over") as caught:
            use()
        assert caught.value.uri == store.uri_of("a")
    assert not writer.closed
    fault_server.heal()
    writer.abort()
    thread.join(60)
    assert not thread.is_alive()
    assert all(isinstance(error, StorageError) for error in raised)
    assert not list(store.list())


def test_writers_that_several_threads_misuse(store: Store) -> None:
    """Whatever comes first: each thread gets its result or an error of ours."""
    for turn in range(6):
        writer = store.open_writer(f"w{turn}")

        def write(writer=writer) -> None:
            for start in range(0, len(DATA), 2 * MIB):
                writer.write(memoryview(DATA)[start : start + 2 * MIB])

        ending = writer.close if turn % 2 else writer.abort
        raised = together(write, write, ending, lambda writer=writer: writer._native.bytes_written(), ending)
        assert all(isinstance(error, (StorageError, AttributeError)) for error in raised), raised
        writer.abort()


def test_a_call_that_several_threads_wait_for(store: Store) -> None:
    """One gets the result, the others are told that it was taken."""
    store.put("a", DATA)
    for _ in range(20):
        pending = store._native().get("a", None, "", "", "")
        got: list[object] = []
        raised = together(*[lambda pending=pending, got=got: got.append(pending.wait()) for _ in range(4)])
        assert len(got) == 1
        assert got == [DATA]
        assert [type(error) for error in raised] == [ClosedError] * 3
        with pytest.raises(ClosedError, match="taken"):
            pending.wait()


def test_a_call_has_one_listener(store: Store) -> None:
    """A second one would take the place of the first, which then waits for ever."""
    store.put("a", b"abc")
    port = _ext.CompletionPort(with_fd=False)
    pending = store._native().get("a", None, "", "", "")
    port.add(pending, 1)
    with pytest.raises(ConcurrentUseError, match="waits for this call already"):
        port.add(pending, 2)
    assert port.wait() == [1]
    assert pending.result() == b"abc"
