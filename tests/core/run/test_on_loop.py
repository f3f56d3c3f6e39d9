"""Calls on asyncio loops: one wake-up for many, and cancellation that holds. (Over real stores: tests/conformance.)"""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from pathlib import Path

import pytest

from s3dlio_core import ObjectNotFoundError, Store, _ext, open_store
from s3dlio_core.run import on_loop

DATA = bytes(range(256)) * 4000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(f"file://{tmp_path}")
    opened.put("a", DATA)
    return opened


def test_port_hears_of_many_at_once(store: Store) -> None:
    port = _ext.CompletionPort(with_fd=False)
    calls = [store._native().get("a", None, "", "", "") for _ in range(50)]
    for token, call in enumerate(calls):
        port.add(call, token)
    heard: list[int] = []
    while len(heard) < 50:
        heard += port.wait()
    assert sorted(heard) == list(range(50))
    assert all(call.done() and call.result() == DATA for call in calls)
    assert port.take() == []


def test_result_is_taken_once(store: Store) -> None:
    call = store._native().get("a", None, "", "", "")
    assert call.wait() == DATA
    with pytest.raises(ValueError, match="taken already"):
        call.wait()
    with pytest.raises(ValueError, match="taken already"):
        call.result()


async def test_loop_watches_one_descriptor_for_all(store: Store) -> None:
    await asyncio.gather(*(store.get_async("a") for _ in range(30)))
    assert len([port for loop, port in on_loop._watches.items() if loop is asyncio.get_running_loop()]) == 1


def test_loop_that_ended_is_let_go(store: Store) -> None:
    async def main() -> weakref.ref[asyncio.AbstractEventLoop]:
        assert await store.get_async("a") == DATA
        return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(main())
    gc.collect()
    assert loop() is None


def test_loops_of_several_threads(store: Store) -> None:
    outcomes: list[bool] = []

    async def main() -> None:
        got = await asyncio.gather(*(store.get_async("a") for _ in range(20)))
        outcomes.append(all(item == DATA for item in got))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert outcomes == [True] * 4


async def test_cancelled_more_than_once(store: Store) -> None:
    for delay in (0, 0, 0.0005, 0.001):
        task = asyncio.create_task(store.get_async("a"))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError) or outcome == DATA


async def test_many_stop_at_the_first_failure(store: Store) -> None:
    with pytest.raises(ObjectNotFoundError):
        await store.get_many_async(["a"] * 50 + ["none"] + ["a"] * 50)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_cancelled_many_leave_no_task_behind(store: Store) -> None:
    task = asyncio.create_task(store.get_many_async(["a"] * 200))
    await asyncio.sleep(0.002)
    task.cancel()
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    assert isinstance(outcome, (asyncio.CancelledError, list))
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_contexts(store: Store) -> None:
    async with store.open_writer("w") as writer:
        assert await writer.write_async(b"abc") == 3
    assert await store.get_async("w") == b"abc"
    with pytest.raises(RuntimeError, match="of the user's"):
        async with store.open_writer("w") as writer:
            await writer.write_async(b"xyz")
            raise RuntimeError("of the user's")
    assert await store.get_async("w") == b"abc"
    async with store:
        pass
    with pytest.raises(ValueError, match="closed"):
        await store.get_async("w")
