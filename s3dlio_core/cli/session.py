"""One run of the program: which account and endpoint it talks to, how much it says, and the stores it opened."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s3dlio_core.cli.location import Location, locate
from s3dlio_core.uri import FILE_SCHEMES

if TYPE_CHECKING:
    from s3dlio_core import Store

__all__ = ["Session"]


@dataclass(frozen=True)
class Session:
    """Connection options as given on the command line; None leaves one to the environment."""

    endpoint_url: str | None = None
    region: str | None = None
    profile: str | None = None
    ca_bundle: str | None = None
    no_sign_request: bool = False
    verbosity: int = 0
    env_file: str | None = None
    _stores: dict[str, Store] = field(default_factory=dict, repr=False, compare=False)

    def store_options(self, scheme: str) -> dict[str, Any]:
        """Keyword arguments of open_store for stores of `scheme`."""
        if scheme != "s3":
            return {}
        given = {
            "endpoint_url": self.endpoint_url,
            "region": self.region,
            "profile": self.profile,
            "ca_bundle": self.ca_bundle,
            "unsigned_access": self.no_sign_request or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def open(self, store_uri: str) -> Store:
        """The store at `store_uri`, opened once."""
        if store_uri not in self._stores:
            from s3dlio_core import open_store

            self._stores[store_uri] = open_store(store_uri, **self.store_options(store_uri.split("://")[0]))
        return self._stores[store_uri]

    def open_bucket(self, uri: str) -> Store:
        """The store that `uri` names as a whole: a bucket, or a folder."""
        place = locate(uri)
        if place.scheme == "s3" and place.key:
            raise ValueError(f"'{uri}' has a key; expected a bucket: {place.store_uri}")
        return self.open(place.store_uri if place.scheme == "s3" else uri)

    def at(self, uri: str, *, follow_link: bool = True) -> tuple[Store, str]:
        """The store that holds one object, and the object's key in it.

        Args:
            follow_link: Take a link for what it leads to, as reading does; the store itself follows none.
        Raises:
            ValueError: `uri` names a store or a folder, not an object.
        """
        store, key = self.at_or_below(uri, follow_link=follow_link)
        if not key:
            raise ValueError(f"'{uri}' names no object; expected a key behind it")
        return store, key

    def at_or_below(self, uri: str, *, follow_link: bool = True) -> tuple[Store, str]:
        """As at(); the key is "" where `uri` names a store or a folder."""
        scheme, _, path = uri.partition("://")
        if follow_link and scheme in FILE_SCHEMES and os.path.islink(path):
            uri = f"{scheme}://{os.path.realpath(path)}"
        place = locate(uri)
        return self.open(place.store_uri), place.key

    def below(self, uri: str) -> tuple[Store, Location]:
        """The store to list for what lies below `uri`, and where in it that is."""
        place = locate(uri)
        return self.open(place.store_uri), place

    def into(self, folder_uri: str) -> tuple[Store, str]:
        """The store in which `folder_uri` is a folder, and the front of the keys of what is in it."""
        place = locate(folder_uri if folder_uri.endswith("/") else f"{folder_uri}/")
        return self.open(place.store_uri), place.key

    def create_bucket(self, store_uri: str) -> bool:
        """Create a bucket, or for files a folder. Gives whether it is new: one that is ours already is no error."""
        from s3dlio_core import ObjectExistsError

        try:
            self.open_bucket(store_uri).create_bucket()
        except ObjectExistsError as error:
            if error.service_code == "BucketAlreadyExists":  # somebody else's
                raise
            return False
        return True

    def create_bucket_of(self, uri: str) -> None:
        """Create the bucket that `uri` lies in; nothing to do for files, whose folders come by themselves."""
        place = locate(uri)
        if place.scheme == "s3":
            self.create_bucket(place.store_uri)

    @contextlib.contextmanager
    def logging(self) -> Iterator[None]:
        """Log lines of the library on stderr: warnings, with -v information, with -vv every request."""
        level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(self.verbosity, 2)]
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger = logging.getLogger("s3dlio_core")
        logger.addHandler(handler)
        logger.setLevel(level)
        try:
            yield
        finally:
            if self.verbosity:
                from s3dlio_core.process import service

                service.drain()  # lines that wait; the handler stays for those of the end

    def close(self) -> None:
        """Close every store that was opened for a command."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
