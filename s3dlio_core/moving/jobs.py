"""Many objects moved, several at a time: how far they are, which failed; the others go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.moving.memory import memory_for
from s3dlio_core.moving.target import OnBytes
from s3dlio_core.run.many import run_each, run_each_async
from s3dlio_core.run.steps import Steps

__all__ = ["Job", "OnProgress", "Outcome", "Progress", "run_jobs", "run_jobs_async"]

_LOOK_AHEAD = 10_000  # jobs drawn before the work starts, so that its end is known


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an upload or download is; failed files count as done, with the bytes that were moved.

    The totals are None while nobody knows: more than 10,000 objects, and the listing goes on.
    """

    files_done: int
    files_total: int | None
    bytes_done: int
    bytes_total: int | None


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Job:
    """One object to move.

    Attributes:
        name: What to call it when it fails.
        size: Bytes, where known before.
        start: Given the bytes of memory it may hold and whom to tell of bytes on the way: its steps, which give the
            number of its bytes.
    """

    name: str
    size: int | None
    start: Callable[[int, OnBytes], Steps[int]]


@dataclass(slots=True)
class Outcome:
    """What became of the objects; `bytes` are those of the objects that succeeded."""

    succeeded: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failures: list[tuple[str, Exception]] = field(default_factory=list)

    @property
    def attempted(self) -> int:
        return self.succeeded + len(self.failures)


def run_jobs(jobs: Iterable[Job], limit: int, on_progress: OnProgress | None = None) -> Outcome:
    """Do `jobs`, at most `limit` at once.

    Args:
        jobs: May be a listing that is still under way; an error late in it ends it and counts as a failure.
        on_progress: Called on this thread at the start, and as pieces and objects are done.
    """
    batch = _Batch(jobs, limit, on_progress)
    run_each(batch.tasks(), batch.limit)
    return batch.ended()


async def run_jobs_async(jobs: Iterable[Job], limit: int, on_progress: OnProgress | None = None) -> Outcome:
    """As run_jobs(), on the running loop; drawing from `jobs` must not block."""
    batch = _Batch(jobs, limit, on_progress)
    await run_each_async(batch.tasks(), batch.limit)
    return batch.ended()


class _Batch:
    def __init__(self, jobs: Iterable[Job], limit: int, on_progress: OnProgress | None) -> None:
        if limit < 1:
            raise InvalidArgumentError(f"max_in_flight is {limit}; expected at least 1")
        drawn = iter(jobs)
        ahead = list(islice(drawn, _LOOK_AHEAD))
        whole = len(ahead) < _LOOK_AHEAD
        sizes = [job.size for job in ahead if job.size is not None]
        self.limit = min(limit, max(len(ahead), 1))
        self._jobs = chain(ahead, drawn)
        self._files_total = len(ahead) if whole else None
        self._bytes_total = sum(sizes) if whole and len(sizes) == len(ahead) else None
        self._memory_bytes = memory_for(self.limit)
        self._on_progress = on_progress
        self._outcome = Outcome()
        self._bytes_done = 0
        self._started = time.perf_counter()
        self._tell()

    def tasks(self) -> Iterator[Steps[None]]:
        try:
            yield from map(self._run, self._jobs)
        except Exception as error:  # the listing broke; what it gave is still done
            self._outcome.failures.append(("the listing", error))

    def ended(self) -> Outcome:
        self._outcome.seconds = time.perf_counter() - self._started
        return self._outcome

    def _run(self, job: Job) -> Steps[None]:
        told = 0

        def moved(count: int) -> None:
            nonlocal told
            told += count
            self._bytes_done += count
            self._tell()

        try:
            size = yield from job.start(self._memory_bytes, moved)
        except Exception as error:  # reported at the end; the others go on
            self._outcome.failures.append((job.name, error))
        else:
            self._outcome.succeeded += 1
            self._outcome.bytes += size
            self._bytes_done += size - told
        self._tell()

    def _tell(self) -> None:
        if self._on_progress is not None:
            done = self._outcome.attempted
            self._on_progress(Progress(done, self._files_total, self._bytes_done, self._bytes_total))
