"""Samples below a prefix by index; a batch of indices is one call into the engine."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from torch.utils.data import Dataset

from s3dlio_core._ext import allocate
from s3dlio_core.loader import LoaderOptions
from s3dlio_core.values import FetchItem
from s3dlio_torch.rows import Rows, slab
from s3dlio_torch.sample import Transform
from s3dlio_torch.sample_iterator import leaving_a_worker
from s3dlio_torch.source import HasSource, Source, one_uri, split_options

__all__ = ["S3MapDataset"]

_READ_OPTIONS = ("reader_mode", "part_size", "max_inflight_parts")


class S3MapDataset(HasSource, Dataset[Any]):
    """One sample an object (or a record), by position in the listing (ascending by key).

    Samplers do shuffling and sharding, and their state is the state: StatefulDataLoader resumes it. DataLoader asks for
    a batch at once, and it is read by one call; with return_type "tensor" into one piece of memory, of which
    equal-sized samples are the rows: `collate_fn=s3dlio_torch.collate` hands it on without a copy.

    Args:
        uri: Prefix to read, e.g. "s3://bucket/train/". Listed once, when the dataset is made.
        loader_opts: reader_mode, part_size, max_inflight_parts of LoaderOptions; also as arguments.
        return_type: "tensor" (uint8, shape [size]), "bytes" or "reader" (a SampleReader).
        transform: Called with the sample; what it returns is the item.
        pin_memory: Read batches into pinned memory where there is an accelerator; in worker processes it is shared
            memory instead, and DataLoader's own pin_memory does it.
        arguments: As of S3IterableDataset.
    Raises:
        StorageError: While listing, or when an object cannot be read.
        TypeError, ValueError: An option that is unknown, of another type, or out of its bounds.
    """

    def __init__(
        self,
        uri: str,
        *,
        loader_opts: LoaderOptions | dict[str, Any] | None = None,
        return_type: str = "tensor",
        transform: Transform | None = None,
        pin_memory: bool = False,
        **arguments: Any,
    ) -> None:
        arguments |= {"return_type": return_type, "transform": transform}
        self._set_up(uri, loader_opts, pin_memory, arguments)

    @classmethod
    def from_prefix(cls, uri: str | None = None, *, s3_uri: str | None = None, **arguments: Any) -> S3MapDataset:
        """The shape of AWS's connector: `transform` gets a seekable reader with `.bucket` and `.key`; the prefix is
        literal on object stores; `s3_uri` is the connector's name for `uri`.

        Raises:
            StorageError: While listing.
            TypeError: Both of `uri` and `s3_uri` are given, or neither; or an option is unknown or of another type.
            ValueError: An option out of its bounds.
        """
        return cls._made(one_uri(uri, s3_uri), {"literal": True, **arguments})

    @classmethod
    def from_objects(cls, object_uris: str | Iterable[str], **arguments: Any) -> S3MapDataset:
        """As from_prefix(), over the given objects in the given order; nothing is listed."""
        return cls._made([object_uris] if isinstance(object_uris, str) else list(object_uris), arguments)

    @classmethod
    def _made(cls, where: str | list[str], arguments: dict[str, Any]) -> S3MapDataset:
        dataset = cls.__new__(cls)
        rest = dict(arguments)
        loader_opts, pin_memory = rest.pop("loader_opts", None), rest.pop("pin_memory", False)
        older_shape = any(name in LoaderOptions.names() for name in rest)
        rest.setdefault("return_type", "tensor" if older_shape else "reader")
        dataset._set_up(where, loader_opts, pin_memory, rest)
        return dataset

    def _set_up(
        self,
        where: str | list[str],
        loader_opts: LoaderOptions | dict[str, Any] | None,
        pin_memory: bool,
        arguments: dict[str, Any],
    ) -> None:
        if not isinstance(pin_memory, bool):
            raise TypeError(f"pin_memory is {pin_memory!r}; expected True or False")
        options, rest = split_options(loader_opts, arguments)
        idle = sorted(name for name in LoaderOptions.names() if name not in _READ_OPTIONS and _was_given(options, name))
        if idle:
            raise TypeError(
                f"{', '.join(idle)} would do nothing here: samplers order and divide a map dataset; valid loader "
                f"options are {', '.join(_READ_OPTIONS)}"
            )
        self._source = Source.of(where, options, **rest)
        self._pin_memory = pin_memory

    def __len__(self) -> int:
        return len(self._source.manifest)

    def __getitem__(self, index: int) -> Any:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """The samples at `indices`, in that order, fetched together. DataLoader calls this for each batch."""
        try:
            return self._samples(indices)
        except Exception as error:
            leaving_a_worker(error)
            raise

    def _samples(self, indices: Sequence[int]) -> list[Any]:
        manifest, maker = self._source.manifest, self._source.maker
        wanted = [self._checked(index) for index in indices]
        if not maker.fetches:
            return [maker.make(manifest, index, None) for index in wanted]
        items = [manifest.item(index) for index in wanted]
        sizes = [size for size in map(manifest.size, wanted) if size is not None]
        if not items or len(sizes) < len(items):
            pieces = self._fetched(items)
        elif maker.takes_rows(manifest):
            pieces = self._rows(items, sizes)
            if maker.transform is None:
                return pieces
        else:
            pieces = self._pieces(items, sizes)
        return [maker.make(manifest, index, data) for index, data in zip(wanted, pieces, strict=True)]

    def _rows(self, items: list[FetchItem], sizes: list[int]) -> Rows:
        """Tensors, read into one piece of memory."""
        offsets = [0, *itertools.accumulate(sizes)]
        memory = slab(offsets[-1], pin_memory=self._pin_memory)
        self._source.manifest.store.get_many_into(items, memory, offsets)
        rows = [memory[start:end] for start, end in itertools.pairwise(offsets)]
        even = len(set(sizes)) == 1 and sizes[0] > 0
        return Rows(rows, memory.view(len(items), -1) if even else None)

    def _pieces(self, items: list[FetchItem], sizes: list[int]) -> list[Any]:
        """Buffers, read into one piece of memory."""
        offsets = [0, *itertools.accumulate(sizes)]
        memory = allocate(offsets[-1])
        self._source.manifest.store.get_many_into(items, memory, offsets)
        return [memory[start:end] for start, end in itertools.pairwise(offsets)]

    def _fetched(self, items: list[FetchItem]) -> list[Any]:
        """Buffers of objects whose sizes nobody knows beforehand."""
        store = self._source.manifest.store
        # Everything asked for is kept, so no window need hold it back.
        with store.prefetch(items, window_bytes=1 << 62, window_requests=store.tuning.max_connections) as stream:
            return [data for _, data in stream]

    def _checked(self, index: int) -> int:
        total = len(self)
        if not -total <= index < total:
            raise IndexError(f"index {index} is outside [{-total}, {total})")
        return index % total


def _was_given(options: LoaderOptions, name: str) -> bool:
    return bool(getattr(options, name) != LoaderOptions.__dataclass_fields__[name].default)
