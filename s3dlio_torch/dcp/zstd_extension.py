"""Lets torch's own readers load compressed items: extensions for torch's ExtensionRegistry.

registry = ExtensionRegistry()
registry.register(ZstdFrames)
registry.register(ZstdPlanes)
dcp.load(state_dict, storage_reader=FileSystemReader(path, _extension_registry=registry))
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import IO, Self

import torch
from torch.distributed.checkpoint._extension import StreamTransformExtension

from s3dlio_core.checkpoint.codec import zstandard_module
from s3dlio_core.checkpoint.memory import view_of

__all__ = ["ZstdFrames", "ZstdPlanes", "join_planes", "planes_width", "split_planes"]

_READ_BYTES = 1 << 20


def planes_width(dtype: torch.dtype) -> int:
    """Bytes of an element where regrouping by significance is worth it: 2, 4, 8; else 1."""
    return dtype.itemsize if dtype.itemsize in (2, 4, 8) else 1


def split_planes(frame: torch.Tensor, width: int) -> torch.Tensor:
    """The bytes of elements of `width` bytes, regrouped: byte 0 of all, then byte 1, ...; uint8, the same shape."""
    return frame.view(-1, width).t().contiguous().view(-1)


def join_planes(planes: torch.Tensor, width: int) -> torch.Tensor:
    """The reverse of split_planes()."""
    return planes.view(width, -1).t().contiguous().view(-1)


def _frames_of(stored: IO[bytes]) -> Iterator[bytes]:
    """Each zstd frame of a stream, decompressed."""
    decompressor = zstandard_module().ZstdDecompressor()
    data = stored.read(_READ_BYTES)
    while data:
        one = decompressor.decompressobj()
        parts = []
        while not one.eof:
            if not data:
                raise ValueError("the item ends in the middle of a zstd frame; it was cut short")
            parts.append(one.decompress(data))
            data = one.unused_data if one.eof else stored.read(_READ_BYTES)
        yield b"".join(parts)
        data = data or stored.read(_READ_BYTES)


class ZstdFrames(StreamTransformExtension):
    """Items with the codec "zstd": frames one behind the other."""

    def __init__(self, version: str = "1") -> None:
        super().__init__()
        self.version = version

    @staticmethod
    def registry_name() -> str:
        """What torch's registry of extensions calls these items."""
        return "s3dlio.zstd"

    @classmethod
    def from_descriptor(cls, version: str) -> Self:
        """An extension for items of `version`.

        Raises:
            ValueError: This version is not known.
        """
        if version.partition("-")[0] != "1":
            raise ValueError(f"{cls.registry_name()} of version {version!r} is not known; expected 1")
        return cls(version)

    def get_descriptor(self) -> str:
        """What is stored beside an item, from which from_descriptor() makes the extension again."""
        return f"{self.registry_name()}/{self.version}"

    def transform_to(self, output: IO[bytes]) -> IO[bytes]:
        """Not possible here: the checksums of an item are made while it is compressed, which StorageWriter does."""
        raise NotImplementedError("only s3dlio_torch.dcp.StorageWriter writes these items; give it compression=")

    def transform_from(self, input: IO[bytes]) -> IO[bytes]:
        """The item's bytes, decompressed."""
        return io.BytesIO(b"".join(_frames_of(input)))


class ZstdPlanes(ZstdFrames):
    """Items with the codec "zstd-planes". The version is "1-<bytes of an element>-<frames of the payload>"."""

    @staticmethod
    def registry_name() -> str:
        """What torch's registry of extensions calls these items."""
        return "s3dlio.zstd-planes"

    def transform_from(self, input: IO[bytes]) -> IO[bytes]:
        """The item's bytes, decompressed, with the planes of its elements joined."""
        _, width, count = (int(part) for part in self.version.split("-"))
        return io.BytesIO(b"".join(self._joined(_frames_of(input), width, count)))

    @staticmethod
    def _joined(frames: Iterator[bytes], width: int, count: int) -> Iterator[bytes]:
        for number, frame in enumerate(frames):
            # Frame 0 is what stands before the payload, the one after the payload what follows it.
            if 1 <= number <= count:
                planes = torch.frombuffer(bytearray(frame), dtype=torch.uint8)
                yield bytes(view_of(join_planes(planes, width)))
            else:
                yield frame
