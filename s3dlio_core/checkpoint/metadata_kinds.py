"""What the classes named in a checkpoint's `.metadata` are: torch's, or plain ones with the same fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3dlio_core.checkpoint.dtypes import ITEM_SIZES

__all__ = [
    "PLAIN",
    "BytesStorageMetadata",
    "ChunkStorageMetadata",
    "DtypeName",
    "Kinds",
    "LayoutName",
    "MemoryFormatName",
    "Metadata",
    "MetadataIndex",
    "Size",
    "StorageInfo",
    "StorageMeta",
    "TensorProperties",
    "TensorStorageMetadata",
]


@dataclass(frozen=True, slots=True)
class Kinds:
    """One set of classes.

    Those from `metadata` to `info` are made empty and filled field by field; `size` is a kind of tuple, for shapes and
    offsets. `dtypes` are found by the names they have in torch, `layouts` by theirs with "torch."; `memory_formats` are
    contiguous, channels last, as it was. `dtype`, `layout` and `memory_format` are what those are instances of.
    """

    metadata: type[Any]
    tensor: type[Any]
    chunk: type[Any]
    bytes: type[Any]
    index: type[Any]
    storage_meta: type[Any]
    properties: type[Any]
    info: type[Any]
    size: type[Any]
    dtypes: Mapping[str, Any]
    dtype: type[Any]
    layouts: Mapping[str, Any]
    layout: type[Any]
    memory_formats: Sequence[Any]
    memory_format: type[Any]


class Size(tuple[int, ...]):
    """Extents or offsets, one a dimension."""


class DtypeName(str):
    """torch's name of a type of elements, without "torch."."""

    __slots__ = ()


class LayoutName(str):
    """torch's name of a layout, with "torch."."""

    __slots__ = ()


class MemoryFormatName(str):
    """torch's name of a memory format, without "torch."."""

    __slots__ = ()


@dataclass(frozen=True)
class MetadataIndex:
    """Which stored item: a name, and for a part of a tensor its first element. `index` is a hint."""

    fqn: str
    offset: Size | None = None
    index: int | None = field(default=None, hash=False, compare=False)


@dataclass
class TensorProperties:
    """What a tensor was."""

    dtype: DtypeName
    layout: LayoutName
    requires_grad: bool
    memory_format: MemoryFormatName
    pin_memory: bool


@dataclass
class ChunkStorageMetadata:
    """A part of a tensor: its first element, and its extents."""

    offsets: Size
    sizes: Size


@dataclass
class TensorStorageMetadata:
    """A tensor, and the parts it is stored in."""

    properties: TensorProperties
    size: Size
    chunks: list[ChunkStorageMetadata]


@dataclass
class BytesStorageMetadata:
    """An object that is no tensor."""


@dataclass
class StorageInfo:
    """Where an item lies: object, first byte, bytes; and what was done to its bytes.

    `s3dlio_index`, where this package wrote it: see ItemIndex.
    """

    relative_path: str
    offset: int
    length: int
    transform_descriptors: Sequence[str] | None = None


@dataclass
class StorageMeta:
    """Which checkpoint, and which save of it."""

    checkpoint_id: Any = None
    save_id: str | None = None
    load_id: str | None = None
    modules: list[str] = field(default_factory=list)


@dataclass
class Metadata:
    """What a checkpoint holds, and where."""

    state_dict_metadata: dict[str, TensorStorageMetadata | BytesStorageMetadata]
    planner_data: Any = None
    storage_data: Any = None
    storage_meta: StorageMeta | None = None
    version: str | None = None
    s3dlio_sealed: bool = False  # whether a checksum vouches for it


_LAYOUTS = ("strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "_mkldnn", "jagged")
_ALIASES = {
    "bit": "uint1", "cdouble": "complex128", "cfloat": "complex64", "chalf": "complex32", "double": "float64",
    "float": "float32", "half": "float16", "int": "int32", "long": "int64", "short": "int16",
}  # fmt: skip

PLAIN = Kinds(
    metadata=Metadata,
    tensor=TensorStorageMetadata,
    chunk=ChunkStorageMetadata,
    bytes=BytesStorageMetadata,
    index=MetadataIndex,
    storage_meta=StorageMeta,
    properties=TensorProperties,
    info=StorageInfo,
    size=Size,
    dtypes={name: DtypeName(_ALIASES.get(name, name)) for name in (*ITEM_SIZES, *_ALIASES)},
    dtype=DtypeName,
    layouts={f"torch.{name}": LayoutName(f"torch.{name}") for name in _LAYOUTS},
    layout=LayoutName,
    memory_formats=tuple(map(MemoryFormatName, ("contiguous_format", "channels_last", "preserve_format"))),
    memory_format=MemoryFormatName,
)
