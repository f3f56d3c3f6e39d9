"""What each rank of a job that reads a data set does. For rank_processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch.distributed as dist
from dataset_files import flat, index_of
from torchdata.stateful_dataloader import StatefulDataLoader

import s3dlio_core
from s3dlio_torch import S3IterableDataset, S3MapDataset, merge_states

BATCH = 4


def lists_once(options: dict[str, Any]) -> list[Any]:
    """What the datasets of this rank hold, and what the one of a bucket that is missing raised."""
    found: list[Any] = [bytes(sample.numpy()).decode() for sample in S3IterableDataset("s3://data/auto/", **options)]
    found.append(len(S3MapDataset("s3://data/rank0/", listing="rank0", **options)))
    found.append(len(S3MapDataset("s3://data/each/", **options)))
    try:
        S3IterableDataset("s3://nowhere/", **options)
    except s3dlio_core.StorageError as error:
        found += [type(error).__name__, error.uri]
    return found


def stops(uri: str, kept: str, kinds: dict[str, dict[str, Any]], workers: int, batches: list[int]) -> dict[str, Any]:
    """Of each kind of dataset, what this rank had read after `batches[rank]` batches; the state is kept in a file."""
    seen = {}
    for kind, options in kinds.items():
        dataset = S3IterableDataset(uri, {"batch_size": BATCH, **options}, transform=index_of)
        dataset.set_epoch(2)
        loader = StatefulDataLoader(dataset, batch_size=BATCH, num_workers=workers)
        iterator = iter(loader)
        seen[kind] = flat(next(iterator) for _ in range(batches[dist.get_rank()]))
        states: list[Any] = [None] * dist.get_world_size()
        dist.gather_object(loader.state_dict(), states if dist.get_rank() == 0 else None)
        if dist.get_rank() == 0:
            Path(kept, kind).write_text(json.dumps(merge_states(states)))
    return seen


def resumes(uri: str, kept: str, kinds: dict[str, dict[str, Any]], workers: int) -> dict[str, Any]:
    """Of each kind of dataset, what this rank read of the rest, and in the epoch after it."""
    seen = {}
    for kind, options in kinds.items():
        dataset = S3IterableDataset(uri, {"batch_size": BATCH, **options}, transform=index_of)
        dataset.load_state_dict(json.loads(Path(kept, kind).read_text()))
        epochs = []
        for epoch in (dataset.epoch, dataset.epoch + 1):
            dataset.set_epoch(epoch)
            epochs.append(flat(StatefulDataLoader(dataset, batch_size=BATCH, num_workers=workers)))
        seen[kind] = epochs
    return seen
