"""A planted bug: memory that says it is larger than it is, read through the Python door. AddressSanitizer must end this
program inside the engine's own code (scripts/door-tests.sh).
"""

from __future__ import annotations

import ctypes

from s3dlio_core.checksum import crc32

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p


class Liar:
    """16 bytes that pass for 64."""

    def __init__(self) -> None:
        address = libc.malloc(ctypes.c_size_t(16))
        ctypes.memset(address, 0, 16)
        self.__array_interface__ = {"version": 3, "shape": (64,), "typestr": "|u1", "data": (address, False)}


crc32(Liar())
print("nobody noticed")
