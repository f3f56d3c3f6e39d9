"""Many engine calls in flight, one wait for all of them.

A task is a generator that yields the calls it waits for, one after the other, and returns its result: the same code
runs blocking and on an asyncio loop.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

from s3dlio_core import _ext

__all__ = ["Steps", "run", "run_async", "run_many", "run_many_async"]

T = TypeVar("T")
Steps = Generator[_ext.Pending[Any], Any, T]


def run_many(tasks: Iterable[Steps[T]], limit: int) -> list[T]:
    """Run `tasks`, at most `limit` at once; the results in their order.

    The first failure takes the others back, waits until the engine has let go of their memory, and is raised. `tasks`
    is drawn from as places become free, so a generator of large data never lies in memory as a whole.
    """
    port = _ext.CompletionPort(with_fd=False)
    waiting = enumerate(tasks)
    under_way: dict[int, tuple[Steps[T], _ext.Pending[Any]]] = {}
    results: dict[int, T] = {}

    def step(index: int, task: Steps[T], pending: _ext.Pending[Any] | None) -> None:
        try:
            following = next(task) if pending is None else _resume(task, pending)
        except StopIteration as end:
            results[index] = end.value
        else:
            under_way[index] = (task, following)
            port.add(following, index)

    try:
        while True:
            while len(under_way) < limit and (entry := next(waiting, None)) is not None:
                step(*entry, None)
            if not under_way:
                return [results[index] for index in range(len(results))]
            for index in port.wait():
                step(index, *under_way.pop(index))
    except BaseException:
        for _, pending in under_way.values():
            pending.cancel()
        under_way.clear()  # dropping a call waits for its end
        raise


async def run_many_async(tasks: Iterable[Steps[T]], limit: int) -> list[T]:
    """As run_many, on the running loop."""
    import asyncio

    waiting = enumerate(tasks)
    results: dict[int, T] = {}
    workers = [asyncio.create_task(_work(waiting, results)) for _ in range(limit)]
    try:
        await asyncio.gather(*workers)
    except BaseException:
        for worker in workers:
            worker.cancel()
        while not all(worker.done() for worker in workers):
            # Also when this task is cancelled once more: the memory is still the engine's.
            try:
                await asyncio.wait(workers)
            except asyncio.CancelledError:
                continue
        raise
    return [results[index] for index in range(len(results))]


async def _work(waiting: Iterator[tuple[int, Steps[T]]], results: dict[int, T]) -> None:
    for index, task in waiting:
        results[index] = await run_async(task)


async def run_async(task: Steps[T]) -> T:
    """Run one task on the running loop."""
    from s3dlio_core._async import until_done

    try:
        pending = next(task)
        while True:
            await until_done(pending)
            pending = _resume(task, pending)
    except StopIteration as end:
        result: T = end.value
        return result


def run(task: Steps[T]) -> T:
    """Run one task, blocking."""
    return run_many([task], 1)[0]


def _resume(task: Steps[T], pending: _ext.Pending[Any]) -> _ext.Pending[Any]:
    """Give `task` the result of the call it waits for, or raise its error there; the next call it waits for."""
    try:
        value = pending.result()
    except Exception as error:
        return task.throw(error)
    return task.send(value)
