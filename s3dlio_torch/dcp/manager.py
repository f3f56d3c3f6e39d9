"""The checkpoints of a run: saved by step, found again, and deleted when they are old."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

import torch.distributed as dist
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict_saver import AsyncCheckpointerType, AsyncSaveResponse

from s3dlio_core import CheckpointError, Store, Tuning, open_store
from s3dlio_core.checkpoint.steps import Steps, steps_to_delete
from s3dlio_core.errors import InvalidArgumentError, StorageError
from s3dlio_torch.dcp.arguments import checked_uri, store_options
from s3dlio_torch.dcp.metadata import read_metadata
from s3dlio_torch.dcp.reader import StorageReader
from s3dlio_torch.dcp.writer import StorageWriter

__all__ = ["CheckpointManager"]

T = TypeVar("T")
_DAY_SECONDS = 86400.0


class _AsyncSave(Future[Any]):
    """A save under way; knows whether anybody has heard of its failure."""

    told = False

    def result(self, timeout: float | None = None) -> Any:
        try:
            return super().result(timeout)
        finally:
            self.told = self.done()

    def exception(self, timeout: float | None = None) -> BaseException | None:
        try:
            return super().exception(timeout)
        finally:
            self.told = self.done()

    def failure(self) -> BaseException | None:
        """Why it failed, once it has ended, if nobody was told."""
        error = super().exception()
        return None if self.told else error


class CheckpointManager:
    """Saves, finds and deletes the checkpoints of one run. A step exists when its `.metadata` does.

    In a job of several ranks every rank makes one and calls save(), async_save() and restore(); rank 0 deletes.

    Args:
        uri: The run: "s3://bucket/run/", or a local path; step 100 goes to "step-0000000100/" below it.
        keep_last: How many of the newest steps stay; None: all.
        keep_every: Steps divisible by this stay for ever.
        process_group: Whose ranks save together; None: all.
        sweep_older_than_seconds: What ended saves left behind (unfinished uploads, objects no checkpoint lists) is
            removed once after the first save, where it is older than this; None: only by sweep().
        endpoint_url, region, profile, options, tuning: Of the store, as in StorageWriter.
        writer_options: Further arguments of StorageWriter, by name.
        reader_options: Further arguments of StorageReader, by name.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        keep_last: int | None = None,
        keep_every: int | None = None,
        *,
        process_group: dist.ProcessGroup | None = None,
        sweep_older_than_seconds: float | None = _DAY_SECONDS,
        endpoint_url: str | None = None,
        region: str | None = None,
        profile: str | None = None,
        options: dict[str, Any] | None = None,
        tuning: Tuning | None = None,
        writer_options: dict[str, Any] | None = None,
        reader_options: dict[str, Any] | None = None,
    ) -> None:
        for name, value in (("keep_last", keep_last), ("keep_every", keep_every)):
            if value is not None and value < 1:
                raise InvalidArgumentError(f"{name} is {value}; expected 1 or more, or None")
        self._keep_last = keep_last
        self._keep_every = keep_every
        self._group = process_group
        self._sweep_age = sweep_older_than_seconds
        given = {"endpoint_url": endpoint_url, "region": region, "profile": profile}
        self._place: dict[str, Any] = {**given, "options": options, "tuning": tuning}
        self._writer_options = writer_options or {}
        self._reader_options = reader_options or {}
        own_options = store_options(endpoint_url, region, profile, options)
        self._store: Store = open_store(checked_uri(uri), tuning=tuning, **own_options)
        self._steps = Steps(self._store)
        self._running: _AsyncSave | None = None
        self._own_group: dist.ProcessGroup | None = None

    # ---- saving ----
    def save(self, step: int, state_dict: dict[str, Any], **options: Any) -> None:
        """Save `state_dict` as `step`, replacing it if it exists; then delete what is old.

        Args:
            options: Of torch.distributed.checkpoint.save, e.g. planner.
        Raises:
            CheckpointException: torch's, on all ranks, holding each rank's error. What was written is removed, unless
                nobody knows whether the checkpoint was committed: then an error says so and nothing is removed.
        """
        self.wait()
        writer = self._writer(step)
        try:
            state_dict_saver.save(state_dict, storage_writer=writer, process_group=self._group, **options)
        except CheckpointException as failure:
            # Told by the coordinator, so it will not commit. After any other error it still may.
            _discard(writer, failure)
            raise
        self._tidy(step)

    def async_save(
        self,
        step: int,
        state_dict: dict[str, Any],
        *,
        async_checkpointer_type: AsyncCheckpointerType = AsyncCheckpointerType.THREAD,
        **options: Any,
    ) -> Future[Any]:
        """As save(), from a copy of `state_dict` in host memory. Waits for the last one first.

        The ranks talk over a gloo group of their own, made by the first call, so training may use the other meanwhile.

        Returns:
            A future that is done when the checkpoint exists and what is old is deleted; it holds the error if the save
            failed. The state dict may change as soon as this returns.
        """
        self.wait()
        writer = self._writer(step)
        started = state_dict_saver.async_save(
            state_dict,
            storage_writer=writer,
            process_group=self._group_beside_training(),
            async_checkpointer_type=async_checkpointer_type,
            **options,
        )
        upload = started.upload_completion if isinstance(started, AsyncSaveResponse) else started
        ended = _AsyncSave()
        self._running = ended

        def end(done: Future[Any]) -> None:
            try:
                if error := done.exception():
                    if isinstance(error, CheckpointException):
                        _discard(writer, error)
                    raise error
                self._tidy(step)
            except BaseException as error:  # raised again by wait()
                ended.set_exception(error)
            else:
                ended.set_result(done.result())

        upload.add_done_callback(end)
        return ended

    def wait(self) -> None:
        """Wait until the asynchronous save has ended, if one is under way.

        Raises:
            CheckpointException: The save failed, and that was not told before; as for save().
        """
        running, self._running = self._running, None
        if running is not None and (error := running.failure()):
            raise error

    # ---- finding ----
    def all_steps(self) -> list[int]:
        """The steps that exist, ascending.

        Raises:
            StorageError: The store cannot be listed.
        """
        return self._steps.whole()

    def latest_step(self) -> int | None:
        """The highest step that exists; None: there is none.

        Raises:
            StorageError: The store cannot be listed.
        """
        return self._steps.latest()

    def uri_of(self, step: int) -> str:
        """URI of a step's folder, whether it exists or not."""
        return self._steps.uri(step)

    def restore(self, state_dict: dict[str, Any], step: int | None = None, **options: Any) -> int:
        """Load into `state_dict`, in place.

        Args:
            step: None: the latest one, as rank 0 sees it.
            options: Of torch.distributed.checkpoint.load, e.g. planner.
        Returns:
            The step.
        Raises:
            CheckpointError: There is none.
            CheckpointException: torch's, on all ranks, holding each rank's error, as of StorageReader.
        """
        self.wait()
        found = self._agreed(self.latest_step) if step is None else step
        if found is None:
            raise CheckpointError("there is no checkpoint", operation="load", uri=self._store.uri)
        reader = StorageReader(self.uri_of(found), **self._place, **self._reader_options)
        state_dict_loader.load(state_dict, storage_reader=reader, process_group=self._group, **options)
        return found

    # ---- deleting ----
    def delete(self, step: int) -> None:
        """Delete a step, whole or not; what is not there is no error. On one rank.

        Raises:
            StorageError: The store cannot be listed, or does not delete.
        """
        self._steps.delete(step)

    def sweep(self, older_than_seconds: float = _DAY_SECONDS) -> int:
        """Remove what saves that ended badly left behind and that is older than this. On one rank.

        Ages are told by the clock that dates the store's objects. A save under way shows itself once it has run for a
        minute; one that is younger than that, by a version that shows nothing, or whose process is suspended is
        protected by its age alone.

        Returns:
            How many objects, uploads and temporary files were removed.
        """
        return self._steps.sweep(older_than_seconds, _listed)

    # ---- helpers ----
    def _writer(self, step: int) -> StorageWriter:
        return StorageWriter(self._steps.uri(step), **self._place, **self._writer_options)

    def _tidy(self, saved: int) -> None:
        """After a save. The checkpoint is safe: nothing that fails here is worth more than a warning, and the next save
        tries again.
        """
        if self._rank() != 0:
            return
        failures: list[StorageError] = []
        try:
            # What was saved a moment ago stays, also where a run went back and later steps are still there.
            for step in steps_to_delete(self.all_steps(), self._keep_last, self._keep_every):
                if step != saved:
                    self._delete_or_note(step, failures)
            if self._sweep_age is not None:
                age, self._sweep_age = self._sweep_age, None
                self.sweep(age)
        except StorageError as error:
            failures.append(error)
        if failures:
            shown = "; ".join(str(error) for error in failures[:3])
            more = f"; and {len(failures) - 3} more" if len(failures) > 3 else ""
            warnings.warn(f"old checkpoints could not be removed: {shown}{more}", stacklevel=3)

    def _delete_or_note(self, step: int, failures: list[StorageError]) -> None:
        try:
            self.delete(step)
        except StorageError as error:
            failures.append(error)

    def _group_beside_training(self) -> dist.ProcessGroup | None:
        """The same ranks in a group of their own: a save in the background must not mix its messages with others."""
        if self._own_group is None and dist.is_available() and dist.is_initialized():
            ranks = None if self._group is None else dist.get_process_group_ranks(self._group)
            self._own_group = dist.new_group(ranks, backend="gloo", use_local_synchronization=ranks is not None)
        return self._own_group

    def _rank(self) -> int:
        return dist.get_rank(self._group) if dist.is_available() and dist.is_initialized() else 0

    def _agreed(self, find: Callable[[], T]) -> T:
        """What rank 0 finds, on all ranks; its error as well."""
        if not (dist.is_available() and dist.is_initialized()):
            return find()
        told: list[Any] = [None]
        if self._rank() == 0:
            try:
                told = [(find(), None)]
            except StorageError as error:
                told = [(None, error)]
        source = 0 if self._group is None else dist.get_global_rank(self._group, 0)
        dist.broadcast_object_list(told, src=source, group=self._group)
        found, failure = told[0]
        if failure is not None:
            raise failure
        result: T = found
        return result


def _discard(writer: StorageWriter, failure: CheckpointException) -> None:
    try:
        writer.discard(failure)
    except StorageError as error:
        warnings.warn(f"objects of a save that failed could not be removed: {error}", stacklevel=3)


def _listed(stored: bytes) -> set[str]:
    return {info.relative_path for info in read_metadata(stored, "").storage_data.values()}
