"""Every I/O verb has a twin that resolves on the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import inspect

import pytest
from servers.content import MIB, content
from servers.guarded import Guarded

from s3dlio_core import ObjectNotFoundError, Store

DATA = content(200_000, seed=10)


async def test_put_and_get(any_store: Store) -> None:
    result = await any_store.put_async("a", DATA)
    assert result.size == len(DATA)
    assert await any_store.get_async("a") == DATA
    assert await any_store.get_range_async("a", start=5, end=500) == DATA[5:500]
    guarded = Guarded(1000)
    assert await any_store.get_into_async("a", guarded.view, offset=3) == 1000
    assert bytes(guarded) == DATA[3:1003]
    guarded.check()
    pieces = await any_store.get_ranges_async("a", [(100, 200), (0, 5)])
    assert [bytes(piece) for piece in pieces] == [DATA[100:200], DATA[:5]]


async def test_the_rest(any_store: Store) -> None:
    await any_store.put_many_async([("a", b"1"), ("b", b"2")])
    assert [bytes(data) for data in await any_store.get_many_async(["b", "a"])] == [b"2", b"1"]
    assert (await any_store.head_async("a")).size == 1
    assert await any_store.exists_async("a")
    assert not await any_store.exists_async("none")
    await any_store.copy_async("a", "c")
    assert [meta.key async for meta in any_store.list_async()] == ["a", "b", "c"]
    await any_store.delete_async(["a", "b", "c"])
    assert [meta.key async for meta in any_store.list_async()] == []


async def test_many_at_once(any_store: Store) -> None:
    await asyncio.gather(*(any_store.put_async(f"k{index}", DATA[index : index + 3000]) for index in range(40)))
    got = await asyncio.gather(*(any_store.get_async(f"k{index}") for index in range(40)))
    assert [bytes(data) for data in got] == [DATA[index : index + 3000] for index in range(40)]


async def test_errors_surface(any_store: Store) -> None:
    with pytest.raises(ObjectNotFoundError):
        await any_store.get_async("none")
    results = await asyncio.gather(*(any_store.get_async(f"none{i}") for i in range(5)), return_exceptions=True)
    assert all(isinstance(result, ObjectNotFoundError) for result in results)


async def test_loop_goes_on_while_bytes_move(any_store: Store) -> None:
    whole = content(17 * MIB, seed=11)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    for _ in range(20):  # a busy machine may have it all done before the loop's thread is given a turn
        await any_store.put_async("big", whole)
        assert await any_store.get_async("big") == whole
        if ticks > 2:
            break
    ticking.cancel()
    assert ticks > 2


async def test_cancelled_call_writes_no_more(any_store: Store) -> None:
    whole = content(17 * MIB, seed=11)
    any_store.put("big", whole)
    for delay in (0, 0.001, 0.005, 0.02):
        guarded = Guarded(len(whole))
        task = asyncio.create_task(any_store.get_into_async("big", guarded.view))
        await asyncio.sleep(delay)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        frozen = bytes(guarded)
        guarded.check()
        if isinstance(outcome, asyncio.CancelledError):
            await asyncio.sleep(0.05)
            assert bytes(guarded) == frozen, "memory was written after the cancellation surfaced"
        else:
            assert outcome == len(whole)
            assert frozen == whole
    assert any_store.get("big") == whole


async def test_time_out_ends_a_call(any_store: Store) -> None:
    any_store.put("a", DATA)
    with contextlib.suppress(TimeoutError):  # a file may be there sooner
        async with asyncio.timeout(0):
            assert await any_store.get_async("a") == DATA
    assert await any_store.get_async("a") == DATA


def test_one_store_serves_several_loops(any_store: Store) -> None:
    any_store.put("a", DATA)
    for _ in range(3):
        assert bytes(asyncio.run(any_store.get_async("a"))) == DATA


def test_every_verb_has_a_twin() -> None:
    verbs = [
        "get", "get_range", "get_into", "get_ranges", "get_many", "get_many_into", "put", "put_many", "head",
        "exists", "list", "list_with_delimiter", "delete", "copy", "create_bucket", "delete_bucket", "list_buckets",
        "sweep_uploads",
    ]  # fmt: skip
    for verb in verbs:
        plain, twin = getattr(Store, verb), getattr(Store, verb + "_async")
        assert list(inspect.signature(plain).parameters) == list(inspect.signature(twin).parameters), verb
        assert twin.__doc__, f"{verb}_async has no docstring"
