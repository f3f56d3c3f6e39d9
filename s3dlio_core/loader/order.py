"""The order of an epoch: a keyed permutation that is computed, never stored."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

__all__ = ["Order"]

_ROUNDS = 6
_ALL = (1 << 64) - 1
_SPREAD = 0x9E3779B97F4A7C15  # odd, its bits well mixed: the golden ratio times 2**64


class Order:
    """Position in an epoch -> index of the sample: a bijection of [0, total), in O(1) memory.

    Shuffled it is a Feistel network over the next power of two, keyed by (seed, epoch); where it leads out of the range
    it is applied again (cycle walking), twice at most on average. A true shuffle of everything: any sample may stand
    anywhere. Unshuffled it is the identity. The same arguments give the same order on every machine and version.

    Args:
        total: Samples, 0 or more.
        seed: Any integer.
        epoch: Any integer.
    """

    __slots__ = ("_keys", "_left_shift", "_mask", "_right_bits", "_right_shift", "_total")

    def __init__(self, total: int, *, shuffle: bool = False, seed: int = 0, epoch: int = 0) -> None:
        if total < 0:
            raise ValueError(f"total is {total}; expected 0 or more")
        self._total = total
        bits = max(1, (total - 1).bit_length())
        self._right_bits = (bits + 1) // 2
        self._mask = (1 << self._right_bits) - 1
        self._left_shift = 64 - bits // 2
        self._right_shift = 64 - self._right_bits
        self._keys = _round_keys(seed, epoch) if shuffle and total > 1 else ()

    def __len__(self) -> int:
        return self._total

    def __getitem__(self, position: int) -> int:
        """The sample at `position` of [0, total)."""
        if not 0 <= position < self._total:
            raise IndexError(f"position {position} is outside [0, {self._total})")
        keys = self._keys
        if not keys:
            return position
        bits, left_shift, right_shift = self._right_bits, self._left_shift, self._right_shift
        index = position
        while True:
            left, right = index >> bits, index & self._mask
            for left_key, right_key in keys:
                mixed = (right ^ left_key) * _SPREAD & _ALL
                left ^= ((mixed ^ mixed >> 31) * _SPREAD & _ALL) >> left_shift
                mixed = (left ^ right_key) * _SPREAD & _ALL
                right ^= ((mixed ^ mixed >> 31) * _SPREAD & _ALL) >> right_shift
            index = left << bits | right
            if index < self._total:
                return index

    def __iter__(self) -> Iterator[int]:
        return map(self.__getitem__, range(self._total))


def _round_keys(seed: int, epoch: int) -> tuple[tuple[int, int], ...]:
    digest = hashlib.blake2b(f"s3dlio order {seed} {epoch}".encode(), digest_size=8 * _ROUNDS).digest()
    return tuple(struct.iter_unpack("<QQ", digest))
