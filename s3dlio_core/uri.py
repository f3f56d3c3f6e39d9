"""Names of stores and objects. Keys are opaque: nothing in a URI is decoded, collapsed or normalised."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from s3dlio_core.errors import InvalidArgumentError

__all__ = ["SCHEMES", "Uri", "parse_uri", "split_object_uri", "uri_of_path", "uri_text"]

SCHEMES = ("direct", "file", "s3")
FILE_SCHEMES = ("direct", "file")
# What pathlib makes of "s3://bucket/key" and "file:///path": Path("s3://bucket/key") is "s3:/bucket/key".
_COLLAPSED = re.compile(rf"({'|'.join(SCHEMES)}):/(?!/)")


class Uri(NamedTuple):
    """A URI's parts. For file stores the bucket is "" and the key is the path without its first slash."""

    scheme: str
    bucket: str
    key: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    @property
    def is_file(self) -> bool:
        """Whether it names a file store: file:// or direct://."""
        return self.scheme in FILE_SCHEMES


def uri_text(uri: str | os.PathLike[str]) -> str:
    """A URI as text; one that went through pathlib, which joins its slashes, as the URI it was.

    A slash at its end is lost there for good.
    """
    text = os.fspath(uri)
    collapsed = _COLLAPSED.match(text)
    if collapsed is None:
        return text
    scheme, rest = collapsed[1], text[collapsed.end() :]
    return f"{scheme}:///{rest}" if scheme in FILE_SCHEMES else f"{scheme}://{rest}"


def uri_of_path(where: str | os.PathLike[str]) -> str:
    """As uri_text(); a local path becomes its file URI, with the slash at its end, where there is one."""
    text = uri_text(where)
    if "://" in text:
        return text
    return f"file://{os.path.abspath(text)}{'/' if text.endswith('/') and text.strip('/') else ''}"


def parse_uri(uri: str | os.PathLike[str]) -> Uri:
    """Take a URI apart.

    Args:
        uri: "s3://bucket/key", "file:///absolute/path" or "direct:///absolute/path"; or a Path made of one.
    Raises:
        InvalidArgumentError: No scheme, an unknown one, or a relative path.
    """
    text = uri_text(uri)
    scheme, separator, rest = text.partition("://")
    expected = "expected s3://bucket/key, file:///path or direct:///path"
    if not separator:
        hint = f"; for a local path: file://{os.path.abspath(text)}" if text.startswith(("/", ".", "~")) else ""
        raise InvalidArgumentError(f'"{text}" is no URI; {expected}{hint}')
    if scheme not in SCHEMES:
        raise InvalidArgumentError(f'"{text}" has the scheme "{scheme}"; {expected}')
    if scheme in FILE_SCHEMES:
        if not rest.startswith("/"):
            raise InvalidArgumentError(f'"{text}" is not absolute; expected three slashes: {scheme}:///path')
        if "\0" in rest:
            raise InvalidArgumentError(f"{text!r} contains a NUL, which no path can")
        return Uri(scheme, "", rest[1:])
    bucket, _, key = rest.partition("/")
    if key and not bucket:
        raise InvalidArgumentError(f'"{text}" names no bucket; {expected}')
    return Uri(scheme, bucket, key)


def split_object_uri(uri: str | os.PathLike[str]) -> tuple[str, str]:
    """The URI of the store that holds an object, and the object's key in it.

    A file's store is the folder it lies in; an s3 object's is the whole bucket.

    Raises:
        InvalidArgumentError: As parse_uri.
    """
    parsed = parse_uri(uri)
    if not parsed.is_file:
        return f"{parsed.scheme}://{parsed.bucket}/", parsed.key
    folder, _, name = f"/{parsed.key}".rpartition("/")
    return f"{parsed.scheme}://{folder}/", name
