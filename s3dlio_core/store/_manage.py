"""head, exists, delete, copy, buckets, sweep_uploads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from s3dlio_core._ext import BucketInfo, ListPage, ObjectMeta, Pending, PutResult
from s3dlio_core.errors import (
    DeleteError,
    InvalidArgumentError,
    ObjectNotFoundError,
    PreconditionError,
    UnsupportedOperationError,
    summary_of,
)
from s3dlio_core.run.many import Steps, run, run_async
from s3dlio_core.store._base import StoreBase
from s3dlio_core.store._list import ListVerbs
from s3dlio_core.store._put import put_options

__all__ = ["ManageVerbs"]

_DELETE_BATCH = 1000  # what one request to S3 may name; the engine splits where a service takes fewer


class ManageVerbs(ListVerbs):
    """Looking at, deleting and copying objects; buckets."""

    def head(self, key: str, *, version_id: str | None = None) -> ObjectMeta:
        """What the store knows about one object.

        Raises:
            ObjectNotFoundError: Nothing is stored under `key`.
        """
        return self._native().head(key, version_id or "").wait()

    async def head_async(self, key: str, *, version_id: str | None = None) -> ObjectMeta:
        """As head()."""
        return await self._awaited(self._native().head(key, version_id or ""))

    def exists(self, key: str) -> bool:
        """Whether something is stored under `key`. A bucket that does not exist is an error, not False."""
        try:
            self.head(key)
        except ObjectNotFoundError:
            return False
        return True

    async def exists_async(self, key: str) -> bool:
        """As exists()."""
        try:
            await self.head_async(key)
        except ObjectNotFoundError:
            return False
        return True

    def delete(self, keys: str | Iterable[str]) -> None:
        """Delete one object or many, in batches. A key with nothing stored under it is no error.

        Raises:
            DeleteError: Some could not be deleted: `.failures` names each with its error; the others are deleted.
        """
        run(self._delete(keys))

    async def delete_async(self, keys: str | Iterable[str]) -> None:
        """As delete()."""
        await run_async(self._delete(keys))

    def _delete(self, keys: str | Iterable[str]) -> Steps[None]:
        remaining: Iterator[str] = iter([keys] if isinstance(keys, str) else keys)
        failures: list[tuple[str, Exception]] = []
        asked = 0
        while batch := list(islice(remaining, _DELETE_BATCH)):
            asked += len(batch)
            failures += yield self._native().delete_many(batch)
        if isinstance(keys, str) and failures:
            raise failures[0][1]
        if failures:
            done = asked - len(failures)
            raise DeleteError(
                summary_of(failures, done), failures=failures, succeeded=done, operation="delete", uri=self.uri
            )

    def copy(
        self,
        source: str,
        key: str,
        *,
        source_store: StoreBase | None = None,
        source_version_id: str | None = None,
        source_if_match: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> PutResult:
        """Copy an object inside the service: its bytes do not pass through this machine.

        Args:
            source: Key of the object to copy, below its store's prefix.
            key: Where to.
            source_store: The store of `source`; None: this one. It must be of the same service.
            metadata: Replaces the source's (as do content_type and storage_class); None keeps it.
        Raises:
            ObjectNotFoundError: Nothing is stored under `source`.
            UnsupportedOperationError: The two stores are of different kinds; get and put instead.
        """
        return self._copy(
            source, key, source_store, source_version_id, source_if_match, content_type, metadata, storage_class,
            if_none_match, if_match,
        ).wait()  # fmt: skip

    async def copy_async(
        self,
        source: str,
        key: str,
        *,
        source_store: StoreBase | None = None,
        source_version_id: str | None = None,
        source_if_match: str | None = None,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        if_none_match: bool = False,
        if_match: str | None = None,
    ) -> PutResult:
        """As copy()."""
        return await self._awaited(
            self._copy(
                source,
                key,
                source_store,
                source_version_id,
                source_if_match,
                content_type,
                metadata,
                storage_class,
                if_none_match,
                if_match,
            )
        )

    def create_bucket(self) -> None:
        """Create this store's bucket; file stores: the root folder.

        Raises:
            ObjectExistsError: It exists. (us-east-1 answers that one's own exists with success.)
        """
        self._native().create_bucket().wait()

    async def create_bucket_async(self) -> None:
        """As create_bucket()."""
        await self._awaited(self._native().create_bucket())

    def delete_bucket(self) -> None:
        """Delete this store's bucket, which must be empty; file stores: the root folder.

        Some services delete a bucket with all that is in it, so the bucket is listed first.

        Raises:
            BucketNotFoundError: There is none.
            PreconditionError: Objects are in it; the message names one.
        """
        run(self._delete_bucket())

    async def delete_bucket_async(self) -> None:
        """As delete_bucket()."""
        await run_async(self._delete_bucket())

    def _delete_bucket(self) -> Steps[None]:
        if not self._location.is_file:
            # What is deleted is the bucket, of which this store may be a part.
            whole = (
                self
                if not self.prefix
                else type(self)(self._location._replace(key=""), self._tuning, self._given_options)
            )
            page: ListPage = yield whole._native().list_page("", "", "", "")
            if page.objects:
                message = f'objects are in it, such as "{page.objects[0].key}"; expected an empty bucket'
                raise PreconditionError(message, operation="delete_bucket", uri=whole.uri)
        yield self._native().delete_bucket()

    def list_buckets(self) -> list[BucketInfo]:
        """The account's buckets. Works on a store opened at "s3://" as well."""
        return self._list_buckets().wait()

    async def list_buckets_async(self) -> list[BucketInfo]:
        """As list_buckets()."""
        return await self._awaited(self._list_buckets())

    def sweep_uploads(self, prefix: str = "", *, older_than_seconds: float) -> int:
        """Abort unfinished multipart uploads below `prefix` (file stores: remove temporaries) that began long ago.

        Returns:
            How many.
        """
        return self._sweep(prefix, older_than_seconds).wait()

    async def sweep_uploads_async(self, prefix: str = "", *, older_than_seconds: float) -> int:
        """As sweep_uploads()."""
        return await self._awaited(self._sweep(prefix, older_than_seconds))

    def _list_buckets(self) -> Pending[list[BucketInfo]]:
        return self._native(needs_bucket=False).list_buckets()

    def _sweep(self, prefix: str, older_than_seconds: float) -> Pending[int]:
        if not older_than_seconds >= 0:
            message = f"older_than_seconds is {older_than_seconds}; expected 0 or more"
            raise InvalidArgumentError(message, operation="sweep_uploads", uri=self.uri)
        return self._native().sweep_uploads(prefix, math.ceil(older_than_seconds))

    def _copy(
        self,
        source: str,
        key: str,
        source_store: StoreBase | None,
        source_version_id: str | None,
        source_if_match: str | None,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        storage_class: str | None,
        if_none_match: bool,
        if_match: str | None,
    ) -> Pending[PutResult]:
        origin = self if source_store is None else source_store
        same_files = self._location.is_file and origin.uri == self.uri
        if not same_files and (origin.scheme != "s3" or self.scheme != "s3"):
            places = f"{origin.uri} and {self.uri}"
            message = f"a copy inside the service needs both objects in one; found {places}; get and put instead"
            raise UnsupportedOperationError(message, operation="copy", uri=self.uri_of(key))
        options = put_options(
            "copy", self.uri_of(key),
            content_type=content_type, metadata=metadata, storage_class=storage_class, if_none_match=if_none_match,
            if_match=if_match,
        )  # fmt: skip
        return self._native().copy(
            "" if origin.bucket == self.bucket else origin.bucket,
            source if same_files else origin.prefix + source,
            key,
            source_version_id or "",
            source_if_match or "",
            options,
        )
