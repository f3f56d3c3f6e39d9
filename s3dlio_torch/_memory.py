"""Fresh memory for what is about to be read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch

from s3dlio_core import _ext

__all__ = ["fresh", "pinned"]

_WORTH_ASKING = 4 << 20
_warned = False


def fresh(shape: Sequence[int], dtype: torch.dtype, device: torch.device | str = "cpu") -> torch.Tensor:
    """As torch.empty; large ones on the CPU are backed by huge pages where the system has them.

    Filling memory of 4 KiB pages takes more of the processor's time than receiving the bytes that fill it.
    """
    tensor = torch.empty(shape, dtype=dtype, device=device)
    if tensor.device.type == "cpu" and tensor.nbytes >= _WORTH_ASKING:
        _ext.prefer_huge_pages(tensor)
    return tensor


def pinned(size: int) -> torch.Tensor | None:
    """Page-locked memory: uint8, shape [size]; None, and once a RuntimeWarning, where it cannot be had.

    Not every accelerator has it, and a process that was forked after the accelerator was first used cannot ask for any.
    Copies out of other memory are slower, and right.
    """
    global _warned
    try:
        return torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=True)
    except (RuntimeError, NotImplementedError) as error:
        if not _warned:
            _warned = True
            reason = str(error).partition("\n")[0]
            text = f"no pinned memory in this process, copies to the accelerator will be slower: {reason}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None
