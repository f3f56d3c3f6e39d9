"""load and save of `.pt` objects: what torch.save writes, with storages filled straight from the store."""

from __future__ import annotations

import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable
from typing import IO, Any, cast

import torch

from s3dlio_core import PutResult, Tuning
from s3dlio_core.checkpoint.plain_pickle import PickleRefused
from s3dlio_core.checksum import crc32, crc32_combine
from s3dlio_core.errors import CheckpointError, StorageError
from s3dlio_core.formats.foreign import named_for_what_it_is
from s3dlio_core.weights.generation import Generation, open_generation
from s3dlio_torch._fill_tensors import TensorItem, fill_tensors
from s3dlio_torch._guarded_writer import GuardedWriter
from s3dlio_torch._memory import fresh
from s3dlio_torch._pickle_depth import check_stored
from s3dlio_torch._pt_archive import (
    Archive,
    Record,
    Reference,
    UnusualArchive,
    check_whole,
    mismatch,
    open_archive,
    references_in,
)
from s3dlio_torch._stores import Stores

__all__ = ["UnsafePickleError", "load", "load_from", "save", "save_to"]

MapLocation = str | torch.device | dict[str, str] | Callable[[Any, str], Any] | None


_TAR_MARK, _TAR_MARK_AT = b"ustar", 257
_COPY_BYTES = 4 << 20
_PICKLE = b"\x80"  # how every pickle since torch 0.1 begins


class UnsafePickleError(CheckpointError, pickle.UnpicklingError):
    """The object's pickle wants what a pickle of weights has no need of; nothing of it was carried out."""


def load(
    uri: str | os.PathLike[str],
    map_location: MapLocation = None,
    weights_only: bool = True,
    *,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> Any:
    """Read what torch.save() wrote, with many storages on their way at once, each into its own memory.

    Every record is compared with its CRC-32, which torch.load() does not do.

    Args:
        uri: Of the object, e.g. "s3://models/a.pt"; or a local path.
        map_location: As torch.load() takes it. Storages for an accelerator pass through 64 MiB of pinned memory; with a
            function they are all read first, since it may look at them.
        weights_only: Only tensors, containers and what torch.serialization.add_safe_globals() names. False lets the
            pickle run whatever it says: for objects you would run as a program.
        store_options: As open_store() takes them.
    Raises:
        UnsafePickleError: The pickle wants more than weights need (also pickle.UnpicklingError).
        ChecksumMismatchError: A record is not what was stored; the message names it.
        CheckpointError: The object is damaged or cut short.
    """
    with Stores(tuning, store_options) as stores:
        return load_from(stores, uri, map_location, weights_only)


def load_from(
    stores: Stores, uri: str | os.PathLike[str], map_location: MapLocation = None, weights_only: bool = True
) -> Any:
    """As load(), from stores that are open."""
    store, key = stores.at(uri, "load")
    source = open_generation(store, key)
    try:
        archive = open_archive(source)
    except UnusualArchive:
        return _load_by_torch(source, map_location, weights_only)
    if _is_meta(map_location):
        _check_depth(source, archive.file)
        return _unpickled(source, archive.file, map_location, weights_only)
    references = references_in(archive.pickle)
    if references is None:
        return _load_by_torch(source, map_location, weights_only)
    storages = _read_storages(archive, references, map_location)
    handing_out = _HandingOut(archive, references, storages, map_location)
    with torch.serialization.skip_data():
        loaded = _unpickled(source, archive.file, handing_out, weights_only)
    handing_out.finish()
    return loaded


def save(
    obj: Any,
    uri: str | os.PathLike[str],
    *,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> PutResult:
    """As torch.save(), streamed to a store; the object appears as a whole, or not at all.

    Large storages on the CPU are sent from their own memory.
    """
    with Stores(tuning, store_options) as stores:
        return save_to(stores, obj, uri)


def save_to(stores: Stores, obj: Any, uri: str | os.PathLike[str]) -> PutResult:
    """As save(), to stores that are open."""
    store, key = stores.at(uri, "save")
    with GuardedWriter(store.open_writer(key)) as writer:
        torch.save(obj, cast(IO[bytes], writer))
    assert writer.result is not None
    return writer.result


def _load_by_torch(source: Generation, map_location: Any, weights_only: bool) -> Any:
    """An older format, TorchScript, or repacked by something else: torch reads it, once its checksums were compared."""
    with source.store.open_reader(source.key) as reader:
        front = reader.read(_TAR_MARK_AT + len(_TAR_MARK)) or b""
        reader.seek(0)
        if front[_TAR_MARK_AT:] == _TAR_MARK:
            return _load_tar(source, reader, map_location, weights_only)
        check_whole(reader, source.uri)
        if weights_only:
            _check_depth(source, reader)
        return _unpickled(source, reader, map_location, weights_only, front)


def _check_depth(source: Generation, file: Any) -> None:
    try:
        check_stored(file)
    except PickleRefused as error:
        raise UnsafePickleError(str(error), operation="load", uri=source.uri) from error


def _load_tar(source: Generation, reader: Any, map_location: Any, weights_only: bool) -> Any:
    """The format of torch 0.1: torch unpacks it to a disk, and wants a file there to begin with."""
    if weights_only:
        message = (
            "a tar archive, as torch 0.1 wrote it; torch reads those with weights_only=False alone: the pickle in it "
        )
        raise UnsafePickleError(f"{message}may run whatever it says", operation="load", uri=source.uri)
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(reader, file, _COPY_BYTES)
        return _unpickled(source, file, map_location, weights_only)


def _unpickled(source: Generation, file: Any, map_location: Any, weights_only: bool, front: bytes = b"") -> Any:
    """torch.load(), its errors told with the object's name, and with what it is where its `front` tells."""
    file.seek(0)
    try:
        return torch.load(file, map_location=map_location, weights_only=weights_only, mmap=False)
    except StorageError:
        raise
    except pickle.UnpicklingError as error:
        message = named_for_what_it_is(source.key, front)
        if message and not front.startswith(_PICKLE):  # torch's long text about unsafe pickles would lead astray
            raise CheckpointError(
                f"nothing that torch.save() wrote{message}", operation="load", uri=source.uri
            ) from error
        raise UnsafePickleError(str(error), operation="load", uri=source.uri) from error
    except Exception as error:
        message = f"torch cannot read it: {type(error).__name__}: {error}{named_for_what_it_is(source.key, front)}"
        raise CheckpointError(message, operation="load", uri=source.uri) from error


def _is_meta(map_location: MapLocation) -> bool:
    return isinstance(map_location, (str, torch.device)) and torch.device(map_location).type == "meta"


def _read_storages(
    archive: Archive, references: Iterable[Reference], map_location: MapLocation
) -> dict[str, torch.UntypedStorage]:
    """A filled storage for every key the pickle speaks of, on the device it is to be on."""
    storages: dict[str, torch.UntypedStorage] = {}
    reading: list[_StorageRead] = []
    devices: dict[str, torch.device] = {}
    for reference in references:
        record = archive.storages.get(reference.key)
        if record is None:
            message = f"the pickle speaks of the record data/{reference.key}, and there is none"
            raise CheckpointError(message, operation="load", uri=archive.source.uri)
        if reference.key in storages:
            continue
        if reference.nbytes != record.size:
            message = f"the record data/{reference.key} has {record.size} bytes; the pickle says {reference.nbytes}"
            raise CheckpointError(message, operation="load", uri=archive.source.uri)
        if reference.location not in devices:
            devices[reference.location] = _device_of(reference.location, map_location)
        memory = fresh([record.size], torch.uint8, devices[reference.location])
        storages[reference.key] = memory.untyped_storage()
        if record.size and memory.device.type != "meta":
            reading.append(_StorageRead(archive, record, memory))
    fill_tensors(item for read in reading for item in read.items())
    # Only where torch's rule for the place of the contents did not hold.
    fill_tensors(item for read in reading for item in read.items_again())
    for read in reading:
        read.verify()
    return storages


def _device_of(location: str, map_location: MapLocation) -> torch.device:
    """Where a storage that was saved on `location` is to be filled."""
    if callable(map_location):
        return torch.device("cpu")  # it decides once it sees the storage
    if isinstance(map_location, dict):
        location = map_location.get(location, location)
    elif map_location is not None:
        location = str(map_location)
    # Torch's own rules and messages, on a storage of nothing.
    return torch.device(_restored(torch.empty(0, dtype=torch.uint8, device="cpu").untyped_storage(), location).device)


def _restored(storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage:
    restored: torch.UntypedStorage = torch.serialization.default_restore_location(storage, location)  # type: ignore[no-untyped-call]
    return restored


class _StorageRead:
    """One storage's contents, with the header before them, which tells whether they were where they were sought."""

    def __init__(self, archive: Archive, record: Record, memory: torch.Tensor) -> None:
        self._archive = archive
        self._record = record
        self._memory = memory
        self._start = record.likely_start(archive.alignment)
        self._header = bytearray(record.header_size)
        self._crcs: dict[int, tuple[int, int]] = {}

    def items(self) -> Iterable[TensorItem]:
        source, record = self._archive.source, self._record
        header = torch.frombuffer(self._header, dtype=torch.uint8)
        yield TensorItem(source, record.header, record.header + record.header_size, torch.uint8, header)
        if self._start + record.size <= source.size:
            yield self._contents()

    def items_again(self) -> Iterable[TensorItem]:
        start = self._record.start_in(self._header, self._archive.source)
        if start != self._start:
            self._start = start
            self._crcs.clear()
            yield self._contents()

    def _contents(self) -> TensorItem:
        end = self._start + self._record.size
        return TensorItem(self._archive.source, self._start, end, torch.uint8, self._memory, self._take)

    def verify(self) -> None:
        crc = 0
        for _, (piece, size) in sorted(self._crcs.items()):
            crc = crc32_combine(crc, piece, size)
        if self._archive.has_checksums and crc != self._record.crc:
            raise mismatch(self._record, crc, self._archive.source.uri)

    def _take(self, offset: int, data: torch.Tensor) -> None:
        if self._archive.has_checksums:
            self._crcs[offset] = crc32(data), data.numel()


class _HandingOut:
    """Gives torch.load() the filled storages, as its map_location: it asks for one storage after the other, in the
    pickle's order, and once more for those that have no address. The blank ones that it brings along are of no use, not
    even to compare sizes: in torch 2.10 they are larger than what they stand for.
    """

    def __init__(
        self,
        archive: Archive,
        references: list[Reference],
        storages: dict[str, torch.UntypedStorage],
        map_location: MapLocation,
    ) -> None:
        self._uri = archive.source.uri
        self._references = references
        self._storages = storages
        self._map_location = map_location
        self._next = 0
        self._known: set[str] = set()

    def __call__(self, blank: torch.UntypedStorage, location: str) -> torch.UntypedStorage:
        reference = self._skip_known()
        if reference is None or reference.location != location:
            raise CheckpointError("the pickle speaks of other storages than it did", operation="load", uri=self._uri)
        self._next += 1
        placed = self._placed(self._storages[reference.key], location)
        if placed.data_ptr() != 0:
            self._known.add(reference.key)
        return placed

    def finish(self) -> None:
        """All storages were asked for."""
        if self._skip_known() is not None:
            raise CheckpointError("the pickle speaks of other storages than it did", operation="load", uri=self._uri)

    def _skip_known(self) -> Reference | None:
        while self._next < len(self._references) and self._references[self._next].key in self._known:
            self._next += 1
        return self._references[self._next] if self._next < len(self._references) else None

    def _placed(self, storage: torch.UntypedStorage, location: str) -> torch.UntypedStorage:
        if not callable(self._map_location):
            return storage
        placed: torch.UntypedStorage | None = self._map_location(storage, location)
        return _restored(storage, location) if placed is None else placed
