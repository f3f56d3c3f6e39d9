"""A tensor of a type that numpy does not have."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RawTensor"]


class RawTensor(NamedTuple):
    """Bytes of a tensor, row-major and little-endian, with what they mean.

    Attributes:
        dtype: As safetensors spells it: "BF16", "F8_E4M3", ...
        shape: Extents.
        data: The bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    data: memoryview
