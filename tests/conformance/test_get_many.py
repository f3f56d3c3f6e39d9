"""A batch of objects and ranges into one piece of memory: every byte in its place, or an error and nothing running."""

from __future__ import annotations

import asyncio
from itertools import accumulate

import numpy as np
import pytest
import torch
from servers.content import MIB, content
from servers.guarded import Guarded

from s3dlio_core import FetchItem, InvalidArgumentError, ObjectNotFoundError, PreconditionError, Store

DATA = content(300_000, seed=18)
SIZES = [0, 1, 17, 4096, 4097, 100_000, 3]
KEYS = [f"m{index}" for index in range(len(SIZES))]


def sample(index: int) -> bytes:
    return DATA[index * 11 : index * 11 + SIZES[index]]


def fill(store: Store) -> None:
    store.put_many([(key, sample(index)) for index, key in enumerate(KEYS)])


def places(sizes: list[int]) -> list[int]:
    return list(accumulate(sizes, initial=0))


def test_objects_side_by_side(any_store: Store) -> None:
    fill(any_store)
    guarded = Guarded(sum(SIZES))
    assert any_store.get_many_into(KEYS, guarded.view, places(SIZES)) == SIZES
    assert bytes(guarded) == b"".join(map(sample, range(len(SIZES))))
    guarded.check()


def test_memory_between_the_items_is_left_alone(any_store: Store) -> None:
    fill(any_store)
    out = np.full(300_000, 0xAB, dtype=np.uint8)
    assert any_store.get_many_into(["m3", "m2"], out[1000:], [0, 4096, 4096 + 17]) == [4096, 17]
    assert out[:1000].tolist() == [0xAB] * 1000
    assert out[1000 : 1000 + 4113].tobytes() == sample(3) + sample(2)
    assert (out[1000 + 4113 :] == 0xAB).all()


def test_items_of_every_kind(any_store: Store) -> None:
    fill(any_store)
    listed = [meta for meta in any_store.list() if meta.key == "m4"]
    items = [("m3", 4096), *listed, FetchItem("m5", start=10, end=2010), FetchItem("m5", start=99_000), ("m2", None)]
    expected = [sample(3), sample(4), sample(5)[10:2010], sample(5)[99_000:], sample(2)]
    sizes = [len(piece) for piece in expected]
    out = torch.zeros(sum(sizes), dtype=torch.uint8)
    assert any_store.get_many_into(iter(items), out, places(sizes)) == sizes
    assert out.numpy().tobytes() == b"".join(expected)


def test_rows_of_a_tensor_of_another_type(any_store: Store) -> None:
    rows = [content(256, seed=seed) for seed in range(8)]
    any_store.put_many([(f"r{index}", row) for index, row in enumerate(rows)])
    out = torch.zeros(8, 64, dtype=torch.float32)
    any_store.get_many_into([f"r{index}" for index in range(8)], out, np.arange(0, 2304, 256))
    assert out.view(torch.uint8).numpy().tobytes() == b"".join(rows)


def test_many_ranges_of_one_object(any_store: Store) -> None:
    whole = content(7 * MIB + 5, seed=19)
    any_store.put("shard", whole)
    rng = np.random.default_rng(3)
    spans = [(start, start + int(rng.integers(1, 9000))) for start in rng.integers(0, 7 * MIB - 9000, 200).tolist()]
    spans += spans[:3]  # the same bytes twice
    sizes = [end - start for start, end in spans]
    guarded = Guarded(sum(sizes))
    items = [FetchItem("shard", start=start, end=end) for start, end in spans]
    assert any_store.get_many_into(items, guarded.view, places(sizes)) == sizes
    assert bytes(guarded) == b"".join(whole[start:end] for start, end in spans)
    guarded.check()


def test_large_objects_among_small_ones(any_store: Store) -> None:
    whole = content(11 * MIB, seed=20)
    any_store.put("big", whole)
    fill(any_store)
    out = bytearray(11 * MIB + 17)
    assert any_store.get_many_into(["big", "m2"], out, [0, 11 * MIB, 11 * MIB + 17]) == [11 * MIB, 17]
    assert out == whole + sample(2)


def test_more_items_than_connections(any_store: Store) -> None:
    any_store.put_many([(f"n{index:03}", DATA[index : index + 100]) for index in range(150)])
    out = bytearray(15_000)
    any_store.get_many_into([f"n{index:03}" for index in range(150)], out, range(0, 15_001, 100))
    assert out == b"".join(DATA[index : index + 100] for index in range(150))


def test_nothing_to_read(any_store: Store) -> None:
    assert any_store.get_many_into([], bytearray(5), [3]) == []


@pytest.mark.parametrize("size", [0, 16, 18, 5000])
def test_object_of_another_size_than_its_place(any_store: Store, size: int) -> None:
    fill(any_store)
    guarded = Guarded(4096 + size)
    with pytest.raises(PreconditionError, match="17 bytes") as caught:
        any_store.get_many_into(["m3", "m2"], guarded.view, [0, 4096, 4096 + size])
    assert caught.value.uri.endswith("m2")
    assert caught.value.operation == "get_many_into"
    guarded.check()


def test_range_that_ends_behind_its_object(any_store: Store) -> None:
    fill(any_store)
    for items in (
        [FetchItem("m2", start=10, end=20)],
        [FetchItem("m2", start=1, end=11), FetchItem("m2", start=10, end=20)],
    ):
        with pytest.raises(PreconditionError, match="17 bytes"):
            any_store.get_many_into(items, bytearray(10 * len(items)), range(0, 10 * len(items) + 1, 10))


def test_size_of_an_old_listing(any_store: Store) -> None:
    fill(any_store)
    with pytest.raises(PreconditionError):
        any_store.get_many_into([("m2", 10)], bytearray(10), [0, 10])


def test_first_failure_is_raised_with_its_uri(any_store: Store) -> None:
    any_store.put_many([(f"n{index}", DATA) for index in range(20)])
    keys = [f"n{index}" for index in range(20)]
    keys[7] = "none"
    guarded = Guarded(20 * len(DATA))
    with pytest.raises(ObjectNotFoundError) as caught:
        any_store.get_many_into(keys, guarded.view, range(0, 20 * len(DATA) + 1, len(DATA)))
    assert caught.value.uri.endswith("none")
    frozen = bytes(guarded)
    any_store.get("n0")
    assert bytes(guarded) == frozen, "memory was written after the failure surfaced"
    guarded.check()


@pytest.mark.parametrize(
    ("offsets", "match"),
    [
        ([0, 17], "2 items need 3 offsets"),
        ([0, 17, 16], "descend"),
        ([0, 17, 300], "out: 300 bytes"),
        ([0, -1, 5], "negative"),
    ],
)
def test_places_that_make_no_sense(any_store: Store, offsets: list[int], match: str) -> None:
    with pytest.raises(InvalidArgumentError, match=match):
        any_store.get_many_into(["m2", "m6"], bytearray(100), offsets)


def test_range_and_place_that_differ(any_store: Store) -> None:
    with pytest.raises(InvalidArgumentError, match="place of 9 bytes"):
        any_store.get_many_into([FetchItem("m2", start=0, end=10)], bytearray(9), [0, 9])


def test_a_generation_that_is_gone_is_an_error(any_store: Store) -> None:
    etag = any_store.put("g", b"old bytes").etag
    out = bytearray(12)
    wanted = [FetchItem("g", start=0, end=3, etag=etag), FetchItem("g", start=0, end=9)]
    assert any_store.get_many_into(wanted, out, [0, 3, 12]) == [3, 9]
    any_store.put("g", b"new bytes")
    with pytest.raises(PreconditionError):
        any_store.get_many_into(wanted, out, [0, 3, 12])
    assert any_store.get_many_into(wanted[1:], out, [0, 9]) == [9]
    assert out[:9] == b"new bytes"


async def test_async_twin(any_store: Store) -> None:
    fill(any_store)
    out = bytearray(sum(SIZES))
    assert await any_store.get_many_into_async(KEYS, out, places(SIZES)) == SIZES
    assert out == b"".join(map(sample, range(len(SIZES))))


async def test_cancelled_batch_writes_no_more(any_store: Store) -> None:
    any_store.put_many([(f"n{index}", DATA) for index in range(40)])
    keys = [f"n{index}" for index in range(40)]
    for delay in (0, 0.001, 0.005):
        guarded = Guarded(40 * len(DATA))
        offsets = range(0, 40 * len(DATA) + 1, len(DATA))
        task = asyncio.create_task(any_store.get_many_into_async(keys, guarded.view, offsets))
        await asyncio.sleep(delay)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        frozen = bytes(guarded)
        await asyncio.sleep(0.05)
        assert bytes(guarded) == frozen
        guarded.check()
