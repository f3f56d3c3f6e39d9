"""Checksums of a payload that comes in pieces of any size."""

from __future__ import annotations

from typing import Any

from s3dlio_core.checksum import crc32, crc32_blocks, crc32_combine

__all__ = ["BlockCrcs"]


class BlockCrcs:
    """CRC-32 of every block, and of the whole, in one pass.

    Args:
        block_size: Bytes each checksum covers; the last block may be short.
    """

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self._done: list[bytes] = []
        self._open = 0  # CRC of the block begun
        self._filled = 0  # its bytes so far

    def update(self, piece: Any) -> None:
        """The next bytes: one-dimensional memory of uint8 that can be sliced, e.g. a memoryview or a torch tensor."""
        size, start = len(piece), 0
        if self._filled:
            start = min(size, self._block_size - self._filled)
            self._extend(piece[:start])
        whole = (size - start) // self._block_size * self._block_size
        if whole:
            self._done.append(crc32_blocks(piece[start : start + whole], self._block_size))
        if start + whole < size:
            self._extend(piece[start + whole :])

    def _extend(self, piece: Any) -> None:
        self._open = crc32(piece, self._open)
        self._filled += len(piece)
        if self._filled == self._block_size:
            self._done.append(self._open.to_bytes(4, "little"))
            self._open = self._filled = 0

    def blocks(self) -> bytes:
        """The checksums so far, 4 bytes each, little-endian; a block begun counts as the last one."""
        last = [self._open.to_bytes(4, "little")] if self._filled else []
        return b"".join(self._done + last)

    def whole(self) -> int:
        """CRC-32 of everything, from the blocks' checksums."""
        blocks = b"".join(self._done)
        crc = 0
        for start in range(0, len(blocks), 4):
            crc = crc32_combine(crc, int.from_bytes(blocks[start : start + 4], "little"), self._block_size)
        return crc32_combine(crc, self._open, self._filled) if self._filled else crc
