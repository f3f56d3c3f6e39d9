"""Finding out where the payload of an item lies that torch wrote: its archive's front and back are read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.read.item import LoadItem, Piece, Place
from s3dlio_core.checkpoint.read.torch_archive import read_tensor_archive
from s3dlio_core.checkpoint.zip_records import ArchiveDamaged, UnusualArchive

__all__ = ["ProbeItem"]

# What stands before the payload takes 704 to 832 bytes, what follows some 900.
_FRONT_BYTES = 1024
_BACK_BYTES = 1536


class ProbeItem(LoadItem):
    """Reads the ends of one item.

    Args:
        found: Called with what is known then, and the order of its dimensions in memory; None: it is no tensor that
            can be read in parts.
    """

    def __init__(self, place: Place, found: Callable[[ItemIndex | None, tuple[int, ...]], None]) -> None:
        super().__init__(place)
        self._found = found
        self._front = self._back = b""

    def pieces(self) -> Iterator[Piece]:
        size = self.place.size
        if size <= _FRONT_BYTES + _BACK_BYTES:
            if size:
                yield Piece(0, size)
            return
        yield Piece(0, _FRONT_BYTES)
        yield Piece(size - _BACK_BYTES, size)

    def received(self, piece: Piece, memory: memoryview) -> int:
        if piece.start == 0:
            self._front = bytes(memory)
        else:
            self._back = bytes(memory)
        return 0

    def complete(self) -> None:
        try:
            archive = read_tensor_archive(self._front, self._back, self.place.size)
        except UnusualArchive:
            self._found(None, ())
        except ArchiveDamaged as error:
            self.damage = error.message
        else:
            # One checksum over the whole payload, where there is one.
            crcs = b"" if archive.crc is None or not archive.nbytes else archive.crc.to_bytes(4, "little")
            block_size = archive.nbytes if crcs else 0
            # As its memory sees it.
            shape = tuple(archive.shape[dimension] for dimension in archive.order)
            index = ItemIndex(archive.payload_offset, archive.nbytes, archive.dtype, shape, block_size, crcs)
            self._found(index, archive.order)

    def again(self) -> ProbeItem:
        return ProbeItem(self.place, self._found)
