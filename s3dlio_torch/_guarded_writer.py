"""A writer that torch.save() may fail on, with the failure that really happened."""

from __future__ import annotations

import io
from types import TracebackType
from typing import Any

from s3dlio_core import ObjectWriter, PutResult

__all__ = ["GuardedWriter", "S3Writer"]


class S3Writer(io.BufferedIOBase):
    """A write-only file over one object: what AWS's connector calls so, for annotations and isinstance()."""


class GuardedWriter(io.RawIOBase):
    """An ObjectWriter for torch.save().

    When a write fails, torch still tries to write the end of its archive on the way out, and reports that failing in
    place of the failure. The block of this writer, and its close(), raise the failure itself.

    Attributes:
        key, bucket, uri: Of the object.
    """

    def __init__(self, writer: ObjectWriter) -> None:
        super().__init__()
        self.key, self.bucket, self.uri = writer.key, writer.bucket, writer.uri
        self._writer = writer
        self._failure: BaseException | None = None

    @property
    def result(self) -> PutResult | None:
        """What the service answered to close(); None before."""
        return self._writer.result

    def writable(self) -> bool:
        return self._writer.writable()

    def tell(self) -> int:
        """Bytes written."""
        return self._writer.tell()

    def write(self, data: Any, /) -> int:
        """Append `data`: any contiguous memory, tensors included. Gives its size in bytes."""
        if self._failure is not None:
            raise self._failure
        try:
            return self._writer.write(data)
        except BaseException as error:
            self._failure = error
            raise

    def close(self) -> None:
        """Complete the object; after a failed write, give up and raise that failure. Harmless when closed."""
        if self.closed:
            return
        super().close()
        failure, self._failure = self._failure, None  # whose traceback leads back here
        if failure is None:
            self._writer.close()
            return
        self._writer.abort()
        raise failure

    def abort(self) -> None:
        """Give up: nothing becomes visible. Harmless when closed."""
        super().close()
        self._writer.abort()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        super().close()
        self._writer.__exit__(kind, error, trace)
        failure, self._failure = self._failure, None
        if failure is not None and error is not failure:
            raise failure from None

    def __del__(self) -> None:
        """The inherited one would close(), and so publish half an object."""


S3Writer.register(GuardedWriter)
S3Writer.register(ObjectWriter)
