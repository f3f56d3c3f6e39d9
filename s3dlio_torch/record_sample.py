"""What a decoded record becomes for PyTorch: tensors over the memory its bytes arrived in."""

from __future__ import annotations

from typing import Any

import torch

from s3dlio_core.errors import RecordError
from s3dlio_core.records import RawTensor

__all__ = ["record_to_torch"]

_RAW_TYPES = {
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz,
    "F8_E5M2": torch.float8_e5m2,
    "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
    "F8_E8M0": torch.float8_e8m0fnu,
}
# numpy's kinds that have a torch dtype: bool, integers, floats, complex.
_KINDS = "biufc"
_LARGEST_ITEM = {"f": 8, "c": 16}  # torch has no long double


def record_to_torch(record: Any) -> Any:
    """A decoded record with tensors in place of memory.

    Bytes (a TFRecord's payload, every field of a WebDataset sample, text too) become uint8 tensors of shape [n]; numpy
    arrays and RawTensors become tensors of their dtype and shape; in a dict each value does. A str (a WebDataset
    sample's `__key__`) and what torch has no type for (arrays of strings, times, long doubles) stay as they are. No
    copy is made, unless the memory is read-only (inflated NPZ members) or in another byte order.

    Raises:
        RecordError: A RawTensor of a type that torch lacks (6-bit and 4-bit floats).
    """
    if isinstance(record, RawTensor):
        return _of_raw(record)
    if isinstance(record, dict):
        return {name: record_to_torch(value) for name, value in record.items()}
    if isinstance(record, (bytes, bytearray, memoryview)):
        return _of_memory(record, torch.uint8)
    if isinstance(record, str):
        return record
    return _of_array(record)


def _of_raw(record: RawTensor) -> torch.Tensor:
    dtype = _RAW_TYPES.get(record.dtype)
    if dtype is None:
        raise RecordError(f"torch has no dtype for {record.dtype}; expected one of {', '.join(_RAW_TYPES)}")
    return _of_memory(record.data, dtype).reshape(record.shape)


def _of_memory(memory: Any, dtype: torch.dtype) -> torch.Tensor:
    view = memoryview(memory).cast("B")
    if not len(view):
        return torch.empty(0, dtype=dtype)
    return torch.frombuffer(bytearray(view) if view.readonly else view, dtype=dtype)


def _of_array(array: Any) -> Any:
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in _KINDS or size > _LARGEST_ITEM.get(kind, 8):
        return array
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(array if array.flags.writeable else array.copy())
