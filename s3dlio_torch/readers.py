"""What a transform reads from: the whole object in memory, or ranges of it as they are asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from s3dlio_core import Store
from s3dlio_core._seekable import SeekableBytes

__all__ = ["RangeReader", "S3ReaderConstructor", "SampleReader"]


class SampleReader(SeekableBytes, io.BufferedIOBase):
    """A seekable, read-only file over one sample's bytes, which are in memory already.

    Attributes:
        bucket: Bucket of the object; "" for file stores.
        key: Full key of the object in its bucket.
    """

    def __init__(self, data: Any, bucket: str, key: str) -> None:
        self._view = memoryview(data)
        super().__init__(len(self._view))
        self.bucket = bucket
        self.key = key

    def getbuffer(self) -> memoryview:
        """The whole object without a copy: uint8, shape [size]."""
        return self._view

    def bytes_at(self, start: int, end: int) -> memoryview:
        return self._view[start:end]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Moves to `offset` from the start, the position or the end; past the end means the end."""
        self._position = min(super().seek(offset, whence), self._size)
        return self._position

    def read1(self, size: int = -1, /) -> bytes:
        return self.read(size)

    def readinto1(self, buffer: Any, /) -> int:
        return self.readinto(buffer)


class RangeReader(io.BufferedReader):
    """A seekable, read-only file over one object that fetches what is read, and a little ahead.

    Attributes:
        bucket: Bucket of the object; "" for file stores.
        key: Full key of the object in its bucket.
    """

    def __init__(self, store: Store, key: str, buffer_size: int | None) -> None:
        super().__init__(store.open_reader(key, read_ahead_bytes=buffer_size))
        self.bucket = store.bucket
        self.key = store.prefix + key


@dataclass(frozen=True)
class S3ReaderConstructor:
    """Which reader a transform gets; the names of AWS's connector.

    Attributes:
        kind: "sequential" or "range_based".
        buffer_size: For "range_based": most bytes fetched ahead; None: 8 MiB.
    """

    kind: str = "sequential"
    buffer_size: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("sequential", "range_based"):
            raise ValueError(f"the kind of reader is {self.kind!r}; expected 'sequential' or 'range_based'")
        if self.buffer_size is not None and self.buffer_size < 0:
            raise ValueError(f"buffer_size is {self.buffer_size}; expected 0 or more")

    @staticmethod
    def sequential() -> S3ReaderConstructor:
        """The whole object, fetched ahead into memory: a SampleReader."""
        return S3ReaderConstructor()

    @staticmethod
    def range_based(buffer_size: int | None = None) -> S3ReaderConstructor:
        """Only what is read, when it is read: a RangeReader. For transforms that need little of large objects."""
        return S3ReaderConstructor("range_based", buffer_size)

    @staticmethod
    def default() -> S3ReaderConstructor:
        """As sequential()."""
        return S3ReaderConstructor()


def checked_constructor(value: Any) -> S3ReaderConstructor:
    """`value`, None meaning the default; TypeError for anything else."""
    if value is None:
        return S3ReaderConstructor()
    if not isinstance(value, S3ReaderConstructor):
        raise TypeError(
            f"reader_constructor is a {type(value).__name__}; expected s3dlio_torch.S3ReaderConstructor.sequential() "
            "or .range_based(buffer_size)"
        )
    return value
