"""What every client script shares: the job, memory, the clock. Standard library only: each client has its own packages.

A client script defines a function per verb it can do and ends with `harness.main("distribution", verb, verb, ...)`.
A verb prepares (imports, connections, memory) and returns the work to be timed:

    get_into, get_buffer, get_many   work(keys, consume): calls consume(index, data) for each key, in any order
    get_samples                      the same through a data loader, in the order of the keys
    put_large, put_many              work(keys, consume): stores job.size bytes under each key
    list_keys                        work(keys, consume): returns how many keys it saw
    save_state, load_state,          work(keys, consume): moves a state of job.count tensors as a whole; returned as
    load_slices, load_weights        Prepared, with a check of the result that is not timed
"""

import json
import mmap
import os
import resource
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

Consume = Callable[[int, Any], None]
Work = Callable[[Sequence[str], Consume], "int | None"]


@dataclass(frozen=True)
class Prepared:
    """Work, and the check of what it left behind; the check ends the program where something is wrong."""

    work: Work
    check: Callable[[], None] = lambda: None


Verb = Callable[["Job"], "Work | Prepared"]


@dataclass(frozen=True)
class Job:
    """One verb on one data set: `count` objects of `size` bytes named prefix + 8 digits."""

    endpoint: str  # "" for questions about local files
    bucket: str
    prefix: str
    count: int
    size: int
    repeats: int = 1
    warm: int = 1  # objects of the untimed run before
    in_flight: int = 32
    threads: int = 8  # for clients that have no asynchronous form
    ca: str | None = None
    cold: str | None = None  # a file to drop from the page cache before every repeat
    checks: dict[str, int] = field(default_factory=dict)  # index -> CRC32 the object must have
    options: dict[str, Any] = field(default_factory=dict)  # of the question
    tuning: dict[str, Any] = field(default_factory=dict)  # of this participant
    store_options: dict[str, Any] = field(default_factory=dict)  # the same, of ours only

    @property
    def keys(self) -> list[str]:
        return [f"{self.prefix}{index:08d}" for index in range(self.count)]

    @property
    def region(self) -> str:
        return "us-east-1"


def ready_memory(size: int) -> mmap.mmap:
    """Huge pages where the kernel has them, every page touched; so that no page fault falls into the timed part."""
    memory = mmap.mmap(-1, size)
    memory.madvise(mmap.MADV_HUGEPAGE)
    pattern = bytes(range(256)) * 4096
    for start in range(0, size, len(pattern)):
        memory[start : start + len(pattern)] = pattern[: min(len(pattern), size - start)]
    return memory


def payload(job: Job) -> bytes:
    """The bytes a put sends, for clients that want `bytes`."""
    return bytes(ready_memory(job.size))


def main(distribution: str, *verbs: Verb) -> None:
    """`script.py VERB JOB-AS-JSON`: prints one line of JSON, or ends with a traceback."""
    by_name = {verb.__name__: verb for verb in verbs}
    name, job = sys.argv[1], Job(**json.loads(sys.argv[2]))
    if name not in by_name:
        sys.exit(f"{distribution} has no way to do {name}")
    made = by_name[name](job)
    prepared = made if isinstance(made, Prepared) else Prepared(made)
    report = _measured(name, prepared.work, job)
    prepared.check()
    report["version"] = version_of(distribution)
    sys.stdout.write(json.dumps(report) + "\n")
    sys.stdout.flush()
    os._exit(0)  # some clients hang while they end; what they did is measured


def _measured(name: str, work: Work, job: Job) -> dict[str, Any]:
    keys = job.keys
    resident = _forget_peak()
    if job.warm:
        work(keys[: job.warm], lambda index, data: None)

    seconds = user = system = 0.0
    kept: dict[int, Any] = {}
    for repeat in range(job.repeats):
        last = repeat == job.repeats - 1
        received = [0, 0]

        def consume(index: int, data: Any, received: list[int] = received, last: bool = last) -> None:
            received[0] += 1
            received[1] += len(data)
            if last and str(index) in job.checks:
                kept[index] = data

        if job.cold:
            drop_from_page_cache(job.cold)
        _tell_perf(b"enable\n")
        before, begin = cpu_seconds(), time.perf_counter()
        counted = work(keys, consume)
        seconds += time.perf_counter() - begin
        after = cpu_seconds()
        _tell_perf(b"disable\n")
        user, system = user + after[0] - before[0], system + after[1] - before[1]
        _check_amount(name, job, received, counted)
    peak = _status_bytes("VmHWM")
    _check_bytes(job, kept)
    return {
        "seconds": seconds,
        "user_seconds": user,
        "system_seconds": system,
        "bytes": job.repeats * job.count * job.size,
        "objects": job.repeats * job.count,
        "peak_memory_bytes": max(0, peak - resident),
    }


def _check_amount(name: str, job: Job, received: list[int], counted: int | None) -> None:
    if name.startswith("get") and received != [job.count, job.count * job.size]:
        sys.exit(f"received {received} objects and bytes instead of {[job.count, job.count * job.size]}")
    if name.startswith("list") and counted != job.count:
        sys.exit(f"listed {counted} keys instead of {job.count}")


def _check_bytes(job: Job, kept: dict[int, Any]) -> None:
    for index, expected in job.checks.items():
        if int(index) in kept and zlib.crc32(kept[int(index)]) != expected:
            sys.exit(f"object {index} arrived with other bytes than were stored")


def version_of(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed: read from its sources"


def drop_from_page_cache(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def cpu_seconds() -> tuple[float, float]:
    """User and system seconds of this process, all its threads, and its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime for usage in usages), sum(usage.ru_stime for usage in usages)


def _forget_peak() -> int:
    """Bytes resident now; the kernel's high-water mark starts from here."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
    return _status_bytes("VmRSS")


def _status_bytes(name: str) -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(name + ":"))


def _tell_perf(command: bytes) -> None:
    """Where BENCH_PERF_CONTROL names two descriptors, perf counts between enable and disable, and answers "ack"."""
    descriptors = os.environ.get("BENCH_PERF_CONTROL")
    if descriptors:
        control, answers = (int(number) for number in descriptors.split(","))
        os.write(control, command)
        os.read(answers, 8)
