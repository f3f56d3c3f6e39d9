"""Named steps of a save at which a test may end the process. Does nothing unless S3DLIO_FAULT_POINT says so."""

from __future__ import annotations

import os
import signal

__all__ = ["FAULT_POINTS", "reach"]

# In the order a save passes them.
FAULT_POINTS = (
    "set-up",
    "object-opened",
    "object-half-written",
    "object-written",
    "data-written",
    "before-commit",
    "after-commit",
    "before-clean-up",
    "after-clean-up",
)


def reach(name: str) -> None:
    """The save is at `name`. S3DLIO_FAULT_POINT="name:kill" kills the process there, as a lost machine would."""
    wanted = os.environ.get("S3DLIO_FAULT_POINT")
    if wanted and wanted == f"{name}:kill":
        os.kill(os.getpid(), signal.SIGKILL)
