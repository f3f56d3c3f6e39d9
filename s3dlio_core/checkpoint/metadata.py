"""A checkpoint's `.metadata`: read as data, whoever wrote it; nothing in it is imported or run.

What it names are torch's classes. Their places are taken by `Kinds`: plain ones of this file, or torch's own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar

from s3dlio_core.checkpoint.metadata_kinds import PLAIN, Kinds
from s3dlio_core.checkpoint.plain_pickle import Name, PickleRefused, UnknownName, check_depth, read_pickle
from s3dlio_core.checkpoint.seal import unseal
from s3dlio_core.errors import CheckpointError, ChecksumMismatchError, naming

__all__ = ["read_metadata"]

T = TypeVar("T")

_DIMENSIONS = 64  # torch's own limit of a tensor's dimensions
_PATH_LENGTH = 4096
_MOST_BYTES = 4 << 30  # of a metadata; a million tensors take half of it
_OURS = "s3dlio"  # attributes of this package begin with this


def read_metadata(
    stored: bytes, uri: str, kinds: Kinds = PLAIN, trusted: Callable[[bytes], tuple[Any, int]] | None = None
) -> Any:
    """The Metadata in the bytes of a `.metadata` object; `s3dlio_sealed`: whether a checksum vouches for its numbers.

    Args:
        uri: For messages.
        kinds: What its classes are.
        trusted: Reads the pickle in the place of this module, and runs what it says; gives where it ends as well.
    Raises:
        CheckpointError: Not a checkpoint's metadata, cut short, or it names something that is no part of metadata.
        ChecksumMismatchError: It carries a checksum, and differs from it.
    """
    try:
        document, sealed = unseal(stored)
        found, end = trusted(document) if trusted else _read_plain(document, kinds)
        if end != len(document):
            raise CheckpointError(f"{len(document) - end} bytes follow the pickle's end; it was damaged")
        if type(found) is not kinds.metadata:
            raise CheckpointError(f"found a {type(found).__name__}; expected a Metadata")
        if not trusted:
            _check(found, kinds)
    except (CheckpointError, ChecksumMismatchError) as error:
        naming(error, "load", uri)
        raise
    except PickleRefused as error:
        known = not isinstance(error, UnknownName)
        remedy = "" if known else "; if you trust whoever wrote it, pass trusted=True, which runs what it says"
        raise CheckpointError(f"{error}{remedy}", operation="load", uri=uri) from error
    found.s3dlio_sealed = sealed
    return found


def _read_plain(document: bytes, kinds: Kinds) -> tuple[Any, int]:
    if len(document) > _MOST_BYTES:
        raise CheckpointError(f"it has {len(document)} bytes; expected {_MOST_BYTES} at most")
    return read_pickle(document, _names(kinds), {kinds.index: lambda index: _is_plain_index(index, kinds)})


def _is_plain_index(index: Any, kinds: Kinds) -> bool:
    """Whether it may be hashed: its fields are set, and what they should be."""
    fields = vars(index)
    offset, number = fields.get("offset"), fields.get("index")
    return (
        type(fields.get("fqn")) is str
        and (offset is None or type(offset) is kinds.size)
        and (number is None or type(number) is int)
    )


# ---- what the names in the pickle stand for ----
def _size_of(kinds: Kinds) -> Callable[..., Any]:
    def size(extents: Any = ()) -> Any:
        if not isinstance(extents, (tuple, list)) or len(extents) > _DIMENSIONS:
            raise PickleRefused(f"a size of more than {_DIMENSIONS} dimensions")
        for extent in extents:
            if type(extent) is not int or not 0 <= extent < 1 << 63:
                raise PickleRefused("a size holds something else than counts")
        return kinds.size(extents)

    return size


def _layout_of(kinds: Kinds) -> Callable[[Any], Any]:
    def layout(name: Any) -> Any:
        found = kinds.layouts.get(name) if isinstance(name, str) else None
        if found is None:
            raise PickleRefused("a tensor has a layout that torch does not know")
        return found

    return layout


def _path(*parts: Any) -> PurePosixPath:
    if not all(isinstance(part, str) for part in parts) or sum(map(len, parts)) > _PATH_LENGTH:
        raise PickleRefused("a path is not made of names, or too long")
    return PurePosixPath(*parts)


class _MemoryFormats(Name):
    """The enumeration of memory formats, which some Pythons pickle as getattr(enumeration, name)."""

    __slots__ = ()


_MEMORY_FORMATS = ("TORCH_CONTIGUOUS_FORMAT", "TORCH_CHANNELS_LAST", "TORCH_PRESERVE_FORMAT")


def _memory_format_of(kinds: Kinds) -> Callable[[Any], Any]:
    def memory_format(number: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(_MEMORY_FORMATS):
            raise PickleRefused("a tensor has a memory format that torch does not know")
        return kinds.memory_formats[number]

    return memory_format


def _member_of(kinds: Kinds) -> Callable[[Any, Any], Any]:
    def member(owner: Any, name: Any) -> Any:
        if not isinstance(owner, _MemoryFormats) or not isinstance(name, str) or name not in _MEMORY_FORMATS:
            raise PickleRefused("the pickle asks for an attribute of something; only memory formats are read that way")
        return kinds.memory_formats[_MEMORY_FORMATS.index(name)]

    return member


def _empty(kind: type[T]) -> Callable[[], T]:
    return lambda: object.__new__(kind)


def _fields(*known: str, required: int) -> Callable[[Any, Any], None]:
    """Fills an object from a dict; fields of later versions are passed by, the first `required` must be there."""

    def build(target: Any, state: Any) -> None:
        if type(state) is not dict or any(name not in state for name in known[:required]):
            raise PickleRefused(f"a {type(target).__name__} lacks some of its fields")
        for name, value in state.items():
            if name in known or (isinstance(name, str) and name.startswith(_OURS)):
                object.__setattr__(target, name, value)

    return build


def _properties_of(kinds: Kinds) -> Callable[[Any, Any], None]:
    expected = (kinds.dtype, kinds.layout, bool, kinds.memory_format, bool)

    def build(target: Any, state: Any) -> None:
        if type(state) is not tuple or len(state) != 5 or not all(map(isinstance, state, expected)):
            raise PickleRefused("the properties of a tensor are not dtype, layout, two switches and memory format")
        target.dtype, target.layout, target.requires_grad, target.memory_format, target.pin_memory = state

    return build


def _record(kind: type, *known: str, required: int) -> Name:
    return Name(new=_empty(kind), build=_fields(*known, required=required))


def _names(kinds: Kinds) -> dict[tuple[str, str], Any]:
    metadata = "torch.distributed.checkpoint.metadata"
    older = "torch.distributed._shard.sharded_tensor.metadata"  # where torch before 2.3 kept tensors' properties
    properties = Name(new=_empty(kinds.properties), build=_properties_of(kinds))
    formats = _MemoryFormats(call=_memory_format_of(kinds))
    names: dict[tuple[str, str], Any] = {
        (metadata, "Metadata"): _record(
            kinds.metadata, "state_dict_metadata", "planner_data", "storage_data", "storage_meta", "version", required=1
        ),
        (metadata, "TensorStorageMetadata"): _record(kinds.tensor, "properties", "size", "chunks", required=3),
        (metadata, "ChunkStorageMetadata"): _record(kinds.chunk, "offsets", "sizes", required=2),
        (metadata, "BytesStorageMetadata"): _record(kinds.bytes, required=0),
        (metadata, "MetadataIndex"): _record(kinds.index, "fqn", "offset", "index", required=1),
        (metadata, "StorageMeta"): _record(
            kinds.storage_meta, "checkpoint_id", "save_id", "load_id", "modules", required=0
        ),
        (metadata, "TensorProperties"): properties,
        (older, "TensorProperties"): properties,
        (metadata, "_MEM_FORMAT_ENCODING"): formats,
        (older, "MEM_FORMAT_ENCODING"): formats,
        ("torch.distributed.checkpoint.filesystem", "_StorageInfo"): _record(
            kinds.info, "relative_path", "offset", "length", "transform_descriptors", required=3
        ),
        ("torch", "Size"): Name(call=_size_of(kinds)),
        ("torch.serialization", "_get_layout"): Name(call=_layout_of(kinds)),
        ("builtins", "getattr"): Name(call=_member_of(kinds)),
        ("collections", "OrderedDict"): Name(call=lambda: OrderedDict()),
    }
    for module in ("pathlib", "pathlib._local"):
        for name in ("PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath"):
            names[module, name] = Name(call=_path)
    names.update({("torch", name): value for name, value in kinds.dtypes.items()})
    return names


# ---- what must hold of what was read ----
def _check(metadata: Any, kinds: Kinds) -> None:
    entries = metadata.state_dict_metadata
    if not isinstance(entries, dict):
        raise CheckpointError(f"state_dict_metadata is a {type(entries).__name__}; expected a dict")
    for fqn, entry in entries.items():
        if not isinstance(fqn, str) or not isinstance(entry, (kinds.tensor, kinds.bytes)):
            raise CheckpointError(f"the entry {_shown(fqn)} is a {type(entry).__name__}; expected a tensor or bytes")
        if isinstance(entry, kinds.tensor):
            _check_tensor(fqn, entry, kinds)
    stored = metadata.storage_data
    if not isinstance(stored, dict):
        raise CheckpointError(f"storage_data is a {type(stored).__name__}; expected a dict")
    for index, info in stored.items():
        _check_place(index, info, kinds)
    meta = metadata.storage_meta
    if meta is not None and not isinstance(meta, kinds.storage_meta):
        raise CheckpointError(f"storage_meta is a {type(meta).__name__}; expected a StorageMeta")
    # What is free in form.
    extras = [getattr(info, "s3dlio_index", None) for info in stored.values()]
    check_depth(metadata.planner_data, meta, metadata.version, extras)


def _shown(name: Any) -> str:
    """For messages. Only texts as they are: to print something else may fail."""
    return repr(name[:200]) if isinstance(name, str) else f"of type {type(name).__name__}"


def _check_tensor(fqn: str, entry: Any, kinds: Kinds) -> None:
    sound = (
        isinstance(entry.properties, kinds.properties)
        and hasattr(entry.properties, "dtype")  # its state was set
        and isinstance(entry.size, kinds.size)
        and isinstance(entry.chunks, list)
        and all(_is_chunk_of(chunk, entry.size, kinds) for chunk in entry.chunks)
    )
    if not sound:
        raise CheckpointError(f"the description of tensor {fqn[:200]!r} contradicts itself")


def _is_chunk_of(chunk: Any, size: tuple[int, ...], kinds: Kinds) -> bool:
    return (
        isinstance(chunk, kinds.chunk)
        and isinstance(chunk.offsets, kinds.size)
        and isinstance(chunk.sizes, kinds.size)
        and len(chunk.offsets) == len(chunk.sizes) == len(size)
        and all(o + s <= whole for o, s, whole in zip(chunk.offsets, chunk.sizes, size, strict=True))
    )


def _check_place(index: Any, info: Any, kinds: Kinds) -> None:
    sound = (
        isinstance(index, kinds.index)
        and _is_plain_index(index, kinds)
        and isinstance(info, kinds.info)
        and isinstance(info.relative_path, str)
        and type(info.offset) is int
        and type(info.length) is int
        and 0 <= info.offset <= info.offset + info.length < 1 << 63
    )
    if not sound:
        raise CheckpointError(f"the place of {_shown(getattr(index, 'fqn', index))} contradicts itself")
    path = info.relative_path
    if not path or path.startswith("/") or ".." in path.split("/"):
        raise CheckpointError(
            f"{index.fqn[:200]!r} is said to lie in {path[:200]!r}; expected a place in the checkpoint"
        )
    descriptors = info.transform_descriptors
    if descriptors is not None and not (
        isinstance(descriptors, (list, tuple)) and all(isinstance(word, str) for word in descriptors)
    ):
        raise CheckpointError(f"the transforms of {index.fqn[:200]!r} are no words")
