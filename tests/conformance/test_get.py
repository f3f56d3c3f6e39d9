"""Reading: whole objects, ranges at every edge, into memory of the caller's, many at once."""

from __future__ import annotations

import array
import mmap

import numpy as np
import pytest
import torch
from servers.access import Place
from servers.content import MIB, content
from servers.guarded import Guarded

from s3dlio_core import (
    InvalidArgumentError,
    ObjectNotFoundError,
    PreconditionError,
    RangeNotSatisfiableError,
    Store,
)

DATA = content(100_003)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4095, 4096, 4097, 100_003])
def test_get_gives_what_was_put(any_store: Store, size: int) -> None:
    any_store.put("a.bin", DATA[:size])
    data = any_store.get("a.bin")
    assert len(data) == size
    assert bytes(data) == DATA[:size]


def test_get_of_several_parts_gives_what_was_put(any_store: Store) -> None:
    whole = content(17 * MIB + 13)
    any_store.put("big.bin", whole)
    assert any_store.get("big.bin") == whole
    assert any_store.get("big.bin", size=len(whole)) == whole


def test_get_with_the_size_known(any_store: Store) -> None:
    any_store.put("a.bin", DATA)
    assert any_store.get("a.bin", size=len(DATA)) == DATA


def test_get_of_nothing_is_not_found(any_store: Store) -> None:
    with pytest.raises(ObjectNotFoundError) as caught:
        any_store.get("none.bin")
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.uri.endswith("none.bin")
    assert caught.value.operation == "get"


def test_buffer_behaves_like_bytes(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    data = any_store.get("a.bin")
    assert data == b"0123456789"
    assert data != b"012345678x"
    assert data[3] == ord("3")
    assert bytes(data[2:5]) == b"234"
    assert bytes(data.memoryview()[7:]) == b"789"
    assert data.to_bytes() == b"0123456789"
    assert np.frombuffer(data, dtype=np.uint8).sum() == sum(b"0123456789")
    assert torch.from_dlpack(data).tolist() == list(b"0123456789")


def test_buffer_lives_as_long_as_a_view_of_it(any_store: Store) -> None:
    any_store.put("a.bin", DATA)
    views = [np.frombuffer(any_store.get("a.bin"), dtype=np.uint8) for _ in range(20)]
    assert all(view.tobytes() == DATA for view in views)


EDGES = [(0, 1), (0, 100_003), (1, 2), (4095, 4097), (4096, 8192), (99_999, 100_003), (100_002, 100_003), (7, 70_001)]


@pytest.mark.parametrize(("start", "end"), EDGES)
def test_range_gives_its_bytes(any_store: Store, start: int, end: int) -> None:
    any_store.put("a.bin", DATA)
    assert any_store.get_range("a.bin", start=start, end=end) == DATA[start:end]


@pytest.mark.parametrize("start", [0, 1, 4096, 100_002])
def test_range_without_end_goes_to_the_end(any_store: Store, start: int) -> None:
    any_store.put("a.bin", DATA)
    assert any_store.get_range("a.bin", start=start, end=None) == DATA[start:]


def test_range_past_the_end_is_cut_to_the_object(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    assert any_store.get_range("a.bin", start=8, end=99) == b"89"


@pytest.mark.parametrize("start", [11, 100, 1 << 40])
def test_range_that_starts_past_the_end_is_an_error(any_store: Store, start: int) -> None:
    any_store.put("a.bin", b"0123456789")
    with pytest.raises(RangeNotSatisfiableError):
        any_store.get_range("a.bin", start=start, end=start + 5)


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (5, 5), (6, 5), (-5, None), (0, -1)])
def test_range_that_is_none_is_a_value_error(any_store: Store, start: int, end: int | None) -> None:
    any_store.put("a.bin", b"0123456789")
    with pytest.raises(ValueError, match=r"\d"):
        any_store.get_range("a.bin", start=start, end=end)


def test_range_into_memory_of_the_callers(any_store: Store) -> None:
    any_store.put("a.bin", DATA)
    guarded = Guarded(1000)
    view = any_store.get_range("a.bin", start=123, end=1123, out=guarded.view)
    assert bytes(view) == bytes(guarded) == DATA[123:1123]
    guarded.check()


def test_range_into_more_memory_than_it_needs_leaves_the_rest(any_store: Store) -> None:
    any_store.put("a.bin", DATA)
    guarded = Guarded(1500, fill=0xAB)
    view = any_store.get_range("a.bin", start=123, end=1123, out=guarded.view)
    assert bytes(view) == DATA[123:1123]
    assert bytes(guarded) == DATA[123:1123] + b"\xab" * 500
    guarded.check()


@pytest.mark.parametrize("misalign", [0, 1, 511])
@pytest.mark.parametrize("size", [1, 4096, 100_003])
def test_get_into_fills_from_the_front(any_store: Store, size: int, misalign: int) -> None:
    any_store.put("a.bin", DATA)
    guarded = Guarded(size, misalign=misalign)
    assert any_store.get_into("a.bin", guarded.view) == size
    assert bytes(guarded) == DATA[:size]
    guarded.check()


def test_get_into_more_room_than_object_leaves_the_rest(any_store: Store) -> None:
    any_store.put("a.bin", DATA[:5000])
    guarded = Guarded(9000, fill=0xAB)
    assert any_store.get_into("a.bin", guarded.view) == 5000
    assert bytes(guarded) == DATA[:5000] + b"\xab" * 4000
    guarded.check()


def test_get_into_from_an_offset(any_store: Store) -> None:
    whole = content(12 * MIB + 5)
    any_store.put("big.bin", whole)
    guarded = Guarded(11 * MIB + 3, misalign=7)
    assert any_store.get_into("big.bin", guarded.view, offset=1001) == 11 * MIB + 3
    assert bytes(guarded) == whole[1001 : 1001 + 11 * MIB + 3]
    guarded.check()


def test_get_into_from_past_the_end_is_an_error(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    guarded = Guarded(10)
    with pytest.raises(RangeNotSatisfiableError):
        any_store.get_into("a.bin", guarded.view, offset=11)
    assert bytes(guarded) == b"\xee" * 10
    guarded.check()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bfloat16, torch.float16, torch.float32, torch.int64])
def test_get_into_a_tensor(any_store: Store, dtype: torch.dtype) -> None:
    wanted = torch.arange(6 * 50).reshape(6, 50).to(dtype)
    any_store.put("t.bin", wanted.view(torch.uint8).numpy().tobytes())
    tensor = torch.zeros(6, 50, dtype=dtype)
    assert any_store.get_into("t.bin", tensor) == tensor.nbytes
    assert torch.equal(tensor, wanted)


def test_get_into_any_writable_buffer(any_store: Store) -> None:
    any_store.put("a.bin", DATA[:8000])
    anonymous = mmap.mmap(-1, 8000)
    for buffer in (bytearray(8000), np.zeros(1000), np.zeros((10, 200), np.float32), array.array("d", [0.0] * 1000)):
        assert any_store.get_into("a.bin", buffer) == 8000
        assert memoryview(buffer).tobytes() == DATA[:8000]
    assert any_store.get_into("a.bin", anonymous) == 8000
    assert anonymous[:] == DATA[:8000]


@pytest.mark.parametrize(
    "out",
    [b"12345", memoryview(b"12345"), np.zeros((4, 4))[:, ::2], torch.zeros(4, 4).t()[:2], "text", None, 5],
    ids=["bytes", "read-only view", "strided array", "strided tensor", "text", "none", "number"],
)
def test_get_into_what_cannot_be_written_is_refused(any_store: Store, out: object) -> None:
    any_store.put("a.bin", b"0123456789")
    with pytest.raises((TypeError, ValueError, BufferError)):
        any_store.get_into("a.bin", out)


def test_ranges_come_back_in_the_callers_order(any_store: Store) -> None:
    any_store.put("a.bin", DATA)
    ranges = [(90_000, 90_010), (0, 5), (5, 5000), (4000, 6000), (99_990, 100_003), (0, 5)]
    got = any_store.get_ranges("a.bin", ranges)
    assert [bytes(piece) for piece in got] == [DATA[start:end] for start, end in ranges]


def test_ranges_into_memory_of_the_callers(any_store: Store) -> None:
    whole = content(9 * MIB)
    any_store.put("big.bin", whole)
    ranges = [(8 * MIB, 9 * MIB), (17, 100), (3 * MIB, 3 * MIB + 1), (100, 4096), (5 * MIB - 9, 7 * MIB)]
    guards = [Guarded(end - start, misalign=index) for index, (start, end) in enumerate(ranges)]
    got = any_store.get_ranges("big.bin", ranges, out=[guard.view for guard in guards])
    for (start, end), guard, view in zip(ranges, guards, got, strict=True):
        assert bytes(guard) == bytes(view) == whole[start:end]
        guard.check()


def test_no_ranges_give_nothing(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    assert list(any_store.get_ranges("a.bin", [])) == []


def test_range_cut_at_the_end_among_others(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    got = any_store.get_ranges("a.bin", [(8, 20), (0, 3)])
    assert [bytes(piece) for piece in got] == [b"89", b"012"]


def test_ranges_refuse_a_destination_of_another_size(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    guarded = Guarded(4)
    with pytest.raises(ValueError, match=r"\d"):
        any_store.get_ranges("a.bin", [(0, 5)], out=[guarded.view])
    guarded.check()


def test_ranges_refuse_destinations_that_overlap(any_store: Store) -> None:
    any_store.put("a.bin", b"0123456789")
    memory = memoryview(bytearray(10))
    with pytest.raises(InvalidArgumentError, match="two of the memories to be filled overlap"):
        any_store.get_ranges("a.bin", [(5, 10), (0, 5), (0, 1)], out=[memory[5:], memory[1:6], memory[:1]])
    assert not any(memory)
    any_store.get_ranges("a.bin", [(5, 10), (0, 5)], out=[memory[5:], memory[:5]])  # side by side
    assert bytes(memory) == b"0123456789"


def test_get_many_keeps_the_order_of_the_keys(any_store: Store) -> None:
    keys = [f"k{index:02d}" for index in range(20)]
    for index, key in enumerate(keys):
        any_store.put(key, DATA[index : 2000 + 7 * index])
    wanted = keys[::-1] + keys[:3]
    got = any_store.get_many(wanted, max_in_flight=4)
    assert [bytes(data) for data in got] == [DATA[int(k[1:]) : 2000 + 7 * int(k[1:])] for k in wanted]
    assert any_store.get_many([]) == []


def test_get_many_raises_the_failure(any_store: Store) -> None:
    any_store.put("here", b"x")
    with pytest.raises(ObjectNotFoundError) as caught:
        any_store.get_many(["here", "missing", "here"])
    assert caught.value.uri.endswith("missing")


def test_get_if_match(any_store: Store) -> None:
    any_store.put("a.bin", DATA)
    etag = any_store.head("a.bin").etag
    assert any_store.get("a.bin", if_match=etag) == DATA
    any_store.put("a.bin", DATA[:-1] + b"!")
    with pytest.raises(PreconditionError):
        any_store.get("a.bin", if_match=etag)
    guarded = Guarded(100)
    with pytest.raises(PreconditionError):
        any_store.get_into("a.bin", guarded.view, if_match=etag)
    assert bytes(guarded) == b"\xee" * 100


@pytest.mark.parametrize("verify", [True, False, None])
def test_get_with_and_without_verification(any_store: Store, verify: bool | None) -> None:
    any_store.put("a.bin", DATA)
    assert any_store.get("a.bin", verify=verify) == DATA


@pytest.mark.parametrize("part_size", [5 * MIB, 7 * MIB + 1, 64 * MIB])
@pytest.mark.parametrize("connections", [1, 3])
def test_same_bytes_for_any_part_size(place: Place, part_size: int, connections: int) -> None:
    whole = content(13 * MIB + 1)
    place.store.put("big.bin", whole)
    tuning = {"part_size": part_size, "max_connections": connections, "initial_connections": 1}
    assert place.reopen(tuning=tuning).get("big.bin") == whole
