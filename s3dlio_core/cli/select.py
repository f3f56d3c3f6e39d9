"""Which objects a command means: one key, what lies below a URI, what matches a pattern, what a key list names."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from s3dlio_core.cli.location import has_scheme, locate
from s3dlio_core.cli.options import compiled
from s3dlio_core.cli.session import Session

if TYPE_CHECKING:
    from s3dlio_core import ObjectMeta, Store

__all__ = ["Target", "from_keylist", "from_uri", "is_object", "sized"]


@dataclass(frozen=True)
class Target:
    """One object: where it is, what to call it, and how large it is where that is known."""

    store: Store
    key: str
    uri: str
    name: str  # relative to what was asked for: where a copy of it goes
    size: int | None = None
    etag: str = ""


def sized(target: Target, meta: ObjectMeta) -> Target:
    """`target` with the size and the version that `meta` tells."""
    return replace(target, size=meta.size, etag=meta.etag)


def is_object(store: Store, key: str) -> bool:
    """Whether there is an object of this very key; a folder of that name is none."""
    from s3dlio_core import IsADirectoryStorageError

    try:
        return store.exists(key)
    except IsADirectoryStorageError:
        return False


def from_uri(
    session: Session,
    uri: str,
    *,
    recursive: bool,
    pattern: str | None,
    with_size: bool = False,
    follow_link: bool = True,
) -> Iterator[Target]:
    """The object at `uri`; or, with `recursive` or `pattern`, the objects below it.

    "s3://b/data" and "s3://b/data/" have the same things below them, never "s3://b/database".

    Args:
        with_size: Ask for the size of a single object; listings tell it anyway.
        follow_link: Take a link to a file for that file, where it is named itself.
    """
    if not recursive and pattern is None:
        store, key = session.at(uri, follow_link=follow_link)
        target = Target(store, key, uri, locate(uri).name)
        yield sized(target, store.head(key)) if with_size else target
        return
    store, place = session.below(uri)
    matcher = compiled(pattern)
    front = place.as_folder
    objects = store.list(front) if recursive else iter(store.list_with_delimiter(front).objects)
    for meta in objects:
        name = meta.key[len(front) :]
        if matcher is None or matcher.search(name):
            yield Target(store, meta.key, place.uri_of(meta.key), name, meta.size, meta.etag)


def from_keylist(session: Session, path: str, base_uri: str | None) -> Iterator[Target]:
    """The objects named by a file, one a line: URIs, or keys below `base_uri`. "-" reads stdin; "#" starts a comment.

    Raises:
        OSError: The file cannot be read.
        ValueError: A line holds a key and there is no `base_uri`.
    """
    with open(sys.stdin.fileno() if path == "-" else path, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            name = line.rstrip("\r\n")
            if not name.strip() or name.startswith("#"):
                continue
            if not has_scheme(name) and base_uri is None:
                raise ValueError(f"{path}, line {number}: '{name}' is no URI; give the URI that keys are below")
            uri = name if has_scheme(name) else f"{(base_uri or '').rstrip('/')}/{name}"
            store, key = session.at(uri)
            yield Target(store, key, uri, key if has_scheme(name) else name)
