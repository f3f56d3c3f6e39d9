"""Checksums as S3 spells them, computed independently of the engine: base64 of the big-endian value."""

from __future__ import annotations

import base64
import functools
import hashlib
import zlib

import google_crc32c
import numpy as np

_CRC64_NVME = 0x9A6C9329AC4BC9B5  # reflected
_ONES = 0xFFFF_FFFF_FFFF_FFFF
_LANE_BYTES = 2048

KINDS = ("crc64nvme", "crc32c", "crc32", "sha256", "sha1")


@functools.cache
def _table() -> np.ndarray:
    table = np.zeros(256, dtype=np.uint64)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CRC64_NVME if value & 1 else 0)
        table[byte] = value
    return table


@functools.cache
def _shift_tables(size: int) -> list[list[int]]:
    """For each of the 8 bytes of a CRC register: what it becomes after `size` zero bytes (the CRC is linear)."""
    table = [int(v) for v in _table()]
    bits = []
    for bit in range(64):
        value = 1 << bit
        for _ in range(size):
            value = (value >> 8) ^ table[value & 0xFF]
        bits.append(value)
    tables = []
    for position in range(8):
        row = []
        for byte in range(256):
            value = 0
            for bit in range(8):
                if byte >> bit & 1:
                    value ^= bits[8 * position + bit]
            row.append(value)
        tables.append(row)
    return tables


def crc64nvme(data: bytes | bytearray | memoryview) -> int:
    """CRC-64/NVME: many lanes at once with numpy, then folded together."""
    array = np.frombuffer(data, dtype=np.uint8)
    table = _table()
    lanes = len(array) // _LANE_BYTES
    register = _ONES
    if lanes:
        columns = np.ascontiguousarray(array[: lanes * _LANE_BYTES].reshape(lanes, _LANE_BYTES).T)
        states = np.zeros(lanes, dtype=np.uint64)
        low, eight = np.uint64(0xFF), np.uint64(8)
        for column in columns:
            states = table[(states ^ column) & low] ^ (states >> eight)
        shift = _shift_tables(_LANE_BYTES)
        for state in states.tolist():
            moved = 0
            for position in range(8):
                moved ^= shift[position][register >> (8 * position) & 0xFF]
            register = moved ^ state
    small = [int(v) for v in table]
    for byte in array[lanes * _LANE_BYTES :].tolist():
        register = small[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ _ONES


def encoded(kind: str, data: bytes | bytearray | memoryview) -> str:
    """The value of an x-amz-checksum-<kind> header."""
    if kind == "crc64nvme":
        digest = crc64nvme(data).to_bytes(8, "big")
    elif kind == "crc32c":
        digest = int(google_crc32c.value(bytes(data))).to_bytes(4, "big")
    elif kind == "crc32":
        digest = zlib.crc32(data).to_bytes(4, "big")
    else:
        digest = hashlib.new(kind, data).digest()
    return base64.b64encode(digest).decode()
