"""Batches in asyncio code: all of them, in order or as they arrive, and nothing lost to a cancelled wait."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from dataset_files import flat, index_of, write_samples
from servers.access import credentials_of
from servers.fault_server import FaultServer
from waiting import until

from s3dlio_torch import AsyncLoader, S3IterableDataset, create_async_loader

COUNT = 50


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return write_samples(tmp_path, COUNT)


def loader_of(uri: str, **options: Any) -> AsyncLoader:
    return create_async_loader(uri, options, transform=index_of)


async def test_both_loops_give_the_same_batches(uri: str) -> None:
    loader = loader_of(uri, batch_size=8)
    expected = [list(range(start, min(start + 8, COUNT))) for start in range(0, COUNT, 8)]
    assert [batch async for batch in loader] == expected
    assert list(loader) == expected
    assert len(loader) == len(expected)
    assert len(next(iter(create_async_loader(uri)))) == 32


async def test_options_act(uri: str) -> None:
    shuffled = [batch async for batch in loader_of(uri, batch_size=8, shuffle=True, seed=1, drop_last=True)]
    assert {len(batch) for batch in shuffled} == {8}
    assert len(shuffled) == 6
    assert flat(shuffled) != sorted(flat(shuffled))
    mine = [batch async for batch in loader_of(uri, batch_size=4, shard_rank=1, shard_world_size=5)]
    assert flat(mine) == list(range(1, COUNT, 5))


async def test_out_of_order_a_slow_sample_holds_up_no_batch(fault_server: FaultServer) -> None:
    for index in range(20):
        fault_server.put_object("data", f"{index:03d}", index.to_bytes(2, "little") * 10)
    fault_server.fault("get", key="000", delay_head_seconds=3)
    loader = create_async_loader(
        "s3://data/", {"batch_size": 4, "in_order": False}, transform=index_of, **credentials_of(fault_server)
    )
    batches = [batch async for batch in loader]
    assert [len(batch) for batch in batches] == [4] * 5
    assert 0 in batches[-1]
    assert sorted(flat(batches)) == list(range(20))


async def test_a_wait_that_timed_out_loses_nothing(fault_server: FaultServer) -> None:
    for index in range(6):
        fault_server.put_object("data", f"{index:03d}", index.to_bytes(2, "little") * 10)
    fault_server.fault("get", key="002", delay_head_seconds=1.5)
    loader = create_async_loader("s3://data/", {"batch_size": 2}, transform=index_of, **credentials_of(fault_server))
    batches = aiter(loader)
    seen = [await anext(batches)]
    timeouts = 0
    while True:
        try:
            seen.append(await asyncio.wait_for(anext(batches), 0.1))
        except TimeoutError:
            timeouts += 1
        except StopAsyncIteration:
            break
    assert seen == [[0, 1], [2, 3], [4, 5]]
    assert timeouts
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_the_loop_runs_on_while_a_batch_is_waited_for(fault_server: FaultServer) -> None:
    fault_server.put_object("data", "a", b"xxxx")
    fault_server.fault("get", delay_head_seconds=1)
    loader = create_async_loader("s3://data/", {"batch_size": 1}, **credentials_of(fault_server))
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticker = asyncio.create_task(tick())
    assert len([batch async for batch in loader]) == 1
    ticker.cancel()
    assert ticks > 10


async def test_leaving_early_frees_thread_and_stream(fault_server: FaultServer) -> None:
    for index in range(6):
        fault_server.put_object("data", f"{index:03d}", bytes(10))
    fault_server.fault("get", key="003", stall_head=True)
    loader = create_async_loader("s3://data/", {"batch_size": 2}, **credentials_of(fault_server))
    async with aiter(loader) as batches:
        assert len(await anext(batches)) == 2
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(batches), 0.1)
    await until(lambda: not any(thread.name.startswith("s3dlio-batches") for thread in threading.enumerate()))


async def test_it_resumes(uri: str) -> None:
    loader = loader_of(uri, batch_size=4, shuffle=True)
    loader.set_epoch(2)
    batches = aiter(loader)
    seen = [await anext(batches) for _ in range(3)]
    again = AsyncLoader(S3IterableDataset(uri, {"shuffle": True, "batch_size": 4}, transform=index_of))
    again.load_state_dict(loader.state_dict())
    seen += [batch async for batch in again]
    assert sorted(flat(seen)) == list(range(COUNT))
