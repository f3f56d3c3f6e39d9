"""Waiting for what other threads and programs do: by what happens, never by the clock alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.01


def wait_until(condition: Callable[[], object]) -> None:
    """Returns when condition is true, and fails the test if it does not become so."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, f"not so after {_PATIENCE_SECONDS:.0f} s"
        time.sleep(_PAUSE_SECONDS)


async def until(condition: Callable[[], object]) -> None:
    """wait_until for a test that runs on an event loop."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < give_up, f"not so after {_PATIENCE_SECONDS:.0f} s"
        await asyncio.sleep(_PAUSE_SECONDS)
