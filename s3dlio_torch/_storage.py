"""Whether a tensor still has the memory its shape speaks of."""

from __future__ import annotations

import torch

from s3dlio_core.errors import InvalidArgumentError

__all__ = ["check_storage"]


def check_storage(tensor: torch.Tensor, operation: str, uri: str = "") -> None:
    """Refuse a tensor whose storage was freed or made smaller: its shape stays, its bytes are gone.

    FSDP does that to parameters between their uses. torch itself answers with a storage of zeros that it makes anew, or
    reads what lies behind.

    Args:
        tensor: Strided, on any device with memory.
        operation: For the message, as `uri`.
    Raises:
        InvalidArgumentError: It was.
    """
    if tensor.numel() == 0 or tensor.device.type == "meta":
        return
    last = sum((extent - 1) * stride for extent, stride in zip(tensor.shape, tensor.stride(), strict=True))
    needed = (tensor.storage_offset() + last + 1) * tensor.itemsize
    stored = tensor.untyped_storage().nbytes()
    if needed <= stored:
        return
    message = (
        f"a tensor of shape {list(tensor.shape)} takes {needed} bytes of a storage that holds {stored}: it was freed "
        "or made smaller (resize_, as FSDP does between the uses of a parameter); give it memory again first"
    )
    raise InvalidArgumentError(message, operation=operation, uri=uri)
