"""Memory with guard zones: whoever writes a byte too far is found out."""

from __future__ import annotations

_GUARD = 4096
_PATTERN = bytes(range(251)) * 17


class Guarded:
    """`size` writable bytes between two zones of a known pattern.

    Attributes:
        view: The writable memory, uint8 [size].
    """

    def __init__(self, size: int, *, fill: int = 0xEE, misalign: int = 0) -> None:
        self._front = _GUARD + misalign
        self._whole = bytearray(self._front + size + _GUARD)
        self._whole[: self._front] = self._pattern(self._front)
        self._whole[self._front + size :] = self._pattern(_GUARD)
        self.view = memoryview(self._whole)[self._front : self._front + size]
        self.view[:] = bytes([fill]) * size

    @staticmethod
    def _pattern(size: int) -> bytes:
        return (_PATTERN * (size // len(_PATTERN) + 1))[:size]

    def check(self) -> None:
        """Fails if a byte outside the view changed."""
        assert self._whole[: self._front] == self._pattern(self._front), "written before the destination"
        assert self._whole[-_GUARD:] == self._pattern(_GUARD), "written past the destination"

    def __bytes__(self) -> bytes:
        return bytes(self.view)
