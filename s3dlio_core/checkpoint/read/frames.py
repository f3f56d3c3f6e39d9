"""Payloads compressed in frames: which frames a slice needs, and their contents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.read.item import Place
from s3dlio_core.errors import CheckpointError

__all__ = ["FrameReader", "Regroup", "regroup"]

Regroup = Callable[[bytes, memoryview, int], None]


def regroup(planes: bytes, out: memoryview, width: int) -> None:
    """Put the bytes of each element beside each other again.

    Args:
        planes: The first byte of all elements, then the second of all, and so on.
        out: Of the same size.
        width: Bytes of an element.
    """
    count = len(planes) // width
    for place in range(width):
        out[place::width] = memoryview(planes)[place * count : (place + 1) * count]


class FrameReader:
    """Reads the frames of one payload.

    Args:
        index: Of the payload; its codec is not "".
        itemsize: Bytes of an element.
        place: Of the item, for messages.
        undo_planes: As regroup().
    Raises:
        CheckpointError: A codec this version does not know, or zstandard is not installed.
    """

    def __init__(self, index: ItemIndex, itemsize: int, place: Place, undo_planes: Regroup = regroup) -> None:
        if index.codec not in ("zstd", "zstd-planes"):
            message = (
                f"{place.name!r} has the unknown codec {index.codec[:50]!r}; a later version of this package wrote it"
            )
            raise CheckpointError(message, operation="load", uri=place.uri)
        self._index = index
        self._place = place
        self._width = itemsize if index.codec == "zstd-planes" else 1
        self._undo_planes = undo_planes
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
            part = out[place - start : place - start + size]
            if self._width == 1:
                part[:] = raw
            else:
                self._undo_planes(raw, part, self._width)
        return ""


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise CheckpointError("the checkpoint is compressed; reading it needs: pip install zstandard") from error
    return zstandard
