"""Who reads which sample: every sample goes to exactly one worker of one rank."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch.distributed as dist
from torch.utils.data import get_worker_info


@dataclass(frozen=True)
class Shard:
    """The part of the samples one consumer reads: those whose index is `index` modulo `count`."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"shard index {self.index} is outside [0, {self.count})")

    def of(self, total: int) -> range:
        """Indices of this shard among `total` samples, ascending. Shards differ by one sample at most."""
        return range(self.index, total, self.count)

    def split(self, index: int, count: int) -> Shard:
        """Part `index` of `count` of this shard."""
        return Shard(self.index + self.count * index, self.count * count)


WHOLE = Shard(0, 1)


def shard_of_rank() -> Shard:
    """This process's shard: from torch.distributed where it is initialized, else from RANK and WORLD_SIZE.

    Ask in the training process: a DataLoader worker has no process group.
    """
    if dist.is_available() and dist.is_initialized():
        return Shard(dist.get_rank(), dist.get_world_size())
    rank, world_size = os.environ.get("RANK"), os.environ.get("WORLD_SIZE")
    if rank is None or world_size is None:
        return WHOLE
    return Shard(int(rank), int(world_size))


def shard_of_worker(rank: Shard) -> Shard:
    """`rank`'s shard, split over the DataLoader workers when called in one of them."""
    worker = get_worker_info()
    return rank if worker is None else rank.split(worker.id, worker.num_workers)
