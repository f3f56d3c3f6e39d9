"""An epoch that is stopped goes on exactly: with StatefulDataLoader, and on other numbers of ranks and workers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from dataset_files import flat, index_of, write_samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.access import credentials_of
from servers.seaweedfs import LocalS3
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader
from torchdata.stateful_dataloader.stateful import Stateful

import s3dlio_core
import s3dlio_torch
from s3dlio_torch import S3IterableDataset, merge_states

# torchdata calls what newer torch calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")
COUNT = 101
EVERYTHING = list(range(COUNT))


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_samples(tmp_path_factory.mktemp("samples"), COUNT)


def dataset_of(uri: str, **options: Any) -> S3IterableDataset:
    return S3IterableDataset(uri, options, transform=index_of)


def loader_of(dataset: S3IterableDataset, workers: int, *, batch_size: int = 4, **options: Any) -> StatefulDataLoader:
    return StatefulDataLoader(dataset, batch_size=batch_size, num_workers=workers, **options)


def some(iterator: Iterator[Any], batches: int) -> list[int]:
    return flat(next(iterator) for _ in range(batches))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_stateful_loader_goes_on_where_it_stopped(uri: str, workers: int, in_order: bool, stop: int) -> None:
    options = {"shuffle": True, "seed": 5, "batch_size": 4, "in_order": in_order, "window_requests": 9}
    loader = loader_of(dataset_of(uri, **options), workers)
    first = some(iter(loader), stop)
    state = json.loads(json.dumps(loader.state_dict())) if workers == 0 else loader.state_dict()
    del loader
    again = loader_of(dataset_of(uri, **options), workers)
    again.load_state_dict(state)
    rest = flat(again)
    assert sorted(first + rest) == EVERYTHING
    if in_order:
        assert first + rest == flat(loader_of(dataset_of(uri, **options), 0))
    assert sorted(flat(again)) == EVERYTHING  # the next epoch is whole


def test_snapshots_every_few_batches_are_replayed_exactly(uri: str) -> None:
    options = {"shuffle": True, "batch_size": 4}
    loader = loader_of(dataset_of(uri, **options), 2, snapshot_every_n_steps=3)
    first = some(iter(loader), 8)
    state = loader.state_dict()
    again = loader_of(dataset_of(uri, **options), 2, snapshot_every_n_steps=3)
    again.load_state_dict(state)
    assert first + flat(again) == flat(loader_of(dataset_of(uri, **options), 0))
    with pytest.raises(ValueError, match="2 batches behind what was delivered"):
        merge_states([state])


@pytest.mark.parametrize(
    ("before", "after", "in_order"),
    [((2, 2), (3, 1), True), ((3, 0), (1, 2), False), ((1, 2), (2, 0), True), ((2, 1), (2, 2), False)],
)
def test_other_ranks_and_workers_read_the_rest(
    uri: str, before: tuple[int, int], after: tuple[int, int], in_order: bool
) -> None:
    def rank(number: int, of: int) -> S3IterableDataset:
        return dataset_of(
            uri, shuffle=True, seed=3, batch_size=4, in_order=in_order, shard_rank=number, shard_world_size=of
        )

    seen, states = [], []
    for number in range(before[0]):
        loader = loader_of(rank(number, before[0]), before[1])
        seen += some(iter(loader), 2 + number)
        states.append(loader.state_dict())
    merged = json.loads(json.dumps(merge_states(states)))
    for number in range(after[0]):
        dataset = rank(number, after[0])
        dataset.load_state_dict(merged)
        loader = loader_of(dataset, after[1])
        rest = flat(loader)
        seen += rest
        if number == 0:
            whole = flat(loader)  # the state was used; now an epoch of its own
            assert len(whole) == len(rank(0, after[0]))
    assert sorted(seen) == EVERYTHING


def test_a_resumed_job_can_be_stopped_and_resumed_again(uri: str) -> None:
    seen: list[int] = []
    state: dict[str, Any] | None = None
    for workers, stop in ((2, 5), (0, 3), (1, 6), (0, None)):
        dataset = dataset_of(uri, shuffle=True, in_order=False, window_requests=7)
        if state is not None:
            dataset.load_state_dict(state)
        loader = loader_of(dataset, workers, batch_size=3)
        seen += flat(loader) if stop is None else some(iter(loader), stop)
        state = merge_states([loader.state_dict()])
    assert sorted(seen) == EVERYTHING
    assert state is not None
    assert state["frontier"] == COUNT


def test_without_a_stateful_loader_the_dataset_tells_its_state(uri: str) -> None:
    dataset = dataset_of(uri, shuffle=True, seed=8)
    iterator = iter(DataLoader(dataset, batch_size=5))
    first = some(iterator, 4)
    state = json.loads(json.dumps(dataset.state_dict()))
    again = dataset_of(uri, shuffle=True, seed=8)
    again.load_state_dict(state)
    assert len(again) == COUNT - 20
    rest = flat(DataLoader(again, batch_size=5))
    assert first + rest == flat(DataLoader(dataset_of(uri, shuffle=True, seed=8), batch_size=5))
    assert len(again) == COUNT
    assert sorted(flat(DataLoader(again, batch_size=5))) == EVERYTHING


def test_a_state_for_all_layouts_is_used_once_by_each_worker(uri: str) -> None:
    """Workers are started anew each epoch, with a copy of the dataset that was told the state."""
    dataset = dataset_of(uri, batch_size=4)
    next(iter(dataset))
    dataset.load_state_dict(dataset.state_dict())
    loader = DataLoader(dataset, batch_size=4, num_workers=2)
    assert sorted(flat(loader)) == EVERYTHING[1:]
    assert sorted(flat(loader)) == EVERYTHING


def test_readers_in_workers_hide_their_state_from_a_plain_loader(uri: str) -> None:
    dataset = dataset_of(uri)
    list(DataLoader(dataset, batch_size=50, num_workers=1))
    with pytest.raises(RuntimeError, match="StatefulDataLoader"):
        dataset.state_dict()


def test_persistent_workers_hear_of_the_epoch(uri: str) -> None:
    dataset = dataset_of(uri, shuffle=True, batch_size=4)
    loader = DataLoader(dataset, batch_size=4, num_workers=2, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 7, 1):
        dataset.set_epoch(epoch)
        orders.append(flat(loader))
    assert all(sorted(order) == EVERYTHING for order in orders)
    assert orders[1] == orders[3]
    assert len({tuple(order) for order in orders}) == 3


def test_persistent_workers_cannot_be_told_a_state(uri: str) -> None:
    dataset = dataset_of(uri)
    loader = DataLoader(dataset, batch_size=4, num_workers=1, persistent_workers=True)
    list(loader)
    dataset.load_state_dict(dataset_of(uri).state_dict())
    with pytest.raises(RuntimeError, match="make a new DataLoader"):
        list(loader)
    assert len(list(DataLoader(dataset, batch_size=4, num_workers=1))) == 26


def test_persistent_workers_resume_and_go_on(uri: str) -> None:
    def loader() -> tuple[S3IterableDataset, StatefulDataLoader]:
        dataset = dataset_of(uri, shuffle=True, batch_size=4)
        return dataset, loader_of(dataset, 2, persistent_workers=True)

    dataset, first = loader()
    dataset.set_epoch(3)
    seen = some(iter(first), 5)
    state = first.state_dict()
    dataset, second = loader()
    second.load_state_dict(state)
    dataset.set_epoch(3)
    assert sorted(seen + flat(second)) == EVERYTHING
    dataset.set_epoch(4)
    following = flat(second)
    fresh, third = loader()
    fresh.set_epoch(4)
    assert following == flat(third)


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_states_reach_workers_of_every_kind(uri: str, context: str) -> None:
    dataset = dataset_of(uri, shuffle=True, batch_size=4)
    seen = some(iter(loader_of(dataset, 0)), 6)
    state = dataset.state_dict()
    again = dataset_of(uri, shuffle=True, batch_size=4)
    again.load_state_dict(state)
    loader = loader_of(again, 1, multiprocessing_context=context)
    seen += some(iter(loader), 6)
    last = dataset_of(uri, shuffle=True, batch_size=4)
    last.load_state_dict(merge_states([loader.state_dict()]))
    assert sorted(seen + flat(loader_of(last, 0))) == EVERYTHING


def test_a_finished_epoch_is_followed_by_a_whole_one(uri: str) -> None:
    for workers in (0, 2):
        dataset = dataset_of(uri, shuffle=True, batch_size=4)
        loader = loader_of(dataset, workers)
        list(loader)
        state = loader.state_dict()
        again = dataset_of(uri, shuffle=True, batch_size=4)
        follower = loader_of(again, workers)
        follower.load_state_dict(state)
        again.set_epoch(1)
        order = flat(follower)
        assert sorted(order) == EVERYTHING
        dataset.set_epoch(1)
        assert order == flat(loader)


def test_epochs_of_states(uri: str) -> None:
    dataset = dataset_of(uri, shuffle=True)
    dataset.set_epoch(6)
    iterator = iter(dataset)
    next(iterator)
    state = dataset.state_dict()
    assert state["epoch"] == 6
    dataset.set_epoch(7)
    assert dataset.state_dict()["epoch"] == 7
    assert dataset.state_dict()["frontier"] == 0
    again = dataset_of(uri, shuffle=True)
    again.load_state_dict(state)
    assert again.epoch == 6
    again.set_epoch(6)
    assert len(list(again)) == COUNT - 1
    again.load_state_dict(state)
    with pytest.warns(UserWarning, match=f"set_epoch.7. drops the loaded state of epoch 6, of which {COUNT - 1} of"):
        again.set_epoch(7)  # the state is of another epoch, so this one is whole
    assert len(list(again)) == COUNT
    with pytest.raises(TypeError, match="epoch is '7'"):
        again.set_epoch("7")  # type: ignore[arg-type]


def test_another_data_set_or_order_is_refused(uri: str, tmp_path: Path) -> None:
    state = dataset_of(uri, shuffle=True, seed=1).state_dict()
    for other, text in (
        (dataset_of(write_samples(tmp_path, 5), shuffle=True, seed=1), "another set of samples"),
        (dataset_of(uri, shuffle=True, seed=2), "seed=1; expected shuffle=True, seed=2"),
        (dataset_of(uri), "shuffle=True"),
    ):
        with pytest.raises(ValueError, match=text):
            other.load_state_dict(state)
    with pytest.raises(ValueError, match="expected the state of a dataset"):
        dataset_of(uri).load_state_dict({"epoch": 3})


def test_a_consumers_state_on_another_layout_says_what_to_do(uri: str) -> None:
    first = dataset_of(uri, shard_rank=1, shard_world_size=2)
    next(iter(first))
    dataset = dataset_of(uri, shard_rank=0, shard_world_size=3)
    dataset.load_state_dict(first.state_dict())
    with pytest.raises(ValueError, match=r"the state is of rank 1 of 2.*merge_states"):
        iter(dataset)


def test_the_iterator_itself_is_stateful(uri: str) -> None:
    dataset = dataset_of(uri, shuffle=True)
    iterator = iter(dataset)
    assert isinstance(iterator, Stateful)
    first = [next(iterator) for _ in range(10)]
    state = iterator.state_dict()
    rest = list(iterator)
    iterator.load_state_dict(state)
    assert list(iterator) == rest
    assert sorted(first + rest) == EVERYTHING
    assert dataset.state_dict()["done"] == COUNT


def test_map_datasets_resume_by_their_sampler(uri: str) -> None:
    def loader() -> StatefulDataLoader:
        dataset = s3dlio_torch.S3MapDataset(uri, transform=index_of)
        generator = torch.Generator().manual_seed(3)
        return StatefulDataLoader(dataset, batch_size=4, shuffle=True, num_workers=1, generator=generator)

    first = loader()
    seen = some(iter(first), 9)
    again = loader()
    again.load_state_dict(first.state_dict())
    assert sorted(seen + flat(again)) == EVERYTHING


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), seed=st.integers(0, 2**32), shuffle=st.booleans(), in_order=st.booleans())
def test_consumers_of_any_two_layouts_share_an_epoch(
    uri: str, data: st.DataObject, seed: int, shuffle: bool, in_order: bool
) -> None:
    """The real thing without processes: each consumer is a dataset that was told its rank and worker."""
    seen: list[int] = []
    state: dict[str, Any] | None = None
    for last in (False, True):
        world_size, workers = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 2))
        batch_size = data.draw(st.integers(1, 5))
        states = []
        for consumer in range(world_size * workers):
            options = {"shuffle": shuffle, "seed": seed, "in_order": in_order, "batch_size": batch_size}
            place = {"shard_rank": consumer // workers, "shard_world_size": world_size}
            worker = {"worker_id": consumer % workers, "num_workers_pytorch": workers}
            dataset = dataset_of(uri, **options, **place, **worker, window_requests=6)
            if state is not None:
                dataset.load_state_dict(state)
            iterator = iter(dataset)
            count = COUNT if last else data.draw(st.integers(0, COUNT // (world_size * workers)))
            seen += itertools.islice(iterator, count)
            states.append(dataset.state_dict())
            iterator.close()
        state = merge_states(states)
    assert sorted(seen) == EVERYTHING
    assert state is not None
    assert state["frontier"] == COUNT


def test_on_an_s3_server_too(seaweedfs: LocalS3, name: str) -> None:
    options = credentials_of(seaweedfs)
    store = s3dlio_core.open_store(f"s3://train/{name}/", **options)
    store.put_many((f"{index:05d}", index.to_bytes(2, "little") * 700) for index in range(COUNT))

    def loader(rank: int, world_size: int, state: dict[str, Any] | None = None) -> StatefulDataLoader:
        opts = {"shuffle": True, "batch_size": 4, "shard_rank": rank, "shard_world_size": world_size, "in_order": False}
        dataset = S3IterableDataset(f"s3://train/{name}/", opts, transform=index_of, **options)
        if state is not None:
            dataset.load_state_dict(state)
        return loader_of(dataset, 2)

    before = [loader(rank, 2) for rank in range(2)]
    seen = [index for rank, own in enumerate(before) for index in some(iter(own), 3 + rank)]
    merged = merge_states([own.state_dict() for own in before])
    for rank in range(3):
        seen += flat(loader(rank, 3, merged))
    assert sorted(seen) == EVERYTHING
