"""Test content in which no stretch equals another: shifted or swapped bytes cannot go unnoticed."""

from __future__ import annotations

import functools

import numpy as np


@functools.lru_cache(maxsize=16)
def content(size: int, seed: int = 0) -> bytes:
    """`size` bytes, the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8).tobytes()


MIB = 1 << 20
