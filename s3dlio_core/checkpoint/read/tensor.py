"""One tensor of a load plan: its stored bytes, checked block by block, into the tensor that waits for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.read.box import Box, Run
from s3dlio_core.checkpoint.read.cover import Interval, cover, cut
from s3dlio_core.checkpoint.read.destination import Destination
from s3dlio_core.checkpoint.read.frames import FrameReader, Regroup, regroup
from s3dlio_core.checkpoint.read.item import LoadItem, Piece, Place, damage_of_gap
from s3dlio_core.checksum import crc32, crc32_blocks, crc32_combine
from s3dlio_core.errors import CheckpointError

__all__ = ["GAP_BYTES", "TensorItem", "TensorRead", "Verify"]

Verify = bool | str  # True: the blocks read; "whole": all blocks of every item touched; False: nothing

GAP_BYTES = 16 << 10  # what lies nearer in an object is read along: a request costs more than so many bytes
_DIRECT_BYTES = 64 << 10  # shorter runs are cheaper to copy than to name one by one
_SMALL_BYTES = 64 << 10  # items up to this are one piece, with what surrounds the payload
_PIECE_BYTES = 16 << 20
_LARGEST_UNIT = 4 << 20  # what a checksum may cover for a slice to be extended to it


@dataclass(frozen=True, slots=True)
class TensorRead:
    """A slice of a stored tensor, and who wants it.

    Attributes:
        place: Of the item.
        index: What is known of its payload.
        box: The wanted slice, as the payload's memory sees it.
        order: The destination's dimensions in the order of the box's.
        open: Gives the destination; one more where what was read is damaged and read again.
        owner: The destination's name; "": the item's.
        outside: Whether the bytes around the payload are to be checked too.
        undo_planes: As regroup(), for payloads whose bytes were regrouped.
    """

    place: Place
    index: ItemIndex
    box: Box
    order: tuple[int, ...]
    open: Callable[[], Destination]
    verify: Verify
    outside: bool = True
    owner: str = ""
    undo_planes: Regroup = regroup


class TensorItem(LoadItem):
    """See LoadItem."""

    def __init__(self, read: TensorRead) -> None:
        super().__init__(read.place)
        self._read = read
        self._index = read.index
        self._box = read.box
        self._check_description()
        self._frames: FrameReader | None = None
        if read.index.codec:
            self._frames = FrameReader(read.index, read.box.itemsize, read.place, read.undo_planes)
        self._destination = read.open()
        self._check_shape(self._destination.shape)
        self.owner = read.owner or read.place.name
        self.span = self._destination.span
        self.pinned = self._destination.on_accelerator
        self._block = self._block_of()
        self._unit = self._unit_of()
        self._parts: dict[int, tuple[int, int]] = {}  # start -> CRC and size of pieces smaller than their block

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        lengths, order = self._box.lengths, self._read.order
        if len(shape) == len(order) and tuple(shape[dimension] for dimension in order) == lengths:
            return
        message = f"{self.place.name!r}: the slice has shape {lengths} (dimensions {order}), its place {shape}"
        raise CheckpointError(message, operation="load", uri=self.place.uri)

    # ---- what to ask for ----
    def pieces(self) -> Iterator[Piece]:
        index, place = self._index, self.place
        if self._small:
            yield Piece(-place.gap, place.size, Interval(0, index.nbytes), place.gap + index.payload_offset)
            return
        first = last = None
        for interval in self._intervals():
            if first is None:
                first = interval
                if interval.start == 0 and self._outside and place.gap + index.payload_offset:
                    yield Piece(-place.gap, index.payload_offset)
            last = interval
            yield self._piece(interval)
        back = index.payload_offset + index.stored_bytes
        if last is not None and last.end == index.nbytes and self._outside and back < place.size:
            yield Piece(back, place.size)

    @property
    def _outside(self) -> bool:
        return self._read.outside and self._read.verify is not False

    @property
    def _small(self) -> bool:
        """Whether the item is read as one, with what surrounds the payload."""
        if not self._outside or self._frames or self.place.size > _SMALL_BYTES:
            return False
        # A slice of a small tensor reads it whole only where the checksums need that anyway.
        return self._unit >= self._index.nbytes or self._box.nbytes == self._index.nbytes

    def _intervals(self) -> Iterator[Interval]:
        nbytes = self._index.nbytes
        return cut(cover(self._runs(), self._unit, nbytes), _PIECE_BYTES, self._unit)

    def _runs(self) -> Iterator[Run]:
        if self._destination.direct:
            runs = self._box.runs(self._destination.strides, _DIRECT_BYTES)
            if runs is not None:
                return self._surrounded(runs) if self._read.verify == "whole" else runs
        if self._read.verify == "whole":
            return iter([Run(0, self._index.nbytes, None)])
        return self._box.spans(GAP_BYTES)

    def _surrounded(self, runs: Iterator[Run]) -> Iterator[Run]:
        """The runs, and what lies between them."""
        done = 0
        for run in runs:
            if run.start > done:
                yield Run(done, run.start - done, None)
            yield run
            done = run.start + run.size
        if done < self._index.nbytes:
            yield Run(done, self._index.nbytes - done, None)

    def _piece(self, interval: Interval) -> Piece:
        front = self._index.payload_offset
        size = interval.end - interval.start
        if self._frames is not None:
            start, end = self._frames.stored(interval.start, interval.end)
            return Piece(front + start, front + end, interval, extra_bytes=size)
        target = None if interval.target is None else self._destination.memory(interval.target, size)
        return Piece(front + interval.start, front + interval.end, interval, target=target)

    def _block_of(self) -> int:
        """Bytes of the payload that a checksum covers; 0: there is none, or it would cost much more than the slice."""
        block, nbytes = self._index.block_size, self._index.nbytes
        if self._read.verify is False:
            return 0
        # One checksum over all of it, as torch writes them: compared when all of it is read, or little is.
        whole = self._box.nbytes == nbytes or self._read.verify == "whole" or nbytes <= GAP_BYTES
        return 0 if block >= nbytes and not whole else block

    def _unit_of(self) -> int:
        """What intervals must be multiples of."""
        block, nbytes = self._block, self._index.nbytes
        if block > _LARGEST_UNIT:
            block = 4096
        unit = math.lcm(block or self._box.itemsize, self._box.itemsize)
        return min(math.lcm(unit, self._index.frame_size) if self._frames else unit, max(nbytes, 1))

    # ---- what arrived ----
    def received(self, piece: Piece, memory: memoryview) -> int:
        front, back = self._index.payload_offset, self._index.payload_offset + self._index.stored_bytes
        if piece.start < front:
            self._check_front(memory[: min(front, piece.end) - piece.start])
        if piece.end > back:
            self._check_back(memory[max(back - piece.start, 0) :])
        if piece.payload is None or self.damage:
            return 0
        payload = memory[max(front - piece.start, 0) : min(back, piece.end) - piece.start]
        if self._frames is not None:
            payload = self._undo(piece.payload, payload)
            if self.damage:
                return 0
        self._check_blocks(piece.payload, payload)
        if self.damage:
            return 0
        return self._deliver(piece, payload)

    def complete(self) -> None:
        if self._parts and sum(size for _, size in self._parts.values()) == self._index.nbytes:
            crc = 0
            for _, (part, size) in sorted(self._parts.items()):
                crc = crc32_combine(crc, part, size)
            self._compare(crc, self._index.crc(0), 0, self._index.nbytes)
        if not self.damage:
            self._destination.filled()

    def again(self) -> TensorItem:
        return TensorItem(self._read)

    def _check_front(self, memory: memoryview) -> None:
        gap = self.place.gap
        if gap:
            self.damage = self.damage or damage_of_gap(memory[:gap], self.place)
        self._compare(crc32(memory[gap:]), self._index.head_crc, -self._index.payload_offset, 0)

    def _check_back(self, memory: memoryview) -> None:
        nbytes = self._index.nbytes
        self._compare(crc32(memory), self._index.tail_crc, nbytes, nbytes + len(memory))

    def _undo(self, interval: Interval, stored: memoryview) -> memoryview:
        assert self._frames is not None
        raw = memoryview(bytearray(interval.end - interval.start))
        damaged = self._frames.decompress(interval.start, interval.end, stored, raw)
        if damaged:
            self.damage = self.damage or damaged
        return raw

    def _check_blocks(self, interval: Interval, payload: memoryview) -> None:
        block, start = self._block, interval.start
        if not block:
            return
        if block > _LARGEST_UNIT:
            self._parts[start] = (crc32(payload), len(payload))
            return
        first = start // block
        found = crc32_blocks(payload, block)
        expected = self._index.crcs[4 * first : 4 * first + len(found)]
        if found == expected:
            return
        for number in range(0, len(found), 4):
            seen, wanted = (int.from_bytes(crcs[number : number + 4], "little") for crcs in (found, expected))
            low = start + number // 4 * block
            self._compare(seen, wanted, low, min(low + block, self._index.nbytes))

    def _compare(self, found: int, expected: int, start: int, end: int) -> None:
        if found == expected or self.damage:
            return
        base = self.place.start + self._index.payload_offset
        where = f"bytes [{start}, {end}) of its payload" if 0 <= start < self._index.nbytes else "what surrounds it"
        if not self._frames:
            where += f", bytes [{base + start}, {base + end}) of the object,"
        self.damage = f"{where} have CRC-32 {found:08x}; expected {expected:08x}"

    def _deliver(self, piece: Piece, payload: memoryview) -> int:
        interval = piece.payload
        assert interval is not None
        if interval.target is None:
            return self._destination.take(payload, self._box, interval.start, interval.end)
        if piece.target is None:  # decompressed into memory of ours
            self._destination.memory(interval.target, len(payload))[:] = payload
        return len(payload)

    def _check_description(self) -> None:
        index, box, place = self._index, self._box, self.place
        sound = (
            box.inside()
            and index.shape == box.shape
            and index.nbytes == box.whole_nbytes
            and index.payload_offset + index.stored_bytes <= place.size
            and (index.block_size >= index.nbytes or _divides(box.itemsize, index.block_size))
        )
        if not sound:
            message = (
                f"the description of {place.name!r} contradicts itself: {index.nbytes} bytes of shape {index.shape} "
                f"in an item of {place.size} bytes, of which {box.lengths} at {box.offsets} of {box.shape} are wanted"
            )
            raise CheckpointError(message, operation="load", uri=place.uri)


def _divides(itemsize: int, block_size: int) -> bool:
    """Whether blocks hold whole elements, and are no larger than what is read at once."""
    return block_size <= _LARGEST_UNIT and block_size % itemsize == 0
