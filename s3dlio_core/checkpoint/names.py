"""What the objects of a checkpoint are called, and which of them belong to it."""

from __future__ import annotations

import re
import uuid

__all__ = ["data_key", "is_data_key", "is_metadata_key", "metadata_key", "new_save_id"]

_METADATA = ".metadata"
_SUFFIX = ".distcp"
_METADATA_NAME = re.compile(r"(?:__\d+)?\.metadata")


def new_save_id() -> str:
    """16 random hexadecimal digits: two saves never share a name."""
    return uuid.uuid4().hex[:16]


def data_key(prefix: str, number: int, save_id: str) -> str:
    """The key of data object `number` of a rank, e.g. "__0_1-5f0c3a9be1d24c77.distcp" for the prefix "__0_"."""
    return f"{prefix}{number}-{save_id}{_SUFFIX}"


def metadata_key(rank: int | None = None) -> str:
    """What commits a checkpoint; with `rank`, what commits that rank's share of a save without collectives."""
    return _METADATA if rank is None else f"__{rank}{_METADATA}"


def is_data_key(key: str) -> bool:
    """Whether `key` names a data object, ours or torch's."""
    return key.endswith(_SUFFIX) and ".." not in key.split("/")


def is_metadata_key(key: str) -> bool:
    """Whether `key` names what commits."""
    return _METADATA_NAME.fullmatch(key) is not None
