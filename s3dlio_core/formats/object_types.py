"""Forms that generated objects can take, so that readers of each have something to read.

RAW       the payload itself
ZEROS     as many zero bytes
NPZ       a zip with one stored member, data.npy: uint8, shape [n]; np.load(...)["data"] is the payload
TFRECORD  one record that holds the payload, with the checksums TensorFlow verifies
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

from s3dlio_core import _ext

__all__ = ["OBJECT_TYPES", "encode"]

OBJECT_TYPES = ("RAW", "ZEROS", "NPZ", "TFRECORD")


def encode(object_type: str, payload: Any) -> Any:
    """`payload` (contiguous bytes) in the form `object_type`, one of OBJECT_TYPES.

    Raises:
        ValueError: Another word.
    """
    match object_type.upper():
        case "RAW":
            return payload
        case "ZEROS":
            return bytes(len(payload))
        case "NPZ":
            return _npz(payload)
        case "TFRECORD":
            return _tfrecord(payload)
    raise ValueError(f"object type '{object_type}'; expected one of {', '.join(OBJECT_TYPES)}")


def _npz(payload: Any) -> memoryview:
    described = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(payload)},), }}"
    front = 10  # magic, version and the length of what follows
    padding = -(front + len(described) + 1) % 64  # NPY wants the data to begin at a multiple of 64
    text = (described + " " * padding + "\n").encode("latin-1")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        # ZipInfo's own date, not today's: equal seeds make equal objects.
        with archive.open(zipfile.ZipInfo("data.npy"), "w", force_zip64=len(payload) >= 1 << 31) as member:
            member.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
            member.write(payload)
    return file.getbuffer()


def _tfrecord(payload: Any) -> memoryview:
    length = struct.pack("<Q", len(payload))
    file = io.BytesIO()
    for part in (length, payload):
        file.write(part)
        file.write(struct.pack("<I", _masked(_ext.crc32c(part))))
    return file.getbuffer()


def _masked(crc: int) -> int:
    """As TensorFlow stores a checksum, so that a checksum of data with checksums in it stays a good one."""
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
