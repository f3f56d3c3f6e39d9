"""The empty objects that consoles and other tools store so that a folder shows before anything lies in it."""

from __future__ import annotations

__all__ = ["is_folder_marker"]


def is_folder_marker(key: str, size: int) -> bool:
    """Whether a listed object stands for a folder and holds no data.

    An object with bytes in it is data, whatever its key ends in.

    Args:
        key: Below a store's prefix; "" is the marker of that very prefix, whose whole key ends in "/".
        size: In bytes.
    """
    return size == 0 and (not key or key.endswith("/"))
