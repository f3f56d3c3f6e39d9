"""The order of an epoch is a bijection, keyed, the same everywhere, and needs no memory."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3dlio_core.loader import Order

GOLDEN_12 = [5, 9, 4, 10, 6, 0, 7, 11, 1, 8, 3, 2]
GOLDEN_MILLION = [649803, 464029, 796350, 293602]


@given(total=st.integers(0, 3000), seed=st.integers(-(2**70), 2**70), epoch=st.integers(0, 10**6))
def test_every_position_leads_to_another_sample(total: int, seed: int, epoch: int) -> None:
    assert sorted(Order(total, shuffle=True, seed=seed, epoch=epoch)) == list(range(total))


@pytest.mark.parametrize("total", [2**k + d for k in range(1, 13) for d in (-1, 0, 1)])
def test_sizes_around_powers_of_two(total: int) -> None:
    assert sorted(Order(total, shuffle=True, seed=7)) == list(range(total))


def test_unshuffled_it_is_the_identity() -> None:
    assert list(Order(100)) == list(range(100))


def test_seed_and_epoch_change_it_and_nothing_else_does() -> None:
    orders = {(s, e): tuple(Order(50, shuffle=True, seed=s, epoch=e)) for s in range(5) for e in range(5)}
    assert len(set(orders.values())) == 25
    assert tuple(Order(50, shuffle=True, seed=3, epoch=4)) == orders[3, 4]


def test_the_order_of_a_stored_state_never_changes() -> None:
    """Also in later releases: a job that was stopped resumes with them."""
    assert list(Order(12, shuffle=True, seed=42, epoch=3)) == GOLDEN_12
    order = Order(1_000_003, shuffle=True, seed=1, epoch=0)
    assert [order[i] for i in (0, 1, 500_000, 1_000_002)] == GOLDEN_MILLION


def test_any_sample_may_stand_anywhere() -> None:
    seeds = 4000
    seen = Counter((p, s) for seed in range(seeds) for p, s in enumerate(Order(10, shuffle=True, seed=seed)))
    assert len(seen) == 100
    expected = seeds / 10
    # Chi-square of 100 cells, 81 degrees of freedom: above 150 happens once in 100,000 fair shuffles.
    assert sum((count - expected) ** 2 / expected for count in seen.values()) < 150


def test_neighbours_are_torn_apart() -> None:
    order = list(Order(10_000, shuffle=True, seed=5))
    near = sum(abs(a - b) < 10 for a, b in pairwise(order))
    assert near < 60  # 20 expected


def test_a_million_samples_are_shuffled_in_constant_memory() -> None:
    tracemalloc.start()
    try:
        order = Order(1_000_000, shuffle=True, seed=1)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        total = 0
        for position in range(0, 1_000_000, 50):
            total += order[position]
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < 4096
    assert 0.45e6 < total / 20_000 < 0.55e6


def test_many_positions_are_all_different() -> None:
    total = (1 << 18) + 7
    seen = bytearray(total)
    for index in Order(total, shuffle=True, seed=9, epoch=2):
        seen[index] = 1
    assert seen.count(1) == total


@pytest.mark.parametrize("position", [-1, 5])
def test_positions_outside_are_refused(position: int) -> None:
    with pytest.raises(IndexError, match=rf"position {position} is outside \[0, 5\)"):
        Order(5, shuffle=True)[position]
