"""How far a load is, and whether it still moves."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from s3dlio_core._bounded import BoundedRun
from s3dlio_core.checkpoint.progress import CheckpointProgress, ProgressTracker
from s3dlio_core.errors import TransferTimeoutError
from s3dlio_core.stats import stats
from s3dlio_core.store import Store
from s3dlio_torch.dcp.load_item import LoadItem
from s3dlio_torch.dcp.progress_bar import ProgressBar

__all__ = ["LoadWatch"]

_REPORT_SECONDS = 0.5
_ARRIVALS = ("bytes_received", "file_reads", "direct_reads")


class LoadWatch:
    """Reports progress, and ends a load that has stalled. A context manager around the load.

    Args:
        bytes_total: Of all destinations.
        report: Called with progress; True: a bar.
        stall_timeout_seconds: None: wait forever.
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
    def began(self, key: str) -> None:
        """A batch of object `key` is asked for."""
        if not self._active[key]:
            self._tracker.began(key)
        self._active[key] += 1

    def ended(self, key: str) -> None:
        """A batch of object `key` was received, or failed."""
        self._active[key] -= 1
        if not self._active[key]:
            self._tracker.ended(key)

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
        arrived, since = _arrivals(), time.monotonic()
        while not ended.wait(min(timeout / 4, 1.0)):
            now, found = time.monotonic(), _arrivals()
            if found != arrived:
                arrived, since = found, now
            stalled = self._tracker.stalled(timeout)
            if stalled is not None and now - since >= timeout:
                key, name, seconds = stalled
                last = f"; the last that arrived from it was part of {name!r}" if name else ""
                message = f"nothing arrived for {seconds:.0f} s{last}; stall_timeout_seconds is {timeout:g}"
                self._stalled = TransferTimeoutError(message, operation="load", uri=self._store.uri_of(key))
                run.cancel()
                return


def _arrivals() -> int:
    counters = stats()
    return sum(counters[name] for name in _ARRIVALS)
