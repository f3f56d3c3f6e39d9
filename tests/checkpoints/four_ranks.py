"""What each of four ranks does, and each of the fewer that load what four have saved. For rank_processes."""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from load_parts import filled
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import Placement, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel

from checkpoints.loading_ranks import State, whole
from checkpoints.ranks import sharded_state
from s3dlio_torch.dcp import StorageReader, StorageWriter


def save(uri: str, state: State) -> None:
    dcp.save(state, storage_writer=StorageWriter(uri))


def load(uri: str, state: State) -> State:
    dcp.load(state, storage_reader=StorageReader(uri))
    return state


# ---- models that are trained ----
def perceptron(seed: int) -> torch.nn.Sequential:
    """Of sizes that neither two nor four divides."""
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(201, 303), torch.nn.ReLU(), torch.nn.Linear(303, 101))


class Training:
    """A model and its optimizer after one step, so that every state there is has a value."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = model
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        self.step(filled((8, 201)))

    def step(self, batch: torch.Tensor) -> None:
        self.model(batch).square().mean().backward()
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state(self) -> State:
        options = StateDictOptions(flatten_optimizer_state_dict=True)
        model, optimizer = get_state_dict(self.model, self.optimizer, options=options)
        return {"model": model, "optimizer": optimizer}

    def load(self, uri: str) -> None:
        state, options = load(uri, self.state()), StateDictOptions(flatten_optimizer_state_dict=True)
        set_state_dict(
            self.model,
            self.optimizer,
            model_state_dict=state["model"],
            optim_state_dict=state["optimizer"],
            options=options,
        )


def fsdp(seed: int, mesh: DeviceMesh) -> Training:
    return Training(fully_shard(perceptron(seed), mesh=mesh))


def saves_hybrid(uri: str) -> State:
    """FSDP2, every shard on two ranks. Returns what was saved."""
    training = fsdp(1, init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard")))
    save(uri, training.state())
    return whole(training.state())  # type: ignore[no-any-return]


def loads_fsdp(uri: str) -> State:
    """FSDP2 over all ranks, each shard once."""
    training = fsdp(2, init_device_mesh("cpu", (dist.get_world_size(),)))
    training.load(uri)
    return whole(training.state())  # type: ignore[no-any-return]


# ---- replicas, and tensors of which some ranks have little or nothing ----
UNEVEN: State = {
    "rows": filled((5, 3000), seed=1),  # 2, 2, 1 and no rows of four ranks
    "few rows": filled((2, 40), torch.bfloat16, seed=2),
    "columns": filled((300, 7), torch.int32, seed=3),
    "few columns": filled((70, 1), seed=4),
    "one": filled((1,), torch.int64, seed=5),
    "empty": torch.empty(0, 4),
}


def divided(dimensions: tuple[int, int], fill: bool) -> State:
    """UNEVEN over all ranks, or as much room: "columns" in dimension `dimensions[1]`, the others in `dimensions[0]`."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    state = {}
    for name, value in UNEVEN.items():
        dimension = min(dimensions["columns" in name], value.ndim - 1)
        state[name] = distribute_tensor(value if fill else torch.zeros_like(value), mesh, [Shard(dimension)])
    return state


def saves_ddp(uri: str, few_uri: str, stock: str) -> State:
    """Returns what DDP's state was, and what it is one training step later.

    Args:
        few_uri: Where a tensor of two rows is saved, alone.
        stock: The folder where torch's own writer saves the uneven tensors.
    """
    training = Training(DistributedDataParallel(perceptron(1)))
    uneven = divided((0, 1), fill=True)
    save(uri, {**training.state(), "uneven": uneven})
    save(few_uri, {"few rows": uneven["few rows"]})
    dcp.save({"uneven": uneven}, storage_writer=dcp.FileSystemWriter(stock))
    saved = whole(training.state())
    training.step(filled((8, 201), seed=6))
    return {"saved": saved, "later": whole(training.state())}


def loads_ddp(uri: str, few_uri: str, stock: str) -> State:
    """The same of the job that goes on, and the uneven tensors under two layouts."""
    training = Training(DistributedDataParallel(perceptron(2)))
    training.load(uri)
    found = {"saved": whole(training.state())}
    training.step(filled((8, 201), seed=6))
    found["later"] = whole(training.state())
    for name, source, dimensions in (
        ("uneven", uri, (0, 1)),
        ("turned", uri, (1, 0)),
        ("stock", f"file://{stock}", (0, 1)),
        ("stock, turned", f"file://{stock}", (1, 0)),
    ):
        found[name] = whole(load(source, {"uneven": divided(dimensions, fill=False)})["uneven"])
    found["few"] = whole(load(few_uri, {"few rows": divided((0, 1), fill=False)["few rows"]}))
    return found


# ---- meshes of two dimensions ----
class Block(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.up = torch.nn.Linear(24, 96)
        self.down = torch.nn.Linear(96, 40)


TILED: State = {name: filled((301, 203), seed=n) for n, name in enumerate(("both", "turned", "rows twice", "columns"))}
PLACEMENTS: dict[str, tuple[Placement, Placement]] = {
    "both": (Shard(0), Shard(1)),
    "turned": (Shard(1), Shard(0)),
    "rows twice": (Shard(0), Shard(0)),
    "columns": (Replicate(), Shard(1)),
}


def tensor_parallel(mesh: DeviceMesh, fill: bool) -> State:
    """A model in tensor parallel and FSDP2, and tensors in tiles; zeros unless `fill`."""
    block = parallelize_module(Block(), mesh["tensor"], {"up": ColwiseParallel(), "down": RowwiseParallel()})
    fully_shard(block, mesh=mesh["data"])
    state: State = {"model": block.state_dict()}
    for name, value in TILED.items():
        state[name] = distribute_tensor(value, mesh, PLACEMENTS[name])
    if not fill:
        for tensor in (*state["model"].values(), *(state[name] for name in TILED)):
            tensor.detach().zero_()
    return state


def mesh_of(data: int, tensor: int) -> DeviceMesh:
    return init_device_mesh("cpu", (data, tensor), mesh_dim_names=("data", "tensor"))


def saves_tensor_parallel(uri: str) -> None:
    save(uri, tensor_parallel(mesh_of(2, 2), fill=True))


def loads_tensor_parallel(uri: str, data: int, tensor: int) -> State:
    return whole(load(uri, tensor_parallel(mesh_of(data, tensor), fill=False)))  # type: ignore[no-any-return]


# ---- ranks that die ----
def saves_to_each(uris: list[str], number: int) -> None:
    for uri in uris:
        save(uri, sharded_state(number))


def saves_until_one_dies(uri: str, number: int, point: str, victim: int) -> None:
    if dist.get_rank() == victim:
        os.environ["S3DLIO_FAULT_POINT"] = f"{point}:kill"
    save(uri, sharded_state(number))


def loads_and_saves_again(uris: list[str], number: int) -> list[tuple[State, State]]:
    """For each, what was there, and what is there after another save."""
    found = []
    for uri in uris:
        before = whole(load(uri, sharded_state(0)))
        save(uri, sharded_state(number))
        found.append((before, whole(load(uri, sharded_state(0)))))
    return found
