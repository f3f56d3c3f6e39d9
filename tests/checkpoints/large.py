"""A program that saves much, and tells by how much its memory grew meanwhile, in bytes.

    python -m checkpoints.large KIND URI OPTIONS

KIND: "large" (a few tensors), "medium" (of a size that is gathered into parts), "strided" (staged). OPTIONS are
StorageWriter's, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import warnings

import torch
import torch.distributed.checkpoint as dcp

from s3dlio_torch.dcp import StorageWriter

MIB = 1 << 20
SHAPES = {"large": (2, 128 * MIB), "medium": (128, 2 * MIB), "strided": (2, 128 * MIB)}  # 256 MiB each


def resident_bytes() -> int:
    """Anonymous memory: the page cache, and files mapped, are not counted."""
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status if ":" in line)
    return int(lines["RssAnon"].split()[0]) << 10


def peak_while(done: threading.Event, peaks: list[int]) -> None:
    while not done.wait(0.002):
        peaks.append(resident_bytes())


def main() -> None:
    kind, uri, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dcp.save({"first": torch.ones(1 << 20)}, storage_writer=StorageWriter(f"{uri}/warm", **options), no_dist=True)
    count, size = SHAPES[kind]
    state = {f"layer.{n}": torch.full((size // 8,), n) for n in range(count)}
    if kind == "strided":
        state = {name: tensor.view(-1, 512).t() for name, tensor in state.items()}
    before, peaks, done = resident_bytes(), [0], threading.Event()
    watcher = threading.Thread(target=peak_while, args=(done, peaks))
    watcher.start()
    dcp.save(state, storage_writer=StorageWriter(f"{uri}/large", **options), no_dist=True)
    done.set()
    watcher.join()
    print(max(peaks) - before)


if __name__ == "__main__":
    main()
