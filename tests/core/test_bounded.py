"""BoundedRun: many engine calls in flight, never more than allowed, and taken back together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from servers.fault_server import FaultServer

from s3dlio_core import ObjectNotFoundError, Store, TransferCancelledError, open_store
from s3dlio_core.run.bounded import BoundedRun, Weighted
from s3dlio_core.run.many import Steps


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for number in range(30):
        (tmp_path / f"{number}").write_bytes(b"x" * number)
    return open_store(f"file://{tmp_path}/")


class Counting:
    """Makes tasks that read objects, and sees how many run at once, and how heavy they are together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sizes: list[int] = []
        self.running = self.most = self.load = self.heaviest = 0

    def read(self, key: str, weight: int) -> Weighted:
        return Weighted(self._steps(key, weight), weight)

    def _steps(self, key: str, weight: int) -> Steps[None]:
        self.running += 1
        self.load += weight
        self.most, self.heaviest = max(self.most, self.running), max(self.heaviest, self.load)
        try:
            data = yield self._store._native().get(key, None, "", "", "")
            again = yield self._store._native().get(key, None, "", "", "")
            assert bytes(data) == bytes(again)
            self.sizes.append(len(data))
        finally:
            self.running -= 1
            self.load -= weight


def test_all_run_and_no_more_at_once_than_allowed(store: Store) -> None:
    counting = Counting(store)
    BoundedRun(limit=4, window_bytes=1000).run(counting.read(f"{number}", 1) for number in range(30))
    assert sorted(counting.sizes) == list(range(30))
    assert 1 < counting.most <= 4


def test_their_weight_together_stays_in_the_window(store: Store) -> None:
    counting = Counting(store)
    BoundedRun(limit=30, window_bytes=100).run(counting.read(f"{number}", 10 + number) for number in range(30))
    assert len(counting.sizes) == 30
    assert counting.heaviest <= 100


def test_one_that_is_heavier_than_the_window_runs_alone(store: Store) -> None:
    counting = Counting(store)
    BoundedRun(limit=30, window_bytes=5).run(counting.read(f"{number}", 50) for number in range(5))
    assert len(counting.sizes) == 5
    assert counting.most == 1


def test_tasks_may_come_up_while_others_run(store: Store) -> None:
    """As when something was damaged and is read again after everything else was drawn."""
    counting = Counting(store)

    class Late:
        def __init__(self) -> None:
            self._drawn = 0

        def __iter__(self) -> Late:
            return self

        def __next__(self) -> Weighted:
            if self._drawn < 3 or (self._drawn == 3 and len(counting.sizes) == 3):
                self._drawn += 1
                return counting.read(f"{self._drawn}", 1)
            raise StopIteration

    BoundedRun(limit=10, window_bytes=100).run(Late())
    assert sorted(counting.sizes) == [1, 2, 3, 4]


def test_the_first_failure_ends_all(store: Store) -> None:
    counting = Counting(store)
    tasks = [counting.read("missing" if number == 7 else f"{number}", 1) for number in range(30)]
    with pytest.raises(ObjectNotFoundError, match="missing"):
        BoundedRun(limit=3, window_bytes=100).run(tasks)
    assert len(counting.sizes) < 30


def test_nothing_to_do_is_done_at_once() -> None:
    BoundedRun(limit=1, window_bytes=1).run(iter(()))


def test_cancelled_from_another_thread(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "slow", b"x" * 1000)
    rule = fault_server.fault("get", times=None, stall_at=10)
    store = open_store(
        "s3://data/", endpoint_url=fault_server.endpoint_url, access_key_id="a", secret_access_key="b", region="x"
    )
    run = BoundedRun(limit=2, window_bytes=10)

    def cancel_soon() -> None:
        while not rule.fired:
            ended.wait(0.01)
        run.cancel()

    def tasks() -> Iterator[Weighted]:
        counting = Counting(store)
        yield from (counting.read("slow", 1) for _ in range(5))

    ended = threading.Event()
    thread = threading.Thread(target=cancel_soon)
    thread.start()
    try:
        with pytest.raises(TransferCancelledError):
            run.run(tasks())
    finally:
        ended.set()
        thread.join()
        store.close()
