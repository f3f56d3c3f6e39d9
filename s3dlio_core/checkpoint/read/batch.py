"""Pieces of one object that are read with one call, and what is done when they are there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from s3dlio_core import _ext
from s3dlio_core.checkpoint.read.item import LoadItem, Piece
from s3dlio_core.checkpoint.read.turns import Turns
from s3dlio_core.errors import (
    BucketNotFoundError,
    CheckpointError,
    ChecksumMismatchError,
    ObjectNotFoundError,
    RangeNotSatisfiableError,
)
from s3dlio_core.run.bounded import Weighted
from s3dlio_core.run.many import Steps
from s3dlio_core.store import Store

__all__ = ["Batches"]

_BATCH_BYTES = 32 << 20
_BATCH_PIECES = 1024
_ALIGNMENT = 64  # of a payload in the memory of a batch


@dataclass(slots=True)
class _Batch:
    key: str
    pieces: list[tuple[LoadItem, Piece, int]] = field(default_factory=list)  # and its place in the batch's memory
    bytes: int = 0
    bounce_bytes: int = 0  # memory of its own
    weight: int = 0

    def add(self, item: LoadItem, piece: Piece) -> None:
        size = piece.end - piece.start
        place = 0
        if piece.target is None:
            place = -(-(self.bounce_bytes + piece.lead) // _ALIGNMENT) * _ALIGNMENT - piece.lead
            self.bounce_bytes = place + size
        self.pieces.append((item, piece, place))
        self.bytes += size
        self.weight += piece.bounce_bytes + (_ALIGNMENT if piece.target is None else 0)
        item.pending += 1


class Batches:
    """Turns items into tasks, lazily; a damaged item is read once more before it is an error. One thread at a time.

    Items of different owners whose memory overlaps are read one after the other, in their order.

    Args:
        store: At the checkpoint.
        items: Ordered by object and offset; made when their turn comes.
        share_bytes: Most memory of ours for one batch, where a piece does not need more.
        pinned: Gives page-locked memory of so many bytes, for items that ask for it; None: it cannot be had.
        moved: Called with the item and the bytes of its destination that were filled; "began" and "ended" with a
            batch's key, the number of its pieces and their bytes.
    """

    def __init__(
        self,
        store: Store,
        items: Iterable[LoadItem],
        *,
        share_bytes: int,
        pinned: Callable[[int], Any] = lambda size: None,
        moved: Callable[[LoadItem, int], None] = lambda item, size: None,
        began: Callable[[str, int, int], None] = lambda key, pieces, size: None,
        ended: Callable[[str, int, int], None] = lambda key, pieces, size: None,
    ) -> None:
        self._store = store
        self._items = iter(items)
        self._share = share_bytes
        self._pinned = pinned
        self._moved = moved
        self._began = began
        self._ended = ended
        self._again: deque[LoadItem] = deque()
        self._turns: Turns[LoadItem] = Turns()
        self._current: tuple[LoadItem, Iterator[Piece]] | None = None
        self._held: Piece | None = None

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Weighted:
        """The next task; after StopIteration there may be one again: for what was damaged, or had to wait."""
        batch: _Batch | None = None
        while (found := self._next_piece()) is not None:
            item, piece = found
            if batch is None:
                batch = _Batch(item.place.key)
            elif not self._fits(batch, item, piece):
                self._held = piece
                break
            batch.add(item, piece)
        if batch is None:
            raise StopIteration
        return Weighted(self._read(batch), batch.weight)

    def _fits(self, batch: _Batch, item: LoadItem, piece: Piece) -> bool:
        return (
            batch.key == item.place.key
            and len(batch.pieces) < _BATCH_PIECES
            and batch.bytes + piece.end - piece.start <= _BATCH_BYTES
            and batch.weight + piece.bounce_bytes <= self._share
        )

    def _next_piece(self) -> tuple[LoadItem, Piece] | None:
        while True:
            if self._current is None:
                item = self._next_item()
                if item is None:
                    return None
                self._current = item, item.pieces()
            item, pieces = self._current
            piece, self._held = self._held or next(pieces, None), None
            if piece is not None:
                return item, piece
            self._current = None
            item.issued = True
            self._completed(item)

    def _next_item(self) -> LoadItem | None:
        if self._again:
            return self._again.popleft()
        return next((item for item in self._items if self._turns.admit(item, item.owner, item.span)), None)

    def _read(self, batch: _Batch) -> Steps[None]:
        memory = self._memory(batch)
        ranges, out = [], []
        for item, piece, place in batch.pieces:
            size = piece.end - piece.start
            ranges.append((item.place.start + piece.start, item.place.start + piece.end))
            out.append(memory[place : place + size] if piece.target is None else piece.target)
        self._began(batch.key, len(batch.pieces), batch.bytes)
        try:
            sizes = yield self._store._native().get_ranges_into(batch.key, ranges, out, "", "", "")
        except (ObjectNotFoundError, BucketNotFoundError) as error:
            raise self._missing(batch) from error
        except RangeNotSatisfiableError as error:
            meta = yield self._store._native().head(batch.key, "")
            raise self._cut_short(batch, ranges, meta.size) from error
        finally:
            self._ended(batch.key, len(batch.pieces), batch.bytes)
        for (item, piece, _), size, (start, end), view in zip(batch.pieces, sizes, ranges, out, strict=True):
            if size != end - start:
                raise self._cut_short(batch, ranges, start + size)
            self._moved(item, item.received(piece, view))
            item.pending -= 1
            self._completed(item)

    def _memory(self, batch: _Batch) -> memoryview:
        size = batch.bounce_bytes
        if not size:
            return memoryview(b"")
        if any(item.pinned for item, _, _ in batch.pieces) and (memory := self._pinned(size)) is not None:
            return _ext.window(memory, size)
        return _ext.allocate(size).memoryview()

    def _completed(self, item: LoadItem) -> None:
        if item.pending or not item.issued:
            return
        if not item.damage:
            item.complete()
        if item.damage:
            if item.attempt:
                raise damaged(item)
            replacement = item.again()
            replacement.attempt = item.attempt + 1
            replacement.owner, replacement.span = item.owner, item.span
            self._again.append(replacement)
        else:
            self._again.extend(self._turns.ended(item.owner, item.span))

    def _missing(self, batch: _Batch) -> CheckpointError:
        place = batch.pieces[0][0].place
        message = (
            f"the object is missing that holds {place.name!r}; the checkpoint is incomplete: part of it was "
            "removed, or a later save replaces it just now"
        )
        return CheckpointError(message, operation="load", uri=place.uri)

    def _cut_short(self, batch: _Batch, ranges: list[tuple[int, int]], size: int) -> CheckpointError:
        place, end = batch.pieces[-1][0].place, ranges[-1][1]
        for (item, _, _), (_, stop) in zip(batch.pieces, ranges, strict=True):
            if stop > size:
                place, end = item.place, stop
                break
        message = f"the object ends at byte {size}; {place.name!r} is said to lie up to byte {end}; it was cut short"
        return CheckpointError(message, operation="load", uri=place.uri)


def damaged(item: LoadItem) -> ChecksumMismatchError:
    """The error for an item that was damaged twice."""
    place = item.place
    message = f"{place.name!r} is damaged: {item.damage}; read twice, so it is damaged where it is stored"
    return ChecksumMismatchError(message, operation="load", uri=place.uri)
