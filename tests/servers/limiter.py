"""A service's limit on requests a second."""

from __future__ import annotations

import threading
import time

from servers.fault_server import FaultServer, Request


class Limiter:
    """Refuses what comes above `per_second`, with a burst of a tenth of that, as S3 does: 503 SlowDown.

    Attributes:
        refused: How many were.
    """

    def __init__(self, server: FaultServer, operation: str, *, per_second: float) -> None:
        self.refused = 0
        self._per_second = per_second
        self._burst = self._tokens = max(1.0, per_second / 10)
        self._last = time.monotonic()
        self._lock = threading.Lock()
        server.fault(operation, when=self._refuses, times=None, status=503, code="SlowDown")

    def _refuses(self, request: Request) -> bool:
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._burst, self._tokens + (now - self._last) * self._per_second)
            self._last = now
            if self._tokens >= 1:
                self._tokens -= 1
                return False
            self.refused += 1
            return True
