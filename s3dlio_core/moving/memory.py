"""How much memory the objects under way may hold: what is larger passes in pieces, some of them read ahead."""

from __future__ import annotations

__all__ = ["READ_AHEAD", "memory_for", "piece_bytes"]

READ_AHEAD = 3  # pieces read before the one that is being written is done

_MEMORY = 1 << 30  # bytes that the objects under way hold together ...
_LEAST, _MOST = 32 << 20, 256 << 20  # ... unless there are very many of them


def memory_for(limit: int) -> int:
    """Bytes that each of `limit` objects under way may hold."""
    return min(max(_LEAST, _MEMORY // max(limit, 1)), _MOST)


def piece_bytes(memory_bytes: int) -> int:
    """Bytes of one piece where `memory_bytes` hold all that lie in memory at a time."""
    return memory_bytes // (READ_AHEAD + 1)
