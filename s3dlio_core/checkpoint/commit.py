"""The one step that makes a checkpoint exist: a conditional write of its metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from s3dlio_core.checkpoint import fault_points
from s3dlio_core.checkpoint.names import is_data_key
from s3dlio_core.errors import (
    BucketNotFoundError,
    CheckpointError,
    LocalIOError,
    ObjectExistsError,
    ObjectNotFoundError,
    PreconditionError,
    StorageError,
    UnsupportedOperationError,
)
from s3dlio_core.store import Store

__all__ = ["Commit", "is_in_doubt", "remove_objects"]

_IN_DOUBT = "commit_in_doubt"  # travels with a pickled exception, as every attribute of it does
_SWITCH = "conditional_commit=False saves without a condition; of two jobs saving to one URI the last one wins then"


class Commit:
    """What will be replaced, looked at before the save begins, and the write that replaces it.

    Args:
        store: At the checkpoint.
        key: Of the metadata, below it.
        conditional: False writes without a condition, for services that know none: the last of two writers wins then.
    Attributes:
        previous: The metadata's bytes as they are now; None: there is none.
        refused: After publish() failed: whether nothing was written, for certain, and nothing will be.
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
        """Write the metadata. What is raised answers is_in_doubt(): whether it may have been written all the same.

        Raises:
            CheckpointError: Somebody else wrote it meanwhile; nothing was changed.
            UnsupportedOperationError: The service knows no conditional writes.
            StorageError: It could not be written, or nobody knows whether it was; see `refused`.
        """
        try:
            self._store.put(self._key, data, **self._conditions())  # type: ignore[arg-type]
        except StorageError as error:
            self._judge(error, data)
        except BaseException as error:  # Ctrl-C while it was under way
            vars(error)[_IN_DOUBT] = True
            raise

    def _conditions(self) -> dict[str, object]:
        if not self._conditional:
            return {}
        if self._etag == "":
            self.refused = True
            message = "the service gives no etag, so that a checkpoint cannot be replaced under a condition"
            raise UnsupportedOperationError(
                f"{message}; {_SWITCH}", operation="save", uri=self._store.uri_of(self._key)
            )
        return {"if_none_match": self._etag is None, "if_match": self._etag}

    def _judge(self, error: StorageError, data: bytes) -> None:
        """Raise `error` with what it means for the checkpoint, unless `data` is in place after all."""
        stored, unread = self._stored() if error.may_have_taken_effect else (None, None)
        if error.may_have_taken_effect and stored == data:  # no other save can have written it: it holds random names
            if not isinstance(error, LocalIOError):
                return  # the answer was lost, and what came of a repetition does not matter
            vars(error)[_IN_DOUBT] = True
            error.message += "; the new checkpoint is in place, and the objects of the one it replaced are kept"
            raise error
        if isinstance(error, (ObjectExistsError, PreconditionError)):
            # Where something else is stored by now, the condition keeps a late request of ours from being carried out.
            self.refused = not error.may_have_taken_effect or (unread is None and stored not in (None, self.previous))
            if self.refused:
                raise self._lost_race() from error
        self.refused = not error.may_have_taken_effect
        if not self.refused:
            vars(error)[_IN_DOUBT] = True
            error.message += f"; {self._what_stands(stored, unread)}"
        elif self._conditional and isinstance(error, UnsupportedOperationError):
            error.message += f"; {_SWITCH}"
        raise error

    def _lost_race(self) -> CheckpointError:
        found = "was written" if self._etag is None else "was replaced"
        return CheckpointError(
            f"the checkpoint {found} by somebody else while this save ran; it was left as it is. "
            "Two jobs writing to one URI are the likely cause",
            operation="save",
            uri=self._store.uri_of(self._key),
        )

    def _what_stands(self, stored: bytes | None, unread: StorageError | None) -> str:
        if unread is not None:
            found = f"it cannot be read back either ({unread})"
        elif stored is None:
            found = "there is no checkpoint so far"
        elif stored == self.previous:
            found = "the earlier checkpoint is still there"
        else:
            found = "another checkpoint is there"
        return (
            f"the metadata may have been written, or may still be: {found}. The objects of this save and of the "
            "checkpoint it was to replace are kept; sweep() removes later what no metadata lists"
        )

    def _stored(self) -> tuple[bytes | None, StorageError | None]:
        """The metadata's bytes now, None where there is none; or why they cannot be read."""
        try:
            return bytes(self._store.get(self._key)), None
        except (ObjectNotFoundError, BucketNotFoundError):
            return None, None
        except StorageError as error:
            return None, error


def is_in_doubt(error: BaseException) -> bool:
    """Whether the commit that `error` ended may have taken place, or may still: nothing of the save may be removed."""
    return bool(vars(error).get(_IN_DOUBT, False))


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
