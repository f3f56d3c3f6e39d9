"""Tasks (see steps.py) run together, or one alone; each way blocking and, as its twin, on the running asyncio loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from s3dlio_core.run.bounded import BoundedRun, Weighted
from s3dlio_core.run.steps import Steps

__all__ = ["Steps", "run", "run_async", "run_each", "run_each_async", "run_many", "run_many_async"]

T = TypeVar("T")


def run_each(tasks: Iterable[Steps[None]], limit: int) -> None:
    """Run `tasks` for what they do, at most `limit` at once; failures and drawing as for BoundedRun."""
    BoundedRun(limit=limit).run(map(Weighted, tasks))


async def run_each_async(tasks: Iterable[Steps[None]], limit: int) -> None:
    """As run_each()."""
    await BoundedRun(limit=limit).run_async(map(Weighted, tasks))


def run_many(tasks: Iterable[Steps[T]], limit: int) -> list[T]:
    """Run `tasks`, at most `limit` at once; the results in their order. Otherwise as run_each()."""
    results: dict[int, T] = {}
    run_each(_keeping(tasks, results), limit)
    return [results[index] for index in range(len(results))]


async def run_many_async(tasks: Iterable[Steps[T]], limit: int) -> list[T]:
    """As run_many()."""
    results: dict[int, T] = {}
    await run_each_async(_keeping(tasks, results), limit)
    return [results[index] for index in range(len(results))]


def run(task: Steps[T]) -> T:
    """Run one task."""
    return run_many([task], 1)[0]


async def run_async(task: Steps[T]) -> T:
    """As run()."""
    return (await run_many_async([task], 1))[0]


def _keeping(tasks: Iterable[Steps[T]], results: dict[int, T]) -> Iterator[Steps[None]]:
    def keep(index: int, task: Steps[T]) -> Steps[None]:
        results[index] = yield from task

    return (keep(index, task) for index, task in enumerate(tasks))
