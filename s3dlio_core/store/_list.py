"""list, list_with_delimiter: what lies below a prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from s3dlio_core._ext import ListPage, ObjectMeta, Pending
from s3dlio_core.run.many import Steps, run, run_async
from s3dlio_core.store._put import PutVerbs
from s3dlio_core.values import ListResult

__all__ = ["ListVerbs"]


class ListVerbs(PutVerbs):
    """Listing. Keys ascend in the order of their UTF-8 bytes; prefixes are literal, never patterns."""

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[ObjectMeta]:
        """Every object whose key starts with `prefix`, one page read ahead.

        Args:
            prefix: Below the store's prefix; "" lists all of it.
            start_after: Only keys greater than this one.
        Raises:
            BucketNotFoundError, AccessDeniedError, CredentialsError: When the first object is asked for.
        """
        following: Pending[ListPage] | None = self._list_page(prefix, "", start_after or "", "")
        while following is not None:
            page = following.wait()
            token = page.continuation_token
            following = self._list_page(prefix, "", "", token) if token else None
            yield from page.objects

    async def list_async(self, prefix: str = "", *, start_after: str | None = None) -> AsyncIterator[ObjectMeta]:
        """As list(), for `async for`."""
        following: Pending[ListPage] | None = self._list_page(prefix, "", start_after or "", "")
        while following is not None:
            page = await self._awaited(following)
            token = page.continuation_token
            following = self._list_page(prefix, "", "", token) if token else None
            for meta in page.objects:
                yield meta

    def list_with_delimiter(self, prefix: str = "", *, delimiter: str = "/") -> ListResult:
        """What lies directly below `prefix`: keys that hold `delimiter` further on are folded into common prefixes.

        Args:
            prefix: "" or ending in the delimiter, as a folder's name does; anything else is matched literally too.
        """
        return run(self._list_folded(prefix, delimiter))

    async def list_with_delimiter_async(self, prefix: str = "", *, delimiter: str = "/") -> ListResult:
        """As list_with_delimiter()."""
        return await run_async(self._list_folded(prefix, delimiter))

    def _list_folded(self, prefix: str, delimiter: str) -> Steps[ListResult]:
        result = ListResult([], [])
        token = ""
        while True:
            page: ListPage = yield self._list_page(prefix, delimiter, "", token)
            result.objects.extend(page.objects)
            result.common_prefixes.extend(page.common_prefixes)
            token = page.continuation_token
            if not token:
                return result

    def _list_page(self, prefix: str, delimiter: str, start_after: str, token: str) -> Pending[ListPage]:
        return self._native().list_page(prefix, delimiter, start_after, token)
