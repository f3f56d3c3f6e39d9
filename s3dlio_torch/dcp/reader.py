"""The storage half of torch.distributed.checkpoint's load."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from torch.distributed.checkpoint._extension import ExtensionRegistry
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner
from torch.distributed.checkpoint.storage import StorageReader as TorchStorageReader
from torch.futures import Future

from s3dlio_core import CheckpointError, Store, Tuning, open_store
from s3dlio_core.checkpoint.names import metadata_key
from s3dlio_core.checkpoint.progress import CheckpointProgress
from s3dlio_core.checkpoint.read.batch import Batches
from s3dlio_core.checkpoint.read.item import LoadItem
from s3dlio_core.checkpoint.read.tensor import GAP_BYTES, Verify
from s3dlio_core.checkpoint.read.watch import LoadWatch
from s3dlio_core.errors import BucketNotFoundError, InvalidArgumentError, ObjectNotFoundError, StorageError
from s3dlio_core.run.bounded import BoundedRun
from s3dlio_torch._memory import pinned
from s3dlio_torch.dcp.arguments import check_window, checked_uri, is_uri, store_options
from s3dlio_torch.dcp.load.plan import PlannedLoad
from s3dlio_torch.dcp.metadata import read_metadata

__all__ = ["StorageReader"]

_SHARES = 8  # of the window: so many batches that need memory of ours run at once


class StorageReader(TorchStorageReader):
    """Loads from any store: `dcp.load(state_dict, storage_reader=StorageReader("s3://bucket/run/step-100"))`.

    Reads the bytes that are needed, many ranges at once, into the memory of the tensors that wait for them. Loads what
    this package, torch's FileSystemWriter and FsspecWriter, and s3torchconnector wrote. Every byte that is used is
    compared with its checksum, and nothing that is stored is run; see docs/checkpoints.md. One load at a time.

    Args:
        uri: The checkpoint: "s3://bucket/run/step-100", "file:///folder/step-100", ...
        endpoint_url: As region and profile: options of open_store() that are needed often.
        options: More of them, by name.
        tuning: Sizes, times, retries of the store; None: Tuning.from_environment(). Its coalesce_gap is lowered to
            16 KiB if it is larger, because wanted ranges of a checkpoint may be many and far apart.
        verify: True: what is read is compared with checksums; a slice of a tensor that torch wrote has none. "whole":
            every touched item is read and compared as a whole. False: nothing is compared.
        window_bytes: Most memory for bytes that cannot go straight to a tensor: other dtypes, strides, accelerators.
        progress: Called with a CheckpointProgress about twice a second, on the thread that loads; True draws a bar.
        stall_timeout_seconds: A load that receives nothing for so long fails, naming an object; None: never.
        trusted: The checkpoint's pickles may run code: for objects that are more than data, from a source you trust.
        extension_registry: Undoes transforms that torch's writer applied; None: torch's own (zstd).
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
        verify: Verify = True,
        window_bytes: int = 64 << 20,
        progress: Callable[[CheckpointProgress], None] | bool | None = None,
        stall_timeout_seconds: float | None = 600.0,
        trusted: bool = False,
        extension_registry: ExtensionRegistry | None = None,
    ) -> None:
        super().__init__()
        self._uri = checked_uri(uri)
        self._store_options = store_options(endpoint_url, region, profile, options)
        self._tuning = tuning
        _check_options(verify, window_bytes, stall_timeout_seconds)
        self._verify = verify
        self._window_bytes = window_bytes
        self._progress = progress
        self._stall_timeout_seconds = stall_timeout_seconds
        self._trusted = trusted
        self._registry = extension_registry or ExtensionRegistry()
        self._store: Store | None = None
        self._metadata: Metadata | None = None
        self._partial = False
        self.load_id = uuid.uuid4().hex

    # ---- what torch calls, in this order ----
    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """A new load begins, of `checkpoint_id` if it is given."""
        if checkpoint_id:
            self._uri = checked_uri(checkpoint_id)
        self._close()
        self._metadata = None
        self.load_id = uuid.uuid4().hex

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """What the checkpoint holds. With `rank`: that rank's part of a checkpoint saved without collectives.

        Raises:
            CheckpointError: There is none, or it is not what it should be.
            ChecksumMismatchError: It is damaged.
            StorageError: The store cannot be read.
        """
        store = self._opened()
        key = metadata_key(kwargs.get("rank"))
        try:
            stored = bytes(store.get(key))
        except (ObjectNotFoundError, BucketNotFoundError) as error:
            raise self._none_there(store, key) from error
        metadata = read_metadata(stored, store.uri_of(key), trusted=self._trusted)
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Keeps the metadata.

        Raises:
            CheckpointError: It says nothing of where things are stored.
        """
        if metadata.storage_data is None:
            raise CheckpointError("the metadata lists no stored items", operation="load", uri=self._uri)
        self._metadata = metadata
        self._partial = not kwargs.get("use_collectives", True)

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """As it is."""
        return plan

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """As they are: every rank reads what it needs."""
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Fills the planner's tensors.

        Returns:
            A future that is done.
        Raises:
            CheckpointError: An object is missing or too short, or an object in the checkpoint is more than data.
            ChecksumMismatchError: Stored bytes are damaged; the message names the tensor, the object and the bytes.
            TransferTimeoutError: Nothing arrived for too long.
            StorageError: The store cannot be read.
        """
        if self._metadata is None:
            raise CheckpointError("read_data() without set_up_storage_reader()", operation="load", uri=self._uri)
        store = self._opened()
        load = PlannedLoad(
            plan,
            planner,
            self._metadata,
            store.uri_of,
            verify=self._verify,
            trusted=self._trusted,
            vouched=self._partial or getattr(self._metadata, "s3dlio_sealed", False),
            registry=self._registry,
        )
        watch = LoadWatch(store, load.nbytes, self._progress, self._stall_timeout_seconds)
        with watch:
            self._run(store, load.probes(), watch)
            self._run(store, load.items(), watch)
        self._close()
        done: Future[None] = Future()
        done.set_result(None)
        return done

    # ---- the rest of torch's interface ----
    @property
    def checkpoint_id(self) -> str:
        """The URI loaded from."""
        return self._uri

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Whether `checkpoint_id` is a URI that a store can be opened at."""
        return is_uri(checkpoint_id)

    def __getstate__(self) -> dict[str, Any]:
        # What belongs to a process stays there: the store is opened where it is used.
        return {**vars(self), "_store": None}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._uri!r})"

    # ---- helpers ----
    def _run(self, store: Store, items: Iterable[LoadItem], watch: LoadWatch) -> None:
        batches = Batches(
            store,
            items,
            share_bytes=self._window_bytes // _SHARES,
            pinned=pinned,
            moved=watch.moved,
            began=watch.began,
            ended=watch.ended,
        )
        run = BoundedRun(limit=store.tuning.max_connections, window_bytes=self._window_bytes)
        with watch.over(run):
            run.run(batches)

    def _opened(self) -> Store:
        if self._store is None:
            tuning = self._tuning or Tuning.from_environment()
            tuning = dataclasses.replace(tuning, coalesce_gap=min(tuning.coalesce_gap, GAP_BYTES))
            self._store = open_store(self._uri, tuning=tuning, **self._store_options)
        return self._store

    def _close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _none_there(self, store: Store, key: str) -> CheckpointError:
        hint = ""
        try:
            other = metadata_key() if key != metadata_key() else metadata_key(0)
            if store.exists(other):
                how = "without" if key == metadata_key() else "with"
                hint = f"; there is {other}: the checkpoint was saved {how} collectives"
        except StorageError:
            pass  # the first error says enough
        message = (
            f"there is no checkpoint: {key} was looked for and is not there; it is written last, when a save ends{hint}"
        )
        return CheckpointError(message, operation="load", uri=store.uri_of(key))


def _check_options(verify: Verify, window_bytes: int, stall_timeout_seconds: float | None) -> None:
    if verify not in (True, False, "whole"):
        raise InvalidArgumentError(f'verify is {verify!r}; expected True, "whole" or False')
    check_window(window_bytes, stall_timeout_seconds)
