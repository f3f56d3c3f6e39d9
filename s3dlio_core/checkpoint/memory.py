"""Any memory as a memoryview: tensors have no buffer protocol of their own."""

from __future__ import annotations

from typing import Any

from s3dlio_core import _ext

__all__ = ["view_of"]


def view_of(data: Any) -> memoryview:
    """The bytes of contiguous writable memory, tensors included: format "B". It must outlive its use.

    Raises:
        InvalidArgumentError: Not contiguous, or not on the CPU.
    """
    return _ext.window(data, _ext.memory_size(data, "data"))
