"""What the engine has to say, in Python's logging under the name "s3dlio_core"."""

from __future__ import annotations

import logging

from s3dlio_core import _ext

__all__ = ["LOGGER", "follow_level", "set_log_level"]

LOGGER = logging.getLogger("s3dlio_core")
LOGGER.addHandler(logging.NullHandler())


def follow_level() -> None:
    """Have the engine hand on what the logger would keep. Called when a store is opened.

    A level changed later is followed at the next open_store(), or at once by set_log_level().
    """
    _ext.set_log_level(max(LOGGER.getEffectiveLevel(), LOGGER.manager.disable + 1))


def set_log_level(level: int | str) -> None:
    """Set the logger's level, and the engine's with it: logging.DEBUG, "INFO", ..."""
    LOGGER.setLevel(level)
    follow_level()
