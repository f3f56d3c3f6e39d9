"""The `torch.save` archive of one tensor, built around a payload that never passes through Python."""

from __future__ import annotations

import io
import math
import pickle
import sys
from collections import OrderedDict
from functools import lru_cache
from typing import Any

import torch
from torch import _utils as torch_utils

from s3dlio_core.checkpoint.zip_archive import StoredArchive

__all__ = ["can_be_streamed", "dtype_name", "tensor_archive"]

_ALIGNMENT = 64  # of the payload inside the archive, as torch has it


def dtype_name(dtype: torch.dtype) -> str:
    """As the index spells it: "bfloat16"."""
    return str(dtype).removeprefix("torch.")


def can_be_streamed(tensor: torch.Tensor) -> bool:
    """Whether `tensor` is plain memory of a type whose archive is known; torch.save must write any other."""
    return (
        type(tensor) is torch.Tensor
        and tensor.layout is torch.strided
        and not tensor.is_quantized
        and tensor.device.type != "meta"
        and _storage_of(tensor.dtype, 0) is not None
    )


@lru_cache(maxsize=4096)  # layers repeat their shapes
def tensor_archive(dtype: torch.dtype, shape: tuple[int, ...]) -> StoredArchive:
    """What stands around the payload of a contiguous CPU tensor of `dtype` and `shape`."""
    records = [
        ("archive/data.pkl", _pickled_tensor(dtype, shape)),
        ("archive/.format_version", b"1"),
        ("archive/.storage_alignment", str(_ALIGNMENT).encode()),
        ("archive/byteorder", sys.byteorder.encode()),
        ("archive/version", b"3\n"),
    ]
    return StoredArchive.around(records, "archive/data/0", math.prod(shape) * dtype.itemsize, alignment=_ALIGNMENT)


class _Storage:
    """Stands for the payload in data.pkl; its persistent id says how torch finds it."""

    def __init__(self, persistent_id: tuple[Any, ...]) -> None:
        self.persistent_id = persistent_id


class _Tensor:
    """Pickles as the call that rebuilds the tensor."""

    def __init__(self, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        self.dtype = dtype
        self.shape = shape

    def __reduce__(self) -> tuple[Any, ...]:
        storage = _storage_of(self.dtype, math.prod(self.shape))
        assert storage is not None
        # Storage offset 0, row-major, no gradient, no hooks.
        arguments: tuple[Any, ...] = (storage, 0, self.shape, _row_major(self.shape), False, OrderedDict())
        if _is_legacy(self.dtype):
            return torch_utils._rebuild_tensor_v2, arguments
        return torch_utils._rebuild_tensor_v3, (*arguments, self.dtype)


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj: Any) -> tuple[Any, ...] | None:
        return obj.persistent_id if isinstance(obj, _Storage) else None


def _pickled_tensor(dtype: torch.dtype, shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, protocol=2).dump(_Tensor(dtype, shape))
    return stream.getvalue()


@lru_cache(maxsize=1)
def _legacy_storages() -> dict[torch.dtype, str]:
    found: dict[torch.dtype, str] = torch.storage._dtype_to_storage_type_map()
    return found


@lru_cache(maxsize=1)
def _newer_dtypes() -> frozenset[torch.dtype]:
    return frozenset(torch.storage._new_dtypes())


def _is_legacy(dtype: torch.dtype) -> bool:
    return dtype in _legacy_storages() and dtype not in _newer_dtypes()


def _storage_of(dtype: torch.dtype, elements: int) -> _Storage | None:
    """How data.pkl names a storage: a typed one counts elements, an untyped one bytes. None: neither is known."""
    if _is_legacy(dtype):
        return _Storage(("storage", getattr(torch, _legacy_storages()[dtype]), "0", "cpu", elements))
    if dtype in _newer_dtypes():
        return _Storage(("storage", torch.UntypedStorage, "0", "cpu", elements * dtype.itemsize))
    return None


def _row_major(shape: tuple[int, ...]) -> tuple[int, ...]:
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))
