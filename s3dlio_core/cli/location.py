"""Where a URI of the command line points: a store, and a key or the front of keys in it."""

from __future__ import annotations

from dataclasses import dataclass

from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.uri import parse_uri

__all__ = ["Location", "has_scheme", "locate"]


@dataclass(frozen=True)
class Location:
    """A place in a store: the bucket for s3, the folder that holds the last segment for files.

    `uri_of` undoes `locate`: the URI of any key of the same store.
    """

    scheme: str
    store_uri: str  # what open_store takes; keys are below it
    key: str  # "" for the store itself
    base: str  # what stands before a key in a URI

    def uri_of(self, key: str) -> str:
        """URI of the object under `key`."""
        return self.base + key

    @property
    def folder(self) -> str:
        """The key's front up to its last slash, e.g. "data/" of "data/a.bin"."""
        return self.key[: self.key.rfind("/") + 1]

    @property
    def name(self) -> str:
        """The key's last segment."""
        return self.key[len(self.folder) :]


def has_scheme(text: str) -> bool:
    """Whether `text` is a URI rather than a local path."""
    return "://" in text


def locate(uri: str) -> Location:
    """Take a URI apart. Keys are opaque: nothing in them is decoded or collapsed.

    Raises:
        InvalidArgumentError: No scheme, an unknown one, no bucket, or a relative path.
    """
    parsed = parse_uri(uri)
    if parsed.is_file:
        folder, slash, name = f"/{parsed.key}".rpartition("/")
        store_uri = f"{parsed.scheme}://{folder}{slash}"
        return Location(parsed.scheme, store_uri, name, store_uri)
    if not parsed.bucket:
        raise InvalidArgumentError(f'"{uri}" names no bucket; expected {parsed.scheme}://bucket/key')
    store_uri = f"{parsed.scheme}://{parsed.bucket}"
    return Location(parsed.scheme, store_uri, parsed.key, f"{store_uri}/")
