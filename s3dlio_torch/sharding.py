"""Which rank this process is."""

from __future__ import annotations

import os

import torch.distributed as dist

__all__ = ["rank_and_world_size"]


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank: from torch.distributed where it is initialized, else from RANK and WORLD_SIZE, else (0, 1).

    Ask in the training process: a DataLoader worker has no process group.

    Raises:
        ValueError: RANK is no number below WORLD_SIZE.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    rank, world_size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None or world_size is None:
        return 0, 1
    if not 0 <= int(rank) < int(world_size):
        raise ValueError(f"RANK is {rank} and WORLD_SIZE {world_size}; expected 0 <= RANK < WORLD_SIZE")
    return int(rank), int(world_size)
