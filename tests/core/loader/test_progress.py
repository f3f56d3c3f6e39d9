"""Progress is one form for one set of positions; what remains can be indexed."""

from __future__ import annotations

import random
import time
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3dlio_core.loader import Marks, Progress, Remaining

TOTAL = 200
positions = st.sets(st.integers(0, TOTAL - 1))


def progress_of(read: set[int], order: list[int] | None = None) -> Progress:
    marks = Marks(TOTAL)
    marks.add_each(order or read)
    return marks.progress()


def read_in(progress: Progress) -> set[int]:
    runs = [range(start, start + count * step, step) for start, count, step in progress.runs]
    return set(range(progress.frontier)).union(*runs)


@given(read=positions)
@example(read=set())
@example(read=set(range(TOTAL)))
def test_it_holds_exactly_the_positions_read(read: set[int]) -> None:
    progress = progress_of(read)
    assert read_in(progress) == read
    assert progress.consumed == len(read)
    assert progress.frontier not in read
    assert Progress.from_dict(progress.to_dict()) == progress


@given(read=positions, seed=st.integers(0, 99))
def test_equal_sets_are_equal_however_they_were_collected(read: set[int], seed: int) -> None:
    shuffled = random.Random(seed).sample(sorted(read), len(read))
    half = len(read) // 2
    marks = Marks(TOTAL)
    marks.add_progress(progress_of(set(shuffled[:half])))
    marks.add_progress(progress_of(set(shuffled[half:])))
    assert marks.progress() == progress_of(read)


@given(read=positions)
def test_what_remains_is_the_rest_in_order(read: set[int]) -> None:
    remaining = progress_of(read).remaining()
    assert [remaining[i] for i in range(len(remaining))] == sorted(set(range(TOTAL)) - read)
    with pytest.raises(IndexError):
        remaining[len(remaining)]


@given(read=positions, start=st.integers(0, 60), count=st.integers(0, 30), step=st.integers(1, 7))
def test_indices_of_what_remains_are_marked_where_they_stand(read: set[int], start: int, count: int, step: int) -> None:
    remaining = progress_of(read).remaining()
    count = min(count, max(0, -(-(len(remaining) - start) // step)))
    marks = Marks(TOTAL)
    remaining.mark_in(marks, (start, count, step))
    assert read_in(marks.progress()) == {remaining[start + i * step] for i in range(count)}


@given(read=positions, low=st.integers(0, TOTAL))
def test_positions_below_low_count_as_read(read: set[int], low: int) -> None:
    marks = Marks(TOTAL, low=low)
    marks.add_each(read)
    assert read_in(marks.progress()) == read | set(range(low))


def test_long_stretches_are_searched_and_short_ones_looked_up_with_one_result() -> None:
    total = 400_000
    marks = Marks(total)
    marks.add(0, 1000, 1)
    marks.add(1500, 90_000, 4)  # one rank of four, far ahead of the others
    marks.add(1501, 3, 1000)
    progress = marks.progress()
    assert len(progress.runs) <= 4
    remaining = Remaining(progress)
    read = read_in(progress)
    expected = [p for p in range(total) if p not in read]
    assert len(remaining) == len(expected)
    for index in [*range(0, len(expected), 997), 499, 500, 501, len(expected) - 1]:
        assert remaining[index] == expected[index]


def test_one_rank_of_many_is_one_run() -> None:
    marks = Marks(1_000_000)
    marks.add(3, 10_000, 8)
    assert marks.progress() == Progress(1_000_000, 0, ((3, 10_000, 8),))


def test_what_remains_of_a_million_takes_no_list() -> None:
    progress = Progress(1_000_000, 10, ((12, 200_000, 4),))
    tracemalloc.start()
    try:
        remaining = Remaining(progress)
        assert remaining[500_000] > remaining[499_999]
        assert tracemalloc.get_traced_memory()[1] < 64 << 10
    finally:
        tracemalloc.stop()


def test_scattered_holes_of_many_workers_are_put_in_order_quickly() -> None:
    rng = random.Random(3)
    marks = Marks(1_000_000)
    marks.add(0, 500_000, 1)
    marks.add_each(500_000 + i for i in rng.sample(range(20_000), 9000))
    start = time.perf_counter()
    progress = marks.progress()
    assert time.perf_counter() - start < 10
    assert progress.consumed == 509_000


@pytest.mark.parametrize(
    "stored",
    [
        {"total": 10, "frontier": 11, "runs": []},
        {"total": 10, "frontier": 5, "runs": [[4, 1, 1]]},
        {"total": 10, "frontier": 5, "runs": [[7, 4, 1]]},
        {"total": 10, "frontier": 5, "runs": [[7, 1]]},
        {"total": 10, "frontier": 5},
        {"total": 10, "frontier": "x", "runs": []},
    ],
)
def test_what_contradicts_itself_is_refused(stored: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"contradicts itself|cannot be read|not enough values|invalid literal"):
        Progress.from_dict(stored)
