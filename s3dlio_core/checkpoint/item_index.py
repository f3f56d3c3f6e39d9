"""What a checkpoint says about one stored item beyond its place: where the payload starts, its checksums, its codec.

Rides inside `.metadata` as plain ints, strings and bytes, so readers that do not know it pass it by.
"""

from __future__ import annotations

import operator
import struct
from dataclasses import dataclass, fields
from typing import Any

from s3dlio_core.errors import CheckpointError

__all__ = ["ItemIndex"]

# Several hundred checksums a tensor: a slice then reads little beyond itself to be verified, and the index stays below
# a thousandth of the data.
_BLOCKS = 512
_SMALLEST_BLOCK = 4 << 10
_LARGEST_BLOCK = 4 << 20
_BEYOND = 1 << 63


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """One item: a tensor's payload inside a `torch.save` archive, or a whole opaque item.

    Attributes:
        payload_offset: First payload byte, counted from the item's start.
        nbytes: Bytes of the payload, uncompressed.
        dtype: As torch spells it without "torch.": "bfloat16"; "" for an opaque item.
        shape: Of the stored chunk; row-major, contiguous.
        block_size: Bytes of the uncompressed payload each checksum covers; the last block may be short.
        crcs: CRC-32 of each block, 4 bytes each, little-endian.
        codec: "" (raw), "zstd", or "zstd-planes" (bytes regrouped by significance before zstd).
        frame_size: Uncompressed bytes of each compressed frame but the last; 0 when raw.
        frame_ends: End of each stored frame, counted from `payload_offset`; 8 bytes each, little-endian.
        head_crc: CRC-32 of the stored bytes before the payload; 0 where there are none.
        tail_crc: CRC-32 of the stored bytes behind the payload; 0 where there are none.
    """

    payload_offset: int
    nbytes: int
    dtype: str = ""
    shape: tuple[int, ...] = ()
    block_size: int = 0
    crcs: bytes = b""
    codec: str = ""
    frame_size: int = 0
    frame_ends: bytes = b""
    head_crc: int = 0
    tail_crc: int = 0

    def __post_init__(self) -> None:
        blocks = -(-self.nbytes // self.block_size) if self.block_size else 0
        frames = -(-self.nbytes // self.frame_size) if self.frame_size else 0
        sound = (
            self.payload_offset >= 0
            and self.nbytes >= 0
            and self.block_size >= 0
            and len(self.crcs) == 4 * blocks
            and len(self.frame_ends) == 8 * frames
            and bool(self.codec) == bool(self.frame_size)
        )
        if not sound:
            raise CheckpointError(f"the index of an item contradicts itself: {self}")

    def crc(self, block: int) -> int:
        """CRC-32 of block `block`, from 0."""
        return int.from_bytes(self.crcs[4 * block : 4 * block + 4], "little")

    def frame(self, number: int) -> tuple[int, int]:
        """Where compressed frame `number` (from 0) is stored: [start, end), counted from `payload_offset`."""
        start = struct.unpack_from("<Q", self.frame_ends, 8 * (number - 1))[0] if number else 0
        return start, struct.unpack_from("<Q", self.frame_ends, 8 * number)[0]

    @property
    def stored_bytes(self) -> int:
        """Bytes of the payload as it is stored, compressed or not."""
        return self.frame(len(self.frame_ends) // 8 - 1)[1] if self.frame_ends else self.nbytes

    def to_primitive(self) -> dict[str, Any]:
        """As ints, strings, bytes and a tuple of ints."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_primitive(cls, stored: Any) -> ItemIndex:
        """The reverse. Fields it does not know (of a later version) are passed by.

        Raises:
            CheckpointError: A field is missing, of another type, or they contradict each other.
        """
        try:
            known = {name: stored[name] for name in _FIELDS}
            known["shape"] = tuple(_number(extent) for extent in known["shape"])
            for name in ("payload_offset", "nbytes", "block_size", "frame_size", "head_crc", "tail_crc"):
                known[name] = _number(known[name])
            for name, kind in (("crcs", bytes), ("frame_ends", bytes), ("codec", str), ("dtype", str)):
                if not isinstance(known[name], kind):
                    raise TypeError(f"{name} is no {kind.__name__}")
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"the index of an item cannot be read: {error!r}") from error
        return cls(**known)


def _number(stored: Any) -> int:
    found = operator.index(stored)
    if not -_BEYOND < found < _BEYOND:
        raise ValueError("a number is beyond the size of any object")
    return found


_FIELDS = tuple(field.name for field in fields(ItemIndex))


def block_size_for(nbytes: int) -> int:
    """Bytes one checksum covers in a payload of `nbytes`: a power of two."""
    wanted = max(1, nbytes // _BLOCKS)
    return min(max(1 << (wanted.bit_length() - 1), _SMALLEST_BLOCK), _LARGEST_BLOCK)
