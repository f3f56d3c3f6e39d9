"""Tensors of a checkpoint into plain memory, whole or in boxes, without the framework that saved them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.dtypes import ITEM_SIZES
from s3dlio_core.checkpoint.metadata import read_metadata
from s3dlio_core.checkpoint.metadata_kinds import (
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    Size,
    TensorStorageMetadata,
)
from s3dlio_core.checkpoint.names import metadata_key
from s3dlio_core.checkpoint.read.batch import Batches
from s3dlio_core.checkpoint.read.box import Box
from s3dlio_core.checkpoint.read.check import check_chunks, gaps_between_items
from s3dlio_core.checkpoint.read.destination import MemoryDestination, window_of
from s3dlio_core.checkpoint.read.item import LoadItem, Place, index_of
from s3dlio_core.checkpoint.read.probe import ProbeItem
from s3dlio_core.checkpoint.read.tensor import TensorItem, TensorRead, Verify
from s3dlio_core.checkpoint.read.watch import LoadWatch
from s3dlio_core.errors import BucketNotFoundError, CheckpointError, InvalidArgumentError, ObjectNotFoundError
from s3dlio_core.run.bounded import BoundedRun
from s3dlio_core.store import Store

__all__ = ["StoredCheckpoint", "Wanted"]

_SHARES = 8  # of the window: so many batches that need memory of ours run at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """A box of a tensor, and where it goes.

    Attributes:
        name: Of the tensor in the checkpoint.
        out: Contiguous writable memory of the box's shape, row-major, of the stored type: a numpy array, a Buffer.
        offsets: The box's first element in each dimension; None: the tensor's.
        lengths: Its elements in each dimension; None: all from `offsets` on.
    """

    name: str
    out: Any
    offsets: tuple[int, ...] | None = None
    lengths: tuple[int, ...] | None = None


@dataclass(slots=True)
class _Part:
    """What a wanted box takes from one stored chunk."""

    place: Place
    box: Box  # in the chunk
    index: ItemIndex | None
    ours: bool
    view: memoryview  # of all of the wanted box
    extents: tuple[int, ...]  # of the wanted box
    base: tuple[int, ...]  # the part's first element there
    order: tuple[int, ...]


class StoredCheckpoint:
    """What `torch.distributed.checkpoint` saved, through s3dlio or not.

    Args:
        store: At the checkpoint's URI.
        rank: Of a checkpoint saved without collectives: whose part; None: with collectives.
    Attributes:
        metadata: What it holds.
    Raises:
        CheckpointError: There is none, or it is not what it should be.
        ChecksumMismatchError: Its metadata is damaged.
        StorageError: The store cannot be read.
    """

    def __init__(self, store: Store, rank: int | None = None) -> None:
        self._store = store
        key = metadata_key(rank)
        try:
            stored = bytes(store.get(key))
        except (ObjectNotFoundError, BucketNotFoundError) as error:
            message = f"there is no checkpoint: {key} is not there; it is written last, when a save ends"
            raise CheckpointError(message, operation="load", uri=store.uri_of(key)) from error
        self.metadata: Metadata = read_metadata(stored, store.uri_of(key))
        self._vouched = rank is not None or self.metadata.s3dlio_sealed

    @property
    def tensors(self) -> dict[str, TensorStorageMetadata]:
        """The tensors by name: shape, type, chunks."""
        entries = self.metadata.state_dict_metadata
        return {name: entry for name, entry in entries.items() if isinstance(entry, TensorStorageMetadata)}

    def load(
        self,
        wanted: Iterable[Wanted],
        *,
        verify: Verify = True,
        window_bytes: int = 64 << 20,
        stall_timeout_seconds: float | None = 600.0,
    ) -> None:
        """Fill the memory of all that is wanted.

        Args:
            verify: True: what is read is compared with checksums; a slice of a tensor that torch wrote has none.
                "whole": all of every item touched. False: nothing.
            window_bytes: Most memory for bytes that cannot go straight to their place.
            stall_timeout_seconds: After so long without a byte the load fails, naming an object; None: never.
        Raises:
            CheckpointError: An object is missing or too short, a tensor is not there, or stored in a way that only
                torch can read.
            ChecksumMismatchError: Stored bytes are damaged; the message names the tensor, the object and the bytes.
            InvalidArgumentError: A box lies outside its tensor, or its memory has another size.
            TransferTimeoutError: Nothing arrived for too long.
            StorageError: The store cannot be read.
        """
        gaps: dict[tuple[str, int], int] = {}
        if verify is not False:
            gaps = gaps_between_items(self.metadata, self._store.uri_of)
            if not self._vouched:
                check_chunks(self.metadata, self._store.uri_of(""))
        parts = [part for one in wanted for part in self._parts(one, gaps)]
        parts.sort(key=lambda part: (part.place.key, part.place.start))
        watch = LoadWatch(self._store, sum(part.box.nbytes for part in parts), None, stall_timeout_seconds)
        with watch:
            self._run(_probes(parts), watch, window_bytes)
            self._run((_item(part, verify) for part in parts), watch, window_bytes)

    def _run(self, items: Iterator[LoadItem], watch: LoadWatch, window_bytes: int) -> None:
        batches = Batches(
            self._store,
            items,
            share_bytes=window_bytes // _SHARES,
            moved=watch.moved,
            began=watch.began,
            ended=watch.ended,
        )
        run = BoundedRun(limit=self._store.tuning.max_connections, window_bytes=window_bytes)
        with watch.over(run):
            run.run(batches)

    def _parts(self, wanted: Wanted, gaps: dict[tuple[str, int], int]) -> Iterator[_Part]:
        entry = self.metadata.state_dict_metadata.get(wanted.name)
        if not isinstance(entry, TensorStorageMetadata):
            raise self._error(f"{wanted.name!r} is no tensor in the checkpoint")
        itemsize = ITEM_SIZES[entry.properties.dtype]
        offsets = (0,) * len(entry.size) if wanted.offsets is None else wanted.offsets
        lengths = wanted.lengths
        if lengths is None:
            lengths = tuple(extent - offset for extent, offset in zip(entry.size, offsets, strict=False))
        whole = Box(tuple(entry.size), offsets, lengths, itemsize)
        if not whole.inside():
            raise InvalidArgumentError(f"{wanted.name!r} has shape {whole.shape}; {lengths} at {offsets} is not in it")
        view = window_of(wanted.out, whole.nbytes, wanted.name)
        ends = _plus(offsets, lengths)
        for chunk in entry.chunks:
            low = tuple(map(max, offsets, chunk.offsets))
            high = tuple(map(min, ends, _plus(chunk.offsets, chunk.sizes)))
            if any(end <= start for start, end in zip(low, high, strict=True)):
                continue
            box = Box(tuple(chunk.sizes), _minus(low, chunk.offsets), _minus(high, low), itemsize)
            place, index, ours = self._stored(wanted.name, chunk, gaps)
            order = tuple(range(len(box.shape)))
            yield _Part(place, box, index, ours, view, lengths, _minus(low, offsets), order)

    def _stored(
        self, name: str, chunk: ChunkStorageMetadata, gaps: dict[tuple[str, int], int]
    ) -> tuple[Place, ItemIndex | None, bool]:
        """Where a chunk lies, what is known of it, and whether this package wrote it."""
        info = self.metadata.storage_data.get(MetadataIndex(name, Size(chunk.offsets)))
        if info is None:
            raise self._error(f"the metadata lists no place for {name!r} at offset {tuple(chunk.offsets)}")
        ours = hasattr(info, "s3dlio_index")
        key = info.relative_path
        gap = gaps.get((key, info.offset), 0) if ours else 0
        place = Place(name, key, self._store.uri_of(key), info.offset, info.length, gap)
        index = index_of(info, place)
        if (index.dtype == "") if index is not None else bool(info.transform_descriptors):
            raise _only_torch(place)
        return place, index, ours

    def _error(self, message: str) -> CheckpointError:
        return CheckpointError(message, operation="load", uri=self._store.uri_of(""))


def _probes(parts: list[_Part]) -> Iterator[LoadItem]:
    """What must be read first of items that torch wrote, to know where payloads lie."""
    unknown = (part for part in parts if part.index is None)
    for place, same in itertools.groupby(unknown, key=lambda part: part.place):
        yield ProbeItem(place, _Learn(place, list(same)))


class _Learn:
    """Takes what a probe found into the parts of that item."""

    def __init__(self, place: Place, parts: list[_Part]) -> None:
        self._place = place
        self._parts = parts

    def __call__(self, index: ItemIndex | None, order: tuple[int, ...]) -> None:
        if index is None:
            raise _only_torch(self._place)
        for part in self._parts:
            part.index, part.order = index, order


def _item(part: _Part, verify: Verify) -> TensorItem:
    index, place, box = part.index, part.place, part.box
    assert index is not None
    if len(part.order) != len(box.shape) or ITEM_SIZES.get(index.dtype) != box.itemsize:
        message = f"{place.name!r} is stored as {index.dtype[:50]!r} of shape {index.shape}, unlike the metadata says"
        raise CheckpointError(message, operation="load", uri=place.uri)
    return TensorItem(
        TensorRead(
            place,
            index,
            box.permuted(part.order),
            part.order,
            open=lambda: MemoryDestination(part.view, part.extents, part.base, box.lengths, box.itemsize, part.order),
            verify=verify,
            outside=part.ours,  # the ends of an item that torch wrote were checked when they were looked at
        )
    )


def _only_torch(place: Place) -> CheckpointError:
    message = f"{place.name!r} is stored in a way that only torch can read"
    return CheckpointError(message, operation="load", uri=place.uri)


def _plus(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _minus(one: Iterable[int], other: Iterable[int]) -> tuple[int, ...]:
    return tuple(a - b for a, b in zip(one, other, strict=True))
