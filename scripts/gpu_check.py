"""Checks torch.ops.s3dlio on a machine with an accelerator: equality, pinned staging, overlap of reads and copies.

    python scripts/gpu_check.py                       # a file of 1 GiB in the temporary folder
    python scripts/gpu_check.py s3://bucket/prefix/   # any store; credentials and endpoint from the environment

Says what it measured; exits with 1 where a check fails, and with 0 and a message where there is no accelerator.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable

import torch

from s3dlio_core import Store, generate_data, open_store

KEY = "gpu-check.bin"


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        torch.accelerator.synchronize(device)
        began = time.perf_counter()
        work()
        torch.accelerator.synchronize(device)
        times.append(time.perf_counter() - began)
    return min(times)


def check(store: Store, size: int, device: torch.device) -> list[str]:
    """What failed."""
    from s3dlio_torch import ops

    failures = []

    def expect(holds: bool, what: str) -> None:
        print(f"{'ok  ' if holds else 'FAIL'}  {what}")
        if not holds:
            failures.append(what)

    expected = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    store.get_into(KEY, expected)
    on_device = torch.zeros(size, dtype=torch.uint8, device=device)

    ops.read_into(store, KEY, on_device)
    expect(torch.equal(on_device.cpu(), expected), "the bytes on the device are the object's")

    half = torch.zeros(size // 4, dtype=torch.bfloat16, device=device)
    ops.read_into(store, KEY, half, offset=1 << 20)
    begins, ends = 1 << 20, (1 << 20) + half.nbytes
    expect(torch.equal(half.view(torch.uint8).cpu(), expected[begins:ends]), "from an offset, as bfloat16")

    side = torch.Stream(device=device)
    sink = torch.zeros_like(on_device)
    with side:
        ops.read_into(store, KEY, sink)
        doubled = sink + sink  # on the same stream, with no wait between
    side.synchronize()
    expect(torch.equal(doubled.cpu(), expected + expected), "work on the same stream sees the bytes")

    busy = torch.zeros(64, device=device)
    before = busy._version
    ops.read_into(store, KEY, busy)
    expect(busy._version == before + 1, "the version counter goes up")

    pieces = ops.read_ranges(store, KEY, [(0, 1 << 20), (5 << 20, 6 << 20)], pin_memory=True)
    expect(all(piece.is_pinned() for piece in pieces), "read_ranges gives pinned memory when asked")
    expect(torch.equal(pieces[1], expected[5 << 20 : 6 << 20]), "and the right bytes")

    host = torch.empty(size, dtype=torch.uint8, pin_memory=True)
    read_alone = seconds_of(lambda: store.get_into(KEY, host), device)
    copy_alone = seconds_of(lambda: on_device.copy_(host, non_blocking=True), device)
    together = seconds_of(lambda: ops.read_into(store, KEY, on_device), device)
    for what, seconds in [
        ("read into pinned memory", read_alone),
        ("copy to the device", copy_alone),
        ("one after the other", read_alone + copy_alone),
        ("read_into the device", together),
    ]:
        print(f"      {what:24} {size / 2**30 / seconds:7.2f} GiB/s")
    expect(together < 1.25 * max(read_alone, copy_alone) + 0.02, "reads and copies overlap")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("uri", nargs="?", help="where to put the object; default: a temporary folder, by direct://")
    parser.add_argument("--size-mib", type=int, default=1024)
    arguments = parser.parse_args()
    if not torch.accelerator.is_available():
        print("skipped: this torch sees no accelerator")
        return 0
    device = torch.accelerator.current_accelerator(check_available=True)
    assert device is not None
    print(f"torch {torch.__version__}, {device}")
    size = arguments.size_mib << 20
    with tempfile.TemporaryDirectory() as folder, open_store(arguments.uri or f"direct://{folder}/") as store:
        store.put(KEY, generate_data(size))
        try:
            failures = check(store, size, device)
        finally:
            store.delete([KEY])
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
