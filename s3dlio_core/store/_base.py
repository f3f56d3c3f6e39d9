"""What the verbs of a store stand on: its engine store, reopened where needed, and how its calls are waited for."""

from __future__ import annotations

from typing import Any, TypeVar

from s3dlio_core import _ext
from s3dlio_core.errors import ClosedError, InvalidArgumentError, StorageError, naming
from s3dlio_core.store._open import Opener
from s3dlio_core.tuning import Tuning
from s3dlio_core.uri import Uri

T = TypeVar("T")


class StoreBase:
    """One place in a store. Any thread may use it."""

    def __init__(self, location: Uri, tuning: Tuning, options: dict[str, Any]) -> None:
        self._location = location
        self._tuning = tuning
        self._given_options = options
        self._closed = False
        self._opened: dict[int, _ext.NativeStore] = {}  # by fork generation: one a process
        try:
            self._opener = Opener(location, tuning, options)
            self._open()
        except StorageError as error:
            naming(error, "open", self.uri)
            raise

    def _open(self) -> _ext.NativeStore:
        # Threads of a forked child may come here at the same moment. No lock, which the fork could have left locked:
        # setdefault() decides, and what it publishes is whole.
        return self._opened.setdefault(_ext.fork_generation(), self._opener.open())

    def _native(self, *, needs_bucket: bool = True) -> _ext.NativeStore:
        """The engine's store; a forked child gets one of its own."""
        if self._closed:
            raise ClosedError("the store is closed", uri=self.uri)
        if needs_bucket and not self._location.bucket and not self._location.is_file:
            message = "the URI names no bucket, so only list_buckets() works; expected s3://bucket/"
            raise InvalidArgumentError(message, uri=self.uri)
        return self._opened.get(_ext.fork_generation()) or self._open()

    @staticmethod
    async def _awaited(pending: _ext.Pending[T]) -> T:
        # Not imported with the package: asyncio takes a third of the time that importing this package may.
        from s3dlio_core.run.on_loop import result_of

        return await result_of(pending)

    @property
    def uri(self) -> str:
        """Scheme, bucket and prefix: "s3://train/epoch-3/", "file:///data/"."""
        return str(self._location)

    @property
    def scheme(self) -> str:
        """ "s3", "file" or "direct"."""
        return self._location.scheme

    @property
    def bucket(self) -> str:
        """ "" for file stores."""
        return self._location.bucket

    @property
    def prefix(self) -> str:
        """What stands before every key, e.g. "epoch-3/"; for file stores the folder without its first slash."""
        return self._location.key

    @property
    def tuning(self) -> Tuning:
        """As the store was opened with."""
        return self._tuning

    def uri_of(self, key: str) -> str:
        """The whole URI of the object under `key`."""
        return f"{self.uri}{key}"

    def close(self) -> None:
        """Let go of the engine's store: connections close when the calls under way have ended. Harmless when closed."""
        self._closed = True
        if opened := self._opened.get(_ext.fork_generation()):
            opened.close()
