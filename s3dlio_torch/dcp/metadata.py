"""A checkpoint's `.metadata` in torch's own classes."""

from __future__ import annotations

import io
import pickle
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    StorageMeta,
    TensorProperties,
    TensorStorageMetadata,
)

from s3dlio_core.checkpoint import metadata as stored_metadata
from s3dlio_core.checkpoint.metadata_kinds import Kinds
from s3dlio_core.errors import CheckpointError

__all__ = ["read_metadata"]

_TORCH = Kinds(
    metadata=Metadata,
    tensor=TensorStorageMetadata,
    chunk=ChunkStorageMetadata,
    bytes=BytesStorageMetadata,
    index=MetadataIndex,
    storage_meta=StorageMeta,
    properties=TensorProperties,
    info=_StorageInfo,
    size=torch.Size,
    dtypes={name: value for name, value in vars(torch).items() if isinstance(value, torch.dtype)},
    dtype=torch.dtype,
    layouts={str(value): value for value in vars(torch).values() if isinstance(value, torch.layout)},
    layout=torch.layout,
    memory_formats=(torch.contiguous_format, torch.channels_last, torch.preserve_format),
    memory_format=torch.memory_format,
)


def read_metadata(stored: bytes, uri: str, *, trusted: bool = False) -> Metadata:
    """The Metadata in the bytes of a `.metadata` object.

    Args:
        uri: For messages.
        trusted: Read with Python's unpickler, which runs what the pickle says.
    Raises:
        CheckpointError: Not a checkpoint's metadata, cut short, or it names something that is no part of metadata.
        ChecksumMismatchError: It carries a checksum, and differs from it.
    """
    found: Metadata = stored_metadata.read_metadata(stored, uri, _TORCH, _read_trusted if trusted else None)
    return found


def _read_trusted(document: bytes) -> tuple[Any, int]:
    stream = io.BytesIO(document)
    try:
        return pickle.load(stream), stream.tell()
    except Exception as error:  # an unpickler raises whatever the pickle makes it raise
        raise CheckpointError(f"the pickle cannot be read: {error!r}") from error
