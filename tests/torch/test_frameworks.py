"""Each sample reaches exactly one rank, whoever drives the training: accelerate, Hugging Face's Trainer, Lightning."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import framework_ranks as steps
import pytest
from dataset_files import write_samples
from rank_processes import run_ranks

COUNT = 48  # whole batches for two ranks of two workers: nothing need be repeated to make ranks even
ONCE = Counter(range(COUNT))


@pytest.fixture
def uri(tmp_path: Path) -> str:
    folder = tmp_path / "samples"
    folder.mkdir()
    return write_samples(folder, COUNT)


def test_accelerate_and_a_loader_beside_it_see_each_sample_once(uri: str, tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    (ranks,) = run_ranks(tmp_path, (2, steps.accelerated, uri))
    for kind, first in ranks[0].items():
        if kind.startswith("length"):
            assert first == ranks[1][kind] == COUNT // steps.BATCH // 2, kind
        elif kind.startswith("refusal"):
            divider = "IterableDatasetShard" if "False" in kind else "DataLoaderDispatcher"
            assert f"shard_rank is 1 of 2, and accelerate's {divider} divides the samples" in first, kind
            assert "leave shard_rank and shard_world_size out" in first, kind
        else:
            assert Counter(first) + Counter(ranks[1][kind]) == ONCE, kind
            assert len(first) == COUNT // 2, kind


def test_hugging_faces_trainer_sees_each_sample_once_an_epoch(uri: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    (ranks,) = run_ranks(tmp_path, (2, steps.trained, uri, str(tmp_path)))
    for dispatch in (None, False):
        first, second = (rank[f"epochs, dispatch={dispatch}"] for rank in ranks)
        half = COUNT // 2
        for epoch in (slice(0, half), slice(half, None)):
            assert Counter(first[epoch]) + Counter(second[epoch]) == ONCE
        assert first[:half] != first[half:], "the second epoch has an order of its own"
    assert [rank["examples"] for rank in ranks] == [COUNT, COUNT]


def test_lightning_with_a_dataset_that_was_made_before_fit(uri: str, tmp_path: Path) -> None:
    pytest.importorskip("lightning")
    program = Path(steps.__file__)
    paths = os.pathsep.join([str(program.parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run(
        [sys.executable, str(program), uri, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=100,
    )

    def seen(name: str, rank: int) -> Counter[Any]:
        return Counter(json.loads((tmp_path / f"{name}-{rank}").read_text()))

    for name in ("ddp-0", "ddp-1", "ddp-2"):
        assert seen(name, 0) + seen(name, 1) == ONCE, name
        assert seen(name, 0).total() == COUNT // 2, name
    assert seen("one", 0) == seen("one", 1) == ONCE
