"""An epoch that is stopped anywhere goes on with any number of ranks and workers: every sample exactly once."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loader_simulation import Job, fresh

from s3dlio_core.loader import EpochId, Layout, Order, Progress, State, Tracker, merge_states, resumed

jobs = st.tuples(st.integers(1, 5), st.integers(1, 3), st.sampled_from([1, 1, 2, 4, 7]), st.sampled_from([1, 1, 5]))


@settings(max_examples=400)
@given(
    total=st.integers(0, 150),
    legs=st.lists(jobs, min_size=1, max_size=4),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_any_jobs_one_after_the_other_read_every_sample_once(
    total: int, legs: list[tuple[int, int, int, int]], shuffle: bool, seed: int
) -> None:
    rng = random.Random(seed)
    state = fresh(total, shuffle=shuffle, seed=seed)
    seen: list[int] = []
    for leg, (world_size, workers, block, window) in enumerate(legs):
        job = Job(state, world_size, workers, block, window)
        last = leg == len(legs) - 1
        for rank in range(world_size):
            for worker in range(workers):
                job.run(rank, worker, total if last else rng.randint(0, total // (world_size * workers) + 3), rng)
        seen += [sample for samples in job.read.values() for sample in samples]
        state = job.merged()
        assert state.base.consumed == len(seen)
        order = Order(total, shuffle=shuffle, seed=seed)
        remaining = state.base.remaining()
        assert sorted(seen + [order[remaining[i]] for i in range(len(remaining))]) == list(range(total))
    assert sorted(seen) == list(range(total))
    assert state.base == Progress(total, total)


@given(
    total=st.integers(1, 120),
    before=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    after=st.tuples(st.integers(1, 4), st.integers(1, 3)),
    block=st.integers(1, 4),
    batches=st.integers(0, 8),
    seed=st.integers(0, 1000),
)
def test_in_step_the_global_order_goes_on_where_it_was_left(
    total: int, before: tuple[int, int], after: tuple[int, int], block: int, batches: int, seed: int
) -> None:
    """All ranks stop after the same batch: the samples read before and after are one sequence, whoever reads them."""
    rng = random.Random(seed)
    first = Job(fresh(total, shuffle=True, seed=seed), *before, block)
    for rank in range(before[0]):
        for batch in range(batches):  # as a DataLoader takes them: workers in turn
            first.run(rank, batch % before[1], block, rng)
    state = first.merged()
    order = list(Order(total, shuffle=True, seed=seed))
    read = {sample for samples in first.read.values() for sample in samples}
    assert read == set(order[: before[0] * block * batches])
    second = Job(state, *after, block)
    rest = order[len(read) :]
    for rank in range(after[0]):
        for batch in range(total):
            second.run(rank, batch % after[1], block, rng)
        assert second.read[rank] == rest[rank :: after[0]]


@given(total=st.integers(1, 80), job=jobs, seed=st.integers(0, 1000), stop=st.integers(0, 30))
def test_the_same_consumers_go_on_from_their_own_states(
    total: int, job: tuple[int, int, int, int], seed: int, stop: int
) -> None:
    world_size, workers, block, window = job
    rng = random.Random(seed)
    first = Job(fresh(total), world_size, workers, block, window)
    second = Job(fresh(total), world_size, workers, block, window)
    for rank in range(world_size):
        for worker in range(workers):
            first.run(rank, worker, rng.randint(0, stop), rng)
            stored = json.loads(json.dumps(first.states()[rank][worker]))
            layout = Layout(rank, world_size, worker, workers, block)
            second.trackers[rank, worker] = Tracker(resumed(State.from_dict(stored), layout))
            second.run(rank, worker, total, rng)
    seen = [s for j in (first, second) for samples in j.read.values() for s in samples]
    assert sorted(seen) == list(range(total))


@given(total=st.integers(1, 60), world_size=st.integers(1, 4), seed=st.integers(0, 100))
def test_with_wrap_nothing_is_left_out(total: int, world_size: int, seed: int) -> None:
    rng = random.Random(seed)
    first = Job(fresh(total), world_size, 1, 1, wrap=True)
    for rank in range(world_size):
        first.run(rank, 0, rng.randint(0, total), rng)
    second = Job(first.merged(), world_size + 1, 2, 1, wrap=True)
    for rank in range(world_size + 1):
        for worker in range(2):
            second.run(rank, worker, total, rng)
    seen = [s for j in (first, second) for samples in j.read.values() for s in samples]
    assert set(seen) == set(range(total))
    assert second.merged().base == Progress(total, total)
    assert len({len(samples) for samples in second.read.values()}) == 1


def test_the_same_progress_has_the_same_state_whoever_made_it() -> None:
    rng = random.Random(0)
    one, many = Job(fresh(100), 1, 1, 1), Job(fresh(100), 4, 1, 1)
    one.run(0, 0, 40, rng)
    for rank in range(4):
        many.run(rank, 0, 10, rng)
    assert merge_states(one.states()) == merge_states(many.states())


def test_states_stay_small_in_a_million_samples() -> None:
    rng = random.Random(0)
    job = Job(fresh(1_000_000, shuffle=True), 8, 4, 32)
    for tracker in job.trackers.values():
        for ticket in range(20_000):
            tracker.done(ticket)
    job.run(3, 1, 320, rng)  # one is ahead
    assert max(len(json.dumps(state)) for rank in job.states() for state in rank) < 600
    assert len(json.dumps(merge_states(job.states()))) < 1000


def states_of_two_ranks() -> list[Any]:
    rng = random.Random(0)
    job = Job(fresh(20), 2, 2, 1)
    job.run(0, 0, 3, rng)
    return job.states()


def test_states_inside_a_loaders_state_are_found() -> None:
    def wrapped(rank: list[Any]) -> dict[str, Any]:
        workers = {
            f"worker_{i}": {"dataset_state": state, "fetcher_state": {"dataset_iter_state": state, "ended": False}}
            for i, state in enumerate(rank)
        }
        return {"_snapshot": {"_snapshot_step": 3, "_worker_snapshots": workers}, "_steps_since_snapshot": 0}

    ranks = states_of_two_ranks()
    assert merge_states([wrapped(rank) for rank in ranks]) == merge_states(ranks)


def test_a_loaders_state_that_is_not_exact_is_refused() -> None:
    state = {"_snapshot": {"w": states_of_two_ranks()}, "_steps_since_snapshot": 2}
    with pytest.raises(ValueError, match=r"2 batches behind what was delivered.*snapshot_every_n_steps"):
        merge_states([state])


def test_a_missing_rank_or_worker_is_named() -> None:
    ranks = states_of_two_ranks()
    with pytest.raises(ValueError, match=r"the state of rank 1 of 2 is missing"):
        merge_states(ranks[:1])
    with pytest.raises(ValueError, match=r"the state of rank 1 of 2, worker 0 of 2 is missing"):
        merge_states([ranks[0], ranks[1][1:]])
    assert State.from_dict(merge_states(ranks[:1], partial=True)).base.consumed == 3


def test_two_states_of_one_consumer_are_refused() -> None:
    earlier, later = Job(fresh(20), 1, 1, 1), Job(fresh(20), 1, 1, 1)
    later.run(0, 0, 2, random.Random(0))
    with pytest.raises(ValueError, match="two different states of the same consumer, rank 0 of 1"):
        merge_states([earlier.states(), later.states()])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"manifest": "another"}, "belongs to another set of samples"),
        ({"seed": 1}, "is of shuffle=False, seed=1; expected shuffle=False, seed=0"),
        ({"shuffle": True}, "is of shuffle=True"),
        ({"epoch": 4}, "is of epoch 4; expected epoch 0"),
    ],
)
def test_states_of_different_epochs_are_not_mixed(change: dict[str, Any], text: str) -> None:
    state = fresh(10).to_dict()
    with pytest.raises(ValueError, match=text):
        merge_states([state, {**state, **change}])


@pytest.mark.parametrize("tree", [{}, {"epoch": 3}, 7, [None]])
def test_what_holds_no_state_is_refused(tree: Any) -> None:
    with pytest.raises(ValueError, match="state 0 holds no state of a dataset"):
        merge_states([tree])


@pytest.mark.parametrize(
    "change",
    [
        {"s3dlio_dataset_state": 2},
        {"frontier": 99},
        {"runs": 3},
        {"layout": {"rank": 9}},
        {"done": "x"},
        {"seed": []},
        {"done": 11},
        {"ahead": [10]},
    ],
)
def test_damaged_states_are_refused(change: dict[str, Any]) -> None:
    state = Job(fresh(10), 1, 1, 1).states()[0][0]
    with pytest.raises(ValueError, match=r"."):
        State.from_dict({**state, **change})


def test_one_consumers_state_does_not_fit_another() -> None:
    state = State.from_dict(states_of_two_ranks()[1][0])
    with pytest.raises(
        ValueError, match=r"the state is of rank 1 of 2, worker 0 of 2.*this is rank 0 of 3.*merge_states"
    ):
        resumed(state, Layout(0, 3))


def test_a_lone_consumers_state_fits_any_layout() -> None:
    job = Job(fresh(20), 1, 1, 1, window=4)
    job.run(0, 0, 7, random.Random(5))
    state = State.from_dict(job.states()[0][0])
    assert resumed(state, Layout(2, 4)).base == job.merged().base


# ---- states that were changed where they were kept ----
ODD = st.sampled_from([None, True, -1, 1 << 64, 10**5000, 0.5, float("inf"), float("nan"), "3", b"3", [], {}, [[1]]])


def paths_in(tree: Any) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [()] + [(name, *path) for name, value in inner for path in paths_in(value)]


def changed_at(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = dict(tree) if isinstance(tree, dict) else list(tree)
    changed[path[0]] = changed_at(tree[path[0]], path[1:], value)
    return changed


KEPT = State(
    EpochId(40, "digest"), Progress(40, 3, ((5, 2, 3),)), Layout(1, 2, 0, 2, 4), done=2, ahead=(4, 6)
).to_dict()


@given(path=st.sampled_from(paths_in(KEPT)), value=ODD | st.integers() | st.floats() | st.text())
def test_no_change_of_a_state_leads_to_anything_but_a_value_error(path: tuple[Any, ...], value: Any) -> None:
    try:
        state = State.from_dict(changed_at(KEPT, path, value))
        read_next = state.share(state.layout)[0] if state.layout else 0
    except ValueError:
        return
    assert type(read_next) is int
    assert State.from_dict(state.to_dict()) == state


def test_the_state_that_is_changed_above_is_sound() -> None:
    assert State.from_dict(KEPT).to_dict() == KEPT


def test_a_state_nested_for_ever_is_refused() -> None:
    tree: list[Any] = []
    for _ in range(100_000):
        tree = [tree]
    with pytest.raises(ValueError, match="nested"):
        merge_states([tree])
