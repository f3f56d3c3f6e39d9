"""One generation of an object: what was there when it was first looked at, and every read asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from s3dlio_core.errors import UnsupportedOperationError
from s3dlio_core.run.many import run
from s3dlio_core.run.steps import Steps
from s3dlio_core.store import Store

__all__ = ["Generation", "generation_of", "open_generation"]


@dataclass(frozen=True, slots=True)
class Generation:
    """What was there when an object was first looked at.

    Attributes:
        size: Bytes.
        etag: Every read of it asks for this generation.
    """

    store: Store
    key: str
    size: int
    etag: str

    @property
    def uri(self) -> str:
        """Whole URI of the object."""
        return self.store.uri_of(self.key)


def open_generation(store: Store, key: str) -> Generation:
    """The object's generation of now.

    Raises:
        ObjectNotFoundError: Nothing is stored at `key`.
        UnsupportedOperationError: The service gives no ETag: generations cannot be told apart.
    """
    return run(generation_of(store, key))


def generation_of(store: Store, key: str) -> Steps[Generation]:
    """As open_generation(), for a task."""
    meta = yield store._native().head(key, "")
    if not meta.etag:
        message = (
            "the service gives no ETag, so that tensors read one by one could come from different generations of the "
            "object; read it whole with get() and load it from memory, or download it"
        )
        raise UnsupportedOperationError(message, operation="open", uri=store.uri_of(key))
    return Generation(store, key, meta.size, meta.etag)
