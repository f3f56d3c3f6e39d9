"""Several ranks: DTensors and FSDP2 load what another number of ranks saved."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from load_parts import blank, filled, load, save

from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter

RANKS = 2

RANK = """
import sys, time, torch, torch.distributed as dist, torch.distributed.checkpoint as dcp
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter
from load_parts import filled

rank, folder = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
mesh = init_device_mesh("cpu", (dist.get_world_size(),))
source = {"rows": filled((301, 64), torch.float32, 1), "columns": filled((40, 130), torch.bfloat16, 2),
          "both": filled((50,), torch.float32, 3)}
placements = {"rows": [Shard(0)], "columns": [Shard(1)], "both": [Replicate()]}

# 1 -> 2: what one process saved, by torch and by us.
for name in ("stock", "ours"):
    state = {key: distribute_tensor(torch.zeros_like(value), mesh, placements[key]) for key, value in source.items()}
    state["step"] = 0
    dcp.load(state, storage_reader=StorageReader(f"file://{folder}/{name}"))
    for key, value in source.items():
        assert torch.equal(state[key].full_tensor(), value), (rank, name, key)
    assert state["step"] == 7

# FSDP2, 2 -> 2 under other placements, and left behind for one process.
torch.manual_seed(0)
def model():
    made = torch.nn.Sequential(torch.nn.Linear(33, 65), torch.nn.Linear(65, 7))
    fully_shard(made, mesh=mesh)
    return made
first, second = model(), model()
with torch.no_grad():
    for parameter in second.parameters():
        parameter.zero_()
dcp.save({"model": first.state_dict()}, storage_writer=StorageWriter(f"file://{folder}/fsdp"))
loaded = second.state_dict()
dcp.load({"model": loaded}, storage_reader=StorageReader(f"file://{folder}/fsdp"))
second.load_state_dict(loaded)
for one, other in zip(first.parameters(), second.parameters(), strict=True):
    assert torch.equal(one.full_tensor(), other.full_tensor())
whole = {key: value.full_tensor() for key, value in first.state_dict().items()}
if rank == 0:
    torch.save(whole, f"{folder}/whole.pt")

# A damaged tensor fails the load on every rank.
dist.barrier()
if rank == 0:
    path = next(p for p in __import__("pathlib").Path(folder, "ours").glob("*.distcp"))
    data = bytearray(path.read_bytes())
    data[20_000] ^= 1
    path.write_bytes(data)
dist.barrier()
try:
    dcp.load(state, storage_reader=StorageReader(f"file://{folder}/ours"))
except BaseException as error:
    assert "rows" in str(error) and "damaged" in str(error), error
else:
    raise AssertionError("the damage was not noticed")
time.sleep(0.5)  # gloo's thread lets go of the last tensors first, or the end of the group may wait for it for ever
dist.destroy_process_group()
"""


def test_one_to_two_and_two_to_one(tmp_path: Path) -> None:
    source = {
        "rows": filled((301, 64), torch.float32, 1),
        "columns": filled((40, 130), torch.bfloat16, 2),
        "both": filled((50,), torch.float32, 3),
        "step": 7,
    }
    save(source, dcp.FileSystemWriter(tmp_path / "stock"))
    save(source, StorageWriter(f"file://{tmp_path}/ours"))
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(rank), str(tmp_path)],
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(RANKS)
    ]
    try:
        errors = [rank.communicate(timeout=100)[1] for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert [rank.returncode for rank in ranks] == [0] * RANKS, "\n".join(errors)
    whole = torch.load(tmp_path / "whole.pt")
    found = load({"model": blank(whole)}, StorageReader(f"file://{tmp_path}/fsdp"))
    for name, value in whole.items():
        assert torch.equal(found["model"][name], value), name
