"""The stores behind the URIs of one call: opened once each, closed together."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Any, Self

from s3dlio_core import Store, Tuning, open_store, parse_uri
from s3dlio_core.errors import InvalidArgumentError, ObjectNotFoundError
from s3dlio_core.uri import split_object_uri, uri_of_path
from s3dlio_core.verbs import store_at

__all__ = ["Stores"]


class Stores:
    """Stores by URI. Without options and tuning they are the ones the verbs keep, which stay open.

    Args:
        options: As open_store() takes them; None counts as not given.
        remote_only: The options are those of a client of remote stores, set once for whatever comes: places on this
            machine's disks are opened without them.
    """

    def __init__(self, tuning: Tuning | None, options: dict[str, Any], *, remote_only: bool = False) -> None:
        self._tuning = tuning
        self._remote_only = remote_only
        self._options = {name: value for name, value in options.items() if value is not None}
        self._opened: dict[str, Store] = {}

    def at(self, uri: str | os.PathLike[str], operation: str) -> tuple[Store, str]:
        """The store that holds the object, and its key there. What has no scheme is a local path.

        A link to a file in another folder is followed, since the caller named that very file: caches of downloaded
        models consist of such links.

        Raises:
            InvalidArgumentError: The URI makes no sense, or names a folder.
        """
        location = parse_uri(uri_of_path(uri))
        if not location.key or location.key.endswith("/"):
            raise InvalidArgumentError("the URI names no object", operation=operation, uri=str(location))
        if location.is_file and os.path.islink("/" + location.key):
            location = location._replace(key=os.path.realpath("/" + location.key)[1:])
        return self._store_of(str(location))

    def names_in(self, folder_uri: str, operation: str) -> list[str]:
        """The names directly below a folder (its URI ends in a slash), ascending.

        Raises:
            ObjectNotFoundError: There is no such folder on this disk. Other stores have none: the list is empty.
        """
        location = parse_uri(folder_uri)
        if location.is_file:
            # The engine lists no links that lead out of a folder; these are named by whoever may read them anyway.
            try:
                return sorted(os.listdir("/" + location.key))
            except FileNotFoundError as error:
                raise ObjectNotFoundError("there is no such folder", operation=operation, uri=folder_uri) from error
        store, prefix = self._store_of(folder_uri)
        return [meta.key[len(prefix) :] for meta in store.list_with_delimiter(prefix).objects]

    def _store_of(self, uri: str) -> tuple[Store, str]:
        options = {} if self._remote_only and parse_uri(uri).is_file else self._options
        if self._tuning is None and not options:
            return store_at(uri)
        store_uri, key = split_object_uri(uri)
        if store_uri not in self._opened:
            self._opened[store_uri] = open_store(store_uri, tuning=self._tuning, **options)
        return self._opened[store_uri], key

    def close(self) -> None:
        """Close those that were opened here."""
        for store in self._opened.values():
            store.close()
        self._opened.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
