"""One listing a job: the first rank lists, the others are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch.distributed as dist

from s3dlio_core.loader import Manifest

__all__ = ["listed_once"]

_WAYS = ("auto", "rank0", "each")


def listed_once(list_it: Callable[[], Manifest], how: str, *, sharded: bool) -> Manifest:
    """What `list_it` gives, asked of the store by rank 0 alone where that is wanted and a process group is there.

    Args:
        how: "rank0": rank 0 lists and broadcasts, so all ranks must call this; "each": each rank lists; "auto": rank 0
            for sharded datasets, which all ranks have.
    Raises:
        ValueError: `how` is something else.
        Exception: On every rank, what listing raised on rank 0.
    """
    if how not in _WAYS:
        raise ValueError(f"listing is {how!r}; expected one of {', '.join(_WAYS)}")
    together = how == "rank0" or (how == "auto" and sharded)
    if not (together and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return list_it()
    box: list[Any] = [None]
    if dist.get_rank() == 0:
        try:
            box[0] = list_it()
        except Exception as error:  # the other ranks wait for an answer, whatever it is
            box[0] = error
    dist.broadcast_object_list(box, src=0)
    if isinstance(box[0], Exception):
        raise box[0]
    manifest: Manifest = box[0]
    return manifest
