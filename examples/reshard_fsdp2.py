"""Save a model sharded over two ranks, load it on three: python examples/reshard_fsdp2.py [uri]

Each rank reads only the rows it holds, straight into its shard, and every byte is verified.
"""

import os
import sys
import tempfile
from contextlib import nullcontext

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from ranks import leave_ranks, run_on_ranks
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import s3dlio_core
from s3dlio_torch.dcp import StorageReader, StorageWriter


def sharded_model(seed: int) -> torch.nn.Module:
    """A model whose weights lie in rows over all ranks."""
    torch.manual_seed(seed)
    model = torch.nn.Sequential(torch.nn.Linear(512, 1024), torch.nn.ReLU(), torch.nn.Linear(1024, 512))
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    return fully_shard(model, mesh=mesh)


def whole(model: torch.nn.Module) -> list[torch.Tensor]:
    return [parameter.full_tensor() for parameter in model.parameters()]


def save(uri: str) -> None:
    model = sharded_model(seed=1)
    dcp.save({"model": model.state_dict()}, storage_writer=StorageWriter(f"{uri}checkpoint/"))
    if dist.get_rank() == 0:
        print(f"saved by {dist.get_world_size()} ranks", flush=True)


def load(uri: str) -> None:
    model = sharded_model(seed=2)
    s3dlio_core.reset_stats()
    dcp.load({"model": model.state_dict()}, storage_reader=StorageReader(f"{uri}checkpoint/"))
    held = sum(parameter.to_local().nbytes for parameter in model.parameters())
    received = s3dlio_core.stats()["bytes_received"]
    equal = all(map(torch.equal, whole(model), whole(sharded_model(seed=1))))
    rank = f"rank {dist.get_rank()} of {dist.get_world_size()}"
    print(f"{rank} holds {held} bytes, read {received}; equal: {equal}", flush=True)


def main(uri: str) -> None:
    run_on_ranks(2, __file__, "save", uri)
    run_on_ranks(3, __file__, "load", uri)


if __name__ == "__main__":
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        {"save": save, "load": load}[sys.argv[1]](sys.argv[2])
        leave_ranks()
    else:
        with nullcontext() if len(sys.argv) > 1 else tempfile.TemporaryDirectory() as folder:
            main(sys.argv[1] if folder is None else f"file://{folder}/")
