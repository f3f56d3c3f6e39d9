"""Numbers at the edge of the native doors: whatever they are, right bytes or an error of ours, and never a crash."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers.content import content
from servers.fault_server import FaultServer

from s3dlio_core import (
    FetchItem,
    InvalidArgumentError,
    LocalIOError,
    RangeNotSatisfiableError,
    StorageError,
    Store,
    _ext,
    open_store,
)
from s3dlio_core.checksum import crc32

DATA = content(1000, seed=71)
# Sums of two of them are at, below and above what 31, 32, 63 and 64 bits hold, signed and not. Nothing between 1 MiB
# and 2**46 bytes, which a machine might have: such memory would really be asked for.
EDGES = [0, 2**31, 2**46, 2**62, 2**63, 2**64, 2**65]
NUMBERS = st.one_of(
    st.integers(-3, 1100),
    st.builds(lambda edge, step: edge + step, st.sampled_from(EDGES), st.integers(-200, 200)).filter(
        lambda number: number < 2**20 or number > 2**45
    ),
    st.integers(2**46, 2**70),
    st.integers(-(2**70), -1),
)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module", params=["s3", "file", "direct"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "s3":
        with FaultServer() as server:
            server.objects.buckets["data"] = {}
            server.put_object("data", "a", DATA)
            from servers.access import credentials_of

            with open_store("s3://data/", **credentials_of(server)) as opened:
                yield opened
        return
    with open_store(f"{request.param}://{tmp_path_factory.mktemp('numbers')}/") as opened:
        opened.put("a", DATA)
        yield opened


def outcome(work: Any) -> Any:
    """What `work` gives, or the class of its error, which must be one of ours."""
    try:
        return work()
    except StorageError as error:
        return type(error)


def expected(start: int, end: int) -> Any:
    if start < 0 or end <= start:
        return InvalidArgumentError
    return RangeNotSatisfiableError if start >= len(DATA) else DATA[start:end]


@QUICK
@given(start=NUMBERS, end=NUMBERS)
def test_get_range(store: Store, start: int, end: int) -> None:
    assert outcome(lambda: bytes(store.get_range("a", start=start, end=end))) == expected(start, end)


@QUICK
@given(ranges=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4))
def test_get_ranges(store: Store, ranges: list[tuple[int, int]]) -> None:
    got = outcome(lambda: [bytes(piece) for piece in store.get_ranges("a", ranges)])
    wanted = [expected(start, end) for start, end in ranges]
    if isinstance(got, list):
        assert got == wanted
        return
    assert issubclass(got, StorageError)
    too_much = sum(max(end - start, 0) for start, end in ranges) > 2**20
    assert got in wanted or too_much, (got, wanted)


@QUICK
@given(ranges=st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=3), sizes=st.lists(st.integers(0, 1200)))
def test_get_ranges_into(store: Store, ranges: list[tuple[int, int]], sizes: list[int]) -> None:
    guard = b"\xa5" * 64
    memories = [bytearray(guard + bytes(size) + guard) for size in sizes[: len(ranges)]]
    out = [memoryview(memory)[64:-64] for memory in memories]
    got = outcome(lambda: [bytes(piece) for piece in store.get_ranges("a", ranges, out=out)])
    assert all(memory.startswith(guard) and memory.endswith(guard) for memory in memories)
    if isinstance(got, list):
        assert got == [expected(start, end) for start, end in ranges]


@QUICK
@given(offset=NUMBERS, size=st.integers(0, 1100))
def test_get_into(store: Store, offset: int, size: int) -> None:
    out = bytearray(size)
    got = outcome(lambda: store.get_into("a", out, offset=offset))
    if isinstance(got, int):
        assert bytes(out[:got]) == DATA[offset : offset + size]
        assert got == len(DATA[offset : offset + size])
    else:
        assert got is (InvalidArgumentError if offset < 0 else RangeNotSatisfiableError)


@QUICK
@given(
    items=st.lists(st.tuples(NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS), min_size=1, max_size=3),
    offsets=st.lists(NUMBERS, min_size=1, max_size=4),
)
def test_get_many_into(store: Store, items: list[tuple[int, int | None, int | None]], offsets: list[int]) -> None:
    wanted = [FetchItem("a", size=size, start=start, end=end) for start, end, size in items]
    out = bytearray(1200)
    got = outcome(lambda: store.get_many_into(wanted, out, offsets))
    if isinstance(got, list):
        assert got == [after - before for before, after in itertools.pairwise(offsets)]
        for (start, end, _), place in zip(items, offsets, strict=False):
            assert out.startswith(DATA[start:end], place)


@QUICK
@given(
    items=st.lists(st.tuples(NUMBERS, st.none() | NUMBERS, st.none() | NUMBERS), min_size=1, max_size=3),
    window_bytes=NUMBERS,
    window_requests=NUMBERS,
)
def test_prefetch(
    store: Store, items: list[tuple[int, int | None, int | None]], window_bytes: int, window_requests: int
) -> None:
    def read() -> list[Any]:
        wanted = [FetchItem("a", size=size, start=start, end=end) for start, end, size in items]
        with store.prefetch(wanted, window_bytes=window_bytes, window_requests=window_requests) as stream:
            got = []
            while True:
                try:
                    got.append(bytes(next(stream)[1]))
                except StopIteration:
                    return got
                except StorageError as error:
                    got.append(type(error))

    got = outcome(read)
    if isinstance(got, list):
        for (start, end, _), piece in zip(items, got, strict=True):
            past_all = start >= 2**63 and piece is InvalidArgumentError  # its end is no larger in 64 bits
            assert past_all or piece in (DATA[start:end], RangeNotSatisfiableError)


@QUICK
@given(part_size=NUMBERS, expected_size=st.none() | NUMBERS)
def test_writing(store: Store, part_size: int, expected_size: int | None) -> None:
    def write() -> bytes:
        with store.open_writer("b", part_size=part_size, expected_size=expected_size) as writer:
            writer.write(DATA)
        store.put("b", DATA, part_size=part_size)
        return bytes(store.get("b", size=expected_size))

    got = outcome(write)
    if part_size < 1 or (expected_size or 0) < 0:
        assert got is InvalidArgumentError
    elif (expected_size or 0) < 2**20 or store.scheme == "s3":
        assert got == DATA
    else:  # the file system is asked for that much room
        assert got == DATA or issubclass(got, LocalIOError)


@QUICK
@given(number=NUMBERS)
def test_the_rest_of_the_door(store: Store, number: int) -> None:
    native = store._native()
    assert outcome(lambda: native.sweep_uploads("", number).wait()) == (InvalidArgumentError if number < 0 else 0)
    assert outcome(lambda: len(_ext.window(bytearray(8), number))) in (number, InvalidArgumentError)
    assert outcome(lambda: len(_ext.crc32_blocks(DATA, number))) in (
        InvalidArgumentError,
        4 * -(-1000 // max(number, 1)),
    )
    combined = outcome(lambda: _ext.crc32_combine(crc32(b""), crc32(DATA), number))
    assert combined == (InvalidArgumentError if number < 0 else crc32(DATA))
    if not 0 <= number <= 2**20:
        assert issubclass(outcome(lambda: _ext.allocate(number)), StorageError)
    with store.open_reader("a", read_ahead_bytes=4096) as reader:
        if 0 <= number < 2**63:  # as far as files go
            reader.seek(number)
            assert reader.read(10) == DATA[number : number + 10]


@pytest.mark.parametrize("age", [2**63, 2**64 - 1, 2**64, 1e30])
def test_an_age_beyond_all_times_sweeps_nothing(tmp_path: Path, age: float) -> None:
    """As a negative age, which it becomes in 64 bits, it would take what is being written just now."""
    with open_store(f"file://{tmp_path}/") as store, store.open_writer("w") as writer:
        writer.write(DATA)
        assert store.sweep_uploads(older_than_seconds=age) == 0
    with open_store(f"file://{tmp_path}/") as store:
        assert store.get("w") == DATA


def test_ranges_that_wrap_round(store: Store) -> None:
    """Sums that are small in 64 bits, and were taken for the size of the memory."""
    for ranges in ([(0, 2**64 - 1)], [(0, 2**64 - 128), (0, 192)], [(0, 2**63 - 1), (0, 2**63 - 1)]):
        with pytest.raises(InvalidArgumentError, match="together"):
            store.get_ranges("a", ranges)
    native = store._native()
    with pytest.raises(InvalidArgumentError, match=r"\[5, 1\)"):
        native.get_ranges("a", [(5, 1)], "", "", "")
    with pytest.raises(InvalidArgumentError, match="as many destinations"):
        native.get_ranges_into("a", [(0, 1), (1, 2)], [bytearray(8)], "", "", "")
