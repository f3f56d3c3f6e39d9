"""Which share of the samples this process reads: its rank, unless a framework divides what the dataset yields."""

from __future__ import annotations

import os
import sys
from types import FrameType
from typing import NamedTuple

import torch.distributed as dist

__all__ = ["Ranks", "rank_and_world_size", "ranks_here"]

# Classes that take each sample of an iterable dataset for one of their ranks: every rank (or the first, for all of
# them) must be given the whole epoch.
_DIVIDERS = ("DataLoaderDispatcher", "IterableDatasetShard")
_DIVIDING_PACKAGES = ("accelerate", "transformers")
_LIGHTNING_PACKAGES = ("lightning", "pytorch_lightning")


class Ranks(NamedTuple):
    """Among how many ranks the dataset divides its samples, and which of them is read for.

    Attributes:
        divider: The class that divides what the dataset yields; then the rank is 0 of 1. "": none does.
    """

    rank: int
    world_size: int
    divider: str = ""


def ranks_here() -> Ranks:
    """Of the process that runs this, for the loop that called it.

    Whether a loader is prepared by accelerate shows nowhere but in its calls, so the calling functions are looked
    through: that serves in the training process, while a spawned worker's dataset is pickled, and in a forked worker,
    whose stack begins with that of its parent.

    Raises:
        ValueError: As rank_and_world_size().
    """
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        owner = frame.f_code.co_qualname.partition(".")[0]
        if package in _DIVIDING_PACKAGES and owner in _DIVIDERS:
            return Ranks(0, 1, f"{package}'s {owner}")
        if package in _LIGHTNING_PACKAGES and owner == "Trainer":
            # Under tensor parallelism several processes are one rank as far as data go; the strategy knows.
            division = frame.f_locals["self"].distributed_sampler_kwargs
            if division:
                return Ranks(int(division["rank"]), int(division["num_replicas"]))
        frame = frame.f_back
    return Ranks(*rank_and_world_size())


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank: from torch.distributed where it is initialized, else from RANK and WORLD_SIZE, else (0, 1).

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
