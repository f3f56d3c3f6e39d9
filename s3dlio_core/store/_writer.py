"""The streaming writer of one object."""

from __future__ import annotations

import io
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from s3dlio_core import _ext
from s3dlio_core._ext import PutResult
from s3dlio_core.errors import ClosedError, ConcurrentUseError, StorageError, naming
from s3dlio_core.process.lifecycle import abort_at_exit

__all__ = ["ObjectWriter"]

T = TypeVar("T")


class ObjectWriter(io.RawIOBase):
    """Writes one object piece by piece, several parts on their way at once.

    For one thread at a time: another one that comes while a write is not over gets ConcurrentUseError, and nothing is
    done.

    Nothing is visible before close(). Dropped without close(), or when its `with` block raises, it aborts.

    Attributes:
        key: Below the store's prefix.
        bucket: "" for file stores.
        uri: The whole name.
        result: What the service answered to close(); None before.
    """

    def __init__(self, native: _ext.NativeWriter, *, key: str, bucket: str, uri: str) -> None:
        super().__init__()
        self.key = key
        self.bucket = bucket
        self.uri = uri
        self.result: PutResult | None = None
        self._native: _ext.NativeWriter | None = native
        self._position = 0
        abort_at_exit(native)

    def writable(self) -> bool:
        """True; ValueError when closed, as of Python's own files."""
        if self.closed:
            raise ClosedError("the writer is closed", operation="writable", uri=self.uri)
        return True

    def tell(self) -> int:
        """Bytes written; also of a closed writer, where they are what was stored."""
        return self._position

    def write(self, data: Any, /) -> int:
        """Append `data`: any contiguous memory, tensors included. Blocks while too much is on its way.

        Whole parts of a large piece go straight from that memory and are waited for; small pieces are copied.

        Returns:
            Bytes taken: all of them. The memory may be changed again.
        Raises:
            ClosedError: After close() or abort().
            ConcurrentUseError: While another thread's write is not over.
            StorageError: A part could not be sent; abort() is what remains.
        """
        size = self._size_of(data)
        self._begin_write(data).wait()
        self._position += size
        return size

    async def write_async(self, data: Any, /) -> int:
        """As write(). After a cancelled write only abort() makes sense."""
        from s3dlio_core.run.on_loop import result_of

        size = self._size_of(data)
        await result_of(self._begin_write(data))
        self._position += size
        return size

    def close(self) -> None:
        """Complete the object; harmless when closed or aborted.

        Raises:
            ConcurrentUseError: While another thread's write is not over; the writer stays open.
            StorageError: The object could not be completed; nothing is visible and nothing is left behind.
        """
        if pending := self._finish(_ext.NativeWriter.close):
            self.result = pending.wait()

    async def close_async(self) -> None:
        """As close()."""
        from s3dlio_core.run.on_loop import result_of

        if pending := self._finish(_ext.NativeWriter.close):
            self.result = await result_of(pending)

    def abort(self) -> None:
        """Give up: nothing becomes visible, and what was sent is removed. Harmless after close() or another abort()."""
        if pending := self._finish(_ext.NativeWriter.abort):
            pending.wait()

    async def abort_async(self) -> None:
        """As abort()."""
        from s3dlio_core.run.on_loop import result_of

        if pending := self._finish(_ext.NativeWriter.abort):
            await result_of(pending)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.abort()
        except Exception as failure:  # the block's error is what the caller must see
            error.add_note(f"besides, the upload could not be aborted: {failure}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.close_async()
            return
        try:
            await self.abort_async()
        except Exception as failure:
            error.add_note(f"besides, the upload could not be aborted: {failure}")

    def __del__(self) -> None:
        # The inherited one would close(), and so publish half an object. Dropping the engine's writer aborts it.
        self._native = None

    def __repr__(self) -> str:
        return f"ObjectWriter({self.uri!r}, {'closed' if self.closed else 'open'}, {self._position} bytes)"

    def _size_of(self, data: Any) -> int:
        try:
            return _ext.memory_size(data, "data")
        except StorageError as error:
            naming(error, "write", self.uri)
            raise

    def _begin_write(self, data: Any) -> _ext.Pending[None]:
        native = self._native
        if native is None:
            raise ClosedError("the writer is closed", operation="write", uri=self.uri)
        try:
            return native.write(data)
        except StorageError as error:
            naming(error, "write", self.uri)
            raise

    def _finish(self, end: Callable[[_ext.NativeWriter], _ext.Pending[T]]) -> _ext.Pending[T] | None:
        """What ends the writer, under way; None where it ended before."""
        pending = None
        if native := self._native:
            try:
                pending = end(native)
            except ConcurrentUseError as error:
                naming(error, "write", self.uri)
                raise
        self._native = None
        super().close()
        return pending
