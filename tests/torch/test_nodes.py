"""S3SourceNode in graphs of torchdata.nodes: epochs, states, threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_files import flat, index_of, write_samples
from torchdata.nodes import Batcher, Loader, ParallelMapper, Prefetcher

from s3dlio_torch import S3IterableDataset, merge_states
from s3dlio_torch.nodes import S3SourceNode

COUNT = 41
EVERYTHING = list(range(COUNT))


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return write_samples(tmp_path, COUNT)


def source_of(uri: str, **options: Any) -> S3SourceNode:
    return S3SourceNode.from_uri(uri, {"shuffle": True, **options}, transform=index_of)


def loader_of(source: S3SourceNode) -> Loader[Any]:
    mapped = ParallelMapper(source, map_fn=int, num_workers=2, method="thread")
    return Loader(Prefetcher(Batcher(mapped, batch_size=4, drop_last=False), prefetch_factor=2))


def test_each_loop_is_the_next_epoch(uri: str) -> None:
    loader = loader_of(source_of(uri))
    orders = [flat(loader) for _ in range(3)]
    assert all(sorted(order) == EVERYTHING for order in orders)
    assert len({tuple(order) for order in orders}) == 3
    dataset = S3IterableDataset(uri, {"shuffle": True}, transform=index_of)
    for epoch, order in enumerate(orders):
        dataset.set_epoch(epoch)
        assert list(dataset) == order


def test_an_epoch_can_be_named(uri: str) -> None:
    source = source_of(uri)
    loader = loader_of(source)
    first = flat(loader)
    source.set_epoch(0)
    assert flat(loader) == first


def test_a_graph_goes_on_where_it_stopped(uri: str) -> None:
    loader = loader_of(source_of(uri))
    list(loader)
    iterator = iter(loader)
    seen = flat(next(iterator) for _ in range(4))
    state = loader.state_dict()
    again = loader_of(source_of(uri))
    again.load_state_dict(state)
    rest = flat(again)
    assert sorted(seen + rest) == EVERYTHING
    del iterator
    following = flat(again)
    assert sorted(following) == EVERYTHING
    assert following != seen + rest


def test_the_state_of_a_bare_source_is_exact_and_merges(uri: str) -> None:
    ranks = [source_of(uri, shard_rank=rank, shard_world_size=2, in_order=False) for rank in range(2)]
    seen = [next(source) for source in ranks for _ in range(7)]
    merged = merge_states([source.state_dict() for source in ranks])
    dataset = S3IterableDataset(uri, {"shuffle": True}, transform=index_of)
    dataset.load_state_dict(merged)
    assert sorted(seen + list(dataset)) == EVERYTHING
