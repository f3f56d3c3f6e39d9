"""Does one thing to many objects, several at a time, and goes on past failures."""

from __future__ import annotations

import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from s3dlio_core.cli.failures import Failure, describe
from s3dlio_core.cli.progress import Meter

__all__ = ["Outcome", "run_all"]

T = TypeVar("T")
Work = Callable[[T, Callable[[int], None]], Awaitable[int]]
_LOOK_AHEAD = 10_000  # objects listed before the work starts, so that the bar knows its end


@dataclass
class Outcome:
    """What became of a command's objects."""

    operation: str
    succeeded: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)

    @property
    def attempted(self) -> int:
        return self.succeeded + len(self.failures)

    def to_json(self) -> dict[str, Any]:
        return {
            "operation": self.operation,
            "attempted": self.attempted,
            "succeeded": self.succeeded,
            "failed": len(self.failures),
            "bytes": self.bytes,
            "seconds": round(self.seconds, 6),
            "failures": [
                {"uri": f.uri, "error": type(f.error).__name__, "message": describe(f.error)} for f in self.failures
            ],
        }


def run_all(
    operation: str,
    items: Iterable[T],
    work: Work[T],
    *,
    uri_of: Callable[[T], str],
    jobs: int,
    size_of: Callable[[T], int] | None = None,
) -> Outcome:
    """Run `work` on every item, at most `jobs` at once.

    Args:
        items: May be a listing still under way; an error of the listing ends it and counts as a failure.
        work: work(item, tell) moves one item and gives its bytes; tell(bytes) on the way moves the bar. What it raises
            is kept and the other items go on.
        uri_of: What to call an item when it fails.
        size_of: Bytes an item will move, where known before.
    Raises:
        KeyboardInterrupt: At once; what was under way has been taken back.
    """
    import asyncio  # half of what --help would take

    outcome = Outcome(operation)
    source = iter(items)
    # Here, outside the event loop, Ctrl-C ends a listing at once.
    ahead = list(itertools.islice(source, _LOOK_AHEAD))
    whole = len(ahead) < _LOOK_AHEAD
    size = sum(map(size_of, ahead)) if whole and size_of is not None else None
    start = time.perf_counter()
    with Meter(operation, objects=len(ahead) if whole else None, size=size) as meter:
        asyncio.run(_run(itertools.chain(ahead, source), work, uri_of, jobs, meter, outcome))
    outcome.seconds = time.perf_counter() - start
    return outcome


async def _run(
    source: Iterator[T],
    work: Work[T],
    uri_of: Callable[[T], str],
    jobs: int,
    meter: Meter,
    outcome: Outcome,
) -> None:
    import asyncio

    async def worker() -> None:
        while True:
            try:
                item = next(source, None)
            except Exception as error:  # the listing broke; what it gave is still done
                outcome.failures.append(Failure(f"{outcome.operation} (listing)", error))
                return
            if item is None:
                return
            await one(item)

    async def one(item: T) -> None:
        told = 0

        def tell(count: int) -> None:
            nonlocal told
            told += count
            meter.advance(count, objects=0)

        try:
            moved = await work(item, tell)
        except Exception as error:
            outcome.failures.append(Failure(uri_of(item), error))
            meter.advance(0)
            return
        outcome.succeeded += 1
        outcome.bytes += moved
        meter.advance(moved - told)

    async with asyncio.TaskGroup() as group:
        for _ in range(jobs):
            group.create_task(worker())
