"""A zip archive around a payload that somebody else writes: what stands before it, and, its CRC known, what follows.

Nothing is compressed. The payload is the last record, so its length alone decides where the directory lies.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["StoredArchive"]

_LOCAL, _CENTRAL, _DESCRIPTOR, _END = 0x04034B50, 0x02014B50, 0x08074B50, 0x06054B50
_END64, _END64_LOCATOR = 0x06064B50, 0x07064B50
_UTF8, _CRC_FOLLOWS = 0x0800, 0x0008
_DATE = (1 << 5) | 1  # 1 January 1980, the first day zip knows
_LIMIT = 0xFFFFFFFF
_PADDING_TAG = 0x4246  # "FB", as torch pads
_ZIP64_TAG = 0x0001


@dataclass(frozen=True, slots=True)
class StoredArchive:
    """Head and tail of an archive whose last record is a payload of known size.

    Attributes:
        head: Everything before the payload's first byte; its length is a multiple of the alignment asked for.
        payload_size: Bytes.
    """

    head: bytes
    payload_size: int
    _directory: bytes  # of the records before the payload
    _count: int
    _payload_name: bytes
    _payload_header: int  # offset of its local header

    @classmethod
    def around(
        cls, records: Sequence[tuple[str, bytes]], payload_name: str, payload_size: int, *, alignment: int = 64
    ) -> StoredArchive:
        """The archive that holds `records` (name, contents) and then the payload.

        Args:
            alignment: The payload starts at a multiple of this, counted from the archive's start.
        """
        parts: list[bytes] = []
        directory: list[bytes] = []
        position = 0
        for name, contents in records:
            encoded, crc = name.encode(), zlib.crc32(contents)
            header = _local_header(encoded, _UTF8, crc, len(contents), b"")
            directory.append(_central_header(encoded, _UTF8, crc, len(contents), position))
            parts += [header, contents]
            position += len(header) + len(contents)
        encoded = payload_name.encode()
        # The CRC is not known before the payload was read once: it follows behind it.
        header = _payload_local_header(encoded, payload_size, position, alignment)
        return cls(b"".join([*parts, header]), payload_size, b"".join(directory), len(records), encoded, position)

    @property
    def tail_size(self) -> int:
        """Bytes of tail()."""
        return len(self.tail(0))

    def tail(self, crc: int) -> bytes:
        """Everything behind the payload, whose CRC-32 is `crc`."""
        size, wide = self.payload_size, self.payload_size >= _LIMIT
        descriptor = struct.pack("<IIQQ" if wide else "<IIII", _DESCRIPTOR, crc, size, size)
        flags = _UTF8 | _CRC_FOLLOWS
        entry = _central_header(self._payload_name, flags, crc, size, self._payload_header)
        directory = self._directory + entry
        start = len(self.head) + size + len(descriptor)
        return descriptor + directory + _end_records(self._count + 1, len(directory), start)


def _local_header(name: bytes, flags: int, crc: int, size: int, extra: bytes) -> bytes:
    needed = 45 if size >= _LIMIT else 20
    told = min(size, _LIMIT)
    fields = (_LOCAL, needed, flags, 0, 0, _DATE, crc, told, told, len(name), len(extra))
    return struct.pack("<IHHHHHIIIHH", *fields) + name + extra


def _payload_local_header(name: bytes, size: int, position: int, alignment: int) -> bytes:
    wide = struct.pack("<HHQQ", _ZIP64_TAG, 16, size, size) if size >= _LIMIT else b""
    missing = -(position + 30 + len(name) + len(wide)) % alignment
    if 0 < missing < 4:  # an extra field takes four bytes itself
        missing += alignment
    padding = struct.pack("<HH", _PADDING_TAG, missing - 4) + b"Z" * (missing - 4) if missing else b""
    return _local_header(name, _UTF8 | _CRC_FOLLOWS, 0, size if wide else 0, wide + padding)


def _central_header(name: bytes, flags: int, crc: int, size: int, offset: int) -> bytes:
    wide = size >= _LIMIT
    extra = struct.pack("<HHQQ", _ZIP64_TAG, 16, size, size) if wide else b""
    needed, told = 45 if wide else 20, min(size, _LIMIT)
    fields = (_CENTRAL, needed, needed, flags, 0, 0, _DATE, crc, told, told, len(name), len(extra), 0, 0, 0, 0, offset)
    return struct.pack("<IHHHHHHIIIHHHHHII", *fields) + name + extra


def _end_records(count: int, size: int, start: int) -> bytes:
    end = struct.pack("<IHHHHIIH", _END, 0, 0, count, count, size, min(start, _LIMIT), 0)
    if start < _LIMIT:
        return end
    end64 = struct.pack("<IQHHIIQQQQ", _END64, 44, 45, 45, 0, 0, count, count, size, start)
    return end64 + struct.pack("<IIQI", _END64_LOCATOR, 0, start + size, 1) + end
