"""Runs what a command has to do, shows how far it is, and ends with what was done, how fast, and what failed."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

from s3dlio_core.cli.failures import describe, print_failures
from s3dlio_core.cli.output import one_line, print_json
from s3dlio_core.cli.progress import Meter
from s3dlio_core.cli.sizes import format_rate, format_size
from s3dlio_core.moving.jobs import Job, Outcome, run_jobs

__all__ = ["nothing_found", "report", "run_and_report", "to_json", "told_at_the_end"]


def run_and_report(
    operation: str,
    jobs: Iterable[Job],
    limit: int,
    *,
    json: bool,
    verbosity: int,
    wanted: str | None = None,
    **more: object,
) -> int:
    """Do `jobs`, at most `limit` at once; say what became of them. Gives the exit status.

    Args:
        wanted: What was to be found; finding nothing is a failure then. None: nothing to do is no failure.
        more: What else to tell, by name.
    """
    with Meter(operation) as meter:
        outcome = run_jobs(jobs, limit, meter.show)
    status = report(operation, outcome, json=json, verbosity=verbosity, **more)
    return nothing_found(operation, wanted) if wanted is not None and not outcome.attempted else status


def report(operation: str, outcome: Outcome, *, json: bool, verbosity: int, **more: object) -> int:
    """Say what became of the objects. Gives the exit status."""
    if json:
        print_json(to_json(operation, outcome) | more)
    else:
        rate = format_rate(outcome.bytes, outcome.seconds)
        counts = f"attempted={outcome.attempted}, succeeded={outcome.succeeded}, failed={len(outcome.failures)}"
        told = "".join(f", {name}={value}" for name, value in more.items())
        moved = f"{format_size(outcome.bytes)} in {outcome.seconds:.2f} s, {rate}"
        print(f"{operation}: {counts}, {moved}{told}", file=sys.stderr)
    return print_failures(operation, outcome.failures, outcome.attempted, verbosity=verbosity)


@contextlib.contextmanager
def told_at_the_end(operation: str, verbosity: int) -> Iterator[None]:
    """With -v tell what the engine did meanwhile, also where that failed; with -vv every counter of it."""
    start = time.perf_counter()
    try:
        yield
    finally:
        if verbosity:
            _tell(operation.replace("_", "-"), time.perf_counter() - start, verbosity)


def _tell(operation: str, seconds: float, verbosity: int) -> None:
    from s3dlio_core import stats

    counts = stats()
    moved = counts["bytes_received"] + counts["bytes_sent"]
    told = [
        f"{counts['requests']} requests",
        f"{counts['retries']} retries",
        f"{format_size(counts['bytes_received'])} received",
        f"{format_size(counts['bytes_sent'])} sent",
    ]
    files = counts["file_reads"] + counts["direct_reads"], counts["file_writes"] + counts["direct_writes"]
    if any(files):
        told += [f"{files[0]} reads and {files[1]} writes of files"]
    rate = f", {format_rate(moved, seconds)}" if moved else ""
    print(f"s3dlio: {operation}: {', '.join(told)} in {seconds:.2f} s{rate}", file=sys.stderr)
    if verbosity >= 2:
        every = ", ".join(f"{name}={count}" for name, count in counts.items() if count)
        print(f"s3dlio: counters: {every}", file=sys.stderr)


def nothing_found(operation: str, wanted: str, hint: str = "") -> int:
    """Say that there is nothing to do. Gives the exit status: what was asked for did not happen."""
    print(f"s3dlio: {operation}: nothing matches {one_line(wanted)}{hint}", file=sys.stderr)
    return 1


def to_json(operation: str, outcome: Outcome) -> dict[str, Any]:
    """`outcome` as a document."""
    return {
        "operation": operation,
        "attempted": outcome.attempted,
        "succeeded": outcome.succeeded,
        "failed": len(outcome.failures),
        "bytes": outcome.bytes,
        "seconds": round(outcome.seconds, 6),
        "failures": [
            {"uri": name, "error": type(error).__name__, "message": describe(error)} for name, error in outcome.failures
        ],
    }
