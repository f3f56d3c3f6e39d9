"""The checkpoints of a run: one folder a step, of which those with metadata exist."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from s3dlio_core.checkpoint.names import is_data_key, is_metadata_key, metadata_key
from s3dlio_core.errors import BucketNotFoundError, InvalidArgumentError, ObjectNotFoundError
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
        Returns:
            How many objects, uploads and files were removed.
        """
        swept = self._store.sweep_uploads("", older_than_seconds=older_than_seconds)
        latest_change = time.time() - older_than_seconds
        for step in self.begun():
            orphans = list(self._orphans(self.folder(step), latest_change, listed_by))
            self._store.delete(orphans)
            swept += len(orphans)
        return swept

    def _orphans(self, folder: str, latest_change: float, listed_by: Callable[[bytes], set[str]]) -> Iterator[str]:
        objects = list(self._store.list(folder))
        data = [meta for meta in objects if is_data_key(meta.key) and 0 < meta.last_modified < latest_change]
        if not data:
            return
        # Read after the listing: what is committed in between is listed by what is read now.
        names = {name for meta in objects if is_metadata_key(name := meta.key.removeprefix(folder))}
        listed: set[str] = set()
        for name in sorted(names | {metadata_key()}):
            with contextlib.suppress(ObjectNotFoundError):
                listed |= {folder + key for key in listed_by(bytes(self._store.get(folder + name)))}
        yield from (meta.key for meta in data if meta.key not in listed)
