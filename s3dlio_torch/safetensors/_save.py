"""save_file: tensors into one safetensors object, streamed from their own memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from s3dlio_core import PutResult, Store, Tuning
from s3dlio_core.errors import InvalidArgumentError
from s3dlio_core.formats.safetensors_header import build_header
from s3dlio_torch._overlap import identity_of, overlapping_names
from s3dlio_torch._storage import check_storage
from s3dlio_torch._stores import Stores
from s3dlio_torch._upload import TensorUpload
from s3dlio_torch.safetensors._dtypes import dtype_name
from s3dlio_torch.safetensors._read import one_place

__all__ = ["SharedTensorsError", "check_kinds", "check_tensors", "save_file", "without_copies", "write_file"]


class SharedTensorsError(InvalidArgumentError, RuntimeError):
    """Tensors that share memory would be stored twice and be apart when they are loaded again."""


def save_file(
    tensors: Mapping[str, torch.Tensor],
    uri: str | os.PathLike[str] | None = None,
    metadata: Mapping[str, str] | None = None,
    *,
    filename: str | os.PathLike[str] | None = None,
    tuning: Tuning | None = None,
    **store_options: Any,
) -> PutResult:
    """Write a safetensors object; it appears as a whole, when the last byte is stored, or not at all.

    Args:
        tensors: Dense, contiguous, none sharing memory with another. Those of an accelerator pass through 32 MiB of
            pinned memory.
        uri: Of the object; or a local path.
        filename: The same, under the name the format's own library gives it.
        metadata: Kept in the head; Hugging Face's loaders want {"format": "pt"}.
        store_options: As open_store() takes them.
    Raises:
        InvalidArgumentError: A tensor is sparse or not contiguous; the message names it.
        SharedTensorsError: Some share memory (also RuntimeError); save_model() stores one of them.
        UnsupportedOperationError: A type the format has no name for.
    """
    with Stores(tuning, store_options) as stores:
        store, key = stores.at(one_place(uri, filename), "save_file")
        check_tensors(tensors, store.uri_of(key))
        return write_file(store, key, tensors, metadata)


def write_file(
    store: Store, key: str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None
) -> PutResult:
    """Write checked tensors under `key`."""
    uri = store.uri_of(key)
    described = [(name, *dtype_name(name, tensor, uri)) for name, tensor in tensors.items()]
    head, header = build_header(described, metadata, uri)
    size = max((info.end for info in header.tensors.values()), default=len(head))
    with store.open_writer(key, expected_size=size) as writer:
        writer.write(head)
        upload = TensorUpload(writer)
        for name in header.tensors:
            upload.append(tensors[name])
    assert writer.result is not None
    return writer.result


def without_copies(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Of tensors that are one and the same the one whose name comes first; and for each name left out, that one's."""
    kept = dict(tensors)
    left_out: dict[str, str] = {}
    for group in overlapping_names(tensors):
        first: dict[tuple[Any, ...], str] = {}
        for name in sorted(group):
            stored = first.setdefault(identity_of(tensors[name]), name)
            if stored != name:
                left_out[name] = stored
                del kept[name]
    return kept, left_out


def check_tensors(tensors: Mapping[str, torch.Tensor], uri: str) -> None:
    """Refuse what the format cannot hold, before anything is written.

    Raises:
        InvalidArgumentError, SharedTensorsError: As save_file().
    """
    check_kinds(tensors, uri)
    if groups := overlapping_names(tensors):
        shown = "; ".join(", ".join(group) for group in groups[:5])
        message = f"these tensors share memory: {shown}; save one of each group, or use save_model()"
        raise SharedTensorsError(message, operation="save_file", uri=uri)


def check_kinds(tensors: Mapping[str, torch.Tensor], uri: str) -> None:
    """Refuse what are no dense tensors by name; what they share is not looked at.

    Raises:
        InvalidArgumentError: As save_file().
    """
    if not isinstance(tensors, Mapping):
        raise _refusal(f"tensors is a {type(tensors).__name__}; expected a dict of tensors by name", uri)
    for name, tensor in tensors.items():
        if not isinstance(name, str):
            raise _refusal(f"the name {name!r} is a {type(name).__name__}; expected a str", uri)
        if not isinstance(tensor, torch.Tensor):
            raise _refusal(f'"{name}" is a {type(tensor).__name__}; expected a torch.Tensor', uri)
        if type(tensor.detach()) is not torch.Tensor:
            kind = type(tensor).__name__
            raise _refusal(f'"{name}" is a {kind}, whose bytes are not one piece of memory; save its parts', uri)
        if tensor.layout != torch.strided:
            raise _refusal(f'tensor "{name}" is {tensor.layout}; expected a dense one: call .to_dense()', uri)
        if tensor.device.type == "meta":
            raise _refusal(f'tensor "{name}" is on the meta device: it has no bytes', uri)
        try:
            check_storage(tensor, "save_file", uri)
        except InvalidArgumentError as error:
            raise _refusal(f'tensor "{name}": {error.message}', uri) from None
        if not tensor.is_contiguous():
            message = f'tensor "{name}" is not contiguous: call .contiguous(), or save what it is a view of'
            raise _refusal(message, uri)


def _refusal(message: str, uri: str) -> InvalidArgumentError:
    return InvalidArgumentError(message, operation="save_file", uri=uri)
