"""BoundedRun: many engine calls in flight, never more than allowed, and taken back together; blocking and on a loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from servers.fault import Rule
from servers.fault_server import FaultServer

from s3dlio_core import ObjectNotFoundError, Store, TransferCancelledError, open_store
from s3dlio_core._ext import PutOptions
from s3dlio_core.run.bounded import BoundedRun, Weighted
from s3dlio_core.run.steps import Steps

Way = Callable[[BoundedRun, Iterable[Weighted]], None]


def on_a_loop(run: BoundedRun, tasks: Iterable[Weighted]) -> None:
    asyncio.run(run.run_async(tasks))


WAYS = pytest.mark.parametrize("way", [BoundedRun.run, on_a_loop], ids=["blocking", "asyncio"])


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


@WAYS
def test_all_run_and_no_more_at_once_than_allowed(store: Store, way: Way) -> None:
    counting = Counting(store)
    way(BoundedRun(limit=4, window_bytes=1000), (counting.read(f"{number}", 1) for number in range(30)))
    assert sorted(counting.sizes) == list(range(30))
    assert 1 < counting.most <= 4


@WAYS
def test_their_weight_together_stays_in_the_window(store: Store, way: Way) -> None:
    counting = Counting(store)
    way(BoundedRun(limit=30, window_bytes=100), (counting.read(f"{number}", 10 + number) for number in range(30)))
    assert len(counting.sizes) == 30
    assert counting.heaviest <= 100


@WAYS
def test_one_that_is_heavier_than_the_window_runs_alone(store: Store, way: Way) -> None:
    counting = Counting(store)
    way(BoundedRun(limit=30, window_bytes=5), (counting.read(f"{number}", 50) for number in range(5)))
    assert len(counting.sizes) == 5
    assert counting.most == 1


@WAYS
def test_tasks_may_come_up_while_others_run(store: Store, way: Way) -> None:
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

    way(BoundedRun(limit=10, window_bytes=100), Late())
    assert sorted(counting.sizes) == [1, 2, 3, 4]


@WAYS
def test_the_first_failure_ends_all(store: Store, way: Way) -> None:
    counting = Counting(store)
    tasks = [counting.read("missing" if number == 7 else f"{number}", 1) for number in range(30)]
    with pytest.raises(ObjectNotFoundError, match="missing"):
        way(BoundedRun(limit=3, window_bytes=100), tasks)
    assert len(counting.sizes) < 30


@WAYS
def test_nothing_to_do_is_done_at_once(way: Way) -> None:
    way(BoundedRun(limit=1, window_bytes=1), iter(()))


@pytest.fixture
def far(fault_server: FaultServer) -> Iterator[Store]:
    """A store whose object "slow" never comes as a whole."""
    fault_server.put_object("data", "slow", b"x" * 1000)
    with open_store(
        "s3://data/", endpoint_url=fault_server.endpoint_url, access_key_id="a", secret_access_key="b", region="x"
    ) as opened:
        yield opened


@contextlib.contextmanager
def cancelled_after(run: BoundedRun, rule: Rule, requests: int) -> Iterator[None]:
    """`run` is cancelled from another thread once so many requests met the rule."""
    over = threading.Event()

    def cancel_soon() -> None:
        while rule.fired < requests and not over.wait(0.01):
            pass
        run.cancel()

    thread = threading.Thread(target=cancel_soon)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@WAYS
def test_cancelled_from_another_thread(fault_server: FaultServer, far: Store, way: Way) -> None:
    rule = fault_server.fault("get", times=None, stall_at=10)
    run = BoundedRun(limit=2, window_bytes=10)
    counting = Counting(far)
    with cancelled_after(run, rule, 1), pytest.raises(TransferCancelledError):
        way(run, (counting.read("slow", 1) for _ in range(5)))
    assert counting.most <= 2
    assert counting.running == 0


class Victim:
    """Tasks that read what never comes, and put an object each when they are taken back."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.ended: list[bool] = []  # whether a task's call had ended when the task was told

    def task(self, number: int) -> Steps[None]:
        call = self._store._native().get("slow", None, "", "", "")
        try:
            yield call
        except GeneratorExit:
            raise
        except BaseException:
            self.ended.append(call.done())
            yield self._store._native().put(f"cleaned-{number}", b"", PutOptions())
            raise


@WAYS
def test_tasks_clean_up_after_their_calls_have_ended(fault_server: FaultServer, far: Store, way: Way) -> None:
    rule = fault_server.fault("get", times=None, stall_at=10)
    run, victim = BoundedRun(limit=3), Victim(far)
    with cancelled_after(run, rule, 3), pytest.raises(TransferCancelledError):
        way(run, map(Weighted, map(victim.task, range(9))))
    assert victim.ended == [True] * 3
    assert [far.exists(f"cleaned-{number}") for number in range(4)] == [True, True, True, False]


async def test_a_second_cancellation_does_not_cut_the_clean_up_short(fault_server: FaultServer, far: Store) -> None:
    reading = fault_server.fault("get", times=None, stall_at=10)
    writing = fault_server.fault("put", times=None, delay_head_seconds=0.3)
    task = asyncio.create_task(BoundedRun(limit=1).run_async([Weighted(Victim(far).task(1))]))
    for rule in (reading, writing):
        while not rule.fired:
            await asyncio.sleep(0.01)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fault_server.stored("data", "cleaned-1") == b""
