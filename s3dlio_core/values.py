"""What stores take and give, beside the engine's own ObjectMeta, PutResult and BucketInfo."""

from __future__ import annotations

from dataclasses import dataclass

from s3dlio_core._ext import ObjectMeta

__all__ = ["FetchItem", "ListResult"]


@dataclass(frozen=True, slots=True)
class FetchItem:
    """One object, or bytes [start, end) of it, to be read ahead.

    Attributes:
        key: Below the store's prefix.
        size: Bytes of the object, from a listing; None: unknown.
        start: First byte, from 0.
        end: One past the last byte; None: to the object's end.
        etag: Of the generation that is meant; PreconditionError where another is there by now. "": whatever is there.
    """

    key: str
    size: int | None = None
    start: int = 0
    end: int | None = None
    etag: str = ""


@dataclass(frozen=True, slots=True)
class ListResult:
    """What lies directly below a prefix.

    Attributes:
        objects: Ascending by key.
        common_prefixes: The "folders", each with the delimiter at its end, ascending.
    """

    objects: list[ObjectMeta]
    common_prefixes: list[str]
