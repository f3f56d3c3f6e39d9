"""zstd in independent frames of a fixed uncompressed size, so that a slice needs only its frames."""

from __future__ import annotations

import struct
from typing import Any

from s3dlio_core.errors import InvalidArgumentError

__all__ = ["CODECS", "FRAME_BYTES", "FrameCompressor", "zstandard_module"]

CODECS = ("zstd", "zstd-planes")
FRAME_BYTES = 1 << 20  # a multiple of every element size; longer frames compress hardly better


def zstandard_module() -> Any:
    """The zstandard package.

    Raises:
        InvalidArgumentError: It is not installed.
    """
    try:
        import zstandard
    except ImportError as error:
        raise InvalidArgumentError("compressed checkpoints need zstandard: pip install zstandard") from error
    return zstandard


class FrameCompressor:
    """Makes frames and keeps where they end. One thread at a time.

    Args:
        level: zstd's, from -100 to 22.
    """

    def __init__(self, level: int) -> None:
        self._compressor = zstandard_module().ZstdCompressor(level=level)
        self._ends: list[int] = []
        self._position = 0

    def alone(self, data: Any) -> bytes:
        """A frame that is not counted: what stands before or behind a payload."""
        frame: bytes = self._compressor.compress(data)
        return frame

    def begin(self) -> None:
        """A new payload."""
        self._ends, self._position = [], 0

    def frame(self, data: Any) -> bytes:
        """The payload's next frame, of FRAME_BYTES of contiguous memory (the last one: fewer)."""
        frame = self.alone(data)
        self._position += len(frame)
        self._ends.append(self._position)
        return frame

    def ends(self) -> bytes:
        """End of each frame of the payload, from its start; 8 bytes each, little-endian."""
        return struct.pack(f"<{len(self._ends)}Q", *self._ends)

    @property
    def count(self) -> int:
        """Frames of the payload so far."""
        return len(self._ends)
