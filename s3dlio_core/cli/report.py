"""The end of a command that moved objects: what was done, how fast, what failed, and the exit status."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from s3dlio_core.cli.failures import print_failures
from s3dlio_core.cli.output import print_json
from s3dlio_core.cli.run_all import Outcome
from s3dlio_core.cli.sizes import format_rate, format_size

__all__ = ["report"]


def report(outcome: Outcome, *, json: bool, verbosity: int, extra: Mapping[str, Any] | None = None) -> int:
    """Say what became of a command's objects: for people on stderr, as JSON on stdout. Gives the exit status.

    Args:
        extra: More to tell, by name.
    """
    more = dict(extra or {})
    if json:
        print_json(outcome.to_json() | more)
    else:
        moved = (
            f"{format_size(outcome.bytes)} in {outcome.seconds:.2f} s, {format_rate(outcome.bytes, outcome.seconds)}"
        )
        counts = f"attempted={outcome.attempted}, succeeded={outcome.succeeded}, failed={len(outcome.failures)}"
        told = "".join(f", {name}={value}" for name, value in more.items())
        print(f"{outcome.operation}: {counts}, {moved}{told}", file=sys.stderr)
    if outcome.failures:
        print_failures(outcome.operation, outcome.failures, outcome.attempted, verbosity=verbosity)
    return 1 if outcome.failures else 0
