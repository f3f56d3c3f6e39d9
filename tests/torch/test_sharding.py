"""Every sample belongs to exactly one worker of one rank."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3dlio_torch.sharding import WHOLE, Shard, shard_of_rank


@given(total=st.integers(0, 500), world_size=st.integers(1, 9), workers=st.integers(1, 5))
def test_shards_of_ranks_and_workers_cover_every_sample_once(total: int, world_size: int, workers: int) -> None:
    seen: list[int] = []
    for rank in range(world_size):
        for worker in range(workers):
            seen.extend(Shard(rank, world_size).split(worker, workers).of(total))
    assert sorted(seen) == list(range(total))


@given(total=st.integers(0, 500), world_size=st.integers(1, 9))
def test_shards_differ_by_one_sample_at_most(total: int, world_size: int) -> None:
    sizes = [len(Shard(rank, world_size).of(total)) for rank in range(world_size)]
    assert max(sizes) - min(sizes) <= 1


def test_a_shard_outside_its_count_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shard index 3 is outside \[0, 3\)"):
        Shard(3, 3)


def test_the_rank_comes_from_the_environment_without_a_process_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert shard_of_rank() == WHOLE
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert shard_of_rank() == Shard(2, 4)
