"""Many engine calls in flight, one wait for all of them.

A task is a generator that yields the calls it waits for, one after the other, and returns its result: the same code
runs blocking and on an asyncio loop. A task that is taken back hears of it as an exception at its `yield`, and may
yield one more call there: its clean-up, such as aborting an upload.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from itertools import count
from typing import Any, TypeVar

from s3dlio_core import _ext

__all__ = ["Steps", "run", "run_async", "run_each", "run_each_async", "run_many", "run_many_async"]

T = TypeVar("T")
Steps = Generator[_ext.Pending[Any], Any, T]
_UnderWay = dict[int, tuple[Steps[Any], _ext.Pending[Any]]]


class _TakenBack(BaseException):
    """What a task hears when another one's failure, or Ctrl-C, ends them all."""


def run_many(tasks: Iterable[Steps[T]], limit: int) -> list[T]:
    """Run `tasks`, at most `limit` at once; the results in their order. Otherwise as run_each()."""
    results: dict[int, T] = {}
    run_each(_keeping(tasks, results), limit)
    return [results[index] for index in range(len(results))]


async def run_many_async(tasks: Iterable[Steps[T]], limit: int) -> list[T]:
    """As run_many(), on the running loop."""
    results: dict[int, T] = {}
    await run_each_async(_keeping(tasks, results), limit)
    return [results[index] for index in range(len(results))]


def _keeping(tasks: Iterable[Steps[T]], results: dict[int, T]) -> Iterator[Steps[None]]:
    def keep(index: int, task: Steps[T]) -> Steps[None]:
        results[index] = yield from task

    return (keep(index, task) for index, task in enumerate(tasks))


def run_each(tasks: Iterable[Steps[None]], limit: int) -> None:
    """Run `tasks` for what they do, at most `limit` at once.

    The first failure takes the others back, waits until the engine has let go of their memory, and is raised. `tasks`
    is drawn from as places become free, so a generator of large data never lies in memory as a whole.
    """
    port = _ext.CompletionPort(with_fd=False)
    waiting = iter(tasks)
    tokens = count()
    under_way: _UnderWay = {}

    def step(task: Steps[None], pending: _ext.Pending[Any] | None) -> None:
        try:
            following = next(task) if pending is None else _resume(task, pending)
        except StopIteration:
            return
        token = next(tokens)
        under_way[token] = (task, following)
        port.add(following, token)

    try:
        while True:
            while len(under_way) < limit and (task := next(waiting, None)) is not None:
                step(task, None)
            if not under_way:
                return
            for token in port.wait():
                step(*under_way.pop(token))
    except BaseException:
        _take_back(under_way)
        raise


def _take_back(under_way: _UnderWay) -> None:
    """Cancel every call and wait for its end; then have the tasks clean up, all at the same time."""
    for _, pending in under_way.values():
        pending.cancel()
    endings = []
    for task, pending in under_way.values():
        with contextlib.suppress(Exception):
            pending.wait()
        with contextlib.suppress(Exception, _TakenBack):
            endings.append(task.throw(_TakenBack()))
    for ending in endings:
        with contextlib.suppress(Exception):
            ending.wait()


async def run_each_async(tasks: Iterable[Steps[None]], limit: int) -> None:
    """As run_each(), on the running loop."""
    import asyncio

    waiting = iter(tasks)

    async def work() -> None:
        for task in waiting:
            await run_async(task)

    workers = [asyncio.create_task(work()) for _ in range(limit)]
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


async def run_async(task: Steps[T]) -> T:
    """Run one task on the running loop."""
    from s3dlio_core.run.on_loop import until_done

    try:
        pending = next(task)
        while True:
            try:
                await until_done(pending)
            except BaseException as reason:  # cancelled
                pending = task.throw(reason)
            else:
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
