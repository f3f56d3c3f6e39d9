"""Memory that data passes through on its way out: the ring of a save, and the copy an asynchronous save works from."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import Any

import torch
from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

from s3dlio_torch._memory import pinned

__all__ = ["StageForAsyncSave", "Stopped", "StagingRing"]

_LOOK_SECONDS = 0.2  # how soon a waiting thread notices that the save has failed


class Stopped(Exception):
    """The save has failed elsewhere; this thread ends too."""


class StagingRing:
    """A few equal buffers, handed out and taken back. Made when first used. Thread safe.

    They are pinned where there is an accelerator, so that copies from it run at its full speed.

    Args:
        count: Buffers.
        size: Bytes of each.
        stop: Set when the save has failed.
    """

    def __init__(self, count: int, size: int, stop: threading.Event) -> None:
        self.size = size
        self._stop = stop
        self._unmade = count
        self._lock = threading.Lock()
        self._free: queue.SimpleQueue[torch.Tensor] = queue.SimpleQueue()

    def take(self) -> torch.Tensor:
        """A buffer: uint8, shape [size], on the CPU. Waits until one is free.

        Raises:
            Stopped: The save has failed meanwhile.
        """
        with self._lock:
            if self._unmade and self._free.empty():
                self._unmade -= 1
                memory = pinned(self.size) if torch.accelerator.is_available() else None
                return torch.empty(self.size, dtype=torch.uint8) if memory is None else memory
        while not self._stop.is_set():
            try:
                return self._free.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
        raise Stopped

    def give(self, buffer: torch.Tensor) -> None:
        """The reverse of take()."""
        self._free.put(buffer)


class StageForAsyncSave:
    """torch's AsyncStager: an asynchronous save works from a copy in host memory, made before training goes on.

    Every save gets a copy of its own, so a save that begins before the last one has ended changes nothing of it.
    """

    _synchronize_after_execute = False  # stage() returns when the copy is complete
    _stager: DefaultStager | None = None

    @property
    def should_synchronize_after_execute(self) -> bool:
        """Whether asynchronous saves wait for staging before they return; torch asks."""
        return self._synchronize_after_execute

    def stage(self, state_dict: dict[str, Any]) -> dict[str, Any]:
        """A copy of `state_dict` in host memory."""
        options = StagingOptions(
            use_pinned_memory=torch.cuda.is_available(),
            use_shared_memory=False,
            use_async_staging=False,
            use_non_blocking_copy=torch.accelerator.is_available(),
        )
        self._stager = DefaultStager(options)
        staged = self._stager.stage(state_dict)
        return staged.result() if isinstance(staged, Future) else staged

    def synchronize_staging(self) -> None:
        """Nothing to wait for: stage() returns when the copy is complete."""

    def close(self) -> None:
        """Forget the copy; one that a save still works from lives until that has ended."""
        self._stager = None
