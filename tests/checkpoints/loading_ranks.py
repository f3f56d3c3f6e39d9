"""What each rank of a job that loads a checkpoint does. For rank_processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from load_parts import filled
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard, distribute_tensor

from s3dlio_torch.dcp import StorageReader, StorageWriter

State = dict[str, Any]

SOURCE: State = {
    "rows": filled((301, 64), torch.float32, 1),
    "columns": filled((40, 130), torch.bfloat16, 2),
    "both": filled((50,), torch.float32, 3),
    "step": 7,
}
PLACEMENTS: dict[str, Placement] = {"rows": Shard(0), "columns": Shard(1), "both": Replicate()}


def whole(value: Any) -> Any:
    """`value` with each DTensor in it as a plain tensor; all ranks must ask."""
    if isinstance(value, dict):
        return {name: whole(inner) for name, inner in value.items()}
    if isinstance(value, DTensor):
        return value.full_tensor()
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def loads(uri: str) -> State:
    """SOURCE, divided over all ranks."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    state: State = {"step": 0}
    for name, placement in PLACEMENTS.items():
        state[name] = distribute_tensor(torch.zeros_like(SOURCE[name]), mesh, [placement])
    dcp.load(state, storage_reader=StorageReader(uri))
    return whole(state)  # type: ignore[no-any-return]


def error_of_loading(uri: str) -> str:
    try:
        loads(uri)
    except BaseException as error:
        return str(error)
    return ""


def saves_and_loads_fsdp(uri: str) -> tuple[State, State]:
    """What FSDP2 saved, and what a model of other values loaded."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    torch.manual_seed(0)
    first, second = (
        fully_shard(torch.nn.Sequential(torch.nn.Linear(33, 65), torch.nn.Linear(65, 7)), mesh=mesh) for _ in range(2)
    )
    dcp.save({"model": first.state_dict()}, storage_writer=StorageWriter(uri))
    loaded = second.state_dict()
    dcp.load({"model": loaded}, storage_reader=StorageReader(uri))
    second.load_state_dict(loaded)
    return whole(first.state_dict()), whole(second.state_dict())
