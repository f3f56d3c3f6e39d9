"""put, put_many, open_writer: storing objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from s3dlio_core._ext import PutOptions, PutResult
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.run.many import Steps, run_many, run_many_async
from s3dlio_core.store._get import GetVerbs
from s3dlio_core.store._writer import ObjectWriter

__all__ = ["PutVerbs", "put_options"]


def put_options(
    operation: str,
    uri: str,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    content_encoding: str | None = None,
    cache_control: str | None = None,
    content_disposition: str | None = None,
    if_none_match: bool = False,
    if_match: str | None = None,
    part_size: int | None = None,
    expected_size: int | None = None,
) -> PutOptions:
    """The engine's form of what put(), open_writer() and copy() are told; `operation` and `uri` are for messages."""
    if if_none_match and if_match:
        message = "if_none_match (create only) and if_match (replace only) exclude each other"
        raise InvalidArgumentError(message, operation=operation, uri=uri)
    for name, value in (("part_size", part_size), ("expected_size", expected_size)):
        if value is not None and value < (name == "part_size"):
            message = f"{name} is {value}; expected a positive number of bytes"
            raise InvalidArgumentError(message, operation=operation, uri=uri)
    options = PutOptions()
    options.if_none_match = if_none_match
    options.if_match = if_match or ""
    options.content_type = content_type or ""
    options.metadata = dict(metadata or {})
    options.storage_class = storage_class or ""
    options.content_encoding = content_encoding or ""
    options.cache_control = cache_control or ""
    options.content_disposition = content_disposition or ""
    options.part_size = part_size
    options.expected_size = expected_size
    return options


class PutVerbs(GetVerbs):
    """Writing. An object appears as a whole or not at all, and replaces what was there."""

    def put(
        self,
        key: str,
        data: Any,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        content_encoding: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
        part_size: int | None = None,
    ) -> PutResult:
        """Store an object, sent from the caller's own memory.

        Args:
            data: Any contiguous memory: bytes, numpy array, torch tensor on the CPU of any dtype, Buffer, mmap. It must
                not change before this returns.
            metadata: Names and values kept with the object.
            if_none_match: Create only.
            if_match: Replace only the object with this etag.
            part_size: Bytes of a part of a large object; None: as the store's tuning says.
        Raises:
            ObjectExistsError: `if_none_match`, and something is there.
            PreconditionError: `if_match`, and something else is there; or a race with another writer was lost twice.
            InvalidArgumentError: `data` is not contiguous, on an accelerator or requires grad; a header value with a
                line break.
            TypeError: `data` holds no memory at all, or is a str.
            IntegrityError: What the service stored is not what was sent.
        """
        options = put_options(
            "put", self.uri_of(key),
            content_type=content_type, metadata=metadata, storage_class=storage_class,
            content_encoding=content_encoding, cache_control=cache_control, content_disposition=content_disposition,
            if_none_match=if_none_match, if_match=if_match, part_size=part_size,
        )  # fmt: skip
        return self._native().put(key, data, options).wait()

    async def put_async(
        self,
        key: str,
        data: Any,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        content_encoding: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
        part_size: int | None = None,
    ) -> PutResult:
        """As put(). `data` may change again once CancelledError surfaces."""
        options = put_options(
            "put", self.uri_of(key),
            content_type=content_type, metadata=metadata, storage_class=storage_class,
            content_encoding=content_encoding, cache_control=cache_control, content_disposition=content_disposition,
            if_none_match=if_none_match, if_match=if_match, part_size=part_size,
        )  # fmt: skip
        return await self._awaited(self._native().put(key, data, options))

    def put_many(self, items: Iterable[tuple[str, Any]], *, max_in_flight: int | None = None) -> list[PutResult]:
        """Store many objects, several at once, with one wait.

        Args:
            items: (key, data) of each; drawn from only as places become free, so it may be a generator.
            max_in_flight: Most objects sent at once; None: as many as the store may have connections.
        Returns:
            One result an object, in their order.
        Raises:
            StorageError: The first failure; the others under way are taken back, the finished ones stay.
        """
        return run_many(self._put_each(items), self._limit("put_many", max_in_flight))

    async def put_many_async(
        self, items: Iterable[tuple[str, Any]], *, max_in_flight: int | None = None
    ) -> list[PutResult]:
        """As put_many()."""
        return await run_many_async(self._put_each(items), self._limit("put_many", max_in_flight))

    def _put_each(self, items: Iterable[tuple[str, Any]]) -> Iterable[Steps[PutResult]]:
        native, options = self._native(), put_options("put_many", self.uri)

        def one(item: tuple[str, Any]) -> Steps[PutResult]:
            key, data = item
            result: PutResult = yield native.put(key, data, options)
            return result

        return map(one, items)

    def open_writer(
        self,
        key: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        content_encoding: str | None = None,
        cache_control: str | None = None,
        content_disposition: str | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
        part_size: int | None = None,
        expected_size: int | None = None,
    ) -> ObjectWriter:
        """Write an object piece by piece; nothing is visible before close().

        Args:
            expected_size: About how many bytes will come: sizes the parts, all alike. Without it they grow above 1,000
                parts, unless the service takes only equal ones (Tuning.equal_parts). The rest as in put().
        Returns:
            A raw binary file to write to; a context manager that aborts when its block raises.
        """
        options = put_options(
            "open_writer", self.uri_of(key),
            content_type=content_type, metadata=metadata, storage_class=storage_class,
            content_encoding=content_encoding, cache_control=cache_control, content_disposition=content_disposition,
            if_none_match=if_none_match, if_match=if_match, part_size=part_size, expected_size=expected_size,
        )  # fmt: skip
        return ObjectWriter(self._native().open_writer(key, options), key=key, bucket=self.bucket, uri=self.uri_of(key))
