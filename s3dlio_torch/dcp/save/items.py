"""The bytes of one data object: items one behind the other, drawn lazily, and the places they ended up at."""

from __future__ import annotations

import io
import math
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch.distributed._functional_collectives import AsyncCollectiveTensor
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.planner import SavePlanner, WriteItem, WriteItemType
from torch.distributed.checkpoint.storage import WriteResult

from s3dlio_core.checkpoint.block_crcs import BlockCrcs
from s3dlio_core.checkpoint.codec import FRAME_BYTES, FrameCompressor
from s3dlio_core.checkpoint.item_index import ItemIndex, block_size_for
from s3dlio_core.checkpoint.layout import TINY_BYTES, gap_before
from s3dlio_core.checkpoint.memory import view_of
from s3dlio_core.checkpoint.zip_archive import StoredArchive
from s3dlio_core.checksum import crc32
from s3dlio_core.errors import CheckpointError
from s3dlio_torch.dcp.item_archive import can_be_streamed, dtype_name, tensor_archive
from s3dlio_torch.dcp.plain_data import why_refused
from s3dlio_torch.dcp.staging import StagingRing
from s3dlio_torch.dcp.tensor_pieces import Piece, in_frames, pieces_of
from s3dlio_torch.dcp.zstd_extension import ZstdFrames, ZstdPlanes, planes_width, split_planes

__all__ = ["ItemPiece", "Items", "item_bytes"]

_GATHERED_BYTES = 1 << 20  # small things are joined up to this before they are sent
_PIECE_BYTES = 64 << 20  # a write of a large tensor: as far as progress and the watchdog can see
_PARTS_LENT = 4  # a write of fewer parts is copied by the store


class ItemPiece(NamedTuple):
    """Some bytes to send, of which `payload_bytes` (before compression) count as progress of item `name`."""

    piece: Piece
    payload_bytes: int
    name: str


def item_bytes(item: WriteItem) -> int:
    """Bytes of the tensor an item stores; 0 for anything else."""
    if item.tensor_data is None:
        return 0
    return math.prod(item.tensor_data.chunk.sizes) * item.tensor_data.properties.dtype.itemsize


class Items:
    """Turns the items of one data object into bytes. Iterate once; then `results` holds where each item lies.

    Args:
        key: Of the data object.
        items: In the order they are stored in.
        planner: Resolves an item to its data when its turn comes.
        resolving: Held meanwhile: planners need not bear several threads.
        codec: "", "zstd" or "zstd-planes".
        level: zstd's.
        part_size: Bytes of a part of the object. Large tensors are cut at its borders, so that whole parts lie in
            their memory and are sent from there.
    """

    def __init__(
        self,
        key: str,
        items: list[WriteItem],
        planner: SavePlanner,
        resolving: threading.Lock,
        ring: StagingRing,
        codec: str,
        level: int,
        part_size: int,
    ) -> None:
        self._key = key
        self._items = items
        self._planner = planner
        self._part_size = part_size
        self._resolving = resolving
        self._ring = ring
        self._codec = codec
        self._compressor = FrameCompressor(level) if codec else None
        self._position = 0
        self._small = bytearray()
        self._small_payload = 0
        self._told: set[str] = set()
        self.results: list[WriteResult] = []

    def __iter__(self) -> Iterator[ItemPiece]:
        for item in self._items:
            yield from self._item(item)
        yield from self._flush("")

    def _item(self, item: WriteItem) -> Iterator[ItemPiece]:
        name = item.index.fqn
        with self._resolving:
            data = self._planner.resolve_data(item)
        if item.type == WriteItemType.BYTE_IO:
            if not isinstance(data, io.BytesIO):
                raise CheckpointError(f"the planner gave a {type(data).__name__} for {name!r}; expected a BytesIO")
            stored = data.getvalue()
            self._warn_if_refused(name, stored)
            yield from self._opaque(item, stored)
            return
        if not isinstance(data, torch.Tensor):
            raise CheckpointError(f"the planner gave a {type(data).__name__} for {name!r}; expected a tensor")
        tensor = (data.wait() if isinstance(data, AsyncCollectiveTensor) else data).detach()
        _check_shape(item, tensor)
        if not can_be_streamed(tensor):
            stream = io.BytesIO()
            torch.save(tensor.cpu(), stream)
            yield from self._opaque(item, stream.getvalue())
            return
        archive = tensor_archive(tensor.dtype, tuple(tensor.shape))
        if self._compressor is not None and archive.payload_size >= TINY_BYTES:
            yield from self._compressed(item, tensor, archive, self._compressor)
        else:
            yield from self._raw(item, tensor, archive)

    def _warn_if_refused(self, name: str, stored: bytes) -> None:
        reason = why_refused(stored)
        if not reason or reason in self._told:
            return
        self._told.add(reason)  # objects of one kind come by the thousand
        warnings.warn(
            f"{name!r} is saved and will not load by default, for it is more than data: {reason}. Store what it is "
            "made of (tensors, arrays, numbers, texts, containers); or, when loading, allow its classes with "
            "torch.serialization.add_safe_globals, or pass StorageReader(trusted=True), which lets the checkpoint run "
            "code",
            stacklevel=2,
        )

    # ---- kinds of items ----
    def _opaque(self, item: WriteItem, stored: bytes) -> Iterator[ItemPiece]:
        start, block_size = self._position, block_size_for(len(stored))
        crcs = BlockCrcs(block_size)
        crcs.update(memoryview(stored))
        yield from self._add(stored, item_bytes(item), item.index.fqn)
        self._stored(item, start, ItemIndex(0, len(stored), block_size=block_size, crcs=crcs.blocks()))

    def _raw(self, item: WriteItem, tensor: torch.Tensor, archive: StoredArchive) -> Iterator[ItemPiece]:
        name = item.index.fqn
        yield from self._add(bytes(gap_before(self._position, len(archive.head), archive.payload_size)), 0, name)
        start = self._position
        yield from self._add(archive.head, 0, name)
        block_size = block_size_for(archive.payload_size)
        crcs = BlockCrcs(block_size)
        first = -self._position % self._part_size
        most = max(_PIECE_BYTES // self._part_size, _PARTS_LENT) * self._part_size
        for memory, release in pieces_of(tensor, self._ring, first_bytes=first, most_bytes=most):
            crcs.update(memory)
            yield from self._add(memory, len(memory), name, release)
        tail = archive.tail(crcs.whole())
        yield from self._add(tail, 0, name)
        self._stored(item, start, self._tensor_index(archive.head, tail, tensor, block_size, crcs))

    def _compressed(
        self, item: WriteItem, tensor: torch.Tensor, archive: StoredArchive, compressor: FrameCompressor
    ) -> Iterator[ItemPiece]:
        name, start = item.index.fqn, self._position
        width = planes_width(tensor.dtype) if self._codec == "zstd-planes" else 1
        head = compressor.alone(archive.head)
        yield from self._add(head, 0, name)
        block_size = block_size_for(archive.payload_size)
        crcs = BlockCrcs(block_size)
        compressor.begin()
        for memory, _ in in_frames(pieces_of(tensor, self._ring), FRAME_BYTES):
            assert isinstance(memory, torch.Tensor)
            crcs.update(memory)
            regrouped = split_planes(memory, width) if width > 1 else memory
            yield from self._add(compressor.frame(view_of(regrouped)), len(memory), name)
        tail = compressor.alone(archive.tail(crcs.whole()))
        yield from self._add(tail, 0, name)
        codec = "zstd-planes" if width > 1 else "zstd"
        index = self._tensor_index(head, tail, tensor, block_size, crcs, codec, compressor.ends())
        planes = ZstdPlanes(f"1-{width}-{compressor.count}") if width > 1 else None
        self._stored(item, start, index, [(planes or ZstdFrames()).get_descriptor()])

    # ---- bookkeeping ----
    @staticmethod
    def _tensor_index(
        head: bytes,
        tail: bytes,
        tensor: torch.Tensor,
        block_size: int,
        crcs: BlockCrcs,
        codec: str = "",
        frame_ends: bytes = b"",
    ) -> ItemIndex:
        return ItemIndex(
            len(head),
            tensor.numel() * tensor.itemsize,
            dtype_name(tensor.dtype),
            tuple(tensor.shape),
            block_size,
            crcs.blocks(),
            codec,
            FRAME_BYTES if codec else 0,
            frame_ends,
            crc32(head),
            crc32(tail),
        )

    def _stored(self, item: WriteItem, start: int, index: ItemIndex, transforms: list[str] | None = None) -> None:
        length = self._position - start
        info = _StorageInfo(self._key, start, length, transform_descriptors=transforms)
        info.s3dlio_index = index.to_primitive()  # type: ignore[attr-defined]  # rides in .metadata, unseen by torch
        self.results.append(WriteResult(index=item.index, size_in_bytes=length, storage_data=info))

    def _add(
        self,
        memory: torch.Tensor | bytes | bytearray,
        payload: int,
        name: str,
        release: Callable[[], None] | None = None,
    ) -> Iterator[ItemPiece]:
        """The object's next bytes: large ones are sent from where they are, small ones gathered."""
        self._position += len(memory)
        if len(memory) >= _GATHERED_BYTES:
            yield from self._flush(name)
            yield ItemPiece(Piece(memory, release), payload, name)
            return
        self._small += view_of(memory) if isinstance(memory, torch.Tensor) else memory
        self._small_payload += payload
        if release is not None:
            release()
        if len(self._small) >= _GATHERED_BYTES:
            yield from self._flush(name)

    def _flush(self, name: str) -> Iterator[ItemPiece]:
        if self._small:
            gathered, payload = self._small, self._small_payload
            self._small, self._small_payload = bytearray(), 0
            yield ItemPiece(Piece(gathered), payload, name)


def _check_shape(item: WriteItem, tensor: torch.Tensor) -> None:
    assert item.tensor_data is not None
    planned = tuple(item.tensor_data.chunk.sizes)
    if tuple(tensor.shape) != planned:
        raise CheckpointError(
            f"the planner gave a tensor of shape {tuple(tensor.shape)} for {item.index.fqn!r}; expected {planned}, as "
            "it had planned. Was the state dict changed while it was saved?"
        )
