"""Large writes: whole parts go from the caller's memory, which is the caller's again when write() returns."""

from __future__ import annotations

import asyncio
import gc
import mmap

import pytest
from servers.content import MIB, content
from servers.fault_server import FaultServer

from s3dlio_core import AccessDeniedError, Store, reset_stats, stats

PARTS = {"part_size": 5 * MIB, "multipart_threshold": 6 * MIB}
FRONT = content(1000, seed=51)
LARGE = content(32 * MIB + 11, seed=52)


def aligned(data: bytes) -> mmap.mmap:
    """Memory at the start of a page, so that direct:// needs no copy of it either."""
    memory = mmap.mmap(-1, len(data))
    memory[:] = data
    return memory


@pytest.mark.parametrize("front", [0, 1000])
def test_large_write_is_not_copied(any_store: Store, front: int) -> None:
    memory = aligned(LARGE)
    with any_store.open_writer("w") as writer:
        writer.write(FRONT[:front])
        reset_stats()
        writer.write(memory)
        copied = stats()["bytes_copied"]
        memory[:] = bytes(len(LARGE))  # sent already
    assert any_store.get("w") == FRONT[:front] + LARGE
    if any_store.scheme != "direct" or front == 0:
        assert copied <= 10 * MIB, "more than the edges of two parts"


def test_large_and_small_writes_in_turn(any_store: Store) -> None:
    sizes = [1, 20 * MIB, 17, 5 * MIB, 31 * MIB + 5, 4096, 0, 25 * MIB]
    pieces = [LARGE[-size:] if size else b"" for size in sizes]
    with any_store.open_writer("w") as writer:
        for piece in pieces:
            scratch = bytearray(piece)
            writer.write(scratch)
            scratch[:] = bytes(len(scratch))
        assert writer.tell() == sum(sizes)
    assert any_store.get("w") == b"".join(pieces)


def test_part_that_fails(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server, tuning=PARTS)
    fault_server.fault("upload_part", status=403, code="AccessDenied", skip=2)
    with pytest.raises(AccessDeniedError):
        with store.open_writer("w") as writer:
            writer.write(LARGE)
            raise AssertionError("a part that was refused counts as sent")
    assert fault_server.objects.uploads == {}
    assert fault_server.stored("data", "w") is None


async def test_cancelled_write_reads_no_more(fault_server: FaultServer, store_on) -> None:
    store = store_on(fault_server, tuning=PARTS)
    fault_server.fault("upload_part", delay_head_seconds=1, times=None)
    for delay in (0, 0.05, 0.3):
        memory = aligned(LARGE)
        writer = store.open_writer("w")
        task = asyncio.create_task(writer.write_async(memory))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        del task  # its exception knows the call, and that the memory
        gc.collect()
        memory.close()  # refused (BufferError) while the engine has it
        await writer.abort_async()
        assert fault_server.stored("data", "w") is None


async def test_writer_after_a_cancelled_write(any_store: Store) -> None:
    for delay in (0, 0.002, 0.02):
        writer = any_store.open_writer("w")
        task = asyncio.create_task(writer.write_async(LARGE))
        await asyncio.sleep(delay)
        task.cancel()
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        if isinstance(outcome, asyncio.CancelledError):
            writer.abort()
            assert not any_store.exists("w")
        else:
            writer.close()
            assert any_store.get("w") == LARGE
            any_store.delete("w")
        assert any_store.sweep_uploads(older_than_seconds=0) == 0
