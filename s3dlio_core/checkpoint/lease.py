"""What shows others that a save is under way, so that no sweep takes its objects for those of a dead one."""

from __future__ import annotations

import contextlib
import re
import threading
import uuid
import weakref

from s3dlio_core.errors import CheckpointError, StorageError
from s3dlio_core.store import Store

__all__ = ["Lease", "is_lease_key", "service_now"]

BEAT_SECONDS = 60.0
LEASE_SECONDS = 15 * BEAT_SECONDS  # of silence, after which a save counts as dead
_PREFIX = ".s3dlio-saving-"
_NAME = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{16}")
_CLOCK_PREFIX = ".s3dlio-clock-"


class Lease:
    """An object beside a checkpoint that is written again every minute for as long as the save runs.

    A save that is over within the first minute writes none: no sweep asks for objects that young.

    Args:
        store: At the checkpoint; stays open until end().
        save_id: Of the save.
        saver: When it is gone the save is over too, however it ended.
    """

    def __init__(self, store: Store, save_id: str, saver: object, *, beat_seconds: float = BEAT_SECONDS) -> None:
        self._store = store
        self._key = f"{_PREFIX}{save_id}"
        self._beat_seconds = beat_seconds
        self._over = threading.Event()
        self._written = False
        self._thread = threading.Thread(target=self._beat, name=f"s3dlio-lease-{save_id}", daemon=True)
        weakref.finalize(saver, self._over.set)
        self._thread.start()

    def _beat(self) -> None:
        while not self._over.wait(self._beat_seconds):
            self._written = True
            # One that fails is made good by the next; the look before the commit finds out what came of it.
            with contextlib.suppress(StorageError):
                self._store.put(self._key, b"a save into this folder is under way\n")

    def end(self) -> None:
        """Stop, and remove the object. It would count for nothing after a while; so a failure is no error."""
        self._over.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()
        if self._written:
            with contextlib.suppress(StorageError):
                self._store.delete(self._key)


def is_lease_key(name: str) -> bool:
    """Whether `name`, below a checkpoint, is a lease's."""
    return _NAME.fullmatch(name) is not None


def service_now(store: Store) -> float:
    """The time by the clock that dates the store's objects, in seconds since the epoch: that of an object just written.

    Raises:
        CheckpointError: The store does not date its objects.
        StorageError: Nothing can be written or removed there.
    """
    key = f"{_CLOCK_PREFIX}{uuid.uuid4().hex[:16]}"
    store.put(key, b"")
    try:
        now = store.head(key).last_modified
    finally:
        store.delete(key)
    if not now > 0:
        raise CheckpointError("the store does not date its objects; nothing is removed by age", uri=store.uri_of(key))
    return now
