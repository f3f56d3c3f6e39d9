"""One rank's share of a save: its data objects written side by side, watched, and taken back if anything fails."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

from torch.distributed.checkpoint.planner import SavePlanner
from torch.distributed.checkpoint.storage import WriteResult

from s3dlio_core import Store
from s3dlio_core.checkpoint.commit import remove_objects
from s3dlio_core.checkpoint.fault_points import reach
from s3dlio_core.checkpoint.progress import CheckpointProgress, ProgressTracker
from s3dlio_core.errors import CheckpointError
from s3dlio_torch.dcp.save.items import Items
from s3dlio_torch.dcp.save.object import write_object
from s3dlio_torch.dcp.save.plan import DataObject
from s3dlio_torch.dcp.staging import StagingRing, Stopped

__all__ = ["RankSave", "SaveOptions"]

_RING_BUFFERS = 3  # of an object: one is filled, one waits, one is sent
_REPORT_SECONDS = 0.5
_LEAST_PART = 5 << 20  # S3 takes no smaller ones


class _Stalled(Exception):
    def __init__(self, message: str, uri: str) -> None:
        super().__init__(message)
        self.uri = uri


@dataclass(frozen=True)
class SaveOptions:
    """How data objects are written. See StorageWriter."""

    codec: str = ""
    level: int = 3
    staging_bytes: int = 16 << 20
    stall_timeout_seconds: float | None = None
    report: Callable[[CheckpointProgress], None] | None = None


@dataclass
class RankSave:
    """Writes the objects of one rank.

    Attributes:
        stores: One an object written at once; all at the checkpoint.
        objects: Key and contents of each.
    """

    stores: list[Store]
    objects: dict[str, DataObject]
    planner: SavePlanner
    options: SaveOptions
    _stop: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Condition = field(default_factory=threading.Condition)
    _results: dict[str, list[WriteResult]] = field(default_factory=dict)
    _errors: list[BaseException] = field(default_factory=list)
    _running: int = 0

    def run(self) -> list[WriteResult]:
        """Where every item was stored.

        Raises:
            CheckpointError: Nothing moved for too long; the message names the object.
            BaseException: The first failure of any thread. What this rank had written is removed.
        """
        tracker = ProgressTracker(sum(each.payload_bytes for each in self.objects.values()))
        resolving = threading.Lock()
        threads = [
            threading.Thread(
                target=self._write, args=(store, *each, tracker, resolving), name=f"s3dlio-save-{each[0]}", daemon=True
            )
            for store, each in zip(self.stores, self.objects.items(), strict=False)
        ]
        self._running = len(threads)
        for thread in threads:
            thread.start()
        try:
            self._watch(tracker)
        except _Stalled as error:
            self._stop.set()
            # A thread that waits for a dead disk may never end; neither may removing anything there. One that does
            # end may have completed its object only now.
            threading.Thread(
                target=self._take_back_after, args=(threads,), name="s3dlio-save-take-back", daemon=True
            ).start()
            raise CheckpointError(str(error), operation="save", uri=error.uri) from None
        except BaseException as error:
            self._stop.set()
            self._errors.insert(0, error)
        for thread in threads:
            thread.join()
        if self._errors:
            self._take_back()
            raise next((error for error in self._errors if not isinstance(error, Stopped)), self._errors[0])
        reach("data-written")
        return [result for key in self.objects for result in self._results[key]]

    def _write(
        self, store: Store, key: str, contents: DataObject, tracker: ProgressTracker, resolving: threading.Lock
    ) -> None:
        options = self.options
        try:
            ring = StagingRing(_RING_BUFFERS, options.staging_bytes, self._stop)
            part_size = contents.part_size(max(store.tuning.part_size, _LEAST_PART))
            items = Items(key, contents.items, self.planner, resolving, ring, options.codec, options.level, part_size)
            writer = store.open_writer(key, part_size=part_size, expected_size=contents.expected_bytes)
            self._results[key] = write_object(writer, items, contents.expected_bytes, tracker, self._stop)
        except BaseException as error:  # raised again by run()
            self._stop.set()
            self._errors.append(error)
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify()

    def _all_ended(self, within_seconds: float) -> bool:
        with self._ended:
            return self._ended.wait_for(lambda: self._running == 0, within_seconds)

    def _watch(self, tracker: ProgressTracker) -> None:
        timeout = self.options.stall_timeout_seconds
        while not self._all_ended(_REPORT_SECONDS):
            self._report(tracker.snapshot())
            if timeout is not None and (found := tracker.stalled(timeout)):
                key, item, seconds = found
                last = f"the last thing to move was {item!r}" if item else "nothing of it had moved before"
                raise _Stalled(
                    f"nothing of this object has moved for {seconds:.0f} s (stall_timeout_seconds is {timeout:g}); "
                    f"{last}. The store or the way to it is stuck",
                    self.stores[0].uri_of(key),
                )
        if not self._errors:
            self._report(tracker.snapshot())  # all of it

    def _report(self, progress: CheckpointProgress) -> None:
        if self.options.report is not None:
            self.options.report(progress)

    def _take_back_after(self, threads: list[threading.Thread]) -> None:
        for thread in threads:
            thread.join()
        self._take_back()

    def _take_back(self) -> None:
        if failure := remove_objects(self.stores[0], self.objects):
            warnings.warn(f"objects of a failed save could not be removed: {failure}", stacklevel=2)
