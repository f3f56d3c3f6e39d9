"""Which torch type the format's types are."""

from __future__ import annotations

import torch

from s3dlio_core.errors import UnsupportedOperationError
from s3dlio_core.formats.safetensors_header import TensorInfo

__all__ = ["dtype_name", "torch_layout"]

_NAMES = {
    "BOOL": "bool", "F4": "float4_e2m1fn_x2", "U8": "uint8", "I8": "int8", "F8_E5M2": "float8_e5m2",
    "F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "I16": "int16", "U16": "uint16", "F16": "float16", "BF16": "bfloat16",
    "I32": "int32", "U32": "uint32", "F32": "float32", "C64": "complex64", "F64": "float64", "I64": "int64",
    "U64": "uint64",
}  # fmt: skip
_TORCH: dict[str, torch.dtype] = {
    name: getattr(torch, spelled) for name, spelled in _NAMES.items() if hasattr(torch, spelled)
}
_NAME_OF = {dtype: name for name, dtype in _TORCH.items()}


def torch_layout(info: TensorInfo, uri: str) -> tuple[torch.dtype, tuple[int, ...]]:
    """The type and shape a stored tensor has in torch: as stored, but for F4, of which torch packs two in an element.

    Raises:
        UnsupportedOperationError: torch has no such type.
    """
    dtype = _TORCH.get(info.dtype)
    packed = info.dtype == "F4"
    if dtype is None or (packed and (not info.shape or info.shape[-1] % 2)):
        message = f'tensor "{info.name}" is of {info.dtype} {list(info.shape)}, which this torch cannot hold'
        raise UnsupportedOperationError(message, operation="read safetensors", uri=uri)
    return dtype, (*info.shape[:-1], info.shape[-1] // 2) if packed else info.shape


def dtype_name(name: str, tensor: torch.Tensor, uri: str) -> tuple[str, tuple[int, ...]]:
    """The type and shape `tensor` is stored under.

    Raises:
        UnsupportedOperationError: The format has no such type.
    """
    stored = _NAME_OF.get(tensor.dtype)
    shape = tuple(tensor.shape)
    if stored is None:
        message = f'tensor "{name}" is of {tensor.dtype}, which safetensors has no name for'
        raise UnsupportedOperationError(message, operation="write safetensors", uri=uri)
    return stored, (*shape[:-1], shape[-1] * 2) if stored == "F4" and shape else shape
