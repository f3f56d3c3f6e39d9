"""SeaweedFS for the tests: the same start-up as the demo's."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

from local_s3 import LocalS3, free_ports

__all__ = ["LocalS3", "free_ports"]
