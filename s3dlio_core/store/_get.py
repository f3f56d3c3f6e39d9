"""get, get_range, get_into, get_ranges, get_many: reading objects into memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from s3dlio_core import _ext
from s3dlio_core._ext import Buffer, Pending
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.run.many import Steps, run_many, run_many_async
from s3dlio_core.store._base import StoreBase

__all__ = ["GetVerbs"]


class GetVerbs(StoreBase):
    """Reading. Every verb has a twin that resolves on the running asyncio loop.

    `if_match` (an etag) and `version_id` name one generation of an object; without them it is the newest.
    """

    def get(
        self,
        key: str,
        *,
        size: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
        verify: bool | None = None,
    ) -> Buffer:
        """Read a whole object into memory of the engine's.

        Args:
            key: Below the store's prefix, e.g. "epoch-3/shard-00012.tar".
            size: The object's size in bytes, where a listing told it: spares a request for large objects.
            verify: Compare with the stored checksum; None: as the store's tuning says.
        Returns:
            The bytes: uint8, shape [size], on the CPU, 4 KiB aligned.
        Raises:
            ObjectNotFoundError: Nothing is stored under `key`.
            PreconditionError: The object is not the one `if_match` names, or changed while it was read.
            ChecksumMismatchError: The bytes are not those that were stored, also when fetched again.
        """
        return self._get(key, size, if_match, version_id, verify).wait()

    async def get_async(
        self,
        key: str,
        *,
        size: int | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
        verify: bool | None = None,
    ) -> Buffer:
        """As get()."""
        return await self._awaited(self._get(key, size, if_match, version_id, verify))

    def _get(
        self, key: str, size: int | None, if_match: str | None, version_id: str | None, verify: bool | None
    ) -> Pending[Buffer]:
        if size is not None and size < 0:
            raise InvalidArgumentError(f"size is {size}; expected 0 or more", operation="get", uri=self.uri_of(key))
        return self._native().get(key, size, if_match or "", version_id or "", _verify_word(verify))

    def get_range(
        self,
        key: str,
        *,
        start: int,
        end: int | None,
        out: Any = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> Buffer | memoryview:
        """Read bytes [start, end) of one object.

        Args:
            start: First byte, from 0.
            end: One past the last byte, cut to the object's size if beyond it; None: the object's end.
            out: Writable memory of at least `end - start` bytes, e.g. a pinned uint8 tensor of shape [n]; filled
                without a copy. With end=None it is filled as far as the object goes.
        Returns:
            The bytes read: a Buffer, or with `out` a view of its front; uint8, shape [n], on the CPU.
        Raises:
            ObjectNotFoundError: Nothing is stored under `key`.
            RangeNotSatisfiableError: `start` lies past the object's end.
            InvalidArgumentError: `end <= start`, or `out` is too small, read-only, not contiguous, on an accelerator.
        """
        if out is None:
            return self._get_range(key, start, end, if_match, version_id).wait()
        return _front_of(out, self._get_range_into(key, start, end, out, if_match, version_id).wait())

    async def get_range_async(
        self,
        key: str,
        *,
        start: int,
        end: int | None,
        out: Any = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> Buffer | memoryview:
        """As get_range(). `out` is not written to any more once CancelledError surfaces."""
        if out is None:
            return await self._awaited(self._get_range(key, start, end, if_match, version_id))
        return _front_of(out, await self._awaited(self._get_range_into(key, start, end, out, if_match, version_id)))

    def _get_range(
        self, key: str, start: int, end: int | None, if_match: str | None, version_id: str | None
    ) -> Pending[Buffer]:
        self._check_range(key, start, end)
        return self._native().get_range(key, start, end, None, if_match or "", version_id or "", "")

    def _get_range_into(
        self, key: str, start: int, end: int | None, out: Any, if_match: str | None, version_id: str | None
    ) -> Pending[int]:
        self._check_range(key, start, end)
        limit = None if end is None else end - start
        return self._native().get_into(key, out, start, limit, if_match or "", version_id or "", "")

    def get_into(
        self,
        key: str,
        out: Any,
        *,
        offset: int = 0,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> int:
        """Fill memory of the caller's with an object's bytes from `offset` on, straight from the socket or the disk.

        Args:
            out: Any writable contiguous memory: bytearray, numpy array, torch tensor on the CPU of any dtype, mmap,
                Buffer.
            offset: First byte of the object, from 0.
        Returns:
            Bytes read: the size of `out`, less only where the object ends before.
        Raises:
            ObjectNotFoundError: Nothing is stored under `key`.
            RangeNotSatisfiableError: `offset` lies past the object's end.
            InvalidArgumentError: `out` is read-only, not contiguous, on an accelerator or requires grad.
            TypeError: `out` holds no memory at all.
        """
        return self._get_into(key, out, offset, if_match, version_id).wait()

    async def get_into_async(
        self,
        key: str,
        out: Any,
        *,
        offset: int = 0,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> int:
        """As get_into(). `out` is not written to any more once CancelledError surfaces."""
        return await self._awaited(self._get_into(key, out, offset, if_match, version_id))

    def _get_into(self, key: str, out: Any, offset: int, if_match: str | None, version_id: str | None) -> Pending[int]:
        if offset < 0:
            raise InvalidArgumentError(
                f"offset is {offset}; expected 0 or more", operation="get_into", uri=self.uri_of(key)
            )
        return self._native().get_into(key, out, offset, None, if_match or "", version_id or "", "")

    def get_ranges(
        self,
        key: str,
        ranges: Sequence[tuple[int, int]],
        *,
        out: Sequence[Any] | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> list[Buffer] | list[memoryview]:
        """Read several ranges of one object; near ones share a request.

        Args:
            ranges: (start, end) of each, as in get_range(), in any order; they may overlap.
            out: As many writable memories, each at least as large as its range; they must not overlap.
        Returns:
            The bytes of each range, in the caller's order: slices of one Buffer (each 64-byte aligned), or views of the
            fronts of `out`.
        Raises:
            As get_range().
        """
        if out is None:
            return self._get_ranges(key, ranges, if_match, version_id).wait()
        sizes = self._get_ranges_into(key, ranges, out, if_match, version_id).wait()
        return [_front_of(target, size) for target, size in zip(out, sizes, strict=True)]

    async def get_ranges_async(
        self,
        key: str,
        ranges: Sequence[tuple[int, int]],
        *,
        out: Sequence[Any] | None = None,
        if_match: str | None = None,
        version_id: str | None = None,
    ) -> list[Buffer] | list[memoryview]:
        """As get_ranges()."""
        if out is None:
            return await self._awaited(self._get_ranges(key, ranges, if_match, version_id))
        sizes = await self._awaited(self._get_ranges_into(key, ranges, out, if_match, version_id))
        return [_front_of(target, size) for target, size in zip(out, sizes, strict=True)]

    def _get_ranges(
        self, key: str, ranges: Sequence[tuple[int, int]], if_match: str | None, version_id: str | None
    ) -> Pending[list[Buffer]]:
        for start, end in ranges:
            self._check_range(key, start, end)
        return self._native().get_ranges(key, ranges, if_match or "", version_id or "", "")

    def _get_ranges_into(
        self,
        key: str,
        ranges: Sequence[tuple[int, int]],
        out: Sequence[Any],
        if_match: str | None,
        version_id: str | None,
    ) -> Pending[list[int]]:
        for start, end in ranges:
            self._check_range(key, start, end)
        if len(out) != len(ranges):
            message = f"{len(ranges)} ranges need as many destinations; found {len(out)}"
            raise InvalidArgumentError(message, operation="get_ranges", uri=self.uri_of(key))
        return self._native().get_ranges_into(key, ranges, out, if_match or "", version_id or "", "")

    def get_many(self, keys: Iterable[str], *, max_in_flight: int | None = None) -> list[Buffer]:
        """Read many whole objects, several at once, with one wait.

        Args:
            max_in_flight: Most objects asked for at once; None: as many as the store may have connections.
        Returns:
            One Buffer an object, in the order of `keys`.
        Raises:
            StorageError: The first failure; the others are taken back.
        """
        return run_many(self._get_each(keys), self._limit("get_many", max_in_flight))

    async def get_many_async(self, keys: Iterable[str], *, max_in_flight: int | None = None) -> list[Buffer]:
        """As get_many()."""
        return await run_many_async(self._get_each(keys), self._limit("get_many", max_in_flight))

    def _get_each(self, keys: Iterable[str]) -> Iterable[Steps[Buffer]]:
        native = self._native()

        def one(key: str) -> Steps[Buffer]:
            buffer: Buffer = yield native.get(key, None, "", "", "")
            return buffer

        return map(one, keys)

    def _limit(self, operation: str, max_in_flight: int | None) -> int:
        if max_in_flight is None:
            return self.tuning.max_connections
        if max_in_flight < 1:
            message = f"max_in_flight is {max_in_flight}; expected at least 1"
            raise InvalidArgumentError(message, operation=operation, uri=self.uri)
        return max_in_flight

    def _check_range(self, key: str, start: int, end: int | None) -> None:
        if start < 0 or (end is not None and end <= start):
            message = f"the range [{start}, {end}) holds no bytes; expected 0 <= start < end"
            raise InvalidArgumentError(message, operation="get_range", uri=self.uri_of(key))


def _verify_word(verify: bool | None) -> str:
    return "" if verify is None else "when_supported" if verify else "never"


def _front_of(out: Any, size: int) -> memoryview:
    # Through a window of ours: a tensor has no memoryview of its own.
    return _ext.window(out, size)
