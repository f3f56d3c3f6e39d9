"""Which bytes a slice needs, and which pieces are asked for: compared with torch's own slicing, element by element."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import torch
from hypothesis import given
from hypothesis import strategies as st

from s3dlio_core.checkpoint.read.box import Box, Run
from s3dlio_core.checkpoint.read.cover import Interval, cover, cut
from s3dlio_torch.dcp.load.destination import Destination

ITEM = 4


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    shape = tuple(draw(st.lists(st.integers(1, 6), max_size=4)))
    offsets, lengths = [], []
    for extent in shape:
        low = draw(st.integers(0, extent - 1))
        offsets.append(low)
        lengths.append(draw(st.integers(1, extent - low)))
    return Box(shape, tuple(offsets), tuple(lengths), ITEM)


def stored(box: Box) -> torch.Tensor:
    return torch.arange(math.prod(box.shape), dtype=torch.int32).reshape(box.shape)


def wanted(box: Box) -> torch.Tensor:
    found = stored(box)
    for dimension, (offset, length) in enumerate(zip(box.offsets, box.lengths, strict=True)):
        found = found.narrow(dimension, offset, length)
    return found


def elements(runs: Iterable[Run | Interval]) -> list[int]:
    spans = [(run.start, run.start + run.size) if isinstance(run, Run) else (run.start, run.end) for run in runs]
    return [element for start, end in spans for element in range(start // ITEM, end // ITEM)]


@given(boxes())
def test_runs_are_the_elements_of_the_slice_in_order(box: Box) -> None:
    runs = box.runs(wanted(box).contiguous().stride(), 0)
    assert runs is not None
    assert elements(runs) == wanted(box).flatten().tolist()


@given(boxes(), st.data())
def test_runs_lead_each_element_to_its_place_in_a_strided_destination(box: Box, data: st.DataObject) -> None:
    # Some dimensions of the destination are wider than the slice, and some change places.
    wide = [length + data.draw(st.integers(0, 2)) for length in box.lengths]
    order = data.draw(st.permutations(range(len(wide))))
    memory = torch.full([wide[dimension] for dimension in order], -1, dtype=torch.int32)
    back = [order.index(dimension) for dimension in range(len(wide))]
    target = memory.permute(back)
    for dimension, length in enumerate(box.lengths):
        target = target.narrow(dimension, 0, length)
    runs = box.runs(target.stride(), 0)
    assert runs is not None
    flat, source = memory.view(-1), stored(box).view(-1)
    base = target.storage_offset()
    for run in runs:
        assert run.target is not None
        first, place, count = run.start // ITEM, base + run.target // ITEM, run.size // ITEM
        flat[place : place + count] = source[first : first + count]
    assert torch.equal(target, wanted(box))
    assert int((memory != -1).sum()) == box.nbytes // ITEM


@given(boxes(), st.integers(0, 40))
def test_spans_hold_the_slice_and_no_gap_larger_than_allowed(box: Box, gap: int) -> None:
    covered, needed = elements(box.spans(gap)), wanted(box).flatten().tolist()
    assert set(needed) <= set(covered)
    assert covered == sorted(set(covered))
    gaps = [after - before - 1 for before, after in itertools.pairwise(needed)]
    assert len(covered) - len(needed) <= sum(size for size in gaps if size * ITEM <= gap)


@given(boxes(), st.data())
def test_within_gives_exactly_the_elements_of_a_span(box: Box, data: st.DataObject) -> None:
    total = math.prod(box.shape)
    start = data.draw(st.integers(0, total))
    end = data.draw(st.integers(start, total))
    found: list[int] = []
    for offsets, lengths in box.within(start, end):
        part = stored(box)
        for dimension, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
            part = part.narrow(dimension, offset, length)
        found += part.flatten().tolist()
    assert sorted(found) == [element for element in wanted(box).flatten().tolist() if start <= element < end]


@given(boxes(), st.sampled_from([4, 8, 16, 64]), st.integers(0, 30), st.booleans(), st.integers(1, 100))
def test_pieces_cover_the_slice_in_whole_blocks_each_once(
    box: Box, unit: int, gap: int, straight: bool, largest: int
) -> None:
    nbytes = box.whole_nbytes
    runs = box.runs(wanted(box).contiguous().stride(), 0) if straight else box.spans(gap)
    assert runs is not None
    pieces = list(cut(cover(runs, unit, nbytes), largest, unit))
    for piece in pieces:
        assert piece.start % unit == 0
        assert piece.end == nbytes or piece.end % unit == 0
        assert 0 < piece.end - piece.start <= max(largest, unit)
    assert all(a.end <= b.start for a, b in itertools.pairwise(pieces))
    assert set(wanted(box).flatten().tolist()) <= set(elements(pieces))


@given(boxes(), st.sampled_from([4, 8, 16]), st.integers(1, 60), st.booleans())
def test_a_tensor_filled_from_pieces_is_the_slice(box: Box, unit: int, largest: int, straight: bool) -> None:
    payload = memoryview(bytearray(stored(box).numpy().tobytes()))
    target = torch.full(box.lengths, -1, dtype=torch.int32)
    destination = Destination(target, torch.int32)
    runs = box.runs(target.stride(), 0) if straight else box.spans(8)
    assert runs is not None
    for piece in cut(cover(runs, unit, box.whole_nbytes), largest, unit):
        memory = payload[piece.start : piece.end]
        if piece.target is None:
            destination.take(memory, box, piece.start, piece.end)
        else:
            destination.memory(piece.target, len(memory))[:] = memory
    assert torch.equal(target, wanted(box))


def test_a_block_two_rows_share_is_asked_for_once() -> None:
    box = Box((4, 100), (0, 0), (4, 10), 1)
    pieces = list(cover(box.spans(0), 64, 400))
    assert [(piece.start, piece.end) for piece in pieces] == [(0, 128), (192, 256), (256, 320)] or [
        (piece.start, piece.end) for piece in pieces
    ] == [(0, 128), (192, 320)]


def test_rows_nearer_than_the_gap_are_one_span() -> None:
    box = Box((1000, 1000), (0, 0), (1000, 10), 4)
    assert len(list(box.spans(3960))) == 1
    assert len(list(box.spans(3959))) == 1000
