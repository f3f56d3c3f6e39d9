"""Counters of the engine, and its memory pool."""

from __future__ import annotations

from s3dlio_core import _ext
from s3dlio_core.errors import InvalidArgumentError

__all__ = ["reset_stats", "set_pool_cap_bytes", "stats", "trim_pool"]


def stats() -> dict[str, int]:
    """What the engine of this process has done since it started or since reset_stats().

    `requests`, `retries`, `bytes_received`, `bytes_copied`, ... (csrc/engine/stats/stats.h explains each), and the
    state of the memory pool: `pool_in_use_bytes`, `pool_idle_bytes`, `pool_cap_bytes`.
    """
    return _ext.stats()


def reset_stats() -> None:
    """Set every counter to zero; the pool's state stays."""
    _ext.reset_stats()


def set_pool_cap_bytes(cap: int) -> None:
    """Above `cap` bytes (in use and idle together) freed memory goes back to the system instead of being kept.

    Raises:
        InvalidArgumentError: A negative number.
    """
    if cap < 0:
        raise InvalidArgumentError(f"the pool's cap is {cap} bytes; expected 0 or more")
    _ext.set_pool_cap_bytes(cap)


def trim_pool() -> None:
    """Give every idle block of the pool back to the system."""
    _ext.trim_pool()
