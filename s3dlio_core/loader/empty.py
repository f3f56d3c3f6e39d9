"""A place without samples, and what lies near it: a typo, a slash too many, or the URI of a single object."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from s3dlio_core.errors import (
    BucketNotFoundError,
    NotADirectoryStorageError,
    ObjectNotFoundError,
    StorageError,
)
from s3dlio_core.store import Store, open_store
from s3dlio_core.uri import Uri, parse_uri

__all__ = ["explained", "no_samples"]

_MOST_NEIGHBOURS = 5
_REMEDY = "allow_empty=True accepts a data set without samples"


def no_samples(store: Store, start: str, found: str, options: dict[str, Any]) -> ObjectNotFoundError:
    """The error for a prefix that was listed and has no samples.

    Args:
        start: What the listed keys begin with in `store`.
        found: What there is instead; "": nothing.
        options: Of open_store(), for a look around.
    """
    uri = store.uri + start
    message = found or f"nothing lies there{_near(parse_uri(uri), options)}"
    return ObjectNotFoundError(f"no samples: {message}; {_REMEDY}", operation="list", uri=uri)


def explained(error: StorageError, uri: str, options: dict[str, Any]) -> StorageError:
    """`error`, which listing `uri` raised, with what lies near where that helps."""
    place = parse_uri(uri)
    if isinstance(error, NotADirectoryStorageError):
        error = NotADirectoryStorageError(f"{error.message}; for single files: from_objects([...])", uri=uri)
    elif isinstance(error, BucketNotFoundError) and place.is_file:
        message = error.message + _near(place, options)
        error = BucketNotFoundError(message, operation=error.operation, uri=error.uri)
    return error


def _near(place: Uri, options: dict[str, Any]) -> str:
    """What to say of the neighbours of a place where nothing lies; "" if they cannot be seen."""
    wanted = place.key.rstrip("/")
    try:
        names = next((names for names in _levels(place, wanted, options) if names), [])
    except StorageError:  # what is forbidden there, or fails, is not what the caller asked for
        return ""
    if wanted in names:
        single = str(place._replace(key=wanted))
        return f", but {single} is an object; for single objects: from_objects([{single!r}])"
    if not names:
        return "" if place.is_file else ", nor anywhere in the bucket"
    likeness = difflib.SequenceMatcher(b=place.key)

    def unlikeness(name: str) -> float:
        likeness.set_seq1(name)
        return -likeness.ratio()

    chosen = sorted(names, key=unlikeness)[:_MOST_NEIGHBOURS]
    more = ", ..." if len(names) > len(chosen) else ""
    return "; near it: " + ", ".join(str(place._replace(key=name)) for name in chosen) + more


def _levels(place: Uri, wanted: str, options: dict[str, Any]) -> Iterator[list[str]]:
    """Whole keys and folders: those that begin as `wanted` does, then the contents of each folder above it."""
    if not place.is_file and wanted:
        yield _page(place, "", wanted, options)
    while wanted:
        wanted = wanted.rpartition("/")[0]
        yield _page(place, wanted and wanted + "/", "", options)


def _page(place: Uri, folder: str, start: str, options: dict[str, Any]) -> list[str]:
    """The first of what lies directly below a folder, at most a page."""
    try:
        store = open_store(str(place._replace(key=folder)), **options)
        found = store._list_page(start, "/", "", "").wait()
    except BucketNotFoundError:
        if not place.is_file:
            raise
        return []  # a folder that is missing too
    except NotADirectoryStorageError:
        return []
    return [folder + name for name in [*found.common_prefixes, *(meta.key for meta in found.objects)] if name]
