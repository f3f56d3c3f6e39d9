"""CRC32, CRC32C and CRC64NVME over any memory, by the processor's own instructions where it has them.

`data` is any contiguous memory on the CPU: bytes, mmap, numpy arrays, torch tensors of any dtype, Buffer. The GIL is
let go for more than a few KiB. All raise TypeError for what holds no memory and InvalidArgumentError for memory that is
not contiguous, on an accelerator, or requires grad.
"""

from __future__ import annotations

from typing import Any

from s3dlio_core import _ext

__all__ = ["crc32", "crc32_blocks", "crc32_combine", "crc32c", "crc64nvme"]


def crc32(data: Any, value: int = 0) -> int:
    """CRC-32 as in zip and zlib; `value`: that of the bytes before, 0 at their beginning."""
    return _ext.crc32(data, value)


def crc32c(data: Any, value: int = 0) -> int:
    """CRC-32C (Castagnoli) as in TFRecord and S3; `value`: that of the bytes before, 0 at their beginning."""
    return _ext.crc32c(data, value)


def crc64nvme(data: Any, value: int = 0) -> int:
    """CRC-64/NVME, which S3 keeps of every object; `value`: that of the bytes before, 0 at their beginning."""
    return _ext.crc64nvme(data, value)


def crc32_blocks(data: Any, block_size: int) -> bytes:
    """CRC-32 of each block of `block_size` bytes.

    Returns:
        Four little-endian bytes a block, in the blocks' order; the last block may be shorter; b"" for no data.
    Raises:
        InvalidArgumentError: `block_size` is 0.
    """
    return _ext.crc32_blocks(data, block_size)


def crc32_combine(first: int, second: int, second_size: int) -> int:
    """CRC-32 of two pieces, one behind the other, from the CRC-32 of each and the size of the second in bytes."""
    return _ext.crc32_combine(first, second, second_size)
