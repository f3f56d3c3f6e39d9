"""Many samples in one piece of memory, and how to hand it on as one batch without a copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import default_collate, get_worker_info

from s3dlio_torch._memory import fresh, pinned

__all__ = ["Rows", "collate", "slab"]


class Rows(list[Any]):
    """The samples of a batch; where all are tensors of one size, rows of one.

    Attributes:
        batch: uint8, shape [batch, size], over the memory of the rows; None where sizes differ.
    """

    def __init__(self, samples: Sequence[torch.Tensor], batch: torch.Tensor | None) -> None:
        super().__init__(samples)
        self.batch = batch


def collate(samples: Any) -> Any:
    """As a DataLoader's collate_fn: `samples` as one [batch, size] tensor without a copy where they are rows of one;
    anything else as default_collate does it.
    """
    if isinstance(samples, Rows) and samples.batch is not None:
        return samples.batch
    return default_collate(samples)


def slab(size: int, *, pin_memory: bool) -> torch.Tensor:
    """Memory for a batch: uint8, shape [size].

    In a DataLoader worker it is shared memory, so that the batch reaches the training process without a copy. Elsewhere
    it is pinned if asked for and there is an accelerator that this process can pin for.
    """
    if get_worker_info() is not None:
        storage: torch.UntypedStorage = torch.UntypedStorage._new_shared(size)  # type: ignore[no-untyped-call]
        return torch.empty(0, dtype=torch.uint8).set_(storage)
    if pin_memory and torch.accelerator.is_available() and (memory := pinned(size)) is not None:
        return memory
    return fresh([size], torch.uint8)
