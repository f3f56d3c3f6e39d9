"""The one step that makes a checkpoint exist: a conditional write of its metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from s3dlio_core.checkpoint import fault_points
from s3dlio_core.checkpoint.names import is_data_key
from s3dlio_core.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    CheckpointError,
    CredentialsError,
    InvalidArgumentError,
    LocalIOError,
    NoSpaceError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionError,
    StorageError,
    UnsupportedOperationError,
)
from s3dlio_core.store import Store

__all__ = ["Commit", "remove_objects"]

# After these nothing was written, for certain.
_REFUSED = (
    AccessDeniedError,
    BucketNotFoundError,
    CredentialsError,
    InvalidArgumentError,
    NoSpaceError,
    UnsupportedOperationError,
)


class Commit:
    """What will be replaced, looked at before the save begins, and the write that replaces it.

    Args:
        store: At the checkpoint.
        key: Of the metadata, below it.
        conditional: False writes without a condition, for services that know none: the last of two writers wins then.
    Attributes:
        previous: The metadata's bytes as they are now; None: there is none.
        refused: After publish() failed: whether nothing was written, for certain.
    """

    def __init__(self, store: Store, key: str, *, conditional: bool = True) -> None:
        self._store = store
        self._key = key
        self._conditional = conditional
        self.refused = False
        self.previous: bytes | None = None
        self._etag: str | None = None
        with contextlib.suppress(ObjectNotFoundError, BucketNotFoundError):
            self._look()

    def _look(self) -> None:
        for attempt in range(3):
            etag = self._store.head(self._key).etag
            try:
                # One generation: the bytes are those of the etag.
                data = bytes(self._store.get(self._key, if_match=etag))
            except PreconditionError:
                if attempt == 2:
                    raise
                continue
            self.previous, self._etag = data, etag
            return

    def publish(self, data: bytes) -> None:
        """Write the metadata.

        Raises:
            CheckpointError: Somebody else wrote it meanwhile; nothing was changed.
            StorageError: It could not be written, or nobody knows whether it was; see `refused`.
        """
        conditions = {"if_none_match": self._etag is None, "if_match": self._etag} if self._conditional else {}
        try:
            self._store.put(self._key, data, **conditions)  # type: ignore[arg-type]
        except (ObjectExistsError, PreconditionError) as error:
            # The service may have carried out a first request whose answer was lost, and refused its repetition.
            if self._holds(data):
                return
            self.refused = True
            found = "was written" if self._etag is None else "was replaced"
            raise CheckpointError(
                f"the checkpoint {found} by somebody else while this save ran; it was left as it is. "
                "Two jobs writing to one URI are the likely cause",
                operation="save",
                uri=self._store.uri_of(self._key),
            ) from error
        except _REFUSED:
            self.refused = True
            raise
        except LocalIOError:
            raise  # perhaps in place and perhaps not durable: neither a success nor a reason to remove anything
        except StorageError:
            if not self._holds(data):
                raise

    def _holds(self, data: bytes) -> bool:
        """Whether what is stored is `data`, which no other save can have written: it holds random names."""
        try:
            return bytes(self._store.get(self._key)) == data
        except StorageError:
            return False


def remove_objects(store: Store, keys: Iterable[str]) -> Exception | None:
    """Remove data objects, as far as possible; anything else among `keys` is left.

    Returns:
        Why some are still there; None: none is.
    """
    wanted = sorted({key for key in keys if is_data_key(key)})
    fault_points.reach("before-clean-up")
    try:
        store.delete(wanted)
    except StorageError as error:
        return error
    fault_points.reach("after-clean-up")
    return None
