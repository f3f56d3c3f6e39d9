"""Where items lie in a data object."""

from __future__ import annotations

__all__ = ["ALIGNMENT", "TINY_BYTES", "gap_before"]

ALIGNMENT = 4096  # O_DIRECT reads, pages and huge pages are content with it
TINY_BYTES = 64 << 10  # below this a gap would cost more than it brings


def gap_before(position: int, head_size: int, payload_size: int) -> int:
    """Zero bytes to leave at `position` so that the payload behind a head of `head_size` bytes starts aligned.

    0 for payloads below TINY_BYTES, which are packed.
    """
    return -(position + head_size) % ALIGNMENT if payload_size >= TINY_BYTES else 0
