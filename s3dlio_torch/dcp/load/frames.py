"""Payloads compressed in frames: which frames a slice needs, and their contents."""

from __future__ import annotations

from typing import Any

import torch

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.errors import CheckpointError
from s3dlio_torch.dcp.load.item import Place

__all__ = ["FrameReader"]


class FrameReader:
    """Reads the frames of one payload.

    Args:
        index: Of the payload; its codec is not "".
        itemsize: Bytes of an element.
        place: Of the item, for messages.
    Raises:
        CheckpointError: A codec this version does not know, or zstandard is not installed.
    """

    def __init__(self, index: ItemIndex, itemsize: int, place: Place) -> None:
        if index.codec not in ("zstd", "zstd-planes"):
            message = (
                f"{place.name!r} has the unknown codec {index.codec[:50]!r}; a later version of this package wrote it"
            )
            raise CheckpointError(message, operation="load", uri=place.uri)
        self._index = index
        self._place = place
        self._width = itemsize if index.codec == "zstd-planes" else 1
        self._zstandard = _zstandard()

    def stored(self, start: int, end: int) -> tuple[int, int]:
        """Where bytes [start, end) of the payload, whole frames, are stored; counted from the payload's start."""
        frame = self._index.frame_size
        low, high = self._index.frame(start // frame)[0], self._index.frame((end - 1) // frame)[1]
        if not low < high <= self._index.stored_bytes:
            message = f"the index of {self._place.name!r} contradicts itself: a frame lies at [{low}, {high})"
            raise CheckpointError(message, operation="load", uri=self._place.uri)
        return low, high

    def decompress(self, start: int, end: int, stored: memoryview, out: memoryview) -> str:
        """Fill `out` with bytes [start, end) of the payload from the stored bytes of their frames.

        Returns:
            What is wrong with the frames; "": nothing.
        """
        frame_size = self._index.frame_size
        base = self.stored(start, end)[0]
        decompressor = self._zstandard.ZstdDecompressor()
        for place in range(start, end, frame_size):
            number, size = place // frame_size, min(frame_size, self._index.nbytes - place)
            low, high = self._index.frame(number)
            frame = stored[low - base : high - base]
            try:
                told = self._zstandard.get_frame_parameters(frame).content_size
                # Asked first: the size a damaged frame tells would be reserved.
                raw = decompressor.decompress(frame, max_output_size=size) if told == size else b""
            except self._zstandard.ZstdError as error:
                return f"compressed frame {number} (bytes [{place}, {place + size}) of its payload) is damaged: {error}"
            if len(raw) != size:
                return f"compressed frame {number} holds {told} bytes; expected {size}"
            self._regroup(raw, out[place - start : place - start + size])
        return ""

    def _regroup(self, raw: bytes, out: memoryview) -> None:
        """Put the bytes of each element beside each other again."""
        width = self._width
        if width == 1:
            out[:] = raw
            return
        planes = torch.frombuffer(bytearray(raw), dtype=torch.uint8).view(width, -1)
        torch.frombuffer(out, dtype=torch.uint8).view(-1, width).copy_(planes.t())


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise CheckpointError("the checkpoint is compressed; reading it needs: pip install zstandard") from error
    return zstandard
