"""What a transform reads from: the whole object in memory, or ranges of it as they are asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import partial
from typing import Any

from s3dlio_core import ObjectReader, Store
from s3dlio_core.formats.seekable import SeekableBytes, SeekError, asked_size, new_position

__all__ = ["RangeReader", "S3Reader", "S3ReaderConstructor", "SampleReader"]

_KINDS = ("sequential", "range_based", "dcp_optimized")
_LARGEST_GAP = 32 << 20


class S3Reader(io.BufferedIOBase):
    """A read-only, seekable file over one object: what AWS's connector calls so, for annotations and isinstance().

    Attributes:
        bucket: Bucket of the object; "" for file stores.
        key: Full key of the object in its bucket.
    """

    bucket: str
    key: str


class SampleReader(SeekableBytes, S3Reader):
    """A file over one sample's bytes, which are in memory already. It behaves as io.BytesIO does, but is read-only."""

    def __init__(self, data: Any, bucket: str, key: str) -> None:
        self._view = memoryview(data)
        super().__init__(len(self._view))
        self.bucket = bucket
        self.key = key

    def getbuffer(self) -> memoryview:
        """The whole object without a copy: uint8, shape [size]."""
        self._check_open()
        return self._view

    def getvalue(self) -> bytes:
        """The whole object, copied."""
        return bytes(self.getbuffer())

    def bytes_at(self, start: int, end: int) -> memoryview:
        """Bytes [start, end) without a copy."""
        return self._view[start:end]

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As io.BytesIO: beyond the end is allowed, and reads b""; before the start is the start, unless the offset is
        from the start itself.
        """
        self._check_open()
        try:
            position = new_position(self._position, self._size, offset, whence)
        except SeekError as error:  # no OSError, where no system is concerned
            raise ValueError(error.message) from None
        if position < 0 and whence == io.SEEK_SET:
            raise ValueError(f"position {position} lies before the start; a position cannot be negative")
        self._position = max(position, 0)
        return self._position

    def read1(self, size: int | None = -1, /) -> bytes:
        """As read(): all bytes are in memory."""
        return self.read(size)

    def readinto1(self, buffer: Any, /) -> int:
        """As readinto(): all bytes are in memory."""
        return self.readinto(buffer)

    def close(self) -> None:
        """Let go of the memory; views of it stay valid."""
        super().close()
        self._view, self._size = memoryview(b""), 0


class RangeReader(io.BufferedReader):
    """A file over one object that fetches what is read, and a little ahead. An S3Reader.

    Args:
        size: Bytes of the object, with its etag, where a listing told; else both are asked for.
        etag: Of the generation to be read; "": not known.
    """

    def __init__(
        self, store: Store, key: str, buffer_size: int | None, *, size: int | None = None, etag: str = ""
    ) -> None:
        raw = store.open_reader(key, read_ahead_bytes=buffer_size, size=size, etag=etag)
        own = io.DEFAULT_BUFFER_SIZE if buffer_size is None else max(1, min(buffer_size, io.DEFAULT_BUFFER_SIZE))
        super().__init__(raw, own)
        self._size = raw.size
        self.bucket = store.bucket
        self.key = store.prefix + key

    def read(self, size: int | None = -1, /) -> bytes:
        """As io.BufferedReader, which would reserve memory for all of `size` beforehand."""
        if not self.closed and (wanted := asked_size(size)) > 0:
            size = min(wanted, max(self._size - self.tell(), 0))
        return super().read(size)


S3Reader.register(RangeReader)
S3Reader.register(ObjectReader)


@dataclass(frozen=True)
class S3ReaderConstructor:
    """Which reader a transform gets; the names of AWS's connector.

    Attributes:
        kind: "sequential" or "range_based"; "dcp_optimized" for readers of checkpoints.
        buffer_size: For "range_based": most bytes fetched ahead; None: 8 MiB.
    """

    kind: str = "sequential"
    buffer_size: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ValueError(f"the kind of reader is {self.kind!r}; expected one of {', '.join(_KINDS)}")
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
    def dcp_optimized(max_gap_size: float = _LARGEST_GAP) -> S3ReaderConstructor:
        """For dcp.S3StorageReader, which reads what a load needs whatever it is told; datasets refuse it.

        Args:
            max_gap_size: Checked; how near ranges share a request is the store's coalesce_gap.
        """
        if not max_gap_size >= 0:
            raise ValueError(f"max_gap_size is {max_gap_size}; expected 0 or more")
        return S3ReaderConstructor("dcp_optimized")

    @staticmethod
    def default() -> S3ReaderConstructor:
        """As sequential()."""
        return S3ReaderConstructor()

    @staticmethod
    def get_reader_type_string(constructor: Any) -> str:
        """The kind of reader a constructor makes, None meaning the default; "unknown" for what is none."""
        found = S3ReaderConstructor() if constructor is None else _as_ours(constructor)
        return "unknown" if found is None else found.kind


def _as_ours(value: Any) -> S3ReaderConstructor | None:
    """A constructor, ours or one that the connector made; None: it is neither."""
    if isinstance(value, S3ReaderConstructor):
        return value
    if type(value).__name__ == "DCPOptimizedConstructor":
        return S3ReaderConstructor("dcp_optimized")
    if isinstance(value, partial) and not value.args:
        kind = {"SequentialS3Reader": "sequential", "RangedS3Reader": "range_based"}.get(
            getattr(value.func, "__name__", "")
        )
        return None if kind is None else S3ReaderConstructor(kind, value.keywords.get("buffer_size"))
    return None


def checked_constructor(value: Any) -> S3ReaderConstructor:
    """`value` as ours, None meaning the default.

    Raises:
        TypeError: It is no constructor.
        ValueError: It makes readers of checkpoints.
    """
    found = S3ReaderConstructor() if value is None else _as_ours(value)
    if found is None:
        raise TypeError(
            f"reader_constructor is a {type(value).__name__}; expected s3dlio_torch.S3ReaderConstructor.sequential() "
            "or .range_based(buffer_size)"
        )
    if found.kind == "dcp_optimized":
        raise ValueError(
            "reader_constructor is dcp_optimized(), which is for checkpoints (dcp.S3StorageReader); expected "
            "sequential() or range_based(buffer_size)"
        )
    return found
