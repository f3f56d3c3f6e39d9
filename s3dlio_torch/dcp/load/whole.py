"""Items that are needed as a whole: objects that were pickled, and tensors stored in a way that has no runs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributed._shard._utils import narrow_tensor_by_index
from torch.distributed.checkpoint._extension import ExtensionRegistry, StreamTransformExtension
from torch.distributed.checkpoint.planner import ReadItem

from s3dlio_core.checkpoint import ItemIndex
from s3dlio_core.checkpoint.read.item import Place
from s3dlio_core.checkpoint.read.torch_archive import check_archive
from s3dlio_core.checkpoint.zip_records import ArchiveDamaged, UnusualArchive
from s3dlio_core.checksum import crc32_blocks
from s3dlio_core.errors import CheckpointError
from s3dlio_torch._pickle_depth import check_stored
from s3dlio_torch.dcp.plain_data import load_plain

__all__ = ["checker", "safe_bytes", "tensor_limit", "undoing", "whole_tensor"]

_SLACK_BYTES = 64 << 10  # what an archive holds beside the bytes of its tensor
_READ_BYTES = 1 << 20

Undo = Callable[[memoryview], memoryview]


def checker(index: ItemIndex | None, verify: bool) -> Callable[[memoryview], str]:
    """Tells what is wrong with an item's bytes: by its index where there is one, else by the archive's checksums."""

    def by_index(data: memoryview) -> str:
        assert index is not None
        if len(data) != index.nbytes:
            return f"its index speaks of {index.nbytes} bytes; it has {len(data)}"
        found = crc32_blocks(data, index.block_size) if len(data) else b""
        if found == index.crcs:
            return ""
        bad = next(
            place for place in range(0, len(found), 4) if found[place : place + 4] != index.crcs[place : place + 4]
        )
        start = bad // 4 * index.block_size
        return f"its bytes [{start}, {min(start + index.block_size, len(data))}) differ from their CRC-32"

    def by_archive(data: memoryview) -> str:
        try:
            check_archive(data)
        except UnusualArchive:
            return ""  # nothing to compare with
        except ArchiveDamaged as error:
            return error.message
        return ""

    if not verify:
        return lambda data: ""
    return by_index if index is not None and index.dtype == "" and index.block_size else by_archive


def undoing(descriptors: tuple[str, ...], registry: ExtensionRegistry, place: Place, limit: int) -> Undo:
    """What undoes the transforms torch applied to an item; ValueError: its bytes are damaged.

    Args:
        limit: More bytes than this are no result but an attack.
    Raises:
        CheckpointError: A transform is not known, or what it needs is not installed.
    """
    if not descriptors:
        return lambda data: data
    try:
        extensions = registry.from_descriptor_list(descriptors)
    except ValueError as error:
        message = f"{place.name!r} was stored through {', '.join(descriptors)}, which cannot be undone: {error}"
        raise CheckpointError(message, operation="load", uri=place.uri) from error

    def undo(data: memoryview) -> memoryview:
        stream: Any = io.BytesIO(data)
        for extension in extensions:
            if isinstance(extension, StreamTransformExtension):
                stream = extension.transform_from(stream)
        result = bytearray()
        try:
            while piece := stream.read(_READ_BYTES):
                result += piece
                if len(result) > limit:
                    raise ValueError(f"they hold more than the {limit} bytes expected")
        except ValueError:
            raise
        except Exception as error:  # each kind of stream has errors of its own
            raise ValueError(str(error)) from error
        return memoryview(result)

    return undo


def tensor_limit(nbytes: int) -> int:
    """Most bytes the archive of a tensor of `nbytes` takes."""
    return nbytes + _SLACK_BYTES


def whole_tensor(
    data: memoryview, request: ReadItem, place: Place, resolve: Callable[[], Tensor], commit: Callable[[Tensor], None]
) -> None:
    """Unpickle a stored tensor, weights only, and copy the wanted slice.

    Raises:
        CheckpointError: It is no tensor, or of another shape.
    """
    stored = _load(data, place)
    if not isinstance(stored, Tensor):
        raise _error(place, f"{place.name!r} is stored as a {type(stored).__name__}; expected a tensor")
    try:
        source = narrow_tensor_by_index(stored, request.storage_offsets, request.lengths)
    except (RuntimeError, IndexError) as error:
        message = f"{place.name!r} is stored with shape {tuple(stored.shape)}, unlike the metadata says: {error}"
        raise _error(place, message) from error
    target = resolve().detach()
    if target.shape != source.shape:
        raise _error(
            place, f"{place.name!r}: the slice has shape {tuple(source.shape)}, its place {tuple(target.shape)}"
        )
    target.copy_(source)
    commit(target)


def safe_bytes(data: memoryview, place: Place) -> io.BytesIO:
    """The item's object, pickled anew by this process: torch's planner unpickles it without looking.

    Raises:
        CheckpointError: It cannot be read as weights and plain data: it wants more, or is no archive of torch's.
    """
    stream = io.BytesIO()

    def pickled_anew() -> None:
        torch.save(load_plain(data), stream)

    _guarded(pickled_anew, place)
    stream.seek(0)
    return stream


def _load(data: memoryview, place: Place) -> Any:
    def read() -> Any:
        stream = io.BytesIO(data)
        check_stored(stream)
        return torch.load(stream, map_location="cpu", weights_only=True)

    return _guarded(read, place)


def _guarded(read: Callable[[], Any], place: Place) -> Any:
    try:
        return read()
    except Exception as error:  # unpickling raises whatever it comes upon
        message = (
            f"{place.name!r} cannot be read as plain data: {_first_line(error)}; if you trust whoever wrote "
            "the checkpoint, allow its classes with torch.serialization.add_safe_globals, or pass trusted=True, which "
            "runs what it says"
        )
        raise _error(place, message) from error


def _first_line(error: Exception) -> str:
    """What matters of torch's long advice."""
    lines = str(error).splitlines() or [type(error).__name__]
    cause = next((line for line in lines if "WeightsUnpickler error" in line), lines[0])
    return cause.strip()[:300]


def _error(place: Place, message: str) -> CheckpointError:
    return CheckpointError(message, operation="load", uri=place.uri)
