"""run_many: limits, order, failures; the blocking and the asyncio way give the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from s3dlio_core import ObjectNotFoundError, Store, TransferCancelledError, open_store
from s3dlio_core._ext import PutOptions
from s3dlio_core.run import bounded
from s3dlio_core.run.many import Steps, run, run_many, run_many_async


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(f"file://{tmp_path}")
    for index in range(10):
        opened.put(f"k{index}", bytes([index]) * 1000)
    return opened


def by_loop(tasks: Iterable[Steps[Any]], limit: int) -> list[Any]:
    return asyncio.run(run_many_async(tasks, limit))


WAYS = pytest.mark.parametrize("way", [run_many, by_loop], ids=["blocking", "asyncio"])
Way = Callable[[Iterable[Steps[Any]], int], list[Any]]


@WAYS
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_results_in_order_and_never_more_than_the_limit(store: Store, way: Way, limit: int) -> None:
    native = store._native()
    open_now = 0
    most = 0

    def task(index: int) -> Steps[int]:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        first = yield native.get(f"k{index % 10}", None, "", "", "")
        second = yield native.get_range(f"k{index % 10}", 0, 5, None, "", "", "")
        open_now -= 1
        return int(first[0]) * 100 + len(second)

    assert way(map(task, range(40)), limit) == [(index % 10) * 100 + 5 for index in range(40)]
    assert most <= limit


@WAYS
def test_input_is_drawn_only_as_places_become_free(store: Store, way: Way) -> None:
    native = store._native()
    drawn = 0
    done = 0

    def task() -> Steps[None]:
        nonlocal done
        yield native.get("k1", None, "", "", "")
        done += 1

    def tasks() -> Iterator[Steps[None]]:
        nonlocal drawn
        for _ in range(30):
            drawn += 1
            assert drawn - done <= 4
            yield task()

    way(tasks(), 3)
    assert (drawn, done) == (30, 30)


@WAYS
def test_task_without_calls(store: Store, way: Way) -> None:
    def task(value: int) -> Steps[int]:
        return value
        yield

    assert way(map(task, range(5)), 2) == list(range(5))
    assert way([], 2) == []


@WAYS
def test_task_may_survive_its_calls_failure(store: Store, way: Way) -> None:
    native = store._native()

    def task(key: str) -> Steps[str]:
        try:
            yield native.get(key, None, "", "", "")
        except ObjectNotFoundError:
            return "missing"
        return "there"

    assert way(map(task, ["k1", "none", "k2"]), 2) == ["there", "missing", "there"]


@WAYS
def test_failure_of_the_input_is_raised(store: Store, way: Way) -> None:
    native = store._native()

    def task() -> Steps[None]:
        yield native.get("k1", None, "", "", "")

    def tasks() -> Iterator[Steps[None]]:
        yield task()
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        way(tasks(), 2)


@WAYS
def test_task_cleans_up_when_another_fails(store: Store, way: Way) -> None:
    native = store._native()

    def victim() -> Steps[None]:
        try:
            while True:
                yield native.get("k1", None, "", "", "")
        except GeneratorExit:
            raise
        except BaseException:
            yield native.put("cleaned-up", b"", PutOptions())
            raise

    def failing() -> Steps[None]:
        for _ in range(5):
            yield native.get("k2", None, "", "", "")
        raise RuntimeError("the first failure")

    with pytest.raises(RuntimeError, match="the first failure"):
        way([victim(), failing(), victim()], 3)
    assert store.exists("cleaned-up")


def test_none_of_the_others_is_under_way_when_the_failure_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their memory is the caller's again then. Calls of this test's own, which end only when they are waited for."""

    class Call:
        ended = cancelled = False

        def done(self) -> bool:
            return self.ended

        def cancel(self) -> None:
            self.cancelled = True

        def wait(self) -> None:
            assert self.cancelled
            self.ended = True
            raise TransferCancelledError("taken back")

    class Port:
        def __init__(self, with_fd: bool) -> None:
            pass

        def add(self, call: Call, token: int) -> None:
            pass

    calls: list[Any] = []

    def victim() -> Steps[None]:
        calls.append(Call())
        yield calls[-1]

    def failing() -> Steps[None]:
        raise RuntimeError("the first failure")
        yield calls[-1]

    monkeypatch.setattr(bounded, "CompletionPort", Port)
    with pytest.raises(RuntimeError, match="the first failure"):
        run_many([victim(), victim(), failing()], 3)
    assert [call.ended for call in calls] == [True, True]


def test_run_gives_one_result(store: Store) -> None:
    def task() -> Steps[int]:
        data = yield store._native().get("k3", None, "", "", "")
        return len(data)

    assert run(task()) == 1000
