"""get_many_into: a batch of objects, or of ranges of them, each to its place in one piece of memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from s3dlio_core._ext import ObjectMeta, Pending
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.store._manage import ManageVerbs
from s3dlio_core.values import FetchItem

__all__ = ["GetManyVerbs", "ItemLike"]

ItemLike = str | tuple[str, int | None] | ObjectMeta | FetchItem


class GetManyVerbs(ManageVerbs):
    """Batches."""

    def get_many_into(self, items: Iterable[ItemLike], out: Any, offsets: Sequence[int]) -> list[int]:
        """Read many objects, or ranges of them, into one piece of memory, in one call of the engine's.

        As many are asked for at once as the store may have connections; ranges of one object that lie near each other
        share a request.

        Args:
            items: Keys; or (key, size), ObjectMeta of a listing, or FetchItem.
            out: Writable contiguous memory, e.g. a pinned uint8 tensor of shape [n]; filled without a copy.
            offsets: In bytes, ascending, one more than there are items: item i goes to
                `out[offsets[i]:offsets[i + 1]]`, which must be as large as the object or range, to the byte.
        Returns:
            Bytes read of each item: the sizes of their places.
        Raises:
            ObjectNotFoundError: Nothing is stored under one of the keys.
            PreconditionError: An object is shorter or longer than its place: it is not the one that was listed.
            InvalidArgumentError: Places that do not fit `out` or the items.
            StorageError: The first failure, with its URI; the others are taken back, and nothing writes to `out` any
                more. What `out` holds then is unspecified.
        """
        return self._get_many_into(items, out, offsets).wait()

    async def get_many_into_async(self, items: Iterable[ItemLike], out: Any, offsets: Sequence[int]) -> list[int]:
        """As get_many_into(). `out` is not written to any more once CancelledError surfaces."""
        return await self._awaited(self._get_many_into(items, out, offsets))

    def _get_many_into(self, items: Iterable[ItemLike], out: Any, offsets: Sequence[int]) -> Pending[list[int]]:
        wanted = [self._fetch_item(item, "get_many_into") for item in items]
        return self._native().get_many_into(wanted, out, list(offsets), self.tuning.max_connections)

    def _fetch_item(self, item: ItemLike, operation: str) -> tuple[str, int | None, int, int, str]:
        """Key, size, first byte, one past the last (0: to the object's end), etag."""
        if isinstance(item, str):
            return item, None, 0, 0, ""
        if isinstance(item, ObjectMeta):
            return item.key, item.size, 0, 0, ""
        if isinstance(item, FetchItem):
            if item.start < 0 or (item.end is not None and item.end <= item.start):
                message = f"the range [{item.start}, {item.end}) holds no bytes; expected 0 <= start < end"
                raise InvalidArgumentError(message, operation=operation, uri=self.uri_of(item.key))
            return item.key, item.size, item.start, item.end or 0, item.etag
        key, size = item
        return key, size, 0, 0, ""
