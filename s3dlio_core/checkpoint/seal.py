"""A checksum behind a document, where readers that stop at the document's own end do not see it.

`.metadata` is a pickle; unpicklers stop at its STOP, so what follows is ours: magic, size and CRC-32 of all before it.
"""

from __future__ import annotations

import struct
import zlib

from s3dlio_core.errors import CheckpointError, ChecksumMismatchError

__all__ = ["seal", "unseal"]

_MAGIC = b"\ns3dlio\n"
_TRAILER = struct.Struct("<8sQI")  # magic, bytes before the trailer, their CRC-32


def seal(document: bytes) -> bytes:
    """`document` with its trailer of 20 bytes."""
    return document + _TRAILER.pack(_MAGIC, len(document), zlib.crc32(document))


def unseal(sealed: bytes) -> tuple[bytes, bool]:
    """The document, and whether a seal vouches for it. Without a seal: all of `sealed`, and False.

    Raises:
        CheckpointError: The seal speaks of another size: something was cut off or put in.
        ChecksumMismatchError: The document is not the one that was sealed.
    """
    front = len(sealed) - _TRAILER.size
    if front < 0 or sealed[front : front + len(_MAGIC)] != _MAGIC:
        return sealed, False
    _, size, crc = _TRAILER.unpack_from(sealed, front)
    document = sealed[:front]
    if size != front:
        raise CheckpointError(f"the document's seal speaks of {size} bytes; found {front}; it was cut short or damaged")
    found = zlib.crc32(document)
    if found != crc:
        raise ChecksumMismatchError(
            f"the document's CRC-32 is {found:08x}; expected {crc:08x}; it was damaged where it is stored"
        )
    return document, True
