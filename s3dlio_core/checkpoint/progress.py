"""How far a save is, and what it waits for."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

__all__ = ["CheckpointProgress", "ProgressTracker"]


@dataclass(frozen=True, slots=True)
class CheckpointProgress:
    """How far one rank is.

    Attributes:
        bytes_done: Acknowledged by the store, uncompressed payload.
        bytes_total: Of all tensors of this rank.
        seconds: Since it began.
        active: Keys of the objects under way.
    """

    bytes_done: int
    bytes_total: int
    seconds: float
    active: tuple[str, ...]

    @property
    def bytes_per_second(self) -> float:
        """Mean rate since the beginning; 0.0 before anything is done."""
        return self.bytes_done / self.seconds if self.seconds > 0 else 0.0

    @property
    def eta_seconds(self) -> float | None:
        """Seconds left at that rate; None while nothing is done."""
        rate = self.bytes_per_second
        return (self.bytes_total - self.bytes_done) / rate if rate > 0 else None


@dataclass(slots=True)
class _Active:
    item: str
    moved: float


class ProgressTracker:
    """Gathers what several threads have done. Thread safe.

    Args:
        bytes_total: What there is to do.
    """

    def __init__(self, bytes_total: int) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._total = bytes_total
        self._done = 0
        self._active: dict[str, _Active] = {}

    def began(self, key: str) -> None:
        """Object `key` is under way."""
        with self._lock:
            self._active[key] = _Active("", time.monotonic())

    def moved(self, key: str, size: int, item: str) -> None:
        """`size` more bytes of object `key`, of `item`, are done."""
        with self._lock:
            self._done += size
            if key in self._active:
                self._active[key] = _Active(item, time.monotonic())

    def ended(self, key: str) -> None:
        """Object `key` is done or given up."""
        with self._lock:
            self._active.pop(key, None)

    def stalled(self, timeout_seconds: float) -> tuple[str, str, float] | None:
        """(key, the item last moved, seconds) of an object of which nothing has moved for `timeout_seconds`."""
        now = time.monotonic()
        with self._lock:
            for key, active in self._active.items():
                if now - active.moved >= timeout_seconds:
                    return key, active.item, now - active.moved
        return None

    def snapshot(self) -> CheckpointProgress:
        """The counts as they are now."""
        with self._lock:
            seconds = time.monotonic() - self._began
            return CheckpointProgress(self._done, self._total, seconds, tuple(self._active))
