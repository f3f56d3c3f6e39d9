"""The storage half of torch.distributed.checkpoint's save."""

from __future__ import annotations

import dataclasses
import os
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.storage import StorageWriter as TorchStorageWriter
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from s3dlio_core import CheckpointError, Store, Tuning, open_store
from s3dlio_core.checkpoint.codec import CODECS, zstandard_module
from s3dlio_core.checkpoint.commit import Commit, is_in_doubt, remove_objects
from s3dlio_core.checkpoint.fault_points import reach
from s3dlio_core.checkpoint.lease import Lease
from s3dlio_core.checkpoint.names import data_key, metadata_key, new_save_id
from s3dlio_core.checkpoint.presence import check_objects
from s3dlio_core.checkpoint.progress import CheckpointProgress
from s3dlio_core.checkpoint.progress_bar import ProgressBar
from s3dlio_core.checkpoint.seal import seal
from s3dlio_core.errors import InvalidArgumentError, StorageError
from s3dlio_torch.dcp.arguments import LEAST_WINDOW, check_window, checked_uri, is_uri, store_options
from s3dlio_torch.dcp.metadata import read_metadata
from s3dlio_torch.dcp.prefix_strategy import DefaultPrefixStrategy, PrefixStrategy
from s3dlio_torch.dcp.save.plan import Placement, objects_of
from s3dlio_torch.dcp.save.rank import RankSave, SaveOptions
from s3dlio_torch.dcp.staging import StageForAsyncSave

__all__ = ["StorageWriter"]

_LAYOUT_VERSION = "1.0.0"  # of torch's Metadata


class StorageWriter(StageForAsyncSave, TorchStorageWriter):
    """Saves to any store: `dcp.save(state_dict, storage_writer=StorageWriter("s3://bucket/run/step-100"))`.

    Tensors go out from their own memory, or through a small ring of buffers where they lie on an accelerator or are
    not contiguous. A save that fails on any rank fails on all, and changes nothing that was there; see
    docs/formats/checkpoint.md. Also the target of `dcp.async_save`, in a thread or a process. One save at a time.

    Args:
        uri: The checkpoint: "s3://bucket/run/step-100", "file:///folder/step-100", or a local path, as torch's own
            FileSystemWriter takes it.
        endpoint_url: As region and profile: options of open_store() that are needed often.
        options: More of them, by name.
        tuning: Sizes, times, retries of the store; None: Tuning.from_environment().
        thread_count: Data objects of this rank written at once; every one takes two threads. Ranks with little to save
            write fewer.
        window_bytes: Most memory for what was copied out of tensors (staged, gathered) and is not acknowledged yet,
            apart from the staging buffers; divided among the objects.
        staging_bytes: Size of each of the three staging buffers of an object.
        compression: None, "zstd", or "zstd-planes" (bytes regrouped by significance first, for floats).
        compression_level: zstd's.
        prefix_strategy: Where each rank's objects lie; None: side by side.
        overwrite: False: a checkpoint that exists already is an error.
        conditional_commit: False for services that refuse conditional writes: of two jobs saving to one URI the last
            one wins then, without either noticing.
        progress: Called with a CheckpointProgress about twice a second, on the thread that saves; True draws a bar on
            rank 0. For saves in a process it must be picklable.
        stall_timeout_seconds: A save of which nothing moves for so long fails, naming the object; None: never.
    Raises:
        InvalidArgumentError: A URI or an option that makes no sense.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        options: dict[str, Any] | None = None,
        tuning: Tuning | None = None,
        thread_count: int = 2,
        window_bytes: int = 64 << 20,
        staging_bytes: int = 16 << 20,
        compression: str | None = None,
        compression_level: int = 3,
        prefix_strategy: PrefixStrategy | None = None,
        overwrite: bool = True,
        conditional_commit: bool = True,
        progress: Callable[[CheckpointProgress], None] | bool | None = None,
        stall_timeout_seconds: float | None = 600.0,
    ) -> None:
        super().__init__()
        self._uri = checked_uri(uri)
        self._store_options = store_options(endpoint_url, region, profile, options)
        self._tuning = tuning
        _check_counts(thread_count, window_bytes, staging_bytes, stall_timeout_seconds)
        _check_compression(compression)
        self.thread_count = thread_count
        self._window_bytes = window_bytes
        self._save_options = SaveOptions(
            compression or "", compression_level, staging_bytes, stall_timeout_seconds=stall_timeout_seconds
        )
        self._prefix_strategy = DefaultPrefixStrategy() if prefix_strategy is None else prefix_strategy
        self._overwrite = overwrite
        self._conditional = conditional_commit
        self._progress = progress
        self._forget_save()

    def _forget_save(self) -> None:
        self.save_id = new_save_id()
        self._rank: int | None = None
        self._collective = True
        self._stores: list[Store] = []
        self._commit: Commit | None = None
        self._lease: Lease | None = None
        self._unfinished: list[str] = []

    # ---- what torch calls, in this order ----
    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """A new save begins, at `checkpoint_id` if it is given."""
        if checkpoint_id:
            self._uri = checked_uri(checkpoint_id)
        self._close_stores()
        self._forget_save()

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Opens the store; whoever will commit looks at what is there.

        Raises:
            CheckpointError: There is a checkpoint, and `overwrite` is False.
            StorageError: The store cannot be reached.
        """
        self._close_stores()
        self._forget_save()
        self._rank = kwargs.get("rank")
        self._collective = kwargs.get("use_collectives", True)
        store = self._store(0)
        reach("set-up")
        if is_coordinator or not self._collective:
            self._commit = Commit(store, self._metadata_key(), conditional=self._conditional)
            if self._commit.previous is not None and not self._overwrite:
                message = "there is a checkpoint, and overwrite is False"
                raise CheckpointError(message, operation="save", uri=self._uri)
            self._lease = Lease(store, self.save_id, self)

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """As it is: where a rank's objects go is told by its number."""
        return plan

    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """On the coordinator: tells every rank where its objects go."""
        if not self._collective:
            return plans
        return [
            dataclasses.replace(plan, storage_data=Placement(self._prefix_strategy.generate_prefix(rank)))
            for rank, plan in enumerate(plans)
        ]

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """Writes this rank's objects. After a failure nothing of them is left.

        Returns:
            A future that is done.
        Raises:
            StorageError: The first failure of any of its threads.
        """
        if torch.accelerator.is_available():
            torch.accelerator.current_stream().synchronize()  # the threads that copy know nothing of this one's stream
        prefix = self._prefix(plan)
        objects = {
            data_key(prefix, number, self.save_id): contents
            for number, contents in enumerate(objects_of(plan.items, self.thread_count))
        }
        self._unfinished = list(objects)
        stores = [self._store(number) for number in range(max(1, len(objects)))]
        report, bar = self._reporter()
        try:
            results = RankSave(stores, objects, planner, dataclasses.replace(self._save_options, report=report)).run()
        finally:
            if bar is not None:
                bar.close()
            if self._commit is None:
                self._close_stores()
        done: Future[list[WriteResult]] = Future()
        done.set_result(results)
        return done

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """On the coordinator: the commit, then the removal of what it replaced.

        Raises:
            CheckpointError: Somebody else committed to the same URI meanwhile, or data objects of this save are gone.
                Nothing of this save is left.
            StorageError: The metadata could not be written; the message tells what stands.
        """
        commit = self._commit
        if commit is None:
            raise CheckpointError("finish() without set_up_storage_writer()", operation="save", uri=self._uri)
        metadata.version = _LAYOUT_VERSION
        metadata.storage_data = {result.index: result.storage_data for rank in results for result in rank}
        metadata.storage_meta = self.storage_meta()
        written = {info.relative_path for info in metadata.storage_data.values()}
        store = self._store(0)
        document = seal(pickle.dumps(metadata))
        reach("before-commit")
        try:
            check_objects(store, _extents_of(metadata))
            commit.publish(document)
        except StorageError as error:
            if not is_in_doubt(error):  # otherwise it may be in place, and point to them
                self._remove(store, written, "a save that was not committed")
            raise
        finally:
            self._end_lease()
        reach("after-commit")
        self._unfinished = []
        self._remove(store, self._listed(commit.previous) - written, "the checkpoint that was replaced")
        self._close_stores()

    # ---- the rest of torch's interface ----
    @property
    def checkpoint_id(self) -> str:
        """The URI saved to."""
        return self._uri

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Whether `checkpoint_id` is a URI that a store can be opened at."""
        return is_uri(checkpoint_id)

    def storage_meta(self) -> StorageMeta:
        """Which checkpoint, and which save of it."""
        return StorageMeta(checkpoint_id=self._uri, save_id=self.save_id)

    # ---- ours ----
    def discard(self, failure: CheckpointException) -> None:
        """Remove what this rank has written of a save that failed elsewhere.

        To be called on every rank when `dcp.save` has raised torch's CheckpointException, which the coordinator tells
        all ranks instead of committing. Not after another error of a rank, such as a broken connection: the coordinator
        may be about to commit, and the objects are part of it. Harmless once the checkpoint has come into being.

        Args:
            failure: What was raised. Where it says that nobody knows whether the checkpoint was committed, nothing is
                removed.
        """
        keys, self._unfinished = self._unfinished, []
        if not keys or any(is_in_doubt(error) for error, _ in failure.failures.values()):
            self._close_stores()
            return
        store = self._store(0)
        found = Commit(store, self._metadata_key()).previous
        if found is None or self.save_id.encode() not in found:
            self._remove(store, keys, "a save that failed")
        self._close_stores()

    def __getstate__(self) -> dict[str, Any]:
        # What belongs to a process stays there: stores are opened where they are used.
        return {**vars(self), "_stores": [], "_commit": None, "_lease": None, "_stager": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._uri!r})"

    # ---- helpers ----
    def _store(self, number: int) -> Store:
        """Store `number` of this rank: objects written at once have one each, so that each has its share of memory."""
        while len(self._stores) <= number:
            tuning = self._tuning or Tuning.from_environment()
            share = max(LEAST_WINDOW, self._window_bytes // self.thread_count)
            tuning = dataclasses.replace(tuning, max_in_flight_bytes=min(tuning.max_in_flight_bytes, share))
            self._stores.append(open_store(self._uri, tuning=tuning, **self._store_options))
        return self._stores[number]

    def _close_stores(self) -> None:
        self._end_lease()
        for store in self._stores:
            store.close()
        self._stores = []

    def _end_lease(self) -> None:
        if self._lease is not None:
            self._lease.end()
            self._lease = None

    def _prefix(self, plan: SavePlan) -> str:
        if isinstance(plan.storage_data, Placement):
            return plan.storage_data.prefix
        # No collectives; or a planner that caches plans handed out one of an earlier, other writer.
        return self._prefix_strategy.generate_prefix(self._rank or 0)

    def _metadata_key(self) -> str:
        return metadata_key(None if self._collective else self._rank)

    def _reporter(self) -> tuple[Callable[[CheckpointProgress], None] | None, ProgressBar | None]:
        if self._progress is True:
            if self._rank:  # bars of several ranks would write over each other
                return None, None
            bar = ProgressBar(f"save {self._uri}")
            return bar, bar
        return (self._progress or None), None

    def _listed(self, stored: bytes | None) -> set[str]:
        """The data objects of the checkpoint whose metadata is `stored`; none where it cannot be read."""
        if stored is None:
            return set()
        try:
            found = read_metadata(stored, self._uri)
        except StorageError as error:
            warnings.warn(
                f"the objects of the checkpoint that was replaced stay, for they are unknown: {error}", stacklevel=3
            )
            return set()
        return {info.relative_path for info in found.storage_data.values()}

    def _remove(self, store: Store, keys: Any, what: str) -> None:
        if failure := remove_objects(store, keys):
            warnings.warn(f"objects of {what} could not be removed: {failure}", stacklevel=3)


def _extents_of(metadata: Metadata) -> dict[str, int]:
    """The bytes that each data object must have at least."""
    extents: dict[str, int] = {}
    for info in metadata.storage_data.values():
        extents[info.relative_path] = max(extents.get(info.relative_path, 0), info.offset + info.length)
    return extents


def _check_counts(
    thread_count: int, window_bytes: int, staging_bytes: int, stall_timeout_seconds: float | None
) -> None:
    if thread_count < 1:
        raise InvalidArgumentError(f"thread_count is {thread_count}; expected 1 or more")
    if staging_bytes < 1 << 20 or staging_bytes % 4096:
        raise InvalidArgumentError(f"staging_bytes is {staging_bytes}; expected a multiple of 4096 from 1 MiB")
    check_window(window_bytes, stall_timeout_seconds)


def _check_compression(compression: str | None) -> None:
    if compression is None:
        return
    if compression not in CODECS:
        raise InvalidArgumentError(f"compression is {compression!r}; expected None or one of {', '.join(CODECS)}")
    zstandard_module()
