"""Four ranks stop in an epoch, each elsewhere; two go on: with the ranks that torch.distributed tells of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dataset_ranks as steps
from dataset_files import flat, index_of, write_samples
from rank_processes import run_ranks

from s3dlio_torch import S3IterableDataset

COUNT = 101
BATCHES = [2, 0, 5, 7]  # the last one: all that it has
KINDS: dict[str, dict[str, Any]] = {
    "as listed": {},
    "shuffled": {"shuffle": True, "seed": 3},
    "as they come": {"shuffle": True, "seed": 4, "in_order": False},
}


def order_of(uri: str, options: dict[str, Any], epoch: int) -> list[int]:
    dataset = S3IterableDataset(uri, options, transform=index_of)
    dataset.set_epoch(epoch)
    return list(dataset)


def test_two_ranks_read_what_four_have_left(tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    samples.mkdir()
    uri = write_samples(samples, COUNT)
    before, after = run_ranks(
        tmp_path,
        (4, steps.stops, uri, str(tmp_path), KINDS, 2, BATCHES),
        (2, steps.resumes, uri, str(tmp_path), KINDS, 1),
    )
    for kind, options in KINDS.items():
        first, rest = [rank[kind] for rank in before], [rank[kind][0] for rank in after]
        assert [len(seen) for seen in first] == [8, 0, 20, 25], kind
        assert sorted(flat(first + rest)) == list(range(COUNT)), kind
        assert sorted(flat(rank[kind][1] for rank in after)) == list(range(COUNT)), kind
        if options.get("in_order", True):
            order = order_of(uri, options, epoch=2)
            assert first == [order[rank::4][: len(first[rank])] for rank in range(4)], kind
            left = [index for index in order if index not in flat(first)]
            assert rest == [left[rank::2] for rank in range(2)], kind
