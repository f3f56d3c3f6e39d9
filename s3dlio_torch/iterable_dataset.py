"""Streams every sample below a prefix, read ahead by the engine while the model works."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from s3dlio_core.loader import EpochId, Layout, LoaderOptions, Progress, State, Tracker, resumed
from s3dlio_torch.control import Control
from s3dlio_torch.sample import Transform
from s3dlio_torch.sample_iterator import FailedIterator, SampleIterator
from s3dlio_torch.sharding import Ranks, ranks_here
from s3dlio_torch.source import HasSource, Source, one_uri, split_options

__all__ = ["S3IterableDataset"]


class S3IterableDataset(HasSource, IterableDataset[Any]):
    """One sample an object (or a record), over any scheme the core opens: s3://, file://, direct://.

    Each sample reaches exactly one DataLoader worker of one rank. Objects are fetched ahead by the engine's threads,
    bounded in bytes and in requests, so one process without workers already fills the link; use workers for decoding.
    docs/datasets.md tells the order, the division and how an epoch is resumed; docs/frameworks.md who divides under
    accelerate, Lightning and others.

    The listing happens once, when the dataset is made: workers receive it, and a missing bucket shows at once.

    Args:
        uri: Prefix to read, e.g. "s3://bucket/train/".
        loader_opts: Order, division, read-ahead: LoaderOptions or a dict of its fields; unknown names are refused.
        return_type: "tensor" (uint8, shape [size], over the received memory), "bytes" or "reader" (a SampleReader).
        transform: Called with the sample; what it returns is yielded.
        enable_sharding: False gives every rank and every worker all samples.
        arguments: `records` ("tfrecord", "webdataset", "npy", "npz", "hdf5", "safetensors", or a RecordIndex) and
            `record_options`: one sample a record. `manifest_cache`: path or URI that keeps the listing. `listing`:
            "rank0", "each" or "auto". `allow_empty`: True accepts that there are no samples. `reader_constructor`: an
            S3ReaderConstructor. `region`, `endpoint`, `s3client_config`: as AWS's connector has them. `writable`,
            `suppress_nonwritable_warning`: as older s3dlio has them; samples are always writable. All others go to
            open_store: endpoint_url, profile, tuning, ...
    Raises:
        StorageError: While listing, or from the iterator at the object that failed; never a short epoch.
        TypeError, ValueError: An option that is unknown, of another type, or out of its bounds.
    """

    def __init__(
        self,
        uri: str,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        *,
        return_type: str = "tensor",
        transform: Transform | None = None,
        enable_sharding: bool = True,
        **arguments: Any,
    ) -> None:
        options = LoaderOptions.of(loader_opts)
        arguments |= {"return_type": return_type, "transform": transform}
        self._set_up(Source.of(uri, options, sharded=enable_sharding, **arguments), options, enable_sharding)

    @classmethod
    def from_prefix(
        cls,
        uri: str | None = None,
        *,
        s3_uri: str | None = None,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        enable_sharding: bool = False,
        **arguments: Any,
    ) -> S3IterableDataset:
        """The shape of AWS's connector: `transform` gets a seekable reader with `.bucket` and `.key`; `s3_uri` is its
        name for `uri`.

        As there, the prefix is literal on object stores ("s3://bucket/train/part-"), and sharding is off unless asked
        for: with N workers and no sharding every sample comes N times. Loader options may be given as arguments, as
        older s3dlio has it (batch_size=..., prefetch=...); samples are then tensors unless return_type says otherwise.

        Raises:
            StorageError: While listing.
            TypeError: Both of `uri` and `s3_uri` are given, or neither; or an option is unknown or of another type.
            ValueError: An option out of its bounds.
        """
        return cls._made(one_uri(uri, s3_uri), loader_opts, enable_sharding, {"literal": True, **arguments})

    @classmethod
    def from_objects(
        cls,
        object_uris: str | Iterable[str],
        *,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        enable_sharding: bool = False,
        **arguments: Any,
    ) -> S3IterableDataset:
        """As from_prefix(), over the given objects in the given order; nothing is listed."""
        uris = [object_uris] if isinstance(object_uris, str) else list(object_uris)
        if arguments.get("records") is None:
            arguments.setdefault("listing", "each")
        return cls._made(uris, loader_opts, enable_sharding, arguments)

    @classmethod
    def _made(
        cls,
        where: str | Iterable[str],
        loader_opts: LoaderOptions | dict[str, Any] | None,
        enable_sharding: bool,
        arguments: dict[str, Any],
    ) -> S3IterableDataset:
        options, rest = split_options(loader_opts, arguments)
        older_shape = len(rest) < len(arguments)
        rest.setdefault("return_type", "tensor" if older_shape else "reader")
        dataset = cls.__new__(cls)
        dataset._set_up(Source.of(where, options, sharded=enable_sharding, **rest), options, enable_sharding)
        return dataset

    def _set_up(self, source: Source, options: LoaderOptions, enable_sharding: bool) -> None:
        self._source = source
        self._options = options
        self._enable_sharding = enable_sharding
        ranks_here()  # a bad environment shows at once; what counts is what each iteration finds
        self._was_divided = False  # a framework divided the newest loop
        self._pickled_ranks: tuple[int, Ranks] | None = None  # (process that unpickled it, where it was pickled)
        self._control = Control()
        self._epoch_was_set = False
        self._loaded: State | None = None
        self._load = 0  # number of the newest state loaded in the training process
        self._loaded_by_worker = False
        self._tracker: tuple[int, Tracker] | None = None  # (process, what its newest iterator has read)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tracker": None, "_pickled_ranks": self._ranks()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._pickled_ranks = os.getpid(), state["_pickled_ranks"]

    def __len__(self) -> int:
        """Samples this rank yields, over all its workers; after load_state_dict() those that are left."""
        state = self._loaded.flat() if self._loaded is not None else self._fresh()
        ranks = self._ranks() if self._enable_sharding else Ranks(0, 1)
        if self._was_divided:
            # Hugging Face's Trainer asks from where its loader does not show.
            ranks = Ranks(0, 1)
        layout = Layout(ranks.rank, ranks.world_size, block=self._options.block)
        return state.share(layout, drop_last=self._options.drop_last, wrap=self._options.wrap).of_rank

    def __iter__(self) -> Iterator[Any]:
        """A SampleIterator over what this process is to read."""
        try:
            return self._iterator()
        except Exception as error:
            if get_worker_info() is None:
                raise
            # A persistent worker would die of it here; from its first sample it reaches the training process.
            return FailedIterator(error)

    def _iterator(self) -> SampleIterator:
        layout = self._layout()
        state = self._starting_state(layout)
        self._refuse_nothing(state, layout)
        return SampleIterator(
            self._source.manifest,
            self._options,
            self._source.maker,
            state,
            resume=lambda stored: resumed(self._checked(stored), layout),
            on_tracker=self._follow,
        )

    def _refuse_nothing(self, state: State, layout: Layout) -> None:
        """An epoch of which drop_last leaves no rank anything is as silent as an empty prefix."""
        total, options = len(self._source.manifest), self._options
        if not total or not options.drop_last or state.base.consumed or self._source.allow_empty:
            return
        if not state.share(layout, drop_last=True).of_rank:
            raise ValueError(
                f"drop_last leaves out all {total} samples: {layout.world_size} ranks with batches of {layout.block} "
                f"need {layout.world_size * layout.block}; lower batch_size, use wrap, or accept it: allow_empty=True"
            )

    def _follow(self, tracker: Tracker) -> None:
        self._tracker = os.getpid(), tracker

    # Epochs

    @property
    def epoch(self) -> int:
        """Of the next iteration: as set_epoch() or a loaded state said; else 0."""
        return self._control.epoch if self._loaded is None else self._loaded.id.epoch

    def set_epoch(self, epoch: int) -> None:
        """Give the next iteration the order of `epoch`; workers hear of it too, also persistent ones.

        Call it in the training process before each epoch. A loaded state holds for its own epoch only.
        """
        if not isinstance(epoch, int) or isinstance(epoch, bool):
            raise TypeError(f"epoch is {epoch!r}; expected an integer")
        # accelerate's loaders call this on every rank before they begin, so a refusal leaves none of them waiting.
        self._was_divided = bool(self._ranks().divider)
        self._control.epoch = epoch
        self._epoch_was_set = True
        if self._loaded is not None and self._loaded.id.epoch != epoch:
            self._drop_loaded(self._loaded, epoch)
            self._loaded = None

    def _drop_loaded(self, loaded: State, epoch: int) -> None:
        """Say so where nobody has gone on from the loaded state, and some of its epoch is left."""
        left = len(loaded.flat().share(Layout()))
        if left and not self._control.taken_by_any(self._load):
            warnings.warn(
                f"set_epoch({epoch}) drops the loaded state of epoch {loaded.id.epoch}, of which {left} of "
                f"{loaded.id.total} samples are unread; begin with set_epoch({loaded.id.epoch}), on the loader too "
                "where that counts epochs (accelerate)",
                stacklevel=3,
            )

    # State

    def state_dict(self) -> dict[str, Any]:
        """What was read so far in the current epoch, by the newest iterator of this process.

        Raises:
            RuntimeError: Workers do the reading, so only their loader knows: use torchdata's StatefulDataLoader.
        """
        if self._tracker is not None and self._tracker[0] == os.getpid():
            state = self._tracker[1].state()
            if state.id.epoch == self.epoch or get_worker_info() is not None:
                return state.to_dict()
        if get_worker_info() is None and self._tracker is None and self._control.workers_read:
            raise RuntimeError(
                "the samples are read by DataLoader workers, whose progress this process does not see; use "
                "torchdata.stateful_dataloader.StatefulDataLoader and its state_dict()"
            )
        return (self._loaded or self._fresh()).to_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Make the next iteration go on from a state; the one after it is a whole epoch again.

        Call it before a DataLoader with workers is made. A state of merge_states() fits any number of ranks and
        workers; a consumer's own state fits that consumer.

        Raises:
            ValueError: It is of other samples or another order, or no state.
        """
        self._loaded = self._checked(state_dict)
        self._tracker = None
        self._loaded_by_worker = get_worker_info() is not None
        if not self._loaded_by_worker:
            self._load = self._control.loads = self._control.loads + 1
            if not self._epoch_was_set:
                self._control.epoch = self._loaded.id.epoch

    def _checked(self, stored: dict[str, Any]) -> State:
        state = State.from_dict(stored)
        self._epoch_id(state.id.epoch).check_same(state.id, "the state")
        return state

    def _starting_state(self, layout: Layout) -> State:
        loaded = self._take_loaded()
        return resumed(self._fresh() if loaded is None else loaded, layout)

    def _take_loaded(self) -> State | None:
        """The loaded state at its first use; None later."""
        worker = get_worker_info()
        loaded, self._loaded = self._loaded, None
        if worker is None:
            return None if loaded is None or self._control.taken_by_any(self._load) else loaded
        self._control.note_worker(worker.id)
        if self._control.loads != self._load:
            raise RuntimeError("a state was loaded after the workers had started; make a new DataLoader for it")
        if loaded is None or self._loaded_by_worker:
            return loaded
        # Every epoch may start workers anew, each with a copy of what was loaded.
        return loaded if self._control.take(worker.id, self._load) else None

    def _fresh(self) -> State:
        return State(self._epoch_id(self._control.epoch), Progress(len(self._source.manifest)))

    def _epoch_id(self, epoch: int) -> EpochId:
        manifest, options = self._source.manifest, self._options
        # Without a shuffle the seed changes nothing.
        seed = options.seed if options.shuffle else 0
        return EpochId(len(manifest), manifest.digest, options.shuffle, seed, epoch)

    # Division

    def _layout(self) -> Layout:
        """The consumer that runs here."""
        worker, options = get_worker_info(), self._options
        if not self._enable_sharding:
            if worker is not None and worker.num_workers > 1 and worker.id == 0:
                warnings.warn(
                    f"enable_sharding is off: each of the {worker.num_workers} workers yields every object",
                    stacklevel=4,
                )
            return Layout(block=options.block)
        number, count = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if options.worker_id is not None and options.num_workers_pytorch is not None:
            if worker is not None and (number, count) != (options.worker_id, options.num_workers_pytorch):
                raise ValueError(
                    f"worker_id and num_workers_pytorch say {options.worker_id} of {options.num_workers_pytorch}, but "
                    f"this is DataLoader worker {number} of {count}; leave them out, the workers know themselves"
                )
            number, count = options.worker_id, options.num_workers_pytorch
        ranks = self._ranks()
        self._was_divided = bool(ranks.divider)
        return Layout(ranks.rank, ranks.world_size, number, count, options.block)

    def _ranks(self) -> Ranks:
        """Found anew at every use: a process group may be initialised, or a loader prepared, after the dataset is made.

        Raises:
            ValueError: shard_rank is given and a framework divides too.
        """
        found = ranks_here()
        if get_worker_info() is None:
            self._was_divided |= bool(found.divider)
        elif not found.divider and self._pickled_ranks is not None and self._pickled_ranks[0] == os.getpid():
            # This worker was spawned: it has no process group, and who started it was seen where it was pickled.
            found = self._pickled_ranks[1]
        options = self._options
        if options.shard_rank is None or options.shard_world_size is None:
            return found
        if found.divider and options.shard_world_size > 1:
            raise ValueError(
                f"shard_rank is {options.shard_rank} of {options.shard_world_size}, and {found.divider} divides the "
                "samples among the ranks once more, so that most would be lost; leave shard_rank and shard_world_size "
                "out, or do not let accelerate prepare this loader"
            )
        return Ranks(options.shard_rank, options.shard_world_size)
