"""From a load plan to the items to be read: what is known of each, in the order they are stored."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint._extension import ExtensionRegistry
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex, TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadItemType, LoadPlan, LoadPlanner, ReadItem
from torch.nn import Parameter

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.read.box import Box
from s3dlio_core.checkpoint.read.check import check_chunks, gaps_between_items
from s3dlio_core.checkpoint.read.item import LoadItem, Place, WholeItem, index_of
from s3dlio_core.checkpoint.read.probe import ProbeItem
from s3dlio_core.checkpoint.read.tensor import TensorItem, TensorRead, Verify
from s3dlio_core.errors import CheckpointError
from s3dlio_torch._overlap import overlapping_names
from s3dlio_torch.dcp.load.destination import Destination, plain_span, undo_planes
from s3dlio_torch.dcp.load.whole import checker, safe_bytes, tensor_limit, undoing, whole_tensor

__all__ = ["PlannedLoad", "Request"]

_LARGEST_OBJECT = 4 << 30  # a pickled object, uncompressed


@dataclass(slots=True)
class Request:
    """One item of the plan.

    Attributes:
        index: What is known of the stored bytes; None: nothing (yet).
        whole: Whether the item must be read as a whole.
        ours: Whether this package wrote it.
        order: Dimensions of the stored tensor from the slowest in memory to the fastest; None: row-major.
    """

    read: ReadItem
    place: Place
    index: ItemIndex | None
    transforms: tuple[str, ...]
    whole: bool
    ours: bool
    order: tuple[int, ...] | None = None


class PlannedLoad:
    """The items of one plan.

    Args:
        uri_of: Gives the URI of a key.
        verify: As StorageReader's.
        trusted: Hand pickled objects to the planner as they are.
        vouched: Do not ask whether chunks tile their tensors: a checksum vouches for the metadata, or it is one rank's.
    Raises:
        CheckpointError: The metadata lists no place for something in the plan, or contradicts itself.
    """

    def __init__(
        self,
        plan: LoadPlan,
        planner: LoadPlanner,
        metadata: Metadata,
        uri_of: Callable[[str], str],
        *,
        verify: Verify,
        trusted: bool,
        vouched: bool,
        registry: ExtensionRegistry,
    ) -> None:
        self._planner = planner
        self._metadata = metadata
        self._uri_of = uri_of
        self._verify = verify
        self._trusted = trusted
        self._registry = registry
        self._gaps: dict[tuple[str, int], int] = {}
        if verify is not False:
            self._gaps = gaps_between_items(metadata, uri_of)
            if not vouched:
                check_chunks(metadata, uri_of(""))
        requests = [self._request(read) for read in plan.items]
        self.requests = sorted(requests, key=lambda request: (request.place.key, request.place.start))
        shared = _names_of_one_memory(planner)
        self._shared = [request for request in requests if request.read.dest_index.fqn in shared]  # in the plan's order

    @property
    def nbytes(self) -> int:
        """Bytes of all destinations, as they are stored."""
        return sum(
            self._box(request).nbytes if request.read.type == LoadItemType.TENSOR else request.place.size
            for request in self.requests
        )

    def probes(self) -> Iterator[LoadItem]:
        """What must be read first, to know where payloads lie. Each stored item once."""
        unknown = (request for request in self.requests if request.index is None and not request.whole)
        for place, same in itertools.groupby(unknown, key=lambda request: request.place):
            yield ProbeItem(place, _Learn(list(same)))

    def items(self) -> Iterator[LoadItem]:
        """What is read then; tensors are resolved when their turn comes.

        Those that share memory with another come last, in the plan's order: the last one counts, as it does for torch.
        """
        shared = {id(request) for request in self._shared}
        alone = (request for request in self.requests if id(request) not in shared)
        for request in itertools.chain(alone, self._shared):
            yield self._whole_item(request) if request.whole else self._tensor_item(request)
        if self._verify is not False:
            yield from self._empty_items()

    def _empty_items(self) -> Iterator[LoadItem]:
        """Tensors without elements, in the objects that are read anyway: nobody asks for their bytes, so they are
        only checked."""
        keys = {request.place.key for request in self.requests}
        for index, info in (self._metadata.storage_data or {}).items():
            entry = self._metadata.state_dict_metadata.get(index.fqn)
            if info.relative_path in keys and isinstance(entry, TensorStorageMetadata) and 0 in entry.size:
                yield WholeItem(self._place(index, info), lambda data: data, checker(None, True), lambda data: None)

    # ---- one request ----
    def _request(self, read: ReadItem) -> Request:
        stored = self._metadata.storage_data or {}
        index = read.storage_index
        info = stored.get(index)
        if info is None:
            message = (
                f"the metadata lists no place for {index.fqn!r} at offset {index.offset}; the checkpoint is incomplete"
            )
            raise CheckpointError(message, operation="load", uri=self._uri_of(""))
        place = self._place(index, info)
        known = index_of(info, place)
        transforms = tuple(info.transform_descriptors or ())
        # What this package compressed is read in frames; whatever else went through a transform only as a whole.
        whole = read.type == LoadItemType.BYTE_IO or (known.dtype == "" if known is not None else bool(transforms))
        return Request(read, place, known, transforms, whole, known is not None)

    def _place(self, index: MetadataIndex, info: _StorageInfo) -> Place:
        key = info.relative_path
        gap = self._gaps.get((key, info.offset), 0) if hasattr(info, "s3dlio_index") else 0
        return Place(index.fqn, key, self._uri_of(key), info.offset, info.length, gap)

    def _box(self, request: Request) -> Box:
        entry = self._metadata.state_dict_metadata.get(request.read.storage_index.fqn)
        if not isinstance(entry, TensorStorageMetadata):
            message = f"{request.place.name!r} is no tensor in the checkpoint"
            raise CheckpointError(message, operation="load", uri=request.place.uri)
        read = request.read
        chunk = _chunk_sizes(entry, read.storage_index)
        return Box(chunk, tuple(read.storage_offsets), tuple(read.lengths), entry.properties.dtype.itemsize)

    def _tensor_item(self, request: Request) -> LoadItem:
        index = request.index
        assert index is not None
        box = self._box(request)
        order = request.order or tuple(range(len(box.shape)))
        if len(order) != len(box.shape):
            message = f"{request.place.name!r} is stored with {len(order)} dimensions; expected {len(box.shape)}"
            raise CheckpointError(message, operation="load", uri=request.place.uri)
        dtype = _stored_dtype(index, request.place)
        read = request.read
        return TensorItem(
            TensorRead(
                request.place,
                index,
                # A tensor may be stored in another type than the plan's: what is stored counts.
                replace(box.permuted(order), itemsize=dtype.itemsize),
                order,
                open=lambda: Destination(self._planner.resolve_tensor(read), dtype, order, self._committer(read)),
                verify=self._verify,
                # The ends of an item that torch wrote were checked when they were looked at.
                outside=request.ours,
                owner=read.dest_index.fqn,
                undo_planes=undo_planes,
            )
        )

    def _whole_item(self, request: Request) -> LoadItem:
        read, place = request.read, request.place
        is_tensor = read.type == LoadItemType.TENSOR
        limit = tensor_limit(self._box(request).whole_nbytes) if is_tensor else _LARGEST_OBJECT
        undo = undoing(request.transforms, self._registry, place, limit)
        check = checker(request.index, self._verify is not False)

        def use(plain: memoryview) -> None:
            if is_tensor:
                whole_tensor(plain, read, place, lambda: target, self._committer(read))
            else:
                self._planner.load_bytes(read, io.BytesIO(plain) if self._trusted else safe_bytes(plain, place))

        item = WholeItem(place, undo, check, use)
        item.owner = read.dest_index.fqn
        if is_tensor:
            target = self._planner.resolve_tensor(read)
            item.span = plain_span(target)
        return item

    def _committer(self, read: ReadItem) -> Callable[[Tensor], None]:
        return lambda tensor: self._planner.commit_tensor(read, tensor)


def _names_of_one_memory(planner: LoadPlanner) -> set[str]:
    """Names in the state dict whose tensors overlap, as far as the planner shows it."""
    entries = getattr(planner, "state_dict", None)
    if not isinstance(entries, Mapping):
        return set()
    local: dict[str, Any] = {name: getattr(entry, "_local_tensor", entry) for name, entry in entries.items()}
    plain = {name: tensor for name, tensor in local.items() if type(tensor) in (Tensor, Parameter)}
    return {name for group in overlapping_names(plain) for name in group}


class _Learn:
    """Takes what a probe found into the requests for that item."""

    def __init__(self, requests: list[Request]) -> None:
        self._requests = requests

    def __call__(self, index: ItemIndex | None, order: tuple[int, ...]) -> None:
        for request in self._requests:
            request.index = index
            request.order = order
            request.whole = index is None


def _stored_dtype(index: ItemIndex, place: Place) -> torch.dtype:
    found = getattr(torch, index.dtype, None)
    if not isinstance(found, torch.dtype):
        message = f"{place.name} is of dtype {index.dtype[:50]!r}, which this torch does not know"
        raise CheckpointError(message, operation="load", uri=place.uri)
    return found


def _chunk_sizes(entry: TensorStorageMetadata, index: MetadataIndex) -> tuple[int, ...]:
    """Shape of the stored chunk at `index`."""
    chunks = entry.chunks
    hint = index.index
    if hint is not None and 0 <= hint < len(chunks) and chunks[hint].offsets == index.offset:
        return tuple(chunks[hint].sizes)
    found = next((chunk for chunk in chunks if chunk.offsets == index.offset), None)
    if found is None:
        if index.offset is None and len(chunks) == 1:
            return tuple(chunks[0].sizes)
        raise CheckpointError(f"{index.fqn!r} has no chunk at offset {index.offset}", operation="load")
    return tuple(found.sizes)
