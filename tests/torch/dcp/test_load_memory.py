"""A load of a large checkpoint needs little memory beside the tensors it fills."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

WINDOW = 64 << 20

# The tensors to fill share their memory: what is measured is what comes on top.
SCRIPT = """
import gc, json, sys, warnings, torch, torch.distributed.checkpoint as dcp
warnings.simplefilter("ignore")
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter
from s3dlio_core import trim_pool
kind, folder, window, count = sys.argv[1:]
weight = torch.ones(4096, 8192, dtype=torch.bfloat16)
names = [f"w{n}" for n in range(int(count))]
writer = StorageWriter(f"file://{folder}") if kind == "ours" else dcp.FileSystemWriter(folder, sync_files=False)
dcp.save({name: weight for name in names} | {"tiny": weight[0]}, storage_writer=writer, no_dist=True)
targets = {
    "plain": weight,
    "converted": torch.ones(4096, 8192, dtype=torch.float16),
    "transposed": torch.ones(8192, 4096, dtype=torch.bfloat16).t(),
}
def resident(name):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))
found = {}
for how, target in targets.items():
    reader = StorageReader(f"file://{folder}", window_bytes=int(window))
    dcp.load({"tiny": target[0]}, storage_reader=reader, no_dist=True)  # threads, code
    target.fill_(2)
    gc.collect()
    trim_pool()
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = resident("VmRSS")
    dcp.load({name: target for name in names}, storage_reader=reader, no_dist=True)
    found[how] = resident("VmHWM") - before
    assert bool((target == 1).all()), how
print(json.dumps(found))
"""


@pytest.mark.parametrize(("kind", "tensors"), [("ours", 16), ("stock", 5)])
def test_the_window_and_64_mebibytes_are_enough(kind: str, tensors: int, tmp_path: Path) -> None:
    """1 GiB of ours, a third of it of torch's: both many times the window."""
    arguments = [sys.executable, "-c", SCRIPT, kind, str(tmp_path / "checkpoint"), str(WINDOW), str(tensors)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    extra = json.loads(done.stdout)
    assert extra["converted"] > 0  # it is measured at all
    assert max(extra.values()) <= WINDOW + (64 << 20), extra
