"""Every position belongs to exactly one consumer; ranks are even where that is asked for; workers change no order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3dlio_core.loader import Layout, Share


def shares(total: int, world_size: int, workers: int, block: int, **even: bool) -> list[list[list[int]]]:
    """[rank][worker] -> positions."""
    return [
        [
            [share[i] for i in range(len(share))]
            for share in (Share(Layout(r, world_size, w, workers, block), total, **even) for w in range(workers))
        ]
        for r in range(world_size)
    ]


def as_the_loader_delivers(workers: list[list[int]], block: int) -> list[int]:
    """Batches of one rank in the order a DataLoader gives them: workers in turn, ended ones left out."""
    delivered: list[int] = []
    pieces = [[w[i : i + block] for i in range(0, len(w), block)] for w in workers]
    for turn in range(max((len(p) for p in pieces), default=0)):
        for own in pieces:
            delivered += own[turn] if turn < len(own) else []
    return delivered


sizes = {
    "total": st.integers(0, 300),
    "world_size": st.integers(1, 7),
    "workers": st.integers(1, 4),
    "block": st.integers(1, 9),
}


@given(**sizes)
def test_every_position_goes_to_exactly_one_consumer(total: int, world_size: int, workers: int, block: int) -> None:
    dealt = shares(total, world_size, workers, block)
    assert sorted(p for rank in dealt for worker in rank for p in worker) == list(range(total))
    counts = [sum(map(len, rank)) for rank in dealt]
    assert max(counts) - min(counts) <= 1
    assert counts == [Share(Layout(r, world_size, block=block), total).of_rank for r in range(world_size)]


@given(**sizes)
def test_the_order_of_a_rank_does_not_depend_on_its_workers(
    total: int, world_size: int, workers: int, block: int
) -> None:
    alone = shares(total, world_size, 1, block)
    together = shares(total, world_size, workers, block)
    for rank in range(world_size):
        assert as_the_loader_delivers(together[rank], block) == alone[rank][0] == list(range(rank, total, world_size))


@given(**sizes)
def test_drop_last_makes_ranks_even_in_whole_batches(total: int, world_size: int, workers: int, block: int) -> None:
    dealt = shares(total, world_size, workers, block, drop_last=True)
    counts = {sum(map(len, rank)) for rank in dealt}
    assert counts == {total // world_size // block * block}
    seen = [p for rank in dealt for worker in rank for p in worker]
    assert sorted(seen) == list(range(len(seen)))  # only the tail is left out
    assert all(len(worker) % block == 0 for rank in dealt for worker in rank)


@given(**sizes)
def test_wrap_makes_ranks_even_by_repeating_the_start(total: int, world_size: int, workers: int, block: int) -> None:
    dealt = shares(total, world_size, workers, block, wrap=True)
    assert {sum(map(len, rank)) for rank in dealt} == {-(-total // world_size)}
    seen = sorted(p for rank in dealt for worker in rank for p in worker)
    assert set(seen) == set(range(total))
    assert len(seen) - total < world_size


@given(**sizes, data=st.data(), wrap=st.booleans())
def test_runs_are_the_first_positions(
    total: int, world_size: int, workers: int, block: int, data: st.DataObject, wrap: bool
) -> None:
    rank = data.draw(st.integers(0, world_size - 1))
    worker = data.draw(st.integers(0, workers - 1))
    share = Share(Layout(rank, world_size, worker, workers, block), total, wrap=wrap)
    count = data.draw(st.integers(0, len(share)))
    positions = [start + i * step for start, size, step in share.runs(count) for i in range(size)]
    assert sorted(positions) == sorted(share[i] for i in range(count))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"rank": 3, "world_size": 3}, r"rank 3 is outside \[0, 3\)"),
        ({"worker": -1}, r"worker -1 is outside \[0, 1\)"),
        ({"block": 0}, "block is 0"),
    ],
)
def test_impossible_layouts_are_refused(arguments: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Layout(**arguments)


def test_drop_last_and_wrap_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="two ways to make ranks even"):
        Share(Layout(), 10, drop_last=True, wrap=True)
