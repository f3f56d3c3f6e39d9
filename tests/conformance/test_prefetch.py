"""Reading ahead over many objects: all of them once, in order or as they come, errors at their turn."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from servers.content import MIB, content

from s3dlio_core import FetchItem, InvalidArgumentError, ObjectNotFoundError, PreconditionError, Store

DATA = content(300_000, seed=8)
KEYS = [f"p{index:02d}" for index in range(25)]


def sample(index: int) -> bytes:
    return DATA[index : index + 1000 * (index + 1)]


def fill(store: Store) -> None:
    store.put_many([(key, sample(index)) for index, key in enumerate(KEYS)])


def test_in_order(any_store: Store) -> None:
    fill(any_store)
    got = [(index, bytes(data)) for index, data in any_store.prefetch(KEYS)]
    assert got == [(index, sample(index)) for index in range(25)]


def test_as_they_come(any_store: Store) -> None:
    fill(any_store)
    got = {index: bytes(data) for index, data in any_store.prefetch(KEYS, in_order=False)}
    assert got == {index: sample(index) for index in range(25)}


@pytest.mark.parametrize(("window_bytes", "window_requests"), [(1, 1), (5000, 3), (1 << 30, 2), (1 << 30, 64)])
def test_any_window(any_store: Store, window_bytes: int, window_requests: int) -> None:
    fill(any_store)
    stream = any_store.prefetch(KEYS, window_bytes=window_bytes, window_requests=window_requests)
    assert [bytes(data) for _, data in stream] == [sample(index) for index in range(25)]


def test_items_with_sizes_and_ranges(any_store: Store) -> None:
    fill(any_store)
    items = [
        ("p03", 4000),
        "p04",
        FetchItem("p05", start=10, end=20),
        FetchItem("p06", size=7000),
        FetchItem("p07", start=5),
    ]
    got = [bytes(data) for _, data in any_store.prefetch(items)]
    assert got == [sample(3), sample(4), sample(5)[10:20], sample(6), sample(7)[5:]]


def test_a_generation_that_is_gone_is_an_error(any_store: Store) -> None:
    etag = any_store.put("g", b"old bytes").etag
    wanted = [FetchItem("g", etag=etag), FetchItem("g", start=4, end=9, etag=etag)]
    assert [bytes(data) for _, data in any_store.prefetch(wanted)] == [b"old bytes", b"bytes"]
    any_store.put("g", b"new bytes")
    for item in wanted:
        with pytest.raises(PreconditionError):
            list(any_store.prefetch([item]))
    assert [bytes(data) for _, data in any_store.prefetch(["g"])] == [b"new bytes"]


def test_key_may_come_twice(any_store: Store) -> None:
    fill(any_store)
    assert [bytes(data) for _, data in any_store.prefetch(["p01", "p01", "p01"])] == [sample(1)] * 3


def test_nothing_to_fetch(any_store: Store) -> None:
    assert list(any_store.prefetch([])) == []


def test_failed_item_is_raised_at_its_turn_and_the_rest_follows(any_store: Store) -> None:
    fill(any_store)
    stream = any_store.prefetch(["p00", "none", "p02"])
    assert next(stream)[0] == 0
    with pytest.raises(ObjectNotFoundError) as caught:
        next(stream)
    assert caught.value.uri.endswith("none")
    assert bytes(next(stream)[1]) == sample(2)
    with pytest.raises(StopIteration):
        next(stream)


def test_stream_may_be_left_early(any_store: Store) -> None:
    fill(any_store)
    with any_store.prefetch(KEYS * 20) as stream:
        next(stream)
    with pytest.raises((StopIteration, ValueError)):
        next(stream)
    dropped = any_store.prefetch(KEYS * 20)
    next(dropped)
    del dropped
    assert any_store.get("p00") == sample(0)


def test_large_objects(any_store: Store) -> None:
    whole = content(11 * MIB, seed=9)
    any_store.put("big", whole)
    any_store.put("small", b"x")
    stream = any_store.prefetch(["big", "small", "big"], window_bytes=MIB)
    assert [len(data) if len(data) == 1 else data == whole for _, data in stream] == [True, 1, True]


def test_results_outlive_the_stream(any_store: Store) -> None:
    fill(any_store)
    with any_store.prefetch(KEYS) as stream:
        kept = [data for _, data in stream]
    assert [bytes(data) for data in kept] == [sample(index) for index in range(25)]


@pytest.mark.parametrize("in_order", [True, False])
def test_items_from_an_iterator_are_drawn_as_they_are_needed(any_store: Store, in_order: bool) -> None:
    fill(any_store)
    drawn = 0

    def endless() -> Iterator[str]:
        nonlocal drawn
        for key in itertools.cycle(KEYS):
            drawn += 1
            yield key

    with any_store.prefetch(endless(), window_requests=8, in_order=in_order) as stream:
        got = [next(stream) for _ in range(500)]
    assert drawn <= 500 + 8 + 3 * 64
    assert all(bytes(data) == sample(index % 25) for index, data in got)
    indices = [index for index, _ in got]
    assert len(set(indices)) == 500
    assert not in_order or indices == list(range(500))


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 72, 73, 200])
def test_iterator_of_any_length(any_store: Store, count: int) -> None:
    fill(any_store)
    stream = any_store.prefetch((KEYS[index % 25] for index in range(count)), window_requests=8)
    assert [bytes(data) for _, data in stream] == [sample(index % 25) for index in range(count)]


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("after", [0, 3, 100])
def test_iterator_that_fails_is_heard_behind_what_it_gave(any_store: Store, after: int, in_order: bool) -> None:
    fill(any_store)

    def failing() -> Iterator[str]:
        for index in range(after):
            yield KEYS[index % 25]
        raise LookupError("the source broke")

    stream = any_store.prefetch(failing(), in_order=in_order)
    got = [next(stream) for _ in range(after)]
    assert sorted(index for index, _ in got) == list(range(after))
    with pytest.raises(LookupError, match="the source broke"):
        next(stream)
    with pytest.raises(StopIteration):
        next(stream)


def test_item_that_makes_no_sense(any_store: Store) -> None:
    fill(any_store)
    bad = FetchItem("p01", start=5, end=5)
    with pytest.raises(InvalidArgumentError, match=r"\[5, 5\)"):
        any_store.prefetch(["p00", bad])
    stream = any_store.prefetch(iter(["p00", bad, "p02"]))
    assert bytes(next(stream)[1]) == sample(0)
    with pytest.raises(InvalidArgumentError, match=r"\[5, 5\)"):
        next(stream)


def test_iterator_may_use_the_store(any_store: Store) -> None:
    fill(any_store)
    got = [bytes(data) for _, data in any_store.prefetch(any_store.list("p"))]
    assert got == [sample(index) for index in range(25)]
