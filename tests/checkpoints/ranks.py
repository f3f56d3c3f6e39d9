"""A program of several ranks that save together, to be started by torchrun.

    torchrun --nproc-per-node 2 -m checkpoints.ranks OUT SCENARIO URI OPTIONS [SCENARIO URI OPTIONS ...]

Every rank writes what it saw, as JSON, to OUT/<scenario>.<rank>. OPTIONS are StorageWriter's, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from rank_processes import gloo_group
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, Shard, distribute_tensor

from checkpoints.states import bits, random_tensor
from s3dlio_torch.dcp import CheckpointManager, HexPrefixStrategy, StorageWriter


def whole_state(number: int) -> dict[str, Any]:
    """What all ranks together save."""
    return {
        "rows": random_tensor(torch.float32, 301, 400, seed=number),
        "columns": random_tensor(torch.bfloat16, 300, 401, seed=number),
        "replicated": random_tensor(torch.int64, 100, 100, seed=number),
        "plain": {"step": number},
    }


def sharded_state(number: int) -> dict[str, Any]:
    """This rank's share of whole_state()."""
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    state = whole_state(number)
    placements = {"rows": Shard(0), "columns": Shard(1), "replicated": Replicate()}
    return {
        name: distribute_tensor(value, mesh, [placements[name]]) if name in placements else value
        for name, value in state.items()
    }


class FailsOnRank1(dcp.DefaultSavePlanner):
    """As a broken disk or a lost connection of one rank."""

    def resolve_data(self, write_item: Any) -> Any:
        if dist.get_rank() == 1:
            raise OSError("rank 1 is broken")
        return super().resolve_data(write_item)


def saves(uri: str, options: dict[str, Any]) -> Any:
    dcp.save(sharded_state(1), storage_writer=StorageWriter(uri, **options))
    return "saved"


def saves_asynchronously(uri: str, options: dict[str, Any]) -> Any:
    """Two steps, the first one still under way when the second begins."""
    manager = CheckpointManager(uri, keep_last=1, writer_options=options)
    for number in (1, 2):
        state = sharded_state(number)
        last = manager.async_save(number, state)
        for name in ("rows", "columns", "replicated"):  # training goes on
            state[name].zero_()
    last.result(60)
    dist.barrier()
    return manager.all_steps()


def saves_with_prefixes(uri: str, options: dict[str, Any]) -> Any:
    writer = StorageWriter(uri, prefix_strategy=HexPrefixStrategy(epoch_num=3), **options)
    dcp.save(sharded_state(1), storage_writer=writer)
    return "saved"


def saves_without_collectives(uri: str, options: dict[str, Any]) -> Any:
    state = {f"of rank {dist.get_rank()}": torch.full((5, 5), float(dist.get_rank()))}
    dcp.save(state, storage_writer=StorageWriter(uri, **options), use_collectives=False)
    return "saved"


def one_fails(uri: str, options: dict[str, Any]) -> Any:
    """The second save fails on rank 1 alone."""
    manager = CheckpointManager(uri, **options)
    manager.save(1, sharded_state(1))
    try:
        manager.save(2, sharded_state(2), planner=FailsOnRank1())
    except CheckpointException as error:
        dist.barrier()
        state = sharded_state(0)
        step = manager.restore(state)
        same = torch.equal(bits(state["rows"].full_tensor()), bits(whole_state(1)["rows"]))
        return {"failed": sorted(error.failures), "latest": manager.latest_step(), "restored": step, "same": same}
    return "saved"


def one_dies(uri: str, options: dict[str, Any]) -> Any:
    dcp.save(sharded_state(1), storage_writer=StorageWriter(uri, **options))
    if dist.get_rank() == 1:
        os.environ["S3DLIO_FAULT_POINT"] = "object-half-written:kill"
    dcp.save(sharded_state(2), storage_writer=StorageWriter(uri, **options))
    return "saved"


def in_a_process(uri: str, options: dict[str, Any]) -> Any:
    for number, kind in ((1, AsyncCheckpointerType.THREAD), (2, AsyncCheckpointerType.PROCESS)):
        state = {**whole_state(number), "view": random_tensor(torch.float32, 400, 400, seed=number).t()[::2]}
        writer = StorageWriter(f"{uri}/{number}", **options)
        done = dcp.async_save(state, storage_writer=writer, async_checkpointer_type=kind)
        for value in state.values():  # training goes on
            if isinstance(value, torch.Tensor):
                value.zero_()
        done.result()
    return "saved"


SCENARIOS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    each.__name__: each
    for each in (
        saves,
        saves_asynchronously,
        saves_with_prefixes,
        saves_without_collectives,
        one_fails,
        one_dies,
        in_a_process,
    )
}


def main() -> None:
    out, *words = sys.argv[1:]
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with gloo_group():
        for scenario, uri, options in zip(words[::3], words[1::3], words[2::3], strict=True):
            saw = SCENARIOS[scenario](uri, json.loads(options))
            (Path(out) / f"{scenario}.{dist.get_rank()}").write_text(json.dumps(saw))
            dist.barrier()


if __name__ == "__main__":
    main()
