"""How far a load is, and whether it still moves."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from s3dlio_core.checkpoint.progress import CheckpointProgress, ProgressTracker
from s3dlio_core.checkpoint.progress_bar import ProgressBar
from s3dlio_core.checkpoint.read.item import LoadItem
from s3dlio_core.errors import TransferTimeoutError
from s3dlio_core.run.bounded import BoundedRun
from s3dlio_core.stats import stats
from s3dlio_core.store import Store

__all__ = ["LoadWatch"]

_REPORT_SECONDS = 0.5
_LEAST_BLOCK = 64 << 10  # a file is read in blocks of this at least
_REPEATS = 2  # what is asked for may be sent so often, by resumes, hedges and repetitions
_PATIENCE = 10  # times the timeout: for so long may bytes arrive of which nothing becomes complete


class LoadWatch:
    """Reports progress, and ends a load that has stalled. A context manager around the load.

    Args:
        bytes_total: Of all destinations.
        report: Called with progress; True: a bar.
        stall_timeout_seconds: None: wait forever.

    The engine counts what arrives in the whole process. That keeps a slow load from being taken for a stalled one, but
    only as long as what arrived may be the load's: once it is more than the load waits for, or after ten times the
    timeout, what was completed is all that counts.
    """

    def __init__(
        self,
        store: Store,
        bytes_total: int,
        report: Callable[[CheckpointProgress], None] | bool | None,
        stall_timeout_seconds: float | None,
    ) -> None:
        self._store = store
        self._tracker = ProgressTracker(bytes_total)
        self._bar = ProgressBar(f"load {store.uri}") if report is True else None
        self._report = self._bar if isinstance(report, bool) else report
        self._reported = time.monotonic()
        self._timeout = stall_timeout_seconds
        self._active: Counter[str] = Counter()
        self._awaited = _Arrivals(0, 0)
        self._events = 0  # batches begun and ended: when this stands still, nothing of the load becomes complete
        self._ended = threading.Event()
        self._run: BoundedRun | None = None
        self._stalled: TransferTimeoutError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._send()
        if self._bar is not None:
            self._bar.close()

    @contextlib.contextmanager
    def over(self, run: BoundedRun) -> Iterator[None]:
        """Watches `run`; raises TransferTimeoutError in its place when it had to be ended."""
        if self._timeout is None:
            yield
            return
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(run, ended, self._timeout), daemon=True)
        watcher.start()
        try:
            yield
        except Exception as error:
            if self._stalled is not None:
                raise self._stalled from error
            raise
        finally:
            ended.set()
            watcher.join()

    # ---- told by the batches ----
    def began(self, key: str, pieces: int, size: int) -> None:
        """A batch of object `key` is asked for: so many pieces, of `size` bytes together."""
        if not self._active[key]:
            self._tracker.began(key)
        self._active[key] += 1
        self._awaited += _Arrivals.most_of(pieces, size)
        self._events += 1

    def ended(self, key: str, pieces: int, size: int) -> None:
        """A batch of object `key` was received, or failed."""
        self._active[key] -= 1
        if not self._active[key]:
            self._tracker.ended(key)
        self._awaited -= _Arrivals.most_of(pieces, size)
        self._events += 1

    def moved(self, item: LoadItem, size: int) -> None:
        """`size` more bytes of destinations are filled."""
        self._tracker.moved(item.place.key, size, item.place.name)
        if time.monotonic() - self._reported >= _REPORT_SECONDS:
            self._send()

    def _send(self) -> None:
        self._reported = time.monotonic()
        if self._report is not None:
            self._report(self._tracker.snapshot())

    # ---- the watching thread ----
    def _watch(self, run: BoundedRun, ended: threading.Event, timeout: float) -> None:
        events, since = self._events, time.monotonic()
        before = arrived = _Arrivals.so_far()
        last_arrival = since
        while not ended.wait(min(timeout / 4, 1.0)):
            now, found = time.monotonic(), _Arrivals.so_far()
            if found != arrived:
                arrived, last_arrival = found, now
            if self._events != events:
                events, since, before = self._events, now, arrived
            if now - since < timeout:
                continue
            may_be_ours = now - last_arrival < timeout and (arrived - before).fits(self._awaited)
            if may_be_ours and now - since < _PATIENCE * timeout:
                continue
            if (stalled := self._tracker.stalled(timeout)) is not None:
                self._stalled = self._error(*stalled, timeout)
                run.cancel()
                return

    def _error(self, key: str, name: str, seconds: float, timeout: float) -> TransferTimeoutError:
        last = f"; the last that arrived from it was part of {name!r}" if name else ""
        message = f"nothing arrived for {seconds:.0f} s{last}; stall_timeout_seconds is {timeout:g}"
        return TransferTimeoutError(message, operation="load", uri=self._store.uri_of(key))


@dataclass(frozen=True, slots=True)
class _Arrivals:
    """What came in, or may come in: bytes off the network and whole reads of files; blocks of files."""

    nbytes: int
    blocks: int

    @classmethod
    def so_far(cls) -> Self:
        """In this process."""
        counters = stats()
        return cls(counters["bytes_received"], counters["file_reads"])

    @classmethod
    def most_of(cls, pieces: int, size: int) -> Self:
        """For `pieces` reads of `size` bytes together."""
        return cls(size, pieces + size // _LEAST_BLOCK)

    def fits(self, awaited: _Arrivals) -> bool:
        """Whether this may be what was waited for."""
        return self.nbytes <= _REPEATS * awaited.nbytes and self.blocks <= _REPEATS * awaited.blocks

    def __add__(self, other: _Arrivals) -> _Arrivals:
        return _Arrivals(self.nbytes + other.nbytes, self.blocks + other.blocks)

    def __sub__(self, other: _Arrivals) -> _Arrivals:
        return _Arrivals(self.nbytes - other.nbytes, self.blocks - other.blocks)
