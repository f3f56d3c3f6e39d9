"""Small data sets on disk whose samples tell their own index."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def write_samples(folder: Path, count: int, size: int = 64) -> str:
    """`count` objects of `size` bytes; the first two bytes of each are its index. Their URI."""
    for index in range(count):
        (folder / f"{index:05d}.bin").write_bytes(index.to_bytes(2, "little") + bytes(size - 2))
    return f"file://{folder}/"


def index_of(sample: torch.Tensor) -> int:
    """The index a sample tells; a transform."""
    return int(sample[0]) + 256 * int(sample[1])


def flat(batches: Any) -> list[int]:
    """The indices of many batches."""
    return [int(index) for batch in batches for index in batch]
