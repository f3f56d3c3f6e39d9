"""Many strings in one piece of memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise

__all__ = ["PackedStrings"]


class PackedStrings:
    """An immutable sequence of strings: their UTF-8 bytes in one blob, and where each ends.

    A million keys cost about their own bytes plus 4 each (8 where they are more than 4 GiB together), pickle at the
    speed of memory, and stay shared with forked workers, because nothing in them is counted.
    """

    __slots__ = ("_blob", "_ends")

    def __init__(self, strings: Iterable[str]) -> None:
        blob = bytearray()
        ends = array("Q")
        for string in strings:
            blob += string.encode()
            ends.append(len(blob))
        self._blob = bytes(blob)
        self._ends = array("I", ends) if len(blob) < 1 << 32 else ends

    @classmethod
    def of_parts(cls, blob: bytes, ends: array[int]) -> PackedStrings:
        """The reverse of parts().

        Raises:
            ValueError: The ends do not ascend, or do not end where the blob does; it is no UTF-8, or cut inside a
                character.
        """
        if (ends[-1] if ends else 0) != len(blob) or any(a > b for a, b in pairwise(ends)):
            raise ValueError(f"{len(ends)} ends of strings do not fit {len(blob)} bytes")
        if not blob.isascii():
            blob.decode()
            if any(blob[end] & 0xC0 == 0x80 for end in ends if end < len(blob)):
                raise ValueError("a string ends inside a character")
        packed = cls.__new__(cls)
        packed._blob, packed._ends = blob, ends
        return packed

    def parts(self) -> tuple[bytes, array[int]]:
        """The blob, and the end of each string in it."""
        return self._blob, self._ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        """The string at `index`, from 0."""
        if not 0 <= index < len(self._ends):
            raise IndexError(f"index {index} is outside [0, {len(self._ends)})")
        return self._blob[self._ends[index - 1] if index else 0 : self._ends[index]].decode()

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))
