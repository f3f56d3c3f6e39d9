"""Fresh memory for what is about to be read."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from s3dlio_core import _ext

__all__ = ["fresh"]

_WORTH_ASKING = 4 << 20


def fresh(shape: Sequence[int], dtype: torch.dtype, device: torch.device | str = "cpu") -> torch.Tensor:
    """As torch.empty; large ones on the CPU are backed by huge pages where the system has them.

    Filling memory of 4 KiB pages takes more of the processor's time than receiving the bytes that fill it.
    """
    tensor = torch.empty(shape, dtype=dtype, device=device)
    if tensor.device.type == "cpu" and tensor.nbytes >= _WORTH_ASKING:
        _ext.prefer_huge_pages(tensor)
    return tensor
