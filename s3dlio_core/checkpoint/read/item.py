"""What is asked of a store for one item of a load plan, and what is done with it when it arrives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.read.cover import Interval
from s3dlio_core.checkpoint.read.turns import Span
from s3dlio_core.errors import CheckpointError

__all__ = ["LoadItem", "Piece", "Place", "WholeItem", "index_of"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is stored.

    Attributes:
        name: What the user calls it: the tensor's fully qualified name.
        key: Of the object, below the store's prefix.
        uri: Of the object.
        start: The item's first byte in the object.
        size: Bytes of the item.
        gap: Bytes before it that belong to no item, and must be zero.
    """

    name: str
    key: str
    uri: str
    start: int
    size: int
    gap: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Stored bytes that are asked for at once.

    Attributes:
        start, end: [start, end), counted from the item's first byte; the gap before it has negative numbers.
        payload: Which bytes of the payload they hold; None: none.
        lead: Bytes before the payload's first byte in this piece.
        target: Where they go; None: memory of the batch.
        extra_bytes: Memory needed besides while it is worked on.
    """

    start: int
    end: int
    payload: Interval | None = None
    lead: int = 0
    target: memoryview | None = None
    extra_bytes: int = 0

    @property
    def bounce_bytes(self) -> int:
        """Memory needed until it is delivered."""
        return self.extra_bytes + (self.end - self.start if self.target is None else 0)


class LoadItem(ABC):
    """One stored item. Made when its turn comes, given every piece once, in any order, then completed.

    Attributes:
        place: Where it is stored.
        damage: What was found to differ from its checksum; "": nothing so far.
        pending: Pieces asked for and not yet received.
        issued: Whether all pieces were asked for.
        attempt: How often it was read before.
        pinned: Whether what it receives through memory of the batch goes to an accelerator.
        owner: The destination's name in what is loaded.
        span: The memory it writes to; None: none that others could write to as well.
    """

    def __init__(self, place: Place) -> None:
        self.place = place
        self.damage = ""
        self.pending = 0
        self.issued = False
        self.attempt = 0
        self.pinned = False
        self.owner = place.name
        self.span: Span | None = None

    @abstractmethod
    def pieces(self) -> Iterator[Piece]:
        """What to ask for, ascending."""

    @abstractmethod
    def received(self, piece: Piece, memory: memoryview) -> int:
        """Check a piece and hand it on; `memory` holds its bytes. The bytes of the destination that are filled now.

        Sets `damage` where it differs from its checksum.
        """

    @abstractmethod
    def complete(self) -> None:
        """Every piece was received and none is damaged.

        Sets `damage` where only the whole can be checked.
        """

    @abstractmethod
    def again(self) -> LoadItem:
        """The same, to be read anew."""


class WholeItem(LoadItem):
    """An item that is needed as a whole, in memory of its own.

    Args:
        undo: Undoes what was done to the bytes before they were stored; ValueError: they are damaged.
        check: Gives what is wrong with the bytes then; "": nothing.
        use: Takes the bytes.
    """

    def __init__(
        self,
        place: Place,
        undo: Callable[[memoryview], memoryview],
        check: Callable[[memoryview], str],
        use: Callable[[memoryview], None],
    ) -> None:
        super().__init__(place)
        self._undo = undo
        self._check = check
        self._use = use
        self._data = memoryview(b"")

    def pieces(self) -> Iterator[Piece]:
        size = self.place.size
        self._data = memoryview(bytearray(size))
        gap = self.place.gap
        if gap:
            yield Piece(-gap, 0)
        if size:
            yield Piece(0, size, target=self._data, extra_bytes=size)

    def received(self, piece: Piece, memory: memoryview) -> int:
        if piece.end <= 0:
            self.damage = self.damage or damage_of_gap(memory, self.place)
        return max(piece.end, 0)

    def complete(self) -> None:
        try:
            plain = self._undo(self._data)
        except ValueError as error:
            self.damage = f"what was done to its bytes when they were stored cannot be undone: {error}"
            return
        self.damage = self._check(plain)
        if not self.damage:
            self._use(plain)

    def again(self) -> WholeItem:
        return WholeItem(self.place, self._undo, self._check, self._use)


def damage_of_gap(memory: memoryview, place: Place) -> str:
    """What is wrong with the bytes before an item; "": they are zero."""
    if not any(memory):
        return ""
    return f"bytes [{place.start - place.gap}, {place.start}) before it are not zero"


def index_of(info: Any, place: Place) -> ItemIndex | None:
    """What the metadata's entry of a place says of the item there; None: nothing, torch wrote it.

    Raises:
        CheckpointError: It contradicts itself.
    """
    stored: Any = getattr(info, "s3dlio_index", None)
    if stored is None:
        return None
    try:
        return ItemIndex.from_primitive(stored)
    except CheckpointError as error:
        raise CheckpointError(f"{place.name!r}: {error.message}", operation="load", uri=place.uri) from error
