"""The checkpoints of a run: one folder a step, of which those with metadata exist."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from s3dlio_core.checkpoint.lease import LEASE_SECONDS, is_lease_key, service_now
from s3dlio_core.checkpoint.names import is_data_key, is_metadata_key, metadata_key
from s3dlio_core.errors import (
    BucketNotFoundError,
    InvalidArgumentError,
    ObjectNotFoundError,
    SomeFailedError,
    StorageError,
    naming,
    summary_of,
)
from s3dlio_core.store import Store

__all__ = ["Steps", "steps_to_delete"]

_FOLDER = re.compile(r"step-(\d+)/")
_LOOKED_AT_ONCE = 16


def steps_to_delete(steps: list[int], keep_last: int | None, keep_every: int | None) -> list[int]:
    """The steps that may go, oldest first: neither among the last `keep_last` nor divisible by `keep_every`.

    The newest step always stays. With `keep_last` None all stay.
    """
    if keep_last is None:
        return []
    old = sorted(steps)[: -max(keep_last, 1)]
    return [step for step in old if not keep_every or step % keep_every]


class Steps:
    """Steps below one place.

    Args:
        store: At the run: a step lies in "step-<number>/" below it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @staticmethod
    def folder(step: int) -> str:
        """Where a step lies, e.g. "step-0000000100/"; leading zeros make listings ascend."""
        if step < 0:
            raise InvalidArgumentError(f"step is {step}; expected 0 or more", operation="save")
        return f"step-{step:010d}/"

    def uri(self, step: int) -> str:
        """URI of a step's folder, whether it exists or not."""
        return self._store.uri_of(self.folder(step))

    def begun(self) -> list[int]:
        """Every step with a folder, ascending, whole or not."""
        try:
            folders = self._store.list_with_delimiter("").common_prefixes
        except BucketNotFoundError:
            if self._store.bucket:
                raise
            return []  # a folder that is not made yet
        found = (_FOLDER.fullmatch(folder) for folder in folders)
        return sorted(int(match[1]) for match in found if match and self.folder(int(match[1])) == match[0])

    def whole(self) -> list[int]:
        """Every step that exists: whose metadata is there, ascending."""
        begun = self.begun()
        with ThreadPoolExecutor(_LOOKED_AT_ONCE) as pool:
            return [step for step, exists in zip(begun, pool.map(self.exists, begun), strict=True) if exists]

    def latest(self) -> int | None:
        """The highest step that exists."""
        return next((step for step in reversed(self.begun()) if self.exists(step)), None)

    def exists(self, step: int) -> bool:
        """Whether a step is committed: its metadata is there."""
        return self._store.exists(self.folder(step) + metadata_key())

    def delete(self, step: int) -> None:
        """Delete a step: its metadata first, so that a step half deleted does not exist."""
        folder = self.folder(step)
        self._store.delete(folder + metadata_key())
        self._store.delete([meta.key for meta in self._store.list(folder)])

    def sweep(self, older_than_seconds: float, listed_by: Callable[[bytes], set[str]]) -> int:
        """Remove what ended saves left behind, where it is older than `older_than_seconds`.

        That is unfinished uploads, temporary files, and data objects that no metadata lists.

        Args:
            listed_by: The keys, below the step, of the data objects that a metadata (its bytes) lists.
        Ages are told by the clock that dates the store's objects, never by this machine's. A step where a save is under
        way (see lease.py) is left alone. A step that cannot be read keeps all it has; the others are swept.

        Returns:
            How many objects, uploads and files were removed.
        Raises:
            SomeFailedError: Naming the steps that could not be swept; the others are.
        """
        swept = self._store.sweep_uploads("", older_than_seconds=older_than_seconds)
        failures: list[tuple[str, Exception]] = []
        begun = self.begun()
        if not begun:
            return swept
        now = service_now(self._store)
        for step in begun:
            try:
                orphans = list(self._orphans(self.folder(step), now, older_than_seconds, listed_by))
                self._store.delete(orphans)
                swept += len(orphans)
            except StorageError as error:
                failures.append((self.uri(step), error))
        if failures:
            raise SomeFailedError(
                f"not swept: {summary_of(failures, len(begun) - len(failures))}",
                failures=failures,
                succeeded=len(begun) - len(failures),
                operation="sweep",
                uri=self._store.uri,
            )
        return swept

    def _orphans(
        self, folder: str, now: float, older_than_seconds: float, listed_by: Callable[[bytes], set[str]]
    ) -> Iterator[str]:
        objects = {meta.key.removeprefix(folder): meta for meta in self._store.list(folder)}
        old = {name for name, meta in objects.items() if 0 < meta.last_modified < now - older_than_seconds}
        leases = {name: meta for name, meta in objects.items() if is_lease_key(name)}
        if any(now - meta.last_modified < LEASE_SECONDS for meta in leases.values()):
            return  # a save is under way here, whatever the age of what it has written
        yield from (folder + name for name in leases if name in old)
        data = {name for name in old if is_data_key(name)}
        if not data:
            return
        # Read after the listing: what is committed in between is listed by what is read now.
        for name in sorted({name for name in objects if is_metadata_key(name)} | {metadata_key()}):
            with contextlib.suppress(ObjectNotFoundError):
                data -= self._listed(folder + name, listed_by)
        yield from (folder + name for name in sorted(data))

    def _listed(self, key: str, listed_by: Callable[[bytes], set[str]]) -> set[str]:
        stored = bytes(self._store.get(key))
        try:
            return listed_by(stored)
        except StorageError as error:
            raise naming(error, "sweep", self._store.uri_of(key)) from None
